//! Senders that announce one thing and send another, against the program itself: it says what is
//! wrong, with its exit status, and never falls.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};

use vidchat::frame::FrameHeader;
use vidchat::wire::head::encode_frame_head;
use vidchat::wire::{Control, Hello};

use crate::support::listening_receiver::ListeningReceiver;
use crate::support::{Ended, PATIENCE, run_vidchat, written_pipeline};

/// What comes is decoded and converted, as for a window.
const DECODING: &str = "# Decodes and converts.\nappsrc name=frames ! ${decode} ! videoconvert ! \
    video/x-raw,format=BGRx ! fakesink sync=false\n";

const RAW: &str = "video/x-raw, format=I420, width=16, height=16, framerate=30/1";

/// A sender that says its script to each viewer, and then waits for it to go. Where GStreamer starts
/// slowly a viewer comes twice.
struct Liar {
    address: SocketAddr,
}

impl Liar {
    fn saying(script: Vec<u8>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("it is bound");
        std::thread::spawn(move || {
            for viewer in listener.incoming().map_while(Result::ok) {
                say(viewer, &script);
            }
        });
        Self { address }
    }

    /// How `vidchat recv` ends that watches it.
    fn watched(self, frames: &str) -> Ended {
        let target = self.address.to_string();
        let (_folder, file) = written_pipeline(DECODING);
        let args = [
            "recv",
            &target,
            "--pipeline",
            &file,
            "--no-reconnect",
            "--frames",
            frames,
        ];
        run_vidchat(args)
    }
}

fn say(mut viewer: TcpStream, script: &[u8]) {
    // The viewer may have gone in the middle of it.
    let _ = viewer.set_write_timeout(Some(PATIENCE));
    let _ = viewer.set_read_timeout(Some(PATIENCE));
    let _ = viewer.write_all(script);
    let _ = viewer.shutdown(Shutdown::Write);
    let _ = viewer.read_to_end(&mut Vec::new());
}

fn hello(caps: &str) -> Vec<u8> {
    hello_of(caps, false)
}

/// From a sender that has connected.
fn hello_of_sender(caps: &str) -> Vec<u8> {
    hello_of(caps, true)
}

fn hello_of(caps: &str, sends: bool) -> Vec<u8> {
    let hello = Hello {
        vidchat: 1,
        name: "liar".into(),
        caps: Some(caps.into()),
        sends,
        ..Hello::default()
    };
    Control::Hello(hello).encode()
}

fn frame(data: &[u8]) -> Vec<u8> {
    let header = FrameHeader {
        key: true,
        ..FrameHeader::default()
    };
    [&encode_frame_head(&header, data.len()), data].concat()
}

#[test]
fn a_raw_frame_of_another_length_is_refused() {
    for length in [0, 1, 383, 385, 100_000] {
        let script = [hello(RAW), frame(&[0; 384]), frame(&vec![0; length])].concat();
        let ended = Liar::saying(script).watched("5");
        assert_eq!(ended.code(), 3, "{}", ended.stderr);
        let cause = format!("it has {length} bytes where its caps call for 384");
        assert!(ended.stderr.contains(&cause), "{}", ended.stderr);
    }
}

#[test]
fn caps_that_nobody_can_show_are_refused_at_once() {
    for (caps, cause) in [
        ("video/x-raw, format=NOPE, width=16, height=16", "NOPE"),
        ("video/x-raw, format=I420, width=0, height=16", "width 0"),
        ("audio/x-raw, rate=48000", "not a media type"),
        ("filesrc location=/etc/passwd", "not a media type"),
        (
            "video/x-raw(memory:DMABuf), format=I420, width=16, height=16",
            "not a media type",
        ),
        // Decoders write beyond the memory of such frames.
        (
            "video/x-h264, interlace-mode=(string)alternate",
            "interlace-mode alternate",
        ),
        ("video/x-h264, stream-format=avc", "stream-format avc"),
    ] {
        let ended = Liar::saying(hello(caps)).watched("1");
        assert_eq!(ended.code(), 1, "{caps}: {}", ended.stderr);
        assert!(ended.stderr.contains(cause), "{caps}: {}", ended.stderr);
    }
}

