//! For the tests: each codec between raw frames that are made here and encoded frames to look at.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use crate::wire::Caps;

use crate::media::capture::encoder::Encoder;
use crate::media::capture::placeholders;
use crate::media::gst::caps;
use crate::media::pipeline::catalog;
use crate::media::pipeline::{build, ends};
use crate::media::{PipelineFile, Values};

pub const WIDTH: usize = 320;
pub const HEIGHT: usize = 240;
pub const FPS: u64 = 30;

/// The longest wait for a frame, which takes some milliseconds.
const FRAME_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(120);

/// A codec, running.
pub struct Bench {
    pipeline: gst::Pipeline,
    raw: gst_app::AppSrc,
    pub frames: gst_app::AppSink,
    pub encoder: Encoder,
    /// The number of raw frames that were put in.
    pub count: u64,
}

impl Bench {
    /// With the pipeline running.
    pub fn of(codec: &PipelineFile) -> Self {
        gst::init().unwrap();
        let mut file = codec.clone();
        file.text = format!(
            "appsrc name=raw format=time \
             caps=video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate={FPS}/1 ! \n\
             {}\n ! appsink name=frames sync=false",
            codec.text
        );
        let mut values = Values::default();
        values.set("width", WIDTH.to_string());
        values.set("height", HEIGHT.to_string());
        let filled = placeholders::fill(&values, &file).unwrap();
        let pipeline = build::build(&file, &filled.text).unwrap();
        let raw = pipeline.by_name("raw").unwrap();
        let bench = Self {
            raw: raw.downcast().unwrap(),
            frames: pipeline
                .by_name(ends::SEAM)
                .and_then(|frames| frames.downcast().ok())
                .unwrap(),
            encoder: Encoder::find(&pipeline).unwrap(),
            count: 0,
            pipeline,
        };
        bench.pipeline.set_state(gst::State::Playing).unwrap();
        bench
    }

    /// Puts one raw frame in and returns the encoded frame for it, before there is another.
    pub fn next(&mut self) -> gst::Buffer {
        let time = gst::ClockTime::SECOND * self.count / FPS;
        let mut buffer = gst::Buffer::from_slice(raw_frame(self.count));
        let fields = buffer.get_mut().unwrap();
        fields.set_pts(time);
        fields.set_duration(gst::ClockTime::SECOND / FPS);
        self.raw.push_buffer(buffer).unwrap();
        self.count += 1;
        let kind = self.encoder.kind();
        let sample = self.frames.try_pull_sample(FRAME_LIMIT);
        let sample = sample.unwrap_or_else(|| panic!("{kind} holds frame {} back", self.count));
        sample.buffer_owned().unwrap()
    }

    /// The caps of the encoded frames, once there was one.
    pub fn caps(&self) -> Caps {
        let pad = self.frames.static_pad("sink").unwrap();
        caps::from_gst(&pad.current_caps().unwrap()).unwrap()
    }

    /// Bytes of the last second of two.
    pub fn bytes_of_a_second(&mut self) -> usize {
        for _ in 0..FPS {
            self.next();
        }
        (0..FPS).map(|_| self.next().size()).sum()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// A raw frame: a pattern that moves, with noise on it, so that no bit rate is more than enough.
pub fn raw_frame(count: u64) -> Vec<u8> {
    let mut noise = 12345 + count as u32;
    let mut frame = vec![128; WIDTH * HEIGHT * 3 / 2];
    for (at, luma) in frame[..WIDTH * HEIGHT].iter_mut().enumerate() {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (x, y) = (at % WIDTH + count as usize * 2, at / WIDTH);
        *luma = (40 + (x & 63) + ((y * 2) & 63) + (noise >> 29) as usize) as u8;
    }
    frame
}

/// The shipped codecs, and those whose second choice is here too without their first.
pub fn all() -> Vec<PipelineFile> {
    gst::init().unwrap();
    let mut all = catalog::all_codecs();
    let second = all.iter().find(|codec| codec.name == "h264").cloned();
    if let Some(mut codec) = second
        && gst::ElementFactory::find("openh264enc").is_some()
    {
        codec.text = codec.text.replace("\nx264enc", "\nnosuchenc");
        all.push(codec);
    }
    all
}

/// Whether a frame can be decoded by itself.
pub fn is_key(buffer: &gst::BufferRef) -> bool {
    !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)
}
