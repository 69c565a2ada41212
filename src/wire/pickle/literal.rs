//! Numbers, text and bytes as pickles write them.

use super::PickleError as Error;

/// The most bytes of a name, or of a number in decimal digits.
pub(super) const WORD_LIMIT: usize = 128;

/// How bytes are written in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As they are.
    Plain,
    /// As a character each, in UTF-8.
    Utf8,
    /// As a character each, in Latin-1, and `\uXXXX` for the rest: text of protocol 0.
    Escaped,
    /// With the escapes of a string of Python 2.
    Quoted,
}

/// The next byte of `rest`; `None` at its end, and where it does not stand for a byte.
pub(super) fn next_byte(coding: Coding, rest: &mut &[u8]) -> Option<u8> {
    match coding {
        Coding::Plain => {
            let (byte, after) = rest.split_first()?;
            *rest = after;
            Some(*byte)
        }
        // The two bytes of a character up to U+00FF have its number in their last two and six bits.
        Coding::Utf8 => match **rest {
            [byte, ref after @ ..] if byte < 0x80 => {
                *rest = after;
                Some(byte)
            }
            [high, low, ref after @ ..] => {
                *rest = after;
                Some(high << 6 | low & 0x3f)
            }
            _ => None,
        },
        Coding::Escaped => u8::try_from(next_escaped(rest)?.ok()?).ok(),
        Coding::Quoted => next_quoted(rest)?.ok(),
    }
}

/// Whether each character of a text stands for a byte.
pub(super) fn is_latin1(text: &str) -> bool {
    // U+0100 and all that follow it begin with a larger byte.
    text.bytes().all(|byte| byte < 0xc4)
}

/// The next character of a text of protocol 0, by its number.
pub(super) fn next_escaped(rest: &mut &[u8]) -> Option<Result<u32, Error>> {
    let (&byte, after) = rest.split_first()?;
    *rest = after;
    let digits = match (byte, after.first()) {
        (b'\\', Some(b'u')) => 4,
        (b'\\', Some(b'U')) => 8,
        _ => return Some(Ok(byte.into())),
    };
    let Some((digits, after)) = after[1..].split_at_checked(digits) else {
        return Some(Err(Error::Misplaced("text")));
    };
    *rest = after;
    let number = digits.iter().try_fold(0u32, |number, digit| {
        Some(number << 4 | char::from(*digit).to_digit(16)?)
    });
    Some(number.ok_or(Error::Misplaced("text")))
}

/// The next byte of a string of Python 2.
pub(super) fn next_quoted(rest: &mut &[u8]) -> Option<Result<u8, Error>> {
    let (&byte, after) = rest.split_first()?;
    *rest = after;
    if byte != b'\\' {
        return Some(Ok(byte));
    }
    let (byte, after) = match *after {
        [b'n', ref after @ ..] => (b'\n', after),
        [b't', ref after @ ..] => (b'\t', after),
        [b'r', ref after @ ..] => (b'\r', after),
        [same @ (b'\\' | b'\'' | b'"'), ref after @ ..] => (same, after),
        [b'x', high, low, ref after @ ..] => {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            match (digit(high), digit(low)) {
                (Some(high), Some(low)) => ((high * 16 + low) as u8, after),
                _ => return Some(Err(Error::Misplaced("a string"))),
            }
        }
        _ => return Some(Err(Error::Misplaced("a string"))),
    };
    *rest = after;
    Some(Ok(byte))
}

/// A number in decimal digits; `None` where it has more than 64 bits.
pub(super) fn decimal(digits: &str) -> Result<Option<i64>, Error> {
    let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::Misplaced("a number"));
    }
    Ok(digits.parse().ok())
}

/// A number that counts or numbers something, and is not negative.
pub(super) fn index(number: i64) -> Result<usize, Error> {
    usize::try_from(number).map_err(|_| Error::Misplaced("a negative number"))
}

/// An integer of any length in two's complement; `None` where it has more than 64 bits.
pub(super) fn long(bytes: &[u8]) -> Option<i64> {
    let sign = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut whole = [if sign { 0xff } else { 0 }; 8];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(whole))
}
