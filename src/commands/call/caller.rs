//! Calls another machine, and waits for the answer.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{debug, info};

use super::conversation::Conversation;
use super::options::CallOptions;
use super::person::{Act, Person};
use super::ring;
use crate::commands::connect_failure::{CALL, cannot_connect};
use crate::commands::or_never::or_never;
use crate::console;
use crate::failure::{Failure, Outcome};
use crate::net::call::dial::{Answered, CallError, Progress, Tries, dial};
use crate::net::call::{IncomingCall, RING_INTERVAL, Reception, random_token};
use crate::net::receiver::ReceiveError;
use crate::net::{self, DEFAULT_PORT, Peer, Target};
use crate::wire::{Bye, ByeCode, CallTicket, Token, WireError};

/// How long the call of the other side may take to come, where both call each other.
const GLARE_LIMIT: Duration = Duration::from_secs(5);

/// The end of an attempt to call.
pub enum Settled {
    /// There is a call.
    Begun(BegunCall),
    /// The person has given up.
    GivenUp,
    /// There is no call.
    Unanswered(CallError),
}

/// A call that has begun, before anything of it is shown.
pub enum BegunCall {
    /// The other side has answered.
    Answered {
        answered: Box<Answered>,
        peer: Peer,
        ticket: CallTicket,
    },
    /// Both have called each other, and this call of the other side is the one.
    Theirs(Box<IncomingCall>),
}

impl BegunCall {
    /// Talks until one of both sides ends it.
    ///
    /// # Errors
    /// The other side was lost, or this one failed.
    pub async fn talk(
        self,
        options: &CallOptions,
        person: &mut Person,
        reception: &mut Option<Reception>,
    ) -> Outcome {
        let conversation = match self {
            Self::Answered {
                answered,
                peer,
                ticket,
            } => Conversation::called(*answered, &peer, ticket, options, person)?,
            Self::Theirs(call) => Conversation::answer(*call, options, person).await?,
        };
        conversation.run(person, reception).await
    }
}

/// Tells the person who is called.
pub fn tell(peer: &Peer) {
    let target = peer.target();
    console::line(&format!("Calling {target}. {}", console::way_out_line()));
}

/// Calls `peer`. Others who call at `reception` meanwhile hear that this side is busy, once there is a call
/// or another party is reached. Where there is none in the end, they come out of `reception` again.
///
/// # Errors
/// This side failed.
pub async fn call(
    peer: &Peer,
    tries: Tries,
    options: &CallOptions,
    person: &mut Person,
    reception: &mut Option<Reception>,
) -> Outcome<Settled> {
    let id = random_token().map_err(|e| Failure::start("cannot call").cause(e))?;
    let ticket = options.ticket(id);
    settle(peer, tries, &ticket, options, person, reception).await
}

/// Listens for others, who hear that this side is busy. Calling works without that, as where another
/// program has the port. With a code of the other side alone nobody is listened to: each who came would
/// have a guess at it.
pub fn listen(options: &CallOptions) -> Option<Reception> {
    if options.secret.is_none() && !options.is_open || options.has_code() {
        return None;
    }
    let socket = net::listen(options.bind, options.port.unwrap_or(DEFAULT_PORT));
    let socket = socket
        .inspect_err(|e| debug!("call: others cannot call meanwhile: {e}"))
        .ok()?;
    let own = options.ticket(Token(0));
    Some(Reception::spawn(socket, options.receiving(own)))
}

