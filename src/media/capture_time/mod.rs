//! The time of capture inside the frame itself, where every engine passes it on and every decoder
//! leaves it out: `docs/protocol.md` has the bytes.
//!
//! Bytes in, bytes out, so that all of it can be tested without a pipeline. Nothing of the bytes is
//! trusted: anybody may have written them.

mod app_segment;
mod edit;
mod message;
mod metadata_obu;
mod sei;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use memchr::memmem;

use crate::clock::CaptureTime;
use crate::frame::{Frame, TimeOrigin};
use crate::wire::Caps;

use self::edit::Edit;
use self::message::UUID;
use super::bitstream::unescaped;
use super::leading_units::{Unit, UnitCodec};

/// The most bytes of a frame that are looked at for a time. A first frame of x264 has 800 bytes about
/// its encoder before the time.
const READ_LIMIT: usize = 4 << 10;
/// A frame whose image begins later than this gets no time.
const WRITE_LIMIT: usize = 64 << 10;
/// A stream that had no time in so many frames is looked at seldom.
const SEARCHED: u32 = 256;
/// How many frames of such a stream go by for each that is looked at, beside its key frames.
const SELDOM: u32 = 32;

/// The codecs whose frames have a place for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    /// H.264 and H.265 have it in a message of supplemental enhancement information (SEI), AV1 in an
    /// open bitstream unit of metadata.
    Units(UnitCodec),
    /// JPEG has it in a segment for applications.
    Jpeg,
}

/// Reads the times in the frames of one stream.
#[derive(Debug)]
pub struct CaptureTimeReader {
    codec: Codec,
    /// Units have their lengths in front of them, and no start codes.
    has_lengths: bool,
    /// Frames without a time since the last one that had one.
    without: u32,
}

/// Writes times into the frames of one stream.
#[derive(Clone, Copy, Debug)]
pub struct CaptureTimeWriter(Codec);

/// The frame with this time of capture in its bytes, in the place of any that it had. It stays as it
/// is where these caps have no place for a time, and where nobody knows when it was captured.
pub fn stamped(caps: &Caps, mut frame: Frame, time: &CaptureTime) -> Frame {
    let writer = CaptureTimeWriter::of(caps).filter(|_| frame.header.origin != TimeOrigin::Arrival);
    if let Some(data) = writer.and_then(|writer| writer.written(&frame.data, time)) {
        frame.data = data;
    }
    frame
}

impl CaptureTimeWriter {
    /// For frames of these caps; `None` where they have no place for a time.
    pub fn of(caps: &Caps) -> Option<Self> {
        Codec::of(caps).map(Self)
    }

    /// The frame with this time in the place of any that it had; `None` where it has no place for one.
    pub fn written(self, frame: &[u8], time: &CaptureTime) -> Option<Bytes> {
        let edit = self.0.edit(frame, &message::write(time))?;
        Some(edit.apply(frame))
    }
}

impl CaptureTimeReader {
    /// For frames of these caps; `None` where they have no place for a time.
    pub fn of(caps: &Caps) -> Option<Self> {
        let codec = Codec::of(caps)?;
        Some(Self {
            codec,
            has_lengths: false,
            without: 0,
        })
    }

    /// As [`Self::of`], for frames before a decoder, where those of H.264 and H.265 may have lengths in
    /// the place of start codes.
    pub fn before_decoder(caps: &Caps) -> Option<Self> {
        let with_lengths = || {
            let codec = UnitCodec::of(caps.media_type());
            let codec = codec.filter(|codec| *codec != UnitCodec::Av1)?;
            Some(Self {
                codec: Codec::Units(codec),
                has_lengths: true,
                without: 0,
            })
        };
        Self::of(caps).or_else(with_lengths)
    }

    /// The time in a frame. `None` may be wrong for a few frames of a stream that begins to have
    /// times after it had none.
    pub fn read(&mut self, is_key: bool, frame: &[u8]) -> Option<CaptureTime> {
        let is_due = is_key || self.without < SEARCHED || self.without.is_multiple_of(SELDOM);
        let time = match is_due {
            true if self.has_lengths => time_anywhere(frame),
            true => self.codec.time(frame),
            false => None,
        };
        self.without = match time {
            Some(_) => 0,
            // After all that 32 bits can count, the search begins anew.
            None => self.without.wrapping_add(1),
        };
        time
    }
}

