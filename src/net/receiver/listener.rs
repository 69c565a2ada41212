//! Waits for senders to connect. While one is shown, others are turned away.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{debug, info};

use super::connection::{Connection, Opening, SenderReader, reader_of, say_hello};
use super::options::ReceiveOptions;
use crate::failure::describe;
use crate::net::arrivals::Arrival;
use crate::net::farewell::farewell;
use crate::net::listener::attend_to_arrivals;
use crate::net::log_throttle::{LogLimit, LogThrottleBy};
use crate::net::message_reader::ReadError;
use crate::net::secure::HandshakeLimits;
use crate::net::transport::Transport;
use crate::wire::{Bye, ByeCode, Control, Dialect, Head, WireError};

/// Connections that may be open at once beside the sender's: those that have not shown their
/// dialect yet, and those that are being turned away.
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
            turned_away: Mutex::new(None),
            strangers: Mutex::default(),
            lines: Mutex::default(),
            busy: Mutex::default(),
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
    /// The one place for a sender.
    seat: Arc<Semaphore>,
    arrived: mpsc::Sender<Connection>,
    /// The machine that was last told that the place is taken. It tries again every few seconds.
    turned_away: Mutex<Option<IpAddr>>,
    /// Connections that were no senders, by address and reason.
    strangers: Mutex<LogThrottleBy<(IpAddr, String)>>,
    /// All their lines together, as their reasons can be made up.
    lines: Mutex<LogLimit>,
    /// Lines on senders that were turned away.
    busy: Mutex<LogLimit>,
}

impl Reception {
    /// Logs a connection that is not from a sender. One that repeats is logged less and less often.
    fn log_stranger(&self, peer: SocketAddr, reason: String) {
        let noted = (peer.ip(), reason.clone());
        let now = Instant::now();
        let times = self.strangers.lock().note(noted, now);
        match times.and_then(|times| Some((times, self.lines.lock().note(now)?))) {
            Some((times, more)) => info!("listener: {peer} {reason}{times}{more}"),
            None => debug!("listener: {peer} {reason}"),
        }
    }
}

async fn listen(socket: TcpListener, reception: Arc<Reception>) {
    let attend =
        |transport, peer, arrival| receive(transport, peer, arrival, Arc::clone(&reception));
    let allowed = &reception.options.allowed;
    attend_to_arrivals(socket, allowed, PENDING_LIMIT, attend, |open| {
        format!("{open} others have not said what they are")
    })
    .await;
}

/// Hands a connection over as soon as it is known to be a sender's, or turns it away.
async fn receive(
    transport: Transport,
    peer: SocketAddr,
    arrival: Arrival,
    reception: Arc<Reception>,
) {
    let options = &reception.options;
    let admitted = tokio::select! {
        // A connection from another network takes the place of one that is silent.
        () = arrival.displaced() => return,
        admitted = transport.admitted(peer, options.secret.as_ref(), &reception.handshakes) => admitted,
    };
    let transport = match admitted {
        Ok(transport) => transport,
        Err(e) => return reception.log_stranger(peer, format!("is no sender: {e}")),
    };
    let (read, mut writer) = transport.split();
    let mut reader = reader_of(read, options);
    let heard = tokio::select! {
        // A connection from another network takes the place of one that is silent.
        () = arrival.displaced() => return,
        heard = timeout(OPENING_LIMIT, hear(&mut reader, options)) => heard,
    };
    let opening = match heard {
        Ok(Ok(opening)) => opening,
        Ok(Err(NoSender::Viewer)) => {
            reception.log_stranger(peer, "is a receiver too: turned away".into());
            let bye = Bye::new(ByeCode::Role, "a receiver listens here, no sender");
            return farewell(bye, &mut reader.0, &mut writer).await;
        }
        Ok(Err(NoSender::Read(ReadError::Wire(e @ WireError::Encrypted)))) => {
            return reception.log_stranger(peer, format!("is no sender: {e}"));
        }
        Ok(Err(NoSender::Read(e))) => {
            let reason = format!("is no sender: {}; {TAKEN}", described(&e));
            return reception.log_stranger(peer, reason);
        }
        Err(_) => {
            let limit = OPENING_LIMIT.as_secs();
            let reason = format!("is no sender: said nothing within {limit} s; {TAKEN}");
            return reception.log_stranger(peer, reason);
        }
    };
    let Ok(seat) = Arc::clone(&reception.seat).try_acquire_owned() else {
        if reception.turned_away.lock().replace(peer.ip()) != Some(peer.ip())
            && let Some(more) = reception.busy.lock().note(Instant::now())
        {
            info!("listener: {peer} is turned away, as another sender is shown{more}");
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
