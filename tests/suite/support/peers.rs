//! Both ends of a stream, for tests that hold them in their hands: a server with its hub, viewers
//! that keep what they see, peers that say whatever a test wants, and the log.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use vidchat::failure::Failure;
use vidchat::frame::{Frame, FrameHeader};
use vidchat::net::receiver::{ReceiveError, ReceiveOptions};
use vidchat::net::sender::ServerOptions;
use vidchat::net::{self, Hub, Service, Sink, StreamStats};
use vidchat::wire::{Bye, Caps, Control, Hello, Loss, Participants};

use crate::support::PATIENCE;

/// The caps of the frames that [`test_frame`] makes.
pub const CAPS: &str = "video/x-raw, format=(string)GRAY8, width=(int)16, height=(int)4, \
    framerate=(fraction)30/1";

/// Waits for `future`, which is `what` to happen.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// Caps from text that is known to be good.
pub fn caps(text: &str) -> Caps {
    Caps::parse(text).expect("the test's own caps are good")
}

/// A key frame that can be told from every other.
pub fn test_frame(sequence: u32) -> Frame {
    let data: Vec<u8> = (0..64u32).map(|i| (sequence * 7 + i) as u8).collect();
    numbered(sequence, data)
}

/// A key frame of these bytes.
pub fn numbered(sequence: u32, data: impl Into<Bytes>) -> Frame {
    Frame {
        header: FrameHeader {
            key: true,
            sequence,
            pts: u64::from(sequence) * 33_333_333,
            captured_at: 1_700_000_000_000_000_000 + u64::from(sequence),
            ..FrameHeader::default()
        },
        data: data.into(),
    }
}

/// A hello as a viewer says it.
pub fn hello(name: &str) -> Vec<u8> {
    let hello = Hello {
        vidchat: 1,
        name: name.into(),
        ..Hello::default()
    };
    Control::Hello(hello).encode()
}

/// What a sender says before the first frame.
pub fn introduction() -> Vec<u8> {
    Control::Hello(Hello {
        vidchat: 1,
        name: "desk".into(),
        caps: Some(CAPS.into()),
        ..Hello::default()
    })
    .encode()
}

/// A server on a port of its own.
pub struct Stage {
    pub hub: Arc<Hub>,
    pub service: Arc<Service>,
    pub address: SocketAddr,
    stop: oneshot::Sender<Bye>,
    server: JoinHandle<()>,
}

impl Stage {
    /// Serves with these options; [`CAPS`] is announced already.
    pub async fn open(options: ServerOptions) -> Self {
        let stage = Self::open_without_caps(options).await;
        stage.hub.announce(caps(CAPS));
        stage
    }

    /// Serves a stream whose caps are not known yet.
    pub async fn open_without_caps(options: ServerOptions) -> Self {
        let listener = net::listen(Some(Ipv4Addr::LOCALHOST.into()), 0).expect("there is a port");
        let address = listener.local_addr().expect("it is bound");
        let hub = Hub::new();
        let (stop, stopped) = oneshot::channel();
        let service = Service::new(Arc::clone(&hub), options);
        let server = tokio::spawn(net::serve(listener, Arc::clone(&service), async {
            stopped.await.unwrap_or_default()
        }));
        Self {
            hub,
            service,
            address,
            stop,
            server,
        }
    }

    /// Waits until so many watch.
    pub async fn watched_by(&self, count: usize) {
        let mut watching = self.hub.watching();
        within(
            &format!("{count} watching"),
            watching.wait_for(|now| *now == count),
        )
        .await
        .expect("the hub is there");
    }

    /// Ends the stream with this reason, and waits until the server is gone.
    pub async fn close(self, reason: &str) {
        self.close_with(reason.to_owned().into()).await;
    }

    /// As [`Stage::close`], with all that viewers are told of the end.
    pub async fn close_with(self, bye: Bye) {
        self.stop.send(bye).expect("the server runs");
        within("the server's end", self.server)
            .await
            .expect("the server does not panic");
    }
}

/// What a viewer is shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    Hello(String),
    Caps(Caps),
    /// Room for so many bytes was asked for.
    Room(usize),
    Frame(FrameHeader, Vec<u8>),
    /// No frames come for now, for this reason.
    Lost(String),
    Participants(Participants),
}

/// A sink that passes everything on to the test.
pub struct Eye {
    seen: UnboundedSender<Seen>,
    /// Refuse any caps.
    pub blind: bool,
    /// The only length that is accepted, if there is one.
    pub length: Option<usize>,
}

impl Eye {
    pub fn new() -> (Self, UnboundedReceiver<Seen>) {
        let (seen, received) = unbounded_channel();
        let eye = Self {
            seen,
            blind: false,
            length: None,
        };
        (eye, received)
    }

    fn note(&self, seen: Seen) {
        // A test that has seen enough drops its end.
        let _ = self.seen.send(seen);
    }
}

impl Sink for Eye {
    type Buffer = Vec<u8>;

    fn hello(&mut self, name: &str) {
        self.note(Seen::Hello(name.to_owned()));
    }

    fn caps(&mut self, caps: &Caps) -> Result<(), Failure> {
        self.note(Seen::Caps(caps.clone()));
        if self.blind {
            Err(Failure::lost("cannot show it").cause("it is dark"))
        } else {
            Ok(())
        }
    }

    fn buffer(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        self.note(Seen::Room(length));
        match self.length {
            Some(wanted) if wanted != length => {
                Err(Failure::lost("cannot take it").cause("another length"))
            }
            _ => Ok(vec![0; length]),
        }
    }

    fn lost(&mut self, loss: &Loss) {
        self.note(Seen::Lost(loss.reason.clone()));
    }

