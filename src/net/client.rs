//! Watching a sender: connect, find out what it speaks, and take its messages apart.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::frame::FrameHeader;
use crate::report::{Failure, describe};
use crate::wire::{self, Caps, Control, Dialect, Head, Hello, Wire, WireError, control, pickle};

pub use super::address::Target;
use super::reader::{MessageReader, ReadError};

/// How long to wait for one address of a host.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long a sender may take to say the first thing.
const FIRST_BYTES_LIMIT: Duration = Duration::from_secs(5);
/// How long a message may take from its first byte to its last.
const MESSAGE_LIMIT: Duration = Duration::from_secs(30);

/// What takes the frames. Everything here is called in the order of the stream.
pub trait Sink {
    /// Memory for one picture.
    type Buffer: AsMut<[u8]>;

    /// The sender has introduced itself, by a name that is fit to be shown.
    fn hello(&mut self, name: &str);

    /// The form of the frames from here on.
    fn caps(&mut self, caps: &Caps) -> Result<(), Failure>;

    /// Room for a picture of `length` bytes. Called after caps; a length that these caps do not
    /// allow is to be refused here, before anything is allocated.
    fn buffer(&mut self, length: usize) -> Result<Self::Buffer, Failure>;

    /// A picture, whole, in memory that [`Sink::buffer`] gave.
    fn frame(&mut self, header: &FrameHeader, buffer: Self::Buffer) -> Result<(), Failure>;
}

/// How to watch.
#[derive(Clone, Debug)]
pub struct PlayOptions {
    /// What the sender speaks.
    pub wire: Wire,
    /// The form of bare frames, which nothing on the wire tells.
    pub bare_caps: Option<Caps>,
    /// The longest frame message, in bytes.
    pub max_frame: u64,
    /// This machine's name, as the sender is told it.
    pub name: String,
}

impl Default for PlayOptions {
    fn default() -> Self {
        Self {
            wire: Wire::Auto,
            bare_caps: None,
            max_frame: wire::FRAME_LIMIT,
            name: String::new(),
        }
    }
}

/// What has come in so far.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Pictures received.
    pub frames: AtomicU64,
    /// Bytes of pictures received.
    pub bytes: AtomicU64,
    /// Pictures that the sender made and that were skipped on the way.
    pub skipped: AtomicU64,
}

/// Why watching ended.
#[derive(Debug)]
pub enum PlayError {
    /// The connection could not be made or failed.
    Io(io::Error),
    /// The sender closed the connection without a word, in mid-message or between two.
    Closed,
    /// The sender said goodbye, with its reason.
    Bye(String),
    /// The peer said nothing for this long.
    Silent(Duration),
    /// A message did not end within this time.
    Slow(Duration),
    /// The peer sent what it must not.
    Wire(WireError),
    /// The frames could not be shown.
    Sink(Failure),
}

impl fmt::Display for PlayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(e) => write!(f, "{}", describe(e)),
            Self::Closed => write!(f, "the sender closed the connection"),
            Self::Bye(reason) => write!(f, "{reason}"),
            Self::Silent(limit) => write!(f, "it said nothing for {} s", limit.as_secs()),
            Self::Slow(limit) => write!(f, "a message took over {} s", limit.as_secs()),
            Self::Wire(e) => write!(f, "{e}"),
            Self::Sink(failure) => write!(f, "{}", failure.summary()),
        }
    }
}

impl std::error::Error for PlayError {}

impl From<ReadError> for PlayError {
    fn from(e: ReadError) -> Self {
        match e {
            ReadError::Io(e) => Self::Io(e),
            ReadError::Truncated => Self::Closed,
            ReadError::Wire(e) => Self::Wire(e),
        }
    }
}

impl From<io::Error> for PlayError {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl From<WireError> for PlayError {
    fn from(e: WireError) -> Self {
        Self::Wire(e)
    }
}

impl From<Failure> for PlayError {
    fn from(failure: Failure) -> Self {
        Self::Sink(failure)
    }
}

/// A sender that knows what it is spoken to in.
///
/// It is made before anything is ready to show pictures: a viewer that is silent for 200 ms is
/// taken for a program of the tutorial.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
}

