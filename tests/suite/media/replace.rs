//! A pipeline that is changed while it runs: viewers stay, and what does not work changes
//! nothing.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use vidchat::media::capture::events::SourceEvent;
use vidchat::net::sender::ServerOptions;

use crate::media::source_loss::{Feed, pipeline_file, said, source};
use crate::support::peers::{Seen, Stage, Viewer};
use crate::support::x_display::{Screen, Shot};
use crate::support::{PATIENCE, Running, Sender, Xvfb, run_vidchat, vidchat};

/// A live frame of this width, 16 high and of one grey, told by its brightness.
fn plain(width: u32, more: &str) -> String {
    format!(
        "videotestsrc is-live=true pattern=white \
         ! video/x-raw,format=GRAY8,width={width},height=16,framerate=50/1 {more} \
         ! appsink name=frames"
    )
}

/// Sees frames until the first of other caps, whose width it returns. Numbers go on, and
/// none of the old caps comes after that.
async fn changes(viewer: &mut Viewer, last: &mut u32) -> i32 {
    let width = loop {
        match viewer.next().await {
            Seen::Caps(caps) => break caps.size().expect("it has one").0,
            Seen::Frame(header, _) => {
                assert!(header.sequence > *last || *last == 0);
                *last = header.sequence;
            }
            _ => {}
        }
    };
    for _ in 0..5 {
        let (header, data) = viewer.frame().await;
        assert_eq!(data.len() as i32, width * 16);
        assert!(header.sequence > *last || *last == 0);
        *last = header.sequence;
    }
    width
}

#[tokio::test]
async fn a_new_pipeline_takes_over_and_viewers_hear_its_caps() {
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let (source, mut heard) = source(&stage, &plain(32, ""));
    source.open();
    let mut viewer = Viewer::join(stage.address).await;
    let mut last = 0;
    assert_eq!(changes(&mut viewer, &mut last).await, 32);
    assert!(matches!(said(&mut heard).await, SourceEvent::Opened(_)));
    for width in [64, 128] {
        source.replace(pipeline_file(plain(width, "")));
        assert_eq!(changes(&mut viewer, &mut last).await, width as i32);
        match said(&mut heard).await {
            SourceEvent::Changed(words) => assert!(words.contains(&format!("{width}x16"))),
            other => panic!("{other:?}"),
        }
    }
    stage.close("done").await;
}

#[tokio::test]
async fn a_new_pipeline_that_does_not_work_changes_nothing() {
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let (source, mut heard) = source(&stage, &plain(32, ""));
    source.open();
    let mut viewer = Viewer::join(stage.address).await;
    let mut last = 0;
    changes(&mut viewer, &mut last).await;
    assert!(matches!(said(&mut heard).await, SourceEvent::Opened(_)));
    for (text, reason) in [
        (plain(64, "! nosuchthing"), "it is not installed"),
        ("videotestsrc ! fakesink".into(), "no element named"),
        (plain(64, "! identity error-after=1"), "Failed after"),
        (plain(64, "! valve drop=true"), "no frame came within 5 s"),
    ] {
        source.replace(pipeline_file(text));
        match said(&mut heard).await {
            SourceEvent::Kept(failure) => {
                assert!(failure.why().contains(reason), "{failure}");
            }
            other => panic!("{reason}: {other:?}"),
        }
    }
    // What came in the meantime was all of the old one.
    while !viewer.has_seen_all() {
        let seen = viewer.next().await;
        assert!(!matches!(seen, Seen::Caps(_)), "{seen:?}");
    }
    viewer.frame().await;
    stage.close("done").await;
}

