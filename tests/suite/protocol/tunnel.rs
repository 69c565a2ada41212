//! A tunnel between the two programs: it takes the viewer's hello at once, and hands it on a round
//! trip after the connection. The sender may begin with pickles, and the viewer must follow when it
//! goes over to the protocol.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use vidchat::frame::FrameHeader;
use vidchat::net::message_reader::MessageReader;
use vidchat::net::receiver::{ReceiveError, ReceiveOptions};
use vidchat::net::{self, StreamStats};
use vidchat::wire::head::encode_frame_head;
use vidchat::wire::pickle::Envelope;
use vidchat::wire::{CONTROL_LIMIT, Control, Dialect, Head, WireError};

use crate::cli::statistics::Stats;
use crate::machine::python_tutorial::{client, python};
use crate::support::fault_proxy::{Fault, Proxy};
use crate::support::peers::{
    CAPS, Eye, Seen, Stranger, Viewer, caps, introduction, listener, test_frame, within,
};
use crate::support::{Running, Sender, run, vidchat};

/// The caps of the frames in [`pickle`].
const BGR: &str = "video/x-raw, format=BGR, width=16, height=4";

const PIXELS: [u8; 192] = [9; 192];

fn pickle() -> Vec<u8> {
    let envelope = Envelope::new(16, 4);
    [&envelope.head[..], &PIXELS, envelope.tail].concat()
}

/// A frame, its message, and how it is seen.
fn frame(sequence: u32) -> (Vec<u8>, Seen) {
    let frame = test_frame(sequence);
    let asking = FrameHeader {
        ack: true,
        ..frame.header
    };
    let head = encode_frame_head(&asking, frame.data.len());
    let message = [&head[..], &frame.data].concat();
    (message, Seen::Frame(frame.header, frame.data.to_vec()))
}

/// How a frame out of a pickle is seen.
fn unpickled(sequence: u32) -> Seen {
    let header = FrameHeader {
        key: true,
        sequence,
        ..FrameHeader::default()
    };
    Seen::Frame(header, PIXELS.to_vec())
}

fn native() -> ReceiveOptions {
    ReceiveOptions {
        dialect: Some(Dialect::Native),
        ..ReceiveOptions::default()
    }
}

/// A connection to a sender that the test plays.
async fn pair() -> (TcpStream, Stranger) {
    let (listener, address) = listener().await;
    let viewer = TcpStream::connect(address).await.expect("it listens");
    let (sender, _) = listener.accept().await.expect("somebody has connected");
    (viewer, Stranger(sender))
}

/// How a viewer ends, and what it has seen, of a sender that says this and hangs up.
async fn shown(script: &[u8], options: ReceiveOptions) -> (ReceiveError, Vec<Seen>) {
    let (stream, mut sender) = pair().await;
    let viewer = Viewer::watch(stream, options, |_| {});
    sender.say(script).await;
    let ((error, seen), _) = tokio::join!(viewer.end(), sender.hang_up());
    let no_room = |seen: &Seen| !matches!(seen, Seen::Room(_));
    (error, seen.into_iter().filter(no_room).collect())
}

#[tokio::test]
async fn a_frame_is_shown_before_the_next_pickles_are_read_however_many_wait() {
    let (stream, mut sender) = pair().await;
    sender.say(&pickle().repeat(100)).await;
    let mut viewer = Viewer::watch(stream, ReceiveOptions::default(), |_| {});
    while viewer.next().await != unpickled(0) {}
    let read = viewer.meter.close_second().frames;
    assert!(read < 10, "{read}");
}

