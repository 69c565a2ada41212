//! A connection with a sender at its other end, made by either side.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::control_writer::ControlWriter;
use super::keepalive::{ActivityReader, PeerActivity};
use super::options::ReceiveOptions;
use crate::clock::MonoNanos;
use crate::net::message_reader::MessageReader;
use crate::net::pauses::Pauses;
use crate::net::peer::Peer;
use crate::net::reach::{ConnectError, reach, reach_first};
use crate::net::transport::{Transport, TransportReader, TransportWriter};
use crate::wire::{self, Control, Dialect, Hello};

/// A connection to a sender that was sent our hello, where its dialect has one.
///
/// It is made before anything is ready to show frames: a viewer that is silent for 200 ms is taken
/// for a program of the tutorial.
#[derive(Debug)]
pub struct Connection {
    pub(in crate::net) reader: MessageReader<ActivityReader<TransportReader>>,
    pub(super) writer: ControlWriter,
    pub(super) activity: Arc<PeerActivity>,
    pub(in crate::net) opening: Opening,
    /// The receiver's one place for a sender, held while a sender that connected to us is there.
    pub(super) seat: Option<OwnedSemaphorePermit>,
    /// The target, as the person typed it, where a person waits for the first bytes.
    pub(super) awaited: Option<String>,
    peer: Option<SocketAddr>,
}

/// The first message of a sender, as far as it was read.
#[derive(Debug)]
pub(in crate::net) enum Opening {
    /// The first message has yet to be read.
    Unheard,
    /// The first bytes tell this dialect. The message has yet to be read.
    Told(Dialect),
    /// The first message was this hello.
    Greeted(Hello),
}

/// Connects to the first address of `peer` that answers, and says hello.
///
/// # Errors
/// No address answers, or the connection failed at once.
pub async fn connect(peer: &Peer, options: &ReceiveOptions) -> Result<Connection, ConnectError> {
    let stream = reach(peer, options.connect_limit).await?;
    let introduced = introduce(stream, options).await;
    introduced.map_err(ConnectError::Greeting)
}

/// As [`connect`], for the first connection of a command: the log says when no answer comes, and
/// when nothing comes after it. It is tried again where the other side may only pause.
///
/// # Errors
/// No address answers, or the connection failed at once.
pub async fn connect_first(
    peer: &Peer,
    options: &ReceiveOptions,
) -> Result<Connection, ConnectError> {
    let mut pauses = Pauses::new(peer.target());
    loop {
        let stream = reach_first(peer, options.connect_limit).await?;
        let introduced = introduce(stream, options).await;
        let error = match introduced.map_err(ConnectError::Greeting) {
            Ok(mut connection) => {
                connection.awaited = Some(peer.target().to_string());
                return Ok(connection);
            }
            Err(error) => error,
        };
        if !pauses.try_again(error.refusal()).await {
            return Err(error);
        }
    }
}

/// Says hello, where the dialect has one.
///
/// # Errors
/// The connection failed.
pub async fn introduce(stream: TcpStream, options: &ReceiveOptions) -> io::Result<Connection> {
    let proved = Transport::plain(stream)
        .proved(options.secret.as_ref())
        .await;
    introduce_over(proved.map_err(io::Error::other)?, options).await
}

pub(in crate::net) async fn introduce_over(
    transport: Transport,
    options: &ReceiveOptions,
) -> io::Result<Connection> {
    let peer = transport.peer().ok();
    let (reader, mut writer) = transport.split();
    if options.is_native() {
        say_hello(&mut writer, options).await?;
    }
    Ok(Connection::new(
        reader_of(reader, options),
        writer,
        Opening::Unheard,
        peer,
    ))
}

/// The reader of a sender's messages, and the time of the last bytes over it.
pub(super) type SenderReader = (
    MessageReader<ActivityReader<TransportReader>>,
    Arc<PeerActivity>,
);

/// Reads from `stream`, and notes the time when bytes come.
pub(super) fn reader_of(stream: TransportReader, options: &ReceiveOptions) -> SenderReader {
    let activity = Arc::new(PeerActivity::default());
    let stream = ActivityReader {
        stream,
        activity: Arc::clone(&activity),
    };
    (MessageReader::new(stream, options.max_frame), activity)
}

/// Sends the hello of a viewer. The first ping comes with it, so that its answer has the path to
/// itself, before any frame.
pub(in crate::net) async fn say_hello(
    writer: &mut TransportWriter,
    options: &ReceiveOptions,
) -> io::Result<()> {
    let hello = Control::Hello(Hello {
        vidchat: wire::VERSION,
        name: options.name.clone(),
        acks: true,
        max_latency: u32::try_from(options.max_latency.as_millis()).ok(),
        stream: options.stream.clone(),
        call: options.call.clone(),
        decodes: options.decodes.clone(),
        ..Hello::default()
    });
    let ping = Control::Ping {
        sent: MonoNanos::now().0,
    };
    let both = [hello.encode(), ping.encode()].concat();
    writer.write_all(&mut &both[..]).await
}

impl Connection {
    pub(super) fn new(
        (reader, activity): SenderReader,
        writer: TransportWriter,
        opening: Opening,
        peer: Option<SocketAddr>,
    ) -> Self {
        Self {
            reader,
            writer: ControlWriter::new(writer),
            activity,
            opening,
            seat: None,
            awaited: None,
            peer,
        }
    }

    /// A connection that was made by a sender whose hello was read by `reader` and answered.
    pub(in crate::net) fn greeted(
        reader: MessageReader<TransportReader>,
        writer: TransportWriter,
        hello: Hello,
        peer: SocketAddr,
        options: &ReceiveOptions,
    ) -> Self {
        let activity = Arc::new(PeerActivity::default());
        let noted = Arc::clone(&activity);
        let reader = reader.wrap(options.max_frame, |stream| ActivityReader {
            stream,
            activity: noted,
        });
        let opening = Opening::Greeted(hello);
        Self::new((reader, activity), writer, opening, Some(peer))
    }

    /// The sender's address.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }
}
