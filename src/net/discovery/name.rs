//! Names of announcements: as they are announced, shown and typed.
//!
//! A name is shown in the form in which it can be typed as a host, without quotes. So a stranger's
//! name has no control characters, no spaces and no dots.

use crate::failure::Invalid;
use crate::net::secure::Code;

/// The most bytes of a name of ours. DNS takes 63, and a name that is taken gets a number behind
/// it.
const OWN_LIMIT: usize = 56;
/// The most characters of a name that are shown.
const SHOWN_LIMIT: usize = 63;

/// A name as it is shown and typed: letters, digits, `-` and `_`, with a `-` for all else.
pub fn shown(name: &str) -> String {
    let mut shown = String::new();
    for c in name.chars() {
        if c.is_alphanumeric() || c == '_' {
            shown.push(c);
        } else if !shown.ends_with('-') {
            shown.push('-');
        }
    }
    let shown: String = shown.trim_matches('-').chars().take(SHOWN_LIMIT).collect();
    match shown.trim_end_matches('-') {
        "" => "unnamed".to_owned(),
        shown if is_something_else(shown) => format!("vidchat-{shown}"),
        shown => shown.to_owned(),
    }
}

/// Whether a word that is typed as a host is no name: a port, a code, or this machine itself.
fn is_something_else(word: &str) -> bool {
    let is_port = word.bytes().all(|b| b.is_ascii_digit());
    is_port || Code::has_form(word) || word.eq_ignore_ascii_case("localhost")
}

/// The name under which the machine `host` is announced.
pub fn of_machine(host: &str) -> String {
    let first = host.split('.').next().unwrap_or_default();
    let mut name = shown(first);
    while name.len() > OWN_LIMIT {
        name.pop();
    }
    name
}

/// Reads a name under which this program is to be announced.
///
/// # Errors
/// It could not be typed as a host.
pub fn read(text: &str) -> Result<String, Invalid> {
    if text.is_empty() {
        return Err(Invalid::new("it is empty").instead("desk"));
    }
    let odd = |c: &char| !(c.is_alphanumeric() || "-_".contains(*c));
    if let Some(c) = text.chars().find(odd) {
        let c = c.to_string();
        return Err(
            Invalid::new(format!("there is no {c:?} in a name")).instead(of_machine(
                // A dot is no end here.
                &text.replace('.', "-"),
            )),
        );
    }
    if text.len() > OWN_LIMIT {
        let cause = format!("a name has {OWN_LIMIT} bytes at most");
        return Err(Invalid::new(cause).instead(of_machine(text)));
    }
    if is_something_else(text) {
        let cause = "typed as a host, it would be a port, a code or this machine itself";
        return Err(Invalid::new(cause).instead(of_machine(text)));
    }
    let shown = shown(text);
    if shown != text {
        let cause = "a - stands alone, between letters or digits";
        return Err(Invalid::new(cause).instead(shown));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Target;

    #[test]
    fn a_name_is_shown_as_it_can_be_typed() {
        for (name, as_shown) in [
            ("anna-laptop", "anna-laptop"),
            ("anna-laptop (2)", "anna-laptop-2"),
            ("Anna's desk", "Anna-s-desk"),
            ("кухня", "кухня"),
            ("desk.local", "desk-local"),
            ("de\x1b[2Jsk\r\n\u{202e}x", "de-2Jsk-x"),
            ("--a--b__c--", "a-b__c"),
            ("", "unnamed"),
            ("localhost", "vidchat-localhost"),
            ("10050", "vidchat-10050"),
            ("4-maple-otter", "vidchat-4-maple-otter"),
            ("\x07 \u{200b}", "unnamed"),
        ] {
            assert_eq!(shown(name), as_shown, "{name:?}");
            assert_eq!(shown(as_shown), as_shown, "{name:?}");
            let typed: Target = as_shown.parse().expect("it can be typed");
            assert_eq!(typed.to_string(), as_shown);
        }
        assert_eq!(shown(&"x".repeat(1000)).len(), SHOWN_LIMIT);
        assert_eq!(
            shown(&format!("{}-y", "x".repeat(SHOWN_LIMIT - 1))).len(),
            62
        );
    }

    #[test]
    fn a_machine_is_announced_by_the_first_part_of_its_name() {
        assert_eq!(of_machine("anna-laptop.example.org"), "anna-laptop");
        assert_eq!(of_machine("Anna’s MacBook"), "Anna-s-MacBook");
        assert_eq!(of_machine(""), "unnamed");
        assert_eq!(of_machine(&"ж".repeat(63)).len(), OWN_LIMIT);
    }

    #[test]
    fn a_name_that_could_not_be_typed_is_refused() {
        for name in ["anna", "anna-laptop", "wall_2", "кухня"] {
            assert_eq!(read(name).as_deref(), Ok(name));
        }
        let long = "x".repeat(OWN_LIMIT + 1);
        for name in [
            "",
            "Anna's desk",
            "desk.local",
            "-desk",
            "a--b",
            "10050",
            "4-maple-otter",
            "localhost",
            &long,
        ] {
            assert!(read(name).is_err(), "{name:?}");
        }
    }
}
