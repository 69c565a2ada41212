//! What a viewer says to its sender while it watches: small messages that must not hold it up.

use std::sync::{Mutex, PoisonError};

use tokio::net::tcp::OwnedWriteHalf;

use crate::wire::Control;

/// What may wait for a connection that takes nothing, in bytes. What would exceed it is left
/// unsaid: it is old news by then.
const WAITING_LIMIT: usize = 4096;

/// The way to the sender. Says goodbye when it is dropped.
#[derive(Debug)]
pub(super) struct ControlWriter(Mutex<Out>);

#[derive(Debug)]
struct Out {
    half: OwnedWriteHalf,
    /// Whole messages, of which a first part may have been sent.
    waiting: Vec<u8>,
}

impl ControlWriter {
    pub fn new(half: OwnedWriteHalf) -> Self {
        Self(Mutex::new(Out {
            half,
            waiting: Vec::new(),
        }))
    }

    /// Says something, now or as soon as the connection takes it.
    pub fn say(&self, message: &Control) {
        // Bytes that wait are whole at any time.
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if out.waiting.len() < WAITING_LIMIT {
            out.waiting.extend(message.encode());
        }
        let Out { half, waiting } = &mut *out;
        while !waiting.is_empty() {
            // Where it has failed, whoever reads from the connection hears why.
            match half.try_write(waiting) {
                Ok(count) if count > 0 => drop(waiting.drain(..count)),
                _ => break,
            }
        }
    }
}

impl Drop for ControlWriter {
    fn drop(&mut self) {
        self.say(&Control::bye("the viewer left"));
    }
}
