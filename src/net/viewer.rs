//! One viewer, from its first byte to its last: a task that owns one connection.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Buf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::frame::Frame;
use crate::report::describe;
use crate::wire::message::encode_frame_head;
use crate::wire::{self, Control, Head, Hello, Wire, WireError, control};

use super::hub::{Hub, Subscription, Update};
use super::reader::{MessageReader, ReadError};
use super::server::ServerOptions;

/// More control messages than this in a second are no conversation.
const CONTROLS_A_SECOND: u32 = 500;
/// How long a viewer may take to read our last words.
const FAREWELL: Duration = Duration::from_millis(300);

/// Why a viewer is no longer one.
#[derive(Debug)]
pub(super) enum Left {
    /// It closed the connection.
    Closed,
    /// It said goodbye.
    Bye(String),
    /// The connection failed.
    Lost(io::Error),
    /// It sent what a viewer must not send.
    Refused(WireError),
    /// It sent a frame, which only senders do.
    Sends,
    /// It said nothing within the time for a hello, or no more than its beginning.
    Silent(Duration),
    /// A message of its did not end within this time.
    Slow(Duration),
    /// It took nothing for this long.
    Stalled(Duration),
    /// It sent control messages without end.
    Flood,
    /// So many watch already.
    Full(usize),
    /// The stream ended, with the reason that it was told.
    Ended(Arc<str>),
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => write!(f, "closed by the viewer"),
            Self::Bye(reason) => write!(f, "{reason}"),
            Self::Lost(e) => write!(f, "{}", describe(e)),
            Self::Refused(WireError::Foreign(first)) => {
                let first = wire::sniff::quote(first);
                write!(f, "not a viewer, its first bytes are {first}")
            }
            Self::Refused(e) => write!(f, "refused, it sent {e}"),
            Self::Sends => write!(f, "refused, it sent a frame"),
            Self::Silent(limit) => write!(f, "no hello within {} s", limit.as_secs_f32()),
            Self::Slow(limit) => write!(f, "a message took over {} s", limit.as_secs_f32()),
            Self::Stalled(limit) => write!(f, "took nothing for {} s", limit.as_secs_f32()),
            Self::Flood => write!(
                f,
                "more than {CONTROLS_A_SECOND} control messages in a second"
            ),
            Self::Full(watching) => {
                write!(f, "the sender has no seat left ({watching} watching)")
            }
            Self::Ended(reason) => write!(f, "{reason}"),
        }
    }
}

impl From<ReadError> for Left {
    fn from(e: ReadError) -> Self {
        match e {
            ReadError::Io(e) => Self::Lost(e),
            ReadError::Truncated => Self::Closed,
            ReadError::Wire(e) => Self::Refused(e),
        }
    }
}

/// Serves one connection until it ends.
pub(super) async fn attend(
    mut stream: TcpStream,
    peer: SocketAddr,
    hub: Arc<Hub>,
    options: Arc<ServerOptions>,
) {
    super::prepare(&stream);
    let (read, write) = stream.split();
    let left = match options.wire {
        Wire::Native => native(read, write, peer, &hub, &options).await,
        Wire::Bare => bare(read, write, peer, &hub, &options).await,
    };
    if let Left::Ended(_) | Left::Full(_) = left
        && options.wire == Wire::Native
    {
        farewell(&mut stream, &left).await;
    }
}

/// Tells a peer why the connection is about to be closed, and gives it a moment to read that:
/// what a closed socket had not read yet turns into a reset, which overtakes the last words.
pub(super) async fn farewell(stream: &mut TcpStream, left: &Left) {
    let bye = Control::Bye {
        reason: left.to_string(),
    };
    let _ = timeout(FAREWELL, async {
        stream.write_all(&bye.encode()).await?;
        stream.shutdown().await?;
        tokio::io::copy(stream, &mut tokio::io::sink()).await
    })
    .await;
}

