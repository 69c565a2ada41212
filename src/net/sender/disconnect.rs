//! Why a viewer is no longer one, in words for the log and for the viewer itself.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::failure::describe;
use crate::wire::{self, WireError};

use crate::net::message_reader::ReadError;

/// Why a viewer is no longer one.
#[derive(Debug)]
pub(super) enum DisconnectReason {
    /// It closed the connection.
    Closed,
    /// It said goodbye.
    Bye(String),
    /// The connection failed.
    Lost(io::Error),
    /// It sent what a viewer must not send.
    Refused(WireError),
    /// It sent a frame, which only senders do.
    Sends,
    /// It said nothing within the time for a hello, or no more than its beginning.
    Silent(Duration),
    /// A message of its did not end within this time.
    Slow(Duration),
    /// It took nothing for this long.
    Stalled(Duration),
    /// It gave no sign of life for this long.
    Gone(Duration),
    /// It sent more control messages than this in a second.
    Flood(u32),
    /// So many watch already.
    Full(usize),
    /// The stream ended, with the reason that it was told.
    Ended(Arc<str>),
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => write!(f, "closed by the viewer"),
            Self::Bye(reason) => write!(f, "{reason}"),
            Self::Lost(e) => write!(f, "{}", describe(e)),
            Self::Refused(WireError::Foreign(first)) => {
                let first = wire::text::quote(first);
                write!(f, "not a viewer, its first bytes are {first}")
            }
            Self::Refused(e) => write!(f, "refused, it sent {e}"),
            Self::Sends => write!(f, "refused, it sent a frame"),
            Self::Silent(limit) => write!(f, "no hello within {} s", limit.as_secs_f32()),
            Self::Slow(limit) => write!(f, "a message took over {} s", limit.as_secs_f32()),
            Self::Stalled(limit) => write!(f, "took nothing for {} s", limit.as_secs_f32()),
            Self::Gone(limit) => write!(f, "no sign of life for {} s", limit.as_secs_f32()),
            Self::Flood(limit) => write!(f, "more than {limit} control messages in a second"),
            Self::Full(watching) => {
                write!(f, "the sender has no seat left ({watching} watching)")
            }
            Self::Ended(reason) => write!(f, "{reason}"),
        }
    }
}

impl From<ReadError> for DisconnectReason {
    fn from(e: ReadError) -> Self {
        match e {
            ReadError::Io(e) => Self::Lost(e),
            ReadError::Truncated => Self::Closed,
            ReadError::Wire(e) => Self::Refused(e),
        }
    }
}
