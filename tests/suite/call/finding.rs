//! Calls without an address, on a local network: one that waits is found by itself, by its name, or by
//! the code that it shows. As root, on Linux.

use std::time::Duration;

use serde_json::Value;

use crate::display::terminal::Terminal;
use crate::network::find::{Flood, fake_with};
use crate::support::lan::{Host, Lan};
use crate::support::party::{code_in, wrong};
use crate::support::{PATIENCE, Running, in_one_try, run, vidchat};

const LISTED: &str = "announcement: vidchat find lists this machine as ";

/// A `vidchat call` on a machine, without a display and with these further arguments.
pub fn call(host: &Host, name: &str, args: &[&str]) -> Running {
    let mut command = vidchat();
    command
        .args(["call", "--name", name, "--display", "none"])
        .args(["--pipeline", "test", "--width", "160", "--fps", "5"])
        .args(args);
    Running::start(&mut host.command(&command))
}

/// One that waits, answers everybody, and is announced.
fn waiting(host: &Host, name: &str, args: &[&str]) -> Running {
    let mut waits = call(host, name, &[&["--answer", "always"], args].concat());
    waits.line_with(LISTED);
    waits
}

/// The names that `vidchat find` lists on a machine, each with what runs there.
fn listed(host: &Host) -> String {
    run(&mut host.command(vidchat().arg("find"))).stdout
}

/// Both see each other until `first` ends it.
fn talk(mut first: Running, mut second: Running) {
    for party in [&mut first, &mut second] {
        party.line_with(": sends 160x120 ");
    }
    first.signal("INT");
    assert_eq!(first.wait().code(), 0);
    let ended = second.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("has ended the call."),
        "{}",
        ended.stderr
    );
}

#[test]
fn one_who_waits_is_called_by_a_call_without_a_host_and_by_its_name() {
    let Some(lan) = Lan::start(2) else { return };
    for typed in [&["--open"][..], &["anna", "--open"]] {
        let anna = waiting(lan.host(0), "anna", &["--open", "--port", "0"]);
        in_one_try(|| {
            let listed = listed(lan.host(1));
            let is_there = listed.starts_with("anna  call  10.79.0.1:");
            is_there.then_some(()).ok_or(listed)
        });
        let mut ben = call(lan.host(1), "ben", typed);
        if typed.len() == 1 {
            ben.line_with("Found anna: 10.79.0.1:");
        }
        ben.line_with("Calling anna. ");
        talk(ben, anna);
    }
}

#[test]
fn a_room_is_found_as_one_and_is_found_while_it_goes_on_but_a_call_is_not() {
    let Some(lan) = Lan::start(3) else { return };
    for (args, word) in [(&["--open"][..], "call"), (&["--open", "--room"], "room")] {
        let mut anna = waiting(lan.host(0), "anna", args);
        let ben = call(lan.host(1), "ben", &["10.79.0.1", "--open"]);
        anna.line_with("call: ben is here");
        in_one_try(|| {
            let listed = listed(lan.host(2));
            let is_right = listed.starts_with("anna  room  10.79.0.1") == (word == "room")
                && listed.is_empty() == (word == "call");
            is_right.then_some(()).ok_or(format!("{word}: {listed}"))
        });
        talk(anna, ben);
    }
}

#[test]
fn two_who_call_at_once_without_a_host_get_one_call_with_each_other() {
    let Some(lan) = Lan::start(2) else { return };
    in_one_try(|| {
        // One that comes too late finds another that looks no more and has nobody to ask.
        let mut parties = [0, 1].map(|n| call(lan.host(n), &format!("party{n}"), &["--open"]));
        for party in &mut parties {
            let begun = party.line_before_end(" is here", PATIENCE);
            begun.ok_or(party.seen().join("\n"))?;
        }
        let [first, second] = parties;
        talk(first, second);
        Ok(())
    });
}

