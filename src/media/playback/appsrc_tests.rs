//! Each shipped codec through a player: all decoded frames come, at once and right, and a stream that
//! was damaged or has a gap comes right again.

use std::sync::mpsc::{self, Receiver, Sender};

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;
use crate::frame::Frame;
use crate::media::capture::codec_bench::{self, Bench, HEIGHT, WIDTH, all};
use crate::media::capture::encoder;
use crate::media::frame_sink::FrameSink;
use crate::media::pipeline::decoders;
use crate::media::playback::events::PlayerOptions;
use crate::media::{Direction, PipelineFile, Player};

const PIPELINE: &str = "appsrc name=frames ! ${decode} ! videoconvert \
    ! video/x-raw,format=I420 ! appsink name=taken";

const PATIENCE: Duration = Duration::from_secs(120);

struct Taken(Mutex<Sender<Bytes>>);

impl FrameSink for Taken {
    fn announce(&self, _caps: Caps) {}
    fn publish(&self, frame: Frame) {
        let _ = self.0.lock().send(frame.data);
    }
    fn clear(&self) {}
    fn lose(&self, _reason: &str) {}
}

/// A codec, a player of its frames, and the decoded frames that come out.
struct Line {
    bench: Bench,
    player: Player,
    decoded: Receiver<Bytes>,
    events: UnboundedReceiver<PlayerEvent>,
    sequence: u32,
}

impl Line {
    fn of(codec: &PipelineFile) -> Self {
        Self::through(codec, PIPELINE)
    }

    fn through(codec: &PipelineFile, pipeline: &str) -> Self {
        let mut bench = Bench::of(codec);
        let first = bench.next();
        let (send, decoded) = mpsc::channel();
        let (told, events) = tokio::sync::mpsc::unbounded_channel();
        let options = PlayerOptions {
            taken: Some(Arc::new(Taken(Mutex::new(send)))),
            ..PlayerOptions::new(PipelineFile::new(Direction::Recv, "mine", pipeline))
        };
        let mut player = Player::spawn(options, told);
        player.set_caps(&bench.caps());
        let mut line = Self {
            bench,
            player,
            decoded,
            events,
            sequence: 0,
        };
        line.show(&first, |_| {});
        line.expect(1);
        line
    }

    /// Shows a frame with `harm` done to it.
    fn show(&mut self, frame: &gst::BufferRef, harm: impl Fn(&mut Vec<u8>)) {
        let mut data = frame.map_readable().unwrap().to_vec();
        harm(&mut data);
        let header = FrameHeader {
            key: codec_bench::is_key(frame),
            sequence: self.sequence,
            ..FrameHeader::default()
        };
        self.sequence += 1;
        let ready = Instant::now() + PATIENCE;
        while !self.player.is_ready() {
            assert!(Instant::now() < ready, "frames are not taken");
            std::thread::sleep(Duration::from_millis(1));
        }
        self.player.show(&header, data.into());
    }

    /// Waits for the last frame as it is decoded, which has to be the bench's `count`th.
    fn expect(&self, count: u64) {
        let mean = self.difference(count);
        let kind = self.bench.encoder.kind();
        assert!(mean < 12.0, "{kind}: frame {count} is off by {mean:.1}");
    }

    /// How far the next decoded frame is off the bench's `count`th, in steps of luma.
    fn difference(&self, count: u64) -> f64 {
        let kind = self.bench.encoder.kind();
        let frame = self.decoded.recv_timeout(PATIENCE);
        let frame = frame.unwrap_or_else(|_| panic!("{kind}: no frame {count}"));
        self.off(&frame, count)
    }

    fn off(&self, frame: &[u8], count: u64) -> f64 {
        let expected = codec_bench::raw_frame(count - 1);
        let lumas = frame[..WIDTH * HEIGHT].iter().zip(&expected);
        let wrong: u64 = lumas.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        wrong as f64 / (WIDTH * HEIGHT) as f64
    }

    /// Whether a key frame was asked for since the last call.
    fn asked(&mut self) -> bool {
        let mut asked = false;
        while let Ok(event) = self.events.try_recv() {
            match event {
                PlayerEvent::NeedKey => asked = true,
                event => panic!("{}: {event:?}", self.bench.encoder.kind()),
            }
        }
        asked
    }

    /// Goes on until a whole frame is decoded.
    fn goes_on(&mut self) {
        let kind = self.bench.encoder.kind().to_owned();
        let (started, first) = (Instant::now(), self.bench.count + 1);
        loop {
            assert!(started.elapsed() < PATIENCE, "{kind}: no frame any more");
            let frame = self.bench.next();
            self.show(&frame, |_| {});
            // Damaged frames may come before it.
            while let Ok(decoded) = self.decoded.recv_timeout(Duration::from_millis(50)) {
                let is_of = |count| self.off(&decoded, count) < 12.0;
                if (first..=self.bench.count).any(is_of) {
                    // A failure would be told here.
                    self.asked();
                    return;
                }
            }
        }
    }

