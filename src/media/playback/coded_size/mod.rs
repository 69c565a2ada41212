//! The size that an encoded frame announces, read from its first bytes before a decoder sees it.
//!
//! Some decoders take memory for a frame, and some converters count its bytes in 31 bits, before
//! anybody else hears of the size. Bytes in, sizes out, so that all of it can be tested without a
//! pipeline.

mod av1;
mod bits;
mod nal;
mod size;
mod still;
mod vpx;

use crate::wire::Caps;

use self::av1::Av1;
pub use self::size::CodedSize;

/// Reads the sizes in the frames of one stream.
#[derive(Default)]
pub enum CodedSizes {
    /// Raw frames have the size that their caps say.
    #[default]
    Raw,
    Jpeg,
    Png,
    H264,
    H265,
    Vp8,
    Vp9,
    /// The sequence header says how the headers of later frames are to be read.
    Av1(Av1),
}

/// The frame's headers cannot be read, so no decoder may have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl CodedSizes {
    /// For frames of these caps.
    pub fn of(caps: &Caps) -> Self {
        match caps.media_type() {
            "image/jpeg" => Self::Jpeg,
            "image/png" => Self::Png,
            "video/x-h264" => Self::H264,
            "video/x-h265" => Self::H265,
            "video/x-vp8" => Self::Vp8,
            "video/x-vp9" => Self::Vp9,
            "video/x-av1" => Self::Av1(Av1::default()),
            _ => Self::Raw,
        }
    }

    /// Gives each size that a decoder may find in `frame` to `found`. A frame that depends on
    /// earlier ones may have none.
    ///
    /// # Errors
    /// There should be a size, and it cannot be read.
    pub fn read(
        &mut self,
        frame: &[u8],
        found: &mut impl FnMut(CodedSize),
    ) -> Result<(), Unreadable> {
        let read = match self {
            Self::Raw => Some(()),
            Self::Jpeg => still::jpeg(frame, found),
            Self::Png => still::png(frame, found),
            Self::H264 => nal::h264(frame, found),
            Self::H265 => nal::h265(frame, found),
            Self::Vp8 => vpx::vp8(frame, found),
            Self::Vp9 => vpx::vp9(frame, found),
            Self::Av1(av1) => av1.read(frame, found),
        };
        read.ok_or(Unreadable)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