async fn settle(
    peer: &Peer,
    tries: Tries,
    ticket: &CallTicket,
    options: &CallOptions,
    person: &mut Person,
    reception: &mut Option<Reception>,
) -> Outcome<Settled> {
    let receiving = options.receiving(ticket.clone());
    let (tell, mut told) = mpsc::unbounded_channel();
    let dialling = dial(peer, &receiving, tries, move |progress| {
        // Nobody listens where the call is given up.
        let _ = tell.send(progress);
    });
    tokio::pin!(dialling);
    // The party that is called, once that is known, and those who call meanwhile.
    let mut called = None;
    let mut waiting: Vec<IncomingCall> = Vec::new();
    let mut ticks = interval(RING_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if let Some(called) = called {
            for call in std::mem::take(&mut waiting) {
                if let Some(call) = glare(call, called, ticket) {
                    return Ok(theirs(call));
                }
            }
        }
        tokio::select! {
            answered = &mut dialling => {
                let error = match answered {
                    Ok(answered) => {
                        for call in waiting {
                            ring::busy(call);
                        }
                        let (peer, ticket) = (peer.clone(), ticket.clone());
                        return Ok(Settled::Begun(BegunCall::Answered {
                            answered: Box::new(answered),
                            peer,
                            ticket,
                        }));
                    }
                    Err(error) => error,
                };
                // The hello may have come at the same moment as the end.
                while let Ok(progress) = told.try_recv() {
                    if let Progress::Greeted(theirs) = progress {
                        called = Some(theirs.party);
                    }
                }
                let gave_way = matches!(&error, CallError::Bye(bye) if bye.code == Some(ByeCode::Glare));
                if let Some(reception) = reception {
                    match called.filter(|_| gave_way) {
                        Some(called) => {
                            let theirs_comes = call_of(called, waiting, reception);
                            if let Ok(call) = timeout(GLARE_LIMIT, theirs_comes).await {
                                return Ok(theirs(call));
                            }
                        }
                        None => waiting.into_iter().for_each(|call| reception.give_back(call)),
                    }
                }
                return Ok(Settled::Unanswered(error));
            }
            Some(progress) = told.recv() => match progress {
                Progress::Greeted(theirs) => called = Some(theirs.party),
                Progress::Ringing => console::line("It rings there."),
            },
            call = or_never(reception.as_mut().map(Reception::next)) => {
                waiting.push(call);
            }
            _ = ticks.tick(), if !waiting.is_empty() => {
                for call in &mut waiting {
                    call.keep_waiting().await;
                }
            }
            act = person.acts() => match act {
                Act::Quit => return Ok(Settled::GivenUp),
                Act::DisplayLost(failure) => return Err(failure),
                Act::Key(_) => {}
            },
        }
    }
}

fn theirs(call: IncomingCall) -> Settled {
    Settled::Begun(BegunCall::Theirs(Box::new(call)))
}

/// Decides on a call that came in while this side calls the party `called`. Where both call each
/// other, the call with the smaller id goes on.
fn glare(call: IncomingCall, called: Token, own: &CallTicket) -> Option<IncomingCall> {
    if call.ticket().party != called {
        ring::busy(call);
        return None;
    }
    if call.ticket().id < own.id {
        info!("call: both sides called each other");
        return Some(call);
    }
    ring::turn_away(
        call,
        Bye::new(ByeCode::Glare, "both sides called each other"),
    );
    None
}

/// The call of this party: among those that wait, or the next one. Others hear that this side is
/// busy.
async fn call_of(
    party: Token,
    waiting: Vec<IncomingCall>,
    reception: &mut Reception,
) -> IncomingCall {
    let mut waiting = waiting.into_iter();
    loop {
        let call = match waiting.next() {
            Some(call) => call,
            None => reception.next().await,
        };
        if call.ticket().party == party {
            return call;
        }
        ring::busy(call);
    }
}

/// The failure of a call to `target`. `is_open` says that it was in clear.
pub fn explain(target: &Target, is_open: bool, error: &CallError) -> Failure {
    let (host, _) = target.parts();
    let bye = match error {
        CallError::Connect(error) => return cannot_connect(target, CALL, error),
        CallError::Itself => {
            return Failure::start(format!("cannot call \"{target}\""))
                .cause("it is this machine, which is the one that calls")
                .hint("type the address that vidchat call prints on the other machine");
        }
        CallError::NoCalls => {
            return Failure::start(format!("cannot call \"{target}\""))
                .cause("a vidchat send is there, which takes no calls")
                .hint(format!("vidchat recv {target} shows it"));
        }
        CallError::Lost(e) => {
            let failure =
                Failure::start(format!("no vidchat call answered at \"{target}\"")).cause(e);
            let is_foreign = matches!(
                e,
                ReceiveError::Wire(WireError::Foreign(_)) | ReceiveError::NoFirstBytes(_)
            );
            return failure.hint(if is_foreign {
                format!("vidchat call on {host:?} prints the address and the port to type")
            } else if is_open {
                format!("if {host:?} shows a code: vidchat call {target} --code CODE")
            } else {
                format!("start vidchat call on {host:?}")
            });
        }
        CallError::Bye(bye) => bye,
    };
    let failure = Failure::start(format!("no call with \"{target}\"")).cause(&bye.reason);
    match bye.code {
        Some(ByeCode::Busy) => failure.hint("try again in a while"),
        Some(ByeCode::Role) => failure.hint(format!("vidchat send --to {target} sends to it")),
        _ => failure,
    }
}
