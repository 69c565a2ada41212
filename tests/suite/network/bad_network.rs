//! Bad networks: the two programs with a proxy between them that splits, delays, stalls and cuts.

use std::time::Duration;

use crate::support::encrypted::also_encrypted;
use crate::support::fault_proxy::{Fault, Proxy};
use crate::support::{Ended, Running, Sender, run_vidchat, vidchat};

/// A sender of small frames, which even single bytes can carry.
fn sender() -> Sender {
    Sender::start([
        "--no-preview",
        "--pipeline",
        "test",
        "--width",
        "64",
        "--fps",
        "20",
    ])
}

/// Watches five frames through a proxy with this fault.
fn watch(fault: Fault) -> Ended {
    let sender = sender();
    let proxy = Proxy::to(sender.port, fault);
    run_vidchat([
        "recv",
        &proxy.target(),
        "--display",
        "none",
        "--frames",
        "5",
    ])
}

/// A viewer whose connection stalls in a frame.
fn stalled(sender: &Sender) -> (Running, Proxy) {
    let stall = Fault {
        stall_after: Some(20_000),
        ..Fault::default()
    };
    let proxy = Proxy::to(sender.port, stall);
    let mut viewer = Running::start(vidchat().args(["recv", &proxy.target(), "--display", "none"]));
    viewer.line_with("sends 64x48");
    (viewer, proxy)
}

#[test]
fn a_stream_in_tiny_pieces_is_the_same_stream() {
    for pieces in 1..=7 {
        let ended = watch(Fault {
            pieces: Some(pieces),
            ..Fault::default()
        });
        assert_eq!(ended.code(), 0, "{pieces} bytes: {}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn a_connection_that_is_slow_to_begin_works_all_the_same() {
    let ended = watch(Fault {
        delay: Duration::from_millis(600),
        ..Fault::default()
    });
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[test]
fn a_long_line_is_the_same_stream() {
    let ended = watch(Fault {
        latency: Duration::from_millis(40),
        ..Fault::default()
    });
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[test]
fn a_stream_goes_on_where_a_stall_is_short() {
    let sender = sender();
    let proxy = Proxy::to(sender.port, Fault::default());
    let mut command = vidchat();
    command.args([
        "recv",
        &proxy.target(),
        "--display",
        "none",
        "--frames",
        "20",
    ]);
    let mut viewer = Running::start(&mut command);
    viewer.line_with("sends 64x48");
    proxy.stall(true);
    std::thread::sleep(Duration::from_millis(300));
    proxy.stall(false);
    let ended = viewer.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[test]
fn a_connection_that_is_cut_in_a_frame_is_lost() {
    let mut sender = sender();
    let fault = Fault {
        cut_after: Some(20_000),
        ..Fault::default()
    };
    let proxy = Proxy::to(sender.port, fault);
    let target = proxy.target();
    let ended = run_vidchat(["recv", &target, "--display", "none", "--no-reconnect"]);
    assert_eq!(ended.code(), 3, "{}", ended.stderr);
    let error =
        format!("error: lost the connection to \"{target}\": the sender closed the connection");
    assert!(ended.stderr.contains(&error), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains(&format!("hint: vidchat recv {target}")),
        "{}",
        ended.stderr
    );
    sender.process.line_with("left: ");
}

#[test]
fn a_connection_that_is_cut_before_the_first_frame_never_was_one() {
    for (cut_after, error) in [
        (0, "the sender closed the connection"),
        (4, "is not a vidchat sender"),
        (40, "the sender closed the connection"),
    ] {
        let ended = watch(Fault {
            cut_after: Some(cut_after),
            ..Fault::default()
        });
        assert_eq!(ended.code(), 1, "{cut_after}: {}", ended.stderr);
        assert!(ended.stderr.contains(error), "{}", ended.stderr);
    }
}

#[test]
fn a_stalled_connection_ends_when_it_is_asked_to_and_delays_nobody_else() {
    let mut sender = sender();
    let (stalled, _proxy) = stalled(&sender);
    let other = run_vidchat([
        "recv",
        &sender.target(),
        "--display",
        "none",
        "--frames",
        "20",
    ]);
    assert_eq!(other.code(), 0, "{}", other.stderr);
    stalled.signal("INT");
    let ended = stalled.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    sender.process.line_with("(0 watching)");
    sender.process.signal("INT");
    let ended = sender.process.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[test]
fn a_sender_ends_when_it_is_asked_to_though_a_viewer_is_stalled() {
    let sender = sender();
    let _stalled = stalled(&sender);
    sender.process.signal("INT");
    let ended = sender.process.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

also_encrypted!(
    a_stream_in_tiny_pieces_is_the_same_stream,
    a_connection_that_is_slow_to_begin_works_all_the_same,
    a_long_line_is_the_same_stream,
    a_stream_goes_on_where_a_stall_is_short,
    a_connection_that_is_cut_in_a_frame_is_lost,
    a_stalled_connection_ends_when_it_is_asked_to_and_delays_nobody_else,
    a_sender_ends_when_it_is_asked_to_though_a_viewer_is_stalled,
);
