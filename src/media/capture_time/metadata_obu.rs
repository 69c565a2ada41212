//! Open bitstream units (OBUs) of metadata in AV1. Ours is of the type ITU-T T.35, with a country code
//! that no country has.
//!
//! The AV1 specification has them in 5.8. Its types 6 to 31 are for private use, but dav1d up to
//! version 1.5 prints a line for each of those, and none for this one.

use super::message::UUID;
use crate::media::bitstream::leb128;

/// The type of the unit.
pub const METADATA: u8 = 5;

/// The type of the metadata, the escape to the second list of countries, and a country that is not on
/// it.
const T35: [u8; 3] = [4, 0xff, 0xff];
/// The byte that ends a unit: a one, and zeros up to the end of the byte.
const TRAILING: u8 = 0x80;
/// The bit of the header that says that a second byte follows, and the bit for a size.
const HAS_EXTENSION: u8 = 4;
const HAS_SIZE: u8 = 2;

/// The unit with `message`, which has fewer than 120 bytes.
pub fn unit(message: &[u8]) -> Vec<u8> {
    // One byte holds a size below 128.
    let size = (T35.len() + message.len() + 1) as u8;
    let header = [METADATA << 3 | HAS_SIZE, size];
    [&header[..], &T35, message, &[TRAILING]].concat()
}

/// The message in a unit of metadata that begins with our identifier.
pub fn message(unit: &[u8]) -> Option<Vec<u8>> {
    let (header, rest) = unit.split_first()?;
    let rest = rest.get(usize::from(header & HAS_EXTENSION != 0)..)?;
    let (size, bytes) = leb128(rest).filter(|_| header & HAS_SIZE != 0)?;
    let payload = rest.get(bytes..)?.get(..size)?;
    let message = payload.strip_prefix(&T35)?;
    // Zeros may follow the byte that ends the unit.
    let end = message.iter().rposition(|byte| *byte != 0)?;
    let message = message[..=end].strip_suffix(&[TRAILING])?;
    message.starts_with(&UUID).then(|| message.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back_with_zeros_at_its_end_too() {
        let ours = [&UUID[..], &[0, 0, 0]].concat();
        let unit = unit(&ours);
        assert_eq!(message(&unit), Some(ours.clone()));
        let mut longer = [&unit[..], &[0, 0]].concat();
        longer[1] += 2;
        assert_eq!(message(&longer), Some(ours.clone()));
        let mut layered = unit.clone();
        layered[0] |= HAS_EXTENSION;
        layered.insert(1, 0);
        assert_eq!(message(&layered), Some(ours));
        for end in 0..unit.len() {
            assert_eq!(message(&unit[..end]), None, "{end}");
        }
    }

    #[test]
    fn metadata_of_others_is_none() {
        let other = unit(&[9; 20]);
        assert_eq!(message(&other), None);
        let mut hdr = unit(&UUID);
        hdr[2] = 1;
        assert_eq!(message(&hdr), None);
    }
}
