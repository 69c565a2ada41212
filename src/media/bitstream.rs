//! The parts of coded streams that both ends look for: start codes and key frames in H.264 and H.265,
//! and lengths in AV1.

use memchr::memmem;

/// The place of the first start code at `at` or after it: two zeros and a one.
pub fn start_code(bytes: &[u8], at: usize) -> Option<usize> {
    memmem::find(bytes.get(at..)?, &[0, 0, 1]).map(|found| at + found)
}

/// The byte behind two zeros that keeps the following one from making a start code of them.
pub const EMULATION_PREVENTION: u8 = 3;

/// The bytes of a NAL unit without those that keep start codes out of it.
pub fn unescaped(unit: &[u8]) -> impl Iterator<Item = u8> {
    let mut zeros = 0;
    unit.iter().copied().filter(move |byte| {
        let prevents = zeros >= 2 && *byte == EMULATION_PREVENTION;
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        !prevents
    })
}

/// Whether a group of pictures that begins with this key frame is open: frames that follow it, and are
/// shown before it, may need frames from before it. Key frames of other codecs than H.264 and H.265
/// make an end of all that was before them.
pub fn has_open_group(media_type: &str, key_frame: &[u8]) -> bool {
    let kind_of: fn(u8) -> u8 = match media_type {
        "video/x-h264" => |header| header & 0x1f,
        "video/x-h265" => |header| header >> 1 & 0x3f,
        _ => return false,
    };
    let mut at = 0;
    while let Some(start) = start_code(key_frame, at) {
        let Some(kind) = key_frame.get(start + 3).copied().map(kind_of) else {
            break;
        };
        match (media_type, kind) {
            // Slices, of which only those of an IDR frame are of a closed group.
            ("video/x-h264", 1..=5) => return kind != 5,
            // The same with BLA frames, as a splice makes them.
            ("video/x-h265", 0..32) => return !matches!(kind, 16..=20),
            _ => at = start + 3,
        }
    }
    false
}

/// A number whose bytes have seven bits each, the lowest first, and the count of its bytes.
pub fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0u64;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(number).ok()?, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_code_is_found_wherever_it_is() {
        let bytes = [0, 0, 0, 1, 7, 0, 0, 2, 0, 0, 1];
        assert_eq!(start_code(&bytes, 0), Some(1));
        assert_eq!(start_code(&bytes, 1), Some(1));
        assert_eq!(start_code(&bytes, 2), Some(8));
        assert_eq!(start_code(&bytes, 9), None);
        assert_eq!(start_code(&bytes, 99), None);
    }

    #[test]
    fn bytes_that_keep_start_codes_out_are_left_out() {
        let plain = |unit: &[u8]| unescaped(unit).collect::<Vec<_>>();
        assert_eq!(plain(&[0, 0, 3, 1, 3, 0, 3]), [0, 0, 1, 3, 0, 3]);
        assert_eq!(plain(&[0, 0, 3, 0, 0, 3, 0]), [0, 0, 0, 0, 0]);
        assert_eq!(plain(&[0, 0, 0, 3]), [0, 0, 0]);
    }

    #[test]
    fn the_first_slice_tells_whether_a_group_is_open() {
        let frame =
            |headers: &[u8]| -> Vec<u8> { headers.iter().flat_map(|h| [0, 0, 1, *h, 9]).collect() };
        for (media_type, headers, is_open) in [
            ("video/x-h264", &[0x09, 0x67, 0x68, 0x65][..], false),
            ("video/x-h264", &[0x09, 0x67, 0x68, 0x06, 0x41, 0x41], true),
            ("video/x-h264", &[0x67, 0x68], false),
            ("video/x-h265", &[0x46, 0x40, 0x42, 0x44, 0x26], false),
            ("video/x-h265", &[0x46, 0x40, 0x42, 0x44, 0x20], false),
            ("video/x-h265", &[0x40, 0x42, 0x44, 0x2a], true),
            ("video/x-vp8", &[0x41], false),
        ] {
            let found = has_open_group(media_type, &frame(headers));
            assert_eq!(found, is_open, "{media_type} {headers:x?}");
        }
        assert!(!has_open_group("video/x-h264", &[0, 0, 1]));
    }

    #[test]
    fn a_number_has_at_most_eight_bytes() {
        assert_eq!(leb128(&[0x7f, 9]), Some((127, 1)));
        assert_eq!(leb128(&[0x80, 0x80, 0x01]), Some((1 << 14, 3)));
        assert_eq!(leb128(&[0xff; 8]), None);
        assert_eq!(leb128(&[0x80]), None);
    }
}
