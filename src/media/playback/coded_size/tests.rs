//! Real frames of each codec, what a liar makes of them, and any bytes.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use proptest::prelude::*;

use super::*;

/// The frames that an encoder makes of a few frames of this size. `None`, said aloud, where it is
/// not installed.
fn encoded(encoder: &str, width: u32, height: u32) -> Option<Vec<Vec<u8>>> {
    gst::init().unwrap();
    let text = format!(
        "videotestsrc num-buffers=4 pattern=ball ! video/x-raw,width={width},height={height} ! \
         {encoder} ! appsink name=out sync=false"
    );
    let Ok(pipeline) = gst::parse::launch(&text) else {
        eprintln!("SKIPPED: {encoder} is not installed");
        return None;
    };
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let out = pipeline.by_name("out").unwrap();
    let out = out.downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut frames = Vec::new();
    while let Ok(sample) = out.pull_sample() {
        let buffer = sample.buffer().unwrap().map_readable().unwrap();
        frames.push(buffer.to_vec());
    }
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(frames.len(), 4, "{encoder}");
    Some(frames)
}

fn sizes(codec: &mut CodedSizes, frame: &[u8]) -> Result<Vec<(u32, u32)>, Unreadable> {
    let mut found = Vec::new();
    codec.read(frame, &mut |size| found.push((size.width, size.height)))?;
    Ok(found)
}

fn of(media_type: &str) -> CodedSizes {
    CodedSizes::of(&Caps::parse(media_type).unwrap())
}

/// Each codec with its encoders, and the width and height of the blocks to which it rounds up.
const CODECS: [(&str, &str, (u32, u32)); 13] = [
    ("image/jpeg", "jpegenc", (1, 1)),
    ("image/jpeg", "jpegenc idct-method=1", (1, 1)),
    ("image/png", "pngenc", (1, 1)),
    (
        "video/x-h264",
        "x264enc tune=zerolatency ! video/x-h264,stream-format=byte-stream",
        (16, 16),
    ),
    (
        "video/x-h264",
        "videoconvert ! video/x-raw,format=Y444_10LE ! x264enc tune=zerolatency ! \
         video/x-h264,stream-format=byte-stream",
        (16, 16),
    ),
    ("video/x-h264", "openh264enc", (16, 16)),
    ("video/x-h265", "x265enc tune=zerolatency", (8, 8)),
    (
        "video/x-h265",
        "videoconvert ! video/x-raw,format=I422_10LE ! x265enc tune=zerolatency",
        (8, 8),
    ),
    ("video/x-vp8", "vp8enc deadline=1", (1, 1)),
    ("video/x-vp9", "vp9enc deadline=1 lag-in-frames=0", (1, 1)),
    (
        "video/x-vp9",
        "videoconvert ! video/x-raw,format=Y444 ! vp9enc deadline=1 lag-in-frames=0",
        (1, 1),
    ),
    ("video/x-av1", "av1enc cpu-used=8 lag-in-frames=0", (1, 1)),
    (
        "video/x-av1",
        "videoconvert ! video/x-raw,format=Y444 ! av1enc cpu-used=8 lag-in-frames=0",
        (1, 1),
    ),
];