    fn participants(&mut self, participants: Participants) {
        self.note(Seen::Participants(participants));
    }

    fn frame(&mut self, header: &FrameHeader, buffer: Vec<u8>) -> Result<(), Failure> {
        self.note(Seen::Frame(*header, buffer));
        Ok(())
    }
}

/// A viewer of the library's own, in a task. It leaves when dropped.
pub struct Viewer {
    seen: UnboundedReceiver<Seen>,
    pub meter: Arc<StreamStats>,
    playing: JoinHandle<ReceiveError>,
}

impl Viewer {
    /// Connects and begins to watch.
    pub async fn join(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address))
            .await
            .expect("somebody listens");
        Self::watch(stream, ReceiveOptions::default(), |_| {})
    }

    /// Watches over this stream.
    pub fn watch(
        stream: TcpStream,
        options: ReceiveOptions,
        change: impl FnOnce(&mut Eye),
    ) -> Self {
        let (mut eye, seen) = Eye::new();
        change(&mut eye);
        let meter = Arc::new(StreamStats::default());
        let counted = Arc::clone(&meter);
        let playing = tokio::spawn(async move {
            match net::introduce(stream, &options).await {
                Ok(connection) => net::play(connection, &options, &counted, &mut eye).await,
                Err(e) => e.into(),
            }
        });
        Self {
            seen,
            meter,
            playing,
        }
    }

    /// What is seen next, requests for room aside.
    pub async fn next(&mut self) -> Seen {
        loop {
            match within("something to see", self.seen.recv()).await {
                Some(Seen::Room(_)) => {}
                Some(seen) => return seen,
                None => panic!("nothing more to see"),
            }
        }
    }

    /// The first that is seen; `None` where it ends before that.
    pub async fn first(&mut self) -> Option<Seen> {
        within("something to see, or the end", self.seen.recv()).await
    }

    /// The next frame; hello and caps come before the first.
    pub async fn frame(&mut self) -> (FrameHeader, Vec<u8>) {
        loop {
            if let Seen::Frame(header, data) = self.next().await {
                return (header, data);
            }
        }
    }

    /// Whether nothing has come that was not looked at.
    pub fn has_seen_all(&self) -> bool {
        self.seen.is_empty()
    }

    /// Why it ended, and what was not looked at before.
    pub async fn end(mut self) -> (ReceiveError, Vec<Seen>) {
        let error = within("the viewer's end", &mut self.playing)
            .await
            .expect("play does not panic");
        let mut rest = Vec::new();
        while let Ok(seen) = self.seen.try_recv() {
            rest.push(seen);
        }
        (error, rest)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.playing.abort();
    }
}

/// A peer that says what the test wants.
pub struct Stranger(pub TcpStream);

impl Stranger {
    /// Connects and says nothing.
    pub async fn at(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address))
            .await
            .expect("somebody listens");
        stream.set_nodelay(true).expect("it is connected");
        Self(stream)
    }

    /// Connects from this address of this machine, and says nothing.
    pub async fn from(source: SocketAddr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("there is a socket");
        socket
            .bind(source)
            .expect("it is an address of this machine");
        let stream = within("a connection", socket.connect(address))
            .await
            .expect("somebody listens");
        stream.set_nodelay(true).expect("it is connected");
        Self(stream)
    }

    /// One from each of so many addresses of this machine. Each says these bytes.
    pub async fn crowd(address: SocketAddr, count: u32, said: &[u8]) -> Vec<Self> {
        let mut crowd = Vec::new();
        for number in 0..count {
            let source = Ipv4Addr::from(0x7f01_0001 + number);
            let mut stranger = Self::from((source, 0).into(), address).await;
            stranger.say(said).await;
            crowd.push(stranger);
        }
        crowd
    }

    /// Says these bytes. That the other side has hung up in the middle of them is no error.
    pub async fn say(&mut self, bytes: &[u8]) {
        let _ = within("room for what is said", self.0.write_all(bytes)).await;
    }

    /// Says no more, and waits until the other side has hung up too; returns what it said.
    pub async fn hang_up(mut self) -> Vec<u8> {
        let _ = self.0.shutdown().await;
        self.hears_the_end().await
    }

    /// Waits until the other side has hung up; returns what it said before.
    pub async fn hears_the_end(mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        // A reset is an end too: it is what an end looks like where not all was read.
        let _ = within("the other side's end", self.0.read_to_end(&mut heard)).await;
        heard
    }
}

/// A listener on a port of its own, for a sender that the test plays.
pub async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// The log of this thread, as long as it lives.
#[derive(Clone, Default)]
pub struct Log {
    text: Arc<Mutex<String>>,
    grown: Arc<Notify>,
}

impl Log {
    /// Begins to listen.
    pub fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            // Each time of what the program itself tells less and less often.
            .with_max_level(tracing::Level::DEBUG)
            .with_target(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// How many lines contain `part`.
    pub fn count(&self, part: &str) -> usize {
        self.text().lines().filter(|l| l.contains(part)).count()
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        self.text
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits for so many lines that contain `part`.
    pub async fn has(&self, count: usize, part: &str) {
        let what = format!("{count} lines with {part:?}");
        self.until(&what, || self.count(part) >= count).await;
    }

    /// Waits for lines after which `is_enough`.
    pub async fn until(&self, what: &str, is_enough: impl Fn() -> bool) {
        let enough = async {
            while !is_enough() {
                self.grown.notified().await;
            }
        };
        if timeout(PATIENCE, enough).await.is_err() {
            panic!("not {what}:\n{}", self.text());
        }
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(&String::from_utf8_lossy(bytes));
        self.grown.notify_one();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
