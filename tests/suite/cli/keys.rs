//! Keys and codes on the command line: who gets in, and what everybody else reads.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::cli::statistics::Stats;
use crate::display::terminal::Terminal;
use crate::support::fault_proxy::{Fault, Proxy};
use crate::support::party::{code_in, port_in, wrong};
use crate::support::{Ended, PATIENCE, Running, in_one_try, run, vidchat};

/// A new key file in `folder`.
fn key_file(folder: &Path, name: &str) -> String {
    let path = folder.join(name).display().to_string();
    assert_eq!(run(vidchat().args(["key", "--out", &path])).code(), 0);
    path
}

fn sender_command(port: u16, args: &[&str]) -> Command {
    let mut command = vidchat();
    command
        .args(["send", "--bind", "127.0.0.1", "--no-preview"])
        .args(["--port", &port.to_string(), "--pipeline", "test"])
        .args(args);
    command
}

/// A sender that waits, with these further arguments, and its port.
fn sender(args: &[&str]) -> (Running, u16) {
    sender_at(0, args)
}

fn sender_at(port: u16, args: &[&str]) -> (Running, u16) {
    let mut sender = Running::start(&mut sender_command(port, args));
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
    let another = "it answers nothing: it has another key, or a code\n\
                   hint: compare the key file with that of vidchat send on \"127.0.0.1\", or type the \
                   code that it shows";
    is_refused(&run(&mut receiver(port, &["--key-file", &other])), another);
    let missing = format!(
        "error: no vidchat sender answered at \"127.0.0.1:{port}\": the sender closed the connection \
         before it said anything\n\
         hint: if it has a code or a key: vidchat recv 127.0.0.1:{port} --code CODE, or --key-file FILE"
    );
    is_refused(&run(&mut receiver(port, &[])), &missing);
}

/// A sender whose network has failed too often closes connections at once, as this line does.
#[test]
fn a_pause_of_the_sender_is_waited_for() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let key = key_file(folder.path(), "key");
    let (_sender, port) = sender(&["--key-file", &key]);
    let line = Proxy::to(port, Fault::default());
    line.close_openings(2);
    let target = line.target();
    let ended = run(vidchat()
        .args(["recv", &target, "--display", "none", "--frames", "3"])
        .args(["--key-file", &key]));
    assert_eq!(ended.code(), 0, "{ended:?}");
    let said = format!(
        "connecting to {target}: it closes the connection at once, as it does for a while after wrong \
         keys or codes; trying again for up to 35 s"
    );
    assert_eq!(ended.stderr.matches(&said).count(), 1, "{ended:?}");
    assert_eq!(line.openings_to_close(), 0);
}

/// It is not waited for, as it says for sure that there is no key and no code.
#[test]
fn an_open_side_says_so_at_once_to_one_with_a_key_or_a_code() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let key = key_file(folder.path(), "key");
    let source = ["--pipeline", "test"];
    let waiting = |words: &[&str], invitation: &str| {
        let mut command = vidchat();
        command
            .args(words)
            .args(["--bind", "127.0.0.1", "--port", "0"]);
        let mut waits = Running::start(&mut command);
        let port = port_in(&waits.line_with(invitation));
        (waits, format!("127.0.0.1:{port}"))
    };
    let display = ["--display", "none"];
    for (program, waits, invitation, dials, hint) in [
        (
            "vidchat send",
            &[&["send", "--no-preview"][..], &source].concat(),
            "    vidchat recv ",
            &[&["recv"][..], &display].concat(),
            "start vidchat send on \"127.0.0.1\" with --code or the same --key-file; without, nothing \
             is encrypted",
        ),
        (
            "vidchat recv --listen",
            &[&["recv", "--listen"][..], &display].concat(),
            "    vidchat send --to ",
            &[&["send", "--no-preview"][..], &source, &["--to"]].concat(),
            "start vidchat recv --listen on \"127.0.0.1\" with --code or the same --key-file; without, \
             nothing is encrypted",
        ),
        (
            "vidchat call",
            &[&["call", "--open"][..], &display, &source].concat(),
            "    vidchat call ",
            &[&["call"][..], &display, &source].concat(),
            "start vidchat call on \"127.0.0.1\" without --open; here, --open would encrypt nothing",
        ),
    ] {
        let (mut waits, target) = waiting(waits, invitation);
        for secret in [["--key-file", &key], ["--code", "4-maple-otter"]] {
            let ended = run(vidchat().args(dials).arg(&target).args(secret));
            let said = format!(
                "\"{target}\": it is open: it answers in clear, without a key or a code\nhint: {hint}"
            );
            is_refused(&ended, &said);
            assert!(!ended.stderr.contains("trying again"), "{ended:?}");
        }
        waits.has_said("it has a key or a code and this side is open");
        waits.signal("INT");
        assert_eq!(waits.wait().code(), 0, "{program}");
    }
}

