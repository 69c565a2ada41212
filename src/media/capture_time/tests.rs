//! Tests of the times in whole frames, as encoders make them and as nobody would.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::clock::WallNanos;
use crate::frame::FrameHeader;

const TIME: CaptureTime = CaptureTime {
    at: WallNanos(1_700_000_000_123_456_000),
    ahead: -1_500_000,
    uncertainty: Duration::from_micros(250),
};

const H264: &str = "video/x-h264, stream-format=byte-stream, alignment=au";
const H265: &str = "video/x-h265, stream-format=byte-stream, alignment=au";
const AV1: &str = "video/x-av1, stream-format=obu-stream, alignment=tu";
const JPEG: &str = "image/jpeg";

/// How much a frame may grow.
const MOST_ADDED: usize = 80;

fn caps(text: &str) -> Caps {
    Caps::parse(text).unwrap()
}

fn frame(data: &[u8]) -> Frame {
    Frame {
        header: FrameHeader::default(),
        data: Bytes::copy_from_slice(data),
    }
}

fn with_time(text: &str, data: &[u8]) -> Bytes {
    stamped(&caps(text), frame(data), &TIME).data
}

fn time_in(text: &str, data: &[u8]) -> Option<CaptureTime> {
    CaptureTimeReader::of(&caps(text))?.read(true, data)
}

fn nals(units: &[&[u8]]) -> Vec<u8> {
    let with_code = |unit: &&[u8]| [&[0, 0, 0, 1], *unit].concat();
    units.iter().flat_map(with_code).collect()
}

fn obus(units: &[(u8, &[u8])]) -> Vec<u8> {
    let whole = |(kind, body): &(u8, &[u8])| [&[kind << 3 | 2, body.len() as u8], *body].concat();
    units.iter().flat_map(whole).collect()
}

/// A frame of each codec, and how many of its bytes come before its time.
fn frames() -> Vec<(&'static str, Vec<u8>, usize)> {
    let app0 = [&[0xff, 0xe0, 0, 7][..], b"JFIF\0"].concat();
    let table = [0xff, 0xdb, 0, 4, 0, 9];
    let jpeg = |parts: &[&[u8]]| [&[0xff, 0xd8], &parts.concat()[..], &[0xff, 0xd9]].concat();
    let (aud, sps, pps) = (&[9, 16][..], &[0x67, 1][..], &[0x68, 2][..]);
    let (sei, prefix) = (&[6, 1, 1, 7, 0x80][..], &[14, 1, 2, 3][..]);
    vec![
        (H264, nals(&[aud, sps, pps, sei, &[0x65, 9, 9]]), 29),
        (H264, nals(&[aud, prefix, &[0x41, 9]]), 6),
        (H264, nals(&[&[0x41, 9], &[0x41, 8]]), 0),
        (
            H265,
            nals(&[&[70, 1, 80], &[64, 1], &[66, 1], &[68, 1], &[38, 1, 9]]),
            25,
        ),
        (H265, nals(&[&[2, 2, 9]]), 0),
        (AV1, obus(&[(2, &[]), (1, &[7, 7]), (6, &[1, 2])]), 6),
        (AV1, obus(&[(2, &[]), (3, &[7]), (4, &[1, 2])]), 2),
        (JPEG, jpeg(&[&app0, &table]), 11),
        (JPEG, jpeg(&[&table]), 2),
    ]
}

#[test]
fn a_time_stands_before_the_image_and_reads_back() {
    for (text, data, before) in frames() {
        let stamped = with_time(text, &data);
        let added = stamped.len() - data.len();
        assert_eq!(stamped[..before], data[..before], "{text}");
        assert_eq!(stamped[before + added..], data[before..], "{text}");
        assert!((1..=MOST_ADDED).contains(&added), "{text}: {added}");
        assert_eq!(time_in(text, &stamped), Some(TIME), "{text}");
        assert_eq!(time_in(text, &data), None, "{text}");
    }
}

#[test]
fn a_frame_that_has_a_time_gets_another_one_in_its_place() {
    let later = CaptureTime {
        at: WallNanos(TIME.at.0 + 1_000_000_000),
        ..TIME
    };
    for (text, data, _) in frames() {
        let once = with_time(text, &data);
        let twice = stamped(&caps(text), frame(&once), &later).data;
        assert_eq!(time_in(text, &twice), Some(later), "{text}");
        let directly = stamped(&caps(text), frame(&data), &later).data;
        assert_eq!(twice, directly, "{text}");
    }
}

#[test]
fn several_times_in_a_frame_tell_nothing_and_are_all_replaced() {
    for (text, data, before) in frames() {
        let once = with_time(text, &data);
        let added = once.len() - data.len();
        let stamp = &once[before..before + added];
        let twice = [&once[..before], stamp, &once[before..]].concat();
        assert_eq!(time_in(text, &twice), None, "{text}");
        assert_eq!(with_time(text, &twice), once, "{text}");
    }
}

