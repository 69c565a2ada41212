//! The dialects of a connection, and how the first bytes tell them.

use super::{PREFIX_BYTES, WireError};

/// Which messages a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// vidchat's own protocol.
    Native,
    /// Pickles, as the Python tutorial sends.
    Pickle,
    /// Frames, each with its length in front and nothing else. Only JPEG frames can be told by
    /// their first bytes.
    Bare,
}

/// The longest message that is believed to be one at all. Text that is read as a length comes
/// to far more: its fourth byte alone is worth half a gigabyte.
const PLAUSIBLE_LENGTH: u64 = 1 << 32;

/// Tells what a peer speaks from the first bytes of its first message; `None` until there are
/// enough.
///
/// # Errors
/// [`WireError::Foreign`] for something else than a peer.
pub fn dialect(first: &[u8]) -> Result<Option<Dialect>, WireError> {
    let foreign = || WireError::Foreign(first.to_vec());
    if let Some(length) = first.first_chunk() {
        let length = u64::from_le_bytes(*length);
        if length == 0 || length > PLAUSIBLE_LENGTH {
            return Err(foreign());
        }
    }
    match first.get(PREFIX_BYTES..) {
        None | Some([] | [0x80] | [0xff] | [b'c'] | [b'(']) => Ok(None),
        Some([b'{', ..]) => Ok(Some(Dialect::Native)),
        // From protocol 2 on a pickle begins with its number; before that with the name of a
        // function, or with the mark of a tuple in which that name stands.
        Some([0x80, 2..=5, ..] | [b'c', b'a'..=b'z' | b'_', ..] | [b'(', b'c' | b'i', ..]) => {
            Ok(Some(Dialect::Pickle))
        }
        Some([0xff, 0xd8, ..]) => Ok(Some(Dialect::Bare)),
        Some(_) => Err(foreign()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(start: &[u8]) -> Vec<u8> {
        [&100u64.to_le_bytes()[..], start].concat()
    }

    #[test]
    fn each_dialect_is_told_by_its_first_bytes() {
        assert_eq!(dialect(&message(b"{\"")), Ok(Some(Dialect::Native)));
        for pickle in [&b"\x80\x04"[..], b"cnumpy", b"(cnumpy", b"cos\nsystem"] {
            assert_eq!(dialect(&message(pickle)), Ok(Some(Dialect::Pickle)));
        }
        assert_eq!(dialect(&message(b"\xff\xd8")), Ok(Some(Dialect::Bare)));
    }

    #[test]
    fn too_few_bytes_tell_nothing() {
        let whole = message(b"\x80\x04");
        for length in 0..whole.len() {
            assert_eq!(dialect(&whole[..length]), Ok(None), "{length} bytes");
        }
    }

    #[test]
    fn other_services_are_foreign() {
        for first in [
            &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
            b"HTTP/1.1 400 Bad Request",
            b"\0\0\0\0\0\0\0\0",
            &message(b"\x00\x00"),
            &message(b"\x80\x63"),
        ] {
            assert!(
                matches!(dialect(first), Err(WireError::Foreign(_))),
                "{first:?}"
            );
        }
    }
}
