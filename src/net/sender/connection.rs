//! One viewer, from its first byte to its last: a task that owns one connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;
use tracing::info;

use crate::wire::text::printable;
use crate::wire::{self, Control, Dialect, Head, Hello, MAX_LATENCY, WireError};

use super::disconnect::DisconnectReason;
use super::frame_writer::FrameWriter;
use super::late_hello::{LateOutcome, tutorial};
use super::viewer_link::ViewerLink;
use super::viewers::Entry;
use crate::net::hub::{Hub, Seat};
use crate::net::idle_timeout;
use crate::net::message_reader::MessageReader;
use crate::net::sender::{ServerOptions, Service};

/// More control messages than this in a second are no conversation.
const CONTROLS_A_SECOND: u32 = 500;
/// A viewer that says nothing for this long is a program of the tutorial: ours speaks at once.
const TUTORIAL_SILENCE: Duration = Duration::from_millis(200);
/// A viewer that pings once a second and was silent for so long is gone.
const SILENCE_LIMIT: Duration = Duration::from_secs(3);
/// However new a viewer wants its pictures: a frame and a half at 30 a second, below which every
/// late one would be left out, and all that need it with it.
const LEAST_PATIENCE: Duration = Duration::from_millis(50);
/// How long a viewer may take to read our last words.
const FAREWELL: Duration = Duration::from_millis(300);

/// Serves one connection until it ends.
pub(super) async fn attend(mut stream: TcpStream, peer: SocketAddr, service: Arc<Service>) {
    let (hub, options) = (&service.hub, &service.options);
    crate::net::prepare(&stream);
    let (read, mut write) = stream.split();
    let mut reader = MessageReader::new(read, wire::CONTROL_LIMIT);
    let spoken = match (options.dialect, &options.tutorial) {
        (Some(Dialect::Bare), _) => Spoken::Bare,
        (Some(Dialect::Pickle), Some(bgr)) => Spoken::Pickles(bgr),
        // Without pictures for the tutorial's programs there is no need to guess.
        (None, Some(bgr)) if !bgr.has_ended() && is_silent(&mut reader).await => {
            Spoken::Pickles(bgr)
        }
        _ => Spoken::Native,
    };
    let mut is_native = matches!(spoken, Spoken::Native);
    let left = match spoken {
        Spoken::Native => match welcome(&mut reader, peer, hub, options).await {
            Ok(guest) => Ok(converse(guest, &mut reader, &mut write, hub, options).await),
            Err(left) => Err(left),
        },
        Spoken::Bare => bare(&mut reader, &mut write, peer, hub, options).await,
        Spoken::Pickles(bgr) => {
            match tutorial(&mut reader, &mut write, peer, (hub, bgr), options).await {
                Ok(LateOutcome::Admitted(guest)) => {
                    is_native = true;
                    Ok(converse(guest, &mut reader, &mut write, hub, options).await)
                }
                Ok(LateOutcome::DisconnectReason(left)) => Ok(left),
                Err(left) => Err(left),
            }
        }
    };
    let left = match left {
        Ok(left) => left,
        Err(left) => {
            info!("viewer {peer}: left before it watched: {left}");
            left
        }
    };
    if is_native && matches!(left, DisconnectReason::Ended(_) | DisconnectReason::Full(_)) {
        let done = matches!(left, DisconnectReason::Ended(_)) && hub.is_done();
        farewell(&mut stream, &left, done).await;
    }
}

/// What is spoken with one viewer.
enum Spoken<'a> {
    Native,
    Bare,
    /// The tutorial's dialect, with where its pictures come from.
    Pickles(&'a Arc<Hub>),
}

/// Whether a viewer leaves the first word to us.
async fn is_silent(reader: &mut MessageReader<ReadHalf<'_>>) -> bool {
    timeout(TUTORIAL_SILENCE, reader.begins()).await.is_err()
}

/// Tells a peer why the connection is about to be closed, and gives it a moment to read that:
/// what a closed socket had not read yet turns into a reset, which overtakes the last words.
pub(super) async fn farewell(stream: &mut TcpStream, left: &DisconnectReason, done: bool) {
    let bye = Control::Bye {
        reason: left.to_string(),
        done,
    };
    let _ = timeout(FAREWELL, async {
        stream.write_all(&bye.encode()).await?;
        stream.shutdown().await?;
        tokio::io::copy(stream, &mut tokio::io::sink()).await
    })
    .await;
}

