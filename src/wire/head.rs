//! The head of a message: its length in eight bytes, its kind, and the header of a frame.

use super::length::{Length, Prefix};
use super::{CONTROL_LIMIT, HEADER_BYTES, PREFIX_BYTES, WireError};
use crate::frame::{FrameHeader, TimeOrigin};

/// Bytes from the start of a message to the first byte of its frame.
pub const HEAD_BYTES: usize = PREFIX_BYTES + HEADER_BYTES;

const KIND_FRAME: u8 = 1;
const KIND_CONTROL: u8 = b'{';
const FLAG_KEY: u8 = 1;
const FLAG_DISCONTINUITY: u8 = 2;
const FLAG_ACK: u8 = 4;
const FLAG_STREAM_TIME: u8 = 8;
const FLAG_ARRIVAL_TIME: u8 = 16;

/// The head of a message: its kind, and the number of bytes that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// JSON of this many bytes, including the `{` that shows its kind.
    Control { length: usize },
    /// A frame of this many bytes.
    Frame { header: FrameHeader, length: usize },
}

/// Collects the first bytes of a message until its head is known.
///
/// A read may bring bytes from beyond the head. [`HeadBuffer::take`] returns them, so nothing that
/// was read is lost.
#[derive(Debug, Default)]
pub struct HeadBuffer {
    bytes: [u8; HEAD_BYTES],
    filled: usize,
}

impl HeadBuffer {
    /// The free space: read into it and report that with [`HeadBuffer::advance`].
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    /// Notes that `count` bytes were read into [`HeadBuffer::space`].
    pub fn advance(&mut self, count: usize) {
        self.filled = (self.filled + count).min(HEAD_BYTES);
    }

    /// The bytes that were read and not taken yet.
    pub fn filled(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// The head of the next message, once enough of it is here. Its bytes are then consumed, except
    /// a control message's first byte, which belongs to the JSON.
    ///
    /// `limit` is the longest frame message in bytes.
    ///
    /// # Errors
    /// The message is of no known kind, or its length is not allowed.
    pub fn head(&mut self, limit: u64) -> Result<Option<Head>, WireError> {
        let Some((head, used)) = parse(self.filled(), limit)? else {
            return Ok(None);
        };
        self.discard(used);
        Ok(Some(head))
    }

    /// The length of a message without a head, once it is here. `prefix` is what is known of its
    /// format.
    ///
    /// # Errors
    /// The length is zero, or exceeds `limit`, or is no number.
    pub fn bare_length(&mut self, prefix: Prefix, limit: u64) -> Result<Option<Length>, WireError> {
        let Some(length) = prefix.decode(self.filled())? else {
            return Ok(None);
        };
        bounded(length.bytes, limit)?;
        self.discard(prefix.width());
        Ok(Some(length))
    }

    /// Whether the next message is a control message, once enough of it is here to tell.
    pub fn is_control(&self) -> Option<bool> {
        match prefix(self.filled())? {
            1..=CONTROL_LIMIT => self.filled().get(PREFIX_BYTES).map(|&k| k == KIND_CONTROL),
            _ => Some(false),
        }
    }

    /// Moves bytes that were read beyond the head to the start of `body`; returns how many.
    pub fn take(&mut self, body: &mut [u8]) -> usize {
        let count = self.filled.min(body.len());
        body[..count].copy_from_slice(&self.bytes[..count]);
        self.discard(count);
        count
    }

    /// Moves bytes that were read beyond the head to the end of `body`, at most `most`.
    pub fn take_into(&mut self, body: &mut Vec<u8>, most: usize) {
        let count = self.filled.min(most);
        body.extend_from_slice(&self.bytes[..count]);
        self.discard(count);
    }

    fn discard(&mut self, count: usize) {
        self.bytes.copy_within(count..self.filled, 0);
        self.filled -= count;
    }
}

/// The head of a frame message with `length` bytes of frame.
pub fn encode_frame_head(header: &FrameHeader, length: usize) -> [u8; HEAD_BYTES] {
    let mut flags = 0;
    if header.key {
        flags |= FLAG_KEY;
    }
    if header.discontinuity {
        flags |= FLAG_DISCONTINUITY;
    }
    if header.ack {
        flags |= FLAG_ACK;
    }
    flags |= match header.origin {
        TimeOrigin::Source => 0,
        TimeOrigin::Stream => FLAG_STREAM_TIME,
        TimeOrigin::Arrival => FLAG_ARRIVAL_TIME,
    };
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(&((HEADER_BYTES + length) as u64).to_le_bytes());
    head[8] = KIND_FRAME;
    head[9] = flags;
    head[10..12].copy_from_slice(&header.stream.to_le_bytes());
    head[12..16].copy_from_slice(&header.sequence.to_le_bytes());
    head[16..24].copy_from_slice(&header.pts.to_le_bytes());
    head[24..32].copy_from_slice(&header.captured_at.to_le_bytes());
    head
}

fn parse(bytes: &[u8], limit: u64) -> Result<Option<(Head, usize)>, WireError> {
    let Some(length) = prefix(bytes) else {
        return Ok(None);
    };
    // The larger limit is checked first, so that a wild length is refused before its kind is known.
    let whole = bounded(length, limit.max(CONTROL_LIMIT))?;
    match bytes.get(PREFIX_BYTES) {
        None => Ok(None),
        Some(&KIND_CONTROL) => {
            let length = bounded(length, CONTROL_LIMIT)?;
            Ok(Some((Head::Control { length }, PREFIX_BYTES)))
        }
        Some(&KIND_FRAME) => {
            bounded(length, limit)?;
            if whole < HEADER_BYTES {
                return Err(WireError::ShortFrame(length));
            }
            let Some(header) = bytes.get(PREFIX_BYTES..HEAD_BYTES) else {
                return Ok(None);
            };
            let head = Head::Frame {
                header: decode_header(header),
                length: whole - HEADER_BYTES,
            };
            Ok(Some((head, HEAD_BYTES)))
        }
        Some(&kind) => Err(WireError::UnknownKind(kind)),
    }
}

/// Unknown flags are ignored, so that later versions may add some.
fn decode_header(bytes: &[u8]) -> FrameHeader {
    let u64_at = |at: usize| u64::from_le_bytes(array(bytes, at));
    FrameHeader {
        key: bytes[1] & FLAG_KEY != 0,
        discontinuity: bytes[1] & FLAG_DISCONTINUITY != 0,
        ack: bytes[1] & FLAG_ACK != 0,
        stream: u16::from_le_bytes(array(bytes, 2)),
        sequence: u32::from_le_bytes(array(bytes, 4)),
        pts: u64_at(8),
        captured_at: u64_at(16),
        origin: if bytes[1] & FLAG_ARRIVAL_TIME != 0 {
            TimeOrigin::Arrival
        } else if bytes[1] & FLAG_STREAM_TIME != 0 {
            TimeOrigin::Stream
        } else {
            TimeOrigin::Source
        },
    }
}

/// `N` bytes at `at` of a header. The caller has checked that all [`HEADER_BYTES`] are there.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[at + i])
}

