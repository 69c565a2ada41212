//! Which frame has reached the sink: each comes with the header that it was sent with, whatever
//! stands between.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use tokio::sync::mpsc;

use vidchat::frame::FrameHeader;
use vidchat::media::playback::events::PlayerOptions;
use vidchat::media::{self, Direction, PipelineFile, Player};
use vidchat::wire::Caps;

use crate::support::player::until;
use crate::support::{PATIENCE, in_one_try, skipped_in_part};

/// How many frames each test sends.
const COUNT: u32 = 25;

/// Every frame is of one grey, by which it is known again.
pub fn grey(number: u32) -> u8 {
    24 + 8 * number as u8
}

fn number(grey: u8) -> u32 {
    (u32::from(grey) - 20) / 8
}

/// What a sender would say of this frame, which is sent as the one of this `place`.
fn header(number: u32, key: bool, place: u32) -> FrameHeader {
    FrameHeader {
        key,
        // None is left out: a decoder is given nothing behind a gap.
        sequence: 1000 + place,
        captured_at: 5_000_000 + u64::from(number),
        ..FrameHeader::default()
    }
}

/// An encoded frame.
pub struct EncodedFrame {
    pub number: u32,
    pub key: bool,
    pub bytes: Vec<u8>,
}

/// Encoded frames in the order in which they are sent, and their caps; `None`, said aloud, where the
/// encoder is not installed.
pub fn encoded(encoder: &str) -> Option<(Caps, Vec<EncodedFrame>)> {
    media::init().unwrap();
    let caps = "video/x-raw,format=I420,width=64,height=48,framerate=30/1";
    let text = format!("appsrc name=in caps={caps} format=time ! {encoder} ! appsink name=out");
    let Ok(pipeline) = gst::parse::launch(&text) else {
        skipped_in_part(&format!("there is no {encoder}"));
        return None;
    };
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let ends = (pipeline.by_name("in"), pipeline.by_name("out"));
    let input = ends.0.unwrap().downcast::<gst_app::AppSrc>().unwrap();
    let output = ends.1.unwrap().downcast::<gst_app::AppSink>().unwrap();
    output.set_property("sync", false);
    pipeline.set_state(gst::State::Playing).unwrap();
    for n in 0..COUNT {
        let planes = [vec![grey(n); 64 * 48], vec![128; 64 * 48 / 2]].concat();
        let mut buffer = gst::Buffer::from_slice(planes);
        let pts = gst::ClockTime::from_mseconds(33) * u64::from(n);
        buffer.get_mut().unwrap().set_pts(pts);
        input.push_buffer(buffer).unwrap();
    }
    input.end_of_stream().unwrap();
    let samples: Vec<gst::Sample> = std::iter::from_fn(|| output.pull_sample().ok()).collect();
    pipeline.set_state(gst::State::Null).unwrap();
    let mut caps = samples.last().unwrap().caps_owned().unwrap();
    // For files, and no part of what is sent.
    caps.make_mut()
        .structure_mut(0)
        .unwrap()
        .remove_field("streamheader");
    let time = |sample: &gst::Sample| sample.buffer().unwrap().pts();
    let mut times: Vec<_> = samples.iter().map(time).collect();
    times.sort();
    let frame = |sample: &gst::Sample| {
        let buffer = sample.buffer().unwrap();
        let earlier = times.iter().filter(|earlier| **earlier < buffer.pts());
        EncodedFrame {
            number: earlier.count() as u32,
            key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            bytes: buffer.map_readable().unwrap().to_vec(),
        }
    };
    let frames = samples.iter().map(frame).collect();
    Some((media::gst::caps::from_gst(&caps).unwrap(), frames))
}

/// The size of the frames at the end of the pipeline, in pixels and in bytes.
const END: (usize, usize) = (16, 16 * 16 * 3 / 2);

