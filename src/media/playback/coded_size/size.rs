//! One announced size, and the most that is decoded.

/// The most pixels of a frame: level 6 of H.265, AV1 and VP9, which is 8K. Four bytes for each of
/// them are far from the 2^31 at which converters of GStreamer overflow.
const PIXELS: u64 = 8192 * 4352;
/// The longest side, in pixels.
const SIDE: u32 = 16_384;
/// The most bytes that decoded frames may need at once, in the decoder and behind it.
const MEMORY: u64 = 2 << 30;
/// Bytes of each pixel behind the decoder: a few frames of four bytes a pixel that were converted,
/// wait, and are shown.
const CONVERTED: u64 = 12;
/// Codecs round a side up to whole blocks, of which this is the largest.
const BLOCK: u32 = 64;

/// A size that a frame announces to its decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodedSize {
    pub width: u32,
    pub height: u32,
    /// Bytes that the decoder takes for two pixels of a frame.
    pub pair_bytes: u8,
    /// The most frames that the decoder keeps at once.
    pub kept: u8,
}

/// Bytes that a decoder takes for two pixels which have these many bytes themselves. GStreamer's
/// decoders with libav keep a frame's copy for as long as they keep the frame, and all decoders keep
/// its motion.
pub(super) const fn kept_bytes(pair_bytes: u8) -> u8 {
    2 * pair_bytes + 2
}

impl CodedSize {
    /// Whether it may be decoded, where its caps call for a frame of `expected` pixels.
    ///
    /// # Errors
    /// The reason against it.
    pub fn check(&self, expected: Option<(u32, u32)>) -> Result<(), String> {
        let Self { width, height, .. } = *self;
        if let Some((right_width, right_height)) = expected
            && (width > right_width.next_multiple_of(BLOCK)
                || height > right_height.next_multiple_of(BLOCK))
        {
            return Err(format!(
                "it has {width}x{height} pixels where its caps call for \
                 {right_width}x{right_height}"
            ));
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels > PIXELS || width > SIDE || height > SIDE {
            return Err(format!(
                "it has {width}x{height} pixels, and 8192x4352 are the most"
            ));
        }
        let decoded = u64::from(self.pair_bytes) * u64::from(self.kept) / 2;
        let memory = pixels * (decoded + CONVERTED);
        if memory > MEMORY {
            let (memory, most) = (memory >> 20, MEMORY >> 20);
            return Err(format!(
                "decoding {width}x{height} pixels takes up to {memory} MiB, and {most} are the most"
            ));
        }
        Ok(())
    }
}
