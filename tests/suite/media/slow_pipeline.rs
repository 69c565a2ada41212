//! A receiving pipeline that takes long to start, or never does: the receiver goes on to answer
//! its sender, and shows the newest frames when it can.
//!
//! The pipeline writes to a FIFO, whose opening lasts until the test opens the other end.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use vidchat::wire::{Bye, ByeCode, Control};

use crate::media::frame_identity::encoded;
use crate::support::played_sender::{PlayedPort, PlayedSender};
use crate::support::player::until;
use crate::support::{Running, vidchat};

/// Frames that stand for themselves. All bytes of one are the same, and tell its number.
const RAW: &str = "video/x-raw, format=(string)GRAY8, width=(int)16, height=(int)4, \
    framerate=(fraction)30/1";
/// Frames that need those before them. Nothing decodes them here.
const DELTA: &str = "video/x-vp8, width=(int)16, height=(int)4, framerate=(fraction)30/1";
const BYTES: usize = 16 * 4;

/// A receiver, and a sender that the test plays.
struct Scene {
    receiver: Running,
    sender: PlayedSender,
    folder: TempDir,
}

impl Scene {
    /// A receiver whose pipeline writes to a FIFO that nobody reads yet. It has heard the caps.
    fn start(caps: &str, flags: &[&str]) -> Self {
        Self::start_changed(caps, flags, |_, _| {})
    }

    /// The same with something changed about the command, for which there is a folder.
    fn start_changed(caps: &str, flags: &[&str], change: impl Fn(&mut Command, &Path)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let fifo = folder.path().join("fifo");
        make_fifo(&fifo);
        let scene_file = folder.path().join("mine.gst");
        fs::write(&scene_file, into(&fifo.to_string_lossy())).expect("a file");
        let port = PlayedPort::open();
        let mut command = vidchat();
        command
            .args(["recv", &port.target(), "--pipeline"])
            .arg(&scene_file)
            .args(flags);
        change(&mut command, folder.path());
        Self {
            receiver: Running::start(&mut command),
            sender: port.accept(caps),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Saves another pipeline file in the place of the first.
    fn save(&self, text: &str) {
        fs::write(self.path("mine.gst"), text).expect("a file");
    }

    /// Sends a frame, and waits until the receiver has it.
    fn send(&mut self, number: u8, key: bool) {
        // An odd byte begins a VP8 frame that has no size of its own.
        self.sender
            .send(number.into(), key, &[number * 2 + 1; BYTES]);
    }

    /// Opens the other end of the FIFO, which lets the pipeline start.
    fn open_fifo(&self) -> File {
        File::open(self.path("fifo")).expect("the FIFO")
    }
}

/// A FIFO at this path.
fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.is_ok_and(|made| made.success()), "no FIFO");
}

/// A pipeline file that writes frames to `path` as they are.
fn into(path: &str) -> String {
    format!("# Writes.\nappsrc name=frames ! filesink buffer-mode=unbuffered location={path}\n")
}

/// The number of the next frame that comes out of the pipeline.
fn shown(output: &mut File) -> u8 {
    let mut frame = [0; BYTES];
    output.read_exact(&mut frame).expect("a frame");
    assert!(frame.iter().all(|byte| *byte == frame[0]), "{frame:?}");
    frame[0] / 2
}