/// Lets a viewer in that says hello. An error is one that never watched; so below.
async fn welcome(
    reader: &mut MessageReader<ReadHalf<'_>>,
    peer: SocketAddr,
    hub: &Arc<Hub>,
    options: &ServerOptions,
) -> Result<Admitted, DisconnectReason> {
    let hello = match timeout(options.hello_limit, greet(reader)).await {
        Ok(greeted) => greeted?,
        Err(_) => {
            return Err(match reader.pending() {
                [] => DisconnectReason::Silent(options.hello_limit),
                first => DisconnectReason::Refused(WireError::Foreign(first.to_vec())),
            });
        }
    };
    let (called, who) = named(&hello);
    let link = ViewerLink::new(peer, called, hello.acks);
    Ok(Admitted {
        visit: ViewerSession::begin(link, &who, hub, options)?,
        hello,
        life: SILENCE_LIMIT,
    })
}

/// Serves a viewer that speaks our own protocol, and has said hello.
async fn converse(
    guest: Admitted,
    reader: &mut MessageReader<ReadHalf<'_>>,
    write: &mut WriteHalf<'_>,
    hub: &Arc<Hub>,
    options: &ServerOptions,
) -> DisconnectReason {
    let Admitted { hello, visit, life } = guest;
    let mut subscription = hub.subscribe();
    let wished = hello.max_latency.map(u64::from).map(Duration::from_millis);
    let patience = wished.unwrap_or(MAX_LATENCY).min(options.max_latency);
    subscription.set_patience(patience.max(LEAST_PATIENCE));
    let mut show = FrameWriter::new(&visit.link, subscription, options.stall_limit);
    let life = hello.acks.then_some(life);
    let left = tokio::select! {
        // What it says first is a ping, whose answer is to come before any frame.
        biased;
        left = listen(reader, hub, &visit.link, options.hello_limit, life) => left,
        left = show.native(write, &options.name) => left,
    };
    visit.end(left)
}

async fn bare(
    reader: &mut MessageReader<ReadHalf<'_>>,
    write: &mut WriteHalf<'_>,
    peer: SocketAddr,
    hub: &Arc<Hub>,
    options: &ServerOptions,
) -> Result<DisconnectReason, DisconnectReason> {
    let link = ViewerLink::new(peer, String::new(), false);
    let visit = ViewerSession::begin(link, "", hub, options)?;
    let mut show = FrameWriter::new(&visit.link, hub.subscribe(), options.stall_limit);
    let left = tokio::select! {
        left = ignore(reader.stream()) => left,
        left = show.bare(write) => left,
    };
    Ok(visit.end(left))
}

/// A viewer that has said hello, and watches.
pub(super) struct Admitted {
    hello: Hello,
    visit: ViewerSession,
    /// How long it may be silent, where it promised not to be, before its first acknowledgement.
    life: Duration,
}

/// A viewer that watches.
pub(super) struct ViewerSession {
    pub link: Arc<ViewerLink>,
    seat: Seat,
    /// Its place on the roster.
    entry: Entry,
}

impl ViewerSession {
    /// Lets a viewer in, if there is a seat for it. `who` is what the log adds to its address.
    pub fn begin(
        link: ViewerLink,
        who: &str,
        hub: &Arc<Hub>,
        options: &ServerOptions,
    ) -> Result<Self, DisconnectReason> {
        let limit = options.max_viewers;
        let seat = hub.seat(limit).ok_or(DisconnectReason::Full(limit))?;
        let watching = seat.watching();
        info!("viewer {}{who}: joined ({watching} watching)", link.peer);
        let link = Arc::new(link);
        let entry = hub.roster().enter(Arc::clone(&link));
        Ok(Self { link, seat, entry })
    }