    /// Goes on until a key frame is asked for, shows one, and expects it to be decoded.
    fn recover(&mut self) {
        let kind = self.bench.encoder.kind().to_owned();
        let started = Instant::now();
        while !self.asked() {
            assert!(started.elapsed() < PATIENCE, "{kind}: nothing is asked for");
            let frame = self.bench.next();
            self.show(&frame, |_| {});
            std::thread::sleep(Duration::from_millis(5));
        }
        encoder::ask_for_key(Some(&self.bench.encoder), &self.bench.frames);
        let mut frame = self.bench.next();
        while !codec_bench::is_key(&frame) {
            frame = self.bench.next();
        }
        // What came in between is not of interest.
        std::thread::sleep(Duration::from_millis(100));
        while self.decoded.try_recv().is_ok() {}
        self.show(&frame, |_| {});
        self.expect(self.bench.count);
        for _ in 0..3 {
            let frame = self.bench.next();
            self.show(&frame, |_| {});
            self.expect(self.bench.count);
        }
    }
}

#[test]
fn a_codec_gives_each_frame_before_the_next_one_comes() {
    for codec in all() {
        let mut line = Line::of(&codec);
        for _ in 0..15 {
            let frame = line.bench.next();
            line.show(&frame, |_| {});
            line.expect(line.bench.count);
        }
        assert!(!line.asked());
    }
}

#[test]
fn a_codec_goes_on_with_the_next_key_frame_after_a_gap() {
    for codec in all().into_iter().filter(|codec| codec.name != "jpeg") {
        let mut line = Line::of(&codec);
        let _lost = line.bench.next();
        line.sequence += 1;
        line.recover();
    }
}

#[test]
fn a_codec_whose_stream_is_damaged_comes_right_with_the_next_key_frame() {
    for codec in all().into_iter().filter(|codec| codec.name != "jpeg") {
        for harm in [
            |data: &mut Vec<u8>| data.fill(0xa5),
            |data: &mut Vec<u8>| {
                let half = data.len() / 2;
                data[half..].fill(0);
            },
        ] {
            let mut line = Line::of(&codec);
            for _ in 0..3 {
                let frame = line.bench.next();
                line.show(&frame, harm);
            }
            // Some decoders find no fault in it: a gap makes that sure.
            line.sequence += 1;
            line.recover();
        }
    }
}

/// The pipeline with each decoder of this media type that works here.
fn with_each_decoder(media_type: &str) -> Vec<String> {
    let decoders = decoders::probes(media_type).filter_map(|probe| probe.result.ok());
    let pipelines = decoders.map(|decoder| PIPELINE.replace("${decode}", &decoder));
    let pipelines: Vec<String> = pipelines.collect();
    assert!(!pipelines.is_empty(), "{media_type}");
    pipelines
}

/// A codec that is not shipped, and whose frames can be received.
fn png() -> PipelineFile {
    PipelineFile::new(Direction::Send, "png", "videoconvert ! pngenc")
}

#[test]
fn an_image_that_was_cut_off_or_has_wrong_bits_costs_that_frame_alone() {
    let jpeg = all().into_iter().find(|codec| codec.name == "jpeg");
    let jpeg = jpeg.expect("it is shipped");
    let with_decoders = |(codec, media_type)| {
        let pipelines = with_each_decoder(media_type).into_iter();
        pipelines.map(move |pipeline| (codec, pipeline))
    };
    let codecs = [(&jpeg, "image/jpeg"), (&png(), "image/png")];
    for (codec, pipeline) in codecs.into_iter().flat_map(with_decoders) {
        let mut line = Line::through(codec, &pipeline);
        for cut in [1, 4, 20, 150, 600] {
            let frame = line.bench.next();
            line.show(&frame, |data| data.truncate(cut));
            line.goes_on();
        }
        let size = line.bench.next().size();
        let within_head = (0..80_usize).step_by(7);
        for at in within_head.chain((80..size).step_by(size / 8)) {
            let frame = line.bench.next();
            line.show(&frame, |data| {
                let at = at.min(data.len() - 1);
                data[at] ^= 1 << (at % 8);
            });
            line.goes_on();
        }
    }
}

#[test]
fn a_codec_whose_frame_was_cut_off_comes_right_with_the_next_key_frame() {
    for codec in all().into_iter().filter(|codec| codec.name != "jpeg") {
        for cut in [1, 3, 5, 9, 40] {
            let mut line = Line::of(&codec);
            for _ in 0..3 {
                let frame = line.bench.next();
                line.show(&frame, |data| data.truncate(cut));
            }
            line.sequence += 1;
            line.recover();
        }
    }
}

#[test]
fn a_codec_on_a_slow_machine_skips_what_waits_and_goes_on_with_a_key_frame() {
    // Ten frames a second at the most.
    let slow = PIPELINE.replace("! ${decode}", "! identity sleep-time=100000 ! ${decode}");
    for codec in all().into_iter().filter(|codec| codec.name != "jpeg") {
        let mut line = Line::through(&codec, &slow);
        let kind = line.bench.encoder.kind().to_owned();
        // Made before they are shown: on a slow machine the encoder takes longer than that.
        let frames: Vec<_> = (0..100).map(|_| line.bench.next()).collect();
        let fed = frames.iter().position(|frame| {
            line.show(frame, |_| {});
            line.asked()
        });
        assert!(fed.is_some_and(|fed| fed > 10), "{kind}: {fed:?}");
        encoder::ask_for_key(Some(&line.bench.encoder), &line.bench.frames);
        while {
            let frame = line.bench.next();
            line.show(&frame, |_| {});
            !codec_bench::is_key(&frame)
        } {}
        // Those that were on their way, and no more.
        while line.decoded.try_recv().is_ok() {}
        let newest = line.bench.count;
        let late = (0..3).position(|_| line.difference(newest) < 12.0);
        assert!(late.is_some(), "{kind}: what waited is still shown");
    }
}