#[test]
fn a_receiver_lives_while_its_pipeline_starts_and_shows_the_newest_frame_then() {
    let mut scene = Scene::start(RAW, &[]);
    for number in 1..=20 {
        scene.send(number, true);
    }
    // The last of these come a second apart: a receiver that is held up for three seconds is
    // dropped, and it drops its sender.
    scene.sender.hear_pings(8);
    scene.send(21, true);
    scene.sender.has_no_other_connection();
    let mut output = scene.open_fifo();
    assert_eq!(shown(&mut output), 21);
    for number in 22..=30 {
        scene.send(number, true);
        assert_eq!(shown(&mut output), number);
    }
    scene.sender.has_no_other_connection();
    scene.receiver.signal("INT");
    let ended = scene.receiver.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[test]
fn frames_that_need_others_are_shown_from_the_newest_key_frame_on() {
    let mut scene = Scene::start(DELTA, &[]);
    for number in 1..=9 {
        scene.send(number, number == 1 || number == 6);
    }
    let mut output = scene.open_fifo();
    for number in 6..=9 {
        assert_eq!(shown(&mut output), number);
    }
    scene.send(10, false);
    assert_eq!(shown(&mut output), 10);
    // After a gap the sender is asked for a key frame.
    scene.send(12, false);
    while scene.sender.hear() != Control::Key {}
    scene.send(13, true);
    assert_eq!(shown(&mut output), 13);
}

#[test]
fn the_last_frame_is_shown_where_the_stream_ends_while_the_pipeline_starts() {
    let mut scene = Scene::start(RAW, &[]);
    scene.send(1, true);
    scene.sender.say(&Control::Bye(Bye {
        done: true,
        ..Bye::new(ByeCode::Ended, "the video has ended")
    }));
    scene.sender.hear_the_end();
    let mut output = scene.open_fifo();
    assert_eq!(shown(&mut output), 1);
    let ended = scene.receiver.wait();
    assert_eq!(ended.code(), 3, "{}", ended.stderr);
}

#[test]
fn a_pipeline_that_never_starts_is_left_behind_at_the_end() {
    let mut scene = Scene::start(RAW, &[]);
    scene.send(1, true);
    scene.receiver.signal("INT");
    while !matches!(scene.sender.hear(), Control::Bye { .. }) {}
    let ended = scene.receiver.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[test]
fn a_pipeline_that_never_starts_is_left_behind_when_another_is_saved() {
    let mut scene = Scene::start(RAW, &["--watch", "--frames", "2"]);
    scene.send(1, true);
    let output = scene.path("frames");
    scene.save(&into(&output.to_string_lossy()));
    scene.receiver.line_with("changed over to");
    // The receiver has the first one still.
    let written = || fs::metadata(&output).map_or(0, |file| file.len());
    until("the first frame in the file", || written() == BYTES as u64);
    scene.send(2, true);
    let ended = scene.receiver.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert_eq!(written(), 2 * BYTES as u64);
}

#[test]
fn a_new_pipeline_that_never_starts_is_left_behind_and_the_old_one_goes_on() {
    let mut scene = Scene::start(RAW, &["--watch"]);
    let mut output = scene.open_fifo();
    scene.send(1, true);
    assert_eq!(shown(&mut output), 1);
    let other = scene.path("other");
    make_fifo(&other);
    scene.save(&into(&other.to_string_lossy()));
    // The old one shows frames meanwhile. From the fifth on, pings are a second apart.
    for number in 2..=12 {
        scene.send(number, true);
        assert_eq!(shown(&mut output), number);
        scene.sender.hear_pings(1);
    }
    let kept = scene.receiver.line_with("goes on as it was");
    assert!(kept.contains("it does not start within 5 s"), "{kept}");
    scene.send(13, true);
    assert_eq!(shown(&mut output), 13);
}

#[test]
fn a_receiver_whose_gstreamer_starts_slowly_connects_anew_instead_of_being_silent() {
    // The program that looks for plug-ins waits for the test; then GStreamer does without it.
    let mut scene = Scene::start_changed(RAW, &[], |command, folder| {
        make_fifo(&folder.join("go"));
        let scanner = folder.join("scanner");
        fs::write(&scanner, "#!/bin/sh\nread go <\"${0%/*}/go\"\nexit 1\n").expect("a file");
        fs::set_permissions(&scanner, Permissions::from_mode(0o755)).expect("a program");
        command
            .env("GST_PLUGIN_SCANNER", &scanner)
            .env("GST_REGISTRY", folder.join("registry"))
            .env_remove("G_DEBUG");
    });
    // The receiver says goodbye.
    scene.sender.hear_the_end();
    fs::write(scene.path("go"), "go\n").expect("the scanner reads it");
    scene.sender.accept_again(RAW);
    scene.send(1, true);
    let mut output = scene.open_fifo();
    assert_eq!(shown(&mut output), 1);
    scene.sender.has_no_other_connection();
}

#[test]
fn a_decoder_that_hangs_keeps_no_answer_from_the_sender() {
    let Some((caps, frames)) = encoded("vp8enc deadline=1 keyframe-max-dist=20") else {
        return;
    };
    // Its way out is a FIFO that is full with the first frame, as nobody reads.
    let mut scene = Scene::start_changed(&caps.to_string(), &[], |_, folder| {
        let text = format!(
            "# Decodes.\nappsrc name=frames ! vp8dec qos=false max-errors=-1 ! videoscale ! \
             video/x-raw,width=640,height=480 ! filesink buffer-mode=unbuffered location={}\n",
            folder.join("fifo").display()
        );
        fs::write(folder.join("mine.gst"), text).expect("a file");
    });
    let mut output = scene.open_fifo();
    // Far more than wait, with many key frames, each of which empties the decoder.
    let mut sequence = 0;
    for _ in 0..20 {
        for frame in &frames {
            sequence += 1;
            scene.sender.send(sequence, frame.key, &frame.bytes);
        }
        if sequence as usize >= 200 {
            break;
        }
    }
    // These are a second apart, and the receiver would be dropped after three.
    scene.sender.hear_pings(6);
    scene.sender.has_no_other_connection();
    // It goes on when the decoder does.
    let reader = std::thread::spawn(move || {
        let mut decoded = vec![0; 640 * 480];
        for _ in 0..20 {
            output.read_exact(&mut decoded).expect("decoded frames");
        }
    });
    for frame in frames.iter().cycle().skip_while(|frame| !frame.key) {
        if reader.is_finished() {
            break;
        }
        sequence += 1;
        scene.sender.send(sequence, frame.key, &frame.bytes);
    }
    reader.join().expect("decoded frames come");
    scene.sender.has_no_other_connection();
}
