//! Publishes the frames that arrive in the receiver's hub. Their bytes stay in the memory that they
//! were read into.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedSender;
use tracing::debug;

use crate::failure::Outcome;
use crate::frame::{Frame, FrameHeader};
use crate::media::playback::frame_check::FrameCheck;
use crate::media::playback::frame_memory::{FrameBuffer, FrameMemory};
use crate::net::{Hub, Sink, StreamStats};
use crate::wire::{Caps, Loss, Participants};

use super::display::VideoDisplay;
use super::options::RecvOptions;

/// The distance to the previous frame where it is not known. A decoder takes it for a gap.
const GAP: u32 = 2;

/// Publishes the frames of one connection after another.
pub struct Publisher<'s, 'a> {
    hub: Arc<Hub>,
    /// No method awaits, so the `RefCell` is never borrowed twice.
    display: &'s RefCell<VideoDisplay<'a>>,
    memory: FrameMemory,
    check: FrameCheck,
    numbering: Numbering,
    forward: Option<Forward>,
    participants: Option<UnboundedSender<Participants>>,
}

/// The frames once more, for the other parties of a room. The times in them are those of this
/// machine's clock, since the others know no other.
struct Forward {
    hub: Arc<Hub>,
    meter: Arc<StreamStats>,
}

/// Numbers the frames that are published. Each connection has its own numbers, and those of a hub
/// only grow.
#[derive(Default)]
struct Numbering {
    /// The sender's last number on this connection.
    received: Option<u32>,
    published: u32,
}

impl<'s, 'a> Publisher<'s, 'a> {
    /// Publishes to `hub`, reports to `display`, and does beside that what `options` say.
    pub fn new(
        hub: &Arc<Hub>,
        display: &'s RefCell<VideoDisplay<'a>>,
        options: &RecvOptions,
        meter: &Arc<StreamStats>,
    ) -> Self {
        Self {
            hub: Arc::clone(hub),
            display,
            memory: FrameMemory::default(),
            check: FrameCheck::default(),
            numbering: Numbering::default(),
            forward: options.forward.as_ref().map(|hub| Forward {
                hub: Arc::clone(hub),
                meter: Arc::clone(meter),
            }),
            participants: options.participants.clone(),
        }
    }

    /// Another connection begins.
    pub fn connected(&mut self) {
        self.numbering.received = None;
    }

    /// Publishes one frame.
    ///
    /// # Errors
    /// It is larger than anything that is shown.
    pub fn pass(&mut self, header: &FrameHeader, data: Bytes) -> Outcome {
        let header = FrameHeader {
            sequence: self.numbering.next(header),
            ..*header
        };
        if !self.check.admits(&data, Instant::now())? {
            // The frames that depend on it find a gap in the numbers.
            debug!("receiver: a frame of {} bytes cannot be read", data.len());
            return Ok(());
        }
        self.display.borrow_mut().frame();
        if let Some(forward) = &self.forward {
            forward.publish(&header, data.clone());
        }
        self.hub.publish(Frame { header, data });
        Ok(())
    }
}

impl Sink for Publisher<'_, '_> {
    type Buffer = FrameBuffer;

    fn hello(&mut self, name: &str) {
        self.display.borrow_mut().hello(name);
    }

    fn caps(&mut self, caps: &Caps) -> Outcome {
        if self.hub.caps().as_deref() != Some(caps) {
            self.memory.set_caps(caps)?;
            self.check.set_caps(caps);
            self.hub.announce(caps.clone());
            if let Some(forward) = &self.forward {
                forward.hub.announce(caps.clone());
            }
        }
        self.display.borrow_mut().caps(caps);
        Ok(())
    }

    fn buffer(&mut self, length: usize) -> Outcome<FrameBuffer> {
        self.memory.room(length)
    }

    fn lost(&mut self, loss: &Loss) {
        self.hub.lose(loss.clone());
        if let Some(forward) = &self.forward {
            forward.hub.lose(loss.clone());
        }
        self.display.borrow_mut().lost(loss);
    }

    fn frame(&mut self, header: &FrameHeader, buffer: FrameBuffer) -> Outcome {
        self.pass(header, buffer.freeze())
    }

    fn participants(&mut self, participants: Participants) {
        if let Some(told) = &self.participants {
            // The call may be ending.
            let _ = told.send(participants);
        }
    }
}

impl Forward {
    /// Passes a frame on. The first ones are left out, until the sender's clock is known.
    fn publish(&self, header: &FrameHeader, data: Bytes) {
        let captured_at = match self.meter.captured(header) {
            Some(time) => time.at.0,
            None if header.captured_at == 0 => 0,
            None => return,
        };
        let header = FrameHeader {
            captured_at,
            ..*header
        };
        self.hub.publish(Frame { header, data });
    }
}

impl Numbering {
    fn next(&mut self, header: &FrameHeader) -> u32 {
        let before = self.received.replace(header.sequence);
        let step = match before {
            // A sender that leaps with its numbers must not make the next frames old ones: they are
            // compared with a local viewer's last one, which may be many leaps behind.
            Some(before) if header.is_after(before) => {
                header.sequence.wrapping_sub(before).min(GAP)
            }
            _ => GAP,
        };
        self.published = self.published.wrapping_add(step);
        self.published
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(sequence: u32) -> FrameHeader {
        FrameHeader {
            sequence,
            ..FrameHeader::default()
        }
    }

    #[test]
    fn published_numbers_grow_by_one_or_show_a_gap_whatever_the_senders_are() {
        let mut numbering = Numbering::default();
        let mut last = 0;
        let mut step = |numbering: &mut Numbering, sequence| {
            let number = numbering.next(&numbered(sequence));
            let step = number.wrapping_sub(last);
            last = number;
            step
        };
        assert_eq!(step(&mut numbering, u32::MAX - 1), GAP);
        let steps = [u32::MAX, 0, 3, 4].map(|n| step(&mut numbering, n));
        assert_eq!(steps, [1, 1, GAP, 1]);
        let leap = u32::MAX / 2;
        let steps = [1, 2, 3, 4].map(|n: u32| step(&mut numbering, n.wrapping_mul(leap)));
        assert_eq!(steps, [GAP; 4], "the most that is not a step back");
        assert_eq!(step(&mut numbering, 4), GAP);
        let steps = [4, 4, 2, 3].map(|n| step(&mut numbering, n));
        assert_eq!(steps, [GAP, GAP, GAP, 1], "they repeat, and go back");
        numbering.received = None;
        assert_eq!(step(&mut numbering, 4), GAP, "another connection");
    }
}
