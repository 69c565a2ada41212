//! The dialects of a connection and the formats of its lengths, and their detection by the first
//! bytes.

use super::WireError;
use super::length::{self, LengthFormat, Prefix};

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

/// No message is longer than this.
const PLAUSIBLE: u64 = 1 << 32;
/// A message behind a length of four bytes is shorter than this, as four bytes of text never are.
const PLAUSIBLE_IN_FOUR: u32 = 1 << 29;

/// The beginning of a connection: the dialect of its first message, and the format of its lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    pub dialect: Dialect,
    pub prefix: Prefix,
}

/// Detects the dialect of a peer and the format of its lengths, from the first bytes of its first
/// message; `None` until there are enough.
///
/// At most one format fits. One of eight bytes leaves four of them zero, before or after the others.
/// One of four bytes has the first byte of its message there, which is never zero. One in text has
/// digits in place of all of these.
///
/// # Errors
/// [`WireError::Foreign`] or [`WireError::Encrypted`] where the bytes are of no dialect.
pub fn detect(first: &[u8]) -> Result<Option<Start>, WireError> {
    let mut is_open = false;
    for found in [little8(first), big8(first), four(first), text(first)] {
        match found {
            Fit::Yes(dialect, prefix) => return Ok(Some(Start { dialect, prefix })),
            Fit::Open => is_open = true,
            Fit::No => {}
        }
    }
    // An error shows the first bytes, so it waits for some.
    if is_open || first.len() < LengthFormat::Little8.width() {
        Ok(None)
    } else {
        Err(WireError::foreign(first))
    }
}

/// Whether the first bytes fit to a format.
enum Fit {
    Yes(Dialect, Prefix),
    No,
    /// More bytes will tell.
    Open,
}

fn little8(first: &[u8]) -> Fit {
    let format = LengthFormat::Little8;
    let high = first.get(4..first.len().min(8)).unwrap_or_default();
    match high {
        [] | [0, ..] if high.iter().all(|byte| *byte == 0) => {}
        // 4 GiB, the most that `--max-frame` allows. Behind it is our own protocol or nothing: with
        // a pickle these bytes are a length of 16 MiB in the other order.
        [1, rest @ ..] if rest.iter().all(|byte| *byte == 0) => {
            return match (format.decode(first), first.get(format.width())) {
                (Ok(Some(PLAUSIBLE)), Some(b'{')) => {
                    Fit::Yes(Dialect::Native, Prefix::Known(format))
                }
                (Ok(Some(PLAUSIBLE)) | Ok(None), None) => Fit::Open,
                _ => Fit::No,
            };
        }
        _ => return Fit::No,
    }
    match (format.decode(first), first.get(format.width())) {
        (Ok(Some(1..)), Some(b'{')) => Fit::Yes(Dialect::Native, Prefix::Known(format)),
        (Ok(Some(1..)), _) => message(first, Prefix::Known(format)),
        (Ok(None), _) => Fit::Open,
        _ => Fit::No,
    }
}

fn big8(first: &[u8]) -> Fit {
    let format = LengthFormat::Big8;
    if first.iter().take(4).any(|byte| *byte != 0) {
        return Fit::No;
    }
    match format.decode(first) {
        Ok(Some(1..)) => message(first, Prefix::Known(format)),
        Ok(None) => Fit::Open,
        _ => Fit::No,
    }
}

fn four(first: &[u8]) -> Fit {
    let Some(bytes) = first.first_chunk() else {
        return Fit::Open;
    };
    let shorter = u32::from_le_bytes(*bytes).min(u32::from_be_bytes(*bytes));
    match shorter {
        1..PLAUSIBLE_IN_FOUR => message(first, Prefix::FourBytes),
        _ => Fit::No,
    }
}

