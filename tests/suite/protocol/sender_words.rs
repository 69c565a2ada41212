//! Senders whose words are many or mislead: the log stays short, no line of it is forged, and the
//! statistics say how things are.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use vidchat::frame::FrameHeader;
use vidchat::wire::head::encode_frame_head;
use vidchat::wire::{Bye, Control, Hello, Loss, Pong};

use crate::cli::statistics::Stats;
use crate::support::{PATIENCE, Running, Sender, vidchat};

const RAW: &str = "video/x-raw, format=GRAY8, width=16, height=4, framerate=30/1";

/// A receiver, and the listener of a sender that the test plays.
struct Scene {
    receiver: Running,
    stats: Stats,
    listener: TcpListener,
}

impl Scene {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let target = listener.local_addr().expect("it is bound").to_string();
        let mut command = vidchat();
        command.args(["recv", &target, "--display", "none"]);
        let stats = Stats::of(&mut command);
        Self {
            receiver: Running::start(&mut command),
            stats,
            listener,
        }
    }

    /// The next connection of the receiver, which is told of caps.
    fn connection(&self, name: &str) -> TcpStream {
        let (mut stream, _) = self.listener.accept().expect("it connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
        let hello = Control::Hello(Hello {
            vidchat: 1,
            name: name.into(),
            caps: Some(RAW.into()),
            ..Hello::default()
        });
        stream.write_all(&hello.encode()).expect("it takes it");
        stream
    }

    /// The whole log, at the end.
    fn log(self) -> Vec<String> {
        self.receiver.signal("INT");
        let ended = self.receiver.wait();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        ended.stderr.lines().map(str::to_owned).collect()
    }
}

fn frame() -> Vec<u8> {
    let header = FrameHeader {
        key: true,
        ack: true,
        ..FrameHeader::default()
    };
    [&encode_frame_head(&header, 64), &[7; 64][..]].concat()
}

/// Waits until the receiver has read all so far: it acknowledges a frame.
fn is_heard(mut stream: &TcpStream) {
    stream.write_all(&frame()).expect("it takes it");
    while !matches!(next(stream), Control::Ack(_)) {}
}

/// The next message of the receiver. A ping is answered.
fn next(mut stream: &TcpStream) -> Control {
    let mut length = [0; 8];
    stream.read_exact(&mut length).expect("a message");
    let length = u64::from_le_bytes(length).try_into().expect("a length");
    let mut json = vec![0; length];
    stream.read_exact(&mut json).expect("a whole message");
    let message = Control::decode(&json).expect("a control message");
    if let Control::Ping { sent } = message {
        let pong = Pong {
            sent,
            received: 1,
            replied: 1,
            sent_ms: None,
        };
        let answer = Control::Pong(pong).encode();
        stream.write_all(&answer).expect("it takes it");
    }
    message
}

/// Lines that may come at once, and as many as come while a slow machine hears the flood.
const MOST_LINES: usize = 300;

#[test]
fn a_flood_of_losses_or_caps_does_not_fill_the_log() {
    let scene = Scene::start();
    let mut stream = scene.connection("desk");
    for number in 0..5000 {
        let reason = format!("reason {number}");
        let caps = RAW.replace("16", &(16 + number % 2 * 16).to_string());
        let mut words = Control::Lost(Loss::new(reason)).encode();
        words.extend(Control::Caps { caps }.encode());
        stream.write_all(&words).expect("it takes it");
    }
    let caps = RAW.to_owned();
    let last = Control::Caps { caps }.encode();
    stream.write_all(&last).expect("it takes it");
    is_heard(&stream);
    // The frames are shown as if nothing had been said.
    scene.stats.line("a frame", |line| {
        let _ = (&stream).write_all(&frame());
        line["shown"].as_u64() > Some(0) && line["form"] == "16x4 GRAY8"
    });
    let log = scene.log();
    assert!(log.len() < MOST_LINES, "{} lines", log.len());
    assert!(
        log[..20.min(log.len())]
            .join("\n")
            .contains("camera lost: reason 0")
    );
}

#[test]
fn a_flood_of_connections_with_other_names_and_reasons_does_not_fill_the_log() {
    let scene = Scene::start();
    for number in 0..200 {
        let mut stream = scene.connection(&format!("desk {number}"));
        is_heard(&stream);
        let bye = Bye::from(format!("reason {number}"));
        stream
            .write_all(&Control::Bye(bye).encode())
            .expect("it takes it");
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let log = scene.log();
    // Each would write three.
    assert!(log.len() < MOST_LINES, "{} lines", log.len());
}

#[test]
fn the_state_says_whether_frames_come_and_whether_there_is_a_connection() {
    let scene = Scene::start();
    let stream = scene.connection("desk");
    // Connected, and no frame ever.
    let frozen = scene.stats.line("no frame", |line| {
        // A word that says nothing shows that it lives.
        let _ = (&stream).write_all(&Control::Key.encode());
        line["state"] != "live"
    });
    assert_eq!(frozen["state"], "frozen", "{frozen}");
    assert!(
        frozen["reason"]
            .as_str()
            .is_some_and(|r| r.starts_with("no picture"))
    );
    is_heard(&stream);
    scene.stats.line("a frame", |line| {
        let _ = (&stream).write_all(&frame());
        line["state"] == "live"
    });
    drop(stream);
    // A sender that says hello each time and nothing more is no sender.
    for _ in 0..5 {
        let mut stream = scene.connection("desk");
        let bye = Control::bye("not now");
        stream.write_all(&bye.encode()).expect("it takes it");
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let lost = scene.stats.line("the loss", |line| line["state"] != "live");
    assert_eq!(lost["state"], "reconnecting", "{lost}");
    assert_eq!(lost["reason"], "not now", "{lost}");
}

#[test]
fn a_viewer_that_is_named_as_a_line_of_the_log_forges_none() {
    let mut sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    let mut stream = TcpStream::connect(sender.target()).expect("it listens");
    let hello = Control::Hello(Hello {
        vidchat: 1,
        name: "x\": joined (9 watching)\u{2028}INFO viewer 10.0.0.1:5 \"y".into(),
        ..Hello::default()
    });
    stream.write_all(&hello.encode()).expect("it takes it");
    let line = sender.process.line_with(": joined (1 watching)");
    let name = "\"x': joined (9 watching)INFO viewer 10.0.0.1:5 'y\": joined (1 watching)";
    assert!(line.ends_with(name), "{line}");
}
