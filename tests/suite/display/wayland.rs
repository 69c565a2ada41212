//! Windows on a Wayland compositor of the tests' own, without any X server: how they are lost.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::support::{PATIENCE, Running, Sender, run_vidchat, skipped, vidchat};

/// A compositor that shows nothing. It is ended when dropped.
struct Weston {
    process: Child,
    folder: tempfile::TempDir,
}

impl Weston {
    /// Starts one; `None`, said aloud, where weston or the sink for it is not installed.
    fn start() -> Option<Self> {
        let sink = Command::new("gst-inspect-1.0")
            .args(["--exists", "waylandsink"])
            .status();
        if !sink.is_ok_and(|status| status.success()) {
            skipped("waylandsink is not installed");
            return None;
        }
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let started = Command::new("weston")
            .args(["--backend=headless-backend.so", "--socket=wayland-test"])
            .args(["--no-config", "--idle-time=0"])
            .env("XDG_RUNTIME_DIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            skipped("weston is not installed");
            return None;
        };
        let mut weston = Self { process, folder };
        let socket = weston.folder.path().join("wayland-test");
        let until = Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            let ended = weston.process.try_wait().expect("it was started");
            assert_eq!(ended, None, "weston does not start");
            assert!(Instant::now() < until, "weston does not listen");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Some(weston)
    }

    fn vidchat(&self, arguments: &[&str]) -> Command {
        let mut command = vidchat();
        command
            .args(arguments)
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("WAYLAND_DISPLAY", "wayland-test")
            // GStreamer warns of a compositor that has no graphics card.
            .env_remove("G_DEBUG");
        command
    }

    /// As a compositor goes that fails.
    fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

impl Drop for Weston {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What is logged when a window has been opened.
const HAS_WINDOW: &str = "window: open on Wayland";

#[test]
fn when_a_wayland_display_is_lost_the_receiver_says_so_and_the_sender_goes_on() {
    let Some(mut weston) = Weston::start() else {
        return;
    };
    let send = ["send", "-v", "--bind", "127.0.0.1", "--port", "0"];
    let mut command = weston.vidchat(&send);
    let mut sender = Sender::start_as(command.args(["--pipeline", "test", "--preview"]));
    sender.process.has_said(HAS_WINDOW);
    let target = sender.target();
    let mut receiver = Running::start(&mut weston.vidchat(&["recv", "-v", &target]));
    receiver.line_with(HAS_WINDOW);
    weston.kill();
    let ended = receiver.wait();
    assert_eq!(ended.code(), 3, "{ended:?}");
    let error = "error: lost the display: the Wayland compositor closed the connection";
    assert!(ended.stderr.contains(error), "{ended:?}");
    sender
        .process
        .line_with("preview: closed: lost the display: the Wayland compositor");
    let ended = run_vidchat(["recv", &target, "--display", "none", "--frames", "10"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    sender.process.signal("INT");
    let ended = sender.process.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn a_window_on_a_wayland_display_that_is_closed_in_peace_is_no_loss() {
    let Some(weston) = Weston::start() else {
        return;
    };
    let sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    let recv = ["recv", &sender.target(), "--frames", "10"];
    let ended = Running::start(&mut weston.vidchat(&recv)).wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(!ended.stderr.contains("lost"), "{ended:?}");
}
