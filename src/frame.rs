//! A frame on its way through the program: shared bytes and a small header.
//!
//! It is the only type that `media` and `net` have in common, so it knows neither GStreamer nor
//! sockets.

use bytes::Bytes;

/// The metadata of a frame. The source writes all of it. Only `discontinuity` and `ack` differ from
/// viewer to viewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameHeader {
    /// The frame can be decoded by itself. Always true for raw video and JPEG.
    pub key: bool,
    /// Frames were dropped right before this one.
    pub discontinuity: bool,
    /// The viewer is asked to acknowledge this frame.
    pub ack: bool,
    /// The number of the sender's stream; 0 is the camera.
    pub stream: u16,
    /// The number of the frame, counted at the source, wrapping. A gap shows frames that were
    /// skipped on the way.
    pub sequence: u32,
    /// Presentation time in nanoseconds of the sender's running time.
    pub pts: u64,
    /// When the frame was captured, in nanoseconds since the Unix epoch by the sender's clock.
    pub captured_at: u64,
    /// How that time is known.
    pub origin: TimeOrigin,
}

/// How the time of a frame's capture is known; the most certain first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeOrigin {
    /// The sender's own source has captured it, or a sender that cannot say has sent it.
    #[default]
    Source,
    /// The stream that the sender's source reads tells it. The camera may be beyond an engine.
    Stream,
    /// Nobody tells it. It is the time at which the frame came to the sender, over the network.
    Arrival,
}

/// One frame, as the bytes of one GStreamer buffer. A clone shares the bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The number, times and flags of the frame.
    pub header: FrameHeader,
    /// The bytes of the buffer. Their meaning is in the caps that were announced before it.
    pub data: Bytes,
}

impl FrameHeader {
    /// How many frames lie between `earlier` and this one, both exclusive.
    pub fn skipped_since(&self, earlier: u32) -> u32 {
        self.sequence.wrapping_sub(earlier).saturating_sub(1)
    }

    /// Whether this frame came after the frame numbered `other`, across the counter's wrap.
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