async fn native(
    read: ReadHalf<'_>,
    mut write: WriteHalf<'_>,
    peer: SocketAddr,
    hub: &Arc<Hub>,
    options: &ServerOptions,
) -> Left {
    let mut reader = MessageReader::new(read, wire::CONTROL_LIMIT);
    let guest = match timeout(options.hello_limit, greet(&mut reader)).await {
        Ok(Ok(hello)) => hello,
        Ok(Err(left)) => {
            info!("viewer {peer}: left before it watched: {left}");
            return left;
        }
        Err(_) => {
            let left = match reader.pending() {
                [] => Left::Silent(options.hello_limit),
                first => Left::Refused(WireError::Foreign(first.to_vec())),
            };
            info!("viewer {peer}: left before it watched: {left}");
            return left;
        }
    };
    let Some(seat) = hub.seat(options.max_viewers) else {
        return full(peer, options.max_viewers);
    };
    let name = match control::printable(&guest.name, 64) {
        name if name.is_empty() => name,
        name => format!(" \"{name}\""),
    };
    info!("viewer {peer}{name}: joined ({} watching)", seat.watching());
    let mut show = Show {
        peer,
        subscription: hub.subscribe(),
        stall_limit: options.stall_limit,
        told: 0,
        told_at: Instant::now(),
    };
    let left = tokio::select! {
        left = listen(&mut reader, hub, options.hello_limit) => left,
        left = show.native(&mut write, &options.name) => left,
    };
    let still = seat.watching() - 1;
    drop(seat);
    info!("viewer {peer}: left: {left} ({still} watching)");
    left
}

async fn bare(
    mut read: ReadHalf<'_>,
    mut write: WriteHalf<'_>,
    peer: SocketAddr,
    hub: &Arc<Hub>,
    options: &ServerOptions,
) -> Left {
    let Some(seat) = hub.seat(options.max_viewers) else {
        return full(peer, options.max_viewers);
    };
    info!("viewer {peer}: joined ({} watching)", seat.watching());
    let mut show = Show {
        peer,
        subscription: hub.subscribe(),
        stall_limit: options.stall_limit,
        told: 0,
        told_at: Instant::now(),
    };
    let left = tokio::select! {
        left = ignore(&mut read) => left,
        left = show.bare(&mut write) => left,
    };
    let still = seat.watching() - 1;
    drop(seat);
    info!("viewer {peer}: left: {left} ({still} watching)");
    left
}

/// Says that all seats were taken between the viewer's arrival and its hello.
fn full(peer: SocketAddr, watching: usize) -> Left {
    let left = Left::Full(watching);
    info!("viewer {peer}: left before it watched: {left}");
    left
}

/// Reads the viewer's first message, which has to be a hello.
async fn greet(reader: &mut MessageReader<ReadHalf<'_>>) -> Result<Hello, Left> {
    if reader.dialect().await? != wire::Dialect::Native {
        return Err(Left::Refused(WireError::NoHello));
    }
    let Some(Head::Control { length }) = reader.head().await? else {
        return Err(Left::Refused(WireError::NoHello));
    };
    match reader.control(length).await? {
        Control::Hello(hello) if hello.vidchat >= 1 => Ok(hello),
        Control::Hello(hello) => Err(Left::Refused(WireError::Version(hello.vidchat))),
        _ => Err(Left::Refused(WireError::NoHello)),
    }
}

/// Reads what the viewer says until it leaves. `limit` bounds the time for one message.
async fn listen(reader: &mut MessageReader<ReadHalf<'_>>, hub: &Hub, limit: Duration) -> Left {
    let mut heard = 0;
    let mut since = Instant::now();
    loop {
        let length = match reader.head().await {
            Ok(Some(Head::Control { length })) => length,
            Ok(Some(Head::Frame { .. })) => return Left::Sends,
            Ok(None) => return Left::Closed,
            Err(e) => return e.into(),
        };
        match timeout(limit, reader.control(length)).await {
            Ok(Ok(Control::Key)) => hub.want_key(),
            Ok(Ok(Control::Bye { reason })) => {
                return Left::Bye(control::printable(&reason, 200));
            }
            Ok(Ok(_)) => {}
            Ok(Err(e)) => return e.into(),
            Err(_) => return Left::Slow(limit),
        }
        heard += 1;
        if since.elapsed() >= Duration::from_secs(1) {
            (heard, since) = (0, Instant::now());
        }
        if heard > CONTROLS_A_SECOND {
            return Left::Flood;
        }
    }
}

/// Drops whatever a bare viewer sends.
async fn ignore(read: &mut ReadHalf<'_>) -> Left {
    let mut scrap = [0; 1024];
    loop {
        match read.read(&mut scrap).await {
            Ok(0) => return Left::Closed,
            Ok(_) => {}
            Err(e) => return Left::Lost(e),
        }
    }
}