impl Codec {
    fn of(caps: &Caps) -> Option<Self> {
        match caps.media_type() {
            "image/jpeg" => Some(Self::Jpeg),
            units if caps.is_self_contained() => UnitCodec::of(units).map(Self::Units),
            _ => None,
        }
    }

    /// The only time in a frame. Of several, nobody knows which is true.
    fn time(self, frame: &[u8]) -> Option<CaptureTime> {
        let messages = match self {
            Self::Jpeg => app_segment::messages(frame),
            Self::Units(codec) => {
                let first = frame.get(..READ_LIMIT).unwrap_or(frame);
                // This alone is done for each frame without one.
                memmem::find(first, &UUID)?;
                let units = codec.units(first);
                units
                    .flat_map(|unit| messages(codec, &unit, first))
                    .collect()
            }
        };
        match &messages[..] {
            [only] => message::read(only),
            _ => None,
        }
    }

    /// The change that puts `message` into a frame; `None` where it has no place for one.
    fn edit(self, frame: &[u8], message: &[u8]) -> Option<Edit> {
        let codec = match self {
            Self::Jpeg => return app_segment::edit(frame, message),
            Self::Units(codec) => codec,
        };
        let mut edit = Edit::default();
        for unit in codec.units(frame) {
            if unit.place.start > WRITE_LIMIT {
                return None;
            }
            if unit.is_image {
                if edit.at == 0 {
                    edit.at = unit.place.start;
                }
                let image = &frame[unit.place];
                edit.new = match codec {
                    UnitCodec::H264 | UnitCodec::H265 => sei::unit(codec, message, image),
                    UnitCodec::Av1 => metadata_obu::unit(message),
                };
                return Some(edit);
            }
            if codec.begins_frame(unit.kind) || codec.is_set(unit.kind) || is_metadata(codec, &unit)
            {
                edit.at = unit.place.end;
            }
            if let Some(rest) = without_messages(codec, &unit, frame) {
                edit.removed.push((unit.place, rest));
            }
        }
        None
    }
}

/// The only time in a frame whose units are not looked for.
fn time_anywhere(frame: &[u8]) -> Option<CaptureTime> {
    let first = frame.get(..READ_LIMIT).unwrap_or(frame);
    let mut places = memmem::find_iter(first, &UUID);
    let (Some(at), None) = (places.next(), places.next()) else {
        return None;
    };
    let message: Vec<u8> = unescaped(&first[at..]).take(message::LENGTH).collect();
    message::read(&message)
}

/// Whether a unit is of the type that holds a time, among others.
fn is_metadata(codec: UnitCodec, unit: &Unit) -> bool {
    unit.kind
        == match codec {
            UnitCodec::H264 => sei::H264,
            UnitCodec::H265 => sei::H265,
            UnitCodec::Av1 => metadata_obu::METADATA,
        }
}

/// The messages of a unit that begin with our identifier.
fn messages(codec: UnitCodec, unit: &Unit, frame: &[u8]) -> Vec<Vec<u8>> {
    let bytes = &frame[unit.place.clone()];
    match codec {
        _ if !is_metadata(codec, unit) => Vec::new(),
        UnitCodec::H264 | UnitCodec::H265 => sei::messages(codec, bytes),
        UnitCodec::Av1 => metadata_obu::message(bytes).into_iter().collect(),
    }
}

/// What is left of a unit without such messages; `None` where it has none.
fn without_messages(codec: UnitCodec, unit: &Unit, frame: &[u8]) -> Option<Vec<u8>> {
    let bytes = &frame[unit.place.clone()];
    match codec {
        _ if messages(codec, unit, frame).is_empty() => None,
        UnitCodec::H264 | UnitCodec::H265 => Some(sei::without_messages(codec, bytes)),
        UnitCodec::Av1 => Some(Vec::new()),
    }
}
