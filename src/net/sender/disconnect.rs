//! Why a viewer was disconnected, as words for the log and as the goodbye for the viewer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::viewer_link::Removal;
use crate::failure::describe;
use crate::net::message_reader::ReadError;
use crate::net::secure::{Refused, Unsafe};
use crate::wire::text::quote;
use crate::wire::{Bye, ByeCode, WireError};

/// Why a viewer was disconnected.
#[derive(Debug, Error)]
pub enum DisconnectReason {
    /// It closed the connection.
    #[error("closed by the viewer")]
    Closed,
    /// It said goodbye.
    #[error("{}", .0.reason)]
    Bye(Bye),
    /// The connection failed.
    #[error("{}", describe(.0))]
    Lost(#[source] io::Error),
    /// It is not a viewer. These are its first bytes.
    #[error("not a viewer, its first bytes are {}", quote(.0))]
    Foreign(Vec<u8>),
    /// It encrypts, and this sender has no key or code.
    #[error("{}", WireError::Encrypted)]
    Encrypted,
    /// It did not prove the key or code of this sender.
    #[error(transparent)]
    Unproven(#[from] Refused),
    /// It does not have the key or code of this sender, which has made the connection.
    #[error(transparent)]
    Unsafe(#[from] Unsafe),
    /// It broke the protocol.
    #[error("refused, it sent {0}")]
    Refused(#[source] WireError),
    /// It sent a frame, which only senders do.
    #[error("refused, it sent a frame")]
    Sends,
    /// Its hello says that it is a sender, like this side.
    #[error("a sender is here too")]
    Role,
    /// It sent no complete hello within this time.
    #[error("no hello within {} s", .0.as_secs_f32())]
    Silent(Duration),
    /// One of its messages did not end within this time.
    #[error("a message took over {} s", .0.as_secs_f32())]
    Slow(Duration),
    /// It took no bytes for this long.
    #[error("took nothing for {} s", .0.as_secs_f32())]
    Stalled(Duration),
    /// It gave no sign of life for this long.
    #[error("no sign of life for {} s", .0.as_secs_f32())]
    Gone(Duration),
    /// It sent more control messages than this in a second.
    #[error("more than {0} control messages in a second")]
    Flood(u32),
    /// It sent more bytes of control messages than this in a second.
    #[error("more than {} KiB of control messages in a second", .0 / 1024)]
    FloodBytes(usize),
    /// It sends more bytes than this in a second, though nothing is expected from it.
    #[error("sends more than {} KiB in a second, which no viewer does", .0 / 1024)]
    Uploads(usize),
    /// Its seat went to a viewer of another network, as its own network has the most seats.
    #[error("the sender has no seat left: its seat went to another network, which has fewer")]
    Displaced,
    /// It held a frame in memory, and all slow viewers together held too much.
    #[error("takes its frames too slowly, and the memory for slow viewers is used up")]
    Memory,
    /// All seats are taken. The number is that of the viewers.
    #[error("the sender has no seat left ({0} watching)")]
    Full(usize),
    /// It asked for a stream that does not exist. `names` are the streams that do.
    #[error("no stream {wanted:?} here{}", listed(.names))]
    NoStream { wanted: String, names: Vec<String> },
    /// The stream ended, for this reason.
    #[error("{0}")]
    Ended(Arc<str>),
}

impl DisconnectReason {
    /// The goodbye to a viewer that is turned away or loses its seat; `None` where the connection is
    /// closed without one. At the end of a stream the service says goodbye.
    pub(super) fn goodbye(&self) -> Option<Bye> {
        let code = match self {
            Self::Full(_) | Self::Displaced => ByeCode::Full,
            Self::Role => ByeCode::Role,
            Self::NoStream { .. } => ByeCode::Stream,
            Self::Encrypted => return Some(Bye::open()),
            _ => return None,
        };
        let mut bye = Bye::new(code, self.to_string());
        if let Self::NoStream { names, .. } = self {
            bye.streams.clone_from(names);
        }
        Some(bye)
    }
}

impl From<Removal> for DisconnectReason {
    fn from(removal: Removal) -> Self {
        match removal {
            Removal::Displaced => Self::Displaced,
            Removal::Memory => Self::Memory,
        }
    }
}

impl From<ReadError> for DisconnectReason {
    fn from(e: ReadError) -> Self {
        match e {
            ReadError::Io(e) => Self::Lost(e),
            ReadError::Truncated => Self::Closed,
            ReadError::Wire(e) => e.into(),
        }
    }
}

impl From<WireError> for DisconnectReason {
    fn from(e: WireError) -> Self {
        match e {
            WireError::Foreign(first) => Self::Foreign(first),
            WireError::Encrypted => Self::Encrypted,
            e => Self::Refused(e),
        }
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!(", only {}", names.join(", "))
    }
}