#[test]
fn one_who_answers_by_itself_waits_and_calls_nobody() {
    let Some(lan) = Lan::start(2) else { return };
    let anna = waiting(lan.host(0), "anna", &[]);
    let mut ben = waiting(lan.host(1), "ben", &[]);
    ben.has_said("    vidchat call 10.79.0.2");
    assert!(!ben.seen().iter().any(|line| line.contains("Found ")));
    drop(anna);
}

/// The code that one that waits has shown last.
pub fn code(waits: &Running) -> String {
    code_in(waits.seen())
}

/// One that waits on a machine with a code, answers everybody, and is announced.
pub fn closed(host: &Host, name: &str, args: &[&str]) -> Running {
    let waits = waiting(host, name, args);
    let first = format!("    vidchat call {}", code(&waits));
    let line = waits.seen().iter().find(|line| line.starts_with("    "));
    assert_eq!(line, Some(&first), "what to type is the code alone");
    waits
}

/// What `vidchat find --json` says of this name on a machine.
fn found(host: &Host, name: &str) -> Result<Value, String> {
    let lines = run(&mut host.command(vidchat().args(["find", "--json"]))).stdout;
    let read = |line| serde_json::from_str(line).expect("each line is JSON");
    let mut all = lines.lines().map(read);
    all.find(|one: &Value| one["name"] == name).ok_or(lines)
}

#[test]
fn a_code_finds_the_one_that_shows_it_and_a_wrong_one_is_told() {
    let Some(lan) = Lan::start(2) else { return };
    let anna = closed(lan.host(0), "anna", &["--port", "0"]);
    let code = code(&anna);
    in_one_try(|| {
        let ben = call(lan.host(1), "ben", &[&wrong(&code)]);
        let ended = ben.wait();
        // A machine that is busy may miss an answer, and nobody has guessed then.
        let is_told = ended
            .stderr
            .contains("cannot connect to \"anna\": the code is wrong");
        is_told.then_some(()).ok_or(ended.stderr)
    });
    let ben = in_one_try(|| {
        let mut ben = call(lan.host(1), "ben", &[&code]);
        let here = ben.line_before_end("anna is here", PATIENCE);
        here.ok_or_else(|| ben.seen().join("\n"))?;
        Ok(ben)
    });
    talk(ben, anna);
    // It is announced no more.
    let ended = call(lan.host(1), "ben", &[&code]).wait();
    let number = code.split('-').next().expect("it has a number");
    let said = format!(
        "error: found nobody who shows a code with the number {number} on this network: nobody \
         answered within 1.3 s\n"
    );
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    let hint = format!("vidchat call ADDRESS --code {code}, with an address");
    assert!(ended.stderr.contains(&hint), "{}", ended.stderr);
    assert_eq!(ended.code(), 1);
}

#[test]
fn of_several_with_one_number_each_is_tried() {
    let Some(lan) = Lan::start(3) else { return };
    in_one_try(|| {
        let mut anna = call(lan.host(0), "anna", &["--answer", "always"]);
        anna.line_with(" --code ");
        let code = code(&anna);
        // It says so all the time, so it is found first.
        let number = code.split('-').next().expect("it has a number");
        let number = format!("number={number}");
        let text = ["txtvers=1", "what=call", "needs=code", &number];
        let other = fake_with(b"other", &text, [10, 79, 0, 3]);
        let flood = Flood::start(lan.host(2), vec![other], Duration::from_millis(1));
        let mut ben = call(lan.host(1), "ben", &[&code]);
        let here = ben.line_before_end("anna is here", PATIENCE);
        let said = ben.seen().join("\n");
        drop(flood);
        here.ok_or(said.clone())?;
        said.contains("Calling other. ").then_some(()).ok_or(said)?;
        talk(ben, anna);
        Ok(())
    });
}

