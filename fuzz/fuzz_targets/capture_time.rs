//! Any frames of each codec that may tell when they were captured: a time or none, never a panic, and
//! a time that is written reads back.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use vidchat::clock::{CaptureTime, WallNanos};
use vidchat::frame::{Frame, FrameHeader};
use vidchat::media::capture_time::{CaptureTimeReader, stamped};
use vidchat::wire::Caps;

const CODECS: [&str; 4] = [
    "image/jpeg",
    "video/x-h264, stream-format=(string)byte-stream, alignment=(string)au",
    "video/x-h265, stream-format=(string)byte-stream, alignment=(string)au",
    "video/x-av1, stream-format=(string)obu-stream, alignment=(string)tu",
];

/// Every time is looked for within so many bytes.
const NEAR: usize = 4096;
/// How much a frame may grow.
const MOST_ADDED: usize = 80;

fuzz_target!(|input: (u8, u64, Vec<Vec<u8>>)| {
    let (codec, micros, frames) = input;
    let codec = CODECS[usize::from(codec) % CODECS.len()];
    let caps = Caps::parse(codec).expect("the caps are good");
    let mut reader = CaptureTimeReader::of(&caps).expect("it has a place for a time");
    let time = CaptureTime {
        at: WallNanos(micros % (u64::MAX / 1000) * 1000),
        ahead: 0,
        uncertainty: Duration::ZERO,
    };
    for data in frames {
        if let Some(told) = reader.read(true, &data) {
            let _ = told.age(WallNanos::now());
        }
        let frame = Frame {
            header: FrameHeader::default(),
            data: data.clone().into(),
        };
        let once = stamped(&caps, frame, &time);
        // The messages of others that stand beside a time may get the emulation prevention that they
        // lack.
        assert!(once.data.len() <= data.len() + data.len() / 2 + MOST_ADDED);
        if once.data != data && once.data.len() <= NEAR {
            assert_eq!(reader.read(true, &once.data), Some(time));
            assert_eq!(stamped(&caps, once.clone(), &time).data, once.data);
        }
    }
});
