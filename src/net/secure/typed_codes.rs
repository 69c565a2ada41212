//! The codes that a person has typed at this program. One that is typed again is the same secret, so a
//! wrong side has three guesses at it, however often the person types it.

use super::code::Code;
use super::guesses::Uses;
use super::secret::Secret;

/// The codes that were typed so far, each with what became of it.
#[derive(Clone, Debug, Default)]
pub struct TypedCodes(Vec<(Code, Secret)>);

impl TypedCodes {
    /// The secret of a code that the other side shows. It is good for one call, so this side uses it once
    /// too: the call comes back with a key, and nobody who closes connections can have the code sent again.
    pub fn secret(&mut self, code: Code) -> Secret {
        let known = self.0.iter().find(|(known, _)| *known == code);
        if let Some((_, secret)) = known {
            return secret.clone();
        }
        let secret = Secret::code(code, Uses::Once);
        self.0.push((code, secret.clone()));
        secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_is_typed_again_has_no_more_guesses() {
        let mut typed = TypedCodes::default();
        let [code, other]: [Code; 2] =
            ["4-maple-otter", "4-maple-badger"].map(|c| c.parse().unwrap());
        for _ in 0..3 {
            let secret = typed.secret(code);
            let attempt = secret.attempt(4).expect("it may be tried");
            secret.wrong(attempt);
            assert!(typed.secret(other).proof().is_some());
        }
        assert!(typed.secret(code).proof().is_none());
        assert!(typed.secret(other).proof().is_some());
    }
}
