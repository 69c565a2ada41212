//! The bytes in `docs/protocol.md`, against what the program says and understands.

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vidchat::clock::{CaptureTime, WallNanos};
use vidchat::frame::{Frame, FrameHeader, TimeOrigin};
use vidchat::media::capture_time::stamped;
use vidchat::net::receiver::ReceiveOptions;
use vidchat::net::sender::ServerOptions;
use vidchat::wire::head::{HEAD_BYTES, encode_frame_head};
use vidchat::wire::{ByeCode, Caps, Control, Head, HeadBuffer, Hello};

use crate::support::peers::{Seen, Stage, Stranger, Viewer, listener, within};
use crate::support::project;

const CAPS: &str = "video/x-raw, format=(string)I420, width=(int)4, height=(int)2, \
    framerate=(fraction)30/1";

const NAMES: [&str; 18] = [
    "hello-viewer",
    "hello-sender",
    "hello-sends",
    "caps",
    "lost",
    "ping",
    "pong",
    "ack",
    "report",
    "report-onward",
    "key",
    "bye",
    "frame",
    "capture-time",
    "capture-time-h264",
    "capture-time-h265",
    "capture-time-av1",
    "capture-time-jpeg",
];

/// The blocks of the document, in their order: name and bytes.
fn blocks() -> Vec<(String, Vec<u8>)> {
    let path = project().join("docs/protocol.md");
    let text = fs::read_to_string(&path).expect("docs/protocol.md is there");
    let mut blocks: Vec<(String, Vec<u8>)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("```golden ") {
            blocks.push((name.trim().to_owned(), Vec::new()));
            inside = true;
        } else if line.starts_with("```") {
            inside = false;
        } else if inside && let Some((name, bytes)) = blocks.last_mut() {
            let code = line.split('#').next().unwrap_or_default();
            bytes.extend(code.split_whitespace().map(|byte| {
                assert_eq!(byte.len(), 2, "{name}: {byte:?} in {line:?}");
                u8::from_str_radix(byte, 16)
                    .unwrap_or_else(|_| panic!("{name}: {byte:?} in {line:?}"))
            }));
        }
    }
    blocks
}

fn golden(name: &str) -> Vec<u8> {
    let mut found = blocks().into_iter().filter(|(known, _)| known == name);
    let (_, bytes) = found.next().unwrap_or_else(|| panic!("no block {name:?}"));
    assert!(found.next().is_none(), "{name:?} twice");
    bytes
}

