//! The newest group of pictures (GOP): a key frame, and the frames since then, which depend on it.
//! A viewer that is late goes on within it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::frame::Frame;

/// The most frames, and the most of their bytes, that are kept since a key frame.
pub(super) const KEPT_FRAMES: usize = 1200;
const KEPT_BYTES: usize = 16 << 20;
/// A newest frame older than this, and than [`HELD_UP_FRAMES`] frame intervals, is stale. Usually
/// the source is lost by then and the frame dropped, unless the machine was suspended before that.
const HELD_UP: Duration = Duration::from_secs(2);
const HELD_UP_FRAMES: u32 = 3;

/// A group that may still grow.
#[derive(Clone, Debug, Default)]
pub struct Gop {
    /// The newest key frame, unless too many frames followed it.
    key: Option<Frame>,
    /// The frames since the key frame, without a gap. Always empty for raw video and JPEG.
    deltas: VecDeque<Frame>,
    /// Bytes of these frames.
    delta_bytes: usize,
    /// When the newest frame came, and the time since the frame before it.
    came: Option<Instant>,
    gap: Option<Duration>,
}

impl Gop {
    /// The newest frame.
    pub fn newest(&self) -> Option<&Frame> {
        self.deltas.back().or(self.key.as_ref())
    }

    /// The key frame.
    pub fn key(&self) -> Option<&Frame> {
        self.key.as_ref()
    }

    /// The frame with this number, if it came after the key frame.
    pub fn delta(&self, sequence: u32) -> Option<&Frame> {
        let first = self.deltas.front()?.header.sequence;
        let index = usize::try_from(sequence.wrapping_sub(first)).ok()?;
        self.deltas.get(index)
    }

    /// How far behind the newest frame this one is.
    pub fn behind(&self, frame: &Frame) -> Duration {
        let newest = self.newest().map_or(0, |newest| newest.header.captured_at);
        Duration::from_nanos(newest.saturating_sub(frame.header.captured_at))
    }

    /// Whether the newest frame is too old to be shown. With only one frame, it is not known when
    /// the next is due.
    pub fn is_stale(&self, now: Instant) -> bool {
        let passed = self.came.map(|came| now.saturating_duration_since(came));
        passed
            .zip(self.gap)
            .is_some_and(|(passed, gap)| passed > HELD_UP.max(gap * HELD_UP_FRAMES))
    }

    /// Adds a frame, and returns the frames that it replaces.
    pub fn take(&mut self, frame: Frame) -> (Option<Frame>, VecDeque<Frame>) {
        let now = Instant::now();
        let before = self.came.replace(now);
        self.gap = before.map(|before| now.saturating_duration_since(before));
        if frame.header.key {
            self.delta_bytes = 0;
            return (self.key.replace(frame), std::mem::take(&mut self.deltas));
        }
        let follows = self
            .newest()
            .is_some_and(|newest| newest.header.sequence.wrapping_add(1) == frame.header.sequence);
        if !follows {
            (self.key, self.delta_bytes) = (None, 0);
            self.deltas.clear();
        }
        self.delta_bytes += frame.data.len();
        self.deltas.push_back(frame);
        let mut old = (None, VecDeque::new());
        while self.deltas.len() > KEPT_FRAMES || self.delta_bytes > KEPT_BYTES {
            // Without the first frame after it, the key frame is useless.
            old.0 = self.key.take();
            let Some(first) = self.deltas.pop_front() else {
                break;
            };
            self.delta_bytes -= first.data.len();
            old.1.push_back(first);
        }
        old
    }

    /// Drops all frames.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::frame::FrameHeader;

    fn frame(sequence: u32) -> Frame {
        let header = FrameHeader {
            key: sequence == 0,
            sequence,
            ..FrameHeader::default()
        };
        let data = Bytes::from_static(b"x");
        Frame { header, data }
    }

    #[test]
    fn a_frame_is_stale_when_the_next_should_long_have_come() {
        let mut gop = Gop::default();
        let later = |passed| Instant::now() + passed;
        assert!(!gop.is_stale(later(HELD_UP * 9)), "there is none");
        gop.take(frame(0));
        assert!(!gop.is_stale(later(HELD_UP * 9)), "it may be the only one");
        gop.take(frame(1));
        assert!(!gop.is_stale(later(HELD_UP / 2)));
        assert!(gop.is_stale(later(HELD_UP.mul_f64(1.1))));
        gop.came = gop.came.and_then(|came| came.checked_sub(HELD_UP));
        // The source is slow, and the previous frame is dropped.
        gop.take(frame(3));
        assert!(!gop.is_stale(later(HELD_UP * 2)));
        assert!(gop.is_stale(later(HELD_UP * 4)));
        gop.clear();
        assert!(!gop.is_stale(later(HELD_UP * 9)));
    }
}
