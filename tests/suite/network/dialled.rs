//! `vidchat send --to` and `vidchat recv --listen` as programs: a camera that connects to its viewer.

use crate::cli::statistics::Stats;
use crate::support::encrypted::also_encrypted;
use crate::support::party::port_in;
use crate::support::{Running, run, vidchat};

/// A receiver that listens on this port, or with 0 on one of its own, and its port.
fn receiver(port: u16) -> (Running, Stats, u16) {
    let mut command = vidchat();
    command
        .args([
            "recv",
            "--listen",
            "--bind",
            "127.0.0.1",
            "--display",
            "none",
        ])
        .args(["--port", &port.to_string()]);
    let stats = Stats::of(&mut command);
    let mut process = Running::start(&mut command);
    let line = process.line_with("vidchat send --to 127.0.0.1:");
    let port = port_in(&line);
    (process, stats, port)
}

fn sender(port: u16) -> Running {
    Running::start(
        vidchat()
            .args(["send", "--to", &format!("127.0.0.1:{port}")])
            .args(["--pipeline", "test", "--no-preview"]),
    )
}

fn shows_frames(stats: &Stats) {
    stats.line("frames", |line| {
        line["state"] == "live" && line["shown"].as_u64() > Some(0) && !line["age_ms"].is_null()
    });
}

#[test]
fn a_sender_that_connects_is_shown_again_after_either_end_was_killed() {
    let (mut receiver_process, stats, port) = receiver(0);
    stats.line("no sender", |line| {
        line["state"] == "reconnecting" && line["reason"] == "no sender has connected"
    });
    let mut sender_process = sender(port);
    sender_process.line_with(&format!("receiver 127.0.0.1:{port}: connected"));
    sender_process.line_with(&format!("The receiver is 127.0.0.1:{port}."));
    shows_frames(&stats);
    for (signal, reason) in [("KILL", ""), ("INT", "the sender was stopped")] {
        sender_process.signal(signal);
        sender_process.wait();
        let lost = receiver_process.line_with("; waiting for a sender");
        assert!(
            lost.contains(&format!("sender 127.0.0.1: lost: {reason}")),
            "{lost}"
        );
        stats.line("the loss", |line| line["state"] == "reconnecting");
        sender_process = sender(port);
        receiver_process.line_with("sender 127.0.0.1: connected again after");
        shows_frames(&stats);
    }
    for (signal, reason) in [("KILL", ""), ("INT", "the viewer left")] {
        receiver_process.signal(signal);
        receiver_process.wait();
        let lost = sender_process.line_with("connecting again");
        let told = format!("receiver 127.0.0.1:{port}: lost: {reason}");
        assert!(lost.contains(&told), "{lost}");
        let (process, stats, _) = receiver(port);
        sender_process.line_with("connected again after");
        shows_frames(&stats);
        receiver_process = process;
    }
    sender_process.signal("INT");
    let ended = sender_process.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[test]
fn a_second_sender_says_that_the_receiver_is_busy_and_is_shown_after_the_first() {
    let (mut receiver_process, stats, port) = receiver(0);
    let first = sender(port);
    shows_frames(&stats);
    let mut second = sender(port);
    let refused = second.line_with("turned away");
    let told = format!(
        "receiver 127.0.0.1:{port}: turned away: the receiver shows another sender; trying again"
    );
    assert!(refused.contains(&told), "{refused}");
    receiver_process.line_with("is turned away, as another sender is shown");
    drop(first);
    second.line_with(&format!("receiver 127.0.0.1:{port}: connected"));
    shows_frames(&stats);
    let said = second
        .seen()
        .iter()
        .filter(|line| line.contains("turned away"));
    assert_eq!(said.count(), 1, "{:#?}", second.seen());
    receiver_process.signal("INT");
    let ended = receiver_process.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[test]
fn a_receiver_that_listens_for_one_sender_ends_with_it() {
    let mut command = vidchat();
    command
        .args(["recv", "--listen", "--bind", "127.0.0.1", "--port", "0"])
        .args(["--display", "none", "--no-reconnect"]);
    let mut receiver = Running::start(&mut command);
    let line = receiver.line_with("vidchat send --to ");
    let sender = sender(port_in(&line));
    receiver.line_with("sends 320x240");
    drop(sender);
    let ended = receiver.wait();
    assert_eq!(ended.code(), 3, "{}", ended.stderr);
    let hint = "hint: without --no-reconnect, vidchat recv --listen waits for the next sender";
    assert!(ended.stderr.contains(hint), "{}", ended.stderr);
}

#[test]
fn a_receiver_that_says_nothing_is_told_from_one_of_vidchat() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let target = silent.local_addr().expect("it is bound").to_string();
    let ended = run(vidchat().args([
        "send",
        "--pipeline",
        "test",
        "--no-preview",
        "--to",
        &target,
    ]));
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
    let expected = format!(
        "error: no vidchat receiver answered at \"{target}\": no hello within 10 s\nhint: start \
         vidchat recv --listen on \"127.0.0.1\"; a program of the Python tutorial takes --wire pickle"
    );
    assert!(ended.stderr.ends_with(&expected), "{}", ended.stderr);
}

also_encrypted!(
    a_sender_that_connects_is_shown_again_after_either_end_was_killed,
    a_second_sender_says_that_the_receiver_is_busy_and_is_shown_after_the_first,
    a_receiver_that_listens_for_one_sender_ends_with_it,
);
