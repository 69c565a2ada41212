//! One announced size, and the most that is decoded.

/// The most pixels of a frame: level 6 of H.265, AV1 and VP9, which is 8K. Four bytes for each of
/// them are far from the 2^31 at which converters of GStreamer overflow.
const PIXELS: u64 = 8192 * 4352;
/// The longest side, in pixels.
const SIDE: u32 = 16_384;
/// The most bytes of decoded frames that a decoder may need at once.
const MEMORY: u64 = 1 << 30;
/// Codecs round a side up to whole blocks, of which this is the largest.
const BLOCK: u32 = 64;

/// A size that a frame announces to its decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodedSize {
    pub width: u32,
    pub height: u32,
    /// Bytes of two decoded pixels.
    pub pair_bytes: u8,
    /// The most frames that the decoder keeps at once.
    pub kept: u8,
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
        let memory = pixels * u64::from(self.pair_bytes) / 2 * u64::from(self.kept);
        if memory > MEMORY {
            let (memory, most) = (memory >> 20, MEMORY >> 20);
            return Err(format!(
                "decoding {width}x{height} pixels takes up to {memory} MiB, and {most} are the most"
            ));
        }
        Ok(())
    }
}
