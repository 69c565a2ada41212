//! The further connections of the calls that go on, by the token of each call.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::accepted::Accepted;
use crate::wire::Token;

/// The calls that go on, each with the receiver of its further connections.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<HashMap<Token, mpsc::UnboundedSender<Accepted>>>);

impl Lines {
    /// Further connections of this call come out of the receiver, until that is dropped.
    pub fn open(&self, call: Token) -> mpsc::UnboundedReceiver<Accepted> {
        let (line, connections) = mpsc::unbounded_channel();
        let mut lines = self.0.lock();
        lines.retain(|_, line| !line.is_closed());
        lines.insert(call, line);
        connections
    }

    /// The way to the receiver of a call's connections, where that goes on.
    pub fn find(&self, call: Token) -> Option<mpsc::UnboundedSender<Accepted>> {
        let line = self.0.lock().get(&call).cloned();
        line.filter(|line| !line.is_closed())
    }
}
