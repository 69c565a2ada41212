//! Watching a sender: what comes over a connection is taken apart and handed on, and what a viewer
//! has to say is said beside that.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use crate::frame::FrameHeader;
use crate::wire::{
    Ack, Caps, Control, Dialect, Head, Hello, Report, Wire, WireError, control, pickle,
};

use super::ages::milliseconds;
use super::client::{Connection, PlayError, PlayOptions, Sink};
use super::meter::{Meter, Second, now};
use super::reader::MessageReader;
use super::silence;
use super::uplink::Uplink;

/// How long a sender may take to say the first thing.
const FIRST_BYTES_LIMIT: Duration = Duration::from_secs(5);
/// How long a message may take from its first byte to its last.
const MESSAGE_LIMIT: Duration = Duration::from_secs(30);
/// How often a viewer pings. Its sender takes one that says nothing for long for dead.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// The pauses after the first pings.
const FIRST_PINGS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];
/// A sender from which nothing came for so long, though it was pinged, is dead. It is looked at
/// with each ping, so that three seconds are kept.
const SILENCE_LIMIT: Duration = Duration::from_secs(2);

/// Hands everything that comes over `connection` to `sink`, for ever: it returns only why it
/// could not go on.
pub async fn play<S: Sink>(
    connection: Connection,
    options: &PlayOptions,
    meter: &Meter,
    sink: &mut S,
) -> PlayError {
    meter.connected();
    let (read, write) = connection.stream.into_split();
    let life = Life::default();
    let talk = Talk {
        uplink: Uplink::new(write),
        native: AtomicBool::new(false),
    };
    let mut player = Player {
        reader: MessageReader::new(
            Watched {
                stream: read,
                life: &life,
            },
            options.max_frame,
        ),
        meter,
        talk: &talk,
        sink,
        last: None,
    };
    let playing = async {
        match options.wire {
            Wire::Bare => player.bare(options.bare_caps.as_ref()).await,
            Wire::Auto | Wire::Native => player.sniffed(options.wire).await,
        }
    };
    let ended = tokio::select! {
        ended = playing => ended,
        ended = talk.on(meter, &life) => ended,
    };
    match ended {
        Ok(never) => match never {},
        Err(e) => e,
    }
}

/// What never comes.
enum Never {}

/// What a viewer says beside watching.
struct Talk {
    uplink: Uplink,
    /// The sender has introduced itself, so it understands what is said.
    native: AtomicBool,
}

impl Talk {
    /// Pings, reports and asks for key frames, for ever, or until the sender is dead.
    async fn on(&self, meter: &Meter, life: &Life) -> Result<Never, PlayError> {
        while !self.native.load(Relaxed) {
            life.greeted.notified().await;
        }
        let mut reported = meter.last_second().number;
        // The first few in quick succession: the shortest of the round trips counts.
        let mut pauses = FIRST_PINGS.into_iter();
        let mut ping_at = Instant::now() + FIRST_PINGS[0];
        loop {
            tokio::select! {
                () = meter.key_wanted() => self.uplink.say(&Control::Key),
                () = sleep_until(ping_at) => {
                    let silent = life.silence() > SILENCE_LIMIT && !silence::has_paused(ping_at);
                    // An older sender, or one that a person wrote, need not answer.
                    if silent && life.answers.load(Relaxed) {
                        return Err(PlayError::Dead(SILENCE_LIMIT));
                    }
                    self.uplink.say(&Control::Ping { sent: now() });
                    ping_at = Instant::now() + pauses.next().unwrap_or(PING_INTERVAL);
                    let second = meter.last_second();
                    if second.number != reported {
                        reported = second.number;
                        self.uplink.say(&Control::Report(report(&second)));
                    }
                }
            }
        }
    }
}

/// What the sender is told of a second.
fn report(second: &Second) -> Report {
    Report {
        shown: u32::try_from(second.shown).unwrap_or(u32::MAX),
        arrived_ms: second.arrived.map(Into::into),
        age_ms: second.age.map(Into::into),
        rtt_ms: second.round_trip.map(milliseconds),
        carries_mbit_s: second.carries.map(|bits| (bits / 1e3).round() / 1e3),
    }
}

