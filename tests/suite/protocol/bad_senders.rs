//! Senders that are none, or that turn bad, against a viewer: each ends it with its reason, and
//! nothing is allocated on a stranger's word.

use std::time::Duration;

use proptest::prelude::*;
use tokio::net::TcpStream;
use tokio::time::Instant;
use vidchat::frame::FrameHeader;
use vidchat::net::receiver::{ReceiveError, ReceiveOptions};
use vidchat::net::{self, StreamStats};
use vidchat::wire::head::encode_frame_head;
use vidchat::wire::{Bye, Control, Dialect, FRAME_LIMIT, WireError};

use crate::support::peers::{
    CAPS, Eye, Seen, Stranger, Viewer, caps, hello, introduction, listener, test_frame, within,
};

/// A viewer and the sender that it has connected to, which has not said anything yet.
async fn pair() -> (TcpStream, Stranger) {
    let (listener, address) = listener().await;
    let viewer = TcpStream::connect(address).await.expect("it listens");
    let (sender, _) = listener.accept().await.expect("somebody has connected");
    (viewer, Stranger(sender))
}

/// How a viewer ends, and what it has seen, of a sender that says `script` and hangs up.
async fn shown(script: &[u8]) -> (ReceiveError, Vec<Seen>) {
    shown_to(script, ReceiveOptions::default(), |_| {}).await
}

async fn shown_to(
    script: &[u8],
    options: ReceiveOptions,
    change: impl FnOnce(&mut Eye),
) -> (ReceiveError, Vec<Seen>) {
    let (stream, mut sender) = pair().await;
    let viewer = Viewer::watch(stream, options, change);
    sender.say(script).await;
    let (ended, _) = tokio::join!(viewer.end(), sender.hang_up());
    ended
}

fn message(length: u64, start: &[u8]) -> Vec<u8> {
    [&length.to_le_bytes()[..], start].concat()
}

fn control(json: &[u8]) -> Vec<u8> {
    message(json.len() as u64, json)
}

fn frame(sequence: u32) -> Vec<u8> {
    let frame = test_frame(sequence);
    let head = encode_frame_head(&frame.header, frame.data.len());
    [&head[..], &frame.data].concat()
}

fn has_room(seen: &[Seen]) -> bool {
    seen.iter().any(|seen| matches!(seen, Seen::Room(_)))
}

#[tokio::test]
async fn other_services_are_named_by_their_first_bytes() {
    for (first, quoted) in [
        (&b"SSH-2.0-OpenSSH_9.2p1\r\n"[..], "\"SSH-2.0-Op\""),
        (b"HTTP/1.1 400 Bad Request\r\n", "\"HTTP/1.1 4\""),
        (b"220 mail\r\n", "\"220 mail\""),
        (b"no\n", "\"no\""),
        (b"\x15\x03\x01\x00\x02\x02\x16", "15 03 01 00 02 02 16"),
        (&[0; 100], "00 00 00 00 00 00 00 00"),
        (&[0xff; 100], "ff ff ff ff ff ff ff ff"),
        (&message(u64::MAX, b"{}"), "ff ff ff ff ff ff ff ff"),
        (&frame(0), "58 00 00 00 00 00 00 00 01"),
    ] {
        let (error, seen) = shown(first).await;
        let ReceiveError::Wire(WireError::Foreign(_)) = error else {
            panic!("{quoted}: {error:?}");
        };
        let text = error.to_string();
        let start = quoted.trim_end_matches('"');
        assert!(
            text.starts_with(&format!("its first bytes are {start}")),
            "{text}"
        );
        assert_eq!(seen, []);
    }
}

#[tokio::test]
async fn a_pickle_that_would_run_something_is_refused_by_its_name() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let trace = folder.path().join("it-ran");
    let arguments = format!("(S'touch {}'\ntR.", trace.display());
    for protocol in [&b""[..], b"\x80\x02"] {
        let pickle = [protocol, b"cos\nsystem\n", arguments.as_bytes()].concat();
        let (error, seen) = shown(&control(&pickle)).await;
        assert_eq!(error.to_string(), "a pickle that calls os.system");
        assert!(!seen.iter().any(|s| matches!(s, Seen::Frame(..))));
    }
    assert!(!trace.exists());
}

#[tokio::test]
async fn lengths_beyond_the_limit_get_no_memory() {
    for (length, start, limit) in [
        (FRAME_LIMIT + 1, 1, FRAME_LIMIT),
        (u64::MAX, 1, FRAME_LIMIT),
        (u64::MAX, b'{', FRAME_LIMIT),
        (i64::MAX as u64, 0, FRAME_LIMIT),
        (65_537, b'{', 65_536),
    ] {
        let script = [introduction(), message(length, &[start; 24])].concat();
        let (error, seen) = shown(&script).await;
        match error {
            ReceiveError::Wire(e) => assert_eq!(e, WireError::TooLong { length, limit }),
            other => panic!("{length}: {other:?}"),
        }
        assert!(!has_room(&seen), "room for {length}: {seen:?}");
    }
    let strict = ReceiveOptions {
        max_frame: 1024,
        ..ReceiveOptions::default()
    };
    let whole = [introduction(), frame(0), message(1025, &[1; 24])].concat();
    let (error, seen) = shown_to(&whole, strict, |_| {}).await;
    assert!(
        matches!(error, ReceiveError::Wire(WireError::TooLong { .. })),
        "{error:?}"
    );
    assert_eq!(seen.len(), 4, "hello, caps, room and one frame: {seen:?}");
}

