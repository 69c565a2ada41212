//! The messages of a viewer to its sender: small ones, for which nothing waits.

use std::io::IoSlice;

use parking_lot::Mutex;

use crate::net::transport::TransportWriter;
use crate::wire::{Bye, ByeCode, Control};

/// How much may wait for a connection that takes nothing, in bytes. A message that would exceed it is
/// left out: it is old by then.
const WAITING_LIMIT: usize = 4096;

/// The way to the sender. Says goodbye when it is dropped.
#[derive(Debug)]
pub(super) struct ControlWriter(Mutex<Out>);

#[derive(Debug)]
struct Out {
    writer: TransportWriter,
    /// Whole messages, of which a first part may have been sent.
    waiting: Vec<u8>,
}

impl ControlWriter {
    pub fn new(writer: TransportWriter) -> Self {
        Self(Mutex::new(Out {
            writer,
            waiting: Vec::new(),
        }))
    }

    /// Says something, now or as soon as the connection takes it.
    pub fn say(&self, message: &Control) {
        let mut out = self.0.lock();
        if out.waiting.len() < WAITING_LIMIT {
            out.waiting.extend(message.encode());
        }
        let Out { writer, waiting } = &mut *out;
        while !waiting.is_empty() {
            // Where the connection has failed, its reader is told why.
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
