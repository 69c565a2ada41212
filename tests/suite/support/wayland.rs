//! A Wayland compositor of a test's own.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::support::{PATIENCE, Xvfb, signal, skipped, vidchat};

/// A compositor of a test's own. It is ended when dropped.
pub struct Weston {
    process: Child,
    folder: tempfile::TempDir,
}

impl Weston {
    /// Starts one without a screen; `None`, said aloud, where weston is not installed.
    pub fn start() -> Option<Self> {
        Self::run(
            &mut Command::new("weston"),
            &["--backend=headless-backend.so"],
        )
    }

    /// Starts one that has a window of this size for a screen. It gives each window all of it.
    pub fn on(display: &Xvfb, (width, height): (u32, u32)) -> Option<Self> {
        let mut command = Command::new("weston");
        let (width, height) = (format!("--width={width}"), format!("--height={height}"));
        Self::run(
            command.env("DISPLAY", &display.display),
            &[
                "--backend=x11-backend.so",
                "--shell=kiosk-shell.so",
                &width,
                &height,
            ],
        )
    }

    fn run(command: &mut Command, arguments: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let started = command
            .args(arguments)
            .arg("--socket=wayland-test")
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

    pub fn vidchat(&self, arguments: &[&str]) -> Command {
        let mut command = vidchat();
        command
            .args(arguments)
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("WAYLAND_DISPLAY", "wayland-test")
            .env_remove("DISPLAY")
            // GStreamer warns of a compositor that has no graphics card.
            .env_remove("G_DEBUG");
        command
    }

    /// Sends it a signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        signal(self.process.id(), name);
    }

    /// As a compositor goes that fails.
    pub fn kill(&mut self) {
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
