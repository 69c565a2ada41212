//! Job control in a real terminal: Ctrl-Z, fg, bg and &, and what the program says ends it.

use std::process::Command;

use crate::display::terminal::{IN_80_BY_24, MODES, Terminal};
use crate::support::{Sender, run_vidchat, skipped};

/// A shell with job control; `None`, said aloud, where there is none.
fn shell() -> Option<Terminal> {
    if Command::new("bash").arg("--version").output().is_err() {
        skipped("bash is not installed");
        return None;
    }
    Terminal::of(&["bash", "--norc", "--noprofile", "--noediting", "-i"])
}

fn modes(terminal: &Terminal) -> String {
    terminal.ask(&["display-message", "-p", MODES])
}

const COVERED: &str = "covered 1, cursor 0, wraps 0\n";
const UNCOVERED: &str = "covered 0, cursor 1, wraps 1\n";

/// Waits for the picture, all of it, and the status line.
fn until_drawn(terminal: &Terminal) {
    terminal.until("picture", |t| {
        t.pixels().extent() == Some(IN_80_BY_24) && t.has_status_in_row(24)
    });
    assert_eq!(modes(terminal), COVERED);
}

/// Whether some line begins and ends like this.
fn has(terminal: &Terminal, start: &str, end: &str) -> bool {
    let lines = terminal.lines();
    let fits = |line: &String| line.starts_with(start) && line.ends_with(end);
    lines.iter().any(fits)
}

/// The terminal is the shell's: it shows what is typed, and has the modes that it had.
fn is_the_shells(terminal: &Terminal, before: &str) {
    terminal.until("uncovered", |t| modes(t) == UNCOVERED);
    terminal.enter("stty -g > \"$FOLDER/$((++count))\"");
    terminal.until("modes", |t| t.path("1").exists());
    assert_eq!(terminal.file("1"), before);
    terminal.enter("rm \"$FOLDER/$((count--))\"; echo 'it ''shows'");
    terminal.until("what is typed", |t| t.has_line("it shows"));
}

fn modes_before(terminal: &Terminal) -> String {
    terminal.enter("stty -g > \"$FOLDER/before\"");
    terminal.file("before")
}

#[test]
fn control_z_gives_the_terminal_to_the_shell_and_fg_takes_it_again() {
    let Some(terminal) = shell() else { return };
    let before = modes_before(&terminal);
    // A picture at rest: nothing that comes draws it again.
    terminal.enter("\"$VIDCHAT\" demo --set speed=0; echo status $?");
    for _ in 0..3 {
        until_drawn(&terminal);
        terminal.until("bars", |t| t.pixels().are_bars_in(IN_80_BY_24));
        terminal.press("C-z");
        terminal.until("end of the first part", |t| has(t, "status ", ""));
        is_the_shells(&terminal, &before);
        terminal.enter("jobs > \"$FOLDER/jobs\"");
        let jobs = terminal.file("jobs");
        // A program that was stopped by Ctrl-Z, not by some other signal.
        assert!(jobs.contains("Stopped   "), "{jobs}");
        terminal.enter("rm \"$FOLDER/jobs\"; clear; fg; echo status $?");
    }
    until_drawn(&terminal);
    terminal.press("q");
    terminal.until("end", |t| t.has_line("status 0"));
    is_the_shells(&terminal, &before);
}

#[test]
fn in_the_background_it_goes_on_without_the_terminal() {
    let Some(terminal) = shell() else { return };
    let before = modes_before(&terminal);
    terminal.enter("\"$VIDCHAT\" demo");
    until_drawn(&terminal);
    terminal.press("C-z");
    terminal.until("uncovered", |t| modes(t) == UNCOVERED);
    terminal.enter("bg; clear");
    is_the_shells(&terminal, &before);
    // A quarter of a second is how often it looks at the terminal, and tells its status.
    terminal.enter("clear; sleep 1; jobs > \"$FOLDER/jobs\"; echo 'q''q'");
    terminal.until("keys of the shell", |t| t.has_line("qq"));
    assert!(terminal.file("jobs").contains("Running"));
    assert!(!has(&terminal, "", "quits)"), "{:#?}", terminal.lines());
    terminal.enter("fg; echo status $?");
    until_drawn(&terminal);
    terminal.press("q");
    terminal.until("end", |t| t.has_line("status 0"));
    is_the_shells(&terminal, &before);
}

#[test]
fn what_was_started_in_the_background_takes_the_terminal_when_it_is_brought_to_the_front() {
    let Some(terminal) = shell() else { return };
    let before = modes_before(&terminal);
    terminal.enter("clear; \"$VIDCHAT\" demo --display terminal &");
    let way_out = "the terminal; kill ";
    terminal.until("way out", |t| {
        t.ask(&["capture-pane", "-p", "-J"]).contains(way_out)
    });
    is_the_shells(&terminal, &before);
    terminal.enter("fg; echo status $?");
    until_drawn(&terminal);
    terminal.press("q");
    terminal.until("end", |t| t.has_line("status 0"));
    is_the_shells(&terminal, &before);
}

