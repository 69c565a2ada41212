//! AV1 as open bitstream units (OBUs). The sequence header has the largest size, and a frame may
//! say that it has another one.

use super::bits::Bits;
use super::size::CodedSize;
use crate::media::bitstream::leb128;

/// The most frames that libaom has room for: eight references, the frame itself, and those that wait.
const KEPT: u8 = 16;

const SEQUENCE: u8 = 1;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;

/// A flag of a sequence that each of its frames may set by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Off,
    On,
    ByFrame,
}

/// The newest sequence header.
#[derive(Debug, Default)]
pub struct Av1(Option<Sequence>);

#[derive(Clone, Copy, Debug)]
struct Sequence {
    size: CodedSize,
    /// The largest size that its frames have room for in their headers.
    widest: CodedSize,
    is_reduced: bool,
    /// The length of a time that each shown frame has.
    time_bits: usize,
    screen_content: Choice,
    integer_motion: Choice,
    id_bits: usize,
}

impl Av1 {
    pub fn read(&mut self, frame: &[u8], found: &mut impl FnMut(CodedSize)) -> Option<()> {
        let mut rest = frame;
        while let [header, others @ ..] = rest {
            let has_extension = header & 4 != 0;
            let has_size = header & 2 != 0;
            rest = others.get(usize::from(has_extension)..)?;
            let length = if has_size {
                let (length, bytes) = leb128(rest)?;
                rest = &rest[bytes..];
                length
            } else {
                rest.len()
            };
            let (unit, others) = rest.split_at_checked(length)?;
            rest = others;
            match header >> 3 & 15 {
                SEQUENCE => {
                    let sequence = sequence(&mut Bits::new(unit))?;
                    found(sequence.size);
                    self.0 = Some(sequence);
                }
                FRAME | FRAME_HEADER => {
                    // Without a sequence header no decoder begins. Not every decoder compares a
                    // frame's own size with the largest one.
                    if let Some(sequence) = &self.0
                        && sequence.widest.check(None).is_err()
                        && has_own_size(&mut Bits::new(unit), sequence)?
                    {
                        found(sequence.widest);
                    }
                }
                _ => {}
            }
        }
        Some(())
    }
}

fn sequence(bits: &mut Bits<'_>) -> Option<Sequence> {
    let profile = bits.number(3)?;
    bits.skip(1)?;
    let is_reduced = bits.flag()?;
    let time_bits = if is_reduced {
        bits.skip(5)?;
        0
    } else {
        operating_points(bits)?
    };
    let (width_bits, height_bits) = (bits.number(4)? + 1, bits.number(4)? + 1);
    let (width, height) = (bits.number(width_bits)? + 1, bits.number(height_bits)? + 1);
    let mut id_bits = 0;
    if !is_reduced && bits.flag()? {
        let delta = bits.number(4)? + 2;
        id_bits = (bits.number(3)? + delta + 1) as usize;
    }
    bits.skip(3)?;
    let (mut screen_content, mut integer_motion) = (Choice::ByFrame, Choice::ByFrame);
    if !is_reduced {
        bits.skip(4)?;
        let has_order = bits.flag()?;
        if has_order {
            bits.skip(2)?;
        }
        screen_content = choice(bits)?;
        if screen_content != Choice::Off {
            integer_motion = choice(bits)?;
        }
    }
    let size = CodedSize {
        width,
        height,
        // The depth of the first two profiles is 8 or 10 bits.
        pair_bytes: match profile {
            0 => 6,
            1 | 2 => 12,
            _ => return None,
        },
        kept: KEPT,
    };
    Some(Sequence {
        size,
        widest: CodedSize {
            width: 1 << width_bits,
            height: 1 << height_bits,
            ..size
        },
        is_reduced,
        time_bits,
        screen_content,
        integer_motion,
        id_bits,
    })
}

/// A flag that says that each frame decides, or else one for all of them.
fn choice(bits: &mut Bits<'_>) -> Option<Choice> {
    let by_frame = bits.flag()?;
    if by_frame {
        return Some(Choice::ByFrame);
    }
    Some(if bits.flag()? {
        Choice::On
    } else {
        Choice::Off
    })
}

/// Leaves out the times and the operating points. Returns the length of a time that each shown
/// frame has.
fn operating_points(bits: &mut Bits<'_>) -> Option<usize> {
    let (mut time_bits, mut delay_bits) = (0, None);
    let has_timing = bits.flag()?;
    if has_timing {
        bits.skip(64)?;
        let is_regular = bits.flag()?;
        if is_regular {
            bits.exp_golomb()?;
        }
        let has_model = bits.flag()?;
        if has_model {
            delay_bits = Some(bits.number(5)? as usize + 1);
            bits.skip(32 + 5)?;
            let length = bits.number(5)? as usize + 1;
            time_bits = if is_regular { 0 } else { length };
        }
    }
    let has_delays = bits.flag()?;
    let count = bits.number(5)? + 1;
    for _ in 0..count {
        bits.skip(12)?;
        let level = bits.number(5)?;
        if level > 7 {
            bits.skip(1)?;
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if has_delays && bits.flag()? {
            bits.skip(4)?;
        }
    }
    Some(time_bits)
}

/// Whether a frame says that its size is not the one of its sequence.
fn has_own_size(bits: &mut Bits<'_>, sequence: &Sequence) -> Option<bool> {
    const KEY: u32 = 0;
    const SWITCH: u32 = 3;
    if sequence.is_reduced {
        return Some(false);
    }
    let shows_existing = bits.flag()?;
    if shows_existing {
        return Some(false);
    }
    let kind = bits.number(2)?;
    let is_shown = bits.flag()?;
    bits.skip(if is_shown { sequence.time_bits } else { 1 })?;
    if kind == SWITCH {
        return Some(true);
    }
    if !(kind == KEY && is_shown) {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    let has_screen_content = match sequence.screen_content {
        Choice::ByFrame => bits.flag()?,
        fixed => fixed == Choice::On,
    };
    if has_screen_content && sequence.integer_motion == Choice::ByFrame {
        bits.skip(1)?;
    }
    bits.skip(sequence.id_bits)?;
    bits.flag()
}
