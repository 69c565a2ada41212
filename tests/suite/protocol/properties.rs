//! The rules of the wire, held against bytes and texts that nobody would think of.

use proptest::prelude::*;
use vidchat::frame::{FrameHeader, TimeOrigin};
use vidchat::wire::dialect;
use vidchat::wire::head::{HEAD_BYTES, encode_frame_head};
use vidchat::wire::length::{MOST_BYTES, Prefix};
use vidchat::wire::{CONTROL_LIMIT, Caps, Control, Head, HeadBuffer, Hello, text};

const LIMIT: u64 = 1 << 20;

fn any_header() -> impl Strategy<Value = FrameHeader> {
    let origin = prop_oneof![
        Just(TimeOrigin::Source),
        Just(TimeOrigin::Stream),
        Just(TimeOrigin::Arrival),
    ];
    (any::<[bool; 2]>(), any::<(u16, u32, u64, u64)>(), origin).prop_map(
        |([key, discontinuity], (stream, sequence, pts, captured_at), origin)| FrameHeader {
            ack: !key,
            key,
            discontinuity,
            stream,
            sequence,
            pts,
            captured_at,
            origin,
        },
    )
}

/// Bytes that look like messages at least at their start, and bytes that do not.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        0..200u64,
        any::<u64>(),
        Just(LIMIT),
        Just(CONTROL_LIMIT + 1)
    ];
    let kind = prop_oneof![Just(1u8), Just(b'{'), Just(0x80), Just(0xff), any::<u8>()];
    let rest = prop::collection::vec(any::<u8>(), 0..80);
    let likely = (length, kind, rest)
        .prop_map(|(length, kind, rest)| [&length.to_le_bytes()[..], &[kind], &rest].concat());
    prop_oneof![likely, prop::collection::vec(any::<u8>(), 0..80)]
}

/// Feeds `bytes` in pieces of at most `step`, and returns what is read until the first error.
fn heads(bytes: &[u8], step: usize) -> Vec<Head> {
    let mut buffer = HeadBuffer::default();
    let mut heads = Vec::new();
    let mut rest = bytes;
    loop {
        match buffer.head(LIMIT) {
            Ok(Some(head)) => {
                heads.push(head);
                let (Head::Control { length } | Head::Frame { length, .. }) = head;
                let mut body = vec![0; length];
                let taken = buffer.take(&mut body);
                rest = &rest[(length - taken).min(rest.len())..];
            }
            Ok(None) if rest.is_empty() => return heads,
            Ok(None) => {
                let space = buffer.space();
                let count = space.len().min(step).min(rest.len());
                space[..count].copy_from_slice(&rest[..count]);
                buffer.advance(count);
                rest = &rest[count..];
            }
            Err(_) => return heads,
        }
    }
}

/// One field as text, good or nearly.
fn any_field() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        prop::sample::select(vec!["width", "height", "format", "framerate", "level", "x"]),
        Just("pixel-aspect-ratio"),
    ];
    let value = prop_oneof![
        any::<i32>().prop_map(|i| format!("(int){i}")),
        any::<(i32, i32)>().prop_map(|(n, d)| format!("(fraction){n}/{d}")),
        (1..20_000i32).prop_map(|i| i.to_string()),
        "[A-Za-z0-9]{1,8}".prop_map(|text| format!("(string){text}")),
        "[ -~]{0,12}",
    ];
    (name, value).prop_map(|(name, value)| format!("{name}={value}"))
}