#[test]
fn q_is_promised_while_it_is_read() {
    let Some(terminal) = shell() else { return };
    let send = "\"$VIDCHAT\" send --pipeline test --bind 127.0.0.1 --port 0";
    terminal.enter(&format!("clear; {send} &"));
    terminal.until("way out", |t| has(t, "kill ", " ends it."));
    terminal.enter("fg; echo status $?");
    terminal.until("another way out", |t| t.has_line("q or Ctrl-C ends it."));
    terminal.press("q");
    terminal.until("end", |t| has(t, "", "status 0"));

    terminal.enter(&format!("clear; {send} < /dev/null; echo status $?"));
    terminal.until("way out", |t| t.has_line("Ctrl-C ends it."));
    terminal.enter("q");
    let target = terminal.target();
    let ended = run_vidchat(["recv", &target, "--display", "none", "--frames", "5"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    terminal.press("C-c");
    terminal.until("end", |t| has(t, "", "status 0"));

    if Command::new("setsid").arg("--version").output().is_err() {
        return skipped("setsid is not installed");
    }
    terminal.enter(&format!("clear; (setsid -w {send}; echo status $?) &"));
    terminal.until("way out", |t| has(t, "kill ", " ends it."));
    let lines = terminal.lines();
    let kill = lines.iter().find(|line| line.ends_with(" ends it."));
    let kill = kill.and_then(|line| line.strip_suffix(" ends it."));
    terminal.enter(&format!("clear; {}", kill.expect("it was seen")));
    terminal.until("end", |t| has(t, "", "status 0"));
}

#[test]
fn the_status_line_names_the_key_that_works() {
    let sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    let Some(terminal) = shell() else { return };
    let recv = format!("\"$VIDCHAT\" recv {} --display none", sender.target());
    terminal.enter(&format!("clear; {recv} < /dev/null; echo status $?"));
    terminal.until("status line", |t| has(t, "", "  (Ctrl-C quits)"));
    terminal.press("C-z");
    terminal.until("stopped", |t| {
        t.lines().iter().any(|l| l.contains("Stopped"))
    });
    terminal.enter("clear; fg; echo status $?");
    terminal.until("status line", |t| has(t, "", "  (Ctrl-C quits)"));
    terminal.press("C-c");
    terminal.until("end", |t| has(t, "", "status 0"));
}

#[test]
fn a_signal_to_stop_from_elsewhere_gives_the_terminal_back_too() {
    let Some(terminal) = shell() else { return };
    let before = modes_before(&terminal);
    terminal.enter("clear; \"$VIDCHAT\" demo --display terminal < /dev/null; echo status $?");
    terminal.until("picture", |t| t.pixels().extent() == Some(IN_80_BY_24));
    // Not read as a key: the terminal makes a signal of it.
    terminal.press("C-z");
    terminal.until("stopped", |t| {
        t.lines().iter().any(|l| l.contains("Stopped"))
    });
    is_the_shells(&terminal, &before);
    terminal.enter("clear; fg; echo status $?");
    terminal.until("picture", |t| t.pixels().extent() == Some(IN_80_BY_24));
    terminal.press("C-c");
    terminal.until("end", |t| has(t, "", "status 0"));
    is_the_shells(&terminal, &before);
}

#[test]
fn control_z_does_not_stop_what_no_shell_could_have_go_on() {
    // tmux runs it without a shell.
    let vidchat = env!("CARGO_BIN_EXE_vidchat");
    let Some(terminal) = Terminal::of(&[vidchat, "demo", "--display", "terminal"]) else {
        return;
    };
    until_drawn(&terminal);
    let pid = terminal.ask(&["display-message", "-p", "#{pane_pid}"]);
    terminal.press("C-z");
    terminal.until("the same picture", |t| {
        t.pixels().extent() == Some(IN_80_BY_24)
    });
    until_drawn(&terminal);
    let state = Command::new("ps")
        .args(["-o", "stat=", "-p", pid.trim()])
        .output()
        .expect("ps is installed");
    let state = String::from_utf8_lossy(&state.stdout).into_owned();
    assert!(!state.starts_with('T'), "{state}");
    terminal.press("q");
}

#[test]
fn a_sender_lets_a_stopped_viewer_go_and_has_it_again_after_fg() {
    let mut sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    let Some(terminal) = shell() else { return };
    let target = sender.target();
    terminal.enter(&format!(
        "clear; \"$VIDCHAT\" recv {target}; echo status $?"
    ));
    until_drawn(&terminal);
    terminal.press("C-z");
    terminal.until("uncovered", |t| modes(t) == UNCOVERED);
    sender.process.line_with("left: no sign of life");
    terminal.enter("clear; fg; echo status $?");
    sender.process.line_with("joined (1 watching)");
    until_drawn(&terminal);
    terminal.press("q");
    terminal.until("end", |t| t.has_line("status 0"));
}
