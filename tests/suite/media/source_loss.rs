//! A source that fails, stands still or hangs while somebody watches: what is told, that it is
//! taken up again, and that the viewers stay.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use vidchat::media::capture::events::SourceEvent;
use vidchat::media::{self, Direction, FrameSink, PipelineFile, Source, Values};
use vidchat::net::sender::ServerOptions;

use crate::support::encrypted::also_encrypted;
use crate::support::peers::{Seen, Stage, Viewer, within};
use crate::support::{Running, Sender, vidchat};

/// Caps whose frames are one datagram, and one block of a pipe.
const CAPS: &str = "video/x-raw,format=GRAY8,width=16,height=4,framerate=50/1";
const FRAME_BYTES: usize = 16 * 4;

/// A sending pipeline of these words.
pub fn pipeline_file(text: impl Into<String>) -> PipelineFile {
    PipelineFile::new(Direction::Send, "mine", text)
}

/// A source of `text` whose frames go to the viewers of `stage`.
pub fn source(stage: &Stage, text: &str) -> (Source, UnboundedReceiver<SourceEvent>) {
    media::init().expect("GStreamer is installed");
    let (events, heard) = unbounded_channel();
    let outlet = Arc::clone(&stage.hub) as Arc<dyn FrameSink>;
    let source = Source::spawn(pipeline_file(text), Values::default(), outlet, events);
    (source, heard)
}

/// What the source says next.
pub async fn said(heard: &mut UnboundedReceiver<SourceEvent>) -> SourceEvent {
    let event = within("a word of the source", heard.recv()).await;
    event.expect("the source is there")
}

