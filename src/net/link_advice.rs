//! Advice where a link carries less than a stream needs, for the logs of sender and viewer.

use crate::wire::Caps;

/// The part of a link's rate above which the link counts as full.
pub const FULL: f64 = 0.85;
/// The smaller width that the advice names.
const NARROW: i32 = 160;

/// The advice to make a stream of these caps, which needs `needs` bit/s, fit into `carries`.
pub fn fitting(caps: &Caps, needs: f64, carries: f64) -> String {
    let codec = "a codec, such as --pipeline camera-h264";
    match caps.media_type() {
        "video/x-raw" => {
            let width = caps.size().map_or(320, |(width, _)| width);
            let narrow = (f64::from(NARROW) / f64::from(width)).powi(2);
            if narrow < carries * FULL / needs {
                format!("{codec}, or --width {NARROW}")
            } else {
                codec.into()
            }
        }
        "image/jpeg" | "image/png" => format!("{codec}, or a smaller --width or --fps"),
        _ => {
            let kbit = (carries * FULL / 1e3).max(1.0);
            let step = 10_f64.powf(kbit.log10().floor() - 1.0).max(1.0);
            let kbit = (kbit / step).floor() * step;
            format!("--set bitrate={kbit:.0}, and a smaller --width or --fps if that is too little")
        }
    }
}

/// A bit rate in words for a person.
pub fn megabits(bits: f64) -> String {
    match bits / 1e6 {
        few if few < 9.95 => format!("{few:.1}"),
        many => format!("{many:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_advised_is_enough() {
        let codec = "a codec, such as --pipeline camera-h264";
        let both = format!("{codec}, or --width 160");
        for (width, carries, advised) in [
            (320, 10e6, &both[..]),
            (320, 7e6, codec),
            (640, 3e6, &both),
            (640, 1e6, codec),
            (160, 27e6, codec),
        ] {
            let caps = format!("video/x-raw, format=I420, width={width}, height=240");
            let caps = Caps::parse(&caps).unwrap();
            assert_eq!(fitting(&caps, 28e6, carries), advised, "{width} {carries}");
        }
        let h264 = Caps::parse("video/x-h264, width=320, height=240").unwrap();
        for (carries, advised) in [
            (60e3, "--set bitrate=51,"),
            (1.234e6, "--set bitrate=1000,"),
            (100.0, "--set bitrate=1,"),
        ] {
            let said = fitting(&h264, 2e6, carries);
            assert!(said.starts_with(advised), "{carries} {said}");
        }
    }
}
