//! A picture on its way through the program: shared bytes and a small header.
//!
//! It is the only thing that `media` and `net` have in common, so it stands alone and knows
//! neither GStreamer nor sockets.

use bytes::Bytes;

/// What travels with a picture. All of it is written at the source; only the two flags that are
/// about the way, `discontinuity` and `ack`, are for one viewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameHeader {
    /// The picture can be decoded by itself. Always true for raw video and JPEG.
    pub key: bool,
    /// The source dropped pictures right before this one.
    pub discontinuity: bool,
    /// The viewer is asked to acknowledge this picture.
    pub ack: bool,
    /// Which stream of the sender; 0 is the camera.
    pub stream: u16,
    /// Counted at the source, one a picture, wrapping: a gap is what was skipped on the way.
    pub sequence: u32,
    /// Presentation time in nanoseconds of the sender's running time.
    pub pts: u64,
    /// When it was captured, in nanoseconds since the Unix epoch by the sender's clock.
    pub captured_at: u64,
}

/// One picture, as the bytes of one GStreamer buffer. A clone shares the bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Where and when it comes from.
    pub header: FrameHeader,
    /// The buffer's content; what it means is said by the caps that were announced before it.
    pub data: Bytes,
}

impl FrameHeader {
    /// How many pictures lie between `earlier` and this one, both exclusive.
    pub fn skipped_since(&self, earlier: u32) -> u32 {
        self.sequence.wrapping_sub(earlier).saturating_sub(1)
    }

    /// Whether this picture came after the one numbered `other`, across the counter's wrap.
    pub fn is_after(&self, other: u32) -> bool {
        let distance = self.sequence.wrapping_sub(other);
        distance != 0 && distance < u32::MAX / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(sequence: u32) -> FrameHeader {
        FrameHeader {
            sequence,
            ..FrameHeader::default()
        }
    }

    #[test]
    fn gaps_are_counted_across_the_wrap() {
        assert_eq!(numbered(5).skipped_since(4), 0);
        assert_eq!(numbered(9).skipped_since(4), 4);
        assert_eq!(numbered(1).skipped_since(u32::MAX), 1);
        assert_eq!(numbered(4).skipped_since(4), 0);
    }

    #[test]
    fn order_holds_across_the_wrap() {
        assert!(numbered(5).is_after(4));
        assert!(numbered(0).is_after(u32::MAX));
        assert!(!numbered(4).is_after(4));
        assert!(!numbered(u32::MAX).is_after(0));
    }
}
