//! Watches a sender: reads the messages of a connection and passes on the frames and their news.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tracing::info;

use super::connection::{Connection, Opening};
use super::error::ReceiveError;
use super::keepalive::{ActivityReader, Keepalive};
use super::options::ReceiveOptions;
use super::sink::Sink;
use super::stats::StreamStats;
use crate::frame::FrameHeader;
use crate::net::message_reader::{MessageReader, ReadError};
use crate::net::reach::QUIET;
use crate::net::transport::TransportReader;
use crate::wire::control::NAME_LIMIT;
use crate::wire::length::Length;
use crate::wire::text::printable_name;
use crate::wire::{Ack, Caps, Control, Dialect, Head, Hello, WireError, pickle};

/// How long a sender may take for its first bytes.
const FIRST_BYTES_LIMIT: Duration = Duration::from_secs(5);
/// How long pickles may come before a hello that is required. A sender that has not read our hello
/// yet sends them, and those that are on their way by then come first.
const HELLO_LIMIT: Duration = Duration::from_secs(10);
/// How long a message may take from its first byte to its last.
const MESSAGE_LIMIT: Duration = Duration::from_secs(30);

/// Passes everything that comes over `connection` to `sink`, for ever. Returns only the error that
/// ended it.
pub async fn play<S: Sink>(
    connection: Connection,
    options: &ReceiveOptions,
    stats: &StreamStats,
    sink: &mut S,
) -> ReceiveError {
    stats.connected();
    let Connection {
        reader,
        writer,
        activity,
        opening,
        awaited,
        seat: _seat,
        ..
    } = connection;
    let keepalive = Keepalive {
        writer,
        activity,
        native: AtomicBool::new(false),
    };
    let mut session = Session {
        reader,
        stats,
        keepalive: &keepalive,
        sink,
        options,
        awaited,
        last: None,
    };
    tokio::select! {
        ended = session.run(opening) => match ended {
            Ok(never) => match never {},
            Err(e) => e,
        },
        dead = keepalive.run(stats) => dead,
    }
}

struct Session<'a, S> {
    reader: MessageReader<ActivityReader<TransportReader>>,
    stats: &'a StreamStats,
    keepalive: &'a Keepalive,
    sink: &'a mut S,
    options: &'a ReceiveOptions,
    /// The target, where a person waits for the first bytes.
    awaited: Option<String>,
    /// The number of the last frame, for counting skipped frames.
    last: Option<u32>,
}