/// Connects to the first address of `target` that answers, and says hello.
pub async fn connect(target: &Target, options: &PlayOptions) -> io::Result<Connection> {
    introduce(reach(target).await?, options).await
}

/// Says hello, unless bare frames are to be had, before which nothing is said.
pub async fn introduce(mut stream: TcpStream, options: &PlayOptions) -> io::Result<Connection> {
    super::prepare(&stream);
    if options.wire != Wire::Bare {
        let hello = Control::Hello(Hello {
            vidchat: wire::VERSION,
            name: options.name.clone(),
            ..Hello::default()
        });
        stream.write_all(&hello.encode()).await?;
    }
    Ok(Connection { stream })
}

async fn reach(target: &Target) -> io::Result<TcpStream> {
    let addresses = tokio::net::lookup_host(target.parts()).await?;
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(e)) => failure = e,
            Err(_) => failure = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failure)
}

/// Hands everything that comes over `connection` to `sink`, for ever: it returns only why it
/// could not go on.
pub async fn play<S: Sink>(
    connection: Connection,
    options: &PlayOptions,
    traffic: &Traffic,
    sink: &mut S,
) -> PlayError {
    let mut player = Player {
        reader: MessageReader::new(connection.stream, options.max_frame),
        traffic,
        sink,
        last: None,
    };
    let ended = match options.wire {
        Wire::Bare => player.bare(options.bare_caps.as_ref()).await,
        Wire::Auto | Wire::Native => player.sniffed(options.wire).await,
    };
    match ended {
        Ok(never) => match never {},
        Err(e) => e,
    }
}

/// What never comes.
enum Never {}

struct Player<'a, R, S> {
    reader: MessageReader<R>,
    traffic: &'a Traffic,
    sink: &'a mut S,
    /// The number of the last frame, for counting what was skipped.
    last: Option<u32>,
}

impl<R: tokio::io::AsyncRead + Unpin, S: Sink> Player<'_, R, S> {
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
                    Control::Bye { reason, .. } => {
                        return Err(PlayError::Bye(control::printable(&reason, 200)));
                    }
                    _ if !greeted => return Err(WireError::NoHello.into()),
                    Control::Caps { caps } => {
                        self.sink.caps(&Caps::parse(&caps)?)?;
                        has_caps = true;
                    }
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
            message.resize(length, 0);
            self.body(&mut message).await?;
            let picture = pickle::decode(&message).map_err(WireError::from)?;
            if form.as_ref() != Some(picture.caps()) {
                self.sink.caps(picture.caps())?;
                form = Some(picture.caps().clone());
            }
            let mut buffer = self.sink.buffer(picture.length())?;
            picture.write(buffer.as_mut());
            self.arrived(&header, length);
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
        let mut buffer = self.sink.buffer(length)?;
        self.body(buffer.as_mut()).await?;
        self.arrived(header, length);
        self.sink.frame(header, buffer)?;
        Ok(())
    }

    async fn body(&mut self, body: &mut [u8]) -> Result<(), PlayError> {
        match timeout(MESSAGE_LIMIT, self.reader.body(body)).await {
            Ok(read) => Ok(read?),
            Err(_) => Err(PlayError::Slow(MESSAGE_LIMIT)),
        }
    }

    /// Counts a frame, and those that were skipped before it.
    fn arrived(&mut self, header: &FrameHeader, length: usize) {
        self.traffic.frames.fetch_add(1, Relaxed);
        self.traffic.bytes.fetch_add(length as u64, Relaxed);
        if let Some(last) = self.last {
            let skipped = u64::from(header.skipped_since(last));
            self.traffic.skipped.fetch_add(skipped, Relaxed);
        }
        self.last = Some(header.sequence);
    }
}
