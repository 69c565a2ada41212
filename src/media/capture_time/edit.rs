//! A change of one frame: a new part in it, and older ones out of it. Each codec has its own way to
//! find the places.

use std::ops::Range;

use bytes::Bytes;

/// A change of one frame.
#[derive(Debug, Default)]
pub struct Edit {
    /// Parts with an older time, and what is left of each without it.
    pub removed: Vec<(Range<usize>, Vec<u8>)>,
    /// The place of the new part: behind all of `removed`, and before the image.
    pub at: usize,
    /// The part with the new time.
    pub new: Vec<u8>,
}

impl Edit {
    /// The frame with the change.
    pub fn apply(&self, frame: &[u8]) -> Bytes {
        let mut edited = Vec::with_capacity(frame.len() + self.new.len());
        let mut at = 0;
        for (part, rest) in &self.removed {
            edited.extend_from_slice(&frame[at..part.start]);
            edited.extend_from_slice(rest);
            at = part.end;
        }
        edited.extend_from_slice(&frame[at..self.at]);
        edited.extend_from_slice(&self.new);
        edited.extend_from_slice(&frame[self.at..]);
        edited.into()
    }
}
