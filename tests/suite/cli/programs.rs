//! Whole programs with whole pipelines: a person's own file on either end, standard input and
//! output, bare frames, a video file that is looped, and the light of the camera.

use std::fs;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;

use crate::support::{Running, Sender, run, skipped_in_part, vidchat};

/// Bytes of a frame of 320 by 240 pixels in I420.
const FRAME_BYTES: usize = 320 * 240 * 3 / 2;

/// Writes a pipeline file and returns its path.
fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs `vidchat recv` and returns its standard output, where the pipeline writes frames.
fn received(target: &str, args: &[&str]) -> Bytes {
    let ended = run(vidchat().args(["recv", target]).args(args));
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    ended.bytes
}

#[test]
fn recv_ends_after_as_many_frames_as_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    let target = sender.target();
    for count in [1, 7] {
        let out = folder.path().join("frames");
        let saved = file(
            folder.path(),
            "save.gst",
            &format!(
                "# To a file.\nappsrc name=frames ! filesink location={}\n",
                out.display()
            ),
        );
        let ended = run(vidchat()
            .args(["recv", &target, "--pipeline", &saved, "--frames"])
            .arg(count.to_string()));
        assert_eq!(
            (ended.code(), &ended.stdout[..]),
            (0, ""),
            "{}",
            ended.stderr
        );
        assert_eq!(fs::read(&out).unwrap().len(), count * FRAME_BYTES);
        let words = "connected to";
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("sends 320x240 I420"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_pipeline_may_write_to_standard_output_and_nobody_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let sender = Sender::start([
        "--pipeline",
        "test",
        "--no-preview",
        "--set",
        "pattern=black",
    ]);
    let out = "# To standard output.\nappsrc name=frames ! fdsink fd=1\n";
    let out = file(folder.path(), "out.gst", out);
    let frames = received(&sender.target(), &["--pipeline", &out, "--frames", "5"]);
    assert_eq!(frames.len(), 5 * FRAME_BYTES);
    // Black, with a clock in its middle.
    let (bright, coloured) = (
        &frames[..320 * 20],
        &frames[FRAME_BYTES - 320 * 20..FRAME_BYTES],
    );
    assert!(bright.iter().all(|byte| *byte == 16), "{:?}", &bright[..20]);
    assert!(
        coloured.iter().all(|byte| *byte == 128),
        "{:?}",
        &coloured[..20]
    );
}

#[test]
fn a_pipeline_may_read_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let count = 200;
    let bytes: Vec<u8> = (0..count).flat_map(|n| vec![n + 1; 64 * 48]).collect();
    let input = folder.path().join("input");
    fs::write(&input, bytes).unwrap();
    let text = "# Grey from standard input, paced.\n#! keep-open\n\
                fdsrc fd=0 blocksize=3072\n  \
                ! rawvideoparse format=gray8 width=64 height=48 framerate=5/1\n  \
                ! appsink name=frames sync=true\n";
    let pipeline = file(folder.path(), "in.gst", text);
    let mut command = vidchat();
    command
        .args(["send", "--bind", "127.0.0.1", "--port", "0", "--no-preview"])
        .args(["--pipeline", &pipeline])
        .stdin(fs::File::open(&input).unwrap());
    let sender = Sender::start_as(&mut command);
    let out = "# To standard output.\nappsrc name=frames ! fdsink fd=1\n";
    let out = file(folder.path(), "out.gst", out);
    let frames = received(&sender.target(), &["--pipeline", &out, "--frames", "3"]);
    let seen: Vec<u8> = frames.chunks(64 * 48).map(|frame| frame[0]).collect();
    assert_eq!(seen.len(), 3, "{} bytes", frames.len());
    assert!(
        seen.is_sorted() && (1..=count).contains(&seen[0]),
        "{seen:?}"
    );
    for (frame, grey) in frames.chunks(64 * 48).zip(&seen) {
        assert!(frame.iter().all(|byte| byte == grey), "a frame is torn");
    }
    sender.process.signal("INT");
    let ended = sender.process.wait();
    assert_eq!(
        (ended.code(), &ended.stdout[..]),
        (0, ""),
        "{}",
        ended.stderr
    );
}