/// What one viewer is shown.
struct Show {
    peer: SocketAddr,
    subscription: Subscription,
    stall_limit: Duration,
    /// How many skipped frames the log has told of, and when.
    told: u64,
    told_at: Instant,
}

impl Show {
    /// Introduces us, then sends caps and frames until the stream ends or the connection does.
    async fn native(&mut self, write: &mut WriteHalf<'_>, name: &str) -> Left {
        let mut hello = Hello {
            vidchat: wire::VERSION,
            name: name.to_owned(),
            caps: None,
        };
        // Caps that are known already travel in the hello; the subscription counts them as told.
        if let Some(caps) = self.subscription.known_caps() {
            hello.caps = Some(caps.to_string());
        }
        let mut control = Some(Control::Hello(hello));
        loop {
            let sent = match control.take() {
                Some(control) => self.send(write, &control.encode()[..]).await,
                None => match self.subscription.next().await {
                    Update::Caps(caps) => {
                        control = Some(Control::Caps {
                            caps: caps.to_string(),
                        });
                        continue;
                    }
                    Update::Frame(frame) => self.send_frame(write, frame, native_head).await,
                    Update::End(reason) => return Left::Ended(reason),
                },
            };
            if let Err(left) = sent {
                return left;
            }
        }
    }

    /// Sends each frame with nothing but its length.
    async fn bare(&mut self, write: &mut WriteHalf<'_>) -> Left {
        loop {
            match self.subscription.next().await {
                Update::Caps(_) => {}
                Update::Frame(frame) => {
                    if let Err(left) = self.send_frame(write, frame, bare_head).await {
                        return left;
                    }
                }
                Update::End(reason) => return Left::Ended(reason),
            }
        }
    }

    /// Sends one frame. Until the socket takes its first byte, a newer frame takes its place.
    async fn send_frame<const N: usize>(
        &mut self,
        write: &mut WriteHalf<'_>,
        mut frame: Frame,
        head: impl Fn(&Frame) -> [u8; N],
    ) -> Result<(), Left> {
        let started = loop {
            let bytes = head(&frame);
            let message = [IoSlice::new(&bytes), IoSlice::new(&frame.data)];
            match write.try_write_vectored(&message) {
                Ok(count) => break count,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(Left::Lost(e)),
            }
            match timeout(self.stall_limit, write.writable()).await {
                Ok(Ok(())) => frame = self.subscription.refresh(frame),
                Ok(Err(e)) => return Err(Left::Lost(e)),
                Err(_) => return Err(Left::Stalled(self.stall_limit)),
            }
        };
        let bytes = head(&frame);
        if started < bytes.len() + frame.data.len() {
            let mut rest = Buf::chain(&bytes[..], frame.data);
            rest.advance(started);
            self.send(write, rest).await?;
        }
        self.report_skips();
        Ok(())
    }

    /// Sends all of `bytes`, within the time that a viewer may take for a message.
    async fn send(&mut self, write: &mut WriteHalf<'_>, mut bytes: impl Buf) -> Result<(), Left> {
        match timeout(self.stall_limit, write.write_all_buf(&mut bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(Left::Lost(e)),
            Err(_) => Err(Left::Stalled(self.stall_limit)),
        }
    }

    /// Says once a second, at the most, that this viewer does not keep up.
    fn report_skips(&mut self) {
        let missed = self.subscription.skipped() - self.told;
        if missed == 0 || self.told_at.elapsed() < Duration::from_secs(1) {
            return;
        }
        let seconds = self.told_at.elapsed().as_secs().max(1);
        let since = if seconds > 2 {
            "since it last kept up"
        } else {
            "in the last second"
        };
        warn!(
            "viewer {}: too slow, skipped {missed} frames {since}",
            self.peer
        );
        self.told += missed;
        self.told_at = Instant::now();
    }
}

fn native_head(frame: &Frame) -> [u8; wire::message::HEAD_BYTES] {
    encode_frame_head(&frame.header, frame.data.len())
}

fn bare_head(frame: &Frame) -> [u8; wire::PREFIX_BYTES] {
    (frame.data.len() as u64).to_le_bytes()
}
