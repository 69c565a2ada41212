//! Why a pickle is refused.

use thiserror::Error;

/// Why a pickle is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PickleError {
    /// It ends in the middle.
    #[error("ends in the middle")]
    Truncated,
    /// It names something that is not part of a frame: module and name.
    #[error("calls {0}")]
    Calls(String),
    /// An instruction that no frame needs: its byte, and its name where it has one.
    #[error("has {}", instruction(*.0, .1))]
    Opcode(u8, &'static str),
    /// A known instruction where it makes no sense.
    #[error("is malformed at {0}")]
    Misplaced(&'static str),
    /// Too many of something, more than any frame has.
    #[error("has too many {0}")]
    TooMuch(&'static str),
    /// It describes something that is not a frame.
    #[error("holds {0}, which is no frame")]
    NotAFrame(String),
}

fn instruction(byte: u8, name: &str) -> String {
    if name.is_empty() {
        format!("the unknown instruction 0x{byte:02x}")
    } else {
        format!("the instruction {name}")
    }
}
