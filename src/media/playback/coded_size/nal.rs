//! H.264 and H.265 as byte streams. Each sequence parameter set (SPS) has a size, and a frame may
//! bring several of them.

use super::bits::Bits;
use super::size::{CodedSize, kept_bytes};
use crate::media::bitstream::{start_code, unescaped};

/// The most frames that decoders keep: 16 references, 16 that wait for earlier ones, the frame itself,
/// and the one that is shown. In H.265 decoders have room for so many, and a stream need not keep to
/// what its parameter sets say.
const H264_KEPT: u8 = 34;
const H265_KEPT: u8 = 32;
/// The size is within the first bytes of a set, even if all scaling lists come before it.
const SET_BYTES: usize = 4096;

/// The profiles of H.264 whose sets begin without the format of the chroma, and those with it.
/// Decoders do not agree on any other.
const PLAIN_PROFILES: [u32; 3] = [66, 77, 88];
const HIGH_PROFILES: [u32; 9] = [44, 83, 86, 100, 110, 118, 122, 128, 244];

pub fn h264(frame: &[u8], found: &mut impl FnMut(CodedSize)) -> Option<()> {
    for unit in units(frame) {
        // A subset's set begins in the same way.
        if matches!(unit.first(), Some(kind) if matches!(kind & 0x1f, 7 | 15)) {
            found(h264_size(&start_of(&unit[1..]))?);
        }
    }
    Some(())
}

pub fn h265(frame: &[u8], found: &mut impl FnMut(CodedSize)) -> Option<()> {
    for unit in units(frame) {
        let [first, second, set @ ..] = unit else {
            continue;
        };
        // Decoders leave out layers above the first.
        let layer = (first & 1) << 5 | second >> 3;
        if first >> 1 & 0x3f == 33 && layer == 0 {
            found(h265_size(&start_of(set))?);
        }
    }
    Some(())
}

fn h264_size(set: &[u8]) -> Option<CodedSize> {
    let mut bits = Bits::new(set);
    let profile = bits.number(8)?;
    bits.skip(16)?;
    bits.exp_golomb()?;
    let (mut chroma, mut depth) = (1, 8);
    if HIGH_PROFILES.contains(&profile) {
        chroma = bits.exp_golomb()?;
        if chroma == 3 {
            bits.skip(1)?;
        }
        depth = 8 + bits.exp_golomb()?.max(bits.exp_golomb()?);
        bits.skip(1)?;
        let has_scaling = bits.flag()?;
        if has_scaling {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    } else if !PLAIN_PROFILES.contains(&profile) {
        return None;
    }
    bits.exp_golomb()?;
    match bits.exp_golomb()? {
        0 => drop(bits.exp_golomb()?),
        1 => {
            bits.skip(1)?;
            bits.signed_exp_golomb()?;
            bits.signed_exp_golomb()?;
            for _ in 0..bits.exp_golomb().filter(|count| *count < 256)? {
                bits.signed_exp_golomb()?;
            }
        }
        _ => {}
    }
    bits.exp_golomb()?;
    bits.skip(1)?;
    let (width, height) = (blocks(&mut bits)?, blocks(&mut bits)?);
    let has_fields = !bits.flag()?;
    Some(CodedSize {
        width,
        height: if has_fields { height * 2 } else { height },
        pair_bytes: kept_bytes(pair_bytes(chroma, depth)?),
        kept: H264_KEPT,
    })
}

/// A side in pixels, which is there in blocks of 16.
fn blocks(bits: &mut Bits<'_>) -> Option<u32> {
    let count = bits.exp_golomb()?.checked_add(1)?;
    // Doubled for fields it is a number still.
    count.checked_mul(32).map(|doubled| doubled / 2)
}

fn skip_scaling_list(bits: &mut Bits<'_>, length: usize) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..length {
        if next != 0 {
            next = (last + bits.signed_exp_golomb()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

fn h265_size(set: &[u8]) -> Option<CodedSize> {
    let mut bits = Bits::new(set);
    bits.skip(4)?;
    let sub_layers = bits.number(3)? as usize;
    bits.skip(1)?;
    // The profile, its tier and its level, and the same for each layer that has them.
    bits.skip(96)?;
    let present: Vec<(bool, bool)> = (0..sub_layers)
        .map(|_| Some((bits.flag()?, bits.flag()?)))
        .collect::<Option<_>>()?;
    if sub_layers > 0 {
        bits.skip((8 - sub_layers) * 2)?;
    }
    for (profile, level) in present {
        bits.skip(usize::from(profile) * 88 + usize::from(level) * 8)?;
    }
    bits.exp_golomb()?;
    let chroma = bits.exp_golomb()?;
    if chroma == 3 {
        bits.skip(1)?;
    }
    let (width, height) = (bits.exp_golomb()?, bits.exp_golomb()?);
    if bits.flag()? {
        for _ in 0..4 {
            bits.exp_golomb()?;
        }
    }
    let depth = 8 + bits.exp_golomb()?.max(bits.exp_golomb()?);
    Some(CodedSize {
        width,
        height,
        pair_bytes: kept_bytes(pair_bytes(chroma, depth)?),
        kept: H265_KEPT,
    })
}

/// Bytes of two pixels.
fn pair_bytes(chroma: u32, depth: u32) -> Option<u8> {
    let samples = *[2, 3, 4, 6].get(chroma as usize)?;
    match depth {
        8 => Some(samples),
        9..=16 => Some(2 * samples),
        _ => None,
    }
}

/// The units of a byte stream: those parts that a start code of three bytes precedes.
fn units(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = start_code(frame, 0);
    std::iter::from_fn(move || {
        let start = at? + 3;
        at = start_code(frame, start);
        Some(&frame[start..at.unwrap_or(frame.len())])
    })
}

/// The start of a set without the bytes that keep start codes out of it.
fn start_of(set: &[u8]) -> Vec<u8> {
    unescaped(&set[..set.len().min(SET_BYTES)]).collect()
}
