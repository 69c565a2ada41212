//! Whether a call is answered: the person is asked in the terminal or in a window, or the options
//! decide. Until then no camera is opened at either side.

use std::net::Ipv4Addr;

use crate::display::terminal::Terminal;
use crate::media::source_loss::Feed;
use crate::support::fault_proxy::{Fault, Proxy};
use crate::support::party::{
    Party, PartyOptions, PartyWindow, RED, call, is_closed, pattern, port_in,
};
use crate::support::player::until;
use crate::support::x_display::Screen;
use crate::support::{Ended, Running, Sender, Xvfb, run, vidchat};

/// The upper edge of a window, where the question is.
const QUESTION: [u16; 4] = [0, 0, 640, 60];

/// Calls, and returns when that is over.
fn called(target: &str) -> Ended {
    let mut command = call(0);
    command.args([target, "--open", "--name", "ben", "--display", "none"]);
    run(command.args(pattern("red")))
}

/// Fails unless a call ended with this reason, without having taken place.
fn is_turned_away(ended: &Ended, target: &str, reason: &str) {
    assert_eq!(ended.code(), 1, "{ended:?}");
    let error = format!("error: no call with \"{target}\": {reason}");
    assert!(ended.stderr.contains(&error), "{ended:?}");
}

/// A party in a terminal that waits, and where to call it.
fn waits_in(terminal: &Terminal, arguments: &str) -> String {
    let invitation = |t: &Terminal| {
        let mut lines = t.lines().into_iter();
        lines.find(|line| line.trim().starts_with("vidchat call 127.0.0.1:"))
    };
    // The one of a call before names another port.
    terminal.enter("clear");
    terminal.until("an empty screen", |t| invitation(t).is_none());
    terminal.enter(&format!(
        "\"$VIDCHAT\" call --open --bind 127.0.0.1 --port 0 --name anna {arguments}; echo status $?"
    ));
    terminal.until("invitation", |t| invitation(t).is_some());
    let port = port_in(&invitation(terminal).expect("it was there"));
    format!("127.0.0.1:{port}")
}

/// Waits for the question.
fn is_asked(terminal: &Terminal, times: usize) {
    let question = "ben (127.0.0.1) is calling. Answer? [Y/n]";
    terminal.until("question", |t| {
        t.lines().iter().filter(|line| *line == question).count() == times
    });
}

#[test]
fn the_terminal_asks_and_a_key_answers_or_declines() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    for yes in ["y", "Enter"] {
        let target = waits_in(&terminal, "--pipeline test --display none");
        for (times, no) in ["n", "Escape"].into_iter().enumerate() {
            let mut ben = Party::calling("ben", &target, pattern("red"));
            is_asked(&terminal, times + 1);
            ben.process.line_with("It rings there.");
            // Another key is no answer.
            terminal.press("x");
            terminal.press(no);
            is_turned_away(&ben.process.wait(), &target, "declined");
        }
        let ben = Party::calling("ben", &target, pattern("red"));
        is_asked(&terminal, 3);
        terminal.press(yes);
        ben.sees("anna");
        terminal.press("q");
        terminal.until("end", |t| t.has_line("status 0"));
        ben.ends_well();
    }
}

#[test]
fn without_a_terminal_a_window_asks() {
    let Some(display) = Xvfb::start() else { return };
    let anna = Party::start(PartyOptions {
        name: "anna",
        arguments: pattern("smpte"),
        display: Some(&display),
        ..PartyOptions::default()
    });
    let ben = Party::calling("ben", &anna.target(), pattern("red"));
    let window = PartyWindow::on(&display);
    window.shows("the question", |shot| shot.letters(QUESTION) > 400);
    if !window.press("n") {
        return;
    }
    is_turned_away(&ben.process.wait(), &anna.target(), "declined");
    // The window was there for the question alone.
    until("the window to close", || window.screen.titles().is_empty());
    let ben = Party::calling("ben", &anna.target(), pattern("red"));
    let window = PartyWindow::on(&display);
    window.shows("the question again", |shot| shot.letters(QUESTION) > 400);
    window.press("y");
    window.shows("ben, and no question", |shot| {
        shot.is_large([RED, RED]) && shot.letters(QUESTION) == 0
    });
    ben.sees("anna");
}

