//! The layout of a stream in each dialect: the messages beside the frames, and the bytes before and
//! after a frame.

use std::sync::Arc;

use bytes::Bytes;

use crate::frame::Frame;
use crate::wire::head::{HEAD_BYTES, encode_frame_head};
use crate::wire::pickle::Envelope;
use crate::wire::{self, Caps, Control, Hello};

/// The layout of a stream in one dialect. [`super::frame_writer`] chooses the frame and its time.
pub(super) trait Framing {
    /// The bytes before a frame.
    type Head: AsRef<[u8]>;

    /// The message that opens the stream. It may include the caps that are known already.
    fn opening(&mut self, _known: impl FnOnce() -> Option<Arc<Caps>>) -> Option<Vec<u8>> {
        None
    }

    /// The message that announces the caps of the following frames.
    fn caps(&mut self, caps: &Caps) -> Option<Vec<u8>>;

    /// The message that no frames come for now, with the reason.
    fn lost(&mut self, _reason: &str) -> Option<Vec<u8>> {
        None
    }

    /// The bytes before this frame.
    fn head(&self, frame: &Frame) -> Self::Head;

    /// The bytes after each frame.
    fn tail(&self) -> &'static [u8] {
        b""
    }
}

/// vidchat's own protocol.
pub(super) struct NativeFraming {
    /// The hello, until it is sent.
    pub hello: Option<Hello>,
}

impl Framing for NativeFraming {
    type Head = [u8; HEAD_BYTES];

    fn opening(&mut self, known: impl FnOnce() -> Option<Arc<Caps>>) -> Option<Vec<u8>> {
        let mut hello = self.hello.take()?;
        hello.caps = known().map(|caps| caps.to_string());
        Some(Control::Hello(hello).encode())
    }

    fn caps(&mut self, caps: &Caps) -> Option<Vec<u8>> {
        let caps = caps.to_string();
        Some(Control::Caps { caps }.encode())
    }

    fn lost(&mut self, reason: &str) -> Option<Vec<u8>> {
        let reason = reason.to_owned();
        Some(Control::Lost { reason }.encode())
    }

    fn head(&self, frame: &Frame) -> Self::Head {
        encode_frame_head(&frame.header, frame.data.len())
    }
}

/// Each frame after its length, and nothing else.
pub(super) struct BareFraming;

impl Framing for BareFraming {
    type Head = [u8; wire::PREFIX_BYTES];

    fn caps(&mut self, _caps: &Caps) -> Option<Vec<u8>> {
        None
    }

    fn head(&self, frame: &Frame) -> Self::Head {
        (frame.data.len() as u64).to_le_bytes()
    }
}

/// Each frame as the tutorial's server sends it. The frames have to be BGR without padding.
#[derive(Default)]
pub(super) struct PickleFraming {
    /// Shared, since a frame that has begun to leave needs its head until its end.
    head: Bytes,
    tail: &'static [u8],
}

impl Framing for PickleFraming {
    type Head = Bytes;

    fn caps(&mut self, caps: &Caps) -> Option<Vec<u8>> {
        let (width, height) = caps.size().unwrap_or_default();
        let envelope = Envelope::new(width.unsigned_abs(), height.unsigned_abs());
        (self.head, self.tail) = (envelope.head.into(), envelope.tail);
        None
    }

    fn head(&self, _frame: &Frame) -> Bytes {
        self.head.clone()
    }

    fn tail(&self) -> &'static [u8] {
        self.tail
    }
}
