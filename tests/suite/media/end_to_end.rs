//! The real media ends: frames of a GStreamer pipeline over TCP to a viewer, and nothing left
//! running afterwards.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, mpsc};
use std::time::SystemTime;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use vidchat::commands::send::{self, Banner, Destination, PickleContent, SendOptions};
use vidchat::frame::Frame;
use vidchat::media::capture::events::SourceEvent;
use vidchat::media::{self, FrameSink, Source, Values};
use vidchat::net::sender::ServerOptions;
use vidchat::net::{self, Hub};
use vidchat::wire::{Caps, Loss};

use crate::media::source_loss::pipeline_file;
use crate::support::peers::{Seen, Stage, Viewer, within};
use crate::support::{PATIENCE, skipped};

/// A size without padding at the end of rows, where GStreamer leaves whatever was in memory.
const CAPS: &str = "video/x-raw,format=I420,width=64,height=34";

/// An outlet that has the pipeline wait until the viewer has each frame, so that none is
/// skipped however slow the machine is.
struct Paced {
    hub: Arc<Hub>,
    taken: Mutex<mpsc::Receiver<()>>,
}

impl FrameSink for Paced {
    fn announce(&self, caps: Caps) {
        self.hub.announce(caps);
    }

    fn publish(&self, frame: Frame) {
        self.hub.publish(frame);
        let taken = self.taken.lock().expect("no other call has panicked");
        let answer = taken.recv_timeout(PATIENCE);
        // A test that hangs up wants no more of them.
        assert_ne!(answer, Err(mpsc::RecvTimeoutError::Timeout));
    }

    fn clear(&self) {
        self.hub.clear();
    }

    fn lose(&self, reason: &str) {
        self.hub.lose(Loss::new(reason));
    }
}

/// A source into `stage`'s hub that waits for a word on the returned channel after each frame.
fn paced(stage: &Stage, text: &str) -> (Source, UnboundedReceiver<SourceEvent>, mpsc::Sender<()>) {
    media::init().expect("GStreamer is installed");
    let (took, taken) = mpsc::channel();
    let outlet = Paced {
        hub: Arc::clone(&stage.hub),
        taken: Mutex::new(taken),
    };
    let (events, heard) = unbounded_channel();
    let source = Source::spawn(
        pipeline_file(text),
        Values::default(),
        Arc::new(outlet),
        events,
    );
    (source, heard, took)
}

/// What GStreamer alone makes of a pipeline that ends in an appsink.
fn frames(text: &str) -> Vec<Vec<u8>> {
    media::init().expect("GStreamer is installed");
    let pipeline = gst::parse::launch(text).expect("it is valid");
    let pipeline = pipeline.downcast::<gst::Pipeline>().expect("it is one");
    let sink = pipeline.by_name("frames").expect("it has this sink");
    let sink = sink.downcast::<gst_app::AppSink>().expect("it is one");
    sink.set_property("sync", false);
    pipeline
        .set_state(gst::State::Playing)
        .expect("it can play");
    let mut frames = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let map = sample.buffer().expect("it has one").map_readable();
        frames.push(map.expect("it is memory").to_vec());
    }
    pipeline.set_state(gst::State::Null).expect("it can stop");
    frames
}

fn nanoseconds_now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("it is after 1970").as_nanos() as u64
}