#[tokio::test]
async fn a_viewer_goes_over_to_the_protocol_when_a_hello_comes_between_two_pickles() {
    let (stream, mut sender) = pair().await;
    let mut viewer = Viewer::watch(stream, ReceiveOptions::default(), |_| {});
    sender.say(&pickle().repeat(2)).await;
    let greeting = [Seen::Hello(String::new()), Seen::Caps(caps(BGR))];
    for expected in greeting.into_iter().chain([unpickled(0), unpickled(1)]) {
        assert_eq!(viewer.next().await, expected);
    }
    // A server of the tutorial reads nothing, so nothing is said to it but what every sender is
    // told at once: time for what would be too much.
    sleep(Duration::from_millis(300)).await;
    let mut said = vec![0; 4096];
    let length = within("a hello", sender.0.read(&mut said)).await.unwrap();
    let mut reader = MessageReader::new(&said[..length], CONTROL_LIMIT);
    let mut first = Vec::new();
    while let Some(head) = reader.head().await.unwrap() {
        let Head::Control { length } = head else {
            panic!("a viewer sends no frames");
        };
        first.push(reader.control(length).await.unwrap());
    }
    assert!(
        matches!(first[..], [Control::Hello(_), Control::Ping { .. }]),
        "{first:?}"
    );

    assert_eq!(viewer.meter.close_second().frames, 2);
    let frames = [frame(70), frame(71)];
    let bytes = [&introduction()[..], &frames[0].0, &frames[1].0].concat();
    sender.say(&bytes).await;
    let greeting = [Seen::Hello("desk".into()), Seen::Caps(caps(CAPS))];
    for expected in greeting.into_iter().chain(frames.map(|(_, seen)| seen)) {
        assert_eq!(viewer.next().await, expected);
    }
    // Pickles have numbers and times that are none of the sender's.
    let second = viewer.meter.close_second();
    assert_eq!((second.frames, second.skipped, second.made), (2, 0, None));
    let mut reader = MessageReader::new(sender.0, CONTROL_LIMIT);
    let (mut acks, mut pings) = (Vec::new(), 0);
    while acks.len() < 2 || pings < 2 {
        let head = within("an answer", reader.head()).await.unwrap();
        let Some(Head::Control { length }) = head else {
            panic!("{head:?}");
        };
        match reader.control(length).await.unwrap() {
            Control::Ack(ack) => acks.push(ack.sequence),
            Control::Ping { .. } => pings += 1,
            _ => {}
        }
    }
    assert_eq!(acks, [70, 71]);
}

