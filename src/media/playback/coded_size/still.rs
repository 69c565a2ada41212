//! JPEG and PNG: each frame stands for itself.

use super::size::CodedSize;

/// A progressive JPEG has all its coefficients in memory, two bytes each, beside the decoded frame.
const JPEG_PAIR_BYTES: u8 = 18;
/// 16 bits of each of four channels.
const PNG_PAIR_BYTES: u8 = 16;

/// The marker at the start of a JPEG.
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
/// The bytes behind it are coefficients, in which 0xff is no marker where zero or a restart follows.
const SOS: u8 = 0xda;

/// Reads each frame header (SOF). One buffer may hold several JPEGs, and decoders look for the next
/// one where they cannot go on.
pub fn jpeg(frame: &[u8], found: &mut impl FnMut(CodedSize)) -> Option<()> {
    let mut has_size = false;
    let mut at = 0;
    while let Some(start) = marker(frame, at, |kind| kind == SOI) {
        let mut from = start + 2;
        at = loop {
            let Some(place) = marker(frame, from, |kind| kind != 0 && kind != 0xff) else {
                break frame.len();
            };
            let kind = frame[place + 1];
            match kind {
                SOI => break place,
                EOI => break place + 2,
                // Restart markers and TEM have no segment.
                0x01 | 0xd0..=0xd7 => {
                    from = place + 2;
                    continue;
                }
                _ => {}
            }
            let Some(segment) = segment(frame, place + 2) else {
                break place + 2;
            };
            // Tables have numbers in the same range.
            let is_header = matches!(kind, 0xc0..=0xcf) && !matches!(kind, 0xc4 | 0xc8 | 0xcc);
            if is_header && let [_precision, h1, h2, w1, w2, ..] = *segment {
                let height = u16::from_be_bytes([h1, h2]).into();
                let width = u16::from_be_bytes([w1, w2]).into();
                has_size |= width > 0 && height > 0;
                found(CodedSize {
                    width,
                    height,
                    pair_bytes: JPEG_PAIR_BYTES,
                    kept: 1,
                });
            }
            from = place + 4 + segment.len();
            if kind == SOS {
                let ends = |kind| kind != 0 && kind != 0xff && !(0xd0..=0xd7).contains(&kind);
                from = marker(frame, from, ends).unwrap_or(frame.len());
            }
        };
    }
    has_size.then_some(())
}

/// The place of the next 0xff that a byte follows for which `is_meant`.
fn marker(frame: &[u8], from: usize, is_meant: impl Fn(u8) -> bool) -> Option<usize> {
    let rest = frame.get(from..)?;
    let pairs = rest.windows(2);
    let at = pairs
        .into_iter()
        .position(|p| p[0] == 0xff && is_meant(p[1]));
    Some(from + at?)
}

/// The segment whose length is at this place, without the length.
fn segment(frame: &[u8], at: usize) -> Option<&[u8]> {
    let length = u16::from_be_bytes(*frame.get(at..)?.first_chunk()?);
    frame.get(at + 2..at + usize::from(length))
}

/// Reads the first chunk (IHDR).
pub fn png(frame: &[u8], found: &mut impl FnMut(CodedSize)) -> Option<()> {
    let header = frame.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")?;
    let number = |at: usize| Some(u32::from_be_bytes(*header.get(at..)?.first_chunk()?));
    found(CodedSize {
        width: number(0)?,
        height: number(4)?,
        pair_bytes: PNG_PAIR_BYTES,
        kept: 1,
    });
    Some(())
}