/// Sends frames of this encoder through a receiving pipeline, and looks whether the headers at
/// its end are those of the frames there. The next one is sent when the one before has come out,
/// or after `patience`. Returns how many there were, if it could try.
fn headers_are_right(encoder: &str, decode: &str, then: &str, patience: Duration) -> Option<usize> {
    let (caps, frames) = encoded(encoder)?;
    let seen: Arc<Mutex<Vec<FrameHeader>>> = Arc::default();
    let told = Arc::clone(&seen);
    let folder = tempfile::tempdir().unwrap();
    let (size, length) = END;
    let path = folder.path().join("frames");
    let text = format!(
        "appsrc name=frames ! {decode} ! {then} ! videoscale ! videoconvert \
         ! video/x-raw,format=I420,width={size},height={size} \
         ! filesink buffer-mode=unbuffered location={}",
        path.display()
    );
    let options = PlayerOptions {
        seen: Some(Arc::new(move |header| told.lock().unwrap().push(*header))),
        ..PlayerOptions::new(PipelineFile::new(Direction::Recv, "mine", text))
    };
    let (events, _heard) = mpsc::unbounded_channel();
    let mut player = Player::spawn(options, events);
    player.set_caps(&caps);
    until("a pipeline", || player.is_ready());
    let mut sent = HashMap::new();
    for (place, frame) in (0..).zip(frames) {
        let before = seen.lock().unwrap().len();
        let header = header(frame.number, frame.key, place);
        sent.insert(frame.number, header);
        player.show(&header, frame.bytes.into());
        // The next one must not take its place.
        let until = Instant::now() + patience;
        while seen.lock().unwrap().len() == before && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    player.finish();
    let (seen, frames) = (seen.lock().unwrap(), std::fs::read(&path).unwrap());
    // On a busy machine the end may come before the last of them are written.
    let written = frames.chunks_exact(length);
    assert!(written.len() <= seen.len(), "{encoder} {decode} {then}");
    let count = written.len();
    for (seen, frame) in seen.iter().zip(written) {
        let sent = sent.get(&number(frame[0]));
        assert_eq!(Some(seen), sent, "{encoder} {decode} {then}");
    }
    Some(count)
}

#[test]
fn every_decoder_hands_on_which_frame_it_is() {
    let h264 = "x264enc tune=zerolatency speed-preset=ultrafast";
    let h265 = "x265enc tune=zerolatency speed-preset=ultrafast";
    let raw = "identity";
    for (encoder, decode) in [
        (raw, "identity"),
        ("jpegenc", "jpegdec"),
        ("videoconvert ! pngenc", "pngdec"),
        (h264, "h264parse ! avdec_h264 max-threads=1"),
        (h264, "h264parse ! openh264dec"),
        (h265, "h265parse ! avdec_h265 max-threads=1"),
        ("vp8enc deadline=1 target-bitrate=8000000", "vp8dec"),
        ("vp8enc deadline=1 target-bitrate=8000000", "avdec_vp8"),
        (
            "vp9enc deadline=1 cpu-used=8 lag-in-frames=0 max-quantizer=10",
            "vp9dec",
        ),
        (
            "av1enc cpu-used=8 usage-profile=realtime target-bitrate=8000",
            "av1dec",
        ),
    ] {
        let count = headers_are_right(
            encoder,
            decode,
            "videoscale ! video/x-raw,width=32",
            PATIENCE,
        );
        let all = count.is_none_or(|count| count + 2 >= COUNT as usize);
        assert!(all, "{count:?} of {encoder}");
    }
}

#[test]
fn what_drops_or_delays_frames_does_not_confuse_them() {
    let moment = Duration::from_millis(100);
    for then in [
        "videorate drop-only=true ! video/x-raw,framerate=10/1",
        "videorate ! video/x-raw,framerate=200/1",
        "queue ! videoscale ! video/x-raw,width=16",
    ] {
        in_one_try(|| {
            let count = headers_are_right("identity", "identity", then, moment);
            let enough = count.is_some_and(|count| count > 3);
            enough.then_some(()).ok_or(format!("{count:?}: {then}"))
        });
    }
    // Frames come out in another order than they went in.
    let encoder = "x264enc bframes=3 b-adapt=false speed-preset=ultrafast";
    let decode = "h264parse ! avdec_h264 max-threads=1";
    in_one_try(|| {
        let count = headers_are_right(encoder, decode, "identity", moment);
        let enough = count.is_none_or(|count| count > 15);
        enough.then_some(()).ok_or(format!("{count:?}"))
    });
}
