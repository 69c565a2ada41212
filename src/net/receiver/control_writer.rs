//! Writes the messages of a viewer to its sender. They are small, and nothing waits for them.

use std::io::IoSlice;

use parking_lot::Mutex;

use crate::net::transport::TransportWriter;
use crate::wire::{Bye, ByeCode, Control};

/// The most bytes that may wait for a connection that takes none. A message beyond it is left out:
/// it would be old by the time it is sent.
const WAITING_LIMIT: usize = 4096;

/// The sending half of a viewer's connection. Dropping it sends a goodbye.
#[derive(Debug)]
pub(super) struct ControlWriter(Mutex<Out>);

#[derive(Debug)]
struct Out {
    writer: TransportWriter,
    /// Whole messages. The first part of them may have been sent.
    waiting: Vec<u8>,
}

impl ControlWriter {
    pub fn new(writer: TransportWriter) -> Self {
        Self(Mutex::new(Out {
            writer,
            waiting: Vec::new(),
        }))
    }

    /// Sends a message, now or as soon as the connection takes it.
    pub fn say(&self, message: &Control) {
        let mut out = self.0.lock();
        if out.waiting.len() < WAITING_LIMIT {
            out.waiting.extend(message.encode());
        }
        let Out { writer, waiting } = &mut *out;
        while !waiting.is_empty() {
            // The reader of a failed connection reports the failure.
            match writer.try_write(&[IoSlice::new(waiting)]) {
                Ok(count) if count > 0 => drop(waiting.drain(..count)),
                _ => break,
            }
        }
    }
}

impl Drop for ControlWriter {
    fn drop(&mut self) {
        self.say(&Control::Bye(Bye::new(ByeCode::Left, "the viewer left")));
    }
}
