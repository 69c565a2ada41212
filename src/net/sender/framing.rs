//! The layout of a stream in each dialect: the messages beside the frames, and the bytes before and
//! after a frame.

use std::sync::Arc;

use bytes::Bytes;

use crate::frame::Frame;
use crate::wire::head::{HEAD_BYTES, encode_frame_head};
use crate::wire::length::LengthBytes;
use crate::wire::pickle::Envelope;
use crate::wire::{Caps, Control, Hello, LengthFormat, Loss, Participants};

/// The layout of a stream in one dialect. [`super::frame_writer`] chooses the frame and its time.
pub(super) trait Framing: Send + 'static {
    /// The bytes before a frame.
    type Head: AsRef<[u8]> + Send;

    /// The message that opens the stream. It may include the caps that are known already.
    fn opening(&mut self, _known: impl FnOnce() -> Option<Arc<Caps>>) -> Option<Vec<u8>> {
        None
    }

    /// The message that announces the caps of the following frames.
    fn caps(&mut self, caps: &Caps) -> Option<Vec<u8>>;

    /// The message that no frames come for now, with the reason.
    fn lost(&mut self, _loss: &Loss) -> Option<Vec<u8>> {
        None
    }

    /// The message that tells who is in the room.
    fn participants(&mut self, _participants: &Participants) -> Option<Vec<u8>> {
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
    /// The hello, until it is sent. It is in memory of its own, since this is read for each frame.
    pub hello: Option<Box<Hello>>,
}

impl Framing for NativeFraming {
    type Head = [u8; HEAD_BYTES];

    fn opening(&mut self, known: impl FnOnce() -> Option<Arc<Caps>>) -> Option<Vec<u8>> {
        let mut hello = self.hello.take()?;
        hello.caps = known().map(|caps| caps.to_string());
        Some(Control::Hello(*hello).encode())
    }

    fn caps(&mut self, caps: &Caps) -> Option<Vec<u8>> {
        let caps = caps.to_string();
        Some(Control::Caps { caps }.encode())
    }

    fn lost(&mut self, loss: &Loss) -> Option<Vec<u8>> {
        Some(Control::Lost(loss.clone()).encode())
    }

    fn participants(&mut self, participants: &Participants) -> Option<Vec<u8>> {
        Some(Control::Participants(participants.clone()).encode())
    }

    fn head(&self, frame: &Frame) -> Self::Head {
        encode_frame_head(&frame.header, frame.data.len())
    }
}

/// Each frame after its length, and nothing else.
pub(super) struct BareFraming {
    pub length: LengthFormat,
}

impl Framing for BareFraming {
    type Head = LengthBytes;

    fn caps(&mut self, _caps: &Caps) -> Option<Vec<u8>> {
        None
    }

    fn head(&self, frame: &Frame) -> Self::Head {
        self.length.encode(frame.data.len() as u64)
    }
}

/// Each frame as a program of the tutorial's family sends it: BGR without padding, or JPEG.
pub(super) struct PickleFraming {
    length: LengthFormat,
    envelope: EnvelopeOf,
}

/// The envelope of the frames to come.
enum EnvelopeOf {
    /// Pixels, of which all frames have the same number. It is shared, since a frame that has begun
    /// to leave needs its head until its end.
    Pixels(Bytes),
    /// JPEG, of any length.
    Jpeg,
}

impl PickleFraming {
    /// Pickles behind lengths of this format.
    pub fn new(length: LengthFormat) -> Self {
        Self {
            length,
            envelope: EnvelopeOf::Jpeg,
        }
    }
}

impl Framing for PickleFraming {
    type Head = Bytes;

    fn caps(&mut self, caps: &Caps) -> Option<Vec<u8>> {
        self.envelope = if caps.is_raw() {
            let (width, height) = caps.size().unwrap_or_default();
            let (width, height) = (width.unsigned_abs(), height.unsigned_abs());
            EnvelopeOf::Pixels(Envelope::pixels(self.length, width, height).head.into())
        } else {
            EnvelopeOf::Jpeg
        };
        None
    }

    fn head(&self, frame: &Frame) -> Bytes {
        match &self.envelope {
            EnvelopeOf::Pixels(head) => head.clone(),
            EnvelopeOf::Jpeg => Envelope::jpeg(self.length, frame.data.len()).head.into(),
        }
    }

    fn tail(&self) -> &'static [u8] {
        Envelope::TAIL
    }
}
