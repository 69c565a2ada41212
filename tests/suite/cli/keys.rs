//! Keys and codes on the command line: who gets in, and what everybody else reads.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::party::port_in;
use crate::support::{Ended, Running, in_one_try, run, vidchat};

/// A new key file in `folder`.
fn key_file(folder: &Path, name: &str) -> String {
    let path = folder.join(name).display().to_string();
    assert_eq!(run(vidchat().args(["key", "--out", &path])).code(), 0);
    path
}

/// A sender that waits, with these further arguments, and its port.
fn sender(args: &[&str]) -> (Running, u16) {
    let mut sender = Running::start(
        vidchat()
            .args(["send", "--bind", "127.0.0.1", "--port", "0", "--no-preview"])
            .args(["--pipeline", "test"])
            .args(args),
    );
    let line = sender.line_with("    vidchat recv 127.0.0.1:");
    let port = port_in(&line);
    (sender, port)
}

fn receiver(port: u16, args: &[&str]) -> Command {
    let mut command = vidchat();
    command
        .args(["recv", &format!("127.0.0.1:{port}"), "--display", "none"])
        .args(["--frames", "3"])
        .args(args);
    command
}

fn is_refused(ended: &Ended, said: &str) {
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(ended.stderr.contains(said), "{ended:?}");
}

#[test]
fn who_has_the_key_gets_in_and_nobody_else() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let [right, other] = ["right", "other"].map(|name| key_file(folder.path(), name));
    let (_sender, port) = sender(&["--key-file", &right]);
    assert_eq!(run(&mut receiver(port, &["--key-file", &right])).code(), 0);
    let text = std::fs::read_to_string(&right).expect("it is text");
    let key = text.lines().last().expect("it has the key").to_owned();
    let mut by_variable = receiver(port, &[]);
    assert_eq!(run(by_variable.env("VIDCHAT_KEY", &key)).code(), 0);
    let another = "it answers nothing: it has another key, or takes none";
    is_refused(&run(&mut receiver(port, &["--key-file", &other])), another);
    is_refused(
        &run(&mut receiver(port, &[])),
        "the sender closed the connection",
    );
}

#[test]
fn a_code_lets_in_and_three_wrong_ones_bring_a_new_one() {
    let (mut sender, port) = sender(&["--code"]);
    let code_of = |line: &str| line.rsplit(' ').next().map(str::to_owned);
    let last = sender.seen().last().and_then(|line| code_of(line));
    let code = last.expect("it prints a code");
    assert_eq!(run(&mut receiver(port, &["--code", &code])).code(), 0);
    let [number, first, second] = code.split('-').collect::<Vec<_>>()[..] else {
        panic!("{code}")
    };
    let other = if first == "acorn" { "agate" } else { "acorn" };
    let guess = format!("{number}-{other}-{second}");
    for _ in 0..3 {
        assert_eq!(run(&mut receiver(port, &["--code", &guess])).code(), 1);
    }
    sender.line_with("three wrong codes were tried");
    let line = sender.line_with("    vidchat recv 127.0.0.1:");
    let new = code_of(&line).expect("it prints a code");
    assert_ne!(new, code);
    // After so many failures everybody from there has to wait a while.
    in_one_try(|| {
        std::thread::sleep(Duration::from_millis(500));
        let ended = run(&mut receiver(port, &["--code", &new]));
        (ended.code() == 0)
            .then_some(())
            .ok_or(format!("{ended:?}"))
    });
    assert_eq!(run(&mut receiver(port, &["--code", &code])).code(), 1);
}
