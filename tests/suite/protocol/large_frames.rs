//! Frames that announce a size beyond all measure, in every codec: the receiver refuses them before
//! a decoder takes memory for them, and shows the next sender.

use std::io::Write;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use vidchat::frame::FrameHeader;
use vidchat::media::playback::frame_check::FrameCheck;
use vidchat::wire::head::encode_frame_head;
use vidchat::wire::{Caps, Control, Hello};

use crate::support::kept_frames::KeptFrames;
use crate::support::listening_receiver::ListeningReceiver;
use crate::support::{in_one_try, skipped};

/// The memory that a receiver takes at the most, whatever comes. The documents say the same.
const MOST_MEMORY: usize = 5 << 29;

/// Decodes and converts, as a window does.
const PIPELINE: &str = "# Decodes and converts.\nappsrc name=frames ! ${decode} ! videoconvert ! \
    video/x-raw,format=BGRx ! fakesink sync=false\n";

/// The same with the decoder that keeps the most.
const AVDEC: &str = "# Decodes and converts.\nappsrc name=frames ! h264parse ! \
    avdec_h264 max-threads=1 qos=false max-errors=-1 ! \
    queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 ! videoconvert ! \
    video/x-raw,format=BGRx ! fakesink sync=false\n";

fn hello(caps: &str) -> Vec<u8> {
    Control::Hello(Hello {
        vidchat: 1,
        name: "liar".into(),
        caps: Some(caps.into()),
        sends: true,
        ..Hello::default()
    })
    .encode()
}

fn frame(sequence: u32, data: &[u8]) -> Vec<u8> {
    numbered(sequence, true, data)
}

fn numbered(sequence: u32, key: bool, data: &[u8]) -> Vec<u8> {
    let header = FrameHeader {
        key,
        sequence,
        ..FrameHeader::default()
    };
    [&encode_frame_head(&header, data.len()), data].concat()
}

/// The first frame of this encoder. `None`, said aloud, where it is not installed.
fn encoded(encoder: &str, width: u32, height: u32) -> Option<Vec<u8>> {
    let mut frames = several(encoder, width, height, 1)?;
    frames.pop()
}

/// The first frames of this encoder. `None`, said aloud, where it is not installed.
fn several(encoder: &str, width: u32, height: u32, count: u32) -> Option<Vec<Vec<u8>>> {
    gst::init().expect("GStreamer starts");
    let text = format!(
        "videotestsrc num-buffers={count} pattern=black ! \
         video/x-raw,width={width},height={height},framerate=30/1 ! {encoder} ! \
         appsink name=out sync=false"
    );
    let Ok(pipeline) = gst::parse::launch(&text) else {
        skipped(&format!("{encoder} is not installed"));
        return None;
    };
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .expect("several elements");
    let out = pipeline.by_name("out").expect("it is in the text");
    let out = out.downcast::<gst_app::AppSink>().expect("an appsink");
    pipeline.set_state(gst::State::Playing).expect("it starts");
    let data = |sample: gst::Sample| {
        let data = sample.buffer().expect("a frame").map_readable();
        data.expect("memory can be read").to_vec()
    };
    let frames: Vec<_> = std::iter::from_fn(|| out.pull_sample().ok().map(data)).collect();
    pipeline.set_state(gst::State::Null).expect("it stops");
    assert!(!frames.is_empty(), "{encoder} gives no frame");
    Some(frames)
}

/// `frame` with `old` in the place where `new` is then.
fn replaced(mut frame: Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = frame.windows(old.len()).position(|part| part == old);
    let at = at.unwrap_or_else(|| panic!("no {old:?} in the frame"));
    frame[at..at + old.len()].copy_from_slice(new);
    frame
}

/// A real JPEG whose head says that it is far larger.
fn large_jpeg(side: u16) -> Option<Vec<u8>> {
    let sides = |side: u16| [side.to_be_bytes(), side.to_be_bytes()].concat();
    Some(replaced(
        encoded("jpegenc", 64, 64)?,
        &sides(64),
        &sides(side),
    ))
}

/// The tutorial's message of this JPEG: an array of its bytes, as NumPy pickles it.
fn pickled(jpeg: &[u8]) -> Vec<u8> {
    let length = u32::try_from(jpeg.len())
        .expect("it is short")
        .to_le_bytes();
    let pickle = [
        b"\x80\x03cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R(K\x01J",
        &length[..],
        b"\x85cnumpy\ndtype\nX\x02\0\0\0u1\x89\x88\x87R(K\x03X\x01\0\0\0|NNN",
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89B",
        &length,
        jpeg,
        b"tb.",
    ]
    .concat();
    [&(pickle.len() as u64).to_le_bytes()[..], &pickle].concat()
}

