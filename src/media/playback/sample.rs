//! The newest frame that can be decoded by itself, with which another pipeline is tried.

use gstreamer as gst;
use parking_lot::Mutex;

use crate::frame::FrameHeader;

/// Keeps the newest key frame of the current caps.
#[derive(Default)]
pub(super) struct Sample(Mutex<Option<gst::Buffer>>);

impl Sample {
    /// Keeps `buffer` where it is a key frame.
    pub fn note(&self, header: &FrameHeader, buffer: &gst::Buffer) {
        if header.key {
            let old = self.0.lock().replace(buffer.clone());
            // Giving a buffer back may take a while, so the lock is free by now.
            drop(old);
        }
    }

    /// Forgets the frame, as the next ones have other caps.
    pub fn clear(&self) {
        drop(self.0.lock().take());
    }

    /// The frame, where there was one.
    pub fn newest(&self) -> Option<gst::Buffer> {
        self.0.lock().clone()
    }
}
