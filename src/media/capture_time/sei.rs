//! Supplemental enhancement information (SEI) of H.264 and H.265: messages of any program, beside the
//! image. Ours is of the type "user data unregistered", which every decoder leaves out.
//!
//! ITU-T H.264 has it in 7.3.2.3 and D.1.7, H.265 in 7.3.2.4 and D.2.7.

use std::ops::Range;

use memchr::memmem;

use super::message::UUID;
use crate::media::bitstream::{EMULATION_PREVENTION, start_code, unescaped};
use crate::media::leading_units::UnitCodec;

/// The types of NAL units with messages that belong to the following image.
pub const H264: u8 = 6;
pub const H265: u8 = 39;

/// The type of a message that begins with a UUID.
const USER_DATA_UNREGISTERED: usize = 5;
/// The byte that ends a NAL unit: a one, and zeros up to the end of the byte.
const TRAILING: u8 = 0x80;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The NAL unit, with its start code, that holds `message` alone. `image` is the unit of the image
/// after it.
pub fn unit(codec: UnitCodec, message: &[u8], image: &[u8]) -> Vec<u8> {
    let header = match codec {
        UnitCodec::H265 => {
            // The temporal layer is that of the image. The field is the layer's number and one.
            let layer = start_code(image, 0).and_then(|start| image.get(start + 4));
            vec![H265 << 1, layer.map_or(1, |second| (second & 7).max(1))]
        }
        _ => vec![H264],
    };
    let mut body = Vec::new();
    push_message(&mut body, USER_DATA_UNREGISTERED, message);
    assembled(&header, body)
}

/// The messages in a NAL unit, with its start code, that begin with our identifier.
pub fn messages(codec: UnitCodec, unit: &[u8]) -> Vec<Vec<u8>> {
    // Hardly any unit is ours, and this is quicker than the rest.
    if memmem::find(unit, &UUID).is_none() {
        return Vec::new();
    }
    let Some((_, body)) = opened(codec, unit) else {
        return Vec::new();
    };
    let ours = parsed(&body)
        .into_iter()
        .filter(|(kind, place)| is_ours(*kind, &body[place.clone()]));
    ours.map(|(_, place)| body[place].to_vec()).collect()
}

/// The NAL unit without those messages; empty where it has no others.
pub fn without_messages(codec: UnitCodec, unit: &[u8]) -> Vec<u8> {
    let Some((header, body)) = opened(codec, unit) else {
        return unit.to_vec();
    };
    let mut kept = Vec::new();
    for (kind, place) in parsed(&body) {
        let message = &body[place];
        if !is_ours(kind, message) {
            push_message(&mut kept, kind, message);
        }
    }
    if kept.is_empty() {
        return Vec::new();
    }
    assembled(header, kept)
}

fn is_ours(kind: usize, message: &[u8]) -> bool {
    kind == USER_DATA_UNREGISTERED && message.starts_with(&UUID)
}

/// The header of a NAL unit, and its messages without emulation prevention.
fn opened(codec: UnitCodec, unit: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    let start = start_code(unit, 0)? + 3;
    let header = if codec == UnitCodec::H265 { 2 } else { 1 };
    let (header, body) = unit.get(start..)?.split_at_checked(header)?;
    Some((header, unescaped(body).collect()))
}

/// A whole NAL unit of this header and these messages.
fn assembled(header: &[u8], mut body: Vec<u8>) -> Vec<u8> {
    body.push(TRAILING);
    let mut unit = [&START_CODE[..], header].concat();
    let mut zeros = 0;
    for byte in body {
        if zeros >= 2 && byte <= EMULATION_PREVENTION {
            unit.push(EMULATION_PREVENTION);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        unit.push(byte);
    }
    unit
}

/// The messages in a body with their types. The list ends with the first one that is cut off.
fn parsed(body: &[u8]) -> Vec<(usize, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < body.len() && body[at..] != [TRAILING] {
        let Some((kind, after_kind)) = number(body, at) else {
            break;
        };
        let Some((length, begin)) = number(body, after_kind) else {
            break;
        };
        let end = begin.saturating_add(length);
        if end > body.len() {
            break;
        }
        found.push((kind, begin..end));
        at = end;
    }
    found
}

/// The number at `at`, and the place behind it: bytes of 255 count as that, and one below ends it.
fn number(body: &[u8], at: usize) -> Option<(usize, usize)> {
    let full = body.get(at..)?.iter().take_while(|byte| **byte == 255);
    let full = full.count();
    let last = usize::from(*body.get(at + full)?);
    Some((full * 255 + last, at + full + 1))
}

fn push_message(body: &mut Vec<u8>, kind: usize, message: &[u8]) {
    for number in [kind, message.len()] {
        body.extend(std::iter::repeat_n(255, number / 255));
        body.push((number % 255) as u8);
    }
    body.extend_from_slice(message);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with all that emulation prevention is for.
    fn ours() -> Vec<u8> {
        [&UUID[..], &[0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 0]].concat()
    }

    #[test]
    fn no_start_code_is_inside_and_the_message_reads_back() {
        let image = [0, 0, 1, 2 << 1, 3];
        for codec in [UnitCodec::H264, UnitCodec::H265] {
            let unit = unit(codec, &ours(), &image);
            assert_eq!(start_code(&unit, 0), Some(1));
            assert_eq!(start_code(&unit, 4), None);
            let pairs = unit[4..].windows(3);
            assert_eq!(pairs.filter(|bytes| **bytes == [0, 0, 0]).count(), 0);
            assert_eq!(unit.last(), Some(&TRAILING));
            assert_eq!(messages(codec, &unit), [ours()]);
        }
        assert_eq!(unit(UnitCodec::H264, &ours(), &image)[4], 6);
        // The temporal layer of the image.
        assert_eq!(unit(UnitCodec::H265, &ours(), &image)[4..6], [78, 3]);
        assert_eq!(unit(UnitCodec::H265, &ours(), &[])[4..6], [78, 1]);
    }

    #[test]
    fn the_messages_of_others_stay() {
        let mut body = Vec::new();
        let other = [&[9; 16][..], &[0; 600]].concat();
        push_message(&mut body, USER_DATA_UNREGISTERED, &other);
        push_message(&mut body, USER_DATA_UNREGISTERED, &ours());
        // The same bytes are not ours in a message of another type.
        push_message(&mut body, 300, &ours());
        let mixed = assembled(&[6], body);
        assert_eq!(messages(UnitCodec::H264, &mixed), [ours()]);
        let rest = without_messages(UnitCodec::H264, &mixed);
        let mut expected = Vec::new();
        push_message(&mut expected, USER_DATA_UNREGISTERED, &other);
        push_message(&mut expected, 300, &ours());
        assert_eq!(rest, assembled(&[6], expected));
        let alone = unit(UnitCodec::H264, &ours(), &[]);
        assert!(without_messages(UnitCodec::H264, &alone).is_empty());
    }

    #[test]
    fn a_message_that_is_cut_off_is_none() {
        let whole = unit(UnitCodec::H264, &ours(), &[]);
        for end in 0..whole.len() - 1 {
            assert!(messages(UnitCodec::H264, &whole[..end]).is_empty(), "{end}");
        }
    }
}
