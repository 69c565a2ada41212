//! Senders that connect and receivers that listen: the same streams as the other way round, in each
//! dialect, and peers that are something else.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vidchat::net::receiver::{ReceiveError, ReceiveOptions, SenderListener};
use vidchat::net::sender::ServerOptions;
use vidchat::net::sender::dial::{self, DialError};
use vidchat::net::{self, Hub, Peer, Service, StreamStats, Target};
use vidchat::wire::head::encode_frame_head;
use vidchat::wire::pickle::Envelope;
use vidchat::wire::{Bye, ByeCode, Caps, Control, Dialect, Hello, Loss};

use crate::support::peers::{
    CAPS, Eye, Log, Seen, Stage, Stranger, Viewer, caps, hello, introduction, listener, numbered,
    test_frame, within,
};

/// A receiver that listens, and shows one sender after another.
struct Gate {
    address: SocketAddr,
    seen: UnboundedReceiver<Seen>,
    ended: UnboundedReceiver<ReceiveError>,
    task: JoinHandle<()>,
}

impl Gate {
    async fn open(options: ReceiveOptions) -> Self {
        let (socket, address) = listener().await;
        let (mut eye, seen) = Eye::new();
        let (over, ended) = tokio::sync::mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut senders = SenderListener::spawn(socket, options.clone());
            let stats = StreamStats::default();
            loop {
                let connection = senders.accept().await;
                let error = net::play(connection, &options, &stats, &mut eye).await;
                // A test that has seen enough drops its end.
                let _ = over.send(error);
            }
        });
        Self {
            address,
            seen,
            ended,
            task,
        }
    }

    async fn next(&mut self) -> Seen {
        loop {
            match within("something to see", self.seen.recv()).await {
                Some(Seen::Room(_)) => {}
                Some(seen) => return seen,
                None => panic!("nothing more to see"),
            }
        }
    }

    async fn lost(&mut self) -> ReceiveError {
        within("a loss", self.ended.recv())
            .await
            .expect("it goes on")
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A sender that connects, and its stream.
struct Dialler {
    hub: Arc<Hub>,
    service: Arc<Service>,
    stop: oneshot::Sender<Bye>,
    task: JoinHandle<()>,
}

impl Dialler {
    /// Sends to a receiver that is there already.
    async fn to(address: SocketAddr, options: ServerOptions) -> Self {
        let hub = Hub::new();
        hub.announce(caps(CAPS));
        let service = Service::new(Arc::clone(&hub), options);
        let target = target(address);
        let first = match dial::dial(&target, &service).await {
            Ok(receiver) => Ok(receiver),
            Err(DialError::Connect(e)) => panic!("{e}"),
            Err(refused) => Err(refused),
        };
        let (stop, stopped) = oneshot::channel();
        let sending = Arc::clone(&service);
        let task = tokio::spawn(async move {
            let stopped = async { stopped.await.unwrap_or_default() };
            dial::serve(&target, first, sending, stopped).await;
        });
        Self {
            hub,
            service,
            stop,
            task,
        }
    }

    async fn watched_by(&self, count: usize) {
        let mut watching = self.hub.watching();
        let watched = watching.wait_for(|now| *now == count);
        within("the receiver", watched)
            .await
            .expect("the hub is there");
    }

    async fn close(self, bye: Bye) {
        self.stop.send(bye).expect("it sends");
        within("the end", self.task).await.expect("no panic");
    }
}

fn target(address: SocketAddr) -> Peer {
    Peer::from(Target {
        host: address.ip().to_string(),
        port: Some(address.port()),
    })
}

fn named(name: &str) -> ServerOptions {
    ServerOptions {
        name: name.into(),
        ..ServerOptions::default()
    }
}

fn speaking(dialect: Dialect) -> ServerOptions {
    ServerOptions {
        dialect: Some(dialect),
        ..ServerOptions::default()
    }
}

/// What a receiver says to a sender that has connected.
fn answer(bytes: &[Vec<u8>]) -> Vec<u8> {
    let hello = Control::Hello(Hello {
        vidchat: 1,
        name: "kitchen".into(),
        ..Hello::default()
    });
    [&[hello.encode()], bytes].concat().concat()
}

#[tokio::test]
async fn a_sender_that_connects_is_shown_as_one_that_listens() {
    let mut gate = Gate::open(ReceiveOptions::default()).await;
    let sender = Dialler::to(gate.address, named("garden")).await;
    assert_eq!(gate.next().await, Seen::Hello("garden".into()));
    assert_eq!(gate.next().await, Seen::Caps(caps(CAPS)));
    for sequence in 0..100 {
        let sent = test_frame(sequence);
        sender.hub.publish(sent.clone());
        assert_eq!(
            gate.next().await,
            Seen::Frame(sent.header, sent.data.to_vec())
        );
    }
    let viewers = sender.service.viewers().list();
    assert_eq!(viewers.len(), 1);
    // It acknowledges, so its path is known.
    assert!(viewers[0].progress().round_trip.is_some());
    sender.hub.lose(Loss::new("it was unplugged"));
    assert_eq!(gate.next().await, Seen::Lost("it was unplugged".into()));
    sender.close(Bye::new(ByeCode::Stopped, "good night")).await;
    match gate.lost().await {
        ReceiveError::Bye(bye) => assert_eq!(bye, Bye::new(ByeCode::Stopped, "good night")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_sender_comes_back_when_the_receiver_does() {
    let mut gate = Gate::open(ReceiveOptions::default()).await;
    let address = gate.address;
    let sender = Dialler::to(address, named("garden")).await;
    assert_eq!(gate.next().await, Seen::Hello("garden".into()));
    drop(gate);
    sender.watched_by(0).await;
    let again = net::listen(Some(address.ip()), address.port()).expect("the port is free again");
    let mut senders = SenderListener::spawn(again, ReceiveOptions::default());
    let connection = within("the sender", senders.accept()).await;
    assert_eq!(connection.peer().map(|peer| peer.ip()), Some(address.ip()));
    sender.watched_by(1).await;
    sender.close(Bye::default()).await;
}

#[tokio::test]
async fn a_second_sender_is_told_that_the_receiver_is_busy_and_shown_when_it_is_not() {
    let (log, _guard) = Log::listen();
    let mut gate = Gate::open(ReceiveOptions::default()).await;
    let first = Dialler::to(gate.address, named("first")).await;
    assert_eq!(gate.next().await, Seen::Hello("first".into()));
    let hub = Hub::new();
    let service = Service::new(hub, named("second"));
    match dial::dial(&target(gate.address), &service).await {
        Err(DialError::Answer(reason)) => {
            assert_eq!(reason.to_string(), "the receiver shows another sender");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was let in"),
    }
    assert_eq!(service.viewers().count(), 0);
    let second = Dialler::to(gate.address, named("second")).await;
    log.has(
        1,
        "turned away: the receiver shows another sender; trying again",
    )
    .await;
    first.hub.publish(test_frame(0));
    while !matches!(gate.next().await, Seen::Frame(..)) {}
    first.close(Bye::default()).await;
    gate.lost().await;
    assert_eq!(gate.next().await, Seen::Hello("second".into()));
    second.close(Bye::default()).await;
}

#[tokio::test]
async fn a_receiver_that_never_speaks_gets_pickles_where_they_are_asked_for() {
    let (socket, address) = listener().await;
    let bgr = Hub::new();
    bgr.announce(caps("video/x-raw, format=BGR, width=4, height=2"));
    let options = ServerOptions {
        tutorial: Some(Arc::clone(&bgr)),
        ..speaking(Dialect::Pickle)
    };
    let sender = Dialler::to(address, options).await;
    let (mut receiver, _) = socket.accept().await.expect("it has connected");
    sender.watched_by(1).await;
    let envelope = Envelope::new(4, 2);
    for sequence in 0..3 {
        bgr.publish(numbered(sequence, vec![sequence as u8; 24]));
        let expected = [&envelope.head[..], &[sequence as u8; 24], envelope.tail].concat();
        let mut heard = vec![0; expected.len()];
        let reading = receiver.read_exact(&mut heard);
        within("a pickle", reading).await.expect("it comes");
        assert_eq!(heard, expected);
    }
    sender.close(Bye::new(ByeCode::Stopped, "good night")).await;
    let mut rest = Vec::new();
    receiver.read_to_end(&mut rest).await.expect("it ends");
    assert_eq!(rest, b"", "no goodbye that nobody understands");
}

#[tokio::test]
async fn a_receiver_that_never_speaks_gets_bare_frames_where_they_are_asked_for() {
    let (socket, address) = listener().await;
    let sender = Dialler::to(address, speaking(Dialect::Bare)).await;
    let (mut receiver, _) = socket.accept().await.expect("it has connected");
    sender.watched_by(1).await;
    let sent = test_frame(3);
    sender.hub.publish(sent.clone());
    let expected = [&64u64.to_le_bytes()[..], &sent.data].concat();
    let mut heard = vec![0; expected.len()];
    let reading = receiver.read_exact(&mut heard);
    within("a frame", reading).await.expect("it comes");
    assert_eq!(heard, expected);
    sender.close(Bye::default()).await;
}

#[tokio::test]
async fn a_program_of_the_tutorials_family_that_connects_is_shown() {
    let mut gate = Gate::open(ReceiveOptions::default()).await;
    let mut camera = Stranger::at(gate.address).await;
    let envelope = Envelope::new(4, 2);
    let message = |number: u8| [&envelope.head[..], &[number; 24], envelope.tail].concat();
    let (start, rest) = (message(1), message(2));
    camera.say(&start[..9]).await;
    camera.say(&start[9..]).await;
    assert_eq!(gate.next().await, Seen::Hello(String::new()));
    let bgr = caps("video/x-raw, format=BGR, width=4, height=2");
    assert_eq!(gate.next().await, Seen::Caps(bgr));
    camera.say(&rest).await;
    for number in [1, 2] {
        match gate.next().await {
            Seen::Frame(_, data) => assert_eq!(data, [number; 24]),
            other => panic!("{other:?}"),
        }
    }
    drop(camera);
    assert!(matches!(
        gate.lost().await,
        ReceiveError::Closed | ReceiveError::Io(_)
    ));
}

#[tokio::test]
async fn bare_frames_from_a_sender_that_connects_are_shown() {
    let jpeg = [&6u64.to_le_bytes()[..], b"\xff\xd8\xffabc"].concat();
    let mut gate = Gate::open(ReceiveOptions::default()).await;
    let mut camera = Stranger::at(gate.address).await;
    camera.say(&jpeg).await;
    assert_eq!(gate.next().await, Seen::Hello(String::new()));
    assert_eq!(gate.next().await, Seen::Caps(caps("image/jpeg")));
    assert!(matches!(gate.next().await, Seen::Frame(_, data) if data.len() == 6));
    let options = ReceiveOptions {
        dialect: Some(Dialect::Bare),
        bare_caps: Some(caps(CAPS)),
        ..ReceiveOptions::default()
    };
    let mut gate = Gate::open(options).await;
    let sender = Dialler::to(gate.address, speaking(Dialect::Bare)).await;
    sender.hub.publish(test_frame(0));
    assert_eq!(gate.next().await, Seen::Hello(String::new()));
    assert_eq!(gate.next().await, Seen::Caps(caps(CAPS)));
    assert!(matches!(gate.next().await, Seen::Frame(_, data) if data.len() == 64));
}

#[tokio::test]
async fn bare_frames_behind_any_length_that_both_sides_agree_on_are_shown() {
    for length in ["Q", "I", ">Q", ">L", "16"].map(|name| name.parse().unwrap()) {
        let options = ReceiveOptions {
            dialect: Some(Dialect::Bare),
            bare_caps: Some(caps(CAPS)),
            bare_length: length,
            ..ReceiveOptions::default()
        };
        let mut gate = Gate::open(options).await;
        let options = ServerOptions {
            length,
            ..speaking(Dialect::Bare)
        };
        let sender = Dialler::to(gate.address, options).await;
        // Such a sender shows itself by its first frame.
        sender.hub.publish(test_frame(0));
        assert_eq!(gate.next().await, Seen::Hello(String::new()));
        assert_eq!(gate.next().await, Seen::Caps(caps(CAPS)));
        for sequence in 0..3 {
            if sequence > 0 {
                sender.hub.publish(test_frame(sequence));
            }
            match gate.next().await {
                Seen::Frame(_, data) => assert_eq!(data, test_frame(sequence).data),
                other => panic!("{length}: {other:?}"),
            }
        }
        sender.close(Bye::default()).await;
    }
}

#[tokio::test]
async fn whatever_connects_a_listening_receiver_still_shows_the_next_sender() {
    let (log, _guard) = Log::listen();
    let mut gate = Gate::open(ReceiveOptions::default()).await;
    let _silent = Stranger::at(gate.address).await;
    let half = introduction();
    let mut slow = Stranger::at(gate.address).await;
    slow.say(&half[..20]).await;
    let message = |start: &[u8]| [&100u64.to_le_bytes()[..], start].concat();
    for (said, logged) in [
        (
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            "its first bytes are \"GET / HTTP/1.1\" (HTTP, as from a browser); vidchat send --to HOST \
             connects as a sender; a program of your own sends each frame behind its length",
        ),
        (
            b"\x80\x04\x95\0\0\0\0\0\0\0\0".to_vec(),
            "(a pickle without its length); vidchat send --to HOST",
        ),
        (
            b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec(),
            "(a JPEG without its length); vidchat send --to HOST",
        ),
        (
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc".to_vec(),
            "(TLS); vidchat send --to HOST",
        ),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
            "its first bytes are \"SSH-2.0-",
        ),
        (
            [&b"vidsec1\x01"[..], &[7; 48]].concat(),
            "is no sender: it has a key or a code and this side is open: both need the same \
             --key-file or --code, or none (in a call --open)",
        ),
        (vec![0; 64], "its first bytes are 00"),
        (message(&[1; 100]), "its first bytes are 64"),
        (
            Control::Key.encode(),
            "it sent no hello as its first message",
        ),
        (
            Control::bye("x").encode(),
            "it sent no hello as its first message",
        ),
        (
            [&20u64.to_le_bytes()[..], br#"{"type":"hello","x":"#].concat(),
            "a control message that is not valid",
        ),
        (
            [&28u64.to_le_bytes()[..], br#"{"type":"hello","vidchat":0}"#].concat(),
            "it sent version 0",
        ),
    ] {
        let seen = log.count(logged);
        let mut stranger = Stranger::at(gate.address).await;
        stranger.say(&said).await;
        // One that encrypts is told that this side does not, and nobody else is told anything.
        let answer = if said.starts_with(b"vidsec1") {
            Control::Bye(Bye::open()).encode()
        } else {
            Vec::new()
        };
        assert_eq!(stranger.hears_the_end().await, answer, "{logged}");
        log.has(seen + 1, logged).await;
    }
    let sender = Dialler::to(gate.address, named("garden")).await;
    assert_eq!(gate.next().await, Seen::Hello("garden".into()));
    sender.close(Bye::default()).await;
}

#[tokio::test]
async fn a_crowd_that_says_nothing_keeps_no_sender_of_another_machine_out() {
    let mut gate = Gate::open(ReceiveOptions::default()).await;
    let machine = |last| SocketAddr::from(([127, 0, 0, last], 0));
    // More than a receiver keeps open.
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(Stranger::from(machine(2), gate.address).await);
    }
    let mut sender = Stranger::from(machine(3), gate.address).await;
    let hello = Control::Hello(Hello {
        vidchat: 1,
        name: "desk".into(),
        caps: Some(CAPS.into()),
        sends: true,
        ..Hello::default()
    });
    sender.say(&hello.encode()).await;
    assert_eq!(gate.next().await, Seen::Hello("desk".into()));
}

#[tokio::test]
async fn a_sender_that_turns_bad_makes_way_for_the_next() {
    let mut gate = Gate::open(ReceiveOptions::default()).await;
    let sends = Control::Hello(Hello {
        vidchat: 1,
        sends: true,
        ..Hello::default()
    })
    .encode();
    let frame = [&encode_frame_head(&test_frame(0).header, 64)[..], &[7; 64]].concat();
    for (bytes, reason) in [
        (frame, "a frame before any caps"),
        (
            u64::MAX.to_le_bytes().to_vec(),
            "18446744073709551615 bytes",
        ),
        (
            [&9u64.to_le_bytes()[..], b"\x02"].concat(),
            "unknown kind 0x02",
        ),
        (
            Control::Caps { caps: "x".into() }.encode(),
            "caps that are not accepted",
        ),
    ] {
        let mut liar = Stranger::at(gate.address).await;
        liar.say(&sends).await;
        assert_eq!(gate.next().await, Seen::Hello(String::new()));
        liar.say(&bytes).await;
        let error = gate.lost().await.to_string();
        assert!(error.contains(reason), "{reason}: {error}");
    }
    let sender = Dialler::to(gate.address, named("garden")).await;
    assert_eq!(gate.next().await, Seen::Hello("garden".into()));
    sender.close(Bye::default()).await;
}

/// Why a sender takes a peer that answers with these bytes for no receiver.
async fn refusal(answer: &[u8]) -> String {
    let (socket, address) = listener().await;
    let service = Service::new(Hub::new(), ServerOptions::default());
    let target = target(address);
    let (dialled, ()) = tokio::join!(dial::dial(&target, &service), answered(&socket, answer));
    assert_eq!(service.viewers().count(), 0, "it has no seat");
    match dialled {
        Ok(_) => panic!("it was taken for a receiver: {answer:?}"),
        Err(DialError::Answer(reason)) => reason.to_string(),
        Err(other) => panic!("{other}"),
    }
}

/// Answers one connection with these bytes, and ends it.
async fn answered(socket: &TcpListener, bytes: &[u8]) {
    let (peer, _) = socket.accept().await.expect("somebody connects");
    let mut peer = Stranger(peer);
    peer.say(bytes).await;
    peer.hang_up().await;
}

#[tokio::test]
async fn what_answers_a_sender_and_is_no_receiver_is_named() {
    let role = Control::Hello(Hello {
        vidchat: 1,
        sends: true,
        ..Hello::default()
    });
    for (said, reason) in [
        (
            b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
            "its first bytes are \"SSH-2.0-OpenSSH_\"",
        ),
        (vec![0; 64], "its first bytes are 00"),
        (vec![], "closed by the viewer"),
        (hello("x")[..20].to_vec(), "closed by the viewer"),
        (
            [&50u64.to_le_bytes()[..], b"\x80\x04\x95"].concat(),
            "no hello",
        ),
        (Control::Key.encode(), "no hello"),
        (role.encode(), "a sender is here too"),
        (Control::bye("go away").encode(), "go away"),
        (
            [&2u64.to_le_bytes()[..], b"{}"].concat(),
            "a control message that is not valid",
        ),
    ] {
        let found = refusal(&said).await;
        assert!(found.contains(reason), "{reason}: {found}");
    }
}

#[tokio::test]
async fn a_receiver_that_turns_bad_is_left_and_tried_again() {
    let (log, _guard) = Log::listen();
    let (socket, address) = listener().await;
    let frame = [&encode_frame_head(&test_frame(0).header, 64)[..], &[7; 64]].concat();
    let bad = [
        (
            u64::MAX.to_le_bytes().to_vec(),
            "18446744073709551615 bytes",
        ),
        (frame, "it sent a frame"),
        (b"\x09\0\0\0\0\0\0\0\x02".to_vec(), "unknown kind 0x02"),
    ];
    let first = answer(&[bad[0].0.clone()]);
    let (sender, ()) = tokio::join!(
        Dialler::to(address, ServerOptions::default()),
        answered(&socket, &first)
    );
    log.has(1, bad[0].1).await;
    for (bytes, reason) in &bad[1..] {
        answered(&socket, &answer(std::slice::from_ref(bytes))).await;
        log.has(1, reason).await;
    }
    sender.close(Bye::default()).await;
}

#[tokio::test]
async fn two_receivers_or_two_senders_tell_each_other_so() {
    let gate = Gate::open(ReceiveOptions::default()).await;
    let (error, _) = Viewer::join(gate.address).await.end().await;
    assert!(
        matches!(&error, ReceiveError::Bye(bye) if bye.code == Some(ByeCode::Role)),
        "{error:?}"
    );
    let stage = Stage::open(ServerOptions::default()).await;
    let service = Service::new(Hub::new(), ServerOptions::default());
    match dial::dial(&target(stage.address), &service).await {
        Err(DialError::Answer(reason)) => assert_eq!(reason.to_string(), "a sender is here too"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a sender took frames"),
    }
    assert_eq!(stage.service.viewers().count(), 0);
    stage.close("done").await;
}

/// The caps of the stream of this name, or the goodbye.
async fn asked_for(address: SocketAddr, stream: Option<&str>) -> Result<Caps, Bye> {
    let options = ReceiveOptions {
        stream: stream.map(Into::into),
        ..ReceiveOptions::default()
    };
    let connecting = tokio::net::TcpStream::connect(address);
    let connection = within("a connection", connecting)
        .await
        .expect("it listens");
    let mut viewer = Viewer::watch(connection, options, |_| {});
    match viewer.first().await {
        Some(Seen::Hello(_)) => {}
        Some(other) => panic!("{other:?}"),
        None => match viewer.end().await {
            (ReceiveError::Bye(bye), _) => return Err(bye),
            (other, _) => panic!("{other:?}"),
        },
    }
    match viewer.next().await {
        Seen::Caps(caps) => Ok(caps),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_viewer_gets_the_stream_that_it_asks_for_and_the_default_without_a_name() {
    let stage = Stage::open(ServerOptions::default()).await;
    let screen = Hub::new();
    let gray = caps("video/x-raw, format=GRAY8, width=8, height=8");
    screen.announce(gray.clone());
    let directory = stage.service.directory();
    directory.insert("screen", Arc::clone(&screen));
    directory.insert("camera", Arc::clone(directory.default_hub()));
    assert_eq!(asked_for(stage.address, None).await, Ok(caps(CAPS)));
    assert_eq!(
        asked_for(stage.address, Some("camera")).await,
        Ok(caps(CAPS))
    );
    assert_eq!(asked_for(stage.address, Some("screen")).await, Ok(gray));
    let unknown = Bye {
        streams: vec!["camera".into(), "screen".into()],
        ..Bye::new(
            ByeCode::Stream,
            "no stream \"garden\" here, only camera, screen",
        )
    };
    assert_eq!(asked_for(stage.address, Some("garden")).await, Err(unknown));
    directory.remove("screen");
    let gone = asked_for(stage.address, Some("screen")).await;
    assert_eq!(gone.map_err(|bye| bye.code), Err(Some(ByeCode::Stream)));
    stage.close("done").await;
    assert!(!screen.has_ended(), "it was taken out before the end");
}
