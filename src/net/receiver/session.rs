//! Watching a sender: what comes over a connection is taken apart and handed on, and what a viewer
//! has to say is said beside that.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::time::{Instant, timeout};

use crate::frame::FrameHeader;
use crate::wire::text::printable;
use crate::wire::{Ack, Caps, Control, Dialect, Head, Hello, WireError, pickle};

use super::control_writer::ControlWriter;
use super::keepalive::{ActivityReader, Keepalive, PeerActivity};
use super::stats::StreamStats;
use crate::net::message_reader::MessageReader;
use crate::net::receiver::{Connection, ReceiveError, ReceiveOptions, Sink};

/// How long a sender may take to say the first thing.
const FIRST_BYTES_LIMIT: Duration = Duration::from_secs(5);
/// How long pickles may come before a hello that has to come. They are what a sender sends that has
/// not heard ours yet, and all that was on the way by then comes first, through whatever there is.
const HELLO_LIMIT: Duration = Duration::from_secs(10);
/// How long a message may take from its first byte to its last.
const MESSAGE_LIMIT: Duration = Duration::from_secs(30);

/// Hands everything that comes over `connection` to `sink`, for ever: it returns only why it
/// could not go on.
pub async fn play<S: Sink>(
    connection: Connection,
    options: &ReceiveOptions,
    meter: &StreamStats,
    sink: &mut S,
) -> ReceiveError {
    meter.connected();
    let (read, write) = connection.stream.into_split();
    let life = PeerActivity::default();
    let talk = Keepalive {
        uplink: ControlWriter::new(write),
        native: AtomicBool::new(false),
    };
    let mut player = Session {
        reader: MessageReader::new(
            ActivityReader {
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
        match options.dialect {
            Some(Dialect::Bare) => player.bare(options.bare_caps.as_ref()).await,
            wanted => player.sniffed(wanted).await,
        }
    };
    tokio::select! {
        ended = playing => match ended {
            Ok(never) => match never {},
            Err(e) => e,
        },
        dead = talk.on(meter, &life) => dead,
    }
}

/// What never comes.
enum Infallible {}

struct Session<'a, R, S> {
    reader: MessageReader<ActivityReader<'a, R>>,
    meter: &'a StreamStats,
    talk: &'a Keepalive,
    sink: &'a mut S,
    /// The number of the last frame, for counting what was skipped.
    last: Option<u32>,
}

impl<R: AsyncRead + Unpin, S: Sink> Session<'_, R, S> {
    async fn sniffed(&mut self, wanted: Option<Dialect>) -> Result<Infallible, ReceiveError> {
        let dialect = match timeout(FIRST_BYTES_LIMIT, self.reader.dialect()).await {
            Ok(dialect) => dialect?,
            Err(_) => {
                return Err(match self.reader.pending() {
                    [] => ReceiveError::Silent(FIRST_BYTES_LIMIT),
                    first => WireError::Foreign(first.to_vec()).into(),
                });
            }
        };
        match dialect {
            Dialect::Native if wanted != Some(Dialect::Pickle) => self.native().await,
            Dialect::Pickle => {
                if wanted == Some(Dialect::Native) {
                    self.late_hello().await?;
                } else {
                    self.pickles().await?;
                }
                self.native().await
            }
            Dialect::Native => Err(WireError::NoPickle.into()),
            Dialect::Bare if wanted == Some(Dialect::Pickle) => Err(WireError::NoPickle.into()),
            Dialect::Bare if wanted.is_some() => Err(WireError::NoHello.into()),
            Dialect::Bare => {
                let caps = Caps::parse("image/jpeg")?;
                self.bare(Some(&caps)).await
            }
        }
    }

    async fn native(&mut self) -> Result<Infallible, ReceiveError> {
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
                        let reason = printable(&reason, 200);
                        return Err(match done {
                            true => ReceiveError::Done(reason),
                            false => ReceiveError::Bye(reason),
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
                    Control::Lost { reason } => self.sink.lost(&printable(&reason, 200)),
                    _ => {}
                },
            }
        }
    }

    /// Takes the sender's hello; true when it brought caps.
    fn greet(&mut self, hello: &Hello) -> Result<bool, ReceiveError> {
        if hello.vidchat == 0 {
            return Err(WireError::Version(hello.vidchat).into());
        }
        self.talk.native.store(true, Relaxed);
        self.reader.stream().life.greeted.notify_one();
        self.sink.hello(&printable(&hello.name, 64));
        if let Some(caps) = &hello.caps {
            self.sink.caps(&Caps::parse(caps)?)?;
        }
        Ok(hello.caps.is_some())
    }

    async fn bare(&mut self, caps: Option<&Caps>) -> Result<Infallible, ReceiveError> {
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

    /// Waits for a sender that has not heard our hello yet, and leaves what it sends until then
    /// unread.
    async fn late_hello(&mut self) -> Result<(), ReceiveError> {
        let waiting = async {
            while !self.turns_native().await? {
                let length = self.bare_length().await?;
                self.reader.skip(length).await?;
            }
            Ok(())
        };
        match timeout(HELLO_LIMIT, waiting).await {
            Ok(waited) => waited,
            Err(_) => Err(WireError::NoHello.into()),
        }
    }

    /// Whether the next message is none of the tutorial's dialect: the sender has heard our hello,
    /// late, and goes on in our own protocol.
    async fn turns_native(&mut self) -> Result<bool, ReceiveError> {
        self.begun().await?;
        match timeout(MESSAGE_LIMIT, self.reader.is_control()).await {
            Ok(is_control) => Ok(is_control?),
            Err(_) => Err(ReceiveError::Slow(MESSAGE_LIMIT)),
        }
    }

    /// The tutorial's dialect, as long as it is spoken: each message is a pickle, which brings its
    /// own form.
    async fn pickles(&mut self) -> Result<(), ReceiveError> {
        self.sink.hello("");
        let mut message = Vec::new();
        let mut form = None;
        let mut header = FrameHeader {
            key: true,
            ..FrameHeader::default()
        };
        loop {
            if self.turns_native().await? {
                // These were numbered here, and had no times; what follows has the sender's own.
                self.meter.connected();
                self.last = None;
                return Ok(());
            }
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

    async fn head(&mut self) -> Result<Head, ReceiveError> {
        self.begun().await?;
        match timeout(MESSAGE_LIMIT, self.reader.head()).await {
            Ok(head) => head?.ok_or(ReceiveError::Closed),
            Err(_) => Err(ReceiveError::Slow(MESSAGE_LIMIT)),
        }
    }

    async fn bare_length(&mut self) -> Result<usize, ReceiveError> {
        self.begun().await?;
        match timeout(MESSAGE_LIMIT, self.reader.bare_length()).await {
            Ok(length) => length?.ok_or(ReceiveError::Closed),
            Err(_) => Err(ReceiveError::Slow(MESSAGE_LIMIT)),
        }
    }

    /// Waits for the next message to begin. A sender may have nothing to say for as long as it
    /// likes, but it may not stop in mid-message.
    async fn begun(&mut self) -> Result<(), ReceiveError> {
        match self.reader.begins().await? {
            true => Ok(()),
            false => Err(ReceiveError::Closed),
        }
    }

    async fn control(&mut self, length: usize) -> Result<Control, ReceiveError> {
        match timeout(MESSAGE_LIMIT, self.reader.control(length)).await {
            Ok(control) => Ok(control?),
            Err(_) => Err(ReceiveError::Slow(MESSAGE_LIMIT)),
        }
    }

    async fn frame(&mut self, header: &FrameHeader, length: usize) -> Result<(), ReceiveError> {
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

    async fn body(&mut self, body: &mut [u8]) -> Result<(), ReceiveError> {
        match timeout(MESSAGE_LIMIT, self.reader.body(body)).await {
            Ok(read) => Ok(read?),
            Err(_) => Err(ReceiveError::Slow(MESSAGE_LIMIT)),
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