#[test]
fn no_source_is_open_at_either_side_before_the_answer() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    let feeds = [Feed::start(), Feed::start()];
    let paths = ["anna.gst", "ben.gst"].map(|name| terminal.path(name));
    for (feed, path) in feeds.iter().zip(&paths) {
        std::fs::write(path, feed.pipeline("")).expect("the folder can be written");
    }
    let ports = feeds.each_ref().map(|feed| feed.port);
    let target = waits_in(&terminal, "--display none --pipeline \"$FOLDER/anna.gst\"");
    let ben = ["--pipeline".to_owned(), paths[1].display().to_string()];
    let mut ben = Party::calling("ben", &target, ben.to_vec());
    is_asked(&terminal, 1);
    ben.process.line_with("It rings there.");
    assert_eq!(ports.map(is_closed), [true; 2]);
    let said = ben.process.seen().join("\n");
    assert!(!said.contains("source"), "{said}");
    terminal.press("y");
    ben.process.line_with("source: open");
    ben.sees("anna");
    assert_eq!(ports.map(is_closed), [false; 2]);
    terminal.press("q");
    terminal.until("end", |t| t.has_line("status 0"));
    ben.ends_well();
}

#[test]
fn where_nobody_can_be_asked_it_says_so_at_the_start_and_declines() {
    let anna = |answer: &str| {
        Party::start(PartyOptions {
            name: "anna",
            arguments: [pattern("smpte"), vec!["--answer".into(), answer.into()]].concat(),
            ..PartyOptions::default()
        })
    };
    let mut asks = anna("ask");
    asks.process
        .line_with("call: there is neither a terminal nor a display to ask at");
    let mut never = anna("never");
    for anna in [&mut asks, &mut never] {
        is_turned_away(
            &called(&anna.target()),
            &anna.target(),
            "nobody answers there",
        );
        anna.process
            .line_with("ben (127.0.0.1) is calling: declined");
    }
    // It goes on to wait.
    is_turned_away(
        &called(&never.target()),
        &never.target(),
        "nobody answers there",
    );
    asks.quit();
    never.quit();
}

#[test]
fn a_call_that_nobody_answers_ends_after_half_a_minute() {
    let Some(display) = Xvfb::start() else { return };
    let mut anna = Party::start(PartyOptions {
        name: "anna",
        arguments: pattern("smpte"),
        display: Some(&display),
        ..PartyOptions::default()
    });
    let ended = called(&anna.target());
    is_turned_away(&ended, &anna.target(), "no answer");
    anna.process.line_with("not answered within 30 s");
    let screen = Screen::of(&display);
    until("the window to close", || screen.titles().is_empty());
}

#[test]
fn a_caller_who_hangs_up_is_asked_about_no_more() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    let target = waits_in(&terminal, "--pipeline test --display none");
    let ben = Party::calling("ben", &target, pattern("red"));
    is_asked(&terminal, 1);
    ben.quit();
    let gone = |t: &Terminal| {
        let mut lines = t.lines().into_iter();
        lines.any(|line| line.contains("ben (127.0.0.1) has hung up"))
    };
    terminal.until("the end of it", gone);
    // It is no answer to the next one, who is asked about for itself.
    terminal.press("y");
    let ben = Party::calling("ben", &target, pattern("red"));
    is_asked(&terminal, 2);
    terminal.press("y");
    ben.sees("anna");
}

#[test]
fn a_third_caller_hears_busy_and_is_shown_to_those_in_the_call() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    let target = waits_in(
        &terminal,
        "--pipeline test --answer always --display terminal",
    );
    let ben = Party::calling("ben", &target, pattern("red"));
    ben.sees("anna");
    let mut third = call(0);
    third.args([&target, "--name", "cleo", "--display", "none"]);
    third.args(["--open", "--answer", "never"]);
    // The news stays for a moment.
    crate::support::in_one_try(|| {
        let third = Running::start(&mut third);
        is_turned_away(&third.wait(), &target, "busy");
        let mut lines = terminal.lines().into_iter();
        let is_shown = lines.any(|line| line.contains("cleo (127.0.0.1) is calling"));
        is_shown
            .then_some(())
            .ok_or_else(|| terminal.lines().join("\n"))
    });
    // The call goes on.
    ben.sees("anna");
}

