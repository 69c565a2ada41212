//! A key of 128 random bits, in a form for reading aloud and typing, and the text of a key file.
//!
//! The letters are Crockford's base 32: no I, L, O or U, and what looks like a digit is read as one. The
//! last 12 bits are a checksum, so of 4,096 typing mistakes all but one are told as such.

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::code::Code;
use super::passphrase;
use super::psk::Psk;
use crate::failure::Invalid;

/// Bytes of a key.
const KEY_BYTES: usize = 16;
/// Letters of its text: 5 bits each.
const LETTERS: usize = 28;
/// Letters in a group.
const GROUP: usize = 4;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// The bits of the checksum: those of the letters that the key does not need.
const CHECK_BITS: usize = LETTERS * 5 - KEY_BYTES * 8;
/// The word before a passphrase.
const PASSPHRASE: &str = "passphrase:";

/// A secret that both sides have for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(Psk);

/// The text of a new key. It is wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText(Zeroizing<String>);

impl KeyText {
    /// The text of a key of 128 random bits.
    pub fn random() -> Self {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        SystemRandom::new()
            .fill(&mut *key)
            .expect("the system has random numbers, or no connection could be encrypted");
        Self::of(&key)
    }

    fn of(key: &[u8; KEY_BYTES]) -> Self {
        let mut bits = u128::from_be_bytes(*key);
        let mut check = checksum(key);
        let mut letters = [0; LETTERS];
        for letter in letters.iter_mut().rev() {
            // Both numbers are one of 140 bits, of which the lower part is the checksum.
            *letter = ALPHABET[usize::from(check & 31)];
            check = check >> 5 | ((bits & 31) as u16) << (CHECK_BITS - 5);
            bits >>= 5;
        }
        let mut text = Zeroizing::new(String::with_capacity(LETTERS + LETTERS / GROUP));
        for (index, letter) in letters.iter().enumerate() {
            if index > 0 && index % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(*letter));
        }
        Self(text)
    }

    /// The text of a key file, with a line that says what it is.
    pub fn file(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "# A key of vidchat: everybody who has it can watch, and nobody else.\n{}\n",
            *self.0
        ))
    }
}

impl fmt::Display for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Never shows the key.
impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(..)")
    }
}

impl Key {
    /// The pre-shared key of the handshake.
    pub(super) fn psk(&self) -> &Psk {
        &self.0
    }
}

/// Reads the text of a key, of a key file, or `passphrase:` and a passphrase.
impl FromStr for Key {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let lines = text.lines().map(str::trim);
        let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let line = match (lines.next(), lines.count()) {
            (Some(line), 0) => line,
            (Some(_), more) => {
                let all = more + 1;
                return Err(
                    Invalid::new(format!("it has {all} lines where a key is one"))
                        .hint("leave one of them; lines that begin with # are comments"),
                );
            }
            (None, _) => {
                let empty = text.trim().is_empty();
                return Err(Invalid::new(if empty {
                    "it is empty"
                } else {
                    "it has comments alone, which are the lines that begin with #"
                })
                .hint("vidchat key prints a key"));
            }
        };
        if line.parse::<Code>().is_ok() {
            return Err(Invalid::new("it is a code, and no key").hint(
                "a code is for one run: it is typed behind --code; vidchat key prints a key",
            ));
        }
        match strip_word(line, PASSPHRASE) {
            Some(passphrase) => Ok(Self(passphrase::stretch(passphrase.trim())?)),
            None => Ok(Self(Psk::derive(
                b"vidchat key 1",
                &*parse(line)?,
                b"Noise psk",
            ))),
        }
    }
}

/// The text after a word at its beginning, in any case.
fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

/// The bytes of a key from its letters.
fn parse(text: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, Invalid> {
    let (mut bits, mut check) = (Zeroizing::new(0_u128), 0_u16);
    let mut count = 0;
    for letter in text
        .chars()
        .filter(|c| !c.is_whitespace() && !"-–—_.".contains(*c))
    {
        let Some(value) = value_of(letter) else {
            return Err(Invalid::new(format!("no key has the letter {letter:?}")).hint(
                "vidchat key prints a key; a passphrase of your own goes behind the word passphrase:",
            ));
        };
        count += 1;
        // Letters beyond the last are only counted.
        if count <= LETTERS {
            let carry = check >> (CHECK_BITS - 5);
            check = (check << 5 | value) & ((1 << CHECK_BITS) - 1);
            *bits = *bits << 5 | u128::from(carry);
        }
    }
    if count != LETTERS {
        return Err(Invalid::new(format!(
            "a key has {LETTERS} letters and digits, this has {count}"
        ))
        .hint("type it again, in groups of four"));
    }
    let key = Zeroizing::new(bits.to_be_bytes());
    if checksum(&key) != check {
        return Err(
            Invalid::new("its checksum is wrong: a letter or digit is not the right one")
                .hint("compare it with the original, group by group"),
        );
    }
    Ok(key)
}

/// The value of a letter. Letters that look like a digit count as that digit.
fn value_of(letter: char) -> Option<u16> {
    let letter = match letter.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        letter => letter,
    };
    let place = ALPHABET
        .iter()
        .position(|known| char::from(*known) == letter)?;
    u16::try_from(place).ok()
}