#[test]
fn bare_frames_are_shown_with_the_command_that_the_sender_prints() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["send", "--bind", "127.0.0.1", "--port", "0"];
    let mut sender = Running::start(vidchat().args(args).args([
        "--no-preview",
        "--pipeline",
        "test",
        "--wire",
        "bare",
    ]));
    let line = sender.line_with("vidchat recv ");
    assert!(
        line.contains(" --wire bare --caps \"video/x-raw, "),
        "{line}"
    );
    let out = "# To standard output.\nappsrc name=frames ! fdsink fd=1\n";
    let out = file(folder.path(), "out.gst", out);
    // Typed as it is printed, in a shell.
    let typed = line.trim().replace("vidchat recv", "\"$0\" recv");
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        &format!("{typed} --frames 4 --pipeline \"$1\" | wc -c"),
    ]);
    shell.args([env!("CARGO_BIN_EXE_vidchat"), &out]);
    let ended = run(&mut shell);
    assert_eq!(
        ended.stdout.trim(),
        (4 * FRAME_BYTES).to_string(),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_a_sender_speaks_is_not_guessed_when_it_is_given() {
    let sender = Sender::start(["--pipeline", "test", "--no-preview", "--wire", "bare"]);
    let target = sender.target();
    let ended = run(vidchat().args(["recv", &target, "--display", "none", "--wire", "native"]));
    assert_eq!((ended.code(), &ended.stdout[..]), (1, ""));
    let said = format!("error: \"{target}\" is not a vidchat sender: its first bytes are 00 c2 01");
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    let pipeline = ["--pipeline", "test-jpeg", "--no-preview", "--wire", "bare"];
    let sender = Sender::start(pipeline);
    let target = sender.target();
    let ended = run(vidchat().args(["recv", &target, "--display", "none", "--wire", "native"]));
    let said = format!(
        "error: the video from \"{target}\" is not valid: no hello as its first message\n\
         hint: leave --wire native out to have it found out what the sender speaks"
    );
    assert_eq!((ended.code(), &ended.stderr[..]), (1, &said[..]));
}

#[test]
fn a_video_file_begins_again_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    for (name, encoder) in [
        ("jpeg.avi", "jpegenc ! avimux"),
        ("theora.mkv", "theoraenc ! matroskamux"),
    ] {
        let clip = folder.path().join(name);
        let launch = format!(
            "videotestsrc num-buffers=10 pattern=snow ! video/x-raw,width=64,height=48,framerate=20/1 \
             ! videoconvert ! {encoder} ! filesink location={}",
            clip.display()
        );
        let made = run(Command::new("gst-launch-1.0")
            .arg("-q")
            .args(launch.split_whitespace()));
        if made.code() != 0 {
            skipped_in_part(&format!("gst-launch-1.0 makes no {name}: {}", made.stderr));
            continue;
        }
        let set = format!("file={}", clip.display());
        let sender = Sender::start(["--no-preview", "--pipeline", "file", "--set", &set]);
        let target = sender.target();
        // Three times its length.
        let ended = run(vidchat().args(["recv", &target, "--display", "none", "--frames", "30"]));
        assert_eq!(ended.code(), 0, "{name}: {}", ended.stderr);
        assert!(
            ended.stderr.contains("sends 320x240 I420"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_pipeline_that_comes_to_its_end_ends_both_programs() {
    let folder = tempfile::tempdir().unwrap();
    let text = "# Two seconds.\nvideotestsrc num-buffers=60 is-live=true \
                ! video/x-raw,framerate=30/1 ! appsink name=frames\n";
    let pipeline = file(folder.path(), "short.gst", text);
    let sender = Sender::start(["--no-preview", "--pipeline", &pipeline]);
    let target = sender.target();
    let ended = run(vidchat().args(["recv", &target, "--display", "none"]));
    let said = format!(
        "error: the video from \"{target}\" ended: the video has ended\n\
         hint: start vidchat send on \"127.0.0.1\" again"
    );
    assert!(ended.stderr.ends_with(&said), "{}", ended.stderr);
    assert_eq!(ended.code(), 3);
    assert_eq!(sender.process.wait().code(), 0);
}

#[test]
fn the_light_is_on_only_while_somebody_watches() {
    let mut sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    // It was tried at the start.
    sender
        .process
        .line_with("INFO source: closed, as nobody watches");
    assert!(
        sender.process.seen()[0].starts_with("INFO source: open: \"test\", sent as 320x240 I420"),
        "{:#?}",
        sender.process.seen()
    );
    for _ in 0..2 {
        let target = sender.target();
        let mut first = Running::start(vidchat().args(["recv", &target, "--display", "none"]));
        let lines = &mut sender.process;
        lines.line_with("joined (1 watching)");
        lines.line_with("INFO source: open: ");
        let mut second = Running::start(vidchat().args(["recv", &target, "--display", "none"]));
        lines.line_with("joined (2 watching)");
        first.line_with("sends 320x240 I420");
        second.line_with("sends 320x240 I420");
        first.signal("INT");
        // It may hang up with frames unread, which resets the connection.
        assert!(lines.line_with("(1 watching)").contains(" left: "));
        second.signal("INT");
        assert!(lines.line_with("(0 watching)").contains(" left: "));
        let between = lines.seen().len();
        lines.line_with("INFO source: closed, as nobody watches");
        assert_eq!(lines.seen().len(), between + 1, "{:#?}", lines.seen());
        assert_eq!((first.wait().code(), second.wait().code()), (0, 0));
    }
}

#[test]
fn the_light_stays_on_when_that_was_asked_for() {
    let mut sender = Sender::start(["--pipeline", "test", "--no-preview", "--keep-open"]);
    let target = sender.target();
    for _ in 0..2 {
        let ended = run(vidchat().args(["recv", &target, "--display", "none", "--frames", "45"]));
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        sender.process.line_with("(0 watching)");
    }
    sender.process.signal("INT");
    let ended = sender.process.wait();
    assert_eq!(
        ended.stderr.matches("source: open").count(),
        1,
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("source: closed"), "{}", ended.stderr);
}
