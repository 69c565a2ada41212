//! A random number that nobody can guess, as it is on the wire.

use std::fmt;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names a call or a party of it. On the wire it is 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u128);

/// The digits of a token.
const DIGITS: usize = 32;

impl Token {
    /// The token that is written so.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit());
        let value = u128::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
        Some(Self(value))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A log must not tell a secret, so only the beginning is written.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}…", self.0 >> 96)
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::invalid_value(Unexpected::Str(&text), &"32 hexadecimal digits")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_32_hexadecimal_digits_are_a_token() {
        for value in [0, 7, u128::MAX] {
            let text = Token(value).to_string();
            assert_eq!(text.len(), DIGITS);
            assert_eq!(Token::parse(&text), Some(Token(value)));
            let json = serde_json::to_string(&Token(value)).unwrap();
            assert_eq!(serde_json::from_str::<Token>(&json).unwrap(), Token(value));
        }
        let digits = "0".repeat(DIGITS - 1);
        for text in [
            "",
            "0",
            &digits,
            &format!("{digits}00"),
            &format!("+{digits}"),
            &format!("{digits}g"),
        ] {
            assert_eq!(Token::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_log_has_only_the_beginning_of_a_token() {
        assert_eq!(format!("{:?}", Token(0x1234_5678 << 96 | 9)), "12345678…");
    }
}