    /// The viewer says hello late: it keeps its seat, as what it has turned out to be.
    pub fn greeted(self, hello: Hello, hub: &Arc<Hub>, options: &ServerOptions) -> Admitted {
        let (called, who) = named(&hello);
        info!(
            "viewer {}{who}: says hello late, goes on as a viewer of vidchat's own",
            self.link.peer
        );
        let Self { link, seat, entry } = self;
        drop(entry);
        let link = Arc::new(link.turned_out(called, hello.acks));
        let entry = hub.roster().enter(Arc::clone(&link));
        Admitted {
            hello,
            visit: Self { link, seat, entry },
            // It hears our hello, after which it pings, behind all that it was sent before.
            life: options.stall_limit.max(SILENCE_LIMIT),
        }
    }

    /// The viewer has left, for this reason.
    pub fn end(self, left: DisconnectReason) -> DisconnectReason {
        let still = self.seat.watching() - 1;
        drop(self.seat);
        info!("viewer {}: left: {left} ({still} watching)", self.link.peer);
        left
    }
}

/// What a viewer calls itself, and what the log adds to its address.
fn named(hello: &Hello) -> (String, String) {
    let called = printable(&hello.name, 64);
    let who = match called.as_str() {
        "" => String::new(),
        called => format!(" \"{called}\""),
    };
    (called, who)
}

/// Reads the viewer's first message, which has to be a hello.
pub(super) async fn greet(
    reader: &mut MessageReader<ReadHalf<'_>>,
) -> Result<Hello, DisconnectReason> {
    if reader.dialect().await? != Dialect::Native {
        return Err(DisconnectReason::Refused(WireError::NoHello));
    }
    let Some(Head::Control { length }) = reader.head().await? else {
        return Err(DisconnectReason::Refused(WireError::NoHello));
    };
    match reader.control(length).await? {
        Control::Hello(hello) if hello.vidchat >= 1 => Ok(hello),
        Control::Hello(hello) => Err(DisconnectReason::Refused(WireError::Version(hello.vidchat))),
        _ => Err(DisconnectReason::Refused(WireError::NoHello)),
    }
}

/// Reads what the viewer says until it leaves. `limit` bounds the time for one message, `life`
/// that between two, where the viewer has promised to say something now and then, until it has
/// acknowledged its first frame.
async fn listen(
    reader: &mut MessageReader<ReadHalf<'_>>,
    hub: &Hub,
    link: &ViewerLink,
    limit: Duration,
    mut life: Option<Duration>,
) -> DisconnectReason {
    let mut heard = 0;
    let mut since = Instant::now();
    loop {
        let head = match life {
            Some(life) => match idle_timeout::within(life, reader.head()).await {
                Some(head) => head,
                None => return DisconnectReason::Gone(life),
            },
            None => reader.head().await,
        };
        let length = match head {
            Ok(Some(Head::Control { length })) => length,
            Ok(Some(Head::Frame { .. })) => return DisconnectReason::Sends,
            Ok(None) => return DisconnectReason::Closed,
            Err(e) => return e.into(),
        };
        match timeout(limit, reader.control(length)).await {
            Ok(Ok(Control::Ack(ack))) => {
                link.acked(ack);
                life = life.and(Some(SILENCE_LIMIT));
            }
            Ok(Ok(Control::Ping { sent })) => link.pinged(sent),
            Ok(Ok(Control::Report(report))) => link.reported(report),
            Ok(Ok(Control::Key)) => hub.want_key(),
            Ok(Ok(Control::Bye { reason, .. })) => {
                return DisconnectReason::Bye(printable(&reason, 200));
            }
            Ok(Ok(_)) => {}
            Ok(Err(e)) => return e.into(),
            Err(_) => return DisconnectReason::Slow(limit),
        }
        heard += 1;
        if since.elapsed() >= Duration::from_secs(1) {
            (heard, since) = (0, Instant::now());
        }
        if heard > CONTROLS_A_SECOND {
            return DisconnectReason::Flood(CONTROLS_A_SECOND);
        }
    }
}

/// Drops whatever a viewer sends that has nothing to say.
pub(super) async fn ignore(read: &mut ReadHalf<'_>) -> DisconnectReason {
    let mut scrap = [0; 1024];
    loop {
        match read.read(&mut scrap).await {
            Ok(0) => return DisconnectReason::Closed,
            Ok(_) => {}
            Err(e) => return DisconnectReason::Lost(e),
        }
    }
}
