//! A code that one person tells the other: a number and two words, such as `4-maple-otter`.
//!
//! The number says who is meant, where several wait. It is no secret. The words are: 16 bits, of which a
//! stranger has three guesses.

use std::fmt;
use std::str::FromStr;

use ring::rand::{SecureRandom, SystemRandom};

use super::words::{COUNT, FIRST, SECOND};
use crate::failure::Invalid;

/// The largest number.
const NUMBERS: u8 = 99;

/// A number and two words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code {
    number: u8,
    first: u8,
    second: u8,
}

impl Code {
    /// A new code. Each pair of words is as likely as any other.
    pub fn random() -> Self {
        let random = SystemRandom::new();
        loop {
            let mut bytes = [0; 3];
            random
                .fill(&mut bytes)
                .expect("the system has random numbers, or no connection could be encrypted");
            let [number, first, second] = bytes;
            // A byte above the last whole round of numbers is drawn again.
            if number < NUMBERS * 2 {
                let number = number % NUMBERS + 1;
                return Self {
                    number,
                    first,
                    second,
                };
            }
        }
    }

    /// The number, which is no secret.
    pub fn number(self) -> u8 {
        self.number
    }

    /// Whether a word of a code is a part of this text, as where another part is missing.
    pub fn has_word(text: &str) -> bool {
        let is_word = |part: &&str| place(&FIRST, part).is_some() || place(&SECOND, part).is_some();
        parts(&text.to_lowercase()).iter().any(is_word)
    }

    /// The beginning of a code with its last word at full length and what comes behind it; `None` where
    /// its letters fit to no word or to several.
    pub fn completed(text: &str) -> Option<String> {
        let (before, start) = text.rsplit_once('-')?;
        let (list, end) = match before.matches('-').count() {
            0 => (&FIRST, "-"),
            1 => (&SECOND, ""),
            _ => return None,
        };
        let mut fitting = list.iter().filter(|word| word.starts_with(start));
        match (fitting.next(), fitting.next()) {
            (Some(word), None) => Some(format!("{before}-{word}{end}")),
            _ => None,
        }
    }

    /// Whether a text that may be a name of a machine as well has the form of a code: a number and
    /// two words. There may be no such code. Where there is, no hyphen has to be between its parts.
    pub fn has_form(text: &str) -> bool {
        if !text.contains('.') && text.parse::<Self>().is_ok() {
            return true;
        }
        let between = |c: char| c.is_whitespace() || "-–—_,".contains(c);
        let parts: Vec<&str> = text
            .split(between)
            .filter(|part| !part.is_empty())
            .collect();
        let [number, first, second] = parts[..] else {
            return false;
        };
        let is_word = |word: &str| word.chars().all(char::is_alphabetic);
        number.bytes().all(|b| b.is_ascii_digit()) && is_word(first) && is_word(second)
    }
}

/// The code as it is printed and typed.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = (
            FIRST[usize::from(self.first)],
            SECOND[usize::from(self.second)],
        );
        write!(f, "{}-{}-{}", self.number, words.0, words.1)
    }
}

/// Without the words, for the log.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({}-..)", self.number)
    }
}

impl FromStr for Code {
    type Err = Invalid;

    /// Reads a code as a person types it: in any case, with spaces, hyphens, dots, commas or underscores
    /// between its parts, or with nothing.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.to_lowercase();
        let parts = parts(&text);
        let [number, first, second] = parts[..] else {
            return Err(Invalid::new("a code has a number and two words")
                .hint("type it as it is printed on the other machine, such as 4-maple-otter"));
        };
        let number = number.parse().ok().filter(|n| (1..=NUMBERS).contains(n));
        let Some(number) = number else {
            return Err(
                Invalid::new(format!("a code begins with a number from 1 to {NUMBERS}"))
                    .hint("type the number too, as it is printed on the other machine"),
            );
        };
        match (place(&FIRST, first), place(&SECOND, second)) {
            (Some(first), Some(second)) => Ok(Self {
                number,
                first,
                second,
            }),
            (None, _) if place(&SECOND, first).is_some() && place(&FIRST, second).is_some() => {
                Err(Invalid::new("the two words are in the wrong order")
                    .instead(format!("{number}-{second}-{first}")))
            }
            (None, _) if place(&SECOND, first).is_some() => Err(misplaced("first", first)),
            (None, _) => Err(unknown(&FIRST, first)),
            (_, None) if place(&FIRST, second).is_some() => Err(misplaced("second", second)),
            (_, None) => Err(unknown(&SECOND, second)),
        }
    }
}

