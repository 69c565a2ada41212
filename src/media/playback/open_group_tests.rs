//! Streams of open groups of pictures, as broadcasters and containers have them: a key frame is
//! followed by frames that are shown before it and need frames from before it. A viewer that begins
//! there, or goes on there after a gap, is shown none that is grey, wrong or out of order.

use super::*;
use crate::media::gst::caps;
use crate::media::pipeline::decoders;

const PATIENCE: Duration = Duration::from_secs(120);

/// A moving pattern. Each key frame but the first is followed by two frames that are shown before it.
const RAW: &str = "videotestsrc num-buffers=60 pattern=zone-plate kx2=20 ky2=20 kt=20 \
    ! video/x-raw,format=I420,width=320,height=240,framerate=30/1";
const LUMA: usize = 320 * 240;
const H264: &str = "x264enc speed-preset=veryfast key-int-max=12 bframes=2 b-adapt=false \
    option-string=open-gop=1:scenecut=0 ! h264parse config-interval=-1 \
    ! video/x-h264,stream-format=byte-stream,alignment=au";
const H265: &str = "x265enc speed-preset=superfast key-int-max=12 log-level=none \
    option-string=open-gop=1:scenecut=0:bframes=2:b-adapt=0 ! h265parse config-interval=-1 \
    ! video/x-h265,stream-format=byte-stream,alignment=au";

/// A stream, and its frames as they have to look.
struct Stream {
    caps: gst::Caps,
    coded: Vec<gst::Buffer>,
    decoded: Vec<Vec<u8>>,
    /// The places of the key frames.
    keys: Vec<usize>,
}

fn pipeline_of(text: &str) -> (gst::Pipeline, gst_app::AppSink) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(text).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let taken = pipeline.by_name("taken").unwrap().downcast().unwrap();
    (pipeline, taken)
}

/// All that comes out of a pipeline up to its end.
fn all_of(text: &str) -> Vec<gst::Sample> {
    let (pipeline, taken) = pipeline_of(&format!("{text} ! appsink name=taken sync=false"));
    pipeline.set_state(gst::State::Playing).unwrap();
    let samples = std::iter::from_fn(|| taken.pull_sample().ok()).collect();
    pipeline.set_state(gst::State::Null).unwrap();
    samples
}

/// Some pixels of a frame, which are enough to tell it from the others.
fn pixels(sample: &gst::Sample) -> Vec<u8> {
    let map = sample.buffer().unwrap().map_readable().unwrap();
    map[..LUMA].iter().copied().step_by(37).collect()
}

impl Stream {
    fn of(encoder: &str) -> Self {
        let coded = all_of(&format!("{RAW} ! videoconvert ! {encoder}"));
        let plain = format!("{RAW} ! videoconvert ! {encoder} ! decodebin ! videoconvert");
        let decoded = all_of(&format!("{plain} ! video/x-raw,format=I420"));
        let is_key = |sample: &gst::Sample| {
            let flags = sample.buffer().unwrap().flags();
            !flags.contains(gst::BufferFlags::DELTA_UNIT)
        };
        Self {
            caps: coded[0].caps_owned().unwrap(),
            keys: (0..coded.len()).filter(|at| is_key(&coded[*at])).collect(),
            coded: coded
                .iter()
                .map(|sample| sample.buffer_owned().unwrap())
                .collect(),
            decoded: decoded.iter().map(pixels).collect(),
        }
    }

    /// The place of the frame that looks like this one.
    fn place_of(&self, shown: &[u8]) -> Option<usize> {
        self.decoded.iter().position(|frame| {
            let pairs = frame.iter().zip(shown);
            let off: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            off < 4 * shown.len() as u64
        })
    }