#[test]
fn a_new_code_is_announced_and_finds_the_same_one() {
    let Some(lan) = Lan::start(2) else { return };
    for args in [&[][..], &["--room"]] {
        let mut anna = closed(lan.host(0), "anna", args);
        let old = code(&anna);
        let number = |code: &str| code.split('-').next().map(str::to_owned);
        in_one_try(|| {
            let one = found(lan.host(1), "anna")?;
            assert_eq!(one["needs"], "code", "{one}");
            let is_right = Some(one["number"].to_string()) == number(&old);
            is_right.then_some(()).ok_or(one.to_string())
        });
        for _ in 0..3 {
            let guess = ["10.79.0.1", "--code", &wrong(&old)];
            assert_eq!(call(lan.host(1), "ben", &guess).wait().code(), 1);
        }
        anna.line_with("three wrong codes were tried");
        let first = anna.line_with("    vidchat call ");
        anna.line_with(" --code ");
        let new = code(&anna);
        assert_eq!(first, format!("    vidchat call {new}"));
        in_one_try(|| {
            let one = found(lan.host(1), "anna")?;
            let is_new = Some(one["number"].to_string()) == number(&new);
            is_new.then_some(()).ok_or(one.to_string())
        });
        // After so many failures everybody from there has to pause.
        let ben = in_one_try(|| {
            let mut ben = call(lan.host(1), "ben", &[&new]);
            let here = ben.line_before_end("anna is here", PATIENCE);
            let said = ben.seen().join("\n");
            // A machine that is busy may miss an answer, and the pause is waited for.
            assert!(here.is_some() || said.contains("found nobody"), "{said}");
            here.map(|_| ben).ok_or(said)
        });
        talk(anna, ben);
    }
}

#[test]
fn without_a_terminal_a_call_without_a_host_waits_with_a_code_of_its_own() {
    let Some(lan) = Lan::start(2) else { return };
    let anna = closed(lan.host(0), "anna", &[]);
    let mut ben = call(lan.host(1), "ben", &[]);
    ben.line_with("    vidchat call 10.79.0.2 --code ");
    ben.line_with(LISTED);
    assert_ne!(code(&ben), code(&anna));
}

#[test]
fn those_with_the_same_key_find_each_other_by_themselves() {
    let Some(lan) = Lan::start(2) else { return };
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let key = folder.path().join("key").display().to_string();
    assert_eq!(run(vidchat().args(["key", "--out", &key])).code(), 0);
    let flags = ["--key-file", &key];
    let anna = waiting(lan.host(0), "anna", &flags);
    in_one_try(|| {
        let one = found(lan.host(1), "anna")?;
        assert_eq!(one["needs"], "key", "{one}");
        let listed = listed(lan.host(1));
        let line = "anna  call  10.79.0.1  needs a key\n";
        (listed == line).then_some(()).ok_or(listed)
    });
    let ben = in_one_try(|| {
        let mut ben = call(lan.host(1), "ben", &flags);
        let found = ben.line_before_end(" 10.79.0.", PATIENCE);
        let found = found.filter(|line| line.starts_with("Found anna: "));
        found.ok_or_else(|| ben.seen().join("\n"))?;
        Ok(ben)
    });
    talk(ben, anna);
}

/// A terminal on a machine.
pub fn terminal(host: &Host) -> Option<Terminal> {
    let namespace = host.namespace.to_string();
    Terminal::of(&["ip", "netns", "exec", &namespace, "sh"])
}

/// Whether the command that was typed has ended.
pub fn has_ended(terminal: &Terminal) -> bool {
    terminal
        .lines()
        .iter()
        .any(|line| line.starts_with("ended "))
}

/// Types a command until it asks this question: a machine that is busy may miss an answer.
pub fn asks(terminal: &Terminal, command: &str, question: &str) {
    let is_asked = |t: &Terminal| t.lines().iter().any(|line| line.starts_with(question));
    for _ in 0..20 {
        terminal.enter(&format!("clear; \"$VIDCHAT\" {command}; echo \"ended $?\""));
        let waits = |t: &Terminal| {
            let mut lines = t.lines().into_iter();
            lines.any(|line| line.starts_with("    vidchat call "))
        };
        terminal.until("the question", |t| is_asked(t) || waits(t) || has_ended(t));
        if is_asked(terminal) {
            return;
        }
        // Ctrl-C would end the shell's line as well where the program does not read keys yet.
        if !has_ended(terminal) {
            terminal.press("q");
            terminal.until("the end", has_ended);
        }
    }
    panic!("it does not ask: {:#?}", terminal.lines());
}