/// It cannot know, as such a sender says nothing to it.
#[test]
fn an_open_receiver_says_that_a_sender_that_came_back_may_have_a_code_or_a_key() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let key = key_file(folder.path(), "key");
    for flags in [&["--code"][..], &["--key-file", &key]] {
        let (before, port) = sender(&[]);
        let target = format!("127.0.0.1:{port}");
        let mut command = vidchat();
        command.args(["recv", &target, "--display", "none"]);
        let stats = Stats::of(&mut command);
        let mut receiver = Running::start(&mut command);
        receiver.line_with(": sends ");
        drop(before);
        let (mut closed, _) = sender_at(port, flags);
        let may = format!(
            "sender {target}: it closes the connection before it says anything, so it may have a code \
             or a key now: vidchat recv {target} --code CODE, or --key-file FILE; trying again as before"
        );
        receiver.line_with(&may);
        stats.line("the reason", |line| {
            line["reason"] == "the sender may have a code or a key now"
        });
        // It is told once, however often it is refused.
        for _ in 0..2 {
            closed.line_with("left before it watched: ");
        }
        drop(closed);
        let _open = sender_at(port, &[]);
        receiver.line_with(&format!("sender {target}: connected again after"));
        receiver.signal("INT");
        let ended = receiver.wait();
        assert_eq!(ended.stderr.matches(&may).count(), 1, "{ended:?}");
    }
}

#[test]
fn a_receiver_says_once_why_a_sender_that_was_started_again_does_not_let_it_in() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let [key, other] = ["key", "other"].map(|name| key_file(folder.path(), name));
    let nothing = "turned away: it answers nothing:";
    for (before, after, why) in [
        (
            &["--key-file", &key][..],
            &["--key-file", &other][..],
            "it has another key, or a code; trying again",
        ),
        (
            &["--code"],
            &["--code"],
            "it was started again and has another code or none; trying again",
        ),
    ] {
        let (sender, port) = sender(before);
        let last = sender.seen().last().cloned().unwrap_or_default();
        let secret = match last.rsplit_once("--code ") {
            Some((_, code)) => ["--code", code],
            None => ["--key-file", &key],
        };
        let line = Proxy::to(port, Fault::default());
        let target = line.target();
        let mut receiver = Running::start(
            vidchat()
                .args(["recv", &target, "--display", "none"])
                .args(secret),
        );
        receiver.line_with(": sends ");
        drop(sender);
        let _after = sender_at(port, after);
        let said = receiver.line_with(nothing);
        assert!(
            said.contains(&format!("sender {target}: {nothing} {why}")),
            "{said}"
        );
        let (made, begun) = (line.count(), Instant::now());
        while line.count() < made + 2 {
            assert!(begun.elapsed() < PATIENCE, "it does not try again");
            std::thread::sleep(Duration::from_millis(50));
        }
        receiver.signal("INT");
        let ended = receiver.wait();
        assert_eq!(ended.stderr.matches(nothing).count(), 1, "{ended:?}");
    }
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

