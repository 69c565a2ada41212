//! The time of capture in a frame: it passes through containers and packets of others, decoders do
//! not see it, and a sender that reads the stream tells it to its viewers.

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use parking_lot::Mutex;
use vidchat::clock::{CaptureTime, WallNanos};
use vidchat::frame::{Frame, FrameHeader, TimeOrigin};
use vidchat::media::capture::events::SourceEvent;
use vidchat::media::capture_time::{CaptureTimeReader, stamped};
use vidchat::net::sender::ServerOptions;
use vidchat::wire::Caps;

use super::source_loss::{said, source};
use crate::cli::statistics::Stats;
use crate::support::peers::{Seen, Stage, Viewer};
use crate::support::{PATIENCE, Running, Sender, skipped_in_part, vidchat, written_pipeline};

const BARS: &str = "videotestsrc pattern=smpte75 \
    ! video/x-raw,format=I420,width=320,height=240,framerate=30/1";
/// The name of the element behind which frames get their times.
const STAMP: &str = "stamp";

/// Elements that not every supported system has a package of.
const NEWER: [&str; 3] = ["dav1ddec", "rtpav1pay", "rtpav1depay"];

/// How a codec is made, and brought into the form in which frames are sent.
struct Codec {
    encoder: &'static str,
    /// The parser and the caps, which come before frames get their times and before they are read.
    form: &'static str,
}

const H264: Codec = Codec {
    encoder: "x264enc speed-preset=ultrafast tune=zerolatency key-int-max=10",
    form: "h264parse ! video/x-h264,stream-format=byte-stream,alignment=au",
};
const H265: Codec = Codec {
    encoder: "x265enc speed-preset=ultrafast tune=zerolatency key-int-max=10",
    form: "h265parse ! video/x-h265,stream-format=byte-stream,alignment=au",
};
const AV1: Codec = Codec {
    encoder: "av1enc cpu-used=8 keyframe-max-dist=10 lag-in-frames=0",
    form: "av1parse ! video/x-av1,stream-format=obu-stream,alignment=tu",
};
const JPEG: Codec = Codec {
    encoder: "jpegenc",
    form: "jpegparse ! image/jpeg",
};

/// The caps of a pad, as a sender tells them.
fn caps_of(pad: &gst::Pad) -> Caps {
    let caps = pad.current_caps().expect("a frame has caps");
    Caps::parse(&caps.to_string()).expect("they can be sent")
}

/// A frame's bytes with this time, of these caps.
fn with_time(caps: &Caps, data: Vec<u8>, at: WallNanos) -> Vec<u8> {
    let time = CaptureTime {
        at,
        ahead: -250_000,
        uncertainty: Duration::from_micros(100),
    };
    let frame = Frame {
        header: FrameHeader::default(),
        data: data.into(),
    };
    stamped(caps, frame, &time).data.to_vec()
}

/// The pipeline; `None`, said aloud, where an element is missing.
fn pipeline(launch: &str) -> Option<gst::Pipeline> {
    gst::init().expect("GStreamer is installed");
    let kinds = launch.split(" ! ").filter(|part| !part.contains('/'));
    let mut kinds = kinds.filter_map(|part| part.split_whitespace().next());
    if let Some(missing) = kinds.find(|kind| gst::ElementFactory::find(kind).is_none()) {
        if NEWER.contains(&missing) {
            eprintln!("not looked at, as there is no {missing}");
        } else {
            skipped_in_part(&format!("there is no {missing}"));
        }
        return None;
    }
    let pipeline = gst::parse::launch(launch).unwrap_or_else(|e| panic!("{launch}: {e}"));
    pipeline.downcast().ok()
}

/// Writes the time that `tell` gives into each frame that leaves the element of this name.
fn write_times(pipeline: &gst::Pipeline, tell: impl Fn() -> WallNanos + Send + Sync + 'static) {
    let element = pipeline.by_name(STAMP).expect("the pipeline has it");
    let pad = element.static_pad("src").expect("it has an end");
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let buffer = info.buffer_mut().expect("the probe is for buffers");
        let data = buffer.map_readable().expect("it can be read").to_vec();
        let mut new = gst::Buffer::from_slice(with_time(&caps_of(pad), data, tell()));
        let fields = new.get_mut().expect("nobody else has it");
        let kept = gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS;
        buffer
            .copy_into(fields, kept, ..)
            .expect("it has the same kind of fields");
        *buffer = new;
        gst::PadProbeReturn::Ok
    });
}

