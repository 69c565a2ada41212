//! The time of capture in the frames that a publishing pipeline encodes itself. No encoder passes on
//! the message that a frame had before, so it is written once more behind the encoder.
//!
//! A frame is recognised there by its mark, which encoders hand on as decoders do.

use std::sync::Arc;

use gst::prelude::*;
use gstreamer as gst;
use parking_lot::Mutex;

use crate::clock::CaptureTime;
use crate::frame::FrameHeader;
use crate::media::capture::encoder;
use crate::media::capture_time::CaptureTimeWriter;
use crate::media::gst::{caps, element};

use super::frame_tracker::FrameTracker;

/// Tells when a frame was captured; `None` where nobody knows.
pub type CapturedAt = Arc<dyn Fn(&FrameHeader) -> Option<CaptureTime> + Send + Sync>;

/// The elements between an encoder and the place at which its frames have the form that takes a
/// message, by their kinds.
const PASSED: [&str; 6] = [
    "capsfilter",
    "capssetter",
    "identity",
    "h264parse",
    "h265parse",
    "av1parse",
];

/// The frames behind one encoder.
#[derive(Default)]
struct Encoded {
    /// The number of the pad at which the times are written: the first one that frames of the right
    /// form have come to.
    place: Option<usize>,
    /// For the caps of that pad.
    writer: Option<(gst::Caps, Option<CaptureTimeWriter>)>,
}

/// Writes into each frame of the encoders in `pipeline` when it was captured, as `captured` tells.
pub(super) fn attach(pipeline: &gst::Pipeline, tracker: &Arc<FrameTracker>, captured: &CapturedAt) {
    let elements = pipeline.iterate_recurse().into_iter().flatten();
    for encoder in elements.filter(encoder::is_encoder) {
        let encoded = Arc::<Mutex<Encoded>>::default();
        for (place, pad) in pads_behind(&encoder).into_iter().enumerate() {
            let (encoded, tracker) = (Arc::clone(&encoded), Arc::clone(tracker));
            let captured = Arc::clone(captured);
            pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
                let writer = encoded.lock().writer(place, pad);
                if let (Some(writer), Some(buffer)) = (writer, info.buffer_mut())
                    && let Some(time) = tracker.header(buffer).and_then(|header| captured(&header))
                    && let Some(edited) = edited(buffer, writer, &time)
                {
                    *buffer = edited;
                }
                gst::PadProbeReturn::Ok
            });
        }
    }
}

impl Encoded {
    /// What writes times at the pad of this number; `None` where that is another pad's work, or where the frames have
    /// no place for a time.
    fn writer(&mut self, place: usize, pad: &gst::Pad) -> Option<CaptureTimeWriter> {
        if self.place.is_some_and(|known| known != place) {
            return None;
        }
        let caps = pad.current_caps()?;
        let known = self.writer.take().filter(|(known, _)| *known == caps);
        let (_, writer) = self.writer.insert(known.unwrap_or_else(|| {
            let described = caps::from_gst(&caps).ok();
            let writer = described.and_then(|caps| CaptureTimeWriter::of(&caps));
            (caps, writer)
        }));
        if writer.is_some() {
            self.place = Some(place);
        }
        *writer
    }
}

/// The pads from an encoder on to which its frames come as whole ones.
fn pads_behind(encoder: &gst::Element) -> Vec<gst::Pad> {
    let mut pads = Vec::new();
    let mut next = encoder.static_pad("src");
    while let Some(pad) = next {
        let behind = pad.peer().and_then(|peer| peer.parent_element());
        next = behind
            .filter(|element| PASSED.contains(&&*element::kind(element)))
            .and_then(|element| element.static_pad("src"));
        pads.push(pad);
    }
    pads
}

/// The buffer with this time in its frame.
fn edited(
    buffer: &gst::Buffer,
    writer: CaptureTimeWriter,
    time: &CaptureTime,
) -> Option<gst::Buffer> {
    let data = writer.written(&buffer.map_readable().ok()?, time)?;
    let mut edited = gst::Buffer::from_slice(data);
    let rest =
        gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::META;
    buffer.copy_into(edited.make_mut(), rest, ..).ok()?;
    Some(edited)
}

#[cfg(test)]
mod tests {
    use gstreamer_app as gst_app;

