//! A call while it goes on: the parties, oneself, the keys, and the end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::options::CallOptions;
use super::own_side::OwnSide;
use super::party::{Party, PartyEnd, PartyOptions, handed};
use super::person::{Act, NATURAL, Person};
use super::ring::{self, Begun, Ring};
use crate::commands::or_never::or_never;
use crate::commands::recv::connector::Connector;
use crate::commands::recv::session::SessionEnd;
use crate::console;
use crate::failure::Outcome;
use crate::media::display::canvas::Layout;
use crate::media::display::stage::Stage;
use crate::net::call::dial::Answered;
use crate::net::call::{Arrived, IncomingCall, Reception};
use crate::net::receiver::ReceiveOptions;
use crate::net::secure::Secret;
use crate::net::sender::dial;
use crate::net::{BitRate, Connection, Hub, Peer};
use crate::wire::control::PARTICIPANTS_LIMIT;
use crate::wire::{Bye, ByeCode, CallTicket, Participant, Participants, Token};

/// How long the other side of a call may be away before the call is over. It comes back without
/// being asked again.
const GIVE_UP: Duration = Duration::from_secs(60);
/// The same for a party of a room.
const GIVE_UP_IN_ROOM: Duration = Duration::from_secs(30);
/// How long the parts of a call may take to end.
const CLOSING: Duration = Duration::from_secs(3);
/// How long it is measured what the host of a room sends.
const MEASURED: Duration = Duration::from_secs(4);
/// The first size of the window of a room.
const NATURAL_OF_ROOM: (u32, u32) = (1280, 960);

/// A call that goes on.
pub struct Conversation<'o> {
    options: &'o CallOptions,
    stage: Stage,
    own: OwnSide,
    role: Role,
    /// The others, in the order in which they came.
    parties: Vec<(Token, Party)>,
    tasks: JoinSet<PartyEnd>,
    tell_participants: UnboundedSender<Participants>,
    participants: UnboundedReceiver<Participants>,
    /// Somebody who wants to come into the room.
    ring: Option<Ring>,
    /// When it is said what this host sends, after somebody has come or left.
    upstream: Option<Upstream>,
    /// The connection over which a caller sends.
    outgoing: Option<Outgoing>,
}

/// The connections over which a caller sends, one after another.
struct Outgoing {
    task: JoinHandle<()>,
    /// Completes when the first of them is made, or cannot be made.
    first: oneshot::Receiver<()>,
}

/// The stream of the host of a room upwards, measured for a while.
struct Upstream {
    began: Instant,
    /// The bytes that each connection had been sent by then.
    before: HashMap<u64, u64>,
}

/// This side's part in a call.
enum Role {
    /// It was called.
    Called,
    /// It is the host of a room.
    Host,
    /// It has called.
    Caller(Box<Line>),
}

/// Where a caller connects.
struct Line {
    peer: Peer,
    ticket: CallTicket,
    /// The party that was called.
    host: Token,
}

/// The end of a call that nothing went wrong in.
enum Ending {
    /// The person here has ended it.
    Here,
    /// The other side has ended it.
    There(String),
}

impl<'o> Conversation<'o> {
    /// Answers a call.
    ///
    /// # Errors
    /// The source or the display that the person asked for is not there.
    pub async fn answer(
        call: IncomingCall,
        options: &'o CallOptions,
        person: &Person,
    ) -> Outcome<Self> {
        let (role, decoded) = (Role::Called, call.decodes());
        let mut this = Self::new(options, person, role, Layout::Leading, None, decoded)?;
        this.admit(call).await;
        Ok(this)
    }

    /// Goes on with a call that `peer` has answered.
    ///
    /// # Errors
    /// As [`Conversation::answer`].
    pub fn called(
        answered: Answered,
        peer: &Peer,
        ticket: CallTicket,
        options: &'o CallOptions,
        person: &Person,
    ) -> Outcome<Self> {
        let Answered {
            connection,
            ticket: theirs,
            name,
            decodes,
        } = answered;
        let peer = &match connection.peer() {
            Some(address) => peer.settled_at(address),
            None => peer.clone(),
        };
        let line = Line {
            peer: peer.clone(),
            ticket: ticket.clone(),
            host: theirs.party,
        };
        let role = Role::Caller(Box::new(line));
        let layout = if theirs.room {
            Layout::Grid
        } else {
            Layout::Leading
        };
        let own = Some(ticket.clone());
        let mut this = Self::new(options, person, role, layout, own, &decodes)?;
        let name = if name.is_empty() {
            peer.target().to_string()
        } else {
            name
        };
        let play = options.receiving(ticket);
        let connector = Connector::dial(peer.clone(), &play);
        let host = PartyOptions {
            participants: Some(this.tell_participants.clone()),
            ..this.party_options(theirs.party, &name, play)
        };
        let party = this.spawn(host, Some(connection), connector);
        this.enter(theirs.party, party);
        let (peer, service) = (peer.clone(), Arc::clone(this.own.service()));
        let (made, first) = oneshot::channel();
        let task = tokio::spawn(async move {
            let connection = dial::dial(&peer, &service).await;
            // Nobody waits for it where the call goes on.
            let _ = made.send(());
            // The service's end is that of this task.
            dial::serve(&peer, connection, service, std::future::pending()).await;
        });
        this.outgoing = Some(Outgoing { task, first });
        Ok(this)
    }

