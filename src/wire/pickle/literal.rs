//! Numbers, text and bytes as pickles write them.

use super::PickleError as Error;

/// A number in decimal digits.
pub(super) fn decimal(digits: &str) -> Result<i64, Error> {
    digits.parse().map_err(|_| Error::Misplaced("a number"))
}

/// A number that counts or numbers something, and is not negative.
pub(super) fn index(number: i64) -> Result<usize, Error> {
    usize::try_from(number).map_err(|_| Error::Misplaced("a negative number"))
}

/// An integer of any length in two's complement, if it fits into the type.
pub(super) fn long(bytes: &[u8]) -> Result<i64, Error> {
    if bytes.len() > 8 {
        return Err(Error::TooMuch("digits in a number"));
    }
    let sign = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut whole = [if sign { 0xff } else { 0 }; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    Ok(i64::from_le_bytes(whole))
}

/// The bytes that a text stands for, one for each character.
pub(super) fn latin1(text: &str) -> Result<Vec<u8>, Error> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).map_err(|_| Error::Misplaced("bytes as text")))
        .collect()
}

/// Text of protocol 0: Latin-1, and `\uXXXX` for the rest.
pub(super) fn unescape(line: &[u8]) -> Result<String, Error> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digits = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(char::from(byte));
                continue;
            }
        };
        let digits = after.get(1..=digits).ok_or(Error::Misplaced("text"))?;
        let number = str::from_utf8(digits)
            .ok()
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let c = number.and_then(char::from_u32);
        text.push(c.ok_or(Error::Misplaced("text"))?);
        rest = &after[1 + digits.len()..];
    }
    Ok(text)
}

/// Bytes of Python 2's protocol 0: a string in quotes, with escapes.
pub(super) fn unquote(line: &[u8]) -> Result<Vec<u8>, Error> {
    let wrong = || Error::Misplaced("a string");
    let inner = match line {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return Err(wrong()),
    };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().ok_or_else(wrong)? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            same @ (b'\\' | b'\'' | b'"') => same,
            b'x' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
                (high * 16 + low) as u8
            }
            _ => return Err(wrong()),
        });
    }
    Ok(bytes)
}
