//! The attempts at one call: the code that the person is asked for, and typed again where it was wrong,
//! and each machine that may show a code.

use std::net::SocketAddr;

use super::caller::{self, BegunCall, Settled};
use super::options::{CallOptions, Whom};
use super::person::{Act, Person};
use crate::commands::connect_failure::{CALL, cannot_connect};
use crate::commands::find;
use crate::commands::secrets;
use crate::console;
use crate::failure::{Failure, Outcome};
use crate::net::call::Reception;
use crate::net::call::dial::{CallError, Tries};
use crate::net::discovery::{Found, LISTEN, Offers, with_number};
use crate::net::pauses::Pauses;
use crate::net::reach::look_up;
use crate::net::secure::{Code, Unsafe, WRONG_GUESSES};
use crate::net::{Peer, Target};

/// The answer of a person who was asked for a code.
enum Asked {
    Code(Code),
    /// The person has typed nothing.
    Nothing,
    /// The person ends the program.
    Quit,
}

/// The end of the attempts.
pub enum Attempt {
    /// There is a call.
    Begun(BegunCall),
    /// The person ends the program.
    GivenUp,
    Unanswered(Unanswered),
}

/// Why nobody has answered.
pub struct Unanswered {
    pub failure: Failure,
    /// The machines that have another code, or none that is good.
    by_code: Vec<String>,
}

/// A machine that shows a code with the right number, and has not answered.
struct Refusal {
    peer: Peer,
    unanswered: Unanswered,
    /// Whether it closed the connection at once, as it does for a while after wrong codes.
    is_pause: bool,
}

/// Asks for the code that `shown_by` shows.
async fn ask(shown_by: &str, way_out: &'static str, person: &mut Person) -> Asked {
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
        let known = tokio::select! {
            known = look_up(peer) => known,
            ended = gives_up(person) => return ended,
        };
        known.map_err(|e| cannot_connect(target, CALL, &e))?;
        match ask(&target.to_string(), "", person).await {
            Asked::Code(code) => options.take_code(code),
            Asked::Nothing => return Err(no_code(target)),
            Asked::Quit => return Ok(()),
        }
    }
    let mut whom = whom;
    // The other side has a new code after so many wrong ones.
    for codes in 1.. {
        let attempt = match &whom {
            Whom::Peer(peer) => by_peer(peer, options, person, &mut reception).await?,
            Whom::Code(code) => by_code(*code, &[], options, person, &mut reception).await?,
        };
        let Unanswered { failure, by_code } = match attempt {
            Attempt::Begun(call) => return call.talk(options, person, &mut reception).await,
            Attempt::GivenUp => return Ok(()),
            Attempt::Unanswered(unanswered) => unanswered,
        };
        if by_code.is_empty() || codes == WRONG_GUESSES || !console::can_ask() {
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

/// Calls this machine.
async fn by_peer(
    peer: &Peer,
    options: &CallOptions,
    person: &mut Person,
    reception: &mut Option<Reception>,
) -> Outcome<Attempt> {
    caller::tell(peer);
    let settled = caller::call(peer, Tries::ThroughPauses, options, person, reception).await?;
    Ok(match settled {
        Settled::Begun(call) => Attempt::Begun(call),
        Settled::GivenUp => Attempt::GivenUp,
        Settled::Unanswered(error) => Attempt::Unanswered(unanswered(peer, options, &error)),
    })
}

/// Calls each machine on this network that shows a code with the number of this one, until one
/// answers. Another one may have the same number. The last ones are those that close connections at once,
/// which are called again and again until that is over. `own` are the addresses of this program, where it
/// is announced itself.
///
/// # Errors
/// This side failed.
pub async fn by_code(
    code: Code,
    own: &[SocketAddr],
    options: &CallOptions,
    person: &mut Person,
    reception: &mut Option<Reception>,
) -> Outcome<Attempt> {
    let mut tried: Vec<Found> = Vec::new();
    let mut refusals: Vec<Refusal> = Vec::new();
    let error = loop {
        let found = tokio::select! {
            found = with_number(code.number(), &tried, own, LISTEN) => found,
            ended = gives_up(person) => return ended.map(|()| Attempt::GivenUp),
        };
        let found = match found {
            Ok(Some(found)) => found,
            Ok(None) => break None,
            Err(e) => break Some(e),
        };
        let peer = Peer::chosen(&found, Offers::Call);
        caller::tell(&peer);
        match once(peer, options, person, reception).await? {
            Ok(refusal) => refusals.push(refusal),
            Err(over) => return Ok(over),
        }
        tried.push(found);
    };
    if let Some(over) = again(&mut refusals, options, person, reception).await? {
        return Ok(over);
    }
    let nobody = || find::nobody_with(code, LISTEN, error);
    Ok(Attempt::Unanswered(together(code, refusals, nobody)))
}

/// Calls this machine once. The error inside is the end of the attempts.
async fn once(
    peer: Peer,
    options: &CallOptions,
    person: &mut Person,
    reception: &mut Option<Reception>,
) -> Outcome<Result<Refusal, Attempt>> {
    let settled = caller::call(&peer, Tries::Once, options, person, reception).await?;
    Ok(match settled {
        Settled::Begun(call) => Err(Attempt::Begun(call)),
        Settled::GivenUp => Err(Attempt::GivenUp),
        Settled::Unanswered(error) => Ok(Refusal {
            unanswered: unanswered(&peer, options, &error),
            is_pause: matches!(error.refusal(), Some(Unsafe::AtOnce)),
            peer,
        }),
    })
}

/// Calls those again that have closed the connection at once, one after another, until all have done
/// something else or the longest pause is over. Returns the end of the attempts, where it is that.
async fn again(
    refusals: &mut [Refusal],
    options: &CallOptions,
    person: &mut Person,
    reception: &mut Option<Reception>,
) -> Outcome<Option<Attempt>> {
    let Some(first) = refusals.iter().find(|refusal| refusal.is_pause) else {
        return Ok(None);
    };
    let target = first.peer.target().clone();
    let mut pauses = Pauses::new(&target);
    while refusals.iter().any(|refusal| refusal.is_pause) {
        let is_worth_it = tokio::select! {
            is_worth_it = pauses.try_again(Some(&Unsafe::AtOnce)) => is_worth_it,
            ended = gives_up(person) => return ended.map(|()| Some(Attempt::GivenUp)),
        };
        if !is_worth_it {
            break;
        }
        for refusal in refusals.iter_mut().filter(|refusal| refusal.is_pause) {
            match once(refusal.peer.clone(), options, person, reception).await? {
                Ok(next) => *refusal = next,
                Err(over) => return Ok(Some(over)),
            }
        }
    }
    Ok(None)
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
    mut refusals: Vec<Refusal>,
    nobody: impl FnOnce() -> Failure,
) -> Unanswered {
    if refusals.len() < 2 {
        return match refusals.pop() {
            Some(refusal) => refusal.unanswered,
            None => Unanswered {
                failure: nobody(),
                by_code: Vec::new(),
            },
        };
    }
    let number = code.number();
    let reason = |refusal: &Refusal| {
        let target = refusal.peer.target();
        format!("{target}: {}", refusal.unanswered.failure.why())
    };
    let failure = Failure::start(format!("no call with the code {code}"))
        .cause(format!(
            "none of those who show a code with the number {number} has answered"
        ))
        .found(refusals.iter().map(reason).collect::<Vec<_>>())
        .hint(format!(
            "vidchat call ADDRESS --code {code}, with an address that the other side prints"
        ));
    let by_code = refusals
        .into_iter()
        .flat_map(|refusal| refusal.unanswered.by_code);
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