/// The parts of a code in lower case. A hyphen that is missing is no fault: no two codes are alike
/// without them.
fn parts(text: &str) -> Vec<&str> {
    let between = |c: char| c.is_whitespace() || "-–—_.,".contains(c);
    let mut parts = Vec::new();
    for part in text.split(between).filter(|part| !part.is_empty()) {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, words) = part.split_at(digits);
        parts.extend([number, words].into_iter().filter(|part| !part.is_empty()));
    }
    if let [number, words] = parts[..] {
        let both = (1..words.len()).filter_map(|at| words.split_at_checked(at));
        let mut both = both.filter(|(first, second)| {
            place(&FIRST, first).is_some() && place(&SECOND, second).is_some()
        });
        if let Some((first, second)) = both.next() {
            return vec![number, first, second];
        }
    }
    parts
}

/// The place of a word in its list.
fn place(list: &[&str; COUNT], word: &str) -> Option<u8> {
    let place = list.iter().position(|known| *known == word)?;
    u8::try_from(place).ok()
}

/// A word of a code is in the place of the other one.
fn misplaced(place: &str, word: &str) -> Invalid {
    Invalid::new(format!("no code has {word:?} as its {place} word"))
        .hint("type it as it is printed on the other machine, such as 4-maple-otter")
}