/// The control message in a block, which has to be one and no more.
fn control(name: &str) -> Control {
    let bytes = golden(name);
    let (length, json) = bytes.split_first_chunk().expect("a length comes first");
    assert_eq!(u64::from_le_bytes(*length), json.len() as u64, "{name}");
    Control::decode(json).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn the_frame() -> Frame {
    Frame {
        header: FrameHeader {
            key: true,
            discontinuity: false,
            ack: true,
            stream: 0,
            sequence: 7,
            pts: 233_333_333,
            captured_at: 1_700_000_000_123_456_789,
            origin: TimeOrigin::Source,
        },
        data: Bytes::from_iter(0..12),
    }
}

#[test]
fn the_document_shows_each_message_once() {
    let mut names: Vec<String> = blocks().into_iter().map(|(name, _)| name).collect();
    names.sort();
    let mut expected = NAMES.map(String::from);
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn control_messages_are_written_and_read_as_the_document_has_them() {
    let hello = |name: &str, caps: Option<&str>| {
        Control::Hello(Hello {
            vidchat: 1,
            name: name.into(),
            caps: caps.map(Into::into),
            ..Hello::default()
        })
    };
    let viewer = Control::Hello(Hello {
        vidchat: 1,
        name: "kitchen".into(),
        acks: true,
        max_latency: Some(200),
        ..Hello::default()
    });
    assert_eq!(control("hello-viewer"), viewer);
    assert!(matches!(control("pong"), Control::Pong(pong) if pong.replied > pong.received));
    assert!(matches!(control("ack"), Control::Ack(ack) if ack.sequence == 7));
    assert_eq!(control("hello-sender"), hello("desk", Some(CAPS)));
    let sends = Control::Hello(Hello {
        vidchat: 1,
        name: "desk".into(),
        sends: true,
        ..Hello::default()
    });
    assert_eq!(control("hello-sends"), sends);
    assert_eq!(control("key"), Control::Key);
    let onward = |control| match control {
        Control::Report(report) => report.onward_mbit_s,
        other => panic!("{other:?}"),
    };
    let told = [onward(control("report")), onward(control("report-onward"))];
    assert_eq!(told, [None, Some(0.5)]);
    assert!(matches!(control("bye"), Control::Bye(bye) if bye.code == Some(ByeCode::Stopped)));
    match control("caps") {
        Control::Caps { caps } => assert_eq!(Caps::parse(&caps).map(|c| c.to_string()), Ok(caps)),
        other => panic!("{other:?}"),
    }
    for name in NAMES.into_iter().take_while(|name| *name != "frame") {
        assert_eq!(control(name).encode(), golden(name), "{name}");
    }
}

#[test]
fn a_frame_is_written_and_read_as_the_document_has_it() {
    let bytes = golden("frame");
    let Frame { header, data } = the_frame();
    let head = encode_frame_head(&header, data.len());
    assert_eq!([&head[..], &data].concat(), bytes);
    let mut buffer = HeadBuffer::default();
    buffer.space().copy_from_slice(&bytes[..HEAD_BYTES]);
    buffer.advance(HEAD_BYTES);
    let length = data.len();
    assert_eq!(buffer.head(1024), Ok(Some(Head::Frame { header, length })));
}

#[test]
fn the_time_of_capture_is_written_as_the_document_has_it() {
    let time = CaptureTime {
        at: WallNanos(1_700_000_000_123_456_000),
        ahead: -1_500_000,
        uncertainty: Duration::from_micros(250),
    };
    let message = golden("capture-time");
    // The shortest frame of each codec, and its part before the time.
    for (name, caps, before, after) in [
        ("h264", "video/x-h264", &[][..], &[0, 0, 0, 1, 0x65][..]),
        ("h265", "video/x-h265", &[], &[0, 0, 0, 1, 38, 1]),
        ("av1", "video/x-av1", &[18, 0], &[50, 0]),
        ("jpeg", "image/jpeg", &[0xff, 0xd8], &[0xff, 0xd9]),
    ] {
        let frame = Frame {
            header: FrameHeader::default(),
            data: [before, after].concat().into(),
        };
        let caps = Caps::parse(caps).expect("they are good");
        let block = golden(&format!("capture-time-{name}"));
        let expected = [before, &block, after].concat();
        assert_eq!(stamped(&caps, frame, &time).data, expected, "{name}");
        let is_plain = block.windows(message.len()).any(|part| part == message);
        assert_eq!(is_plain, !name.starts_with('h'), "{name}: the same message");
    }
}

#[tokio::test]
async fn a_conversation_consists_of_the_bytes_of_the_document() {
    let stage = Stage::open_without_caps(ServerOptions {
        name: "desk".into(),
        ..ServerOptions::default()
    })
    .await;
    stage
        .hub
        .announce(Caps::parse(CAPS).expect("they are good"));
    stage.hub.publish(the_frame());
    let mut viewer = Stranger::at(stage.address).await;
    viewer.say(&golden("hello-viewer")).await;
    viewer.say(&golden("key")).await;
    let expected = [golden("hello-sender"), golden("frame")].concat();
    let mut heard = vec![0; expected.len()];
    within("the sender's words", viewer.0.read_exact(&mut heard))
        .await
        .expect("they come");
    assert_eq!(heard, expected);
    let Control::Bye(bye) = control("bye") else {
        panic!("bye is a bye");
    };
    let last_words = tokio::spawn(viewer.hears_the_end());
    stage.close_with(bye).await;
    assert_eq!(last_words.await.expect("it reads"), golden("bye"));
}

#[tokio::test]
async fn a_viewer_says_and_understands_the_bytes_of_the_document() {
    let (listener, address) = listener().await;
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut sender, _) = listener.accept().await.expect("somebody has connected");
    let options = ReceiveOptions {
        name: "kitchen".into(),
        ..ReceiveOptions::default()
    };
    let mut viewer = Viewer::watch(stream, options, |_| {});
    let mut heard = vec![0; golden("hello-viewer").len()];
    within("the viewer's words", sender.read_exact(&mut heard))
        .await
        .expect("they come");
    assert_eq!(heard, golden("hello-viewer"));
    for name in ["hello-sender", "pong", "frame", "lost", "caps", "bye"] {
        sender.write_all(&golden(name)).await.expect("it listens");
    }
    assert_eq!(viewer.next().await, Seen::Hello("desk".into()));
    let caps = Caps::parse(CAPS).expect("they are good");
    assert_eq!(viewer.next().await, Seen::Caps(caps));
    let Frame { header, data } = the_frame();
    // Acknowledging is the network's own business.
    let header = FrameHeader {
        ack: false,
        ..header
    };
    assert_eq!(viewer.next().await, Seen::Frame(header, data.to_vec()));
    assert!(matches!(viewer.next().await, Seen::Lost(_)));
    assert!(matches!(viewer.next().await, Seen::Caps(_)));
    let (error, _) = viewer.end().await;
    match control("bye") {
        Control::Bye(bye) => assert_eq!(error.to_string(), bye.reason),
        other => panic!("{other:?}"),
    }
}