/// All samples that reach `appsink name=out`, up to the end of the stream.
fn samples(pipeline: &gst::Pipeline) -> Vec<gst::Sample> {
    let out = pipeline.by_name("out").expect("the pipeline has it");
    let out: gst_app::AppSink = out.downcast().expect("it is an appsink");
    pipeline.set_state(gst::State::Playing).expect("it starts");
    let patience = gst::ClockTime::try_from(PATIENCE).expect("it is short");
    let samples = std::iter::from_fn(|| out.try_pull_sample(patience)).collect();
    let is_whole = out.is_eos();
    let message = pipeline
        .bus()
        .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    pipeline.set_state(gst::State::Null).expect("it stops");
    assert!(message.is_none(), "{message:?}");
    assert!(is_whole, "it has not come to its end in time");
    samples
}

fn bytes(sample: &gst::Sample) -> Vec<u8> {
    let buffer = sample.buffer().expect("it has a frame");
    buffer.map_readable().expect("it can be read").to_vec()
}

#[test]
fn a_time_passes_through_what_engines_carry_frames_in() {
    for (name, codec, path) in [
        ("flv", H264, "flvmux streamable=true ! flvdemux"),
        ("mpeg-ts", H264, "mpegtsmux ! tsdemux"),
        ("matroska", H264, "matroskamux ! matroskademux"),
        ("rtp", H264, "rtph264pay mtu=400 ! rtph264depay"),
        (
            "rtp in srt",
            H264,
            "rtph264pay aggregate-mode=zero-latency ! rtph264depay",
        ),
        ("mpeg-ts h265", H265, "mpegtsmux ! tsdemux"),
        ("matroska h265", H265, "matroskamux ! matroskademux"),
        ("rtp h265", H265, "rtph265pay mtu=400 ! rtph265depay"),
        ("matroska av1", AV1, "matroskamux ! matroskademux"),
        ("rtp av1", AV1, "rtpav1pay ! rtpav1depay"),
        ("matroska jpeg", JPEG, "matroskamux ! matroskademux"),
        ("multipart jpeg", JPEG, "multipartmux ! multipartdemux"),
    ] {
        let Codec { encoder, form } = codec;
        let parser = form.split(" ! ").next().expect("it has a parser");
        let launch = format!(
            "{} ! {encoder} ! {form} ! identity name={STAMP} ! {parser} ! {path} ! {form} \
             ! appsink name=out sync=false",
            BARS.replace("videotestsrc", "videotestsrc num-buffers=30")
        );
        let Some(pipeline) = pipeline(&launch) else {
            continue;
        };
        let written = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&written);
        write_times(&pipeline, move || {
            let mut told = told.lock();
            // Some of these have zeros in all places where a start code could begin.
            let at = WallNanos(1_700_000_000_000_000_000 + told.len() as u64 * 65_536_000);
            told.push(at);
            at
        });
        let samples = samples(&pipeline);
        let mut reader = None;
        let read = samples.iter().filter_map(|sample| {
            let caps = sample.caps().expect("a frame has caps").to_string();
            let caps = Caps::parse(&caps).expect("they can be sent");
            let reader = reader.get_or_insert_with(|| {
                CaptureTimeReader::of(&caps).expect("there is a place for a time")
            });
            Some(reader.read(true, &bytes(sample))?.at)
        });
        assert_eq!(read.collect::<Vec<_>>(), *written.lock(), "{name}");
        assert_eq!(samples.len(), 30, "{name}");
    }
}

#[test]
fn decoders_give_the_same_pixels_with_a_time_and_without() {
    for (codec, decoders) in [
        (&H264, &["avdec_h264", "openh264dec"][..]),
        (&H265, &["avdec_h265", "libde265dec"]),
        (&AV1, &["av1dec", "dav1ddec"]),
        (&JPEG, &["jpegdec", "avdec_mjpeg"]),
    ] {
        let Codec { encoder, form } = codec;
        for decoder in decoders {
            let launch = format!(
                "{} ! {encoder} ! {form} ! identity name={STAMP} ! {decoder} \
                 ! appsink name=out sync=false",
                BARS.replace("videotestsrc", "videotestsrc num-buffers=20")
            );
            let Some(plain) = pipeline(&launch) else {
                continue;
            };
            let timed = pipeline(&launch).expect("it was there a moment ago");
            write_times(&timed, || WallNanos(1_700_000_000_000_000_000));
            let [plain, timed] = [&plain, &timed].map(|pipeline| {
                let frames = samples(pipeline);
                frames.iter().map(bytes).collect::<Vec<_>>()
            });
            assert_eq!(plain.len(), 20, "{decoder}");
            assert!(plain == timed, "{decoder} shows other pixels");
        }
    }
}

