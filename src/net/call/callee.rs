//! Whom to call, as a person types it: a machine, or the code that one shows.

use std::str::FromStr;

use crate::failure::Invalid;
use crate::net::DEFAULT_PORT;
use crate::net::address::Target;
use crate::net::secure::Code;

/// The party to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callee {
    /// The machine of this name or address.
    Host(Target),
    /// The one on this network that shows this code.
    Code(Code),
}

/// A text with the form of a code is one. A machine of such a name is called with its port.
impl FromStr for Callee {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if !Code::has_form(text) {
            return text.parse().map(Self::Host);
        }
        let code: Result<Code, Invalid> = text.parse();
        code.map(Self::Code).map_err(|invalid| {
            let with_port = format!("{text}:{DEFAULT_PORT}");
            if with_port.parse::<Target>().is_err() {
                return invalid;
            }
            invalid.found(format!("a machine of that name is {with_port}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_told_from_a_machine() {
        let code: Code = "4-maple-otter".parse().unwrap();
        for typed in ["4-maple-otter", "4 maple otter", "04-Maple-Otter"] {
            assert_eq!(typed.parse(), Ok(Callee::Code(code)), "{typed:?}");
        }
        for typed in [
            "desk",
            "192.168.1.7:10051",
            "::1",
            "4-maple-otter:10050",
            "desk-4",
        ] {
            let target: Target = typed.parse().unwrap();
            assert_eq!(typed.parse(), Ok(Callee::Host(target)), "{typed:?}");
        }
    }

    #[test]
    fn a_code_with_a_wrong_word_says_so_and_how_to_call_a_machine_of_that_name() {
        let error = "4-mapel-otter".parse::<Callee>().unwrap_err();
        let said = format!("{error:?}");
        assert!(said.contains("is it \\\"maple\\\"?"), "{said}");
        assert!(
            said.contains("a machine of that name is 4-mapel-otter:10050"),
            "{said}"
        );
        let error = "desk:0".parse::<Callee>().unwrap_err();
        assert!(error.to_string().contains("is no port"), "{error}");
    }
}