#[tokio::test]
async fn one_that_needs_the_same_device_is_started_in_the_place_of_the_old_one() {
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let feed = Feed::start();
    let wide = |width: u32| {
        let scaled = format!("! videoscale ! video/x-raw,width={width},height=16");
        feed.pipeline(&scaled)
    };
    let (source, mut heard) = source(&stage, &wide(32));
    source.open();
    let mut viewer = Viewer::join(stage.address).await;
    let mut last = 0;
    assert_eq!(changes(&mut viewer, &mut last).await, 32);
    assert!(matches!(said(&mut heard).await, SourceEvent::Opened(_)));
    source.replace(pipeline_file(wide(64)));
    assert_eq!(changes(&mut viewer, &mut last).await, 64);
    let event = said(&mut heard).await;
    assert!(matches!(event, SourceEvent::Changed(_)), "{event:?}");
    // One that does not work gives the device back.
    source.replace(pipeline_file(feed.pipeline("! valve drop=true")));
    match said(&mut heard).await {
        SourceEvent::Kept(failure) => assert_eq!(failure.why(), "no frame came within 5 s"),
        other => panic!("{other:?}"),
    }
    let event = said(&mut heard).await;
    assert!(matches!(event, SourceEvent::Opened(_)), "{event:?}");
    assert_eq!(viewer.frame().await.1.len(), 64 * 16);
    stage.close("done").await;
}

#[tokio::test]
async fn while_nobody_watches_the_new_one_waits_for_the_next_opening() {
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let (source, mut heard) = source(&stage, &plain(32, ""));
    source.replace(pipeline_file(plain(64, "! nosuchthing")));
    assert!(matches!(said(&mut heard).await, SourceEvent::Kept(_)));
    source.replace(pipeline_file(plain(64, "")));
    assert!(matches!(said(&mut heard).await, SourceEvent::Changed(_)));
    source.open();
    let mut viewer = Viewer::join(stage.address).await;
    assert_eq!(changes(&mut viewer, &mut 0).await, 64);
    // One that is built and then fails is not kept for ever.
    let mut events = Vec::new();
    source.close();
    source.replace(pipeline_file(plain(16, "! valve drop=true")));
    source.open();
    while !matches!(events.last(), Some(SourceEvent::Kept(_))) {
        events.push(said(&mut heard).await);
    }
    viewer.frame().await;
    stage.close("done").await;
}

/// Writes a file as most editors do: another one, which is then given its name.
fn save(path: &Path, text: &str) {
    let other = path.with_extension("new");
    fs::write(&other, text).unwrap();
    fs::rename(&other, path).unwrap();
}

#[test]
fn the_sender_changes_over_each_time_its_file_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.gst");
    let text = |width, more| format!("# Mine.\n{}\n", plain(width, more));
    fs::write(&path, text(32, "")).unwrap();
    let path_text = path.to_str().unwrap();
    let mut sender = Sender::start(["--no-preview", "--watch", "--pipeline", path_text]);
    let mut recv = vidchat();
    recv.args([
        "recv",
        &sender.target(),
        "--display",
        "none",
        "--no-reconnect",
    ]);
    let mut receiver = Running::start(&mut recv);
    receiver.line_with("sends 32x16 GRAY8");
    let place = format!("source: changed over to {path_text:?}: sent as ");
    save(&path, &text(64, ""));
    sender.process.line_with(&format!("{place}64x16"));
    receiver.line_with("sends 64x16 GRAY8");
    save(&path, &text(16, "! nosuchthing"));
    let line = sender.process.line_with("source: goes on as it was: ");
    assert!(
        line.contains("nosuchthing") && line.contains("(line 2)"),
        "{line}"
    );
    // In place, in two steps.
    fs::write(&path, "").unwrap();
    fs::write(&path, text(128, "")).unwrap();
    sender.process.line_with(&format!("{place}128x16"));
    receiver.line_with("sends 128x16 GRAY8");
    sender.process.signal("INT");
    assert_eq!(sender.process.wait().code(), 0);
    let ended = receiver.wait();
    assert!(ended.stderr.contains("the sender was stopped"), "{ended:?}");
}

