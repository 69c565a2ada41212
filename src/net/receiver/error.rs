//! Why watching ended.

use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::failure::{Failure, describe};
use crate::net::message_reader::ReadError;
use crate::wire::{Bye, WireError};

/// Why watching ended.
#[derive(Debug, Error)]
pub enum ReceiveError {
    /// The connection could not be made or failed.
    #[error("{}", describe(.0))]
    Io(#[from] io::Error),
    /// The sender closed the connection without a goodbye, in mid-message or between two messages.
    #[error("the sender closed the connection")]
    Closed,
    /// The sender closed the connection before it had said anything, as one does that has a code or a key.
    #[error("the sender closed the connection before it said anything")]
    Unheard,
    /// The sender said goodbye. Its reason is fit to be shown.
    #[error("{}", .0.reason)]
    Bye(Bye),
    /// The peer sent nothing after the connection was made, for this long.
    #[error("it said nothing for {} s", .0.as_secs())]
    NoFirstBytes(Duration),
    /// Nothing came for this long, not even an answer to a ping.
    #[error("no sign of life for {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// A message did not end within this time.
    #[error("a message took over {} s", .0.as_secs())]
    Slow(Duration),
    /// The peer broke the protocol.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The frames could not be shown.
    #[error("{}", .0.summary())]
    Sink(#[from] Failure),
}

impl From<ReadError> for ReceiveError {
    fn from(e: ReadError) -> Self {
        match e {
            ReadError::Io(e) => Self::Io(e),
            ReadError::Truncated => Self::Closed,
            ReadError::Wire(e) => Self::Wire(e),
        }
    }
}
