//! The interface for the frames that arrive.

use crate::failure::Failure;
use crate::frame::FrameHeader;
use crate::wire::{Caps, Loss, Participants};

/// Takes the frames. All methods are called in the order of the stream.
pub trait Sink {
    /// Memory for one frame.
    type Buffer: AsMut<[u8]>;

    /// The sender has said hello. The name is fit to be shown.
    fn hello(&mut self, name: &str);

    /// The caps of the frames from here on.
    ///
    /// # Errors
    /// Frames of these caps cannot be taken.
    fn caps(&mut self, caps: &Caps) -> Result<(), Failure>;

    /// Room for a frame of `length` bytes. Called after caps.
    ///
    /// # Errors
    /// The caps do not allow this length. Nothing was allocated for it.
    fn buffer(&mut self, length: usize) -> Result<Self::Buffer, Failure>;

    /// No frames come for now. The reason is fit to be shown. The next frame ends this.
    fn lost(&mut self, loss: &Loss);

    /// The parties of the room whose host sends this stream, with names that are fit to be shown.
    fn participants(&mut self, _participants: Participants) {}

    /// A whole frame, in memory from [`Sink::buffer`].
    ///
    /// # Errors
    /// No more frames can be taken.
    fn frame(&mut self, header: &FrameHeader, buffer: Self::Buffer) -> Result<(), Failure>;
}