    /// Opens a room, in which nobody is yet but its host.
    ///
    /// # Errors
    /// As [`Conversation::answer`].
    pub fn room(options: &'o CallOptions, person: &Person) -> Outcome<Self> {
        let (role, decoded) = (Role::Host, &options.decodes);
        Self::new(options, person, role, Layout::Grid, None, decoded)
    }

    fn new(
        options: &'o CallOptions,
        person: &Person,
        role: Role,
        layout: Layout,
        ticket: Option<CallTicket>,
        decoded: &[String],
    ) -> Outcome<Self> {
        let stage = person.stage().clone();
        stage.canvas().arrange(layout);
        let natural = match layout {
            Layout::Leading => NATURAL,
            Layout::Grid => NATURAL_OF_ROOM,
        };
        match options.shown.name.as_str() {
            "window" => stage.open_window(natural)?,
            "terminal" => stage.open_terminal()?,
            _ => {}
        }
        let own = OwnSide::open(options, &stage, ticket, decoded)?;
        own.seat().set_name(&options.name);
        let (tell_participants, participants) = mpsc::unbounded_channel();
        Ok(Self {
            options,
            stage,
            own,
            role,
            parties: Vec::new(),
            tasks: JoinSet::new(),
            tell_participants,
            participants,
            ring: None,
            upstream: None,
            outgoing: None,
        })
    }

    /// Talks until one of both sides ends it.
    ///
    /// # Errors
    /// The other side was lost, or this one failed.
    pub async fn run(mut self, person: &mut Person, reception: &mut Option<Reception>) -> Outcome {
        let ending = self.talk(person, reception).await;
        let bye = match &ending {
            Ok(_) => Bye::new(ByeCode::Over, "the call was ended"),
            Err(failure) => Bye::new(ByeCode::Failed, failure.summary()),
        };
        let bye = Bye { done: true, ..bye };
        if let Some(ring) = self.ring.take() {
            ring.decline();
        }
        // A caller says goodbye over the connection over which it sends. That may not be there yet.
        let outgoing = self.outgoing.take();
        let told = async {
            if let Some(Outgoing { task, mut first }) = outgoing
                && matches!(first.try_recv(), Err(TryRecvError::Empty))
            {
                let _ = task.await;
            }
        };
        // The others are told first.
        let close = timeout(CLOSING, self.own.close(bye));
        self.parties.clear();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        let (_, _, _) = tokio::join!(close, timeout(CLOSING, told), timeout(CLOSING, ended));
        if let Ok(Ending::There(name)) = &ending {
            console::line(&format!("{name} has ended the call."));
        }
        ending.map(drop)
    }

    async fn talk(
        &mut self,
        person: &mut Person,
        reception: &mut Option<Reception>,
    ) -> Outcome<Ending> {
        let secret = self.options.secret.as_ref();
        loop {
            self.show_code();
            tokio::select! {
                act = person.acts() => match act {
                    Act::Quit => return Ok(Ending::Here),
                    Act::DisplayLost(failure) => return Err(failure),
                    Act::Key(typed) => self.press(typed).await,
                },
                arrived = or_never(reception.as_mut().map(Reception::next_arrival)) => match arrived {
                    Arrived::Call(call) => self.comes_in(*call, person).await?,
                    Arrived::WrongCode(peer) => {
                        let text = format!("a wrong code was typed at {peer}");
                        self.stage.canvas().notify(&text);
                    }
                    Arrived::Wasted => {}
                },
                () = or_never(secret.map(Secret::renewed)) => {
                    if let Some(code) = secret.and_then(Secret::usable_code) {
                        let text = format!("three wrong codes were tried, so it is {code} now");
                        self.stage.canvas().notify(&text);
                    }
                }
                end = or_never(self.ring.as_mut().map(Ring::ends)) => {
                    if let Some(ring) = self.ring.take() {
                        ring.over(end);
                    }
                }
                Some(Ok((party, ended))) = self.tasks.join_next() => {
                    if let Some(ending) = self.ended(party, ended) {
                        return ending;
                    }
                }
                () = or_never(self.upstream.as_ref().map(Upstream::is_measured)) => {
                    if let Some(upstream) = self.upstream.take() {
                        self.say_upstream(&upstream);
                    }
                }
                failed = self.own.failed() => {
                    return failed.map(|_| Ending::Here);
                }
                Some(Participants { participants }) = self.participants.recv() => {
                    self.follow(&participants);
                }
            }
        }
    }

