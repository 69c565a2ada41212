//! Each shipped codec with the encoder that this machine takes for it: nothing is held back, a
//! key frame comes when it is asked for, and the bit rate can be changed.

use super::*;
use crate::media::{Direction, Recipe, Values, build, codecs};
use gstreamer_app as gst_app;

const WIDTH: usize = 320;
const HEIGHT: usize = 240;
const FPS: u64 = 30;

/// The longest that a picture is waited for; it takes some milliseconds.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(20);

/// A codec between pictures that are made here and frames that are looked at.
struct Bench {
    pipeline: gst::Pipeline,
    pictures: gst_app::AppSrc,
    frames: gst_app::AppSink,
    encoder: Encoder,
    count: u64,
}

impl Bench {
    fn of(codec: &Recipe) -> Self {
        gst::init().unwrap();
        let mut recipe = codec.clone();
        recipe.text = format!(
            "appsrc name=pictures format=time \
             caps=video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate={FPS}/1 ! \n\
             {}\n ! appsink name=frames sync=false",
            codec.text
        );
        let mut values = Values::default();
        values.set("width", WIDTH.to_string());
        values.set("height", HEIGHT.to_string());
        let filled = values.fill_send(&recipe).unwrap();
        let pipeline = build::build(&recipe, &filled.text).unwrap();
        let pictures = pipeline.by_name("pictures").unwrap();
        let bench = Self {
            pictures: pictures.downcast().unwrap(),
            frames: build::seam(&recipe, &pipeline).unwrap(),
            encoder: Encoder::find(&pipeline).unwrap(),
            count: 0,
            pipeline,
        };
        bench.pipeline.set_state(gst::State::Playing).unwrap();
        bench
    }

    /// Puts one picture in and returns what comes out for it, before there is another.
    fn next(&mut self) -> gst::Buffer {
        let time = gst::ClockTime::SECOND * self.count / FPS;
        let mut buffer = gst::Buffer::from_slice(picture(self.count));
        let fields = buffer.get_mut().unwrap();
        fields.set_pts(time);
        fields.set_duration(gst::ClockTime::SECOND / FPS);
        self.pictures.push_buffer(buffer).unwrap();
        self.count += 1;
        let kind = &self.encoder.kind;
        let sample = self.frames.try_pull_sample(PATIENCE);
        let sample = sample.unwrap_or_else(|| panic!("{kind} holds picture {} back", self.count));
        sample.buffer_owned().unwrap()
    }

    /// Bytes of the last second of two.
    fn bytes_of_a_second(&mut self) -> usize {
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

/// A pattern that moves, with some noise on it, so that it can always be more exact.
fn picture(count: u64) -> Vec<u8> {
    let mut noise = 12345 + count as u32;
    let mut picture = vec![128; WIDTH * HEIGHT * 3 / 2];
    for (at, luma) in picture[..WIDTH * HEIGHT].iter_mut().enumerate() {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (x, y) = (at % WIDTH + count as usize * 2, at / WIDTH);
        *luma = (40 + (x & 63) + ((y * 2) & 63) + (noise >> 29) as usize) as u8;
    }
    picture
}

/// The shipped codecs, and those whose second choice is here too without their first.
fn all() -> Vec<Recipe> {
    gst::init().unwrap();
    let mut all = codecs::all();
    let second = all.iter().find(|codec| codec.name == "h264").cloned();
    if let Some(mut codec) = second
        && gst::ElementFactory::find("openh264enc").is_some()
    {
        codec.text = codec.text.replace("\nx264enc", "\nnosuchenc");
        all.push(codec);
    }
    all
}

fn is_key(buffer: &gst::BufferRef) -> bool {
    !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)
}

#[test]
fn a_codec_gives_a_frame_for_each_picture_and_a_key_frame_when_asked() {
    for codec in all() {
        let mut bench = Bench::of(&codec);
        assert!(is_key(&bench.next()), "{}", codec.name);
        let keys = (0..20).filter(|_| is_key(&bench.next())).count();
        if codec.name == "jpeg" {
            assert_eq!(keys, 20);
            continue;
        }
        assert_eq!(keys, 0, "{}", codec.name);
        ask_for_key(Some(&bench.encoder), &bench.frames);
        let wait = (0..2).position(|_| is_key(&bench.next()));
        assert!(wait.is_some(), "{} makes no key frame", codec.name);
    }
}

#[test]
fn a_codec_takes_another_bit_rate_while_it_runs() {
    for codec in all().into_iter().filter(|codec| codec.name != "jpeg") {
        let mut bench = Bench::of(&codec);
        let kind = bench.encoder.kind.clone();
        assert_eq!(bench.encoder.bitrate(), Some(550), "{kind}");
        let mut found = Vec::new();
        for kbit in [550, 200, 1000] {
            bench.encoder.set_bitrate(kbit);
            assert_eq!(bench.encoder.bitrate(), Some(kbit), "{kind}");
            found.push(bench.bytes_of_a_second() * 8 / 1000);
        }
        eprintln!("{kind}: {found:?} kbit/s");
        assert!(found[1] * 10 < found[0] * 6, "{kind}: {found:?} kbit/s");
        assert!(found[2] > found[1] * 2, "{kind}: {found:?} kbit/s");
    }
}

#[test]
fn a_fair_bit_rate_grows_less_than_the_picture() {
    assert_eq!(fair_bitrate(320, 240, 30), 550);
    assert_eq!(fair_bitrate(640, 480, 30), 1560);
    assert_eq!(fair_bitrate(1920, 1080, 30), 6510);
    assert_eq!(fair_bitrate(16, 16, 1), 50);
    assert_eq!(fair_threads(320, 240), 1);
    assert!(fair_threads(16_384, 16_384) <= 8);
}