/// When something last came over the connection.
struct Life {
    began: Instant,
    /// Milliseconds from then on.
    heard: AtomicU64,
    greeted: Notify,
    /// The sender has answered a ping.
    answers: AtomicBool,
}

impl Default for Life {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            heard: AtomicU64::new(0),
            greeted: Notify::new(),
            answers: AtomicBool::new(false),
        }
    }
}

impl Life {
    fn note(&self) {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(passed, Relaxed);
    }

    fn silence(&self) -> Duration {
        let heard = Duration::from_millis(self.heard.load(Relaxed));
        self.began.elapsed().saturating_sub(heard)
    }
}

/// A stream that tells when something has come.
struct Watched<'a, R> {
    stream: R,
    life: &'a Life,
}

impl<R: AsyncRead + Unpin> AsyncRead for Watched<'_, R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = room.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, room);
        if room.filled().len() > before {
            self.life.note();
        }
        polled
    }
}

struct Player<'a, R, S> {
    reader: MessageReader<Watched<'a, R>>,
    meter: &'a Meter,
    talk: &'a Talk,
    sink: &'a mut S,
    /// The number of the last frame, for counting what was skipped.
    last: Option<u32>,
}

impl<R: AsyncRead + Unpin, S: Sink> Player<'_, R, S> {
    async fn sniffed(&mut self, wire: Wire) -> Result<Never, PlayError> {
        let dialect = match timeout(FIRST_BYTES_LIMIT, self.reader.dialect()).await {
            Ok(dialect) => dialect?,
            Err(_) => {
                return Err(match self.reader.pending() {
                    [] => PlayError::Silent(FIRST_BYTES_LIMIT),
                    first => WireError::Foreign(first.to_vec()).into(),
                });
            }
        };
        match dialect {
            Dialect::Native => self.native().await,
            _ if wire == Wire::Native => Err(WireError::NoHello.into()),
            Dialect::Pickle => self.pickles().await,
            Dialect::BareJpeg => {
                let caps = Caps::parse("image/jpeg")?;
                self.bare(Some(&caps)).await
            }
        }
    }

    async fn native(&mut self) -> Result<Never, PlayError> {
        let mut greeted = false;
        let mut has_caps = false;
        loop {
            match self.head().await? {
                Head::Frame { .. } if !has_caps => return Err(WireError::FrameBeforeCaps.into()),
                Head::Frame { header, length } => self.frame(&header, length).await?,
                Head::Control { length } => match self.control(length).await? {
                    Control::Hello(hello) if !greeted => {
                        greeted = true;
                        has_caps = self.greet(&hello)?;
                    }
                    Control::Bye { reason, done } => {
                        let reason = control::printable(&reason, 200);
                        return Err(match done {
                            true => PlayError::Done(reason),
                            false => PlayError::Bye(reason),
                        });
                    }
                    _ if !greeted => return Err(WireError::NoHello.into()),
                    Control::Caps { caps } => {
                        self.sink.caps(&Caps::parse(&caps)?)?;
                        has_caps = true;
                    }
                    Control::Pong(pong) => {
                        self.reader.stream().life.answers.store(true, Relaxed);
                        self.meter.pong(pong);
                    }
                    Control::Lost { reason } => self.sink.lost(&control::printable(&reason, 200)),
                    _ => {}
                },
            }
        }
    }

    /// Takes the sender's hello; true when it brought caps.
    fn greet(&mut self, hello: &Hello) -> Result<bool, PlayError> {
        if hello.vidchat == 0 {
            return Err(WireError::Version(hello.vidchat).into());
        }
        self.talk.native.store(true, Relaxed);
        self.reader.stream().life.greeted.notify_one();
        self.sink.hello(&control::printable(&hello.name, 64));
        if let Some(caps) = &hello.caps {
            self.sink.caps(&Caps::parse(caps)?)?;
        }
        Ok(hello.caps.is_some())
    }

    async fn bare(&mut self, caps: Option<&Caps>) -> Result<Never, PlayError> {
        let caps = caps.ok_or(WireError::FrameBeforeCaps)?;
        self.sink.hello("");
        self.sink.caps(caps)?;
        let mut header = FrameHeader {
            key: true,
            ..FrameHeader::default()
        };
        loop {
            let length = self.bare_length().await?;
            self.frame(&header, length).await?;
            header.sequence = header.sequence.wrapping_add(1);
        }
    }

    /// The tutorial's dialect: each message is a pickle, which brings its own form.
    async fn pickles(&mut self) -> Result<Never, PlayError> {
        self.sink.hello("");
        let mut message = Vec::new();
        let mut form = None;
        let mut header = FrameHeader {
            key: true,
            ..FrameHeader::default()
        };
        loop {
            let length = self.bare_length().await?;
            let began = Instant::now();
            message.resize(length, 0);
            self.body(&mut message).await?;
            let picture = pickle::decode(&message).map_err(WireError::from)?;
            if form.as_ref() != Some(picture.caps()) {
                self.sink.caps(picture.caps())?;
                form = Some(picture.caps().clone());
            }
            let mut buffer = self.sink.buffer(picture.length())?;
            picture.write(buffer.as_mut());
            self.arrived(&header, length, began);
            self.sink.frame(&header, buffer)?;
            header.sequence = header.sequence.wrapping_add(1);
        }
    }

    async fn head(&mut self) -> Result<Head, PlayError> {
        self.begun().await?;
        match timeout(MESSAGE_LIMIT, self.reader.head()).await {
            Ok(head) => head?.ok_or(PlayError::Closed),
            Err(_) => Err(PlayError::Slow(MESSAGE_LIMIT)),
        }
    }

    async fn bare_length(&mut self) -> Result<usize, PlayError> {
        self.begun().await?;
        match timeout(MESSAGE_LIMIT, self.reader.bare_length()).await {
            Ok(length) => length?.ok_or(PlayError::Closed),
            Err(_) => Err(PlayError::Slow(MESSAGE_LIMIT)),
        }
    }

    /// Waits for the next message to begin. A sender may have nothing to say for as long as it
    /// likes, but it may not stop in mid-message.
    async fn begun(&mut self) -> Result<(), PlayError> {
        match self.reader.begins().await? {
            true => Ok(()),
            false => Err(PlayError::Closed),
        }
    }

    async fn control(&mut self, length: usize) -> Result<Control, PlayError> {
        match timeout(MESSAGE_LIMIT, self.reader.control(length)).await {
            Ok(control) => Ok(control?),
            Err(_) => Err(PlayError::Slow(MESSAGE_LIMIT)),
        }
    }

    async fn frame(&mut self, header: &FrameHeader, length: usize) -> Result<(), PlayError> {
        let began = Instant::now();
        let mut buffer = self.sink.buffer(length)?;
        self.body(buffer.as_mut()).await?;
        let took = self.arrived(header, length, began);
        if header.ack {
            self.talk.uplink.say(&Control::Ack(Ack {
                sequence: header.sequence,
                took: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            }));
        }
        // That was between us and the sender.
        let header = FrameHeader {
            ack: false,
            ..*header
        };
        self.sink.frame(&header, buffer)?;
        Ok(())
    }

    async fn body(&mut self, body: &mut [u8]) -> Result<(), PlayError> {
        match timeout(MESSAGE_LIMIT, self.reader.body(body)).await {
            Ok(read) => Ok(read?),
            Err(_) => Err(PlayError::Slow(MESSAGE_LIMIT)),
        }
    }

    /// Counts a frame, and those that were skipped before it. Returns how long it took.
    fn arrived(&mut self, header: &FrameHeader, length: usize, began: Instant) -> Duration {
        let took = began.elapsed();
        self.meter.arrived(header, length, took);
        if let Some(last) = self.last {
            let skipped = u64::from(header.skipped_since(last));
            self.meter.traffic.skipped.fetch_add(skipped, Relaxed);
        }
        self.last = Some(header.sequence);
        took
    }
}
