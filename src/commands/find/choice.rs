//! Takes one of the programs on the local network, where a command was given none: the only one, or
//! the one that the person chooses.

use std::io;
use std::net::SocketAddr;

use tokio::task::spawn_blocking;

use super::listing::{command, list, places};
use super::nobody::nobody;
use crate::console;
use crate::failure::{Failure, Outcome};
use crate::net::discovery::{Access, Found, LISTEN, Offers, collect};

/// What became of looking for a program.
pub enum Choice {
    /// This one is taken.
    One(Found),
    /// None of these lets in somebody who has what this program has. There is at least one.
    Others(Vec<Found>),
    /// There is none. The failure says what may be in the way.
    Nobody(Failure),
    /// The person wants none of them.
    Quit,
}

/// Looks for programs of the kind `offers`, at `port` if one is given, and takes one of those that
/// ask for something that `suits`. Where this program is announced itself, `own` are its addresses.
///
/// # Errors
/// There are several, and no person to be asked.
pub async fn choose(
    offers: Offers,
    port: Option<u16>,
    own: &[SocketAddr],
    suits: impl Fn(Access) -> bool,
) -> Outcome<Choice> {
    let found = match look(offers, port, own).await {
        Ok(found) => found,
        Err(e) => return Ok(Choice::Nobody(nobody(offers, LISTEN, Some(e)))),
    };
    let (mut found, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|one| suits(one.access));
    match found.len() {
        0 if !others.is_empty() => Ok(Choice::Others(others)),
        0 => Ok(Choice::Nobody(nobody(offers, LISTEN, None))),
        1 => Ok(found.pop().map_or(Choice::Quit, taken)),
        _ if console::can_ask() => {
            let asked = spawn_blocking(move || ask(&found)).await;
            Ok(asked.ok().flatten().map_or(Choice::Quit, Choice::One))
        }
        _ => Err(several(offers, &found)),
    }
}

/// The programs of the kind `offers`, at `port` if one is given. Where this program is announced itself,
/// `own` are its addresses.
///
/// # Errors
/// The system does not let this program ask.
pub async fn look(offers: Offers, port: Option<u16>, own: &[SocketAddr]) -> io::Result<Vec<Found>> {
    let mut found = collect(offers, LISTEN).await?;
    if let Some(port) = port {
        found.retain(|one| one.places.iter().any(|place| place.socket.port() == port));
    }
    found.retain(|one| !one.is_at(own));
    Ok(found)
}

/// Says that one was found.
pub fn tell(one: &Found) {
    console::line(&format!("Found {}: {}", one.name, places(one)));
}

/// Says which one is taken.
fn taken(one: Found) -> Choice {
    tell(&one);
    Choice::One(one)
}

/// Asks the person for the number of one. `None` where the person wants none.
fn ask(found: &[Found]) -> Option<Found> {
    let width = found.len().to_string().len();
    for (number, line) in (1..).zip(list(found)) {
        console::line(&format!("  {number:width$}  {line}"));
    }
    loop {
        let answer = console::ask(&format!("Which one? (1 to {}, q for none)", found.len()))?;
        match read(&answer, found) {
            Answer::One(one) => return Some(one.clone()),
            Answer::Nobody => return None,
            Answer::Unknown => {}
        }
    }
}

/// The meaning of an answer.
#[derive(Debug, PartialEq)]
enum Answer<'f> {
    One(&'f Found),
    Nobody,
    Unknown,
}

fn read<'f>(answer: &str, found: &'f [Found]) -> Answer<'f> {
    if answer.eq_ignore_ascii_case("q") {
        return Answer::Nobody;
    }
    let number: Option<usize> = answer.parse().ok();
    let numbered = number.and_then(|number| found.get(number.checked_sub(1)?));
    let named = || found.iter().find(|one| one.is_named(answer));
    match numbered.or_else(named) {
        Some(one) => Answer::One(one),
        None => Answer::Unknown,
    }
}

/// The failure where none of these senders lets in somebody with the secret that was given.
pub fn others(others: &[Found]) -> Failure {
    Failure::start("found no sender for that key or code on this network")
        .cause("others are there, which ask for something else")
        .found(list(others).iter().map(|line| line.trim_end()))
        .hint(others.first().map(command).unwrap_or_default())
}

fn several(offers: Offers, found: &[Found]) -> Failure {
    let whom = match offers {
        Offers::Any | Offers::Video => "a sender",
        Offers::Call => "whom to call",
    };
    Failure::usage(format!("cannot choose {whom}"))
        .cause(format!(
            "{} are on this network, and there is no terminal to ask in",
            found.len()
        ))
        .found(list(found).iter().map(|line| line.trim_end()))
        .hint(found.first().map(command).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::discovery::What;

    fn found(name: &str) -> Found {
        Found::of(name, What::Send, "192.168.1.7:10050".parse().unwrap())
    }

    #[test]
    fn a_person_answers_with_a_number_or_a_name() {
        let all = [found("anna"), found("desk")];
        for (answer, meant) in [
            ("1", Answer::One(&all[0])),
            ("2", Answer::One(&all[1])),
            ("desk", Answer::One(&all[1])),
            ("q", Answer::Nobody),
            ("Q", Answer::Nobody),
            ("0", Answer::Unknown),
            ("3", Answer::Unknown),
            ("-1", Answer::Unknown),
            ("99999999999999999999999", Answer::Unknown),
            ("", Answer::Unknown),
            ("anne", Answer::Unknown),
        ] {
            assert_eq!(read(answer, &all), meant, "{answer:?}");
        }
    }

    #[test]
    fn without_a_terminal_several_are_listed_with_a_command_for_one() {
        let all = [found("anna"), found("wall-camera")];
        assert_eq!(
            several(Offers::Video, &all).to_string(),
            "error: cannot choose a sender: 2 are on this network, and there is no terminal to ask \
             in\n  anna         send  192.168.1.7\n  wall-camera  send  192.168.1.7\n\
             hint: vidchat recv anna"
        );
        let all = all.map(|mut one| {
            (one.what, one.access) = (What::Call, Access::Code(Some(4)));
            one
        });
        let call = several(Offers::Call, &all).to_string();
        assert!(
            call.starts_with("error: cannot choose whom to call: "),
            "{call}"
        );
        let line = "\n  wall-camera  call  192.168.1.7  needs the code 4-...\n";
        assert!(call.contains(line), "{call}");
        assert!(
            call.ends_with("hint: vidchat call anna --code CODE"),
            "{call}"
        );
    }
}
