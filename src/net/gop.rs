//! The newest group of pictures, as codecs call it: a frame that can be decoded by itself, and
//! those that came since and need it. It is what a viewer that is late can go on from.

use std::collections::VecDeque;
use std::time::Duration;

use crate::frame::Frame;

/// The most frames, and bytes of them, that are kept since a key frame.
pub(super) const KEPT_FRAMES: usize = 1200;
const KEPT_BYTES: usize = 16 << 20;

/// A group of pictures that may still grow.
#[derive(Clone, Debug, Default)]
pub struct Gop {
    /// The newest frame that can be decoded by itself, unless too much came since.
    key: Option<Frame>,
    /// The frames that came since, without a gap. Always empty for raw video and JPEG.
    deltas: VecDeque<Frame>,
    /// Bytes of those.
    delta_bytes: usize,
}

impl Gop {
    /// The newest frame there is.
    pub fn newest(&self) -> Option<&Frame> {
        self.deltas.back().or(self.key.as_ref())
    }

    /// The frame that can be decoded by itself.
    pub fn key(&self) -> Option<&Frame> {
        self.key.as_ref()
    }

    /// The frame of that number, if it is one of those since the key frame.
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

    /// Takes a frame in, and returns what it replaces.
    pub fn take(&mut self, frame: Frame) -> (Option<Frame>, VecDeque<Frame>) {
        if frame.header.key {
            self.delta_bytes = 0;
            return (self.key.replace(frame), std::mem::take(&mut self.deltas));
        }
        let follows = self
            .newest()
            .is_some_and(|newest| newest.header.sequence.wrapping_add(1) == frame.header.sequence);
        if !follows {
            self.clear();
        }
        self.delta_bytes += frame.data.len();
        self.deltas.push_back(frame);
        let mut old = (None, VecDeque::new());
        while self.deltas.len() > KEPT_FRAMES || self.delta_bytes > KEPT_BYTES {
            // Without the first of them the key frame is of no use to anybody.
            old.0 = self.key.take();
            let Some(first) = self.deltas.pop_front() else {
                break;
            };
            self.delta_bytes -= first.data.len();
            old.1.push_back(first);
        }
        old
    }

    /// Forgets all of it.
    pub fn clear(&mut self) {
        self.key = None;
        self.deltas.clear();
        self.delta_bytes = 0;
    }
}
