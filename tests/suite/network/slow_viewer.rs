//! A viewer that does not keep up, as the sender's log has it.

use std::io;
use std::net::TcpStream;
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::support::encrypted::also_encrypted;
use crate::support::slow_link::Link;
use crate::support::{Running, Sender, vidchat};

/// `vidchat send` at the sender's end of a link.
fn send() -> Command {
    let mut send = vidchat();
    send.args(["send", "--no-announce", "--port", "0"]);
    send.args(["--bind", Link::SENDER]);
    send
}

#[test]
fn a_viewer_on_a_thin_link_is_told_of_once_with_the_remedy() {
    let Some(link) = Link::start("5mbit", "latency 50ms") else {
        return;
    };
    let mut send = send();
    send.args(["--pipeline", "test", "--no-preview"]);
    let mut sender = Sender::start_as(&mut link.sender_command(&send));
    let mut recv = vidchat();
    let target = format!("{}:{}", Link::SENDER, sender.port);
    // At about five a second.
    recv.args(["recv", &target, "--display", "none", "--frames", "60"]);
    let viewer = Running::start(&mut link.viewer_command(&recv));
    let told = sender.process.line_with("too slow: skips ");
    assert!(
        told.contains(" frames a second: the stream needs "),
        "{told}"
    );
    assert!(
        told.ends_with("; vidchat send with a codec, such as --pipeline camera-h264"),
        "{told}"
    );
    let ended = viewer.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
    sender.process.line_with("(0 watching)");
    // It may well have become worse, which is told as well, but not each second.
    let lines = sender.process.seen();
    let told = lines.iter().filter(|line| line.contains(" skips ")).count();
    assert!(told <= 3, "{lines:#?}");
    let advice = ended.stderr.matches("of --max-latency").count();
    assert!(advice <= 3, "{ended:?}");
}

/// A program of the tutorial would fill any link: it is sent raw frames, and nothing tells what the
/// link takes.
#[test]
fn a_silent_stranger_on_the_same_link_leaves_a_viewer_its_bit_rate() {
    let Some(link) = Link::start("20mbit", "latency 50ms") else {
        return;
    };
    let mut send = send();
    send.args(["--pipeline", "test-h264", "--width", "640"]);
    send.args(["--set", "bitrate=1500", "--no-preview"]);
    let mut sender = Sender::start_as(&mut link.sender_command(&send));
    let target = format!("{}:{}", Link::SENDER, sender.port);
    let stranger = link.at_viewer(|| TcpStream::connect(&target).expect("somebody listens"));
    let reads = thread::spawn(move || io::copy(&mut &stranger, &mut io::sink()));
    sender
        .process
        .line_with("(a program of the tutorial): joined");
    let mut recv = vidchat();
    recv.args(["recv", &target, "--display", "none", "--frames", "600"]);
    recv.args(["--stats", "json"]);
    let ended = Running::start(&mut link.viewer_command(&recv)).wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let (mut bytes, mut frames) = (0.0, 0.0);
    for line in ended.stdout.lines() {
        let second: Value = serde_json::from_str(line).expect("it is JSON");
        bytes += second["mbit_s"].as_f64().expect("it is a number") * 1e6 / 8.0;
        frames += second["received"].as_f64().expect("it is a number");
    }
    // A fifth of 1.5 Mbit/s, at 30 frames a second, less a little for the first frames.
    let mean = bytes / frames;
    assert!(mean >= 1000.0, "{mean} bytes a frame: {}", ended.stdout);
    drop(sender);
    let _ = reads.join();
}

also_encrypted!(a_viewer_on_a_thin_link_is_told_of_once_with_the_remedy,);
