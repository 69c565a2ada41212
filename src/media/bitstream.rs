//! The parts of coded streams that both ends look for: start codes in H.264 and H.265, and lengths in
//! AV1.

use memchr::memmem;

/// The place of the first start code at `at` or after it: two zeros and a one.
pub fn start_code(bytes: &[u8], at: usize) -> Option<usize> {
    memmem::find(bytes.get(at..)?, &[0, 0, 1]).map(|found| at + found)
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
    fn a_number_has_at_most_eight_bytes() {
        assert_eq!(leb128(&[0x7f, 9]), Some((127, 1)));
        assert_eq!(leb128(&[0x80, 0x80, 0x01]), Some((1 << 14, 3)));
        assert_eq!(leb128(&[0xff; 8]), None);
        assert_eq!(leb128(&[0x80]), None);
    }
}