#[test]
fn one_that_is_open_is_named_and_not_called_in_clear_by_itself() {
    let Some(lan) = Lan::start(2) else { return };
    let _anna = waiting(lan.host(0), "anna", &["--open"]);
    let Some(terminal) = terminal(lan.host(1)) else {
        return;
    };
    asks(
        &terminal,
        "call --name ben --display none --pipeline test",
        "anna waits too: vidchat call anna --open",
    );
    terminal.until("a code of its own", |t| {
        let mut lines = t.lines().into_iter();
        lines.any(|line| line.starts_with("    vidchat call 10.79.0.2 --code "))
    });
    terminal.press("q");
    terminal.until("the end", |t| t.has_line("ended 0"));
}

/// A closed sender is announced as one, without the number of its code.
#[test]
fn a_receiver_asks_for_the_code_of_a_sender_and_names_the_flag_for_a_key() {
    let Some(lan) = Lan::start(2) else { return };
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let key = folder.path().join("key").display().to_string();
    assert_eq!(run(vidchat().args(["key", "--out", &key])).code(), 0);
    let sends = |flags: &[&str]| {
        let mut command = vidchat();
        command.args([
            "send",
            "--pipeline",
            "test",
            "--no-preview",
            "--name",
            "wall",
        ]);
        command.args(flags);
        let mut sender = Running::start(&mut lan.host(0).command(&command));
        sender.line_with(LISTED);
        sender
    };
    let receives = |args: &[&str], code: i32, says: &[&str]| {
        in_one_try(|| {
            let mut command = vidchat();
            command.args(["recv", "--display", "none", "--frames", "3"]);
            let ended = run(&mut lan.host(1).command(command.args(args)));
            let is_right =
                ended.code() == code && says.iter().all(|said| ended.stderr.contains(said));
            is_right.then_some(()).ok_or(format!("{ended:?}"))
        });
    };
    let sender = sends(&["--key-file", &key]);
    let needs = |what: &str| {
        let one = in_one_try(|| found(lan.host(1), "wall"));
        assert_eq!(
            (&one["needs"], &one["number"]),
            (&what.into(), &Value::Null)
        );
    };
    needs("key");
    receives(
        &[],
        2,
        &[
            "error: cannot watch \"wall\": it lets in nobody without the key that it has",
            "hint: vidchat recv wall --key-file FILE",
        ],
    );
    receives(&["--key-file", &key], 0, &["Found wall: "]);
    let other = ["--code", "4-maple-otter"];
    receives(
        &other,
        1,
        &[
            "error: found no sender for that key or code on this network: others are there",
            "wall  send  10.79.0.1  needs a key",
            "hint: vidchat recv wall --key-file FILE",
        ],
    );
    sender.signal("INT");
    sender.wait();
    let mut sender = sends(&["--code"]);
    needs("code");
    let lists = run(&mut lan.host(1).command(vidchat().arg("find")));
    assert_eq!(lists.stdout, "wall  send  10.79.0.1  needs a code\n");
    let line = "To watch a sender, with the code that it shows: vidchat recv wall --code CODE";
    assert!(lists.stderr.contains(line), "{lists:?}");
    receives(
        &[],
        2,
        &[
            "error: cannot watch \"wall\": it lets in nobody without the code that it shows",
            "hint: vidchat recv wall --code CODE",
        ],
    );
    let code = code(&sender);
    receives(&["--code", &code], 0, &["Found wall: "]);
    let Some(terminal) = terminal(lan.host(1)) else {
        return;
    };
    asks(
        &terminal,
        "recv --display none --frames 3",
        "Code that wall shows:",
    );
    terminal.enter(&code);
    sender.line_with("joined");
    terminal.until("the end", |t| t.has_line("ended 0"));
}
