//! The attempts at one call: the code that the person is asked for, and typed again where it was wrong,
//! and each machine that may show a code.

use super::caller;
use super::options::{CallOptions, Whom};
use super::person::{Act, Person};
use crate::commands::find;
use crate::commands::secrets;
use crate::console;
use crate::failure::{Failure, Outcome};
use crate::net::call::Reception;
use crate::net::call::dial::CallError;
use crate::net::discovery::{Found, LISTEN, Offers, with_number};
use crate::net::secure::Code;
use crate::net::{Peer, Target};

/// How many codes a person may type. The other side has a new one after so many wrong ones.
const CODES: u32 = 3;

/// The answer of a person who was asked for a code.
pub enum Asked {
    Code(Code),
    /// The person has typed nothing.
    Nothing,
    /// The person ends the program.
    Quit,
}

/// Why nobody has answered.
struct Unanswered {
    failure: Failure,
    /// The machines that have another code, or none that is good.
    by_code: Vec<String>,
}

/// Asks for the code that `shown_by` shows.
pub async fn ask(shown_by: &str, way_out: &'static str, person: &mut Person) -> Asked {
    let shown_by = shown_by.to_owned();
    let asked = person.line(move || secrets::ask_code(&shown_by, way_out));
    match asked.await {
        Some(Some(code)) => Asked::Code(code),
        Some(None) => Asked::Nothing,
        None => Asked::Quit,
    }
}

/// Calls somebody, and talks until one of both sides ends it. A person is asked for a code that is
/// missing or wrong.
///
/// # Errors
/// Nobody answers, the call is declined, a code is missing, or the other side was lost.
pub async fn run(
    whom: Whom,
    options: &mut CallOptions,
    person: &mut Person,
    mut reception: Option<Reception>,
) -> Outcome {
    if let Whom::Peer(peer) = &whom
        && options.secret.is_none()
        && !options.is_open
    {
        let target = peer.target();
        if !console::can_ask() {
            return Err(no_code(target));
        }
        match ask(&target.to_string(), "", person).await {
            Asked::Code(code) => options.take_code(code),
            Asked::Nothing => return Err(no_code(target)),
            Asked::Quit => return Ok(()),
        }
    }
    let mut whom = whom;
    for codes in 1.. {
        let unanswered = match &whom {
            Whom::Peer(peer) => by_peer(peer, options, person, reception.take()).await?,
            Whom::Code(code) => by_code(*code, options, person).await?,
        };
        let Some(Unanswered { failure, by_code }) = unanswered else {
            return Ok(());
        };
        if by_code.is_empty() || codes == CODES || !console::can_ask() {
            return Err(failure);
        }
        console::line(&format!("{}.", failure.summary()));
        match ask(&by_code.join(" or "), ", or Enter to give up", person).await {
            Asked::Code(code) => {
                options.take_code(code);
                if let Whom::Code(before) = &mut whom {
                    *before = code;
                }
            }
            Asked::Nothing => return Err(failure),
            Asked::Quit => return Ok(()),
        }
    }
    Ok(())
}

/// Calls this machine. `None` where the call took place, or where the person has given up.
async fn by_peer(
    peer: &Peer,
    options: &CallOptions,
    person: &mut Person,
    reception: Option<Reception>,
) -> Outcome<Option<Unanswered>> {
    let called = caller::run(peer, options, person, reception).await?;
    Ok(called.err().map(|error| unanswered(peer, options, &error)))
}

/// Calls each machine on this network that shows a code with the number of this one, until one
/// answers. Another one may have the same number.
async fn by_code(
    code: Code,
    options: &CallOptions,
    person: &mut Person,
) -> Outcome<Option<Unanswered>> {
    let mut tried: Vec<Found> = Vec::new();
    let mut refusals: Vec<Unanswered> = Vec::new();
    loop {
        let found = tokio::select! {
            found = with_number(code.number(), &tried, LISTEN) => found,
            ended = gives_up(person) => return ended.map(|()| None),
        };
        let (found, error) = match found {
            Ok(found) => (found, None),
            Err(e) => (None, Some(e)),
        };
        let Some(found) = found else {
            let nobody = || find::nobody_with(code, LISTEN, error);
            return Ok(Some(together(code, &tried, refusals, nobody)));
        };
        let peer = Peer::chosen(&found, Offers::Call);
        match by_peer(&peer, options, person, None).await? {
            Some(refusal) => refusals.push(refusal),
            None => return Ok(None),
        }
        tried.push(found);
    }
}

/// Completes when the person ends the program.
///
/// # Errors
/// The display was lost.
async fn gives_up(person: &mut Person) -> Outcome {
    loop {
        match person.acts().await {
            Act::Quit => return Ok(()),
            Act::DisplayLost(failure) => return Err(failure),
            Act::Key(_) => {}
        }
    }
}

fn unanswered(peer: &Peer, options: &CallOptions, error: &CallError) -> Unanswered {
    let target = peer.target();
    let is_about_code = error.is_about_code() && options.has_code();
    Unanswered {
        failure: caller::explain(target, options.is_open, error),
        by_code: is_about_code
            .then(|| target.to_string())
            .into_iter()
            .collect(),
    }
}

/// The refusals of all that were tried in one.
fn together(
    code: Code,
    tried: &[Found],
    mut refusals: Vec<Unanswered>,
    nobody: impl FnOnce() -> Failure,
) -> Unanswered {
    if refusals.len() < 2 {
        return refusals.pop().unwrap_or_else(|| Unanswered {
            failure: nobody(),
            by_code: Vec::new(),
        });
    }
    let number = code.number();
    let reasons = tried.iter().zip(&refusals);
    let reasons = reasons.map(|(one, refusal)| format!("{}: {}", one.name, refusal.failure.why()));
    let failure = Failure::start(format!("no call with the code {code}"))
        .cause(format!(
            "none of those who show a code with the number {number} has answered"
        ))
        .found(reasons.collect::<Vec<_>>())
        .hint(format!(
            "vidchat call ADDRESS --code {code}, with an address that the other side prints"
        ));
    let by_code = refusals.into_iter().flat_map(|refusal| refusal.by_code);
    Unanswered {
        failure,
        by_code: by_code.collect(),
    }
}

/// The failure where nobody has typed the code that is needed.
fn no_code(target: &Target) -> Failure {
    Failure::usage(format!("cannot call \"{target}\" without a code"))
        .cause("the vidchat call there shows one, and lets in nobody without it")
        .hint(format!(
            "vidchat call {target} --code CODE; or --open, where it was started with --open"
        ))
}