#[test]
fn a_size_beyond_all_measure_is_refused_in_every_codec() {
    let mut receiver = ListeningReceiver::start(PIPELINE);
    let mut count = 0;
    let mut refused = |receiver: &mut ListeningReceiver, script: Vec<u8>, reason: &str| {
        receiver.hears(&script);
        let line = receiver.process.line_with("; waiting for a sender");
        assert!(line.contains(reason), "{line}");
        count += 1;
    };
    let sides = |side: u32| [side.to_be_bytes(), side.to_be_bytes()].concat();
    let Some(jpeg) = large_jpeg(24_000) else {
        return;
    };
    let most = "it has 24000x24000 pixels, and 8192x4352 are the most";
    for caps in ["image/jpeg", "image/jpeg, framerate=30/1"] {
        refused(&mut receiver, [hello(caps), frame(0, &jpeg)].concat(), most);
    }
    let caps = "image/jpeg, width=64, height=64";
    let other = "it has 24000x24000 pixels where its caps call for 64x64";
    refused(
        &mut receiver,
        [hello(caps), frame(0, &jpeg)].concat(),
        other,
    );
    refused(&mut receiver, pickled(&jpeg), most);
    // Several of them in one message: the first one is honest.
    let both = [encoded("jpegenc", 64, 64).expect("it was there"), jpeg].concat();
    refused(
        &mut receiver,
        [hello("image/jpeg"), frame(0, &both)].concat(),
        most,
    );
    if let Some(png) = encoded("pngenc", 64, 64) {
        let png = replaced(png, &sides(64), &sides(24_000));
        refused(
            &mut receiver,
            [hello("image/png"), frame(0, &png)].concat(),
            most,
        );
    }
    if let Some(vp8) = encoded("vp8enc deadline=1", 64, 64) {
        let vp8 = replaced(vp8, &[64, 0, 64, 0], &[0xff, 0x3f, 0xff, 0x3f]);
        let most = "it has 16383x16383 pixels";
        refused(
            &mut receiver,
            [hello("video/x-vp8"), frame(0, &vp8)].concat(),
            most,
        );
    }
    // These pack the size into bits, so an encoder makes it. It has to be larger than the caps.
    for (caps, encoder) in [
        (
            "video/x-h264, stream-format=byte-stream, alignment=au",
            "x264enc tune=zerolatency speed-preset=ultrafast ! video/x-h264,stream-format=byte-stream",
        ),
        (
            "video/x-h265, stream-format=byte-stream, alignment=au",
            "x265enc tune=zerolatency speed-preset=ultrafast ! video/x-h265,stream-format=byte-stream",
        ),
        (
            "video/x-vp9",
            "vp9enc deadline=1 cpu-used=8 lag-in-frames=0",
        ),
        (
            "video/x-av1, stream-format=obu-stream",
            "av1enc cpu-used=10 usage-profile=realtime lag-in-frames=0",
        ),
    ] {
        let Some(data) = encoded(encoder, 640, 480) else {
            continue;
        };
        let caps = format!("{caps}, width=64, height=64");
        let other = "it has 640x480 pixels where its caps call for 64x64";
        refused(
            &mut receiver,
            [hello(&caps), frame(0, &data)].concat(),
            other,
        );
    }
    assert!(count >= 5, "{count}");
    let memory = receiver.peak_memory();
    assert!(memory < 256 << 20, "it took {} MiB", memory >> 20);
    receiver.shows_an_honest_sender();
}

#[test]
fn the_largest_frames_that_are_taken_need_no_more_memory_than_is_promised() {
    let receiver = ListeningReceiver::start(PIPELINE);
    for (caps, encoder) in [
        ("image/jpeg", "jpegenc"),
        ("image/png", "pngenc compression-level=1"),
    ] {
        let Some(data) = encoded(&format!("videoconvert ! {encoder}"), 8192, 4352) else {
            continue;
        };
        let mut sender = receiver.connection();
        sender.write_all(&hello(caps)).expect("it takes it");
        let frame = frame(0, &data);
        receiver.stats.line("frames of 8K", |line| {
            (&sender).write_all(&frame).expect("it takes it");
            line["shown"].as_u64() > Some(0) && line["state"] == "live"
        });
    }
    let memory = receiver.peak_memory();
    assert!(memory < MOST_MEMORY, "it took {} MiB", memory >> 20);
}

/// Sends frames again and again, until the receiver has had `least` bytes of memory: the attack has
/// been one.
fn fill(receiver: &ListeningReceiver, caps: &str, frames: &[Vec<u8>], least: usize) {
    let mut pause = Duration::from_millis(20);
    in_one_try(|| {
        let mut sender = receiver.connection();
        sender.write_all(&hello(caps)).expect("it takes it");
        for (number, data) in (0..).zip(frames) {
            let message = numbered(number, number == 0, data);
            sender.write_all(&message).expect("it takes it");
            // A decoder that falls behind leaves frames out.
            std::thread::sleep(pause);
        }
        pause = pause * 3 / 2;
        let memory = receiver.peak_memory();
        assert!(memory < MOST_MEMORY, "it took {} MiB", memory >> 20);
        if memory > least {
            Ok(())
        } else {
            Err(format!("only {} MiB", memory >> 20))
        }
    });
}

/// Whether a decoder is given frames with this head.
fn is_taken(caps: &str, head: &[u8]) -> bool {
    let mut check = FrameCheck::default();
    check.set_caps(&Caps::parse(caps).expect("good caps"));
    check.admits(head, Instant::now()).is_ok()
}

#[test]
fn a_decoder_that_keeps_all_frames_it_can_needs_no_more_memory_than_is_promised() {
    gst::init().expect("GStreamer starts");
    if gst::ElementFactory::find("avdec_h264").is_none() {
        return skipped("avdec_h264 is not installed");
    }
    let caps = KeptFrames::CAPS;
    let largest = |down: &u32| is_taken(caps, &KeptFrames::new(2 * down, *down).sets());
    let down = (1..512).rev().find(largest).expect("some are taken");
    let frames: Vec<_> = KeptFrames::new(2 * down, down)
        .take(KeptFrames::ENOUGH)
        .collect();
    // Each frame is there twice, as the decoder keeps it and as it was given on.
    let pixels = 2 * down * down * 16 * 16;
    let kept = pixels as usize * 3 * KeptFrames::KEPT;
    fill(&ListeningReceiver::start(AVDEC), caps, &frames, kept);
}