fn prefix(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|first| u64::from_le_bytes(*first))
}

fn bounded(length: u64, limit: u64) -> Result<usize, WireError> {
    if length == 0 {
        return Err(WireError::Empty);
    }
    match usize::try_from(length) {
        Ok(size) if length <= limit => Ok(size),
        _ => Err(WireError::TooLong { length, limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::LengthFormat;

    const LIMIT: u64 = 1000;

    fn fed(bytes: &[u8]) -> HeadBuffer {
        let mut buffer = HeadBuffer::default();
        let count = bytes.len().min(HEAD_BYTES);
        buffer.space()[..count].copy_from_slice(&bytes[..count]);
        buffer.advance(count);
        buffer
    }

    fn with_prefix(length: u64, rest: &[u8]) -> Vec<u8> {
        [&length.to_le_bytes()[..], rest].concat()
    }

    #[test]
    fn frame_head_survives_every_split() {
        let header = FrameHeader {
            key: true,
            discontinuity: true,
            ack: true,
            stream: 7,
            sequence: 0xdead_beef,
            pts: 1 << 40,
            captured_at: 1 << 60,
            origin: TimeOrigin::Arrival,
        };
        let bytes = encode_frame_head(&header, 500);
        for split in 0..bytes.len() {
            let mut buffer = fed(&bytes[..split]);
            assert_eq!(buffer.head(LIMIT), Ok(None), "after {split} bytes");
            let rest = bytes.len() - split;
            buffer.space()[..rest].copy_from_slice(&bytes[split..]);
            buffer.advance(rest);
            let expected = Head::Frame {
                header,
                length: 500,
            };
            assert_eq!(buffer.head(LIMIT), Ok(Some(expected)));
            assert!(buffer.filled().is_empty());
        }
    }

    #[test]
    fn flags_say_how_the_time_of_capture_is_known() {
        let with = |flags: u8| {
            let mut bytes = encode_frame_head(&FrameHeader::default(), 1);
            bytes[9] = flags;
            match fed(&bytes).head(LIMIT) {
                Ok(Some(Head::Frame { header, .. })) => header,
                other => panic!("{other:?}"),
            }
        };
        for (origin, flag) in [
            (TimeOrigin::Source, 0),
            (TimeOrigin::Stream, 8),
            (TimeOrigin::Arrival, 16),
        ] {
            let header = FrameHeader {
                origin,
                ..FrameHeader::default()
            };
            assert_eq!(encode_frame_head(&header, 1)[9], flag);
            assert_eq!(with(flag), header);
        }
        // The one that promises less holds.
        assert_eq!(with(8 | 16).origin, TimeOrigin::Arrival);
        assert_eq!(with(0xe0), FrameHeader::default());
    }

    #[test]
    fn control_keeps_its_first_byte_and_what_follows() {
        let mut buffer = fed(&with_prefix(2, b"{}next"));
        assert_eq!(buffer.head(LIMIT), Ok(Some(Head::Control { length: 2 })));
        let mut body = [0; 2];
        assert_eq!(buffer.take(&mut body), 2);
        assert_eq!(&body, b"{}");
        assert_eq!(buffer.filled(), b"next");
    }

    #[test]
    fn lengths_beyond_the_limit_are_refused_from_the_prefix_alone() {
        let huge = CONTROL_LIMIT + 1;
        let refused = Err(WireError::TooLong {
            length: huge,
            limit: CONTROL_LIMIT,
        });
        assert_eq!(fed(&with_prefix(huge, b"")).head(LIMIT), refused);
        assert!(fed(&with_prefix(u64::MAX, b"")).head(LIMIT).is_err());
        assert!(fed(&with_prefix(LIMIT, &[1])).head(LIMIT).is_ok());
        assert!(fed(&with_prefix(LIMIT + 1, &[1])).head(LIMIT).is_err());
    }

    #[test]
    fn control_has_its_own_smaller_limit() {
        let length = CONTROL_LIMIT + 1;
        let mut buffer = fed(&with_prefix(length, b"{"));
        assert!(matches!(
            buffer.head(1 << 30),
            Err(WireError::TooLong {
                limit: CONTROL_LIMIT,
                ..
            })
        ));
    }

    #[test]
    fn malformed_heads_are_named() {
        assert_eq!(fed(&with_prefix(0, b"")).head(LIMIT), Err(WireError::Empty));
        assert_eq!(
            fed(&with_prefix(9, b"\x02")).head(LIMIT),
            Err(WireError::UnknownKind(2))
        );
        assert_eq!(
            fed(&with_prefix(23, b"\x01")).head(LIMIT),
            Err(WireError::ShortFrame(23))
        );
    }

    #[test]
    fn a_control_message_is_told_from_a_bare_one() {
        let told = |bytes: &[u8]| fed(bytes).is_control();
        for length in 0..PREFIX_BYTES {
            assert_eq!(told(&with_prefix(2, b"")[..length]), None);
        }
        assert_eq!(told(&with_prefix(2, b"")), None);
        assert_eq!(told(&with_prefix(2, b"{}")), Some(true));
        assert_eq!(told(&with_prefix(CONTROL_LIMIT, b"{")), Some(true));
        assert_eq!(told(&with_prefix(2, b"\x80\x05")), Some(false));
        // The kind is not needed where the length already decides.
        assert_eq!(told(&with_prefix(0, b"")), Some(false));
        assert_eq!(told(&with_prefix(CONTROL_LIMIT + 1, b"")), Some(false));
    }

    #[test]
    fn bare_messages_have_a_length_and_nothing_else() {
        for format in [
            LengthFormat::Little8,
            LengthFormat::Big4,
            LengthFormat::Text(10),
        ] {
            let prefix = Prefix::Known(format);
            let with = |length| [format.encode(length).as_ref(), b"abc"].concat();
            let mut buffer = fed(&with(3));
            let length = buffer.bare_length(prefix, LIMIT).unwrap().unwrap();
            assert_eq!((length.bytes, length.other), (3, None));
            assert_eq!(buffer.filled(), b"abc");
            assert!(fed(&with(LIMIT + 1)).bare_length(prefix, LIMIT).is_err());
            let empty = fed(&with(0)).bare_length(prefix, LIMIT);
            assert_eq!(empty, Err(WireError::Empty));
        }
    }
}