fn checksum(key: &[u8; KEY_BYTES]) -> u16 {
    let hash = digest(
        &SHA256,
        &[b"vidchat key 1 checksum".as_slice(), key].concat(),
    );
    let first = hash.as_ref().first_chunk().copied().unwrap_or_default();
    u16::from_be_bytes(first) >> (16 - CHECK_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        KeyText::of(&[0xc5; KEY_BYTES]).to_string()
    }

    #[test]
    fn a_key_has_seven_groups_of_four() {
        let text = text();
        let groups: Vec<&str> = text.split('-').collect();
        assert_eq!(groups.len(), 7, "{text}");
        assert!(groups.iter().all(|group| group.len() == 4), "{text}");
    }

    #[test]
    fn each_bit_of_a_key_is_in_its_text() {
        for bit in 0..128 {
            let key = (1_u128 << bit).to_be_bytes();
            let text = KeyText::of(&key).to_string();
            assert_eq!(*parse(&text).unwrap(), key, "{text}");
        }
        assert_eq!(
            *parse(&KeyText::of(&[255; 16]).to_string()).unwrap(),
            [255; 16]
        );
    }

    #[test]
    fn two_keys_differ() {
        let (one, other) = (KeyText::random(), KeyText::random());
        assert!(one != other);
        assert!(one.to_string().parse::<Key>() != other.to_string().parse());
    }

    #[test]
    fn a_key_is_read_as_people_type_it() {
        let text = text();
        let key: Key = text.parse().unwrap();
        for typed in [
            text.to_uppercase(),
            text.replace('-', " "),
            text.replace('-', ""),
            text.replace('1', "l").replace('0', "O"),
            format!("\n  {text}\r\n"),
            format!("# a comment\n\n{text}\n"),
            KeyText::of(&[0xc5; KEY_BYTES]).file().to_string(),
        ] {
            assert_eq!(typed.parse(), Ok(key.clone()), "{typed:?}");
        }
    }

    #[test]
    fn a_typing_mistake_is_told_as_such() {
        let text = text();
        let (mut wrong, mut missed) = (0, 0);
        for place in 0..text.len() {
            for letter in ALPHABET {
                let mut typed = text.clone().into_bytes();
                if typed[place] == b'-' || typed[place] == *letter {
                    continue;
                }
                typed[place] = *letter;
                let typed = String::from_utf8(typed).unwrap();
                wrong += 1;
                match typed.parse::<Key>() {
                    Ok(_) => missed += 1,
                    Err(e) => assert!(e.to_string().contains("checksum"), "{typed}: {e}"),
                }
            }
        }
        assert!(missed <= 2, "{missed} of {wrong}");
    }

    #[test]
    fn what_is_no_key_says_why() {
        let text = text();
        for (typed, why) in [
            (String::new(), "it is empty"),
            (
                "# nothing\n".into(),
                "it has comments alone, which are the lines that begin with #",
            ),
            (
                format!("{text}\n# another\n{text}"),
                "it has 2 lines where a key is one",
            ),
            ("4-maple-otter".into(), "it is a code, and no key"),
            (
                text[..24].into(),
                "a key has 28 letters and digits, this has 20",
            ),
            (
                format!("{text}-0000"),
                "a key has 28 letters and digits, this has 32",
            ),
            ("hunter2".into(), "no key has the letter 'u'"),
        ] {
            let error = typed.parse::<Key>().unwrap_err();
            assert_eq!(error.to_string(), why, "{typed:?}");
        }
    }

    #[test]
    fn the_log_never_has_a_key() {
        let text = KeyText::random();
        let key: Key = text.to_string().parse().unwrap();
        assert_eq!(format!("{text:?} {key:?}"), "KeyText(..) Key(Psk(..))");
    }
}
