//! Bytes to messages and back: the format of docs/protocol.md, and nothing else.
//!
//! Nothing here does I/O, so every rule about what a peer may send can be tested with plain
//! bytes, split at any place.

pub mod caps;
pub mod control;
pub mod dialect;
pub mod message;
pub mod pickle;

pub use caps::Caps;
pub use control::{Ack, AgesMs, Control, Hello, Pong, Report};
pub use dialect::Dialect;
pub use message::{Head, HeadBuffer};

use std::fmt;

/// Bytes of the length that comes before every message.
pub const PREFIX_BYTES: usize = 8;
/// Bytes of a frame's header, its kind included; the picture follows.
pub const HEADER_BYTES: usize = 24;
/// The longest control message, in bytes.
pub const CONTROL_LIMIT: u64 = 64 * 1024;
/// The longest frame message where `--max-frame` says nothing else, in bytes.
pub const FRAME_LIMIT: u64 = 64 * 1024 * 1024;
/// The version of the native protocol that this program speaks.
pub const VERSION: u32 = 1;

/// Which messages a connection carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Wire {
    /// Whatever the peer speaks: vidchat's own protocol or the tutorial's pickles.
    #[default]
    Auto,
    /// vidchat's own protocol alone.
    Native,
    /// Nothing but the length and the buffer: for peers that you write yourself.
    Bare,
}

/// What a peer did wrong. Each is that peer's fault and ends its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The length exceeds the limit, both in bytes; nothing was allocated for it.
    TooLong { length: u64, limit: u64 },
    /// A message of length zero, which has no kind.
    Empty,
    /// The first byte of a message is no known kind.
    UnknownKind(u8),
    /// A frame message that ends inside its own header; the length in bytes.
    ShortFrame(u64),
    /// A control message that is not JSON of the right form.
    Control(String),
    /// A pickle that is no picture.
    Pickle(pickle::PickleError),
    /// Caps that are not accepted, with the reason.
    Caps(String),
    /// A frame before any caps.
    FrameBeforeCaps,
    /// The first message is no hello.
    NoHello,
    /// The peer speaks only versions that this program does not.
    Version(u32),
    /// The peer is something else altogether: its first bytes.
    Foreign(Vec<u8>),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length, limit } => {
                write!(f, "a message of {length} bytes (the limit is {limit})")
            }
            Self::Empty => write!(f, "an empty message"),
            Self::UnknownKind(kind) => write!(f, "a message of unknown kind 0x{kind:02x}"),
            Self::ShortFrame(length) => {
                write!(
                    f,
                    "a frame of {length} bytes, less than its header of {HEADER_BYTES}"
                )
            }
            Self::Control(reason) => write!(f, "a control message that is not valid: {reason}"),
            Self::Pickle(e) => write!(f, "a pickle that {e}"),
            Self::Caps(reason) => write!(f, "caps that are not accepted: {reason}"),
            Self::FrameBeforeCaps => write!(f, "a frame before any caps"),
            Self::NoHello => write!(f, "no hello as its first message"),
            Self::Version(version) => {
                write!(
                    f,
                    "version {version} of the protocol (this is version {VERSION})"
                )
            }
            Self::Foreign(first) => write!(f, "its first bytes are {}", dialect::quote(first)),
        }
    }
}

impl std::error::Error for WireError {}

impl From<pickle::PickleError> for WireError {
    fn from(e: pickle::PickleError) -> Self {
        Self::Pickle(e)
    }
}
