//! Waits for senders to connect. While one is shown, others are turned away.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::info;

use super::connection::{Connection, Opening, SenderReader, reader_of, say_hello};
use super::options::ReceiveOptions;
use crate::failure::describe;
use crate::net::arrivals::{Arrival, Arrivals};
use crate::net::farewell::farewell;
use crate::net::listener::attend_to_all;
use crate::net::message_reader::ReadError;
use crate::net::secure::HandshakeLimits;
use crate::net::stranger_log::StrangerLog;
use crate::net::transport::Transport;
use crate::wire::{Bye, ByeCode, Control, Dialect, Head, WireError};

/// Connections that may be open at once beside the sender's: those that have not shown their
/// dialect yet, and those that are being turned away. Of those that have to prove a key or code first,
/// these are the ones that have.
const PENDING_LIMIT: usize = 64;
/// How long a connection may take for its first message.
const OPENING_LIMIT: Duration = Duration::from_secs(10);

/// What a sender is here, for a person whose program is none.
const TAKEN: &str = "vidchat send --to HOST connects as a sender; a program of your own sends each \
                     frame behind its length, as in docs/python.md";

/// Accepts the senders that connect to this receiver, one after another. It listens until it is
/// dropped.
#[derive(Debug)]
pub struct SenderListener {
    arrivals: mpsc::Receiver<Connection>,
    task: JoinHandle<()>,
}

impl SenderListener {
    /// Starts to listen. A connection counts as a sender once its first message shows that. While a
    /// sender is there, others are told that the receiver is busy.
    pub fn spawn(socket: TcpListener, options: ReceiveOptions) -> Self {
        let (arrived, arrivals) = mpsc::channel(1);
        let reception = Arc::new(Reception {
            options,
            handshakes: HandshakeLimits::default(),
            seat: Arc::new(Semaphore::new(1)),
            arrived,
            arrivals: Arc::default(),
            turned_away: Mutex::new(None),
            strangers: StrangerLog::default(),
        });
        Self {
            arrivals,
            task: tokio::spawn(listen(socket, reception)),
        }
    }

    /// Waits for the next sender. The wait may be cancelled without losing anything. Dropping the
    /// connection frees the place for another sender.
    pub async fn accept(&mut self) -> Connection {
        match self.arrivals.recv().await {
            Some(connection) => connection,
            // The task ends only when this struct is dropped.
            None => std::future::pending().await,
        }
    }
}

impl Drop for SenderListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The common state of all connections of one listening receiver.
struct Reception {
    options: ReceiveOptions,
    /// The connections that have not proved the key or code yet.
    handshakes: HandshakeLimits,
    /// Those that have, where that is needed, and have not shown what they are.
    arrivals: Arc<Arrivals>,
    /// The one place for a sender.
    seat: Arc<Semaphore>,
    arrived: mpsc::Sender<Connection>,
    /// The machine that was last told that the place is taken. It tries again every few seconds.
    turned_away: Mutex<Option<IpAddr>>,
    /// Connections that were no senders, and senders that were turned away.
    strangers: StrangerLog,
}

impl Reception {
    /// Logs a connection that is not let in.
    fn log_stranger(&self, peer: SocketAddr, reason: &str) {
        let line = format!("listener: {peer} {reason}");
        self.strangers.note(peer.ip(), reason, &line);
    }
}

async fn listen(socket: TcpListener, reception: Arc<Reception>) {
    let attend = |transport, peer| attend(transport, peer, Arc::clone(&reception));
    let (allowed, strangers) = (&reception.options.allowed, &reception.strangers);
    attend_to_all(socket, allowed, strangers, attend).await;
}

/// Lets a connection in that proves the secret, where there is one, and receives it.
async fn attend(transport: Transport, peer: SocketAddr, reception: Arc<Reception>) {
    let secret = reception.options.secret.as_ref();
    let admitted = transport
        .admitted(peer, secret, &reception.handshakes)
        .await;
    let transport = match admitted {
        Ok(transport) => transport,
        Err(e) => return reception.log_stranger(peer, &format!("is no sender: {e}")),
    };
    let arrivals = &reception.arrivals;
    let arrival = arrivals.begin_always(peer.ip().into(), PENDING_LIMIT);
    let displaced = arrival.displaced();
    tokio::select! {
        biased;
        () = receive(transport, peer, arrival, &reception) => {}
        () = displaced => {
            let reason = "is no sender: closed, as too many others have not said what they are";
            reception.log_stranger(peer, reason);
        }
    }
}

