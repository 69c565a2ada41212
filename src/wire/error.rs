//! The protocol faults of a peer.

use thiserror::Error;

use super::foreign::kind_of;
use super::pickle::PickleError;
use super::text::quote;
use super::{ENCRYPTED, HEADER_BYTES, VERSION};

/// A protocol fault of a peer. Each ends its connection.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WireError {
    /// The length exceeds the limit, both in bytes. Nothing was allocated for it.
    #[error("a message of {length} bytes (the limit is {limit})")]
    TooLong { length: u64, limit: u64 },
    /// A message of length zero, which has no kind.
    #[error("an empty message")]
    Empty,
    /// The first byte of a message is no known kind.
    #[error("a message of unknown kind 0x{0:02x}")]
    UnknownKind(u8),
    /// A frame message that ends inside its own header, with its length in bytes.
    #[error("a frame of {0} bytes, less than its header of {HEADER_BYTES}")]
    ShortFrame(u64),
    /// A control message that is not JSON of the right shape.
    #[error("a control message that is not valid: {0}")]
    Control(String),
    /// A pickle that holds no frame.
    #[error("a pickle that {0}")]
    Pickle(#[from] PickleError),
    /// Caps that are not accepted, with the reason.
    #[error("caps that are not accepted: {0}")]
    Caps(String),
    /// A frame before any caps.
    #[error("a frame before any caps")]
    FrameBeforeCaps,
    /// The first message is no hello.
    #[error("no hello as its first message")]
    NoHello,
    /// The first message is no pickle.
    #[error("no pickle as its first message")]
    NoPickle,
    /// The peer speaks only this version, which this program does not.
    #[error("version {0} of the protocol (this is version {VERSION})")]
    Version(u32),
    /// A length in text that is no number, with its bytes.
    #[error("{} in place of a length", quote(.0))]
    TextLength(Vec<u8>),
    /// The peer speaks another protocol. These are its first bytes.
    #[error("its first bytes are {}{}", quote(.0), kind_of(.0))]
    Foreign(Vec<u8>),
    /// The peer encrypts, and this side was given no key or code.
    #[error(
        "it has a key or a code and this side is open: both need the same --key-file or --code, or \
         none (in a call --open)"
    )]
    Encrypted,
}

impl WireError {
    /// The fault of a peer with these first bytes, which are of no dialect.
    pub fn foreign(first: &[u8]) -> Self {
        if first.starts_with(ENCRYPTED) {
            Self::Encrypted
        } else {
            Self::Foreign(first.to_vec())
        }
    }
}
