//! The codes that a person has typed at this program. One that is typed again is the same secret, so a
//! wrong side has three guesses at it, however often the person types it. One that was used up by a call
//! stays so.

use super::code::Code;
use super::guesses::Uses;
use super::secret::Secret;

/// The codes that were typed so far, each with what became of it.
#[derive(Clone, Debug)]
pub struct TypedCodes {
    uses: Uses,
    codes: Vec<(Code, Secret)>,
}

impl TypedCodes {
    /// Codes that are good for so many `uses`. `first` may be the secret of the first one.
    pub fn new(uses: Uses, first: Option<&Secret>) -> Self {
        let of_code = |secret: &Secret| Some((secret.usable_code()?, secret.clone()));
        Self {
            uses,
            codes: first.and_then(of_code).into_iter().collect(),
        }
    }

    /// The secret of a code that the other side shows.
    pub fn secret(&mut self, code: Code) -> Secret {
        let known = self.codes.iter().find(|(known, _)| *known == code);
        if let Some((_, secret)) = known {
            return match secret.usable_code() {
                Some(_) => secret.clone(),
                // The key that came of it is for the call of then alone.
                None => Secret::spent(code),
            };
        }
        let secret = Secret::code(code, self.uses);
        self.codes.push((code, secret.clone()));
        secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::secure::psk::Psk;

    #[test]
    fn a_code_that_is_typed_again_has_no_more_guesses() {
        let [code, other]: [Code; 2] =
            ["4-maple-otter", "4-maple-badger"].map(|c| c.parse().unwrap());
        let first = Secret::code(code, Uses::Many);
        for mut typed in [None, Some(&first)].map(|first| TypedCodes::new(Uses::Once, first)) {
            for _ in 0..3 {
                let secret = typed.secret(code);
                let attempt = secret.attempt(4).expect("it may be tried");
                secret.wrong(attempt);
                assert!(typed.secret(other).proof().is_some());
            }
            assert!(typed.secret(code).proof().is_none());
            assert!(typed.secret(other).proof().is_some());
        }
        assert!(first.is_dead());
    }

    #[test]
    fn a_code_that_a_call_has_used_up_is_not_used_again() {
        let mut typed = TypedCodes::new(Uses::Once, None);
        let code: Code = "4-maple-otter".parse().unwrap();
        let secret = typed.secret(code);
        let attempt = secret.attempt(4).expect("it may be tried");
        assert!(secret.right(attempt, Psk::derive(b"", b"a test", b"again")));
        assert!(secret.proof().is_some(), "the call comes back");
        assert!(typed.secret(code).proof().is_none());
    }
}
