//! A sending pipeline that also writes a file: the file is whole however the pipeline ends, and
//! the next pipeline does not write over it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use tokio::sync::mpsc::UnboundedReceiver;
use vidchat::media::Source;
use vidchat::media::capture::events::SourceEvent;
use vidchat::net::sender::ServerOptions;

use super::source_loss::{pipeline_file, said, source};
use crate::support::peers::{Stage, Viewer};
use crate::support::{PATIENCE, Sender, in_one_try};

const FRAMES: &str = "videotestsrc is-live=true \
    ! video/x-raw,format=I420,width=64,height=48,framerate=30/1";

/// A pipeline of these frames that also writes into `sink`.
fn recording(frames: &str, sink: &str) -> String {
    format!(
        "{frames} ! tee name=both \
         both. ! queue ! x264enc tune=zerolatency speed-preset=ultrafast ! {sink} \
         both. ! queue ! appsink name=frames"
    )
}

fn into_mp4(path: &Path) -> String {
    recording(
        FRAMES,
        &format!("mp4mux ! filesink location={}", path.display()),
    )
}

/// The frames of a file, up to its end. The file has an index, or nothing can be read.
fn frames_in(path: &Path) -> usize {
    let text = format!(
        "filesrc location={} ! decodebin ! appsink name=out sync=false",
        path.display()
    );
    let pipeline = gst::parse::launch(&text).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let output: gst_app::AppSink = pipeline.by_name("out").unwrap().downcast().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let (mut count, mut error) = (0, None);
    let until = Instant::now() + PATIENCE;
    while !output.is_eos() && error.is_none() {
        assert!(Instant::now() < until, "{path:?} has no end");
        let sample = output.try_pull_sample(gst::ClockTime::from_mseconds(50));
        count += usize::from(sample.is_some());
        error = bus.pop_filtered(&[gst::MessageType::Error]);
    }
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(error.is_none(), "{path:?}: {error:?}");
    count
}

/// Waits until the source gives frames, and until a viewer has so many of them.
async fn runs(stage: &Stage, heard: &mut UnboundedReceiver<SourceEvent>, count: usize) {
    let mut viewer = Viewer::join(stage.address).await;
    while !matches!(
        said(heard).await,
        SourceEvent::Opened(_) | SourceEvent::Changed(_)
    ) {}
    for _ in 0..count {
        viewer.frame().await;
    }
}

async fn opened(text: &str) -> (Stage, Source, UnboundedReceiver<SourceEvent>) {
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let (source, mut heard) = source(&stage, text);
    source.open();
    runs(&stage, &mut heard, 20).await;
    (stage, source, heard)
}

/// Waits until frames come again, which go to a second file. Both files are whole then.
async fn both_are_whole(
    (stage, source, mut heard): (Stage, Source, UnboundedReceiver<SourceEvent>),
    first: &Path,
) {
    runs(&stage, &mut heard, 20).await;
    assert!(frames_in(first) >= 10);
    drop(source);
    assert!(frames_in(&first.with_file_name("clip-2.mp4")) >= 10);
    stage.close("done").await;
}

/// A folder, and a file in it.
fn clip() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mp4");
    (folder, path)
}

#[tokio::test]
async fn a_recording_is_whole_when_nobody_watches_and_the_next_one_leaves_it_alone() {
    let (folder, path) = clip();
    let (stage, source, mut heard) = opened(&into_mp4(&path)).await;
    source.close();
    while !matches!(said(&mut heard).await, SourceEvent::Closed) {}
    let first = fs::read(&path).unwrap();
    assert!(frames_in(&path) >= 10);
    source.open();
    runs(&stage, &mut heard, 20).await;
    drop(source);
    assert_eq!(fs::read(&path).unwrap(), first);
    assert!(frames_in(&folder.path().join("clip-2.mp4")) >= 10);
    stage.close("done").await;
}

