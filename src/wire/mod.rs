//! Bytes to messages and back: the format of docs/protocol.md, and nothing else.
//!
//! Nothing here does I/O, so every rule for the bytes of a peer can be tested with plain bytes,
//! split at any place.

pub mod caps;
pub mod control;
pub mod dialect;
mod error;
pub mod foreign;
pub mod head;
pub mod length;
pub mod pickle;
pub mod text;
pub mod token;

pub use caps::Caps;
pub use control::{
    Ack, AgesMs, Bye, ByeCode, CallTicket, Control, Hello, Loss, Participant, Participants, Pong,
    Report,
};
pub use dialect::Dialect;
pub use error::WireError;
pub use head::{Head, HeadBuffer};
pub use length::LengthFormat;
pub use token::Token;

use std::time::Duration;

/// The first bytes of an encrypted connection. No dialect begins with them.
pub const ENCRYPTED: &[u8; 7] = b"vidsec1";
/// Bytes of the length before every message.
pub const PREFIX_BYTES: usize = 8;
/// Bytes of a frame's header, with its kind. The frame follows.
pub const HEADER_BYTES: usize = 24;
/// The longest control message, in bytes.
pub const CONTROL_LIMIT: u64 = 64 * 1024;
/// The longest frame message without `--max-frame`, in bytes.
pub const FRAME_LIMIT: u64 = 64 * 1024 * 1024;
/// The version of the native protocol that this program speaks.
pub const VERSION: u32 = 1;

/// The largest age of a frame on a viewer's screen, unless the viewer asks for another.
pub const MAX_LATENCY: Duration = Duration::from_millis(200);
