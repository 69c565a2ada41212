//! A viewer that loses its sender and comes back by itself: after a crash, after an orderly end,
//! over a line that went dead without a word, and after it was suspended itself.

use crate::cli::statistics::Stats;
use crate::support::encrypted::also_encrypted;
use crate::support::fault_proxy::{Fault, Proxy};
use crate::support::{GONE, Running, Sender, vidchat};

/// A sender on this port, or with 0 on one of its own.
fn sender(port: u16) -> Sender {
    Sender::start_as(
        vidchat()
            .args(["send", "--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--pipeline", "test", "--no-preview"]),
    )
}

/// A running viewer whose statistics are read as it writes them.
struct Watcher {
    process: Running,
    stats: Stats,
}

impl Watcher {
    /// One that shows frames of `target` already.
    fn start(target: &str) -> Self {
        let mut command = vidchat();
        command.args(["recv", target, "--display", "none"]);
        let stats = Stats::of(&mut command);
        let watcher = Self {
            process: Running::start(&mut command),
            stats,
        };
        watcher.shows_frames();
        watcher
    }

    fn shows_frames(&self) {
        self.stats.line("frames", |line| {
            line["state"] == "live" && line["shown"].as_u64() > Some(0)
        });
    }

    fn is_without_a_sender(&self) {
        self.stats.line("the loss", |line| {
            line["state"] == "reconnecting" && line["shown"] == 0
        });
    }

    /// Ends it, as a person would.
    fn quit(self) {
        self.process.signal("INT");
        let ended = self.process.wait();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
    }
}

#[test]
fn a_viewer_comes_back_by_itself_when_its_sender_is_there_again() {
    let mut first = sender(0);
    let (port, target) = (first.port, first.target());
    let mut watcher = Watcher::start(&target);
    for (signal, why) in [("KILL", &GONE[..]), ("INT", &["the sender was stopped"])] {
        first.process.signal(signal);
        first.process.wait();
        let lost = watcher.process.line_with("connecting again");
        let said = |why| lost.contains(&format!("sender {target}: lost: {why}; connecting again"));
        assert!(why.iter().any(said), "{signal}: {lost}");
        watcher.is_without_a_sender();
        first = sender(port);
        let back = watcher.process.line_with("connected again after");
        assert!(back.contains(&format!("sender {target}: ")), "{back}");
        // Perhaps before it says where it listens.
        first.process.has_said("joined (1 watching)");
        watcher.shows_frames();
    }
    let times = |part| {
        watcher
            .process
            .seen()
            .iter()
            .filter(|l| l.contains(part))
            .count()
    };
    assert_eq!(times("lost:"), 2, "{:#?}", watcher.process.seen());
    watcher.quit();
}

#[test]
fn a_viewer_that_is_not_to_come_back_ends_when_its_sender_does() {
    for signal in ["KILL", "INT"] {
        let sender = sender(0);
        let mut command = vidchat();
        command.args(["recv", &sender.target(), "--display", "none"]);
        let mut viewer = Running::start(command.arg("--no-reconnect"));
        viewer.line_with("sends 320x240");
        sender.process.signal(signal);
        let ended = viewer.wait();
        assert_eq!(ended.code(), 3, "{signal}: {}", ended.stderr);
        assert!(!ended.stderr.contains("again after"), "{}", ended.stderr);
    }
}

#[test]
fn a_line_that_goes_dead_without_a_word_is_noticed_at_both_ends_and_left() {
    let mut sender = sender(0);
    let proxy = Proxy::to(sender.port, Fault::default());
    let mut watcher = Watcher::start(&proxy.target());
    sender.process.line_with("joined (1 watching)");
    proxy.stall(true);
    let lost = watcher.process.line_with("connecting again");
    assert!(lost.contains("lost: no sign of life"), "{lost}");
    sender
        .process
        .line_with("left: no sign of life for 3 s (0 watching)");
    proxy.stall(false);
    sender.process.line_with("joined (1 watching)");
    watcher.shows_frames();
    watcher.quit();
    sender.process.line_with("(0 watching)");
}

#[test]
fn a_viewer_that_was_suspended_loses_its_seat_and_takes_another() {
    let mut sender = sender(0);
    let mut watcher = Watcher::start(&sender.target());
    sender.process.line_with("joined (1 watching)");
    watcher.process.signal("STOP");
    sender
        .process
        .line_with("left: no sign of life for 3 s (0 watching)");
    watcher.process.signal("CONT");
    watcher.process.line_with("connecting again");
    watcher.process.line_with("connected again after");
    sender.process.line_with("joined (1 watching)");
    watcher.shows_frames();
    watcher.quit();
}

#[test]
fn a_sender_that_was_suspended_shows_nothing_of_that_time() {
    let mut sender = sender(0);
    let mut watcher = Watcher::start(&sender.target());
    sender.process.line_with("joined (1 watching)");
    sender.process.signal("STOP");
    watcher.process.line_with("connecting again");
    watcher.is_without_a_sender();
    let before = watcher.stats.lines().len();
    sender.process.signal("CONT");
    watcher.process.line_with("connected again after");
    watcher.shows_frames();
    // It stood still for three seconds and more, and made frames of all of them when it went on:
    // the oldest is as old as that.
    for line in &watcher.stats.lines()[before..] {
        let oldest = line["age_ms"]["max"].as_f64();
        assert!(oldest.is_none_or(|age| age < 2500.0), "{line}");
    }
    watcher.quit();
}

also_encrypted!(
    a_viewer_comes_back_by_itself_when_its_sender_is_there_again,
    a_viewer_that_is_not_to_come_back_ends_when_its_sender_does,
    a_line_that_goes_dead_without_a_word_is_noticed_at_both_ends_and_left,
    a_viewer_that_was_suspended_loses_its_seat_and_takes_another,
    a_sender_that_was_suspended_shows_nothing_of_that_time,
);
