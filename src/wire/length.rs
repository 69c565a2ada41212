//! The length before a message, in each of the formats in which programs write it.
//!
//! vidchat's own has eight bytes, the least significant first, as the tutorial's `struct.pack("Q")`
//! writes it. Programs of the tutorial's family write others, and nothing but the first bytes of a
//! connection tells which.

use std::fmt;
use std::str::FromStr;

use super::WireError;

/// The most bytes of any length.
pub const MOST_BYTES: usize = 20;
/// The least bytes of a length in text: a shorter one could be the greeting of another service.
pub const LEAST_TEXT: usize = 8;
/// How the length before each message is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LengthFormat {
    /// Eight bytes, the least significant first.
    #[default]
    Little8,
    /// Four bytes, the least significant first.
    Little4,
    /// Eight bytes, the most significant first.
    Big8,
    /// Four bytes, the most significant first.
    Big4,
    /// Decimal digits, with spaces up to this number of bytes.
    Text(u8),
}

/// The formats that a peer's lengths may have, as far as they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// Their format.
    Known(LengthFormat),
    /// They have four bytes, whose order is not known yet.
    FourBytes,
}

/// The length of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// The length in bytes; the shorter one where the order of its bytes is not known.
    pub bytes: u64,
    /// The format of this length.
    pub format: LengthFormat,
    /// The length and the format that it may have instead.
    pub other: Option<(u64, LengthFormat)>,
}

/// The bytes of a length.
#[derive(Clone, Copy, Debug)]
pub struct LengthBytes {
    bytes: [u8; MOST_BYTES],
    count: usize,
}

impl LengthFormat {
    /// The number of its bytes.
    pub fn width(self) -> usize {
        match self {
            Self::Little8 | Self::Big8 => 8,
            Self::Little4 | Self::Big4 => 4,
            Self::Text(width) => width.into(),
        }
    }

    /// Writes a length. It has to fit: no frame is longer than four bytes can say.
    pub fn encode(self, length: u64) -> LengthBytes {
        let mut bytes = [b' '; MOST_BYTES];
        let count = self.width().min(MOST_BYTES);
        // A frame has at most as many pixels as caps allow, far below the bound of four bytes.
        let short = u32::try_from(length).unwrap_or(u32::MAX);
        match self {
            Self::Little8 => bytes[..8].copy_from_slice(&length.to_le_bytes()),
            Self::Big8 => bytes[..8].copy_from_slice(&length.to_be_bytes()),
            Self::Little4 => bytes[..4].copy_from_slice(&short.to_le_bytes()),
            Self::Big4 => bytes[..4].copy_from_slice(&short.to_be_bytes()),
            Self::Text(_) => {
                let digits = length.to_string();
                bytes[..digits.len()].copy_from_slice(digits.as_bytes());
            }
        }
        LengthBytes { bytes, count }
    }

    /// Reads a length; `None` where there are too few bytes.
    ///
    /// # Errors
    /// The bytes are no number.
    pub fn decode(self, bytes: &[u8]) -> Result<Option<u64>, WireError> {
        let Some(bytes) = bytes.get(..self.width()) else {
            return Ok(None);
        };
        let little = |bytes: &[u8]| bytes.iter().rfold(0, |n, b| n << 8 | u64::from(*b));
        let big = |bytes: &[u8]| bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b));
        Ok(Some(match self {
            Self::Little8 | Self::Little4 => little(bytes),
            Self::Big8 | Self::Big4 => big(bytes),
            Self::Text(_) => digits(bytes).ok_or_else(|| WireError::TextLength(bytes.to_vec()))?,
        }))
    }
}

impl Prefix {
    /// Reads a length; `None` where there are too few bytes.
    ///
    /// # Errors
    /// The bytes are no number.
    pub fn decode(self, bytes: &[u8]) -> Result<Option<Length>, WireError> {
        let format = match self {
            Self::Known(format) => format,
            Self::FourBytes => LengthFormat::Little4,
        };
        let Some(length) = format.decode(bytes)? else {
            return Ok(None);
        };
        let known = Length {
            bytes: length,
            format,
            other: None,
        };
        if self != Self::FourBytes {
            return Ok(Some(known));
        }
        let Some(big) = LengthFormat::Big4.decode(bytes)? else {
            return Ok(None);
        };
        let mut both = [(length, LengthFormat::Little4), (big, LengthFormat::Big4)];
        both.sort_unstable_by_key(|(length, _)| *length);
        let [(bytes, format), other] = both;
        Ok(Some(Length {
            bytes,
            format,
            other: Some(other),
        }))
    }

    /// The number of bytes of each length.
    pub fn width(self) -> usize {
        match self {
            Self::Known(format) => format.width(),
            Self::FourBytes => 4,
        }
    }
}

impl AsRef<[u8]> for LengthBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.count]
    }
}

