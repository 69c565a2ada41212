//! The numbers and times that a person types: the allowed values, and what to type instead of a
//! value that is not valid. Flags and placeholders share them, so a width means the same
//! everywhere.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::failure::Invalid;

/// A whole number within bounds.
#[derive(Debug)]
pub struct Number<T> {
    /// The flag without its dashes, or the placeholder.
    pub name: &'static str,
    /// The smallest value.
    pub least: T,
    /// The largest value.
    pub most: T,
    /// A value that works on every machine.
    pub usual: T,
    /// The unit, for a person; empty where the number is a plain count.
    pub unit: &'static str,
}

/// The shortest side that every encoder takes: x265enc and openh264enc take no smaller one.
pub const SHORTEST_SIDE: u32 = 16;
/// The longest side of 8K. Two of these sides are more pixels than a receiver takes.
const LONGEST_SIDE: u32 = 8192;

/// Width of a frame.
pub const WIDTH: Number<u32> = side("width", 320);
/// Height of a frame.
pub const HEIGHT: Number<u32> = side("height", 240);
/// Frames a second that are sent at most.
pub const FPS: Number<u32> = rate("fps");
/// The frame rate that an encoder assumes.
pub const RATE: Number<u32> = rate("rate");
/// An encoder's bit rate. In bit/s it has to be less than 2^31 for some encoders.
pub const BITRATE: Number<u32> = Number {
    name: "bitrate",
    least: 1,
    most: 2_000_000,
    usual: 1000,
    unit: "kbit/s",
};
/// Frames from one key frame to the next.
pub const GOP: Number<u32> = Number {
    name: "gop",
    least: 1,
    most: 1_000_000,
    usual: 300,
    unit: "frames",
};
/// An encoder's threads.
pub const THREADS: Number<u32> = Number {
    name: "threads",
    least: 1,
    most: 64,
    usual: 1,
    unit: "",
};
const fn side(name: &'static str, usual: u32) -> Number<u32> {
    Number {
        name,
        least: SHORTEST_SIDE,
        most: LONGEST_SIDE,
        usual,
        unit: "pixels",
    }
}

const fn rate(name: &'static str) -> Number<u32> {
    Number {
        name,
        least: 1,
        most: 1000,
        usual: 30,
        unit: "frames a second",
    }
}

impl<T: Copy + Display + FromStr + PartialOrd> Number<T> {
    /// `text` as this number.
    pub fn read(&self, text: &str) -> Result<T, Invalid> {
        self.within(text).ok_or_else(|| {
            let unit = match self.unit {
                "" => String::new(),
                unit => format!(", in {unit}"),
            };
            let meant = whole(text).and_then(|number| self.within(&number.to_string()));
            let Self { least, most, .. } = self;
            Invalid::new(format!(
                "it takes a whole number from {least} to {most}{unit}"
            ))
            .instead(meant.unwrap_or(self.usual).to_string())
        })
    }

    fn within(&self, text: &str) -> Option<T> {
        let number = text.parse().ok()?;
        (self.least <= number && number <= self.most).then_some(number)
    }
}

/// The whole number that a person may have meant: `30` for `29.97`, `30000/1001` and `30fps`. A
/// fraction is rounded up, as most of the numbers are upper bounds.
fn whole(text: &str) -> Option<u64> {
    let text = text.trim();
    let number = match text.split_once('/') {
        Some((above, below)) => decimal(above)? / decimal(below)?,
        None => {
            let (number, unit) = split_unit(text);
            // A k or an M means a factor.
            let is_factor = unit.starts_with(['k', 'K', 'm', 'M', 'g', 'G']);
            let is_unit = unit.chars().all(char::is_alphabetic) && !is_factor;
            is_unit.then(|| decimal(number))??
        }
    };
    (number.is_finite() && number < 1e15).then(|| number.ceil() as u64)
}

/// The largest age of a frame: a number with `ms` or `s`, or a plain number in milliseconds.
pub fn latency(text: &str) -> Result<Duration, Invalid> {
    const LEAST: Duration = Duration::from_millis(20);
    const MOST: Duration = Duration::from_secs(60);
    time(text)
        .filter(|time| (LEAST..=MOST).contains(time))
        .ok_or_else(|| {
            Invalid::new("it takes a time from 20ms to 60s; a plain number is in milliseconds")
                .instead("200ms")
        })
}

/// A time as people write it, rounded to a millisecond.
fn time(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text.trim());
    let milliseconds = match unit.to_ascii_lowercase().as_str() {
        "" | "ms" => 1.0,
        "s" | "sec" => 1e3,
        "min" => 60e3,
        _ => return None,
    };
    let rounded = (decimal(number)? * milliseconds).round();
    (rounded < 1e15).then(|| Duration::from_millis(rounded as u64))
}

/// A number, and the text after it.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    (number, unit.trim_start())
}

/// A number of digits and at most one point; `f64` itself accepts more than that.
fn decimal(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_within_its_bounds() {
        for (text, number) in [("16", 16), ("8192", 8192), ("0320", 320)] {
            assert_eq!(WIDTH.read(text), Ok(number));
        }
        for text in [
            "",
            " ",
            "15",
            "8193",
            "-1",
            "abc",
            "1e3",
            "0x10",
            "４０",
            "99999999999",
        ] {
            assert!(WIDTH.read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_number_that_was_meant_is_the_one_to_type() {
        for (text, instead) in [
            ("29.97", "30"),
            ("30000/1001", "30"),
            ("60000/1001", "60"),
            ("25fps", "25"),
            ("25 fps", "25"),
            (" 25", "25"),
            ("29,97", "30"),
            ("15/0", "30"),
            ("0.0", "30"),
            ("5000", "30"),
            ("2k", "30"),
            ("", "30"),
            ("fast", "30"),
        ] {
            let said = FPS.read(text).unwrap_err();
            let whole = Invalid::new("it takes a whole number from 1 to 1000, in frames a second");
            assert_eq!(said, whole.instead(instead), "{text:?}");
        }
    }

    #[test]
    fn a_time_has_a_unit_or_is_in_milliseconds() {
        for (text, milliseconds) in [
            ("200", 200),
            ("200ms", 200),
            ("200 ms", 200),
            ("1s", 1000),
            ("1.5s", 1500),
            ("0.2 S", 200),
            ("20", 20),
            ("60s", 60_000),
            ("1min", 60_000),
            ("60000", 60_000),
        ] {
            let time = Duration::from_millis(milliseconds);
            assert_eq!(latency(text), Ok(time), "{text:?}");
        }
        for text in [
            "",
            "s",
            "ms",
            "19",
            "61s",
            "2min",
            "-1s",
            "1h",
            "1 s 5",
            "1..5s",
            ".",
            "inf",
            "nan",
            "1e3",
            "200us",
            "1,5s",
            "99999999999999999999s",
        ] {
            assert!(latency(text).is_err(), "{text:?}");
        }
    }
}