    /// The places of the frames that `decoder` shows when it gets those at `fed` one by one.
    fn shown_by(&self, decoder: &str, fed: impl Iterator<Item = usize>) -> Vec<usize> {
        let (pipeline, taken) = pipeline_of(&format!(
            "appsrc name=frames ! {decoder} ! videoconvert ! video/x-raw,format=I420 \
             ! appsink name=taken sync=false"
        ));
        let frames: gst_app::AppSrc = pipeline.by_name("frames").unwrap().downcast().unwrap();
        let monitor = DecoderMonitor::watch(&pipeline, &frames);
        let (told, _events) = tokio::sync::mpsc::unbounded_channel();
        let feed = AppsrcFeed::new(frames.clone(), monitor, told);
        feed.set_caps(&caps::from_gst(&self.caps).unwrap(), &self.caps);
        pipeline.set_state(gst::State::Playing).unwrap();
        for at in fed {
            let header = FrameHeader {
                key: self.keys.contains(&at),
                sequence: at as u32,
                ..FrameHeader::default()
            };
            if let Some(buffer) = feed.push(&header, self.coded[at].copy()) {
                feed.flush(buffer);
            }
            // No machine is too slow then.
            let limit = Instant::now() + PATIENCE;
            while frames.current_level_buffers() > 0 {
                assert!(Instant::now() < limit, "{decoder} takes no frame");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        assert!(feed.end());
        let patience = gst::ClockTime::try_from(PATIENCE).unwrap();
        let shown: Vec<Vec<u8>> = std::iter::from_fn(|| taken.try_pull_sample(patience))
            .map(|sample| pixels(&sample))
            .collect();
        assert!(taken.is_eos(), "{decoder} does not come to its end");
        pipeline.set_state(gst::State::Null).unwrap();
        let places: Vec<_> = shown.iter().map(|frame| self.place_of(frame)).collect();
        assert!(
            places.is_sorted() && places.iter().all(Option::is_some),
            "{decoder} shows what it should not: {places:?}"
        );
        places.into_iter().flatten().collect()
    }
}

/// The decoders of a media type that work here. OpenH264 knows no frames that are shown before others,
/// and libde265 decodes some of them wrongly in whole streams too.
fn decoders_of(media_type: &str) -> Vec<String> {
    let decoders = decoders::probes(media_type).filter_map(|probe| probe.result.ok());
    let decoders: Vec<String> = decoders
        .filter(|text| !text.contains("openh264dec") && !text.contains("libde265dec"))
        .collect();
    assert!(!decoders.is_empty(), "{media_type}");
    // As somebody may write it who leaves the properties out.
    let plain = decoders.iter().map(|decoder| {
        let words = decoder.split(' ').filter(|word| !word.contains('='));
        words.collect::<Vec<_>>().join(" ")
    });
    let plain: Vec<String> = plain.collect();
    decoders.into_iter().chain(plain).collect()
}

#[test]
fn a_viewer_that_joins_an_open_group_is_shown_right_frames_alone() {
    for (encoder, media_type) in [(H264, "video/x-h264"), (H265, "video/x-h265")] {
        let stream = Stream::of(encoder);
        let [_, joined, _, end, ..] = stream.keys[..] else {
            panic!("{media_type}: key frames at {:?}", stream.keys);
        };
        for decoder in decoders_of(media_type) {
            let shown = stream.shown_by(&decoder, joined..end);
            // In Debian 12 and 13 libav's decoder of H.264 loses the first key frame and its group.
            assert!(shown.len() > 8, "{decoder}: {shown:?}");
        }
    }
}

#[test]
fn a_viewer_that_missed_frames_before_an_open_group_is_shown_right_frames_alone() {
    for (encoder, media_type) in [(H264, "video/x-h264"), (H265, "video/x-h265")] {
        let stream = Stream::of(encoder);
        let [_, _, next, _, end] = stream.keys[..] else {
            panic!("{media_type}: key frames at {:?}", stream.keys);
        };
        for decoder in decoders_of(media_type) {
            let shown = stream.shown_by(&decoder, (0..6).chain(next..end));
            let after_gap = shown.iter().filter(|at| **at > next).count();
            assert!(after_gap > 8, "{decoder}: {shown:?}");
        }
    }
}