/// In a terminal, a wrong code can be typed again, as in a call. One that was typed before is the same.
#[test]
fn a_receiver_in_a_terminal_asks_again_where_the_code_was_wrong() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    let (mut sender, port) = sender(&["--code"]);
    let code = code_in(sender.seen());
    let target = format!("127.0.0.1:{port}");
    terminal.enter(&format!(
        "clear; \"$VIDCHAT\" recv {target} --display none --frames 3 --code {}; echo \"ended $?\"",
        wrong(&code)
    ));
    let asked = |times: usize| {
        let question = format!("Code that {target} shows, or Enter to give up:");
        terminal.until("the question", |t| {
            let lines = t.lines().into_iter();
            lines.filter(|line| line.starts_with(&question)).count() == times
        });
    };
    asked(1);
    sender.line_with("its code is wrong (2 more guesses)");
    assert!(terminal.lines().concat().contains("the code is wrong."));
    terminal.enter("4-mapel-otter");
    asked(2);
    terminal.enter(&code);
    sender.line_with("joined");
    terminal.until("the end", |t| t.has_line("ended 0"));
}

#[test]
fn a_call_whose_code_is_missing_mistyped_or_one_too_many_says_what_to_type() {
    let open = "an open call is not encrypted";
    let alone = "the code finds the other machine, and proves that it is the one";
    for (words, what, cause, hint) in [
        (
            "desk",
            "cannot call \"desk\" without a code",
            "the vidchat call there shows one, and lets in nobody without it",
            "vidchat call desk --code CODE; or --open, where it was started with --open",
        ),
        (
            "--open --code",
            "--open and --code contradict each other",
            open,
            "leave --code out",
        ),
        (
            "--open --key-file x",
            "--open and --key-file contradict each other",
            open,
            "leave --key-file out",
        ),
        (
            "4-maple-otter --open",
            "a code to call and --open contradict each other",
            alone,
            "leave --open out",
        ),
        (
            "4-maple-otter --code 4-maple-otter",
            "a code to call and --code contradict each other",
            alone,
            "leave --code out",
        ),
        (
            "4-maple-otter --key-file x",
            "a code to call and --key-file contradict each other",
            alone,
            "leave --key-file out",
        ),
        (
            "--code 4-maple-otter",
            "--code takes no value here",
            "without a host, this side makes the code and prints it",
            "vidchat call 4-maple-otter calls the machine that shows it",
        ),
        (
            "4-mapel-otter",
            "HOST \"4-mapel-otter\" is not valid",
            "no code has the word \"mapel\"\n  a machine of that name is 4-mapel-otter:10050",
            "is it \"maple\"?",
        ),
        (
            "4-otter-maple",
            "HOST \"4-otter-maple\" is not valid",
            "the two words are in the wrong order\n  a machine of that name is 4-otter-maple:10050",
            "vidchat call 4-maple-otter",
        ),
        (
            "4-maple-oter",
            "HOST \"4-maple-oter\" is not valid",
            "no code has the word \"oter\"\n  a machine of that name is 4-maple-oter:10050",
            "is it \"otter\"?",
        ),
        (
            "4 maple otter",
            "unexpected \"maple\"",
            "a code is typed as one word",
            "vidchat call 4-maple-otter",
        ),
        (
            "desk --code 4 maple otter",
            "unexpected \"maple\"",
            "a code is typed as one word",
            "--code 4-maple-otter",
        ),
        (
            "desk 4-maple-otter",
            "unexpected \"4-maple-otter\"",
            "a code goes behind --code",
            "--code 4-maple-otter",
        ),
        (
            "desk --code 4-maple-otter --key-file x",
            "--code and --key-file contradict each other",
            "each of them alone says who is let in",
            "leave --key-file out",
        ),
        (
            "--room desk",
            "--room and HOST contradict each other",
            "the host of a room waits, and the others call it",
            "leave HOST out",
        ),
        (
            "http://desk",
            "HOST \"http://desk\" is not valid",
            "it is a URL, not a host",
            "vidchat call desk",
        ),
    ] {
        let words = words.split(' ').chain(["--display", "none"]);
        let ended = run(vidchat().arg("call").args(words));
        let said = format!("error: {what}: {cause}\nhint: {hint}");
        assert_eq!(ended.stderr, said);
        assert_eq!(ended.code(), 2);
    }
    let ended = run(vidchat().args(["call", "--open"]).env("VIDCHAT_KEY", "x"));
    let said = "error: --open and VIDCHAT_KEY contradict each other: an open call is not encrypted\n\
                hint: leave --open out, or: unset VIDCHAT_KEY";
    assert_eq!((&ended.stderr[..], ended.code()), (said, 2));
}

