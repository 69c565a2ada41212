//! The values of a pickle. Each is a few words long and refers to the message: no byte of the
//! message is copied, however often a pickle refers to it.

use super::PickleError as Error;
use super::literal::{self, Coding, WORD_LIMIT};

const JPEG: &[u8] = b"\xff\xd8\xff";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A value on the stack.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// A float, or an integer of more than 64 bits.
    Number,
    /// Text, which in the protocols before 3 also carries bytes.
    Text(Text<'a>),
    Bytes(Bytes<'a>),
    Tuple(Span),
    /// The number of a list, a dict, a set or an object on the heap.
    Group(usize),
    /// A name with a meaning for frames.
    Name(Name),
    /// Another name: its module and itself.
    Class(&'a str, &'a str),
    /// `dtype(text)`, with the text.
    Dtype(&'a str),
    /// `_reconstruct(ndarray, …)`, which gets its contents by BUILD.
    Empty,
    /// The number of an array on the heap.
    Array(usize),
}

/// The values of a tuple: the place of the first on the heap, and their number.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub start: usize,
    pub length: usize,
}

/// The names that pickles of frames call, by their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    Reconstruct,
    FromBuffer,
    Ndarray,
    Dtype,
    Bytes,
    ByteArray,
    Encode,
    /// A type of plain data, such as a time or a number of NumPy.
    Data,
}

/// Text, as it is written in the message.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    raw: &'a [u8],
    coding: Coding,
    /// The number of bytes that it stands for; `None` where it stands for none.
    bytes: Option<usize>,
}

/// Bytes, as they are written in the message.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a> {
    raw: &'a [u8],
    coding: Coding,
    length: usize,
}

impl<'a> Text<'a> {
    /// Text in UTF-8. Bytes that are not UTF-8 are text too: Python writes lone surrogates so.
    pub fn utf8(raw: &'a [u8]) -> Self {
        let latin1 = str::from_utf8(raw)
            .ok()
            .filter(|text| literal::is_latin1(text));
        Self {
            raw,
            coding: Coding::Utf8,
            bytes: latin1.map(|text| text.chars().count()),
        }
    }

    /// A line of text of protocol 0.
    pub fn escaped(raw: &'a [u8]) -> Result<Self, Error> {
        let (mut length, mut is_latin1) = (0, true);
        let mut rest = raw;
        while let Some(character) = literal::next_escaped(&mut rest) {
            is_latin1 &= character? <= 0xff;
            length += 1;
        }
        Ok(Self {
            raw,
            coding: Coding::Escaped,
            bytes: is_latin1.then_some(length),
        })
    }

    /// The bytes that it stands for, one for each character.
    pub fn to_bytes(self) -> Result<Bytes<'a>, Error> {
        let length = self.bytes.ok_or(Error::Misplaced("bytes as text"))?;
        Ok(Bytes {
            raw: self.raw,
            coding: self.coding,
            length,
        })
    }

    /// It as a short word.
    pub fn word(self) -> Result<&'a str, Error> {
        word(self.raw, self.coding)
    }
}

impl<'a> Bytes<'a> {
    /// Bytes as they are.
    pub fn plain(raw: &'a [u8]) -> Self {
        Self {
            raw,
            coding: Coding::Plain,
            length: raw.len(),
        }
    }

    /// Bytes of Python 2's protocol 0: a string in quotes, with escapes.
    pub fn quoted(line: &'a [u8]) -> Result<Self, Error> {
        let raw = match line {
            [b'\'', raw @ .., b'\''] | [b'"', raw @ .., b'"'] => raw,
            _ => return Err(Error::Misplaced("a string")),
        };
        let (mut length, mut rest) = (0, raw);
        while let Some(byte) = literal::next_quoted(&mut rest) {
            byte?;
            length += 1;
        }
        Ok(Self {
            raw,
            coding: Coding::Quoted,
            length,
        })
    }

    /// The number of bytes.
    pub fn length(self) -> usize {
        self.length
    }

    /// The media type of bytes that are JPEG or PNG.
    pub fn media_type(self) -> Option<&'static str> {
        if self.starts_with(JPEG) {
            Some("image/jpeg")
        } else if self.starts_with(PNG) {
            Some("image/png")
        } else {
            None
        }
    }

    fn starts_with(self, start: &[u8]) -> bool {
        start.len() <= self.length && self.iter().zip(start).all(|(byte, wanted)| byte == *wanted)
    }

    /// All of them. They are copied only where the message has them in another coding.
    pub fn decode(self) -> std::borrow::Cow<'a, [u8]> {
        match self.coding {
            Coding::Plain => self.raw.into(),
            _ => {
                let mut bytes = Vec::with_capacity(self.length);
                bytes.extend(self.iter());
                bytes.into()
            }
        }
    }

    /// It as a short word.
    pub fn word(self) -> Result<&'a str, Error> {
        word(self.raw, self.coding)
    }

    /// Whether both are the same bytes of the message.
    pub fn is(self, other: Self) -> bool {
        std::ptr::eq(self.raw, other.raw)
    }

    fn iter(self) -> impl Iterator<Item = u8> + 'a {
        let mut rest = self.raw;
        // Every error was found when the value was made.
        std::iter::from_fn(move || literal::next_byte(self.coding, &mut rest))
    }
}

/// A name or a type, which is short and needs no escapes.
fn word(raw: &[u8], coding: Coding) -> Result<&str, Error> {
    if raw.len() > WORD_LIMIT {
        return Err(Error::TooMuch("characters in a name"));
    }
    let is_escaped = matches!(coding, Coding::Quoted | Coding::Escaped) && raw.contains(&b'\\');
    match str::from_utf8(raw) {
        Ok(word) if !is_escaped => Ok(word),
        _ => Err(Error::Misplaced("a name")),
    }
}