/// The number in a text of digits with spaces around them.
pub(super) fn digits(text: &[u8]) -> Option<u64> {
    let digits = text.trim_ascii();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let digits = str::from_utf8(digits).ok()?;
    digits.parse().ok().filter(|_| is_number)
}

/// The name of a format as Python's `struct` has it, or the width of one in text.
impl fmt::Display for LengthFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Little8 => f.write_str("Q"),
            Self::Little4 => f.write_str("I"),
            Self::Big8 => f.write_str(">Q"),
            Self::Big4 => f.write_str(">I"),
            Self::Text(width) => write!(f, "{width}"),
        }
    }
}

/// The name is none of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownFormat;

impl FromStr for LengthFormat {
    type Err = UnknownFormat;

    /// Reads a name as Python's `struct` has it, or the width of a length in text. `L` is as Python
    /// has it on Linux and macOS, where it has eight bytes unless an order is named.
    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        if let Ok(width) = name.parse::<u8>() {
            let range = LEAST_TEXT..=MOST_BYTES;
            let is_possible = range.contains(&usize::from(width));
            return is_possible
                .then_some(Self::Text(width))
                .ok_or(UnknownFormat);
        }
        let (order, letter) = match name.as_bytes() {
            [letter] => (b'@', letter),
            [order, letter] => (*order, letter),
            _ => return Err(UnknownFormat),
        };
        let is_long = match letter {
            b'Q' | b'q' => true,
            b'L' | b'l' => order == b'@',
            b'I' | b'i' => false,
            _ => return Err(UnknownFormat),
        };
        match (order, is_long) {
            (b'@' | b'=' | b'<', true) => Ok(Self::Little8),
            (b'@' | b'=' | b'<', false) => Ok(Self::Little4),
            (b'>' | b'!', true) => Ok(Self::Big8),
            (b'>' | b'!', false) => Ok(Self::Big4),
            _ => Err(UnknownFormat),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_pythons_struct() {
        for (format, names) in [
            (
                LengthFormat::Little8,
                &["Q", "L", "q", "l", "<Q", "=Q", "@L", "<q"][..],
            ),
            (
                LengthFormat::Little4,
                &["I", "i", "<I", "<L", "=L", "@I", "<i"],
            ),
            (LengthFormat::Big8, &[">Q", "!Q", ">q"]),
            (LengthFormat::Big4, &[">L", "!L", ">I", "!I", "!i", ">i"]),
            (LengthFormat::Text(16), &["16"]),
            (LengthFormat::Text(10), &["10"]),
        ] {
            for name in names {
                assert_eq!(name.parse(), Ok(format), "{name}");
            }
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        for name in [
            "", "x", "H", ">", "QQ", "?Q", ">LL", "4", "7", "21", "300", "-8", "\u{e9}",
        ] {
            assert_eq!(name.parse::<LengthFormat>(), Err(UnknownFormat), "{name}");
        }
    }

    #[test]
    fn lengths_are_written_as_python_writes_them() {
        let number = 0x0102_0304;
        for (format, bytes) in [
            (LengthFormat::Little8, &b"\x04\x03\x02\x01\0\0\0\0"[..]),
            (LengthFormat::Little4, b"\x04\x03\x02\x01"),
            (LengthFormat::Big8, b"\0\0\0\0\x01\x02\x03\x04"),
            (LengthFormat::Big4, b"\x01\x02\x03\x04"),
            (LengthFormat::Text(10), b"16909060  "),
            (LengthFormat::Text(16), b"16909060        "),
        ] {
            assert_eq!(format.encode(number).as_ref(), bytes);
            assert_eq!(format.decode(bytes), Ok(Some(number)));
            assert_eq!(format.decode(&bytes[1..]), Ok(None));
        }
        for wrong in [
            &b"        "[..],
            b"12 34   ",
            b"12x     ",
            b"-1      ",
            b"+1      ",
        ] {
            assert!(LengthFormat::Text(8).decode(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(LengthFormat::Text(8).decode(b"    1234"), Ok(Some(1234)));
        assert_eq!(LengthFormat::Text(8).decode(b"00001234"), Ok(Some(1234)));
    }

    #[test]
    fn of_four_bytes_without_an_order_the_shorter_length_comes_first() {
        let read = |bytes: &[u8]| Prefix::FourBytes.decode(bytes).unwrap().unwrap();
        let (little, big) = (LengthFormat::Little4, LengthFormat::Big4);
        let expected = Length {
            bytes: 0x0001_0200,
            format: big,
            other: Some((0x0002_0100, little)),
        };
        assert_eq!(read(b"\x00\x01\x02\x00"), expected);
        let expected = Length {
            bytes: 0x0001_0200,
            format: little,
            other: Some((0x0002_0100, big)),
        };
        assert_eq!(read(b"\x00\x02\x01\x00"), expected);
    }
}