    /// Shows a host who is alone the code of the room, as what was printed may be behind the picture.
    fn show_code(&self) {
        if !matches!(self.role, Role::Host) || self.ring.is_some() {
            return;
        }
        let secret = self.options.secret.as_ref();
        let code = secret.filter(|_| self.parties.is_empty());
        let code = code.and_then(Secret::usable_code);
        let text = code.map(|code| format!("the code of this room: {code}"));
        self.stage.canvas().set_banner(text.as_deref());
    }

    async fn press(&mut self, typed: char) {
        match (self.ring.take(), Ring::answer_of(typed)) {
            (Some(ring), Some(true)) => return self.admit(ring.answer()).await,
            (Some(ring), Some(false)) => return ring.decline(),
            (before, _) => self.ring = before,
        }
        match typed {
            's' => self.own.turn_self_view(),
            'm' => self.own.turn_mirror(),
            'c' => self.own.turn_camera(),
            // In a window, the stage has handled them.
            'p' | '?' | 'h' => self.stage.press(typed),
            _ => {}
        }
    }

    /// Somebody calls while this call goes on.
    async fn comes_in(&mut self, call: IncomingCall, person: &Person) -> Outcome {
        if !matches!(self.role, Role::Host) || self.ring.is_some() {
            let caller = ring::busy(call);
            self.stage.canvas().notify(&format!("{caller} is calling"));
            return Ok(());
        }
        if self.parties.len() >= PARTICIPANTS_LIMIT {
            let all = PARTICIPANTS_LIMIT + 1;
            let bye = Bye::new(ByeCode::Full, format!("the room is full: {all} are there"));
            ring::turn_away(call, bye);
            return Ok(());
        }
        if self.is_here(call.ticket().party) {
            ring::turn_away(call, Bye::new(ByeCode::Busy, "you are there already"));
            return Ok(());
        }
        match ring::begin(call, self.options, person)? {
            Begun::Answered(call) => self.admit(call).await,
            Begun::Over => {}
            Begun::Rings(ring) => self.ring = Some(ring),
        }
        Ok(())
    }

    /// Lets the caller in.
    async fn admit(&mut self, call: IncomingCall) {
        let ticket = call.ticket().clone();
        let name = match call.name() {
            name if name.is_empty() => call.peer().ip().to_string(),
            name => name,
        };
        let (accepted, more) = call.answer().await;
        let forward = matches!(self.role, Role::Host).then(Hub::new);
        if let Some(forward) = &forward {
            let directory = self.own.service().directory();
            directory.insert(ticket.party.to_string(), Arc::clone(forward));
        }
        let (hand, connector) = handed();
        let play = self.options.receiving(self.options.ticket(ticket.id));
        let caller = PartyOptions {
            forward,
            ..self.party_options(ticket.party, &name, play.clone())
        };
        let mut party = self.spawn(caller, None, connector);
        party.attend(accepted, more, hand, play, self.own.service());
        self.enter(ticket.party, party);
    }

    fn party_options(&self, party: Token, name: &str, play: ReceiveOptions) -> PartyOptions {
        PartyOptions {
            party,
            name: name.to_owned(),
            play,
            give_up: match self.role {
                Role::Host => GIVE_UP_IN_ROOM,
                _ => GIVE_UP,
            },
            leads: self.parties.is_empty(),
            participants: None,
            forward: None,
        }
    }

    fn spawn(
        &mut self,
        party: PartyOptions,
        connection: Option<Connection>,
        connector: Connector,
    ) -> Party {
        let (options, stage) = (self.options, &self.stage);
        Party::spawn(
            party,
            options,
            stage,
            connection,
            connector,
            &mut self.tasks,
        )
    }

    fn is_here(&self, party: Token) -> bool {
        self.parties.iter().any(|(token, _)| *token == party)
    }

