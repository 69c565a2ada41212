//! Into engines that others make, and out of them again: `vidchat publish`, `vidchat recv URL` and
//! `vidchat send --pipeline URL`.

#[cfg(target_os = "linux")]
pub mod browser;
pub mod built_engines;
pub mod each_engine;
pub mod engine_losses;
pub mod key_frames;
pub mod rtp;
pub mod srt;
pub mod stalled_engine;
#[cfg(target_os = "linux")]
pub mod thin_link;
pub mod through_rtmp;
pub mod through_rtsp;
pub mod true_age;

use std::process::Command;

use crate::cli::statistics::Stats;
use crate::support::{Running, Sender, vidchat};

/// A sender of a test picture in H.264 whose own key frames are half a minute apart.
pub fn sender() -> Sender {
    sender_on(0)
}

/// The same on this port, or with 0 on one of its own.
pub fn sender_on(port: u16) -> Sender {
    let mut command = vidchat();
    command.args(["send", "--bind", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--pipeline", "test-h264", "--set", "gop=900"]);
    Sender::start_as(command.args(["--no-preview", "--no-announce"]))
}

/// A running `vidchat publish` whose statistics are read as it writes them.
pub struct Publisher {
    pub process: Running,
    pub stats: Stats,
}

impl Publisher {
    /// Publishes what these arguments say to `url`.
    pub fn start(from: &[&str], url: &str) -> Self {
        let mut command = vidchat();
        command.arg("publish").args(from).args(["--to", url]);
        Self::start_as(command, |command| command)
    }

    /// Starts this command, which is some `vidchat publish`, changed by `place` to be run there.
    pub fn start_as(mut command: Command, place: impl Fn(Command) -> Command) -> Self {
        let stats = Stats::of(&mut command);
        Self {
            process: Running::start(&mut place(command)),
            stats,
        }
    }

    /// Waits until the engine is given frames.
    pub fn is_live(&self) {
        self.stats.line("frames at the engine", |line| {
            line["state"] == "live" && line["published"].as_u64() > Some(0)
        });
    }

    /// Ends it, as a person would. Returns what it has said.
    pub fn quit(self) -> String {
        self.process.signal("INT");
        let ended = self.process.wait();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        ended.stderr
    }

    /// Ends it by this signal.
    pub fn end(self, signal: &str) {
        self.process.signal(signal);
        self.process.wait();
    }
}

/// A running `vidchat recv URL` without a display.
pub struct Player {
    pub process: Running,
    stats: Stats,
}

impl Player {
    pub fn start(url: &str, more: &[&str]) -> Self {
        let mut command = vidchat();
        command.args(["recv", url, "--display", "none"]).args(more);
        let stats = Stats::of(&mut command);
        Self {
            process: Running::start(&mut command),
            stats,
        }
    }

    /// Waits until it shows frames.
    pub fn shows_frames(&self) {
        self.stats.line("frames", |line| {
            line["state"] == "live" && line["shown"].as_u64() > Some(0)
        });
    }

    /// Waits until it shows none.
    pub fn shows_nothing(&self) {
        self.stats.line("no frames", |line| line["shown"] == 0);
    }

    /// Ends it, as a person would. Returns what it has said.
    pub fn quit(self) -> String {
        self.process.signal("INT");
        let ended = self.process.wait();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        ended.stderr
    }
}

/// Plays some frames of `url` to the end. Returns what was said.
pub fn plays(url: &str, more: &[&str]) -> String {
    let mut command = vidchat();
    command.args(["recv", url, "--display", "none", "--frames", "20"]);
    let ended = Running::start(command.args(more)).wait();
    assert_eq!(ended.code(), 0, "{url}: {}", ended.stderr);
    ended.stderr
}
