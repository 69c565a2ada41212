//! Calls without an address, on a local network: who waits is found, by itself or by name. As root,
//! on Linux.

use crate::support::lan::{Host, Lan};
use crate::support::{PATIENCE, Running, in_one_try, run, vidchat};

const LISTED: &str = "announcement: vidchat find lists this machine as ";

/// A `vidchat call` on a machine, without a display and with these further arguments.
fn call(host: &Host, name: &str, args: &[&str]) -> Running {
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
    for typed in [&[][..], &["anna"]] {
        let anna = waiting(lan.host(0), "anna", &["--port", "0"]);
        in_one_try(|| {
            let listed = listed(lan.host(1));
            let is_there = listed.starts_with("anna  call  10.79.0.1:");
            is_there.then_some(()).ok_or(listed)
        });
        let mut ben = call(lan.host(1), "ben", typed);
        if typed.is_empty() {
            ben.line_with("Found anna: 10.79.0.1:");
        }
        ben.line_with("Calling anna. ");
        talk(ben, anna);
    }
}

#[test]
fn a_room_is_found_as_one_and_is_found_while_it_goes_on_but_a_call_is_not() {
    let Some(lan) = Lan::start(3) else { return };
    for (args, word) in [(&[][..], "call"), (&["--room"], "room")] {
        let mut anna = waiting(lan.host(0), "anna", args);
        let ben = call(lan.host(1), "ben", &["10.79.0.1"]);
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
        let mut parties = [0, 1].map(|n| call(lan.host(n), &format!("party{n}"), &[]));
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