#[tokio::test]
async fn every_frame_of_a_pipeline_reaches_the_viewer_unchanged() {
    let text = format!(
        "videotestsrc num-buffers=60 pattern=smpte horizontal-speed=3 \
         ! {CAPS},framerate=500/1 ! appsink name=frames"
    );
    let expected = frames(&text);
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let mut viewer = Viewer::join(stage.address).await;
    stage.watched_by(1).await;
    let (source, mut heard, took) = paced(&stage, &text);
    let begun = nanoseconds_now();
    source.open();
    for (sequence, expected) in (0..).zip(&expected) {
        let (header, data) = viewer.frame().await;
        assert_eq!((header.sequence, header.stream), (sequence, 0));
        assert_eq!(header.pts, u64::from(sequence) * 2_000_000);
        assert!(header.key, "raw frames are key frames");
        assert!((begun..=nanoseconds_now()).contains(&header.captured_at));
        assert!(data == *expected, "frame {sequence}");
        took.send(()).expect("the source waits for it");
    }
    assert_eq!(expected.len(), 60);
    loop {
        match within("the pipeline's end", heard.recv()).await {
            Some(SourceEvent::Ended) => break,
            Some(SourceEvent::Opened(from)) => assert!(from.contains("64x34 I420"), "{from}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(viewer.meter.traffic.skipped.load(Relaxed), 0);
    stage.close("done").await;
}

#[tokio::test]
async fn a_live_pipeline_is_shown_in_order_and_what_is_skipped_is_counted() {
    let text = format!(
        "videotestsrc num-buffers=100 is-live=true pattern=smpte horizontal-speed=3 \
         ! {CAPS},framerate=200/1 ! appsink name=frames"
    );
    let expected = frames(&text.replace("is-live=true", ""));
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let mut viewer = Viewer::join(stage.address).await;
    stage.watched_by(1).await;
    media::init().expect("GStreamer is installed");
    let (events, mut heard) = unbounded_channel();
    let outlet = Arc::clone(&stage.hub) as Arc<dyn FrameSink>;
    let source = Source::spawn(pipeline_file(text), Values::default(), outlet, events);
    source.open();
    let ended = async { while !matches!(heard.recv().await, Some(SourceEvent::Ended)) {} };
    within("the pipeline's end", ended).await;
    let last = frames_seen(&mut viewer, &expected).await;
    assert!(last > 0, "no frame came");
    drop(source);
    stage.close("done").await;
}

/// Looks at everything that has come: in order, as it was made, and with nothing uncounted.
async fn frames_seen(viewer: &mut Viewer, expected: &[Vec<u8>]) -> u64 {
    let mut numbers: Vec<u32> = Vec::new();
    while !viewer.has_seen_all() {
        let Seen::Frame(header, data) = viewer.next().await else {
            continue;
        };
        assert!(data == expected[header.sequence as usize], "not as made");
        numbers.push(header.sequence);
    }
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let span = numbers.last().unwrap_or(&0) - numbers.first().unwrap_or(&0) + 1;
    let skipped = viewer.meter.traffic.skipped.load(Relaxed);
    assert_eq!(numbers.len() as u64 + skipped, u64::from(span));
    numbers.len() as u64
}

#[tokio::test]
async fn a_pipeline_may_change_its_caps_in_mid_stream() {
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let mut viewer = Viewer::join(stage.address).await;
    stage.watched_by(1).await;
    let (source, _heard, took) = paced(
        &stage,
        "concat name=both ! appsink name=frames sync=false \
         videotestsrc num-buffers=3 ! video/x-raw,format=GRAY8,width=32,height=16 ! both. \
         videotestsrc num-buffers=3 ! video/x-raw,format=GRAY8,width=64,height=48 ! both.",
    );
    source.open();
    assert_eq!(viewer.next().await, Seen::Hello(String::new()));
    let mut sequence = 0;
    for size in [(32, 16), (64, 48)] {
        match viewer.next().await {
            Seen::Caps(caps) => assert_eq!(caps.size(), Some(size)),
            other => panic!("{other:?}"),
        }
        for _ in 0..3 {
            match viewer.next().await {
                Seen::Frame(header, data) => {
                    assert_eq!(header.sequence, sequence);
                    assert_eq!(data.len() as i32, size.0 * size.1);
                }
                other => panic!("{other:?}"),
            }
            sequence += 1;
            took.send(()).expect("the source waits for it");
        }
    }
    stage.close("done").await;
}

#[tokio::test]
async fn who_comes_after_a_pause_is_shown_no_frame_from_before_it() {
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let text = format!("videotestsrc is-live=true ! {CAPS},framerate=50/1 ! appsink name=frames");
    media::init().expect("GStreamer is installed");
    let (events, mut heard) = unbounded_channel();
    let outlet = Arc::clone(&stage.hub) as Arc<dyn FrameSink>;
    let source = Source::spawn(pipeline_file(text), Values::default(), outlet, events);
    source.open();
    let mut first = Viewer::join(stage.address).await;
    let before = first.frame().await.0;
    source.close();
    let closed = async { while !matches!(heard.recv().await, Some(SourceEvent::Closed)) {} };
    within("the pipeline's close", closed).await;
    let paused_at = nanoseconds_now();
    let mut second = Viewer::join(stage.address).await;
    stage.watched_by(2).await;
    source.open();
    let after = second.frame().await.0;
    assert!(after.captured_at >= paused_at, "a frame of before");
    assert!(after.is_after(before.sequence), "numbers go on");
    stage.close("done").await;
}

#[tokio::test]
async fn a_sender_that_was_stopped_leaves_no_task_and_no_thread() {
    if std::env::var_os("NEXTEST").is_none() {
        return skipped("other tests run in this process; cargo nextest gives each its own");
    }
    media::init().expect("GStreamer is installed");
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let text = format!("videotestsrc is-live=true ! {CAPS},framerate=50/1 ! appsink name=frames");
    let options = SendOptions {
        pickles: PickleContent::Pixels,
        file: pipeline_file(text),
        values: Values::default(),
        server: ServerOptions::default(),
        preview: Some(false),
        keep_open: false,
        stats: None,
        camera: None,
        watch: None,
        announced_as: None,
    };
    let listener = net::listen(Some(Ipv4Addr::LOCALHOST.into()), 0).expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    let (quit, asked) = oneshot::channel::<()>();
    let sending = tokio::spawn(send::serve(
        Destination::Listener(listener),
        options,
        Banner::Nothing,
        async {
            let _ = asked.await;
        },
    ));
    let mut viewer = Viewer::join(address).await;
    for _ in 0..3 {
        viewer.frame().await;
    }
    assert!(threads().contains(&"source".to_owned()));
    drop(quit);
    let ended = within("the sender's end", sending).await;
    ended.expect("it does not panic").expect("it was asked to");
    let (error, _) = viewer.end().await;
    assert_eq!(error.to_string(), "the sender was stopped");
    assert_eq!(tasks(), 0);
    let ours = ["source", "preview", "stop", "tutorial"];
    let left: Vec<String> = threads()
        .into_iter()
        .filter(|name| ours.contains(&&name[..]))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The names of this process's threads.
fn threads() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/task").expect("there is /proc");
    entries
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}

#[tokio::test]
async fn a_source_that_is_dropped_in_mid_frame_ends_at_once() {
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let text = format!("videotestsrc is-live=true ! {CAPS},framerate=50/1 ! appsink name=frames");
    let (source, mut heard, took) = paced(&stage, &text);
    source.open();
    let mut viewer = Viewer::join(stage.address).await;
    viewer.frame().await;
    // The pipeline now waits in its outlet, and goes on while the source is being dropped.
    let dropped = tokio::task::spawn_blocking(move || drop(source));
    drop(took);
    within("the source's end", dropped)
        .await
        .expect("dropping does not panic");
    let event = within("the last word of the source", heard.recv()).await;
    assert!(event.is_none_or(|event| !matches!(event, SourceEvent::Ended)));
    stage.close("done").await;
}