#[tokio::test]
async fn a_viewer_goes_over_wherever_what_comes_is_split() {
    let (last, seen) = frame(5);
    let script = [&pickle()[..], &introduction(), &last].concat();
    let (stream, mut sender) = pair().await;
    sender.0.set_nodelay(true).unwrap();
    let mut viewer = Viewer::watch(stream, ReceiveOptions::default(), |_| {});
    for byte in script {
        sender.say(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(viewer.frame().await.1, PIXELS);
    assert_eq!(viewer.next().await, Seen::Hello("desk".into()));
    assert_eq!(viewer.next().await, Seen::Caps(caps(CAPS)));
    assert_eq!(viewer.next().await, seen);
}

#[tokio::test]
async fn what_comes_after_pickles_and_is_no_hello_ends_the_viewer() {
    let long = [&(CONTROL_LIMIT + 1).to_le_bytes()[..], b"{"].concat();
    let long = [long, vec![b' '; CONTROL_LIMIT as usize]].concat();
    let empty = 0u64.to_le_bytes();
    for (then, expected) in [
        (&Control::Key.encode()[..], "no hello"),
        (&Control::bye("it is late").encode(), "it is late"),
        (&frame(0).0, "a pickle that has the unknown instruction"),
        (&long, "a pickle that has the unknown instruction"),
        (&empty, "an empty message"),
        (b"", "the sender closed the connection"),
        (&introduction()[..5], "the sender closed the connection"),
        (&introduction()[..8], "the sender closed the connection"),
        (&introduction()[..30], "the sender closed the connection"),
    ] {
        let script = [&pickle(), then].concat();
        let (error, seen) = shown(&script, ReceiveOptions::default()).await;
        let text = error.to_string();
        assert!(text.contains(expected), "{expected:?} is not in {text:?}");
        assert_eq!(seen.last(), Some(&unpickled(0)), "{text}");
    }
}

#[tokio::test]
async fn a_viewer_of_the_protocol_alone_leaves_pickles_out_and_waits_for_the_hello() {
    let (last, seen_last) = frame(5);
    // What is not read cannot be wrong.
    let call = b"\x13\0\0\0\0\0\0\0cos\nsystem\n(S'ls'\n.";
    let script = [&pickle()[..], call, &pickle(), &introduction(), &last].concat();
    let (_, seen) = shown(&script, native()).await;
    let expected = [
        Seen::Hello("desk".into()),
        Seen::Caps(caps(CAPS)),
        seen_last,
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_viewer_of_the_protocol_alone_does_not_wait_for_ever() {
    // The next pickle comes, or does not, or stops in the middle.
    for extra in [0, 1, 100] {
        let script = [&pickle().repeat(3), &pickle()[..extra]].concat();
        let (stream, mut sender) = pair().await;
        sender.say(&script).await;
        let (mut eye, mut seen) = Eye::new();
        // A clock that runs as fast as nothing happens.
        tokio::time::pause();
        let begun = Instant::now();
        let connection = net::introduce(stream, &native()).await.unwrap();
        let error = net::play(connection, &native(), &StreamStats::default(), &mut eye).await;
        let taken = begun.elapsed();
        tokio::time::resume();
        assert!(
            matches!(error, ReceiveError::Wire(WireError::NoHello)),
            "{error:?}"
        );
        assert_eq!(taken.as_secs(), 10);
        assert!(seen.try_recv().is_err(), "it has seen nothing");
    }
    // Others than a sender that waits are not waited for.
    let jpeg = b"\x04\0\0\0\0\0\0\0\xff\xd8\xff\xe0";
    let (error, _) = shown(jpeg, native()).await;
    assert_eq!(error.to_string(), "no hello as its first message");
}

/// A connection to a sender by a way on which the hello comes too late.
fn tunnels() -> [Fault; 2] {
    let late = Duration::from_millis(600);
    [
        Fault {
            delay: late,
            ..Fault::default()
        },
        Fault {
            latency: late,
            ..Fault::default()
        },
    ]
}

/// A sender of small frames.
fn sender(pipeline: &str) -> Sender {
    let small = ["--width", "64", "--fps", "20"];
    Sender::start(
        ["--no-preview", "--pipeline", pipeline]
            .iter()
            .chain(&small),
    )
}

#[test]
fn a_viewer_behind_a_tunnel_is_served_as_any_other() {
    for (fault, pipeline) in tunnels().into_iter().zip(["test", "test-jpeg"]) {
        let mut sender = sender(pipeline);
        let proxy = Proxy::to(sender.port, fault);
        let mut command = vidchat();
        command.args(["recv", &proxy.target(), "--display", "none"]);
        let stats = Stats::of(&mut command);
        let viewer = Running::start(&mut command);
        let late = "says hello late, goes on as a viewer of vidchat's own";
        sender.process.line_with(late);
        // Both need what only the protocol has.
        let line = stats.line("ages", |line| line["age_ms"]["p50"].is_f64());
        let name = line["sender"].as_str().unwrap_or_default();
        assert!(!name.contains(':'), "not its name, but {name}");
        viewer.signal("INT");
        let ended = viewer.wait();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        let format = if pipeline == "test" { "I420" } else { "JPEG" };
        let sends = format!("sends 64x48 {format}");
        assert!(ended.stderr.contains(&sends), "{}", ended.stderr);
        sender.process.line_with("(0 watching)");
        let seen = sender.process.seen();
        let joined = seen.iter().filter(|line| line.contains("joined")).count();
        assert_eq!(joined, 1, "{seen:#?}");
    }
}

#[test]
fn a_viewer_of_the_protocol_alone_gets_its_frames_through_a_tunnel() {
    for fault in tunnels() {
        let sender = sender("test");
        let proxy = Proxy::to(sender.port, fault);
        let args = ["--display", "none", "--wire", "native", "--frames", "5"];
        let ended = run(vidchat().args(["recv", &proxy.target()]).args(args));
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        assert!(ended.stderr.contains("sends 64x48 I420"), "{ended:?}");
        assert!(!ended.stderr.contains("BGR"), "{ended:?}");
    }
}

#[test]
fn a_client_of_the_tutorial_is_served_on_beside_a_late_viewer() {
    let Some(python) = python("numpy2") else {
        return;
    };
    let mut sender = sender("test");
    let mut command = client(&python, sender.port, &["60"]);
    let tutorial = Running::start(&mut command);
    sender
        .process
        .line_with("a program of the tutorial): joined");
    let proxy = Proxy::to(sender.port, tunnels()[0]);
    let args = ["--display", "none", "--frames", "20"];
    let late = Running::start(vidchat().args(["recv", &proxy.target()]).args(args));
    sender.process.line_with("says hello late");
    for viewer in [late.wait(), tutorial.wait()] {
        assert_eq!(viewer.code(), 0, "{viewer:?}");
    }
}
