//! The dialect of the Python tutorial: each message is a pickled NumPy array.
//!
//! Python's own unpickler runs the functions that the other side names. [`decode`] runs nothing: it
//! knows the few shapes that a frame is pickled in, and refuses everything else by its name.
//! [`Envelope`] writes the one shape that every Python since 3.8 and every NumPy reads alike.
//!
//! Facts about the format are from the comments of `pickletools` and from what NumPy 1.26 and 2.x
//! were seen to write.

mod array;
mod error;
mod frame;
mod literal;
mod machine;
mod value;

pub use error::PickleError;
pub use frame::PickledFrame;

use super::PREFIX_BYTES;

/// Reads the pickle of a frame, in time linear in its length.
///
/// # Errors
/// The pickle holds something else, or calls something.
pub fn decode(pickle: &[u8]) -> Result<PickledFrame<'_>, PickleError> {
    PickledFrame::of(machine::run(pickle)?)
}

/// The bytes before and after those of a `height` × `width` × 3 frame in BGR, so that the
/// whole is a message of the tutorial: its length, then
/// `numpy.ndarray((height, width, 3), "u1", bytearray(…))` as a pickle of protocol 5.
///
/// `ndarray` itself is named, since the function that NumPy names for the same purpose moved from
/// one module to another between versions 1 and 2 and warns in either of the other. A `bytearray`
/// makes an array that can be drawn on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Length, and the pickle up to the first byte of the frame.
    pub head: Vec<u8>,
    /// The pickle after the last byte of the frame.
    pub tail: &'static [u8],
}

impl Envelope {
    /// For a frame of so many pixels, whose rows follow each other without gaps.
    pub fn new(width: u32, height: u32) -> Self {
        // Three things on the stack to a tuple, call, end.
        const TAIL: &[u8] = b"\x87R.";
        let mut pickle = b"\x80\x05cnumpy\nndarray\n".to_vec();
        for side in [height, width] {
            pickle.push(b'J');
            // Sides are far below the sign bit: caps are held to 16,384.
            pickle.extend_from_slice(&side.to_le_bytes());
        }
        pickle.extend_from_slice(b"K\x03\x87\x8c\x02u1\x96");
        let picture = u64::from(width) * u64::from(height) * 3;
        pickle.extend_from_slice(&picture.to_le_bytes());
        let length = pickle.len() as u64 + picture + TAIL.len() as u64;
        let mut head = Vec::with_capacity(PREFIX_BYTES + pickle.len());
        head.extend_from_slice(&length.to_le_bytes());
        head.extend_from_slice(&pickle);
        Self { head, tail: TAIL }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
