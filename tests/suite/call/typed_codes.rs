//! Codes that are typed in a terminal, while a code of one's own is shown there: by one of two people, by
//! both, and while somebody calls. As root, on Linux.

use std::time::Duration;

use super::finding::{asks, call, closed, code, has_ended, terminal};
use crate::display::terminal::Terminal;
use crate::network::find::{Flood, fake_with};
use crate::support::lan::Lan;
use crate::support::party::{code_in, wrong};
use crate::support::{PATIENCE, in_one_try};

/// The command of a call in a terminal, by somebody of this name.
fn typed_call(name: &str) -> String {
    format!("call --name {name} --display none --pipeline test --width 160 --fps 5")
}

/// The code that a call in a terminal shows.
fn shown_code(terminal: &Terminal) -> String {
    code_in(&terminal.lines())
}

/// Whether this is seen. A long line goes on in the next one.
fn says(terminal: &Terminal, part: &str) -> bool {
    terminal.lines().concat().contains(part)
}

/// Ends the call of this terminal, which ends it for both.
fn ends_for_both(terminal: &Terminal, other: &Terminal) {
    terminal.press("q");
    for terminal in [terminal, other] {
        terminal.until("the end", |t| t.has_line("ended 0"));
    }
}

#[test]
fn a_terminal_shows_a_code_of_its_own_beside_the_one_that_waits_and_takes_the_code_of_that() {
    let Some(lan) = Lan::start(2) else { return };
    let mut anna = closed(lan.host(0), "anna", &[]);
    let Some(terminal) = terminal(lan.host(1)) else {
        return;
    };
    asks(
        &terminal,
        &typed_call("ben"),
        "Or type here the code that anna shows, and press Enter.",
    );
    terminal.until("a code of its own", |t| {
        says(t, "    vidchat call 10.79.0.2 --code ")
    });
    let (theirs, own) = (code(&anna), shown_code(&terminal));
    // A mistake is no guess.
    for (typed, said) in [
        (
            "4-mapel-otter",
            "\"4-mapel-otter\" is no code: no code has the word",
        ),
        (
            &own,
            &format!("{own} is the code of this machine: it is to be typed on the other"),
        ),
    ] {
        terminal.enter(typed);
        terminal.until("the mistake", |t| says(t, said));
    }
    // Nor is a number that nobody shows, but one's own.
    let number = |code: &str| code.split('-').next().map(str::to_owned);
    if number(&own) != number(&theirs) {
        terminal.enter(&wrong(&own));
        terminal.until("the end of the search", |t| {
            says(t, "error: found nobody who shows")
        });
    }
    terminal.enter(&wrong(&theirs));
    anna.line_with("its code is wrong (2 more guesses)");
    terminal.until("the reason", |t| {
        says(t, "cannot connect to \"anna\": the code is wrong")
    });
    // It can be corrected, and an end of a word can be left to Tab.
    let last = theirs.rsplit('-').next().expect("it has two words");
    let start = &theirs[..theirs.len() - last.len() + 3];
    terminal.ask(&["send-keys", "-l", &start.to_uppercase().replace('-', " ")]);
    terminal.press("x");
    terminal.press("BSpace");
    terminal.press("Tab");
    terminal.until("the code", |t| t.has_line(&format!("Code: {theirs}")));
    terminal.press("Enter");
    anna.line_with("sender ben: sends 160x120 ");
    terminal.press("q");
    terminal.until("the end", |t| t.has_line("ended 0"));
    let ended = anna.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

/// A line that is typed key by key cannot be shown there.
#[test]
fn a_terminal_for_text_alone_shows_a_code_and_the_command_for_the_one_that_waits() {
    let Some(lan) = Lan::start(2) else { return };
    let _anna = closed(lan.host(0), "anna", &[]);
    let Some(terminal) = terminal(lan.host(1)) else {
        return;
    };
    terminal.enter("alias clear='tput -T xterm clear'; export TERM=dumb");
    let command = "anna waits too: vidchat call anna --code CODE";
    asks(&terminal, &typed_call("ben"), command);
    terminal.until("a code of its own", |t| {
        says(t, "    vidchat call 10.79.0.2 --code ")
    });
    assert!(!says(&terminal, "Or type here"));
    terminal.press("q");
    terminal.until("the end", |t| t.has_line("ended 0"));
}

/// Each has found the other, and neither has to know who was first.
#[test]
fn two_who_call_at_once_both_show_a_code_and_either_types_that_of_the_other() {
    let Some(lan) = Lan::start(2) else { return };
    let terminals = [0, 1].map(|host| terminal(lan.host(host)));
    let [Some(anna), Some(ben)] = terminals else {
        return;
    };
    let starts = || {
        for (terminal, name) in [(&anna, "anna"), (&ben, "ben")] {
            terminal.enter(&format!(
                "clear; \"$VIDCHAT\" {}; echo \"ended $?\"",
                typed_call(name)
            ));
        }
        for terminal in [&anna, &ben] {
            terminal.until("the code", |t| {
                says(t, " --code ") && says(t, "q or Ctrl-C ends it.")
            });
        }
    };
    // One types, and the other is asked. The keys of a code that is being typed there are no answer.
    starts();
    let own = shown_code(&anna);
    anna.ask(&["send-keys", "-l", "7-cedar-falc"]);
    anna.until("the beginning of a code", |t| {
        t.has_line("Code: 7-cedar-falc")
    });
    ben.enter(&own);
    ben.until("the ringing", |t| t.has_line("It rings there."));
    anna.until("the question", |t| {
        says(t, "ben (10.79.0.2) is calling. Answer? [Y/n]")
    });
    anna.enter("on");
    anna.until("the question again", |t| {
        let asked = t.lines().into_iter();
        asked.filter(|line| line.ends_with("Answer? [Y/n]")).count() == 2
    });
    anna.press("y");
    for (terminal, other) in [(&anna, "ben"), (&ben, "anna")] {
        terminal.until("the call", |t| says(t, &format!("call: {other} is here")));
    }
    ends_for_both(&anna, &ben);
    // Both type at the same time, and there is one call.
    in_one_try(|| {
        starts();
        let codes = [&anna, &ben].map(shown_code);
        anna.ask(&["send-keys", "-l", &codes[1]]);
        ben.ask(&["send-keys", "-l", &codes[0]]);
        anna.press("Enter");
        ben.press("Enter");
        for terminal in [&anna, &ben] {
            terminal.until("the call or a question", |t| {
                says(t, " is here") || says(t, "is calling. Answer?")
            });
        }
        let is_asked = [&anna, &ben].map(|t| says(t, "is calling. Answer?"));
        let result = match is_asked {
            [false, false] => Ok(()),
            // One was so late that it was asked.
            _ => Err(format!("{:#?}\n{:#?}", anna.lines(), ben.lines())),
        };
        for terminal in [&anna, &ben] {
            terminal.press("q");
        }
        for terminal in [&anna, &ben] {
            terminal.until("the end", has_ended);
        }
        result
    });
}

/// The code that is typed leads to a machine that does not answer, and somebody calls meanwhile.
#[test]
fn who_calls_while_somebody_else_is_called_in_vain_is_answered_after_that() {
    let Some(lan) = Lan::start(3) else { return };
    let Some(anna) = terminal(lan.host(0)) else {
        return;
    };
    let in_vain = || {
        // Nobody has this address, so the attempt takes some seconds.
        let text = ["txtvers=1", "what=call", "needs=code", "number=77"];
        let other = fake_with(b"other", &text, [10, 79, 0, 99]);
        let flood = Flood::start(lan.host(2), vec![other], Duration::from_millis(50));
        let command = typed_call("anna");
        anna.enter(&format!("clear; \"$VIDCHAT\" {command}; echo \"ended $?\""));
        anna.until("the code", |t| {
            says(t, " --code ") && says(t, "q or Ctrl-C ends it.")
        });
        let own = shown_code(&anna);
        anna.enter("77-maple-otter");
        anna.until("the attempt or its end", |t| {
            says(t, "Calling other.") || says(t, "error: ")
        });
        let mut ben = call(lan.host(1), "ben", &["10.79.0.1", "--code", &own]);
        let rings = ben.line_before_end("It rings there.", PATIENCE);
        let is_early = !says(&anna, "error: ");
        drop(flood);
        rings.ok_or_else(|| ben.seen().join("\n"))?;
        anna.until("the question", |t| {
            says(t, "ben (10.79.0.2) is calling. Answer? [Y/n]")
        });
        anna.press("y");
        ben.line_with("sender anna: sends ");
        anna.press("q");
        let ended = ben.wait();
        assert_eq!(ended.code(), 0, "{ended:?}");
        // Otherwise the attempt was over before, as on a busy machine.
        is_early.then_some(()).ok_or(anna.lines().join("\n"))
    };
    in_one_try(|| {
        let result = in_vain();
        if !has_ended(&anna) {
            anna.press("C-c");
        }
        anna.until("the end", has_ended);
        result
    });
}
