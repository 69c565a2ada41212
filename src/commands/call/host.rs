//! Waits for calls, and for the parties of a room.

use std::net::SocketAddr;

use tracing::info;

use super::conversation::Conversation;
use super::options::CallOptions;
use super::person::{Act, Person};
use super::ring::{self, Asks, Begun, Ring};
use crate::cli::AnswerChoice;
use crate::commands::find::{self, Choice};
use crate::commands::invitation::{invitation, listen};
use crate::commands::or_never::or_never;
use crate::commands::secrets;
use crate::console;
use crate::failure::{Failure, Outcome, describe};
use crate::net::call::{IncomingCall, Reception};
use crate::net::discovery::{Announced, Announcement, Offers, What};
use crate::net::{DEFAULT_PORT, Peer, address};
use crate::wire::Token;

/// The place where others call.
pub struct Desk {
    reception: Reception,
    bound: SocketAddr,
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
            port: bound.port(),
            bound: bound.ip(),
        });
        Ok(Self {
            reception: Reception::spawn(socket, options.receiving(ticket)),
            bound,
            announcement: announced.map(Announcement::start),
        })
    }

    /// Looks who waits for a call on the local network. `None` where nobody does, or where the
    /// person chooses to wait as well.
    ///
    /// # Errors
    /// There are several, and no person to be asked.
    pub async fn look(&self, options: &CallOptions) -> Outcome<Option<Peer>> {
        let own = address::reachable(self.bound.ip()).into_iter();
        let own: Vec<SocketAddr> = own
            .map(|ip| SocketAddr::new(ip, self.bound.port()))
            .collect();
        Ok(
            match find::choose(Offers::Call, options.port, &own).await? {
                Choice::One(found) => Some(Peer::chosen(&found, Offers::Call)),
                Choice::Nobody(_) | Choice::Quit => None,
            },
        )
    }

    /// Is announced no more. Who calls is received from here on by the caller.
    pub async fn leave(self) -> Reception {
        if let Some(announcement) = self.announcement {
            announcement.end().await;
        }
        self.reception
    }

    /// Waits for somebody who calls, and talks until one of both sides ends it. In a room it goes
    /// on until the person here ends it.
    ///
    /// # Errors
    /// The display is not there, or the other side was lost.
    pub async fn run(self, options: &CallOptions, person: &mut Person) -> Outcome {
        let bound = self.bound;
        let invite = || invite(options, bound);
        invite();
        tokio::select! {
            ending = self.receive(options, person) => ending,
            never = secrets::keep_code(options.secret.as_ref(), invite) => match never {},
        }
    }

    async fn receive(mut self, options: &CallOptions, person: &mut Person) -> Outcome {
        let asks = ring::place(person, options.display);
        if options.answer == AnswerChoice::Ask && asks == Asks::Nowhere {
            info!(
                "call: there is neither a terminal nor a display to ask at, so every call is \
                 declined; --answer always answers them"
            );
        }
        if options.is_room {
            let room = Conversation::room(options, person)?;
            let ending = room.run(person, &mut Some(self.reception)).await;
            if let Some(announcement) = self.announcement {
                announcement.end().await;
            }
            return ending;
        }
        let answered = answered(options, person, &mut self.reception, self.bound).await;
        let reception = self.leave().await;
        match answered? {
            Some(call) => {
                let conversation = Conversation::answer(call, options, person).await?;
                conversation.run(person, &mut Some(reception)).await
            }
            None => Ok(()),
        }
    }
}

/// Prints what to type on the other machine.
fn invite(options: &CallOptions, bound: SocketAddr) {
    let command = "vidchat call";
    let flags = secrets::flags(options.secret.as_ref());
    console::line(&invitation(command, command, bound, &flags, None));
}

/// Nobody has taken a call. If a code was used up for it, there has to be another one.
fn wait_on(options: &CallOptions, bound: SocketAddr) {
    if secrets::replace_used(options.secret.as_ref()) {
        invite(options, bound);
    }
}

/// The first call that is answered; `None` where the person ends the program before it.
async fn answered(
    options: &CallOptions,
    person: &mut Person,
    reception: &mut Reception,
    bound: SocketAddr,
) -> Outcome<Option<IncomingCall>> {
    let mut ring: Option<Ring> = None;
    loop {
        tokio::select! {
            call = reception.next() => {
                if ring.is_some() {
                    ring::busy(call);
                    continue;
                }
                match ring::begin(call, options, person)? {
                    Begun::Answered(call) => return Ok(Some(call)),
                    Begun::Over => wait_on(options, bound),
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
                        wait_on(options, bound);
                    }
                    (before, _) => ring = before,
                },
            },
            end = or_never(ring.as_mut().map(Ring::ends)) => {
                if let Some(ring) = ring.take() {
                    ring.over(end);
                    person.stage().close();
                    wait_on(options, bound);
                }
            }
        }
    }
}
