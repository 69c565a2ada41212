//! Streams of RTP whose marks are right, and those of servers and cameras that mark too much: each
//! frame comes out whole, and a right one at once.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use gstreamer_app as gst_app;

use super::*;
use crate::media::bitstream::start_code;

const PATIENCE: Duration = Duration::from_secs(120);
/// Frames with a delimiter, a message and three slices each.
const H264: &str = "x264enc tune=zerolatency threads=3 speed-preset=ultrafast key-int-max=9 aud=true \
    ! video/x-h264,stream-format=byte-stream,alignment=au";
const H265: &str = "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=9 log-level=none \
    option-string=slices=3:aud=1 ! video/x-h265,stream-format=byte-stream,alignment=au";

/// The frames of an encoder; `None`, said aloud, where it is not installed.
fn frames_of(encoder: &str) -> Option<Vec<gst::Buffer>> {
    gst::init().unwrap();
    let name = encoder.split(' ').next().unwrap();
    if !element::is_installed(name) {
        eprintln!("not looked at here: {name}");
        return None;
    }
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc num-buffers=12 pattern=snow ! video/x-raw,width=320,height=240,framerate=30/1 \
         ! {encoder} ! appsink name=taken sync=false"
    ));
    let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
    let taken = pipeline.by_name("taken").unwrap();
    let taken = taken.downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let samples = std::iter::from_fn(|| taken.pull_sample().ok());
    let frames = samples.map(|sample| sample.buffer_owned().unwrap());
    let frames = frames.collect();
    pipeline.set_state(gst::State::Null).unwrap();
    Some(frames)
}

/// A pipeline from RTP to frames.
struct Line {
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    frames: Receiver<gst::Sample>,
}

impl Line {
    /// One of `codec` with this way of putting units together. All packets are marked where
    /// `marks_all` says so.
    fn of(codec: &str, aggregation: &str, marks_all: bool) -> Self {
        let caps = format!("video/x-{codec},stream-format=byte-stream,alignment=au");
        let pipeline = gst::parse::launch(&format!(
            "appsrc name=source format=time caps={caps} ! rtp{codec}pay name=pay mtu=1000 \
             aggregate-mode={aggregation} ! rtp{codec}depay \
             ! video/x-{codec},stream-format=byte-stream,alignment=au ! appsink name=frames sync=false"
        ));
        let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
        let end = |name| pipeline.by_name(name).unwrap();
        let source = end("source").downcast::<gst_app::AppSrc>().unwrap();
        let taken = end("frames").downcast::<gst_app::AppSink>().unwrap();
        watch(&pipeline);
        let data = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        let pad = end("pay").static_pad("src").unwrap();
        pad.add_probe(data, move |_, info| {
            match &mut info.data {
                Some(gst::PadProbeData::Buffer(packet)) if marks_all => mark(packet),
                Some(gst::PadProbeData::BufferList(list)) if marks_all => {
                    list.make_mut().foreach_mut(|mut packet, _| {
                        mark(&mut packet);
                        std::ops::ControlFlow::Continue(Some(packet))
                    });
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
        let (send, frames) = channel();
        let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |taken| {
            let _ = send.send(taken.pull_sample().map_err(|_| gst::FlowError::Eos)?);
            Ok(gst::FlowSuccess::Ok)
        });
        taken.set_callbacks(callbacks.build());
        pipeline.set_state(gst::State::Playing).unwrap();
        Self {
            pipeline,
            source,
            frames,
        }
    }

    fn push(&self, frame: &gst::Buffer) {
        self.source.push_buffer(frame.clone()).unwrap();
    }

    /// The next frame that comes out.
    fn next(&self) -> Vec<u8> {
        let sample = self.frames.recv_timeout(PATIENCE).expect("a frame comes");
        sample.buffer().unwrap().map_readable().unwrap().to_vec()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn mark(packet: &mut gst::Buffer) {
    let mut rtp = gst_rtp::RTPBuffer::from_buffer_writable(packet.make_mut()).unwrap();
    rtp.set_marker(true);
}

/// The units of a frame without their start codes, but for parameter sets and delimiters, which may
/// come in another way.
fn units(codec: UnitCodec, frame: &[u8]) -> Vec<Vec<u8>> {
    let starts: Vec<usize> =
        std::iter::successors(start_code(frame, 0), |start| start_code(frame, start + 3)).collect();
    let ends = starts[1..].iter().copied().chain([frame.len()]);
    let units = starts.iter().zip(ends).map(|(start, end)| {
        let unit = &frame[start + 3..end];
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        unit[..unit.len() - zeros].to_vec()
    });
    let is_kept = |kind| !codec.is_set(kind) && !codec.begins_frame(kind);
    units
        .filter(|unit| is_kept(codec.nal_kind(unit[0])))
        .collect()
}

/// The next frame that comes out is this one.
fn gives(line: &Line, codec: UnitCodec, frame: &gst::Buffer) {
    let expected = units(codec, &frame.map_readable().unwrap());
    let slices = expected
        .iter()
        .filter(|unit| codec.is_image(codec.nal_kind(unit[0])));
    assert_eq!(slices.count(), 3);
    assert_eq!(units(codec, &line.next()), expected, "{codec:?}");
}

const CODECS: [(&str, UnitCodec, &str); 2] = [
    ("h264", UnitCodec::H264, H264),
    ("h265", UnitCodec::H265, H265),
];

#[test]
fn a_frame_with_a_right_mark_comes_out_before_the_next_one_goes_in() {
    for (name, codec, encoder) in CODECS {
        let Some(frames) = frames_of(encoder) else {
            continue;
        };
        for aggregation in ["none", "zero-latency"] {
            let line = Line::of(name, aggregation, false);
            for frame in &frames {
                line.push(frame);
                gives(&line, codec, frame);
            }
        }
    }
}

#[test]
fn frames_whose_packets_are_all_marked_are_whole_and_only_the_first_waits() {
    for (name, codec, encoder) in CODECS {
        let Some(frames) = frames_of(encoder) else {
            continue;
        };
        for aggregation in ["none", "zero-latency"] {
            let line = Line::of(name, aggregation, true);
            line.push(&frames[0]);
            line.push(&frames[1]);
            gives(&line, codec, &frames[0]);
            gives(&line, codec, &frames[1]);
            for frame in &frames[2..] {
                line.push(frame);
                gives(&line, codec, frame);
            }
        }
    }
}