    /// A party is on the canvas from now on.
    fn enter(&mut self, token: Token, party: Party) {
        info!("call: {} is here", party.name);
        if self.stage.canvas().layout() == Layout::Leading {
            self.stage
                .set_title(&format!("vidchat call with {}", party.name));
        } else {
            self.stage.set_title("vidchat call: a room");
        }
        self.parties.push((token, party));
        // Oneself comes last.
        self.own.seat().stay_last();
        self.tell();
    }

    /// A party's stream has ended. Returns the end of the call, where it is that.
    fn ended(&mut self, token: Token, ended: Result<(), SessionEnd>) -> Option<Outcome<Ending>> {
        // One that has left before is told of by its task only now.
        let party = self.leave(token)?;
        let is_other = match &self.role {
            Role::Called => true,
            Role::Host => false,
            Role::Caller(line) => line.host == token,
        };
        let left = match ended {
            Ok(()) => None,
            Err(end) => match end.bye.as_ref().and_then(|bye| bye.code.as_ref()) {
                Some(ByeCode::Over) => None,
                _ => Some(end.failure),
            },
        };
        match (is_other, left) {
            (true, None) => Some(Ok(Ending::There(party.name.clone()))),
            (true, Some(failure)) => Some(Err(failure)),
            (false, None) => {
                info!("call: {} has left", party.name);
                None
            }
            (false, Some(failure)) => {
                warn!("call: {} is gone: {}", party.name, failure.summary());
                None
            }
        }
    }

    /// Takes a party off the canvas.
    fn leave(&mut self, token: Token) -> Option<Party> {
        let place = self.parties.iter().position(|(other, _)| *other == token)?;
        let (_, party) = self.parties.remove(place);
        let directory = self.own.service().directory();
        directory.remove(&token.to_string());
        self.tell();
        Some(party)
    }

    /// Tells everybody in one's room who is there.
    fn tell(&mut self) {
        if !matches!(self.role, Role::Host) {
            return;
        }
        let parties = self.parties.iter();
        let named = parties.map(|(token, party)| Participant {
            party: *token,
            name: party.name.clone(),
        });
        self.own.hub().set_participants(Participants {
            participants: named.collect(),
        });
        self.upstream = (self.parties.len() > 1).then(|| Upstream {
            began: Instant::now(),
            before: self.sent(),
        });
    }

    /// The bytes that each connection over which others watch here was sent.
    fn sent(&self) -> HashMap<u64, u64> {
        let viewers = self.own.service().viewers().list().into_iter();
        viewers
            .map(|link| (link.id, link.progress().bytes))
            .collect()
    }

    /// Says what the host sends: a stream of each party to each other one.
    fn say_upstream(&self, upstream: &Upstream) {
        let others = self.parties.len();
        let sent = self.sent().into_iter();
        let sent = sent.map(|(id, bytes)| {
            let before = upstream.before.get(&id).copied().unwrap_or_default();
            bytes.saturating_sub(before)
        });
        let seconds = upstream.began.elapsed().as_secs_f64();
        let rate = BitRate::from_bytes(sent.sum::<u64>() as f64 / seconds);
        info!(
            "call: {} are in the room, so this machine sends {} streams, {:.1} Mbit/s in all",
            others + 1,
            others * others,
            rate.kbit() / 1e3
        );
    }

    /// Follows who is in the room whose host was called.
    fn follow(&mut self, participants: &[Participant]) {
        let Role::Caller(line) = &self.role else {
            return;
        };
        let (peer, host) = (line.peer.clone(), line.host);
        let ticket = line.ticket.clone();
        let is_there = |token: &Token| participants.iter().any(|p| p.party == *token);
        let parties = self.parties.iter().map(|(token, _)| *token);
        let gone: Vec<Token> = parties.filter(|t| *t != host && !is_there(t)).collect();
        for token in gone {
            if let Some(party) = self.leave(token) {
                info!("call: {} has left", party.name);
            }
        }
        for Participant { party, name } in participants {
            let is_known = *party == self.options.party || *party == host;
            if is_known || self.is_here(*party) {
                continue;
            }
            let play = ReceiveOptions {
                stream: Some(party.to_string()),
                ..self.options.receiving(ticket.clone())
            };
            let connector = Connector::dial(peer.clone(), &play);
            let spawned = self.spawn(self.party_options(*party, name, play), None, connector);
            self.enter(*party, spawned);
        }
    }
}

impl Upstream {
    /// Completes when it has been measured for long enough.
    async fn is_measured(&self) {
        sleep_until(self.began + MEASURED).await;
    }
}