/// The reason of a loss that is told next.
async fn lost(heard: &mut UnboundedReceiver<SourceEvent>) -> String {
    match said(heard).await {
        SourceEvent::Lost(failure) => failure.why().to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn opened(heard: &mut UnboundedReceiver<SourceEvent>) {
    let event = said(heard).await;
    assert!(matches!(event, SourceEvent::Opened(_)), "{event:?}");
}

/// A live source, as a camera is, that stands still when the test wants.
pub struct Feed {
    pub port: u16,
    paused: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Sends frames to a port of its own.
    pub fn start() -> Self {
        let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
        let port = taken.local_addr().expect("it is bound").port();
        drop(taken);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
        let (paused, ended) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (pause, end) = (Arc::clone(&paused), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            while !AtomicBool::load(&end, Relaxed) {
                if !pause.load(Relaxed) {
                    // Nobody may be listening yet, or any more.
                    let _ = socket.send_to(&[7; FRAME_BYTES], (Ipv4Addr::LOCALHOST, port));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self {
            port,
            paused,
            ended,
            thread: Some(thread),
        }
    }

    /// A pipeline of it, with these words before the end.
    pub fn pipeline(&self, more: &str) -> String {
        let port = self.port;
        format!("udpsrc address=127.0.0.1 port={port} caps=\"{CAPS}\" {more} ! appsink name=frames")
    }

    /// Stands still, or goes on.
    pub fn pause(&self, paused: bool) {
        self.paused.store(paused, Relaxed);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A live source that is open, for the viewers of a stage.
async fn live() -> (Stage, Feed, Source, UnboundedReceiver<SourceEvent>) {
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let feed = Feed::start();
    let (source, mut heard) = source(&stage, &feed.pipeline(""));
    source.open();
    opened(&mut heard).await;
    (stage, feed, source, heard)
}

#[tokio::test]
async fn a_pipeline_that_fails_is_started_again_and_its_numbers_go_on() {
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let text = format!(
        "videotestsrc is-live=true ! {CAPS} ! identity error-after=20 ! appsink name=frames"
    );
    let (source, mut heard) = source(&stage, &text);
    source.open();
    let mut viewer = Viewer::join(stage.address).await;
    let mut last = viewer.frame().await.0.sequence;
    opened(&mut heard).await;
    for _ in 0..2 {
        let reason = lost(&mut heard).await;
        assert_eq!(reason, "Failed after iterations as requested");
        opened(&mut heard).await;
    }
    while last < 40 {
        let next = viewer.frame().await.0.sequence;
        assert!(next > last, "{next} after {last}");
        last = next;
    }
    stage.close("done").await;
}

#[tokio::test]
async fn a_live_source_that_stands_still_is_lost_and_comes_back_with_its_frames() {
    let (stage, feed, _source, mut heard) = live().await;
    let mut viewer = Viewer::join(stage.address).await;
    let before = viewer.frame().await.0;
    feed.pause(true);
    assert_eq!(lost(&mut heard).await, "no frame for 2 s");
    feed.pause(false);
    opened(&mut heard).await;
    while viewer.frame().await.0.sequence <= before.sequence + 120 {}
    stage.close("done").await;
}

#[tokio::test]
async fn nobody_watches_and_nobody_tries() {
    let (stage, feed, source, mut heard) = live().await;
    feed.pause(true);
    lost(&mut heard).await;
    source.close();
    let event = said(&mut heard).await;
    assert!(matches!(event, SourceEvent::Closed), "{event:?}");
    feed.pause(false);
    source.open();
    opened(&mut heard).await;
    stage.close("done").await;
}

#[tokio::test]
#[cfg(unix)]
async fn a_pipe_that_pauses_is_told_but_goes_on_where_it_was() {
    use std::io::PipeWriter;
    use std::os::fd::AsRawFd;
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let (pipe, mut feed) = std::io::pipe().expect("there are pipes");
    let (source, mut heard) = source(
        &stage,
        &format!(
            "fdsrc fd={} blocksize={FRAME_BYTES} \
             ! rawvideoparse format=gray8 width=16 height=4 framerate=50/1 \
             ! appsink name=frames sync=false",
            pipe.as_raw_fd()
        ),
    );
    let mut viewer = Viewer::join(stage.address).await;
    stage.watched_by(1).await;
    source.open();
    let give = |feed: &mut PipeWriter, bytes: &[u8]| feed.write_all(bytes).expect("it is read");
    give(&mut feed, &[1; FRAME_BYTES]);
    opened(&mut heard).await;
    assert_eq!(viewer.frame().await.1, [1; FRAME_BYTES]);
    // It pauses in the middle of a frame.
    give(&mut feed, &[2; FRAME_BYTES / 2]);
    assert_eq!(lost(&mut heard).await, "no frame for 2 s");
    give(&mut feed, &[2; FRAME_BYTES / 2]);
    opened(&mut heard).await;
    assert_eq!(viewer.frame().await.1, [2; FRAME_BYTES]);
    drop(feed);
    let event = said(&mut heard).await;
    assert!(matches!(event, SourceEvent::Ended), "{event:?}");
    stage.close("done").await;
}

#[tokio::test]
async fn a_pipeline_that_hangs_when_it_is_stopped_is_left_behind() {
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    // Both ends, so that neither waits for the other.
    let mut feed = File::options().read(true).write(true).open(&path).unwrap();
    let (source, mut heard) = source(
        &stage,
        &format!(
            "filesrc location={} blocksize={FRAME_BYTES} \
             ! rawvideoparse format=gray8 width=16 height=4 framerate=50/1 \
             ! appsink name=frames sync=false",
            path.display()
        ),
    );
    let mut viewer = Viewer::join(stage.address).await;
    source.open();
    feed.write_all(&[1; FRAME_BYTES]).unwrap();
    assert_eq!(viewer.frame().await.1, [1; FRAME_BYTES]);
    opened(&mut heard).await;
    // It waits for more, and nothing that GStreamer has can wake it.
    source.close();
    let event = said(&mut heard).await;
    assert!(matches!(event, SourceEvent::Closed), "{event:?}");
    // Late frames of it do not get through.
    feed.write_all(&[2; FRAME_BYTES]).unwrap();
    source.open();
    feed.write_all(&[3; FRAME_BYTES * 2]).unwrap();
    opened(&mut heard).await;
    assert_eq!(viewer.frame().await.1, [3; FRAME_BYTES]);
    drop(source);
    stage.close("done").await;
}

#[tokio::test]
async fn a_loss_is_forgotten_by_viewers_with_the_next_frame() {
    let (stage, feed, _source, mut heard) = live().await;
    feed.pause(true);
    lost(&mut heard).await;
    // One who comes now sees no frame of before.
    let mut late = Viewer::join(stage.address).await;
    stage.watched_by(1).await;
    assert!(matches!(late.next().await, Seen::Hello(_)));
    feed.pause(false);
    late.frame().await;
    stage.close("done").await;
}

#[test]
fn a_source_that_gives_a_frame_every_few_seconds_is_neither_lost_nor_frozen() {
    let folder = tempfile::tempdir().expect("there is room");
    let slow = "videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=1/3";
    let unknown = format!("{slow} ! capssetter caps=video/x-raw,framerate=0/1");
    let runs: Vec<_> = [slow, unknown.as_str()]
        .into_iter()
        .enumerate()
        .map(|(number, source)| {
            let file = folder.path().join(format!("{number}.gst"));
            let text = format!("# Slow.\n{source} ! appsink name=frames\n");
            fs::write(&file, text).expect("there is room");
            let args = ["--no-preview", "--keep-open", "--pipeline"];
            let mut command = vidchat();
            command.args(["send", "--bind", "127.0.0.1", "--port", "0"]);
            let sender = Sender::start_as(command.args(args).arg(&file));
            let mut command = vidchat();
            command.args(["recv", &sender.target(), "--display", "none"]);
            command.args(["--stats", "json", "--frames", "5"]);
            (sender, Running::start(&mut command))
        })
        .collect();
    for (sender, receiver) in runs {
        let ended = receiver.wait();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        let states = |state: &str| {
            ended
                .stdout
                .matches(&format!("\"state\":\"{state}\""))
                .count()
        };
        assert!(states("live") >= 8, "{}", ended.stdout);
        assert_eq!(
            states("frozen") + states("camera lost"),
            0,
            "{}",
            ended.stdout
        );
        sender.process.signal("INT");
        let ended = sender.process.wait();
        assert!(!ended.stderr.contains("no frame for"), "{}", ended.stderr);
    }
}

also_encrypted!(a_source_that_gives_a_frame_every_few_seconds_is_neither_lost_nor_frozen,);