impl<S: Sink> Session<'_, S> {
    /// Passes the connection to the handler of its dialect.
    async fn run(&mut self, opening: Opening) -> Result<Infallible, ReceiveError> {
        let wanted = self.options.dialect;
        let dialect = match opening {
            Opening::Greeted(hello) => return self.native(Some(hello)).await,
            _ if wanted == Some(Dialect::Bare) => {
                self.reader.expect_lengths(self.options.bare_length);
                return self.bare(self.options.bare_caps.as_ref()).await;
            }
            Opening::Told(dialect) => dialect,
            Opening::Unheard => self.sniff().await?,
        };
        match dialect {
            Dialect::Native if wanted != Some(Dialect::Pickle) => self.native(None).await,
            Dialect::Pickle => {
                if wanted == Some(Dialect::Native) {
                    self.late_hello().await?;
                } else {
                    self.pickles().await?;
                }
                self.native(None).await
            }
            Dialect::Bare if wanted.is_none() => {
                let caps = Caps::parse("image/jpeg")?;
                self.bare(Some(&caps)).await
            }
            _ if wanted == Some(Dialect::Pickle) => Err(WireError::NoPickle.into()),
            _ => Err(WireError::NoHello.into()),
        }
    }

    /// Detects the dialect from the first bytes.
    async fn sniff(&mut self) -> Result<Dialect, ReceiveError> {
        let heard = {
            let mut hearing = pin!(self.reader.dialect());
            match (timeout(QUIET, &mut hearing).await, self.awaited.take()) {
                (Err(_), awaited) => {
                    if let Some(target) = awaited {
                        info!("connected to {target}: waiting for its first words");
                    }
                    timeout(FIRST_BYTES_LIMIT - QUIET, hearing).await
                }
                (heard, _) => heard,
            }
        };
        match heard {
            Ok(Err(ReadError::Truncated)) => Err(ReceiveError::Unheard),
            Ok(dialect) => Ok(dialect?),
            Err(_) => Err(match self.reader.pending() {
                [] => ReceiveError::NoFirstBytes(FIRST_BYTES_LIMIT),
                first => WireError::foreign(first).into(),
            }),
        }
    }

    /// Plays vidchat's own protocol. `hello` is the sender's, where it was read already.
    async fn native(&mut self, hello: Option<Hello>) -> Result<Infallible, ReceiveError> {
        let mut greeted = hello.is_some();
        let mut has_caps = match hello {
            Some(hello) => self.greet(&hello)?,
            None => false,
        };
        loop {
            match self.head().await? {
                Head::Frame { .. } if !has_caps => return Err(WireError::FrameBeforeCaps.into()),
                Head::Frame { header, length } => self.frame(&header, length).await?,
                Head::Control { length } => match self.control(length).await? {
                    Control::Hello(hello) if !greeted => {
                        greeted = true;
                        has_caps = self.greet(&hello)?;
                    }
                    Control::Bye(bye) => return Err(ReceiveError::Bye(bye.printable())),
                    _ if !greeted => return Err(WireError::NoHello.into()),
                    Control::Caps { caps } => {
                        self.sink.caps(&Caps::decodable(&caps)?)?;
                        has_caps = true;
                    }
                    Control::Pong(pong) => {
                        self.keepalive.activity.answers.store(true, Relaxed);
                        self.stats.pong(pong);
                    }
                    Control::Lost(loss) => self.sink.lost(&loss.printable()),
                    Control::Participants(participants) => {
                        self.sink.participants(participants.printable());
                    }
                    _ => {}
                },
            }
        }
    }

    /// Handles the sender's hello. Returns whether it brought caps.
    fn greet(&mut self, hello: &Hello) -> Result<bool, ReceiveError> {
        if hello.vidchat == 0 {
            return Err(WireError::Version(hello.vidchat).into());
        }
        self.keepalive.native.store(true, Relaxed);
        self.keepalive.activity.greeted.notify_one();
        self.sink.hello(&printable_name(&hello.name, NAME_LIMIT));
        if let Some(caps) = &hello.caps {
            self.sink.caps(&Caps::decodable(caps)?)?;
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
        let mut message = Vec::new();
        loop {
            let length = self.bare_length().await?;
            let began = Instant::now();
            if length.other.is_none() {
                self.frame(&header, size(length)).await?;
            } else {
                // Only its own bytes tell how long it is.
                self.rest_of(length, Dialect::Bare, &mut message).await?;
                let mut buffer = self.sink.buffer(message.len())?;
                buffer.as_mut().copy_from_slice(&message);
                self.arrived(&header, message.len(), began);
                self.sink.frame(&header, buffer)?;
            }
            header.sequence = header.sequence.wrapping_add(1);
        }
    }

    /// Waits for a sender that has not read our hello yet, and skips the pickles that it sends
    /// until then.
    async fn late_hello(&mut self) -> Result<(), ReceiveError> {
        // Our own sender writes no lengths but those of the protocol.
        if !self.reader.has_own_lengths() {
            return Err(WireError::NoHello.into());
        }
        let waiting = async {
            while !self.turns_native().await? {
                let length = self.bare_length().await?;
                self.reader.skip(size(length)).await?;
            }
            Ok(())
        };
        match timeout(HELLO_LIMIT, waiting).await {
            Ok(waited) => waited,
            Err(_) => Err(WireError::NoHello.into()),
        }
    }

    /// Whether the next message is a control message: the sender has read our hello, late, and goes
    /// on in our own protocol.
    async fn turns_native(&mut self) -> Result<bool, ReceiveError> {
        self.begun().await?;
        match timeout(MESSAGE_LIMIT, self.reader.is_control()).await {
            Ok(is_control) => Ok(is_control?),
            Err(_) => Err(ReceiveError::Slow(MESSAGE_LIMIT)),
        }
    }

    /// Plays the tutorial's dialect until the sender leaves it. Each message is a pickle, which
    /// brings its own caps.
    async fn pickles(&mut self) -> Result<(), ReceiveError> {
        self.sink.hello("");
        let mut message = Vec::new();
        let mut caps = None;
        let mut header = FrameHeader {
            key: true,
            ..FrameHeader::default()
        };
        loop {
            if self.turns_native().await? {
                // The pickled frames were numbered here and had no times. The following frames have
                // the sender's own.
                self.stats.connected();
                self.last = None;
                return Ok(());
            }
            let length = self.bare_length().await?;
            let began = Instant::now();
            self.rest_of(length, Dialect::Pickle, &mut message).await?;
            let frame = pickle::decode(&message).map_err(WireError::from)?;
            if caps.as_ref() != Some(frame.caps()) {
                self.sink.caps(frame.caps())?;
                caps = Some(frame.caps().clone());
            }
            let mut buffer = self.sink.buffer(frame.length())?;
            frame.write(buffer.as_mut());
            self.arrived(&header, message.len(), began);
            self.sink.frame(&header, buffer)?;
            header.sequence = header.sequence.wrapping_add(1);
            // A pickle may take long to read, and the socket may always have the next one. The
            // frame is to be shown and Ctrl-C to be heard in between.
            tokio::task::yield_now().await;
        }
    }

    async fn head(&mut self) -> Result<Head, ReceiveError> {
        self.begun().await?;
        match timeout(MESSAGE_LIMIT, self.reader.head()).await {
            Ok(head) => head?.ok_or(ReceiveError::Closed),
            Err(_) => Err(ReceiveError::Slow(MESSAGE_LIMIT)),
        }
    }

    async fn bare_length(&mut self) -> Result<Length, ReceiveError> {
        self.begun().await?;
        match timeout(MESSAGE_LIMIT, self.reader.bare_length()).await {
            Ok(length) => length?.ok_or(ReceiveError::Closed),
            Err(_) => Err(ReceiveError::Slow(MESSAGE_LIMIT)),
        }
    }

    /// Waits for the next message to begin. A sender may be silent between two messages for any
    /// time, but not inside one.
    async fn begun(&mut self) -> Result<(), ReceiveError> {
        if self.reader.begins().await? {
            Ok(())
        } else {
            Err(ReceiveError::Closed)
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
            self.keepalive.writer.say(&Control::Ack(Ack {
                sequence: header.sequence,
                took: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            }));
        }
        // The flag was between us and the sender.
        let header = FrameHeader {
            ack: false,
            ..*header
        };
        self.sink.frame(&header, buffer)?;
        Ok(())
    }

    /// Reads the message that follows `length` into `message`.
    async fn rest_of(
        &mut self,
        length: Length,
        dialect: Dialect,
        message: &mut Vec<u8>,
    ) -> Result<(), ReceiveError> {
        message.clear();
        match timeout(MESSAGE_LIMIT, self.reader.rest_of(length, dialect, message)).await {
            Ok(read) => Ok(read?),
            Err(_) => Err(ReceiveError::Slow(MESSAGE_LIMIT)),
        }
    }

    async fn body(&mut self, body: &mut [u8]) -> Result<(), ReceiveError> {
        match timeout(MESSAGE_LIMIT, self.reader.body(body)).await {
            Ok(read) => Ok(read?),
            Err(_) => Err(ReceiveError::Slow(MESSAGE_LIMIT)),
        }
    }

    /// Counts a frame, and the frames that were skipped before it. Returns how long the frame took.
    fn arrived(&mut self, header: &FrameHeader, length: usize, began: Instant) -> Duration {
        let took = began.elapsed();
        self.stats.arrived(header, length, took);
        if let Some(last) = self.last {
            let skipped = u64::from(header.skipped_since(last));
            self.stats.traffic.skipped.fetch_add(skipped, Relaxed);
        }
        self.last = Some(header.sequence);
        took
    }
}

/// The length of a message whose format is known, which was checked against the limit. One beyond
/// the address space never ends.
fn size(length: Length) -> usize {
    usize::try_from(length.bytes).unwrap_or(usize::MAX)
}
