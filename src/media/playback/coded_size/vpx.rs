//! VP8 and VP9.

use super::bits::Bits;
use super::size::{CodedSize, kept_bytes};

/// Three references, the frame itself, and the one that is shown.
const VP8_KEPT: u8 = 5;
/// Eight references, the frame itself, and the one that is shown.
const VP9_KEPT: u8 = 10;
/// The bytes before the size of a frame that stands for itself.
const VP9_SYNC: u32 = 0x49_83_42;

/// Key frames alone have a size.
pub fn vp8(frame: &[u8], found: &mut impl FnMut(CodedSize)) -> Option<()> {
    let is_key = frame.first()? & 1 == 0;
    if !is_key {
        return Some(());
    }
    let [_, _, _, 0x9d, 0x01, 0x2a, w1, w2, h1, h2] = *frame.first_chunk()? else {
        return None;
    };
    // The two highest bits scale what is shown.
    let side = |bytes| u32::from(u16::from_le_bytes(bytes) & 0x3fff);
    found(CodedSize {
        width: side([w1, w2]),
        height: side([h1, h2]),
        pair_bytes: kept_bytes(3),
        kept: VP8_KEPT,
    });
    Some(())
}

/// Any frame may have a size of its own, and one buffer may hold several frames.
pub fn vp9(frame: &[u8], found: &mut impl FnMut(CodedSize)) -> Option<()> {
    let Some(sizes) = index(frame) else {
        return vp9_frame(frame, found);
    };
    let mut rest = frame;
    for size in sizes {
        let (one, others) = rest.split_at_checked(size)?;
        rest = others;
        if !one.is_empty() {
            vp9_frame(one, found)?;
        }
    }
    Some(())
}

/// The lengths of the frames in a superframe, which its last bytes tell.
fn index(frame: &[u8]) -> Option<Vec<usize>> {
    let marker = *frame.last()?;
    if marker & 0xe0 != 0xc0 {
        return None;
    }
    let (count, bytes) = (
        usize::from(marker & 7) + 1,
        usize::from(marker >> 3 & 3) + 1,
    );
    let start = frame.len().checked_sub(2 + count * bytes)?;
    if frame[start] != marker {
        return None;
    }
    let sizes = frame[start + 1..frame.len() - 1].chunks(bytes);
    let number = |size: &[u8]| size.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b));
    Some(sizes.map(number).collect())
}

fn vp9_frame(frame: &[u8], found: &mut impl FnMut(CodedSize)) -> Option<()> {
    let mut bits = Bits::new(frame);
    if bits.number(2)? != 2 {
        return None;
    }
    let (low, high) = (bits.number(1)?, bits.number(1)?);
    let profile = high << 1 | low;
    if profile == 3 && bits.flag()? {
        return None;
    }
    let shows_existing = bits.flag()?;
    if shows_existing {
        return Some(());
    }
    let is_key = !bits.flag()?;
    let (is_shown, is_resilient) = (bits.flag()?, bits.flag()?);
    let is_intra = is_key || (!is_shown && bits.flag()?);
    if !is_key && !is_resilient {
        // How much of the context begins anew.
        bits.skip(2)?;
    }
    if is_intra {
        if bits.number(24)? != VP9_SYNC {
            return None;
        }
        // An intra frame of the simplest profile has no colours of its own.
        if is_key || profile > 0 {
            vp9_colours(&mut bits, profile)?;
        }
        if !is_key {
            bits.skip(8)?;
        }
    } else {
        // The slots that it refreshes, and its three references with their signs.
        bits.skip(8 + 3 * 4)?;
        for _ in 0..3 {
            let has_size_of_reference = bits.flag()?;
            if has_size_of_reference {
                return Some(());
            }
        }
    }
    let (width, height) = (bits.number(16)? + 1, bits.number(16)? + 1);
    found(CodedSize {
        width,
        height,
        pair_bytes: kept_bytes([3, 6, 6, 12][profile as usize & 3]),
        kept: VP9_KEPT,
    });
    Some(())
}

fn vp9_colours(bits: &mut Bits<'_>, profile: u32) -> Option<()> {
    const SRGB: u32 = 7;
    if profile >= 2 {
        bits.skip(1)?;
    }
    let has_subsampling = profile & 1 == 1;
    match bits.number(3)? {
        SRGB if has_subsampling => bits.skip(1),
        SRGB => None,
        _ if has_subsampling => bits.skip(1 + 3),
        _ => bits.skip(1),
    }
}