    use super::*;
    use crate::clock::{ClockDifference, WallNanos};
    use crate::media::capture_time::CaptureTimeReader;
    use crate::media::pipeline::placeholders::Values;
    use crate::media::playback::published_codec;
    use crate::wire::Caps;

    /// When the first frame was captured, and the time from one to the next.
    const FIRST: u64 = 1_700_000_000_000_000_000;
    const STEP: u64 = 33_000_000;
    const COUNT: u32 = 12;

    /// The elements that stand in the place of a list of codecs for raw frames; `None` where there is
    /// no encoder.
    fn listed(list: &str) -> Option<String> {
        let raw = "video/x-raw, format=I420, width=320, height=240, framerate=30/1";
        let caps = Caps::parse(raw).unwrap();
        published_codec::elements(list, &caps, &Values::default())?.ok()
    }

    /// The numbers of the frames whose times come out of a pipeline with these elements; `None` for
    /// each frame without one.
    fn numbers(elements: &str, wanted: &str) -> Vec<Option<u64>> {
        let text = format!(
            "appsrc name=frames format=time is-live=true do-timestamp=true ! {elements} \
             ! appsink name=out sync=false caps={wanted}"
        );
        let pipeline = gst::parse::launch(&text).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let frames: gst_app::AppSrc = pipeline.by_name("frames").unwrap().downcast().unwrap();
        let out: gst_app::AppSink = pipeline.by_name("out").unwrap().downcast().unwrap();
        let info =
            gstreamer_video::VideoInfo::builder(gstreamer_video::VideoFormat::I420, 320, 240)
                .fps(gst::Fraction::new(30, 1))
                .build()
                .unwrap();
        frames.set_caps(Some(&info.to_caps().unwrap()));
        let tracker = FrameTracker::new(Arc::new(|_: &FrameHeader| {}));
        let captured = |header: &FrameHeader| {
            Some(ClockDifference::default().captured_at(WallNanos(header.captured_at)))
        };
        attach(&pipeline, &tracker, &(Arc::new(captured) as CapturedAt));
        pipeline.set_state(gst::State::Playing).unwrap();
        for sequence in 0..COUNT {
            let mut buffer = gst::Buffer::from_slice(vec![90; info.size()]);
            let header = FrameHeader {
                sequence,
                captured_at: FIRST + u64::from(sequence) * STEP,
                ..FrameHeader::default()
            };
            tracker.mark(&header, buffer.make_mut());
            frames.push_buffer(buffer).unwrap();
        }
        frames.end_of_stream().unwrap();
        let mut read = Vec::new();
        while let Ok(sample) = out.pull_sample() {
            let caps = caps::from_gst(sample.caps().unwrap()).unwrap();
            let frame = sample.buffer().unwrap().map_readable().unwrap();
            let mut reader = CaptureTimeReader::of(&caps).unwrap();
            let time = reader.read(true, &frame);
            read.push(time.map(|time| (time.at.0 - FIRST) / STEP));
        }
        pipeline.set_state(gst::State::Null).unwrap();
        read
    }

    #[test]
    fn each_frame_of_an_encoder_has_the_time_of_the_frame_that_went_in() {
        crate::media::init().unwrap();
        let h264 = "video/x-h264,stream-format=byte-stream,alignment=au";
        let h265 = "video/x-h265,stream-format=byte-stream,alignment=au";
        let av1 = "video/x-av1,stream-format=obu-stream,alignment=tu";
        let openh264 = "videoconvert ! openh264enc ! h264parse";
        let delayed = "videoconvert ! x264enc speed-preset=ultrafast bframes=0 rc-lookahead=4 \
                       sync-lookahead=0 ! h264parse";
        for (elements, wanted) in [
            (listed("h264"), h264),
            (listed("h265"), h265),
            (listed("av1"), av1),
            (Some(openh264.to_owned()), h264),
            (Some(delayed.to_owned()), h264),
            (Some("videoconvert ! jpegenc".to_owned()), "image/jpeg"),
        ] {
            let is_here = |text: &String| element::kinds(text).all(element::is_installed);
            let Some(elements) = elements.filter(is_here) else {
                eprintln!("not looked at here: {wanted}");
                continue;
            };
            let expected: Vec<_> = (0..u64::from(COUNT)).map(Some).collect();
            assert_eq!(numbers(&elements, wanted), expected, "{elements}");
        }
    }
}
