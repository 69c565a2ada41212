//! Waits for calls, and for the parties of a room.

use std::net::SocketAddr;

use tracing::info;

use super::conversation::Conversation;
use super::options::CallOptions;
use super::person::{Act, Person};
use super::ring::{self, Asks, Begun, Ring};
use crate::cli::AnswerChoice;
use crate::commands::find::{self, Choice};
use crate::commands::invitation::{invitation, invitation_by_code, listen};
use crate::commands::or_never::or_never;
use crate::commands::secrets;
use crate::console;
use crate::failure::{Failure, Outcome, describe};
use crate::net::call::{Arrived, IncomingCall, Reception};
use crate::net::discovery::{Access, Announced, Announcement, Found, Offers, What};
use crate::net::secure::Secret;
use crate::net::{DEFAULT_PORT, address};
use crate::wire::Token;

/// The place where others call.
pub struct Desk {
    reception: Reception,
    invitation: Invitation,
}

/// How others get to this place: printed for the person, and announced.
struct Invitation {
    bound: SocketAddr,
    secret: Option<Secret>,
    announcement: Option<Announcement>,
}

impl Desk {
    /// Listens, and announces that on the local network.
    ///
    /// # Errors
    /// The port cannot be listened at.
    pub fn open(options: &CallOptions) -> Outcome<Self> {
        let port = options.port.unwrap_or(DEFAULT_PORT);
        let socket = listen(options.bind, port, "vidchat call")?;
        let bound = socket
            .local_addr()
            .map_err(|e| Failure::start("cannot listen").cause(describe(&e)))?;
        // The id is replaced by that of each caller.
        let ticket = options.ticket(Token(0));
        let announced = options.announced_as.clone().map(|name| Announced {
            name,
            what: if options.is_room {
                What::Room
            } else {
                What::Call
            },
            access: secrets::access(options.secret.as_ref()),
            port: bound.port(),
            bound: bound.ip(),
        });
        Ok(Self {
            reception: Reception::spawn(socket, options.receiving(ticket)),
            invitation: Invitation {
                bound,
                secret: options.secret.clone(),
                announcement: announced.map(Announcement::start),
            },
        })
    }

    /// Looks who waits for a call on the local network, and lets in those who have what this side
    /// has: a key, a code, or nothing. `None` where nobody does, or where the person chooses to wait
    /// as well.
    ///
    /// # Errors
    /// There are several, and no person to be asked.
    pub async fn look(&self, options: &CallOptions) -> Outcome<Option<Found>> {
        let bound = self.invitation.bound;
        let own = address::reachable(bound.ip()).into_iter();
        let own: Vec<SocketAddr> = own.map(|ip| SocketAddr::new(ip, bound.port())).collect();
        let access = secrets::access(options.secret.as_ref());
        let suits = |other: Access| other.is_like(access);
        Ok(
            match find::choose(Offers::Call, options.port, &own, suits).await? {
                Choice::One(found) => Some(found),
                Choice::Others(others) => {
                    for other in others {
                        let command = find::command(&other);
                        console::line(&format!("{} waits too: {command}", other.name));
                    }
                    None
                }
                Choice::Nobody(_) | Choice::Quit => None,
            },
        )
    }

    /// Is announced no more. Who calls is received from here on by the caller.
    pub async fn leave(self) -> Reception {
        self.invitation.end().await;
        self.reception
    }

