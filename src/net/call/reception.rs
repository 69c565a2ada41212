//! Listens for calls, and for the further connections of calls that go on.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::debug;

use super::accepted::Accepted;
use super::incoming::IncomingCall;
use super::lines::Lines;
use crate::net::arrivals::{Arrival, Arrivals};
use crate::net::farewell::farewell;
use crate::net::listener::attend_to_all;
use crate::net::message_reader::{MessageReader, ReadError};
use crate::net::receiver::ReceiveOptions;
use crate::net::receiver::connection::say_hello;
use crate::net::secure::handshake::AcceptError;
use crate::net::secure::{HandshakeLimits, Refused};
use crate::net::stranger_log::StrangerLog;
use crate::net::transport::{Transport, TransportReader, TransportWriter};
use crate::wire::{self, Bye, ByeCode, CallTicket, Control, Dialect, Head, Hello, WireError};

/// Connections that may be open at once beside those of the calls that go on, and have not said what they
/// are. Of those that have to prove a key or code first, these are the ones that have.
const PENDING_LIMIT: usize = 32;
/// Calls that may wait for an answer at once.
const CALLERS_LIMIT: usize = 32;
/// How long a connection may take for its hello.
const HELLO_LIMIT: Duration = Duration::from_secs(10);

/// The end of a handshake with somebody who has a key or code, or tries one.
#[derive(Debug)]
pub enum Arrived {
    /// Somebody calls.
    Call(Box<IncomingCall>),
    /// A connection has proved the key or code, and has ended without a call.
    Wasted,
    /// Somebody at this address has tried a wrong code.
    WrongCode(IpAddr),
}

/// Listens for calls until it is dropped.
#[derive(Debug)]
pub struct Reception {
    arrivals: mpsc::UnboundedReceiver<Arrived>,
    /// Calls that were received and come again, the first one first.
    returned: VecDeque<Arrived>,
    task: JoinHandle<()>,
}

impl Reception {
    /// Starts to listen. `options` are those of this side as a receiver, with its ticket: the id in
    /// it is replaced by the caller's.
    pub fn spawn(socket: TcpListener, options: ReceiveOptions) -> Self {
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let desk = Arc::new(Desk {
            options,
            arrived,
            lines: Arc::default(),
            handshakes: HandshakeLimits::default(),
            arrivals: Arc::default(),
            callers: Arc::default(),
            strangers: StrangerLog::default(),
        });
        Self {
            arrivals,
            returned: VecDeque::new(),
            task: tokio::spawn(listen(socket, desk)),
        }
    }

    /// Waits for the next call. The wait may be cancelled without losing anything.
    pub async fn next(&mut self) -> IncomingCall {
        loop {
            if let Arrived::Call(call) = self.next_arrival().await {
                return *call;
            }
        }
    }

    /// Takes back a call that was not decided on, which comes again as the next one.
    pub fn give_back(&mut self, call: IncomingCall) {
        self.returned.push_back(Arrived::Call(Box::new(call)));
    }

    /// Whether a call was given back.
    pub fn has_returned(&self) -> bool {
        !self.returned.is_empty()
    }