#[test]
fn the_size_of_a_real_frame_is_read() {
    for (media_type, encoder, (across, down)) in CODECS {
        for (width, height) in [(320, 180), (66, 34), (1288, 722)] {
            let Some(frames) = encoded(encoder, width, height) else {
                continue;
            };
            let mut codec = of(media_type);
            let right = (
                width.next_multiple_of(across),
                height.next_multiple_of(down),
            );
            for (number, frame) in frames.iter().enumerate() {
                let found = sizes(&mut codec, frame);
                let found = found.unwrap_or_else(|e| panic!("{encoder}, frame {number}: {e:?}"));
                let has_size = number == 0 || media_type.starts_with("image/");
                assert!(!has_size || !found.is_empty(), "{encoder}, frame {number}");
                assert!(
                    found.iter().all(|size| *size == right),
                    "{encoder}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn a_size_behind_another_one_is_found_too() {
    let jpeg = |side: u16| {
        let side = side.to_be_bytes();
        let header = [&b"\xff\xc2\0\x08\x08"[..], &side, &side, &[3]].concat();
        [
            &b"\xff\xd8\xff\xe0\0\x04ab"[..],
            &header,
            b"\xff\xda\0\x02\xff\0\x12\xff\xd0",
        ]
        .concat()
    };
    let ended = [jpeg(8), b"\xff\xd9\0\0".into(), jpeg(24_000)].concat();
    let cut_off = [jpeg(8), jpeg(24_000)].concat();
    // The length of a segment is beyond the end, so a decoder looks for the next start.
    let lying = [&b"\xff\xd8\xff\xe0\xff\xff"[..], &jpeg(24_000)].concat();
    let twice = [
        &b"\xff\xd8\xff\xc0\0\x08\x08\0\x08\0\x08\x03"[..],
        &jpeg(24_000)[2..],
    ]
    .concat();
    for frame in [ended, cut_off, lying, twice] {
        let found = sizes(&mut of("image/jpeg"), &frame).unwrap();
        assert!(found.contains(&(24_000, 24_000)), "{found:?}");
    }
    // A thumbnail within a segment is no frame of its own.
    let thumbnail = jpeg(24_000);
    let length = u16::try_from(thumbnail.len() + 2).unwrap().to_be_bytes();
    let frame = [&b"\xff\xd8\xff\xe1"[..], &length, &thumbnail, &jpeg(8)[2..]].concat();
    assert_eq!(sizes(&mut of("image/jpeg"), &frame), Ok(vec![(8, 8)]));

    let Some(small) = encoded("x264enc ! video/x-h264,stream-format=byte-stream", 64, 64) else {
        return;
    };
    let large = encoded("x264enc ! video/x-h264,stream-format=byte-stream", 640, 480).unwrap();
    let found = sizes(
        &mut of("video/x-h264"),
        &[&large[0][..], &small[0]].concat(),
    );
    assert_eq!(found, Ok(vec![(640, 480), (64, 64)]));

    let small = encoded("vp9enc deadline=1 lag-in-frames=0", 64, 64).unwrap();
    let large = encoded("vp9enc deadline=1 lag-in-frames=0", 640, 480).unwrap();
    let lengths = [&small[0], &large[0]].map(|f| u16::try_from(f.len()).unwrap().to_le_bytes());
    let index = [&[0xc9][..], &lengths.concat(), &[0xc9]].concat();
    let superframe = [&small[0][..], &large[0], &index].concat();
    let found = sizes(&mut of("video/x-vp9"), &superframe);
    assert_eq!(found, Ok(vec![(64, 64), (640, 480)]));
}

#[test]
fn a_frame_without_what_it_should_have_cannot_be_read() {
    for (media_type, frame) in [
        ("image/jpeg", &b""[..]),
        ("image/jpeg", b"\xff\xd8\xff\xd9"),
        ("image/jpeg", b"\xff\xd8\xff\xc0\0\x08\x08\0\0\0\0\x03"),
        ("image/png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("image/png", b"\xff\xd8"),
        ("video/x-vp8", b""),
        ("video/x-vp8", &[0; 10]),
        ("video/x-vp9", &[0; 10]),
        ("video/x-h264", b"\0\0\x01\x67\x64\0\x1f"),
        ("video/x-h265", b"\0\0\x01\x42\x01\x01"),
        ("video/x-av1", b"\x0a\x7f\0"),
        ("video/x-av1", b"\x0a\x01\0"),
    ] {
        let read = sizes(&mut of(media_type), frame);
        assert_eq!(read, Err(Unreadable), "{media_type} {frame:?}");
    }
}

#[test]
fn any_bytes_are_read_or_refused() {
    let damaged: Vec<(&str, Vec<Vec<u8>>)> = CODECS
        .iter()
        .filter_map(|(media_type, encoder, _)| Some((*media_type, encoded(encoder, 64, 48)?)))
        .collect();
    let codecs = 0..damaged.len();
    let changes = prop::collection::vec((0usize..200, any::<u8>()), 0..4);
    let noise = prop::collection::vec(any::<u8>(), 0..100);
    let cases = ProptestConfig::with_cases(3000);
    proptest!(cases, |(codec in codecs, changes in changes, noise in noise, cut in 0usize..300)| {
        let (media_type, frames) = &damaged[codec];
        let mut reader = of(media_type);
        for frame in frames {
            let mut frame = frame.clone();
            for (at, value) in &changes {
                if let Some(byte) = frame.get_mut(*at) {
                    *byte = *value;
                }
            }
            frame.truncate(cut);
            let _ = sizes(&mut reader, &frame);
        }
        let _ = sizes(&mut reader, &noise);
    });
}