fn text(first: &[u8]) -> Fit {
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b' ';
    let width = first.iter().position(|byte| !is_part(byte));
    match width {
        None if first.len() <= length::MOST_BYTES => Fit::Open,
        Some(width @ length::LEAST_TEXT..=length::MOST_BYTES) => {
            match length::digits(&first[..width]) {
                // The range keeps the width within its type.
                Some(1..=PLAUSIBLE) => {
                    message(first, Prefix::Known(LengthFormat::Text(width as u8)))
                }
                _ => Fit::No,
            }
        }
        _ => Fit::No,
    }
}

/// The dialect of a message by its own first bytes, after its length.
fn message(first: &[u8], prefix: Prefix) -> Fit {
    let dialect = match first.get(prefix.width()..) {
        None | Some([] | [0x80] | [0xff] | [0xff, 0xd8] | [b'c' | b'(' | b']' | b'}' | b'S']) => {
            return Fit::Open;
        }
        // Protocols from 2 on begin with their number.
        Some([0x80, 2..=5, ..]) => Dialect::Pickle,
        // Older ones begin with the name of a function or a class, with the mark of a tuple, a list
        // or a dict and its first value, with an empty list or dict, or with a string in quotes.
        Some([b'c', b'a'..=b'z' | b'_', ..]) => Dialect::Pickle,
        Some(
            [
                b'(',
                b'(' | b'c' | b'i' | b'l' | b'd' | b'V' | b'X' | b'S' | b'T' | b'U' | b'I' | b'F'
                | b'G' | b'K' | b'M' | b'J' | b'L' | b'N' | b']' | b'}',
                ..,
            ],
        ) => Dialect::Pickle,
        Some([b']' | b'}', b'q', ..] | [b'S', b'\'' | b'"', ..]) => Dialect::Pickle,
        Some([0xff, 0xd8, 0xff, ..]) => Dialect::Bare,
        Some(_) => return Fit::No,
    };
    Fit::Yes(dialect, prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATS: [LengthFormat; 9] = [
        LengthFormat::Little8,
        LengthFormat::Little4,
        LengthFormat::Big8,
        LengthFormat::Big4,
        LengthFormat::Text(8),
        LengthFormat::Text(10),
        LengthFormat::Text(12),
        LengthFormat::Text(16),
        LengthFormat::Text(20),
    ];
    /// The beginnings of messages, as Python 2 and 3 write them.
    const STARTS: [(Dialect, &[u8]); 20] = [
        (Dialect::Pickle, b"\x80\x02cn"),
        (Dialect::Pickle, b"\x80\x03cn"),
        (Dialect::Pickle, b"\x80\x04\x95\x00"),
        (Dialect::Pickle, b"\x80\x05\x95\x00"),
        (Dialect::Pickle, b"cnumpy.core"),
        (Dialect::Pickle, b"c_codecs"),
        (Dialect::Pickle, b"ccopy_reg"),
        (Dialect::Pickle, b"(cnumpy"),
        (Dialect::Pickle, b"(lp0"),
        (Dialect::Pickle, b"(dp0"),
        (Dialect::Pickle, b"(Vcamera"),
        (Dialect::Pickle, b"(S'camera'"),
        (Dialect::Pickle, b"(F1709209815.25"),
        (Dialect::Pickle, b"(I7\n"),
        (Dialect::Pickle, b"(G\x41\xd9"),
        (Dialect::Pickle, b"]q\x00"),
        (Dialect::Pickle, b"}q\x00"),
        (Dialect::Pickle, b"S'\\xff\\xd8"),
        (Dialect::Bare, b"\xff\xd8\xff\xe0"),
        (Dialect::Bare, b"\xff\xd8\xff\xdb"),
    ];
    /// Lengths with many shapes of bytes.
    const LENGTHS: [u64; 17] = [
        0x0100_0000,
        1,
        9,
        100,
        255,
        256,
        0x3233,
        0x8000,
        0xd8ff,
        0x1_0000,
        230_400,
        921_765,
        0x80_0000,
        0xff_ffff,
        0x0100_0001,
        6_220_963,
        0x1000_0000,
    ];

    fn message(start: &[u8]) -> Vec<u8> {
        [&100u64.to_le_bytes()[..], start].concat()
    }

    fn prefix(format: LengthFormat) -> Prefix {
        match format {
            LengthFormat::Little4 | LengthFormat::Big4 => Prefix::FourBytes,
            format => Prefix::Known(format),
        }
    }

    #[test]
    fn each_start_behind_each_length_is_told_from_all_others() {
        for format in FORMATS {
            for (dialect, start) in STARTS {
                for length in LENGTHS {
                    let first = [format.encode(length).as_ref(), start].concat();
                    let expected = Start {
                        dialect,
                        prefix: prefix(format),
                    };
                    // However few bytes come at once, none is decided wrongly.
                    for count in 0..first.len() {
                        let found = detect(&first[..count]).unwrap();
                        let name = format!("{count} of {first:02x?}");
                        assert!(
                            found.is_none() || found == Some(expected),
                            "{name}: {found:?}"
                        );
                    }
                    assert_eq!(detect(&first), Ok(Some(expected)), "{first:02x?}");
                }
            }
        }
    }

    #[test]
    fn our_own_protocol_has_lengths_of_one_kind() {
        let native = Start {
            dialect: Dialect::Native,
            prefix: Prefix::Known(LengthFormat::Little8),
        };
        for length in [1, 2, 100, 0xffff_ffff, 1 << 32] {
            let first = [&u64::to_le_bytes(length)[..], b"{"].concat();
            assert_eq!(detect(&first), Ok(Some(native)));
            for count in 0..first.len() {
                assert_eq!(detect(&first[..count]), Ok(None), "{count} of {length}");
            }
        }
        for format in &FORMATS[1..] {
            let first = [format.encode(0x0102).as_ref(), b"{\"type\":\"hello\""].concat();
            assert!(detect(&first).is_err(), "{format}");
        }
    }

    #[test]
    fn too_few_bytes_tell_nothing() {
        let whole = message(b"\x80\x04");
        for length in 0..whole.len() {
            assert_eq!(detect(&whole[..length]), Ok(None), "{length} bytes");
        }
    }

    #[test]
    fn other_services_are_foreign() {
        for first in [
            &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
            b"HTTP/1.1 400 Bad Request",
            b"GET / HTTP/1.1\r\n",
            b"220 (vsFTPd 3.0.3)\r\n",
            b"220 mail ready\r\n",
            b"+OK ready (ctrl)\r\n",
            b"RFB 003.008\n",
            b"12345678 is no length",
            b"0000000000(lp0\n.",
            b"99999999999999999(lp0\n.",
            b"000000000000000000000(lp0\n.",
            b"                (lp0\n",
            b"\0\0\0\0\0\0\0\0",
            b"\0\0\0\0\x80\x04\x95\0\x8c\x15",
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\0\0\0\0\x02\0\0\0{",
            b"\x01\0\0\0\x01\0\0\0{",
            b"\xff\xff\xff\xff\x80\x04\x95\0",
            b"\x20\x20\x20\x20\x80\x04\x95\0",
            // TLS, MySQL, SMB.
            b"\x15\x03\x01\x00\x02\x02\x28\x00",
            b"\x4a\x00\x00\x00\x0a8.0.36",
            b"\x00\x00\x00\x85\xffSMB",
            &message(b"\x00\x00"),
            &message(b"\x80\x63"),
            &message(b"\xff\xd9"),
            &message(b"\xff\xd8\x00"),
            &message(b"(x"),
        ] {
            assert!(
                matches!(detect(first), Err(WireError::Foreign(_))),
                "{first:02x?}: {:?}",
                detect(first)
            );
        }
    }

    #[test]
    fn no_text_is_taken_for_a_length_of_four_bytes() {
        for start in 0x20..0x7f {
            let text = [[start; 4].as_slice(), b"\x80\x04\x95\x00"].concat();
            assert!(detect(&text).is_err(), "{text:02x?}");
        }
    }
}