fn any_caps_text() -> impl Strategy<Value = String> {
    let media = prop::sample::select(vec!["video/x-raw", "image/jpeg", "video/x-h264", "a/b"]);
    let fields = prop::collection::vec(any_field(), 0..6);
    (media, fields).prop_map(|(media, fields)| {
        let size = match media {
            "video/x-raw" => vec!["format=I420".to_owned(), "width=4, height=2".to_owned()],
            _ => vec![],
        };
        [vec![media.to_owned()], size, fields].concat().join(", ")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_break_the_reading_of_messages(bytes in any_message(), step in 1..40usize) {
        for head in heads(&bytes, step) {
            match head {
                Head::Control { length } => prop_assert!(length as u64 <= CONTROL_LIMIT),
                Head::Frame { length, .. } => prop_assert!((length as u64) < LIMIT),
            }
        }
        prop_assert_eq!(heads(&bytes, step), heads(&bytes, usize::MAX));
        let formats = ["Q", "I", ">Q", ">I", "10", "16"].map(|name| name.parse().unwrap());
        for prefix in formats.map(Prefix::Known).into_iter().chain([Prefix::FourBytes]) {
            let mut buffer = HeadBuffer::default();
            let count = bytes.len().min(HEAD_BYTES);
            buffer.space()[..count].copy_from_slice(&bytes[..count]);
            buffer.advance(count);
            if let Ok(Some(length)) = buffer.bare_length(prefix, LIMIT) {
                prop_assert!((1..=LIMIT).contains(&length.bytes));
            }
        }
    }

    #[test]
    fn no_bytes_break_sniffing_and_more_of_them_change_nothing(bytes in any_message()) {
        let whole = dialect::detect(&bytes);
        for length in 0..bytes.len() {
            match dialect::detect(&bytes[..length]) {
                Ok(None) => {}
                Ok(told) => prop_assert_eq!(Ok(told), whole.clone()),
                Err(_) => prop_assert!(whole.is_err()),
            }
        }
        if bytes.len() >= MOST_BYTES + 3 {
            prop_assert_ne!(whole, Ok(None), "{} bytes are enough", bytes.len());
        }
        prop_assert!(text::quote(&bytes).chars().all(|c| !c.is_control()));
    }

    #[test]
    fn no_bytes_break_the_reading_of_control_messages(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        text in "\\{\"type\":\"(hello|caps|bye|key|zoom)\"(,\"[a-z]{1,8}\":[0-9\"{}\\[\\],:]{1,8}){0,3}\\}",
    ) {
        let _ = Control::decode(&bytes);
        if let Ok(message) = Control::decode(text.as_bytes())
            && message != Control::Unknown
        {
            let encoded = message.encode();
            prop_assert_eq!(Control::decode(&encoded[8..]), Ok(message));
        }
    }

    #[test]
    fn every_hello_reads_back(version in any::<u32>(), name in any::<String>(), caps in any::<Option<String>>()) {
        let message = Control::Hello(Hello { vidchat: version, name, caps, ..Hello::default() });
        let encoded = message.encode();
        prop_assert_eq!(Control::decode(&encoded[8..]), Ok(message));
    }

    #[test]
    fn no_text_breaks_the_reading_of_caps(text in any::<String>(), likely in any_caps_text()) {
        let _ = Caps::parse(&text);
        if let Ok(caps) = Caps::parse(&likely) {
            prop_assert_eq!(Caps::parse(&caps.to_string()), Ok(caps.clone()), "{}", likely);
            if let Some((width, height)) = caps.size() {
                prop_assert!((1..=16_384).contains(&width) && (1..=16_384).contains(&height));
            }
            prop_assert!(caps.framerate().is_none_or(f64::is_finite));
            prop_assert!(!caps.describe().is_empty());
        }
    }

    #[test]
    fn good_caps_read_back_as_they_were(
        (width, height) in (1..=4096i32, 1..=4096i32),
        (n, d) in (0..=1000i32, 1..=1001i32),
        format in "[A-Z0-9_]{1,12}",
    ) {
        let text = format!(
            "video/x-raw, format=(string){format}, width=(int){width}, height=(int){height}, \
             framerate=(fraction){n}/{d}"
        );
        let caps = Caps::parse(&text).expect("they are good");
        prop_assert_eq!(caps.to_string(), text);
        prop_assert_eq!(caps.size(), Some((width, height)));
        prop_assert_eq!(caps.format(), Some(&format[..]));
    }

    #[test]
    fn frame_heads_read_back_however_they_are_split(
        headers in prop::collection::vec((any_header(), 0..100usize), 1..5),
        step in 1..40usize,
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (header, length) in headers {
            bytes.extend(encode_frame_head(&header, length));
            bytes.extend(vec![0xff; length]);
            expected.push(Head::Frame { header, length });
        }
        prop_assert_eq!(heads(&bytes, step), expected);
    }

    #[test]
    fn text_of_a_peer_is_one_short_line(text in any::<String>(), limit in 0..100usize) {
        let shown = text::printable(&text, limit);
        prop_assert!(shown.chars().count() <= limit);
        prop_assert!(!shown.chars().any(char::is_control));
    }
}