#[test]
fn a_pipeline_of_the_program_itself_cannot_be_watched() {
    let ended = run_vidchat(["send", "--port", "0", "--pipeline", "test", "--watch"]);
    assert_eq!(ended.code(), 2, "{ended:?}");
    let error = "error: cannot watch the pipeline \"test\": it is part of the program, not a file";
    assert!(ended.stderr.contains(error), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("vidchat pipelines show test > mine.gst")
    );
}

/// Waits until a file is larger than it was.
fn grows(path: &Path) {
    let size = || fs::metadata(path).map_or(0, |data| data.len());
    let before = size();
    let until = Instant::now() + PATIENCE;
    while size() <= before {
        assert!(Instant::now() < until, "{path:?} does not grow");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_receiver_changes_over_each_time_its_file_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    let path = folder.path().join("mine.gst");
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let text = |more: &str, out: &Path| {
        let out = out.display();
        format!(
            "# To a file.\nappsrc name=frames {more} ! filesink buffer-mode=unbuffered location={out}\n"
        )
    };
    fs::write(&path, text("", &one)).unwrap();
    let mut recv = vidchat();
    recv.args(["recv", &sender.target(), "--watch", "--pipeline"])
        .arg(&path);
    let mut receiver = Running::start(&mut recv);
    receiver.line_with("sends 320x240 I420");
    grows(&one);
    save(
        &path,
        &text("! videoconvert ! video/x-raw,format=GRAY8", &two),
    );
    receiver.line_with("receiver: changed over to");
    grows(&two);
    // What fails at once, and what fails with its first frame.
    let kept = "receiver: goes on as it was: ";
    for (more, reason) in [
        ("! nosuchthing", "it is not installed"),
        ("! identity error-after=1", "Failed after iterations"),
        ("! video/x-raw,format=BGR", "not-negotiated"),
    ] {
        save(&path, &text(more, &one));
        let line = receiver.line_with(kept);
        assert!(line.contains(reason), "{line}");
        grows(&two);
    }
    // Into the same file: only one of them can.
    save(
        &path,
        &text("! videoconvert ! video/x-raw,format=BGR", &two),
    );
    receiver.line_with("receiver: changed over to");
    grows(&two);
    save(&path, &text("! identity error-after=1", &two));
    receiver.line_with(kept);
    grows(&two);
    receiver.signal("INT");
    let ended = receiver.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn the_window_on_a_display_stays_when_its_pipeline_is_changed() {
    let Some(display) = Xvfb::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let args = ["--pipeline", "test", "--no-preview", "--set", "pattern=red"];
    let sender = Sender::start(args);
    let path = folder.path().join("mine.gst");
    let text = |more: &str| {
        format!(
            "# A window.\nappsrc name=frames ! ${{decode}} ! videoconvert {more} ! ${{window}}\n"
        )
    };
    fs::write(&path, text("")).unwrap();
    let mut recv = vidchat();
    recv.args(["recv", &sender.target(), "--watch", "--pipeline"])
        .arg(&path)
        .env("DISPLAY", &display.display);
    let mut receiver = Running::start(&mut recv);
    let screen = Screen::of(&display);
    let window = screen.any_window();
    let is_red = |shot: &Shot| {
        let [red, green, _] = shot.pixel(5, 5);
        red > 150 && green < 80
    };
    screen.wait_for(window, "red", is_red);
    save(&path, &text("! videobalance saturation=0 ! videoconvert"));
    receiver.line_with("receiver: changed over to");
    screen.wait_for(window, "grey", |shot| !is_red(shot));
    save(&path, &text("! identity error-after=1"));
    receiver.line_with("receiver: goes on as it was: ");
    screen.wait_for(window, "grey again", |shot| {
        let [red, green, _] = shot.pixel(5, 5);
        red > 20 && red.abs_diff(green) < 10
    });
    screen.close(window);
    assert_eq!(receiver.wait().code(), 0);
}
