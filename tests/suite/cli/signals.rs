//! How the program ends when it is told to, when the other side is gone, and what it outlives.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{GONE, PATIENCE, Running, Sender, bounded, run, vidchat};

/// A running `vidchat recv --display none` that has shown that it is connected.
fn watcher(target: &str) -> Running {
    let mut watcher =
        Running::start(vidchat().args(["recv", target, "--display", "none", "--no-reconnect"]));
    watcher.line_with("sends 320x240 I420");
    watcher
}

fn test_sender() -> Sender {
    Sender::start(["--pipeline", "test", "--no-preview"])
}

#[test]
fn a_signal_to_stop_ends_each_command_as_asked() {
    for signal in ["INT", "TERM"] {
        let mut sender = test_sender();
        let watcher = watcher(&sender.target());
        sender.process.line_with("joined (1 watching)");
        watcher.signal(signal);
        let ended = watcher.wait();
        assert_eq!(
            (ended.code(), &ended.stdout[..]),
            (0, ""),
            "{}",
            ended.stderr
        );
        assert!(!ended.stderr.contains("error"), "{}", ended.stderr);
        let left = sender.process.line_with("(0 watching)");
        assert!(left.contains(" left: "), "{left}");
        sender.process.signal(signal);
        let ended = sender.process.wait();
        assert_eq!(
            (ended.code(), &ended.stdout[..]),
            (0, ""),
            "{}",
            ended.stderr
        );
        assert!(!ended.stderr.contains("error"), "{}", ended.stderr);

        let mut demo = Running::start(vidchat().args(["demo", "--display", "none"]));
        demo.line_with("sends 320x240 I420");
        demo.signal(signal);
        let ended = demo.wait();
        assert_eq!(
            (ended.code(), &ended.stdout[..]),
            (0, ""),
            "{}",
            ended.stderr
        );
        assert!(!ended.stderr.contains("error"), "{}", ended.stderr);
    }
}

#[test]
fn a_viewer_is_told_why_the_sender_ends() {
    let mut sender = test_sender();
    let target = sender.target();
    let watcher = watcher(&target);
    sender.process.line_with("joined (1 watching)");
    sender.process.signal("TERM");
    let ended = watcher.wait();
    assert_eq!(ended.code(), 3, "{}", ended.stderr);
    let said = format!(
        "error: the video from \"{target}\" ended: the sender was stopped\n\
         hint: without --no-reconnect, vidchat recv waits until it is back"
    );
    assert!(ended.stderr.ends_with(&said), "{}", ended.stderr);
    let ended = sender.process.wait();
    let left = "left: the sender was stopped (0 watching)";
    assert!(ended.stderr.contains(left), "{}", ended.stderr);
}

#[test]
fn a_viewer_says_that_its_sender_is_gone() {
    let sender = test_sender();
    let target = sender.target();
    let watcher = watcher(&target);
    sender.process.signal("KILL");
    let ended = watcher.wait();
    assert_eq!(
        (ended.code(), &ended.stdout[..]),
        (3, ""),
        "{}",
        ended.stderr
    );
    let said = GONE.map(|gone| {
        format!(
            "error: lost the connection to \"{target}\": {gone}\n\
             hint: vidchat recv {target} connects again"
        )
    });
    let says = said.iter().any(|said| ended.stderr.ends_with(said));
    assert!(says, "{}", ended.stderr);
}

#[test]
fn a_viewer_that_is_gone_harms_nobody() {
    let mut sender = test_sender();
    let killed = watcher(&sender.target());
    let other = watcher(&sender.target());
    sender.process.line_with("joined (2 watching)");
    killed.signal("KILL");
    sender.process.line_with("(1 watching)");
    let ended = run(vidchat().args([
        "recv",
        &sender.target(),
        "--display",
        "none",
        "--frames",
        "5",
    ]));
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    other.signal("INT");
    assert_eq!(other.wait().code(), 0);
}

#[test]
fn hanging_up_ends_it_unless_it_was_started_to_outlive_that() {
    let sender = test_sender();
    let plain = watcher(&sender.target());
    plain.signal("HUP");
    assert_eq!(plain.wait().code(), -1, "the system's own way to end");
    let mut kept = Sender::start_as(
        Command::new("nohup")
            .arg(env!("CARGO_BIN_EXE_vidchat"))
            .args(["send", "--bind", "127.0.0.1", "--port", "0"])
            .args(["--pipeline", "test", "--no-preview"])
            .stdin(Stdio::null()),
    );
    kept.process.signal("HUP");
    let ended = run(vidchat().args(["recv", &kept.target(), "--display", "none", "--frames", "5"]));
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    kept.process.line_with("(0 watching)");
    kept.process.signal("TERM");
    assert_eq!(kept.process.wait().code(), 0);
}

#[test]
fn closed_standard_streams_are_no_reason_to_end() {
    let sender = test_sender();
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let mut shell = Command::new("sh");
        let script = format!("exec \"$0\" recv \"$1\" --display none --frames 20 {closed}");
        shell.args([
            "-c",
            &script,
            env!("CARGO_BIN_EXE_vidchat"),
            &sender.target(),
        ]);
        let ended = run(&mut shell);
        assert_eq!(ended.code(), 0, "{closed}: {}", ended.stderr);
    }
}

#[test]
fn a_reader_of_the_log_that_leaves_is_no_reason_to_end() {
    let sender = test_sender();
    let mut child = vidchat()
        .args([
            "recv",
            &sender.target(),
            "--display",
            "none",
            "--frames",
            "60",
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    let status = bounded("its end", move || child.wait()).unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_log_that_nobody_reads_delays_neither_frames_nor_the_end() {
    let mut command = vidchat();
    command.args(["demo", "--display", "none", "--frames", "60", "-vv"]);
    command.env("RUST_LOG", "trace");
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    // A pipe holds 64 KiB; nothing takes them out.
    let unread = child.stderr.take();
    let until = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(Instant::now() < until, "it waits for its reader"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(status.code(), Some(0));
    drop(unread);
}
