//! Connecting to a sender, and how that and watching can fail. What comes over the connection is
//! taken apart in `play`.

pub(crate) mod control_writer;
pub(crate) mod keepalive;
pub mod remote_clock;
pub(crate) mod session;
pub mod stats;

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::failure::{Failure, describe};
use crate::frame::FrameHeader;
use crate::wire::{self, Caps, Control, Dialect, Hello, MAX_LATENCY, WireError};

pub use super::address::Target;
use super::message_reader::ReadError;

/// How long to wait for one address of a host.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

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

    /// No pictures come for now, for a reason that is fit to be shown. The next frame says that
    /// they do again.
    fn lost(&mut self, reason: &str);

    /// A picture, whole, in memory that [`Sink::buffer`] gave.
    fn frame(&mut self, header: &FrameHeader, buffer: Self::Buffer) -> Result<(), Failure>;
}

/// How to watch.
#[derive(Clone, Debug)]
pub struct ReceiveOptions {
    /// The dialect that the sender speaks; `None` where its first bytes tell.
    pub dialect: Option<Dialect>,
    /// The form of bare frames, which nothing on the wire tells.
    pub bare_caps: Option<Caps>,
    /// The longest frame message, in bytes.
    pub max_frame: u64,
    /// This machine's name, as the sender is told it.
    pub name: String,
    /// How old a picture may be on the screen.
    pub max_latency: Duration,
    /// How long to wait for one address of a host.
    pub connect_limit: Duration,
}

impl Default for ReceiveOptions {
    fn default() -> Self {
        Self {
            dialect: None,
            bare_caps: None,
            max_frame: wire::FRAME_LIMIT,
            name: String::new(),
            max_latency: MAX_LATENCY,
            connect_limit: CONNECT_LIMIT,
        }
    }
}

/// Why watching ended.
#[derive(Debug)]
pub enum ReceiveError {
    /// The connection could not be made or failed.
    Io(io::Error),
    /// The sender closed the connection without a word, in mid-message or between two.
    Closed,
    /// The sender said goodbye, with its reason.
    Bye(String),
    /// The same, and that there is nothing more to come.
    Done(String),
    /// The peer said nothing for this long.
    Silent(Duration),
    /// Nothing came for this long, not even an answer to a ping.
    Dead(Duration),
    /// A message did not end within this time.
    Slow(Duration),
    /// The peer sent what it must not.
    Wire(WireError),
    /// The frames could not be shown.
    Sink(Failure),
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(e) => write!(f, "{}", describe(e)),
            Self::Closed => write!(f, "the sender closed the connection"),
            Self::Bye(reason) | Self::Done(reason) => write!(f, "{reason}"),
            Self::Silent(limit) => write!(f, "it said nothing for {} s", limit.as_secs()),
            Self::Dead(limit) => write!(f, "no sign of life for {} s", limit.as_secs_f32()),
            Self::Slow(limit) => write!(f, "a message took over {} s", limit.as_secs()),
            Self::Wire(e) => write!(f, "{e}"),
            Self::Sink(failure) => write!(f, "{}", failure.summary()),
        }
    }
}

impl std::error::Error for ReceiveError {}

impl From<ReadError> for ReceiveError {
    fn from(e: ReadError) -> Self {
        match e {
            ReadError::Io(e) => Self::Io(e),
            ReadError::Truncated => Self::Closed,
            ReadError::Wire(e) => Self::Wire(e),
        }
    }
}

impl From<io::Error> for ReceiveError {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl From<WireError> for ReceiveError {
    fn from(e: WireError) -> Self {
        Self::Wire(e)
    }
}

impl From<Failure> for ReceiveError {
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
    pub(super) stream: TcpStream,
}

/// Connects to the first address of `target` that answers, and says hello.
pub async fn connect(target: &Target, options: &ReceiveOptions) -> io::Result<Connection> {
    introduce(reach(target, options.connect_limit).await?, options).await
}

/// Says hello, unless bare frames are to be had, before which nothing is said.
pub async fn introduce(mut stream: TcpStream, options: &ReceiveOptions) -> io::Result<Connection> {
    super::prepare(&stream);
    if matches!(options.dialect, None | Some(Dialect::Native)) {
        let hello = Control::Hello(Hello {
            vidchat: wire::VERSION,
            name: options.name.clone(),
            acks: true,
            max_latency: u32::try_from(options.max_latency.as_millis()).ok(),
            ..Hello::default()
        });
        // The first ping comes with it, so that its answer has the way to itself, before any frame.
        let ping = Control::Ping {
            sent: self::stats::now(),
        };
        stream
            .write_all(&[hello.encode(), ping.encode()].concat())
            .await?;
    }
    Ok(Connection { stream })
}

async fn reach(target: &Target, limit: Duration) -> io::Result<TcpStream> {
    let addresses = tokio::net::lookup_host(target.parts()).await?;
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(e)) => failure = e,
            Err(_) => failure = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failure)
}