#[test]
fn a_receiver_and_a_sender_say_where_a_code_goes_and_that_they_are_open_by_themselves() {
    for (words, what, cause, hint) in [
        (
            "recv desk 4-maple-otter",
            "unexpected \"4-maple-otter\"",
            "a code goes behind --code",
            "--code 4-maple-otter",
        ),
        (
            "recv 4 maple otter",
            "unexpected \"maple\"",
            "a code is typed as one word",
            "vidchat recv --code 4-maple-otter",
        ),
        (
            "recv desk --open",
            "unknown flag \"--open\"",
            "vidchat recv is open without --code and --key-file",
            "leave --open out",
        ),
        (
            "send --open",
            "unknown flag \"--open\"",
            "vidchat send is open without --code and --key-file",
            "leave --open out",
        ),
        (
            "send --code --key-file x",
            "--code and --key-file contradict each other",
            "each of them alone says who is let in",
            "leave --key-file out",
        ),
    ] {
        let ended = run(vidchat().args(words.split(' ')));
        let said = format!("error: {what}: {cause}\nhint: {hint}");
        assert_eq!((&ended.stderr[..], ended.code()), (&said[..], 2));
    }
}

/// Somebody who sets the variable to the name of a file means its key.
#[test]
fn a_variable_with_the_name_of_a_key_file_says_which_flag_takes_it() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let key = key_file(folder.path(), "key");
    let ended = run(receiver(1, &[]).env("VIDCHAT_KEY", &key));
    let said = format!(
        "error: cannot use the key in VIDCHAT_KEY: it is the name of a file, and no key\n\
         hint: unset VIDCHAT_KEY; --key-file {key}"
    );
    assert_eq!((&ended.stderr[..], ended.code()), (&said[..], 1));
}

/// Somebody who sets the variable means to let in nobody without a key.
#[cfg(unix)]
#[test]
fn a_variable_without_a_key_is_refused_and_never_taken_for_none() {
    use std::os::unix::ffi::OsStrExt;
    let no_text = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    for (value, why) in [("".as_ref(), "it is empty"), (no_text, "it is no text")] {
        for words in [
            &["send", "--pipeline", "test", "--port", "0", "--no-announce"][..],
            &["recv", "127.0.0.1:1", "--display", "none"],
            &["call", "--display", "none", "--no-announce"],
        ] {
            let ended = run(vidchat().args(words).env("VIDCHAT_KEY", value));
            let said =
                format!("error: cannot use the key in VIDCHAT_KEY: {why}\nhint: unset VIDCHAT_KEY");
            assert_eq!(
                (&ended.stderr[..], ended.code()),
                (&said[..], 1),
                "{words:?}"
            );
        }
    }
}

/// The most memory that a sender with this key has had, in bytes.
#[cfg(target_os = "linux")]
fn peak_memory(key: &str) -> usize {
    let mut command = sender_command(0, &[]);
    let mut sender = Running::start(command.env("VIDCHAT_KEY", key));
    sender.line_with("    vidchat recv 127.0.0.1:");
    sender.peak_memory()
}

#[cfg(target_os = "linux")]
#[test]
fn a_passphrase_takes_64_mib_and_hardly_more() {
    let plain = peak_memory("9kwp-teaj-43sm-2vyh-aycd-skde-tnj8");
    let stretched = peak_memory("passphrase: gravel uncle tinsel orbit mustard wren");
    let more = stretched.saturating_sub(plain) >> 20;
    assert!((40..90).contains(&more), "{plain} and {stretched} bytes");
}