    /// Waits for somebody who calls, and talks until one of both sides ends it. In a room it goes
    /// on until the person here ends it.
    ///
    /// # Errors
    /// The display is not there, or the other side was lost.
    pub async fn run(self, options: &CallOptions, person: &mut Person) -> Outcome {
        let Self {
            mut reception,
            invitation,
        } = self;
        if options.is_open {
            let port = invitation.bound.port();
            let who = match &options.allowed {
                all if all.is_empty() => format!("who reaches port {port} of this machine"),
                networks => format!("in {networks}"),
            };
            console::line(&format!(
                "This call is open: everybody {who} can call, and nothing is encrypted. Without \
                 --open, a code keeps strangers out."
            ));
        }
        invitation.show();
        if options.answer == AnswerChoice::Ask
            && ring::place(person, options.display) == Asks::Nowhere
        {
            info!(
                "call: there is neither a terminal nor a display to ask at, so every call is \
                 declined; --answer always answers them"
            );
        }
        if options.is_room {
            let talking = async {
                let room = Conversation::room(options, person)?;
                room.run(person, &mut Some(reception)).await
            };
            let ending = invitation.kept_during(talking).await;
            invitation.end().await;
            return ending;
        }
        let answered = answered(options, person, &mut reception, &invitation);
        let answered = invitation.kept_during(answered).await;
        invitation.end().await;
        match answered? {
            Some(call) => {
                let conversation = Conversation::answer(call, options, person).await?;
                conversation.run(person, &mut Some(reception)).await
            }
            None => Ok(()),
        }
    }
}

impl Invitation {
    /// Prints what to type on the other machine, and announces what is new of it.
    fn show(&self) {
        const COMMAND: &str = "vidchat call";
        let (secret, bound) = (self.secret.as_ref(), self.bound);
        let flags = match secret {
            None => " --open".to_owned(),
            secret => secrets::flags(secret),
        };
        let announcement = self.announcement.as_ref();
        let announcement = announcement.filter(|announcement| announcement.is_running());
        if let Some(announcement) = announcement {
            announcement.set_access(secrets::access(secret));
        }
        let code = secret.and_then(Secret::usable_code);
        console::line(&match (announcement, code) {
            (Some(_), Some(code)) => invitation_by_code(COMMAND, code, bound, &flags),
            _ => invitation(COMMAND, COMMAND, bound, &flags, None),
        });
    }

    /// Shows a new code whenever the one before is dead, until `waiting` completes.
    async fn kept_during<T>(&self, waiting: impl Future<Output = T>) -> T {
        tokio::select! {
            done = waiting => done,
            never = secrets::keep_code(self.secret.as_ref(), || self.show()) => match never {},
        }
    }

    /// Nobody has taken a call. If a code was used up for it, there has to be another one.
    fn stand(&self) {
        if secrets::replace_used(self.secret.as_ref()) {
            self.show();
        }
    }

    /// Is announced no more.
    async fn end(self) {
        if let Some(announcement) = self.announcement {
            announcement.end().await;
        }
    }
}

/// The first call that is answered; `None` where the person ends the program before it.
async fn answered(
    options: &CallOptions,
    person: &mut Person,
    reception: &mut Reception,
    invitation: &Invitation,
) -> Outcome<Option<IncomingCall>> {
    let mut ring: Option<Ring> = None;
    loop {
        tokio::select! {
            arrived = reception.next_arrival() => {
                let call = match arrived {
                    Arrived::Call(call) => *call,
                    Arrived::Wasted => {
                        if ring.is_none() {
                            invitation.stand();
                        }
                        continue;
                    }
                    // The log has it.
                    Arrived::WrongCode(_) => continue,
                };
                if ring.is_some() {
                    ring::busy(call);
                    continue;
                }
                match ring::begin(call, options, person)? {
                    Begun::Answered(call) => return Ok(Some(call)),
                    Begun::Over => invitation.stand(),
                    Begun::Rings(rings) => ring = Some(rings),
                }
            }
            act = person.acts() => match act {
                Act::Quit => {
                    if let Some(ring) = ring.take() {
                        ring.hang_up().await;
                    }
                    return Ok(None);
                }
                Act::DisplayLost(failure) => return Err(failure),
                Act::Key(typed) => match (ring.take(), Ring::answer_of(typed)) {
                    (Some(ring), Some(true)) => return Ok(Some(ring.answer())),
                    (Some(ring), Some(false)) => {
                        ring.decline();
                        person.stage().close();
                        invitation.stand();
                    }
                    (before, _) => ring = before,
                },
            },
            end = or_never(ring.as_mut().map(Ring::ends)) => {
                if let Some(ring) = ring.take() {
                    ring.over(end);
                    person.stage().close();
                    invitation.stand();
                }
            }
        }
    }
}
