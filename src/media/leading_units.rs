//! The units that a frame of H.264, H.265 or AV1 begins with: all those before its image.
//!
//! Parameter sets are among them, and the time of capture. Bytes in, places out.

use std::ops::Range;

use super::bitstream::{leb128, start_code};

/// The most bytes of the size of an open bitstream unit.
const SIZE_BYTES: usize = 4;

/// The codecs whose frames are made of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitCodec {
    /// A byte stream of whole access units.
    H264,
    /// A byte stream of whole access units.
    H265,
    /// Open bitstream units, each with its size.
    Av1,
}

/// A part of a frame: a NAL unit with its start code, or an open bitstream unit.
#[derive(Debug)]
pub struct Unit {
    /// Its type, by the numbers of its codec.
    pub kind: u8,
    /// Its bytes in the frame.
    pub place: Range<usize>,
    /// Whether it holds a part of the image. Its end is not looked for, since it is long: `place`
    /// goes to the end of the frame.
    pub is_image: bool,
}

/// The units of a frame up to the first one with a part of the image, which is the last.
pub struct Units<'f> {
    codec: UnitCodec,
    frame: &'f [u8],
    at: usize,
}

impl UnitCodec {
    /// The codec of this media type; `None` where its frames are not made of units.
    pub fn of(media_type: &str) -> Option<Self> {
        match media_type {
            "video/x-h264" => Some(Self::H264),
            "video/x-h265" => Some(Self::H265),
            "video/x-av1" => Some(Self::Av1),
            _ => None,
        }
    }

    /// The units of `frame`, up to the first one with a part of the image.
    pub fn units(self, frame: &[u8]) -> Units<'_> {
        Units {
            codec: self,
            frame,
            at: 0,
        }
    }

    /// Whether a unit of this type is the first of a frame: an access unit delimiter, or a temporal
    /// delimiter.
    pub fn begins_frame(self, kind: u8) -> bool {
        kind == match self {
            Self::H264 => 9,
            Self::H265 => 35,
            Self::Av1 => 2,
        }
    }

    /// Whether a unit of this type is a parameter set.
    pub fn is_set(self, kind: u8) -> bool {
        match self {
            // Sequence, picture, sequence extension, subset sequence.
            Self::H264 => matches!(kind, 7 | 8 | 13 | 15),
            // Video, sequence, picture.
            Self::H265 => matches!(kind, 32..=34),
            Self::Av1 => kind == 1,
        }
    }

    /// The type in the first byte of a NAL unit.
    pub fn nal_kind(self, header: u8) -> u8 {
        match self {
            Self::H264 => header & 0x1f,
            _ => header >> 1 & 0x3f,
        }
    }

    /// Whether a unit of this type holds a part of the image. No parameter set comes after it.
    pub fn is_image(self, kind: u8) -> bool {
        match self {
            Self::H264 => matches!(kind, 1..=5),
            Self::H265 => kind < 32,
            // Frame header, tile group, frame, redundant frame header, tile list.
            Self::Av1 => matches!(kind, 3 | 4 | 6 | 7 | 8),
        }
    }

    /// The NAL unit that begins at `at` or after it, with its start code.
    fn next_nal(self, frame: &[u8], at: usize) -> Option<Unit> {
        let start = start_code(frame, at)?;
        let kind = self.nal_kind(*frame.get(start + 3)?);
        // Zeros before a start code belong to it.
        let zeros = frame[at..start].iter().rev().take_while(|byte| **byte == 0);
        let begin = start - zeros.count();
        let is_image = self.is_image(kind);
        let end = if is_image {
            frame.len()
        } else {
            let next = start_code(frame, start + 3).unwrap_or(frame.len());
            let trailing = frame[start + 3..next].iter().rev();
            next - trailing.take_while(|byte| **byte == 0).count()
        };
        Some(Unit {
            kind,
            place: begin..end,
            is_image,
        })
    }

    /// The open bitstream unit at `at`; `None` where there is none, or where it has no size or a
    /// wrong one.
    fn next_obu(self, frame: &[u8], at: usize) -> Option<Unit> {
        let header = *frame.get(at)?;
        let kind = header >> 3 & 0x0f;
        let is_image = self.is_image(kind);
        let end = if is_image {
            frame.len()
        } else {
            let (has_extension, has_size) = (header & 4 != 0, header & 2 != 0);
            let size_at = at + 1 + usize::from(has_extension);
            let size = leb128(frame.get(size_at..)?).filter(|_| has_size);
            let (size, length) = size.filter(|(_, length)| *length <= SIZE_BYTES)?;
            size_at.checked_add(length)?.checked_add(size)?
        };
        (end <= frame.len()).then_some(Unit {
            kind,
            place: at..end,
            is_image,
        })
    }
}

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let unit = match self.codec {
            UnitCodec::H264 | UnitCodec::H265 => self.codec.next_nal(self.frame, self.at),
            UnitCodec::Av1 => self.codec.next_obu(self.frame, self.at),
        }?;
        self.at = unit.place.end;
        Some(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(codec: UnitCodec, frame: &[u8]) -> Vec<(u8, bool)> {
        let units = codec.units(frame);
        units.map(|unit| (unit.kind, unit.is_image)).collect()
    }

    #[test]
    fn units_end_with_the_first_one_of_the_image() {
        let h264 = [0, 0, 0, 1, 9, 16, 0, 0, 1, 0x65, 1, 0, 0, 1, 0x65, 2];
        assert_eq!(kinds(UnitCodec::H264, &h264), [(9, false), (5, true)]);
        let h265 = [0, 0, 1, 70, 1, 80, 0, 0, 1, 78, 1, 5, 0, 0, 1, 2, 1];
        let expected = [(35, false), (39, false), (1, true)];
        assert_eq!(kinds(UnitCodec::H265, &h265), expected);
        let av1 = [2 << 3 | 2, 0, 1 << 3 | 2, 1, 7, 6 << 3, 9, 9];
        let expected = [(2, false), (1, false), (6, true)];
        assert_eq!(kinds(UnitCodec::Av1, &av1), expected);
    }

    #[test]
    fn a_unit_without_a_size_or_beyond_the_end_ends_the_list() {
        assert_eq!(kinds(UnitCodec::Av1, &[1 << 3, 7]), []);
        assert_eq!(kinds(UnitCodec::Av1, &[1 << 3 | 2, 9, 7]), []);
        assert_eq!(kinds(UnitCodec::H264, &[0, 0, 1]), []);
        assert_eq!(kinds(UnitCodec::H264, &[]), []);
    }
}