#[test]
fn who_is_asked_already_is_busy_for_others() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    let target = waits_in(&terminal, "--pipeline test --display none");
    let first = Party::calling("ben", &target, pattern("red"));
    is_asked(&terminal, 1);
    is_turned_away(&called(&target), &target, "busy");
    is_asked(&terminal, 1);
    terminal.press("y");
    first.sees("anna");
}

/// A port of this machine that nobody has.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("it is bound").port()
}

#[test]
fn where_both_call_each_other_at_once_one_call_comes_of_it() {
    for round in 0..6 {
        let ports = [free_port(), free_port()];
        // Both wait until both have called.
        let lines = ports.map(|port| Proxy::to(port, Fault::default()));
        for line in &lines {
            line.stall(true);
        }
        let party = |name: &str, own: usize| {
            Party::start(PartyOptions {
                name,
                target: Some(&lines[1 - own].target()),
                arguments: pattern("smpte"),
                port: ports[own],
                ..PartyOptions::default()
            })
        };
        let (anna, ben) = (party("anna", 0), party("ben", 1));
        for line in &lines {
            line.stall(false);
        }
        anna.sees("ben");
        ben.sees("anna");
        for (party, other) in [(&anna, "ben"), (&ben, "anna")] {
            let streams: Vec<_> = party.stats.lines();
            let viewers = streams.iter().filter_map(|line| line["watching"].as_u64());
            assert_eq!(
                viewers.max(),
                Some(1),
                "round {round}: {other} watches once"
            );
        }
        let (first, second) = match round % 2 {
            0 => (anna, ben),
            _ => (ben, anna),
        };
        first.quit();
        second.ends_well();
    }
}

#[test]
fn senders_receivers_and_callers_of_each_other_hear_what_to_type() {
    let anna = Party::answering("anna", pattern("smpte"));
    let target = anna.target();
    for arguments in [
        ["recv", &target, "--display", "none"],
        ["send", "--no-preview", "--to", &target],
    ] {
        let ended = run(vidchat().args(arguments));
        assert_ne!(ended.code(), 0, "{arguments:?}: {ended:?}");
        let hint = format!("hint: vidchat call {target}");
        assert!(ended.stderr.contains(&hint), "{arguments:?}: {ended:?}");
    }
    let sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    let ended = called(&sender.target());
    assert_eq!(ended.code(), 1, "{ended:?}");
    let hint = format!("hint: vidchat recv {} shows it", sender.target());
    assert!(ended.stderr.contains(&hint), "{ended:?}");
    let mut receiver = Running::start(vidchat().args([
        "recv",
        "--listen",
        "--bind",
        "127.0.0.1",
        "--port",
        "0",
        "--display",
        "none",
    ]));
    let port = port_in(&receiver.line_with("vidchat send --to 127.0.0.1:"));
    let target = format!("127.0.0.1:{port}");
    let ended = called(&target);
    assert_eq!(ended.code(), 1, "{ended:?}");
    let hint = format!("hint: vidchat send --to {target}");
    assert!(ended.stderr.contains(&hint), "{ended:?}");
}

#[test]
fn a_machine_that_calls_itself_is_told_so() {
    let port = free_port();
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let key = folder.path().join("key").display().to_string();
    assert_eq!(run(vidchat().args(["key", "--out", &key])).code(), 0);
    for secret in [&["--open"][..], &["--key-file", &key]] {
        let target = format!("127.0.0.1:{port}");
        let mut command = call(port);
        command.args([&target, "--name", "ben", "--display", "none"]);
        let ended = run(command.args(secret).args(pattern("red")));
        let said = format!(
            "error: cannot call \"{target}\": it is this machine, which is the one that calls\n\
             hint: type the address that vidchat call prints on the other machine"
        );
        assert!(ended.stderr.ends_with(&said), "{ended:?}");
    }
}
