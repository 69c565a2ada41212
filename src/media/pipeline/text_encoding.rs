//! The text of a pipeline file, from the bytes that editors of any system write.

/// The reason why bytes are no text of a pipeline file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotText {
    /// Most likely a picture, a video or a program.
    #[error("it is no text")]
    Binary,
    /// Text with a byte of zero in this line, counted from 1.
    #[error("it has a NUL byte, which no text has")]
    Nul { line: usize },
    /// Text of an older encoding. The line, counted from 1, has the first byte that shows it.
    #[error("byte 0x{byte:02x} is not UTF-8; in Latin-1 it is {latin:?}")]
    Legacy { line: usize, byte: u8, latin: char },
    /// UTF-16 or UTF-32 that is cut off or broken.
    #[error("it begins as {0} does and then is not valid")]
    Broken(&'static str),
}

/// The text in `bytes`: UTF-8, or UTF-16 as editors on Windows write it, with a byte-order mark or
/// without. The mark is no part of the text.
pub(crate) fn decode(bytes: &[u8]) -> Result<String, NotText> {
    let text = match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Err(NotText::Broken("UTF-32")),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest)?,
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        _ => match unmarked_utf16(bytes) {
            Some(text) => text,
            None => utf8(bytes)?,
        },
    };
    match text.find('\0') {
        Some(_) if is_binary(text.as_bytes()) => Err(NotText::Binary),
        Some(at) => Err(NotText::Nul {
            line: line_at(text.as_bytes(), at),
        }),
        None => Ok(text),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, NotText> {
    let e = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text.to_owned()),
        Err(e) => e,
    };
    let at = e.valid_up_to();
    let byte = bytes[at];
    if is_binary(bytes) {
        return Err(NotText::Binary);
    }
    Err(NotText::Legacy {
        line: line_at(bytes, at),
        byte,
        latin: char::from(byte),
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, NotText> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(text),
        _ => Err(NotText::Broken("UTF-16")),
    }
}

/// UTF-16 without a mark. Its first character is of ASCII, as of every pipeline, so one byte of
/// the first two is zero. Text of UTF-8 has no such byte.
fn unmarked_utf16(bytes: &[u8]) -> Option<String> {
    let unit = match bytes {
        [first, 0, ..] if first.is_ascii() && *first != 0 => u16::from_le_bytes,
        [0, first, ..] if first.is_ascii() && *first != 0 => u16::from_be_bytes,
        _ => return None,
    };
    let text = utf16(bytes, unit).ok()?;
    (!text.contains('\0')).then_some(text)
}

/// Whether more of the bytes are outside of ASCII's text than any language needs.
fn is_binary(bytes: &[u8]) -> bool {
    let is_text = |byte: &&u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    let text = bytes.iter().filter(is_text).count();
    text * 4 < bytes.len() * 3
}

/// The line of the byte at `at`, counted from 1.
fn line_at(bytes: &[u8], at: usize) -> usize {
    bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Für alle.\r\nvideotestsrc\n  ! appsink name=frames\n";

    #[test]
    fn text_of_every_editor_is_read() {
        let units: Vec<u16> = TEXT.encode_utf16().collect();
        let le: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let be: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for (mark, bytes) in [
            (&[][..], TEXT.as_bytes()),
            (&[0xef, 0xbb, 0xbf], TEXT.as_bytes()),
            (&[], &le),
            (&[0xff, 0xfe], &le),
            (&[], &be),
            (&[0xfe, 0xff], &be),
        ] {
            assert_eq!(decode(&[mark, bytes].concat()).as_deref(), Ok(TEXT));
        }
        assert_eq!(decode(b"").as_deref(), Ok(""));
    }

    #[test]
    fn other_bytes_are_refused_with_their_line() {
        let long = "videotestsrc ! appsink name=frames";
        let latin = [b"# F\xfcr alle.\n", long.as_bytes()].concat();
        let nul = format!("# A.\n{long}\0\n");
        for (bytes, refused) in [
            (&[0xff; 9][..], NotText::Binary),
            (&[0; 9], NotText::Binary),
            (
                b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\x40",
                NotText::Binary,
            ),
            (nul.as_bytes(), NotText::Nul { line: 2 }),
            (
                &latin,
                NotText::Legacy {
                    line: 1,
                    byte: 0xfc,
                    latin: 'ü',
                },
            ),
            (b"\xff\xfea\0b", NotText::Broken("UTF-16")),
            (b"\xff\xfe\0\0a\0\0\0", NotText::Broken("UTF-32")),
            (b"\xff\xfe\0\xd8a\0", NotText::Broken("UTF-16")),
        ] {
            assert_eq!(decode(bytes), Err(refused), "{bytes:?}");
        }
    }
}
