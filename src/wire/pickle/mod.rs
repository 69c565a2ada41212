//! The dialect of the Python tutorial: each message is a pickled NumPy array.
//!
//! Python's own unpickler runs the functions that the other side names. [`decode`] runs nothing: it
//! knows the few ways in which a frame is pickled, and refuses everything else by its name.
//! [`Envelope`] writes the one way that every Python since 3.8 and every NumPy reads alike.
//!
//! Facts about the format are from the comments of `pickletools` and from the output of NumPy 1.26
//! and 2.x.

mod array;
mod error;
mod frame;
mod heap;
mod literal;
mod machine;
mod value;

pub use error::PickleError;
pub use frame::PickledFrame;

use super::LengthFormat;
use machine::Machine;

/// Reads the one frame in a pickle, and skips the data beside it. Time and memory are linear in the
/// length of the pickle: with the pickle itself, 1 MiB and four times its length at the most.
///
/// # Errors
/// The pickle holds no frame or several, or calls something.
pub fn decode(pickle: &[u8]) -> Result<PickledFrame<'_>, PickleError> {
    let mut machine = Machine::new(pickle);
    let root = machine.run().map_err(|error| match error {
        // A list for each pixel takes more than the pickle may.
        PickleError::TooMuch(_) if machine.heap.has_rows_of_numbers() => PickleError::NumberLists,
        error => error,
    })?;
    PickledFrame::find(root, &machine.heap)
}

/// Whether a pickle has its end, whatever it holds.
pub fn is_whole(pickle: &[u8]) -> bool {
    !matches!(Machine::new(pickle).run(), Err(PickleError::Truncated))
}

/// The bytes before and after a frame, which make it a message of the tutorial's family: its length,
/// then `numpy.ndarray(shape, "u1", bytearray(…))` as a pickle of protocol 5.
///
/// It names `ndarray` itself, since the function that NumPy names for this purpose moved from one
/// module to another between versions 1 and 2, and warns in the other version. A `bytearray` makes
/// an array that can be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The length, and the pickle up to the first byte of the frame.
    pub head: Vec<u8>,
    /// The pickle after the last byte of the frame.
    pub tail: &'static [u8],
}

impl Envelope {
    /// Makes a tuple of three values of the stack, calls, and ends.
    pub const TAIL: &[u8] = b"\x87R.";

    /// The envelope of a message of the tutorial itself: pixels behind a length of eight bytes.
    pub fn new(width: u32, height: u32) -> Self {
        Self::pixels(LengthFormat::default(), width, height)
    }

    /// The envelope of a frame of `height` × `width` × 3 bytes in BGR, whose rows follow each other
    /// without padding.
    pub fn pixels(format: LengthFormat, width: u32, height: u32) -> Self {
        let bytes = u64::from(width) * u64::from(height) * 3;
        // The last side, and the end of a tuple of three.
        let last = b"K\x03\x87";
        Self::of(format, &[height, width], last, bytes)
    }

    /// The envelope of a JPEG of this many bytes, as the array that `cv2.imencode` gives.
    pub fn jpeg(format: LengthFormat, bytes: usize) -> Self {
        // No frame is longer than four bytes can say.
        let side = u32::try_from(bytes).unwrap_or(u32::MAX);
        // The end of a tuple of one.
        Self::of(format, &[side], b"\x85", bytes as u64)
    }

    fn of(format: LengthFormat, sides: &[u32], end_of_shape: &[u8], bytes: u64) -> Self {
        let mut pickle = b"\x80\x05cnumpy\nndarray\n".to_vec();
        for side in sides {
            pickle.push(b'J');
            // Sides are far below the sign bit: caps limit the area of frames.
            pickle.extend_from_slice(&side.to_le_bytes());
        }
        pickle.extend_from_slice(end_of_shape);
        pickle.extend_from_slice(b"\x8c\x02u1\x96");
        pickle.extend_from_slice(&bytes.to_le_bytes());
        let length = pickle.len() as u64 + bytes + Self::TAIL.len() as u64;
        let head = [format.encode(length).as_ref(), &pickle].concat();
        Self {
            head,
            tail: Self::TAIL,
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
