//! Waits for calls, and for the parties of a room.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::info;

use super::attempts::{self, Attempt};
use super::caller::BegunCall;
use super::code_line::{CodeLine, Typed};
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
use crate::net::secure::{Code, Secret};
use crate::net::{DEFAULT_PORT, address};
use crate::wire::Token;

/// How often the line that is typed into is shown again, as the terminal may have been the shell's.
const REFRESH: Duration = Duration::from_millis(300);

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
    /// The names of those who were found and show a code.
    others: Vec<String>,
    /// Whether the person may type a code here.
    may_type: bool,
}

/// The end of waiting for a call.
enum Waited {
    /// Somebody has called.
    Called(Box<IncomingCall>),
    /// This side has called, with a code that the person has typed.
    Calls(BegunCall),
    /// The person ends the program.
    Quit,
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
                others: Vec::new(),
                may_type: options.may_type(),
            },
        })
    }

    /// Looks who waits for a call on the local network, and returns one that lets in those who have what
    /// this side has: a key, or nothing. `None` where nobody does, or where the person chooses to wait
    /// as well. Those who show a code are told of, and the person may type it while this side waits too.
    ///
    /// # Errors
    /// There are several, and no person to be asked.
    pub async fn look(&mut self, options: &CallOptions) -> Outcome<Option<Found>> {
        let own = self.invitation.own();
        if options.has_code() {
            let found = find::look(Offers::Call, options.port, &own).await;
            // An obstacle is told of where somebody who shows a code is not found.
            let found = found.unwrap_or_default().into_iter();
            let (shown, others): (Vec<_>, Vec<_>) =
                found.partition(|one| matches!(one.access, Access::Code(_)) && options.may_type());
            shown.iter().for_each(find::tell);
            others.iter().for_each(tell_of_other);
            self.invitation.others = shown.into_iter().map(|one| one.name).collect();
            return Ok(None);
        }
        let access = secrets::access(options.secret.as_ref());
        let suits = |other: Access| other.is_like(access);
        Ok(
            match find::choose(Offers::Call, options.port, &own, suits).await? {
                Choice::One(found) => Some(found),
                Choice::Others(others) => {
                    others.iter().for_each(tell_of_other);
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
            reception,
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
        let mut reception = Some(reception);
        // The options of a call with the code of somebody else.
        let mut dialling = options.clone();
        let waited = wait(options, &mut dialling, person, &mut reception, &invitation);
        let waited = invitation.kept_during(waited).await;
        CodeLine::hide();
        person.set_text(false);
        invitation.end().await;
        match waited? {
            Waited::Called(call) => {
                let conversation = Conversation::answer(*call, options, person).await?;
                conversation.run(person, &mut reception).await
            }
            Waited::Calls(call) => call.talk(&dialling, person, &mut reception).await,
            Waited::Quit => Ok(()),
        }
    }
}

/// Names one that asks for something else than a code of its own.
fn tell_of_other(other: &Found) {
    let command = find::command(other);
    console::line(&format!("{} waits too: {command}", other.name));
}

impl Invitation {
    /// The addresses of this program.
    fn own(&self) -> Vec<SocketAddr> {
        let own = address::reachable(self.bound.ip()).into_iter();
        own.map(|ip| SocketAddr::new(ip, self.bound.port()))
            .collect()
    }

    /// The line on typing the code of somebody else here.
    fn typing(&self) -> Option<String> {
        let whom = match &self.others[..] {
            _ if !self.may_type => return None,
            [] => "the other machine",
            [one] => one,
            _ => "one of them",
        };
        Some(format!(
            "Or type here the code that {whom} shows, and press Enter."
        ))
    }

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
            (Some(_), Some(code)) => {
                invitation_by_code(COMMAND, code, bound, &flags, self.typing())
            }
            _ => invitation(COMMAND, COMMAND, bound, &flags, self.typing()),
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

/// Waits until a call begins: one that comes in and is answered, or one to somebody whose code the person
/// has typed, for which `dialling` are the options.
async fn wait(
    options: &CallOptions,
    dialling: &mut CallOptions,
    person: &mut Person,
    reception: &mut Option<Reception>,
    invitation: &Invitation,
) -> Outcome<Waited> {
    loop {
        let code = match answered(options, person, reception, invitation).await? {
            Next::Called(call) => return Ok(Waited::Called(call)),
            Next::Quit => return Ok(Waited::Quit),
            Next::Code(code) => code,
        };
        dialling.take_code(code);
        let own = invitation.own();
        match attempts::by_code(code, &own, dialling, person, reception).await? {
            Attempt::Begun(call) => return Ok(Waited::Calls(call)),
            Attempt::GivenUp => return Ok(Waited::Quit),
            Attempt::Unanswered(unanswered) => {
                console::line(&unanswered.failure.to_string());
                // A call that has come meanwhile has used the code up, and is not over.
                if !reception.as_ref().is_some_and(Reception::has_returned) {
                    invitation.stand();
                }
            }
        }
    }
}

/// The next thing that happens while this side waits.
enum Next {
    /// A call has come in and is answered.
    Called(Box<IncomingCall>),
    /// The person has typed the code of somebody else.
    Code(Code),
    /// The person ends the program.
    Quit,
}

/// Waits for a call that is answered, or for a code that the person types.
async fn answered(
    options: &CallOptions,
    person: &mut Person,
    reception: &mut Option<Reception>,
    invitation: &Invitation,
) -> Outcome<Next> {
    let mut ring: Option<Ring> = None;
    let can_type = invitation.may_type && person.has_keyboard();
    let mut line = CodeLine::new(can_type);
    let mut ticks = interval(REFRESH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        line.show();
        person.set_text(line.is_text());
        tokio::select! {
            arrived = or_never(reception.as_mut().map(Reception::next_arrival)) => {
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
                    Begun::Answered(call) => return Ok(Next::Called(Box::new(call))),
                    Begun::Over => invitation.stand(),
                    Begun::Rings(rings) => {
                        ring = Some(rings);
                        line.interrupt();
                    }
                }
            }
            act = person.acts() => match act {
                Act::Quit => {
                    if let Some(ring) = ring.take() {
                        ring.hang_up().await;
                    }
                    return Ok(Next::Quit);
                }
                Act::DisplayLost(failure) => return Err(failure),
                Act::Key(key) => {
                    let answer = match line.press(key) {
                        Ok(None) => continue,
                        Ok(Some(Typed::Code(text))) => {
                            match read(&text, invitation) {
                                Some(code) => return Ok(Next::Code(code)),
                                None => continue,
                            }
                        }
                        Ok(Some(Typed::Answer(None))) => {
                            line.ask_for_key();
                            ring.iter().for_each(Ring::ask);
                            continue;
                        }
                        Ok(Some(Typed::Answer(answer))) => answer,
                        Err(key) => Ring::answer_of(key),
                    };
                    match (ring.take(), answer) {
                        (Some(ring), Some(true)) => return Ok(Next::Called(Box::new(ring.answer()))),
                        (Some(ring), Some(false)) => {
                            ring.decline();
                            person.stage().close();
                            invitation.stand();
                            line.resume(can_type);
                        }
                        (before, _) => ring = before,
                    }
                }
            },
            _ = ticks.tick(), if can_type => {}
            end = or_never(ring.as_mut().map(Ring::ends)) => {
                if let Some(ring) = ring.take() {
                    ring.over(end);
                    person.stage().close();
                    invitation.stand();
                    line.resume(can_type);
                }
            }
        }
    }
}

/// The code that a person has typed while this side shows its own. The person is told of a mistake.
fn read(text: &str, invitation: &Invitation) -> Option<Code> {
    CodeLine::hide();
    let own = invitation.secret.as_ref().and_then(Secret::usable_code);
    let failure = match text.parse() {
        Ok(code) if Some(code) == own => {
            Failure::usage(format!("{code} is the code of this machine"))
                .cause("it is to be typed on the other one")
        }
        Ok(code) => {
            console::line(&format!("Code: {code}"));
            return Some(code);
        }
        Err(invalid) => secrets::no_code(text, invalid),
    };
    console::line(&failure.line());
    None
}
