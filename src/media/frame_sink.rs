//! The place where frames leave media: the hub of a sender, or a test.
//!
//! It belongs to neither end, so that a capture pipeline and a playback pipeline can both feed one.

use crate::frame::Frame;
use crate::wire::Caps;

/// A receiver of frames. GStreamer's threads call it, so no method may block.
pub trait FrameSink: Send + Sync {
    /// All frames from here on have these caps.
    fn announce(&self, caps: Caps);
    /// This frame is the newest from here on.
    fn publish(&self, frame: Frame);
    /// No frame is the newest any more: the source is closed.
    fn clear(&self);
    /// No frames come for now, for this reason. The next frame ends the loss.
    fn lose(&self, reason: &str);
}