/// Hands a connection over as soon as it is known to be a sender's, or turns it away.
async fn receive(transport: Transport, peer: SocketAddr, arrival: Arrival, reception: &Reception) {
    let options = &reception.options;
    let (read, mut writer) = transport.split();
    let mut reader = reader_of(read, options);
    let opening = match timeout(OPENING_LIMIT, hear(&mut reader, options)).await {
        Ok(Ok(opening)) => opening,
        Ok(Err(NoSender::Viewer)) => {
            reception.log_stranger(peer, "is a receiver too: turned away");
            let bye = Bye::new(ByeCode::Role, "a receiver listens here, no sender");
            return farewell(bye, &mut reader.0, &mut writer).await;
        }
        Ok(Err(NoSender::Read(ReadError::Wire(e @ WireError::Encrypted)))) => {
            reception.log_stranger(peer, &format!("is no sender: {e}"));
            return farewell(Bye::open(), &mut reader.0, &mut writer).await;
        }
        Ok(Err(NoSender::Read(e))) => {
            let reason = format!("is no sender: {}; {TAKEN}", described(&e));
            return reception.log_stranger(peer, &reason);
        }
        Err(_) => {
            let limit = OPENING_LIMIT.as_secs();
            let reason = format!("is no sender: said nothing within {limit} s; {TAKEN}");
            return reception.log_stranger(peer, &reason);
        }
    };
    let Ok(seat) = Arc::clone(&reception.seat).try_acquire_owned() else {
        if reception.turned_away.lock().replace(peer.ip()) != Some(peer.ip()) {
            reception.log_stranger(peer, "is turned away, as another sender is shown");
        }
        if let Opening::Greeted(_) = opening {
            let bye = Bye::new(ByeCode::Busy, "the receiver shows another sender");
            farewell(bye, &mut reader.0, &mut writer).await;
        }
        return;
    };
    drop(arrival);
    *reception.turned_away.lock() = None;
    if let Opening::Greeted(_) = opening
        && let Err(e) = say_hello(&mut writer, options).await
    {
        return info!("listener: {peer} has left again: {}", describe(&e));
    }
    let mut connection = Connection::new(reader, writer, opening, Some(peer));
    connection.seat = Some(seat);
    // Sending fails where the receiver has ended.
    let _ = reception.arrived.send(connection).await;
}

/// Why a connection is not from a sender.
enum NoSender {
    /// It is from a viewer.
    Viewer,
    Read(ReadError),
}

impl<E: Into<ReadError>> From<E> for NoSender {
    fn from(e: E) -> Self {
        Self::Read(e.into())
    }
}

/// Reads the first message of a connection.
async fn hear(
    (reader, _): &mut SenderReader,
    options: &ReceiveOptions,
) -> Result<Opening, NoSender> {
    if options.dialect == Some(Dialect::Bare) {
        return if reader.begins().await? {
            Ok(Opening::Told(Dialect::Bare))
        } else {
            Err(ReadError::Truncated.into())
        };
    }
    let dialect = reader.dialect().await?;
    if dialect != Dialect::Native {
        return match options.dialect {
            None => Ok(Opening::Told(dialect)),
            Some(wanted) if wanted == dialect => Ok(Opening::Told(dialect)),
            Some(Dialect::Pickle) => Err(WireError::NoPickle.into()),
            Some(_) => Err(WireError::NoHello.into()),
        };
    }
    if options.dialect == Some(Dialect::Pickle) {
        return Err(WireError::NoPickle.into());
    }
    let Some(Head::Control { length }) = reader.head().await? else {
        return Err(WireError::NoHello.into());
    };
    match reader.control(length).await? {
        Control::Hello(hello) if hello.vidchat == 0 => Err(WireError::Version(0).into()),
        Control::Hello(hello) if hello.sends => Ok(Opening::Greeted(hello)),
        Control::Hello(_) => Err(NoSender::Viewer),
        _ => Err(WireError::NoHello.into()),
    }
}

fn described(e: &ReadError) -> String {
    match e {
        ReadError::Wire(WireError::Foreign(_)) => e.to_string(),
        ReadError::Wire(e) => format!("it sent {e}"),
        e => e.to_string(),
    }
}