/// A stream that is captured for as long as this lives, and sent to whoever connects to its port.
struct Engine {
    pipeline: gst::Pipeline,
    port: i32,
    /// The times that were written, each in its frame.
    written: Arc<Mutex<Vec<u64>>>,
}

impl Engine {
    /// Frames that are `late` old when they leave here tell it, where `late` is given. `None`, said
    /// aloud, where an element is missing.
    fn start(late: Option<Duration>) -> Option<Self> {
        let Codec { encoder, form } = H264;
        let launch = format!(
            "{} ! {encoder} ! {form} ! identity name={STAMP} ! h264parse ! matroskamux streamable=true \
             ! tcpserversink name=out host=127.0.0.1 port=0 sync-method=latest-keyframe",
            BARS.replace("videotestsrc", "videotestsrc is-live=true")
        );
        let pipeline = pipeline(&launch)?;
        let written = Arc::new(Mutex::new(Vec::new()));
        if let Some(late) = late {
            let told = Arc::clone(&written);
            write_times(&pipeline, move || {
                // The frame has it in microseconds.
                let at = WallNanos(WallNanos::now().before(late).0 / 1000 * 1000);
                told.lock().push(at.0);
                at
            });
        }
        pipeline.set_state(gst::State::Playing).expect("it starts");
        let out = pipeline.by_name("out").expect("the pipeline has it");
        Some(Self {
            port: out.property("current-port"),
            pipeline,
            written,
        })
    }

    /// A sending pipeline that reads from it.
    fn file(&self) -> String {
        format!(
            "tcpclientsrc host=127.0.0.1 port={} ! matroskademux ! appsink name=frames sync=false",
            self.port
        )
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

#[tokio::test]
async fn a_viewer_gets_the_time_that_the_stream_tells_and_hears_where_it_tells_none() {
    let late = Duration::from_millis(300);
    let hour = Duration::from_secs(2 * 3600);
    for (told, origin) in [
        (Some(late), TimeOrigin::Stream),
        (None, TimeOrigin::Arrival),
        // Nobody believes that.
        (Some(hour), TimeOrigin::Arrival),
    ] {
        let Some(engine) = Engine::start(told) else {
            return;
        };
        let stage = Stage::open_without_caps(ServerOptions::default()).await;
        let (source, mut heard) = source(&stage, &engine.file());
        let mut viewer = Viewer::join(stage.address).await;
        source.open();
        let opened = said(&mut heard).await;
        assert!(matches!(opened, SourceEvent::Opened(_)), "{opened:?}");
        let mut frames = 0;
        while frames < 20 {
            if let Seen::Frame(header, _) = viewer.next().await {
                assert_eq!(header.origin, origin, "{told:?}");
                let is_told = engine.written.lock().contains(&header.captured_at);
                assert_eq!(is_told, origin == TimeOrigin::Stream, "{told:?}");
                frames += 1;
            }
        }
        drop(source);
        stage.close("done").await;
    }
}

#[test]
fn both_ends_say_from_where_an_age_counts() {
    let late = Duration::from_millis(700);
    for (told, since, least) in [(Some(late), "camera", 700.0), (None, "engine", 0.0)] {
        let Some(engine) = Engine::start(told) else {
            return;
        };
        let (_folder, file) = written_pipeline(&engine.file());
        let mut send = vidchat();
        send.args(["send", "--bind", "127.0.0.1", "--port", "0", "--no-preview"])
            .args(["--no-announce", "--pipeline", &file]);
        let sent = Stats::of(&mut send);
        let sender = Sender::start_as(&mut send);
        let mut recv = vidchat();
        recv.args(["recv", &sender.target(), "--display", "none"]);
        let received = Stats::of(&mut recv);
        let _viewer = Running::start(&mut recv);
        let shown = |line: &serde_json::Value| line["age_ms"]["p50"].is_f64();
        let line = received.line("ages", shown);
        assert_eq!(line["age_since"], since, "{line}");
        let ages = ["sent_ms", "arrived_ms", "age_ms"];
        let is_old = |age: &&str| line[age]["p50"].as_f64() >= Some(least * 0.98);
        assert!(ages.iter().all(is_old), "{line}");
        let line = sent.line("a frame", |line| !line["age_since"].is_null());
        assert_eq!(line["age_since"], since, "{line}");
    }
}