    /// As [`Reception::next`], and for those who get near to a call.
    pub async fn next_arrival(&mut self) -> Arrived {
        if let Some(arrived) = self.returned.pop_front() {
            return arrived;
        }
        match self.arrivals.recv().await {
            Some(arrived) => arrived,
            // The task ends only when this struct is dropped.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Reception {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The common state of all connections.
struct Desk {
    options: ReceiveOptions,
    /// Takes what comes out of [`Reception::next_arrival`].
    arrived: mpsc::UnboundedSender<Arrived>,
    lines: Arc<Lines>,
    /// The connections that have not proved the key or code yet.
    handshakes: HandshakeLimits,
    /// Those that have, where that is needed, and have not said hello.
    arrivals: Arc<Arrivals>,
    /// The calls that wait for an answer. Those that have not said hello take no place of theirs.
    callers: Arc<Arrivals>,
    strangers: StrangerLog,
}

/// Where a connection of a call goes.
enum Place {
    /// To the call that goes on.
    Line(mpsc::UnboundedSender<Accepted>),
    /// To those who wait for an answer.
    Caller(Arrival),
}

async fn listen(socket: TcpListener, desk: Arc<Desk>) {
    let attend = |transport, peer| attend(transport, peer, Arc::clone(&desk));
    attend_to_all(socket, &desk.options.allowed, &desk.strangers, attend).await;
}

/// Reads the hello of one connection and passes the connection on, or turns it away.
async fn attend(transport: Transport, peer: SocketAddr, desk: Arc<Desk>) {
    let secret = desk.options.secret.as_ref();
    let admitted = transport.admitted(peer, secret, &desk.handshakes).await;
    let (read, writer) = match admitted {
        Ok(transport) => transport.split(),
        // A stranger is told nothing.
        Err(e) => {
            if let Refused::Handshake(AcceptError::WrongCode(_)) = e {
                let _ = desk.arrived.send(Arrived::WrongCode(peer.ip()));
            }
            return desk.log_stranger(peer, &e.to_string());
        }
    };
    let arrival = desk.arrivals.begin_always(peer.ip().into(), PENDING_LIMIT);
    let is_of_call = tokio::select! {
        biased;
        is_of_call = converse(read, writer, peer, &desk) => is_of_call,
        () = arrival.displaced() => {
            desk.log_stranger(peer, "closed, as too many others have not said hello");
            false
        }
    };
    if !is_of_call && secret.is_some() {
        let _ = desk.arrived.send(Arrived::Wasted);
    }
}

/// Reads the hello of a connection that was admitted. Returns whether it belongs to a call.
async fn converse(
    read: TransportReader,
    mut writer: TransportWriter,
    peer: SocketAddr,
    desk: &Desk,
) -> bool {
    let mut reader = MessageReader::new(read, wire::CONTROL_LIMIT);
    let reason = match timeout(HELLO_LIMIT, hear(&mut reader)).await {
        Ok(Ok(hello)) => return desk.receive(hello, reader, writer, peer).await,
        Ok(Err(e @ ReadError::Wire(WireError::Encrypted))) => {
            farewell(Bye::open(), &mut reader, &mut writer).await;
            e.to_string()
        }
        Ok(Err(e)) => e.to_string(),
        Err(_) => format!("no hello within {} s", HELLO_LIMIT.as_secs()),
    };
    desk.log_stranger(peer, &reason);
    false
}

impl Desk {
    /// Logs a connection that is no call.
    fn log_stranger(&self, peer: SocketAddr, reason: &str) {
        let line = format!("listener: {peer} does not call: {reason}");
        self.strangers.note(peer.ip(), reason, &line);
    }

    /// Passes the connection on, or turns it away. Returns whether it belongs to a call.
    async fn receive(
        &self,
        hello: Hello,
        mut reader: MessageReader<TransportReader>,
        mut writer: TransportWriter,
        peer: SocketAddr,
    ) -> bool {
        let Some(ticket) = hello.call.clone() else {
            let bye = Bye::new(
                ByeCode::Call,
                "a vidchat call waits here, no sender or receiver",
            );
            farewell(bye, &mut reader, &mut writer).await;
            return false;
        };
        let begins = !hello.sends && hello.stream.is_none();
        let place = match self.lines.find(ticket.id) {
            Some(line) => Ok(Place::Line(line)),
            None if begins => self
                .callers
                .begin(peer.ip().into(), CALLERS_LIMIT)
                .map(Place::Caller)
                .ok_or_else(|| Bye::new(ByeCode::Busy, "too many others call at once")),
            None => Err(Bye {
                done: true,
                ..Bye::new(ByeCode::NoCall, "that call does not go on any more")
            }),
        };
        let place = match place {
            Ok(place) => place,
            Err(bye) => {
                farewell(bye, &mut reader, &mut writer).await;
                return false;
            }
        };
        if let Err(e) = self.greet(&mut writer, &hello, &ticket).await {
            debug!("listener: {peer} has left again: {e}");
            return false;
        }
        let mut connection = Accepted {
            reader,
            writer,
            peer,
            hello,
        };
        match place {
            Place::Line(line) => {
                // It is answered at once, as the call was.
                if connection.sends() || connection.say(&Control::Answer).await.is_ok() {
                    let _ = line.send(connection);
                }
            }
            Place::Caller(arrival) => {
                let _ = self.arrived.send(Arrived::Call(Box::new(IncomingCall {
                    connection,
                    ticket,
                    arrival,
                    lines: Arc::clone(&self.lines),
                })));
            }
        }
        true
    }

    /// Answers a hello.
    async fn greet(
        &self,
        writer: &mut TransportWriter,
        hello: &Hello,
        ticket: &CallTicket,
    ) -> io::Result<()> {
        let own = self.options.call.as_ref();
        let mut options = self.options.clone();
        options.call = own.map(|own| CallTicket {
            id: ticket.id,
            ..own.clone()
        });
        if hello.sends {
            return say_hello(writer, &options).await;
        }
        let hello = Control::Hello(Hello {
            vidchat: wire::VERSION,
            name: options.name,
            call: options.call,
            decodes: options.decodes,
            ..Hello::default()
        });
        writer.write_all(&mut &hello.encode()[..]).await
    }
}

/// Reads the first message of a connection, which has to be a hello.
async fn hear(reader: &mut MessageReader<TransportReader>) -> Result<Hello, ReadError> {
    if reader.dialect().await? != Dialect::Native {
        return Err(WireError::NoHello.into());
    }
    let Some(Head::Control { length }) = reader.head().await? else {
        return Err(WireError::NoHello.into());
    };
    match reader.control(length).await? {
        Control::Hello(hello) if hello.vidchat == 0 => Err(WireError::Version(0).into()),
        Control::Hello(hello) => Ok(hello),
        _ => Err(WireError::NoHello.into()),
    }
}
