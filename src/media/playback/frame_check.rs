//! Whether a frame from the network may go to a decoder: the size that it announces is neither
//! larger than its caps say nor too large for this machine.

use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome};
use crate::wire::Caps;

use super::coded_size::CodedSizes;

/// Frames whose headers cannot be read are left out for so long before they are a failure. A camera
/// gives such a frame now and then.
const UNREADABLE_LIMIT: Duration = Duration::from_secs(10);

/// Looks at each frame of one stream. As long as there are no caps, every frame is taken.
#[derive(Default)]
pub struct FrameCheck {
    sizes: CodedSizes,
    /// The frames' media type, such as `image/jpeg`.
    media_type: &'static str,
    /// The size that the caps say.
    expected: Option<(u32, u32)>,
    /// When the first of the frames came that could not be read one after another.
    unreadable: Option<Instant>,
}

impl FrameCheck {
    /// Prepares for frames of these caps.
    pub fn set_caps(&mut self, caps: &Caps) {
        let side = |side: i32| u32::try_from(side).ok();
        *self = Self {
            sizes: CodedSizes::of(caps),
            media_type: caps.media_type(),
            expected: caps
                .size()
                .and_then(|(width, height)| Some((side(width)?, side(height)?))),
            unreadable: None,
        };
    }

    /// Whether a decoder may have `frame`, which came at `now`. One whose headers cannot be read is
    /// to be left out.
    ///
    /// # Errors
    /// It is too large, or no frame could be read for a while.
    pub fn admits(&mut self, frame: &[u8], now: Instant) -> Outcome<bool> {
        let failure = || Failure::lost("cannot take the sender's frame");
        let mut refusal = None;
        let expected = self.expected;
        let read = self.sizes.read(frame, &mut |size| {
            refusal = refusal.take().or(size.check(expected).err());
        });
        if let Some(reason) = refusal {
            return Err(failure()
                .cause(reason)
                .hint("vidchat send --width 1280 sends smaller frames"));
        }
        if read.is_ok() {
            self.unreadable = None;
            return Ok(true);
        }
        let since = *self.unreadable.get_or_insert(now);
        if now.saturating_duration_since(since) < UNREADABLE_LIMIT {
            return Ok(false);
        }
        let (seconds, media_type) = (UNREADABLE_LIMIT.as_secs(), self.media_type);
        Err(failure()
            .cause(format!("none was {media_type} for {seconds} s"))
            .hint("try another codec on the sender: vidchat send --pipeline camera-vp8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(caps: &str) -> FrameCheck {
        let mut check = FrameCheck::default();
        check.set_caps(&Caps::parse(caps).unwrap());
        check
    }

    fn png(width: u32, height: u32) -> Vec<u8> {
        let sides = [width.to_be_bytes(), height.to_be_bytes()].concat();
        [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &sides].concat()
    }

    #[test]
    fn a_frame_may_be_as_large_as_its_caps_say_in_whole_blocks() {
        let mut check = check("image/png, width=(int)640, height=(int)360");
        let now = Instant::now();
        for (width, height) in [(640, 360), (640, 384), (16, 16)] {
            assert!(check.admits(&png(width, height), now).unwrap());
        }
        for (width, height) in [(641, 360), (640, 385)] {
            let failure = check.admits(&png(width, height), now).unwrap_err();
            let cause = format!("it has {width}x{height} pixels where its caps call for 640x360");
            assert_eq!(failure.why(), cause);
        }
    }

    #[test]
    fn without_a_size_in_the_caps_a_frame_may_have_8k() {
        let mut check = check("image/png");
        let now = Instant::now();
        for (width, height) in [(8192, 4352), (4352, 8192), (16_384, 2176)] {
            assert!(check.admits(&png(width, height), now).unwrap());
        }
        for (width, height) in [(8192, 4353), (24_000, 24_000), (u32::MAX, 1), (16_385, 1)] {
            let failure = check.admits(&png(width, height), now).unwrap_err();
            assert!(
                failure.why().contains("8192x4352 are the most"),
                "{failure}"
            );
        }
    }

    #[test]
    fn frames_that_cannot_be_read_are_left_out_and_after_a_while_a_failure() {
        let mut check = check("image/jpeg");
        let (good, bad) = (
            b"\xff\xd8\xff\xc0\0\x08\x08\0\x10\0\x10\x01",
            b"\xff\xd8\xff\xd9",
        );
        let begun = Instant::now();
        for seconds in (0..9).chain(20..29) {
            let now = begun + Duration::from_secs(seconds);
            assert!(!check.admits(bad, now).unwrap());
            if seconds == 8 {
                assert!(check.admits(good, now).unwrap());
            }
        }
        let failure = check.admits(bad, begun + Duration::from_secs(30));
        assert_eq!(failure.unwrap_err().why(), "none was image/jpeg for 10 s");
    }
}