#[test]
fn frames_of_no_codec_never_break_the_viewer() {
    for (caps, data) in [
        ("image/jpeg", &b""[..]),
        ("image/jpeg", b"\xff\xd8"),
        ("image/jpeg", b"this is no JPEG picture at all"),
        ("image/jpeg", &[0xff; 5000]),
        ("image/png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("video/x-h264, stream-format=byte-stream", &[0; 300]),
        ("video/x-vp8", &[0xff; 300]),
    ] {
        let script = [hello(caps), frame(data), frame(data)].concat();
        let ended = Liar::saying(script).watched("5");
        assert!(
            matches!(ended.code(), 1 | 3),
            "{caps}, {} bytes: {:?} {}",
            data.len(),
            ended.status,
            ended.stderr
        );
        assert!(ended.stderr.contains("error: "), "{}", ended.stderr);
    }
}

#[test]
fn a_sender_whose_frames_cannot_be_shown_ends_no_receiver_that_listens() {
    // The honest sender has the right width, and the others have not.
    let mut receiver = ListeningReceiver::start(
        "# One width.\nappsrc name=frames ! ${decode} ! video/x-raw,width=320 ! fakesink sync=false\n",
    );
    let raw = |side: usize| {
        let caps = format!("video/x-raw, format=GRAY8, width={side}, height={side}");
        [hello_of_sender(&caps), frame(&vec![7; side * side])].concat()
    };
    for side in [16, 64] {
        receiver.hears(&raw(side));
        receiver.process.line_with("failed: ");
        receiver.shows_an_honest_sender();
    }
}

#[test]
fn caps_may_change_a_hundred_times_in_a_row() {
    let mut script = hello(RAW);
    for side in (2..102).map(|i| i * 2) {
        let caps = format!("video/x-raw, format=GRAY8, width=4, height={side}");
        script.extend(Control::Caps { caps }.encode());
        script.extend(frame(&vec![9; 4 * side]));
        let caps = "image/jpeg".to_owned();
        script.extend(Control::Caps { caps }.encode());
    }
    script.extend(Control::Caps { caps: RAW.into() }.encode());
    script.extend(frame(&[0; 384]));
    let ended = Liar::saying(script).watched("1");
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[test]
fn what_a_sender_says_of_itself_cannot_touch_the_terminal() {
    let reason = "\u{1b}]0;evil\u{7}\u{1b}[2Jbye\r\n\u{202e}error: all is well".to_owned();
    let script = [hello(RAW), Control::bye(reason).encode()].concat();
    let ended = Liar::saying(script).watched("1");
    assert_eq!(ended.code(), 3, "{}", ended.stderr);
    let bare = |c: char| c.is_control() && c != '\n';
    assert!(!ended.stderr.contains(bare), "{:?}", ended.stderr);
    let lines = ended.stderr.lines().filter(|l| l.starts_with("error: "));
    assert_eq!(lines.count(), 1, "{}", ended.stderr);
}

#[test]
fn other_services_are_no_senders() {
    for (script, quoted) in [
        (&b"SSH-2.0-OpenSSH_9.2p1\r\n"[..], "\"SSH-2.0-"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "\"HTTP/1.1"),
        (b"220 mail ready\r\n", "\"220 mail"),
    ] {
        let ended = Liar::saying(script.to_vec()).watched("1");
        assert_eq!(ended.code(), 1, "{}", ended.stderr);
        assert!(
            ended.stderr.contains("is not a vidchat sender") && ended.stderr.contains(quoted),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn the_hint_for_a_message_that_is_too_long_names_a_flag_only_where_it_helps() {
    let announced = |length: u64, kind: u8| [&length.to_le_bytes()[..], &[kind; 24]].concat();
    for (message, hint) in [
        (announced(65_537, b'{'), "hint: compare vidchat --version"),
        (
            announced(67_108_865, 1),
            "hint: where its frames are that large: --max-frame 67108865",
        ),
    ] {
        let ended = Liar::saying([hello(RAW), message].concat()).watched("1");
        assert_eq!(ended.code(), 3, "{}", ended.stderr);
        assert!(ended.stderr.contains(hint), "{}", ended.stderr);
    }
}
