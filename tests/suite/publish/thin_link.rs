//! A thin link to an engine: nothing queues, and the bit rate follows it.

use std::process::Command;
use std::rc::Rc;

use serde_json::Value;

use crate::cli::statistics::Stats;
use crate::support::engines::Nginx;
use crate::support::slow_link::Link;
use crate::support::{PATIENCE, Running, Sender, skipped, vidchat};

/// Frames of 1.5 Mbit/s, of which the link takes a third.
const SOURCE: [&str; 6] = [
    "--pipeline",
    "test-h264",
    "--width",
    "640",
    "--set",
    "bitrate=1500",
];

/// The link, and nginx at its far end.
fn engine() -> Option<(Rc<Link>, Nginx)> {
    let link = Rc::new(Link::start("500kbit", "latency 50ms")?);
    let far = Rc::clone(&link);
    let nginx = Nginx::at(Link::VIEWER, move |command| far.viewer_command(command))?;
    Some((link, nginx))
}

/// Runs a command at the near end, and reads its statistics.
fn near(link: &Link, mut command: Command) -> (Running, Stats) {
    let stats = Stats::of(&mut command);
    (Running::start(&mut link.sender_command(&command)), stats)
}

/// Most frames of a second reach the engine, soon: fewer bytes are made, and none wait. At the first
/// bit rate a third of the frames would pass.
fn keeps_up(line: &Value) -> bool {
    let age = line["age_ms"]["p50"].as_f64();
    line["state"] == "live"
        && line["published"].as_u64() >= Some(22)
        && line["mbit_s"].as_f64() < Some(0.7)
        && age.is_some_and(|age| age < 500.0)
}

#[test]
fn a_source_of_this_machine_is_encoded_for_what_the_link_carries() {
    let Some((link, nginx)) = engine() else {
        return;
    };
    let mut publish = vidchat();
    publish
        .arg("publish")
        .args(SOURCE)
        .args(["--to", &nginx.url("", "cam")]);
    let (publisher, stats) = near(&link, publish);
    stats.line("a full link", |line| line["carries_mbit_s"].is_number());
    stats.line("less", keeps_up);
    publisher.signal("INT");
    assert_eq!(publisher.wait().code(), 0);
}

#[test]
fn a_sender_encodes_for_what_the_link_behind_its_viewer_carries() {
    let Some((link, nginx)) = engine() else {
        return;
    };
    let mut send = vidchat();
    send.args(["send", "--bind", "127.0.0.1", "--port", "0", "--no-preview"]);
    send.arg("--no-announce").args(SOURCE);
    let sent = Stats::of(&mut send);
    let sender = Sender::start_as(&mut link.sender_command(&send));
    let mut publish = vidchat();
    publish.args(["publish", &sender.target(), "--to", &nginx.url("", "cam")]);
    let (publisher, stats) = near(&link, publish);
    sent.line("a lower bit rate", |line| {
        line["bitrate_kbit_s"]
            .as_f64()
            .is_some_and(|rate| rate < 700.0)
    });
    stats.line("less", keeps_up);
    publisher.signal("INT");
    assert_eq!(publisher.wait().code(), 0);
}

/// By SRT no frame waits for the link: packets that are too late for it are left out, and so the bit rate
/// follows what is lost. The far end calls the near one, or the other way round.
#[test]
fn a_source_is_encoded_for_what_a_link_of_srt_carries() {
    if gstreamer::init().is_ok() && gstreamer::ElementFactory::find("srtsink").is_none() {
        return skipped("there is no srtsink");
    }
    for (to, from) in [
        (format!("srt://{}:7001", Link::VIEWER), "?mode=listener"),
        (format!("srt://{}:7001?mode=listener", Link::SENDER), ""),
    ] {
        let Some(link) = Link::start("500kbit", "latency 50ms") else {
            return;
        };
        let address = to.split('?').next().unwrap_or_default();
        let mut play = vidchat();
        play.args(["recv", &format!("{address}{from}"), "--display", "none"]);
        let shown = Stats::of(&mut play);
        let mut publish = vidchat();
        publish.arg("publish").args(SOURCE).args(["--to", &to]);
        let (publisher, stats) = near(&link, publish);
        // It ends where nothing comes within ten seconds.
        let player = loop {
            let mut player = Running::start(&mut link.viewer_command(&play));
            if player.line_before_end("sends 640x480", PATIENCE).is_some() {
                break player;
            }
        };
        stats.line("a full link", |line| line["carries_mbit_s"].is_number());
        stats.line("less", |line| line["mbit_s"].as_f64() < Some(0.6));
        shown.line("most of the frames", |line| {
            line["shown"].as_u64() >= Some(22)
        });
        for process in [publisher, player] {
            process.signal("INT");
            assert_eq!(process.wait().code(), 0);
        }
    }
}