#[test]
fn other_frames_stay_as_they_are() {
    let h264 = nals(&[&[0x65, 9]]);
    for text in [
        "video/x-vp8",
        "video/x-vp9",
        "image/png",
        "video/x-raw, format=GRAY8, width=2, height=3",
        "video/x-h264, stream-format=avc",
        "video/x-av1, stream-format=annexb",
    ] {
        assert_eq!(with_time(text, &h264), h264, "{text}");
        assert!(CaptureTimeReader::of(&caps(text)).is_none(), "{text}");
    }
    // Without an image there is no place before it.
    for (text, data) in [
        (H264, nals(&[&[0x67, 1]])),
        (H264, vec![1, 2, 3]),
        (H265, Vec::new()),
        (AV1, obus(&[(2, &[])])),
        (AV1, vec![1 << 3 | 2, 200]),
        (JPEG, vec![0xff]),
    ] {
        assert_eq!(with_time(text, &data), data, "{text}");
    }
    let far = [nals(&[&[0x67, 1]]), vec![9; WRITE_LIMIT], h264.clone()].concat();
    assert_eq!(with_time(H264, &far), far);
    // Nobody knows when it was captured.
    let mut relayed = frame(&h264);
    relayed.header.origin = TimeOrigin::Arrival;
    assert_eq!(stamped(&caps(H264), relayed, &TIME).data, h264);
}

#[test]
fn a_stream_without_times_is_looked_at_seldom_until_it_has_one() {
    let data = nals(&[&[0x41, 9]]);
    let stamped = with_time(H264, &data);
    let mut reader = CaptureTimeReader::of(&caps(H264)).unwrap();
    for _ in 0..SEARCHED + 1 {
        assert_eq!(reader.read(false, &data), None);
    }
    let missed = (0..SELDOM).take_while(|_| reader.read(false, &stamped).is_none());
    let missed = missed.count();
    assert!((1..SELDOM as usize).contains(&missed), "{missed}");
    assert_eq!(
        reader.read(false, &stamped),
        Some(TIME),
        "it has been found"
    );
    for _ in 0..SEARCHED + 1 {
        assert_eq!(reader.read(false, &data), None);
    }
    assert_eq!(reader.read(true, &stamped), Some(TIME), "a key frame");
}

/// Frames that look like those of a codec at least in parts.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let (_, stamp, _) = frames().swap_remove(2);
    let stamp = with_time(H264, &stamp).to_vec();
    let part = prop_oneof![
        4 => prop::collection::vec(prop_oneof![Just(0), Just(1), any::<u8>()], 0..20),
        2 => Just(UUID.to_vec()),
        2 => (0..stamp.len()).prop_map(move |end| stamp[..end].to_vec()),
        1 => Just(vec![0, 0, 1, 6, 5]),
        1 => Just(vec![5 << 3 | 2, 41, 4, 255, 255]),
        1 => Just(vec![0xff, 0xd8, 0xff, 0xe9, 0, 39]),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_bytes_break_the_reading(data in any_frame()) {
        for text in [H264, H265, AV1, JPEG] {
            time_in(text, &data);
        }
    }

    #[test]
    fn any_frame_takes_a_time_or_stays(data in any_frame()) {
        for text in [H264, H265, AV1, JPEG] {
            let once = with_time(text, &data);
            if once != data {
                let is_near = once.len() <= READ_LIMIT;
                assert!(!is_near || time_in(text, &once) == Some(TIME));
                assert_eq!(with_time(text, &once), once);
            }
        }
    }

    #[test]
    fn any_change_of_a_byte_gives_the_same_time_or_another_or_none(
        at in any::<prop::sample::Index>(), to in any::<u8>(),
    ) {
        for (text, data, _) in frames() {
            let mut stamped = with_time(text, &data).to_vec();
            let at = at.index(stamped.len());
            stamped[at] = to;
            if let Some(time) = time_in(text, &stamped) {
                // Whoever uses it compares it with a clock.
                let _ = time.age(WallNanos(TIME.at.0));
            }
        }
    }
}

#[test]
fn a_time_is_read_before_a_decoder_where_units_have_lengths_too() {
    let (avc, hvc1) = (
        "video/x-h264, stream-format=avc, alignment=au",
        "video/x-h265, stream-format=hvc1, alignment=au",
    );
    for (text, lengths, image) in [(H264, avc, &[0x65, 9, 9]), (H265, hvc1, &[38, 1, 9])] {
        let image = nals(&[image]);
        let stamped = with_time(text, &image);
        // A start code of four bytes is as long as a length.
        let mut frame = stamped.to_vec();
        let length = stamped.len() - image.len() - 4;
        frame[..4].copy_from_slice(&(length as u32).to_be_bytes());
        let read = |caps_text: &str, frame: &[u8]| {
            CaptureTimeReader::before_decoder(&caps(caps_text))?.read(true, frame)
        };
        assert_eq!(read(lengths, &frame), Some(TIME), "{text}");
        assert_eq!(read(text, &stamped), Some(TIME), "{text}");
        assert_eq!(read(lengths, &[&frame[..], &frame[..]].concat()), None);
        assert_eq!(read(lengths, &frame[..40]), None);
        assert!(CaptureTimeReader::of(&caps(lengths)).is_none());
    }
    let jpeg = with_time(JPEG, &[0xff, 0xd8, 0xff, 0xd9]);
    let mut reader = CaptureTimeReader::before_decoder(&caps(JPEG)).unwrap();
    assert_eq!(reader.read(true, &jpeg), Some(TIME));
    assert!(CaptureTimeReader::before_decoder(&caps("video/x-vp8")).is_none());
}
