//! Why a pickle is refused.

use thiserror::Error;

/// Why a pickle is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PickleError {
    /// It ends in the middle.
    #[error("ends in the middle")]
    Truncated,
    /// It calls something that is not part of a frame or of plain data: module and name.
    #[error("calls {0}")]
    Calls(String),
    /// An instruction that no frame needs: its byte, and its name where it has one.
    #[error("{}", instruction(*.0, .1))]
    Opcode(u8, &'static str),
    /// A known instruction where it makes no sense.
    #[error("is malformed at {0}")]
    Misplaced(&'static str),
    /// Too many of something, more than any frame has.
    #[error("has too many {0}")]
    TooMuch(&'static str),
    /// An array whose bytes do not fill its shape.
    #[error("has {0}")]
    Array(String),
    /// It holds no frame, but this.
    #[error("holds no frame, only {0}")]
    NoFrame(String),
    /// Lists of numbers, as `array.tolist()` makes them.
    #[error("holds lists of numbers in place of an array")]
    NumberLists,
    /// It holds these frames, of which none is more the right one than the others.
    #[error("holds {}", frames(.0))]
    SeveralFrames(Vec<String>),
}

fn instruction(byte: u8, name: &str) -> String {
    if name.is_empty() {
        format!("has the unknown instruction 0x{byte:02x}")
    } else {
        format!("has the instruction {name}")
    }
}

fn frames(frames: &[String]) -> String {
    let shown = frames.iter().take(3).map(String::as_str);
    let mut shown = shown.collect::<Vec<_>>().join(", ");
    if frames.len() > 3 {
        shown += ", …";
    }
    format!("{} frames: {shown}", frames.len())
}