#[tokio::test]
async fn a_recording_is_whole_when_another_pipeline_takes_over() {
    let (_folder, path) = clip();
    let (stage, source, heard) = opened(&into_mp4(&path)).await;
    source.replace(pipeline_file(into_mp4(&path)));
    both_are_whole((stage, source, heard), &path).await;
}

#[tokio::test]
async fn a_recording_is_whole_when_the_source_is_lost_and_taken_up_again() {
    let (_folder, path) = clip();
    let failing = format!("{FRAMES} ! identity error-after=40");
    let sink = format!("mp4mux ! filesink location={}", path.display());
    let (stage, source, mut heard) = opened(&recording(&failing, &sink)).await;
    let mut heard_next = said(&mut heard).await;
    while !matches!(heard_next, SourceEvent::Lost(_)) {
        heard_next = said(&mut heard).await;
    }
    both_are_whole((stage, source, heard), &path).await;
}

#[tokio::test]
async fn parts_of_a_recording_are_counted_on() {
    let (folder, path) = clip();
    let pattern = path.with_file_name("part-%02d.mp4");
    let sink = format!("splitmuxsink location={}", pattern.display());
    let (stage, source, mut heard) = opened(&recording(FRAMES, &sink)).await;
    source.close();
    while !matches!(said(&mut heard).await, SourceEvent::Closed) {}
    source.open();
    runs(&stage, &mut heard, 20).await;
    drop(source);
    for name in ["part-00.mp4", "part-01.mp4"] {
        assert!(frames_in(&folder.path().join(name)) >= 10, "{name}");
    }
    stage.close("done").await;
}

#[test]
fn a_recording_is_whole_when_the_sender_is_ended() {
    gst::init().unwrap();
    let (folder, path) = clip();
    let file = folder.path().join("mine.gst");
    fs::write(
        &file,
        format!("# Both.\n#! keep-open\n{}\n", into_mp4(&path)),
    )
    .unwrap();
    // How much is in it depends on the machine.
    in_one_try(|| {
        let sender = Sender::start(["--no-preview", "--pipeline", file.to_str().unwrap()]);
        // The muxer has begun once the file is there.
        while fs::metadata(&path).is_ok_and(|file| file.len() == 0) {
            std::thread::yield_now();
        }
        sender.process.signal("INT");
        let ended = sender.process.wait();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        assert!(!ended.stderr.contains("WARN"), "{}", ended.stderr);
        let count = frames_in(&path);
        (count > 0).then_some(()).ok_or(format!("{count} frames"))
    });
}

#[test]
fn a_recording_that_hangs_does_not_keep_the_sender() {
    let (folder, path) = clip();
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    let file = folder.path().join("mine.gst");
    // Far more than a pipe holds.
    let big = "videotestsrc is-live=true ! video/x-raw,width=640,height=480,framerate=30/1";
    let text = format!(
        "# Both.\n#! keep-open\n{big} ! tee name=both both. ! queue ! filesink location={} \
         both. ! queue leaky=downstream ! appsink name=frames\n",
        path.display()
    );
    fs::write(&file, text).unwrap();
    // Somebody has it open and reads nothing.
    let _pipe = fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let sender = Sender::start(["--no-preview", "--pipeline", file.to_str().unwrap()]);
    sender.process.signal("INT");
    let ended = sender.process.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let said = "WARN source: a recording did not come to its end within 5 s";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[tokio::test]
async fn a_pipeline_that_begins_again_at_its_end_records_nothing() {
    let (_folder, path) = clip();
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let (source, mut heard) = source(&stage, &format!("#! loop\n{}", into_mp4(&path)));
    source.open();
    let SourceEvent::Failed(failure) = said(&mut heard).await else {
        panic!("it began");
    };
    let said = failure.to_string();
    assert!(
        said.contains("empties the file that it records to"),
        "{said}"
    );
    assert!(
        said.contains("hint: leave out #! loop, or the recording"),
        "{said}"
    );
    assert!(!path.exists());
    stage.close("done").await;
}
