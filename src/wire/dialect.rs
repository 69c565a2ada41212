//! The dialects of a connection, and their detection by the first bytes.

use super::{PREFIX_BYTES, WireError};

/// The kind of messages on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// vidchat's own protocol.
    Native,
    /// Pickles, as the Python tutorial sends them.
    Pickle,
    /// Frames, each with its length before it and nothing else. The first bytes show this dialect
    /// only for JPEG frames.
    Bare,
}

/// A longer length is not a message. Text that is read as a length gives far more: its fourth byte
/// alone is worth half a gigabyte.
const PLAUSIBLE_LENGTH: u64 = 1 << 32;

/// Detects the dialect of a peer from the first bytes of its first message; `None` until there are
/// enough.
///
/// # Errors
/// [`WireError::Foreign`] where the bytes are of no dialect.
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
        // Protocols from 2 on begin with their number. Older ones begin with the name of a
        // function, or with the mark of a tuple that holds that name.
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