#[tokio::test]
async fn each_breach_of_the_protocol_ends_the_viewer_with_its_own_error() {
    let bad_caps = Control::Caps {
        caps: "audio/x-raw".into(),
    };
    let late_caps = [introduction(), bad_caps.encode()].concat();
    let begun = |bytes: &[u8]| [&introduction(), bytes].concat();
    let deep = [&b"{\"x\":"[..], &b"[".repeat(60_000)].concat();
    for (script, expected) in [
        (begun(&message(0, b"")), "an empty message"),
        (begun(&message(9, b"\x02")), "unknown kind 0x02"),
        (begun(&message(9, b"\x80\x04")), "unknown kind 0x80"),
        (begun(&message(23, &[1; 23])), "a frame of 23 bytes"),
        (begun(&control(b"{\"type\"")), "not valid: EOF"),
        (begun(&control(b"{\"\xff\xfe\":1}")), "not valid: "),
        (begun(&control(&deep)), "recursion limit"),
        (late_caps, "caps that are not accepted"),
        (
            [hello("desk"), frame(0)].concat(),
            "a frame before any caps",
        ),
        (Control::Key.encode(), "no hello"),
        (control(br#"{"type":"zoom"}"#), "no hello"),
        (bad_caps.encode(), "no hello"),
        (control(br#"{"type":"hello","vidchat":0}"#), "version 0"),
        (
            control(br#"{"type":"hello","vidchat":1,"caps":"video/x-raw"}"#),
            "caps that are not accepted",
        ),
    ] {
        let (error, seen) = shown(&script).await;
        let text = error.to_string();
        assert!(
            matches!(error, ReceiveError::Wire(_)) && text.contains(expected),
            "{expected:?} is not in {text:?}"
        );
        assert!(!has_room(&seen), "{expected}: {seen:?}");
    }
}

#[tokio::test]
async fn what_the_sink_refuses_ends_the_viewer() {
    let (error, seen) = shown_to(&introduction(), ReceiveOptions::default(), |eye| {
        eye.blind = true;
    })
    .await;
    assert!(matches!(error, ReceiveError::Sink(_)), "{error:?}");
    assert_eq!(error.to_string(), "cannot show it: it is dark");
    assert_eq!(seen.len(), 2);
    let script = [introduction(), frame(0)].concat();
    let (error, seen) = shown_to(&script, ReceiveOptions::default(), |eye| {
        eye.length = Some(63);
    })
    .await;
    assert_eq!(error.to_string(), "cannot take it: another length");
    assert_eq!(seen.last(), Some(&Seen::Room(64)));
}

#[tokio::test]
async fn last_words_are_heard_even_before_a_hello_and_made_fit_to_be_shown() {
    let reason = format!("no\u{1b}[2J seat{}", "!".repeat(1000));
    let (error, _) = shown(&Control::bye(reason).encode()).await;
    match error {
        ReceiveError::Bye(Bye { reason, .. }) => {
            assert!(reason.starts_with("no[2J seat!"), "{reason}");
            assert_eq!(reason.len(), 200);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_name_is_made_fit_to_be_shown() {
    let (_, seen) = shown(&hello("de\u{1b}[31msk\n\u{202e}x")).await;
    assert_eq!(seen, [Seen::Hello("de[31mskx".into())]);
}

#[tokio::test]
async fn a_reset_is_a_lost_connection() {
    let (stream, mut sender) = pair().await;
    let mut viewer = Viewer::watch(stream, ReceiveOptions::default(), |_| {});
    sender.say(&[introduction(), frame(0)].concat()).await;
    viewer.frame().await;
    socket2::SockRef::from(&sender.0)
        .set_linger(Some(Duration::ZERO))
        .expect("it is connected");
    drop(sender);
    let (error, _) = viewer.end().await;
    assert!(matches!(error, ReceiveError::Io(_)), "{error:?}");
    assert_eq!(error.to_string(), "connection reset");
}

/// How long it takes until a viewer gives up a sender that says `script` and then nothing, by a
/// clock that runs as fast as nothing happens.
async fn patience(script: &[u8]) -> (ReceiveError, Duration) {
    let (stream, mut sender) = pair().await;
    sender.say(script).await;
    let (mut eye, _seen) = Eye::new();
    tokio::time::pause();
    let begun = Instant::now();
    let meter = StreamStats::default();
    let options = ReceiveOptions::default();
    let connection = net::introduce(stream, &options).await.unwrap();
    let error = net::play(connection, &options, &meter, &mut eye).await;
    let taken = begun.elapsed();
    tokio::time::resume();
    (error, taken)
}

#[tokio::test]
async fn a_sender_that_stops_is_given_up_after_a_while() {
    let (error, taken) = patience(b"").await;
    assert_eq!(error.to_string(), "it said nothing for 5 s");
    assert_eq!(taken.as_secs(), 5);
    let (error, _) = patience(&introduction()[..8]).await;
    assert!(
        matches!(error, ReceiveError::Wire(WireError::Foreign(_))),
        "{error:?}"
    );
    let conversation = [introduction(), frame(0)].concat();
    let hello = introduction().len();
    for stop in [9, hello - 1, hello + 1, hello + 31, hello + 32, hello + 95] {
        let (error, taken) = patience(&conversation[..stop]).await;
        assert_eq!(
            error.to_string(),
            "a message took over 30 s",
            "after {stop} of {} bytes",
            conversation.len()
        );
        assert_eq!(taken.as_secs(), 30);
    }
}

#[tokio::test]
async fn an_end_at_any_byte_is_an_end_and_shows_only_whole_frames() {
    let other = Control::Caps {
        caps: "image/jpeg".into(),
    };
    let bye = Control::bye("done");
    let frames = [frame(0), frame(1)];
    let whole = [
        &introduction()[..],
        &frames[0],
        &other.encode(),
        &frames[1],
        &bye.encode(),
    ]
    .concat();
    let first_ends = introduction().len() + frames[0].len();
    let second_ends = whole.len() - bye.encode().len();
    for length in 0..=whole.len() {
        let (error, seen) = shown(&whole[..length]).await;
        match (&error, length) {
            (ReceiveError::Unheard, 0) => {}
            (ReceiveError::Wire(WireError::Foreign(_)), 1..=8) => {}
            (ReceiveError::Closed, 9..) if length < whole.len() => {}
            (ReceiveError::Bye(_), _) if length == whole.len() => {}
            _ => panic!("after {length} of {} bytes: {error:?}", whole.len()),
        }
        let frames = seen.iter().filter(|s| matches!(s, Seen::Frame(..))).count();
        let expected = usize::from(length >= first_ends) + usize::from(length >= second_ends);
        assert_eq!(frames, expected, "after {length} bytes");
    }
}

#[tokio::test]
async fn a_sender_of_bare_frames_is_held_to_the_limits_too() {
    let bare = |text: Option<&str>| ReceiveOptions {
        dialect: Some(Dialect::Bare),
        bare_caps: text.map(caps),
        max_frame: 1000,
        ..ReceiveOptions::default()
    };
    let whole = [message(2, b"ab"), message(3, b"cde")].concat();
    let (error, seen) = shown_to(&whole, bare(Some(CAPS)), |_| {}).await;
    assert!(matches!(error, ReceiveError::Closed), "{error:?}");
    let first = FrameHeader {
        key: true,
        ..FrameHeader::default()
    };
    let second = FrameHeader {
        sequence: 1,
        ..first
    };
    assert_eq!(
        seen,
        [
            Seen::Hello(String::new()),
            Seen::Caps(caps(CAPS)),
            Seen::Room(2),
            Seen::Frame(first, b"ab".into()),
            Seen::Room(3),
            Seen::Frame(second, b"cde".into()),
        ]
    );
    for (script, text, expected) in [
        (message(1001, b"x"), Some(CAPS), "1001 bytes"),
        (message(u64::MAX, b"x"), Some(CAPS), "a message of 184"),
        (message(0, b""), Some(CAPS), "an empty message"),
        (message(2, b"ab"), None, "a frame before any caps"),
        (message(9, b"ab"), Some(CAPS), "closed the connection"),
    ] {
        let (error, seen) = shown_to(&script, bare(text), |_| {}).await;
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!seen.iter().any(|s| matches!(s, Seen::Frame(..))));
    }
    let jpeg = message(4, b"\xff\xd8\xff\xe0");
    let (_, seen) = shown(&jpeg).await;
    assert_eq!(seen.last(), Some(&Seen::Frame(first, jpeg[8..].into())));
}

#[test]
fn garbage_after_a_good_start_never_breaks_a_viewer() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("there is room for a runtime");
    let garbage = prop::collection::vec(any::<u8>(), 0..300);
    let lengths = prop_oneof![0u64..300, Just(u64::MAX), any::<u64>()];
    let cases = ProptestConfig::with_cases(300);
    proptest!(cases, |(garbage in garbage, length in lengths, kind in any::<bool>())| {
        let start = [if kind { 1 } else { b'{' }];
        let script = [introduction(), frame(0), message(length, &start), garbage].concat();
        let (error, seen) = runtime.block_on(within("an end", shown(&script)));
        prop_assert!(seen.len() >= 4, "{error:?} {seen:?}");
        prop_assert!(
            !matches!(error, ReceiveError::Io(_) | ReceiveError::Sink(_)),
            "{error:?}"
        );
    });
}