/// No code has such a word. The hint is the one that is most alike.
fn unknown(list: &[&'static str; COUNT], word: &str) -> Invalid {
    let invalid = Invalid::new(format!("no code has the word {:?}", shown(word)));
    match alike(list, word) {
        Some(near) => invalid.hint(format!("is it {near:?}?")),
        None => invalid.hint("listen again: each word is an English one of four to nine letters"),
    }
}

/// The word that begins with the same three letters, or else the only one that one or two changes of
/// letters make of this one.
fn alike(list: &[&'static str; COUNT], word: &str) -> Option<&'static str> {
    let start: String = word.chars().take(3).collect();
    let begins = list.iter().find(|known| known.starts_with(&start));
    if let Some(known) = begins.filter(|_| start.len() >= 3) {
        return Some(known);
    }
    // A long text is no word, and would take time.
    let word = Some(word).filter(|word| word.len() <= 20)?;
    (1..=2).find_map(|changes| {
        let mut near = list
            .iter()
            .filter(|known| strsim::levenshtein(known, word) == changes);
        match (near.next(), near.next()) {
            (Some(known), None) => Some(*known),
            _ => None,
        }
    })
}

/// The beginning of a word, since it goes into an error.
fn shown(word: &str) -> String {
    word.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_read_as_it_is_printed() {
        for number in 1..=NUMBERS {
            for word in 0..=u8::MAX {
                let code = Code {
                    number,
                    first: word,
                    second: word.wrapping_add(number),
                };
                assert_eq!(code.to_string().parse(), Ok(code));
            }
        }
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code: Code = "4-maple-otter".parse().unwrap();
        for typed in [
            "4 maple otter",
            "  4-Maple-Otter\n",
            "4 - MAPLE - OTTER",
            "04.maple.otter",
            "4_maple__otter",
            "4, maple, otter.",
            "4–maple–otter",
            "4maple-otter",
            "4-mapleotter",
            "4 MapleOtter",
            "04mapleotter",
        ] {
            assert_eq!(typed.parse(), Ok(code), "{typed:?}");
        }
    }

    #[test]
    fn the_form_of_a_code_is_told_from_a_name() {
        for code in [
            "4-maple-otter",
            "4 Maple Otter",
            "123-any-thing",
            "4–maple–otter",
            "4maple-otter",
            "4-mapleotter",
        ] {
            assert!(Code::has_form(code), "{code:?}");
        }
        for name in [
            "desk",
            "desk-4",
            "4-maple",
            "4maple",
            "maple-otter",
            "4-mapelotter",
            "anna-maple-otter",
            "4-maple-otter-2",
            "4.maple.otter",
            "4-maple-otter.local",
            "4-maple-otter:10050",
            "192.168.1.7",
            "",
        ] {
            assert!(!Code::has_form(name), "{name:?}");
        }
    }

    #[test]
    fn a_code_that_cannot_be_says_why() {
        for (typed, why) in [
            ("", "a code has a number and two words"),
            ("4-maple", "a code has a number and two words"),
            ("4-maple-otter-otter", "a code has a number and two words"),
            ("0-maple-otter", "a code begins with a number from 1 to 99"),
            (
                "100-maple-otter",
                "a code begins with a number from 1 to 99",
            ),
            ("maple-otter-4", "a code begins with a number from 1 to 99"),
            ("4-otter-maple", "the two words are in the wrong order"),
            ("4-mapel-otter", "no code has the word \"mapel\""),
            ("4-maple-ottre", "no code has the word \"ottre\""),
            ("4-é-otter", "no code has the word \"é\""),
            ("4-squid-otter", "no code has \"squid\" as its first word"),
            (
                "4-maple-quarry",
                "no code has \"quarry\" as its second word",
            ),
        ] {
            let error = typed.parse::<Code>().unwrap_err();
            assert_eq!(error.to_string(), why, "{typed:?}");
        }
        let near = "4-mapel-otter".parse::<Code>().unwrap_err();
        assert_eq!(near, unknown(&FIRST, "mapel"));
        assert!(
            format!("{near:?}").contains("is it \\\"maple\\\"?"),
            "{near:?}"
        );
    }

    #[test]
    fn a_mistake_in_a_word_names_the_word_that_is_meant() {
        for (typed, near) in [
            ("mapel", Some("maple")),
            ("aple", Some("maple")),
            ("naple", Some("maple")),
            ("xx", None),
            ("", None),
        ] {
            assert_eq!(alike(&FIRST, typed), near, "{typed:?}");
        }
        for (typed, near) in [("oter", Some("otter")), ("uotter", Some("otter"))] {
            assert_eq!(alike(&SECOND, typed), near, "{typed:?}");
        }
        assert_eq!(alike(&FIRST, &"m".repeat(100_000)), None);
    }

    /// Hyphens may be left out, as no two codes are one text then.
    #[test]
    fn two_words_in_one_are_taken_apart_in_one_way() {
        let firsts: HashSet<&str> = FIRST.into_iter().collect();
        let seconds: HashSet<&str> = SECOND.into_iter().collect();
        for first in FIRST {
            for second in SECOND {
                let both = [first, second].concat();
                let ways = (1..both.len()).filter(|at| {
                    let (first, second) = both.split_at(*at);
                    firsts.contains(first) && seconds.contains(second)
                });
                assert_eq!(ways.count(), 1, "{both}");
            }
        }
    }

    #[test]
    fn the_words_can_be_told_apart() {
        let all: HashSet<&str> = FIRST.into_iter().chain(SECOND).collect();
        assert_eq!(all.len(), 2 * COUNT, "no word is in both lists");
        for list in [FIRST, SECOND] {
            let starts: HashSet<&str> = list.iter().map(|word| &word[..3]).collect();
            assert_eq!(starts.len(), COUNT, "three letters tell a word");
            for (index, word) in list.iter().enumerate() {
                assert!((4..=9).contains(&word.len()), "{word}");
                assert!(word.bytes().all(|byte| byte.is_ascii_lowercase()), "{word}");
                for other in &list[..index] {
                    assert!(strsim::levenshtein(word, other) >= 3, "{word} and {other}");
                }
            }
        }
    }

    #[test]
    fn random_codes_use_all_words_and_numbers() {
        let mut seen = (HashSet::new(), HashSet::new(), HashSet::new());
        for _ in 0..10_000 {
            let code = Code::random();
            seen.0.insert(code.number);
            seen.1.insert(code.first);
            seen.2.insert(code.second);
        }
        assert_eq!(seen.0, (1..=NUMBERS).collect());
        assert_eq!((seen.1.len(), seen.2.len()), (COUNT, COUNT));
    }

    #[test]
    fn the_log_never_has_the_words() {
        let code: Code = "4-maple-otter".parse().unwrap();
        assert_eq!(format!("{code:?}"), "Code(4-..)");
    }
}
