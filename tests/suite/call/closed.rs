//! Calls that are closed to strangers: by the code that every call has by itself, or by a key.

use std::time::Instant;

use crate::display::terminal::Terminal;
use crate::support::fault_proxy::{Fault, Proxy};
use crate::support::party::{Party, PartyOptions, always, call, code_in, plain, wrong};
use crate::support::peers::Stranger;
use crate::support::{Ended, run, vidchat};

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];

/// A key file in a folder of its own, and its path.
fn key() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let key = folder.path().join("key").display().to_string();
    assert_eq!(run(vidchat().args(["key", "--out", &key])).code(), 0);
    (folder, key)
}

/// One that waits, answers everybody who gets through, and has these further arguments.
fn waits(more: &[&str]) -> Party {
    let more = more.iter().map(|word| (*word).to_owned());
    Party::closed("anna", plain(BLUE).into_iter().chain(more).collect())
}

/// A call with these flags, of somebody who does not get through.
fn stranger(target: &str, flags: &[&str]) -> Ended {
    let mut stranger = call(0);
    stranger.args([
        target,
        "--name",
        "mallory",
        "--display",
        "none",
        "--no-camera",
    ]);
    let ended = run(stranger.args(flags));
    assert_eq!(ended.code(), 1, "{ended:?}");
    ended
}

/// The flags of somebody with what this party shows or has.
fn flags_for(anna: &Party, key: Option<&str>) -> [String; 2] {
    match key {
        Some(key) => ["--key-file".into(), key.into()],
        None => ["--code".into(), anna.code()],
    }
}

#[test]
fn a_call_has_a_code_by_itself_and_somebody_who_listens_in_finds_nothing() {
    // The judge is an open call, in which all of it is found.
    for is_open in [false, true] {
        let options = PartyOptions {
            name: "anna-at-her-desk",
            arguments: [plain(RED), always()].concat(),
            is_closed: !is_open,
            ..PartyOptions::default()
        };
        let anna = Party::start(options);
        let line = Proxy::to(
            anna.port,
            Fault {
                is_heard: true,
                ..Fault::default()
            },
        );
        let code = (!is_open).then(|| anna.code());
        let flags = match &code {
            Some(code) => vec!["--code", code],
            None => vec!["--open"],
        };
        let ben = Party::with("ben-in-the-kitchen", &line.target(), &flags, plain(BLUE));
        anna.sees("ben-in-the-kitchen");
        ben.sees("anna-at-her-desk");
        ben.quit();
        anna.ends_well();
        let heard = line.heard();
        let has = |bytes: &[u8]| heard.windows(bytes.len()).any(|window| window == bytes);
        for text in [
            "anna-at-her-desk",
            "ben-in-the-kitchen",
            "video/x-raw",
            "\"type\"",
            "hello",
        ] {
            assert_eq!(has(text.as_bytes()), is_open, "{text}");
        }
        // Half a row of a frame, which has one colour.
        let mut runs = heard.chunk_by(|one, other| one == other);
        assert_eq!(runs.any(|run| run.len() >= 160), is_open);
        for word in code.iter().flat_map(|code| code.split('-').skip(1)) {
            assert!(!has(word.as_bytes()), "{word}");
        }
    }
}

#[test]
fn with_a_key_both_see_each_other_and_others_do_not_ring() {
    let (_folder, key) = key();
    let anna = waits(&["--key-file", &key]);
    let closed = stranger(&anna.target(), &["--open"]);
    let hint = format!(
        "if \"127.0.0.1\" shows a code: vidchat call {} --code CODE",
        anna.target()
    );
    assert!(closed.stderr.contains(&hint), "{closed:?}");
    stranger(&anna.target(), &["--code", "4-maple-otter"]);
    let ben = Party::with("ben", &anna.target(), &["--key-file", &key], plain(RED));
    anna.sees("ben");
    ben.sees("anna");
    ben.quit();
    let ended = anna.ends_well();
    assert_eq!(ended.stderr.matches("is calling").count(), 1, "{ended:?}");
}

#[test]
fn an_open_call_says_so_and_takes_everybody() {
    let mut anna = Party::answering("anna", plain(BLUE));
    let port = anna.port;
    let said = anna.process.seen().join("\n");
    let line = format!(
        "This call is open: everybody who reaches port {port} of this machine can call, and nothing \
         is encrypted. Without --open, a code keeps strangers out."
    );
    assert!(said.contains(&line), "{said}");
    assert!(said.contains(&format!("    vidchat call 127.0.0.1:{port} --open")));
    let ended = stranger(&anna.target(), &["--code", "4-maple-otter"]);
    let open = "it is open: it answers in clear, without a key or a code\n\
                hint: start vidchat call on \"127.0.0.1\" without --open";
    assert!(ended.stderr.contains(open), "{ended:?}");
    anna.process.has_said(
        "does not call: it has a key or a code and this side is open: both need the same --key-file or \
         --code, or none (in a call --open)",
    );
    let ben = Party::calling("ben", &anna.target(), plain(RED));
    anna.sees("ben");
    ben.quit();
    anna.ends_well();
}

#[test]
fn four_wrong_codes_are_refused_and_the_new_one_works_in_a_call_and_in_a_room() {
    for more in [&[][..], &["--code"], &["--room"]] {
        let mut anna = waits(more);
        let (target, code) = (anna.target(), anna.code());
        for guess in 1..=3 {
            let ended = stranger(&target, &["--code", &wrong(&code)]);
            assert!(ended.stderr.contains("the code is wrong"), "{ended:?}");
            // Strangers cause one such line a second, so the others may be left out.
            if guess == 1 {
                let line = "does not call: refused, its code is wrong (2 more guesses)";
                anna.process.line_with(line);
            }
        }
        anna.process.has_said("three wrong codes were tried");
        let line = anna.process.line_with("    vidchat call 127.0.0.1:");
        let new = code_in(&[line]);
        assert_ne!(new, code);
        // The fourth would be right for the old one.
        let ended = stranger(&target, &["--code", &code]);
        assert!(
            ended.stderr.contains("it answers nothing: it has no code"),
            "{ended:?}"
        );
        // After so many failures everybody from there has to pause, which ben waits for.
        let ben = Party::with("ben", &target, &["--code", &new], plain(RED));
        anna.sees("ben");
        ben.sees("anna");
    }
}

/// They are from more addresses than may be in a handshake at once. The log does not hide the code.
#[test]
fn a_silent_crowd_keeps_nobody_out_of_a_call_and_of_a_room() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("there is a runtime");
    for more in [&[][..], &["--room"]] {
        let anna = waits(more);
        let (target, code) = (anna.target(), anna.code());
        let began = Instant::now();
        let address = target.parse().expect("it is an address");
        let crowd = runtime.block_on(Stranger::crowd(address, 150, b""));
        let ben = Party::with("ben", &target, &["--code", &code], plain(RED));
        anna.sees("ben");
        ben.sees("anna");
        drop(crowd);
        ben.quit();
        let ended = if more.is_empty() {
            anna.ends_well()
        } else {
            anna.quit()
        };
        let lines = ended.stderr.matches("does not call: ").count();
        let allowed = 1 + began.elapsed().as_secs() as usize;
        assert!((1..=allowed).contains(&lines), "{lines} lines: {ended:?}");
    }
}

#[test]
fn a_code_is_good_for_one_call_and_a_second_caller_is_refused() {
    let mut anna = waits(&[]);
    let code = anna.code();
    let ben = Party::with("ben", &anna.target(), &["--code", &code], plain(RED));
    anna.sees("ben");
    ben.sees("anna");
    let ended = stranger(&anna.target(), &["--code", &code]);
    anna.process
        .has_said("does not call: refused, it has no code that is good here");
    assert!(
        ended.stderr.contains("it answers nothing: it has no code"),
        "{ended:?}"
    );
    ben.quit();
    let ended = anna.ends_well();
    assert_eq!(ended.stderr.matches("is calling").count(), 1, "{ended:?}");
}

/// One whose network has failed too often closes connections at once, as this line does. The code was not
/// tried by that, and is used once.
#[test]
fn a_caller_says_that_the_other_side_pauses_and_gets_through_after_that() {
    let (_folder, key) = key();
    for key in [None, Some(&key[..])] {
        let anna = match key {
            Some(key) => waits(&["--key-file", key]),
            None => waits(&[]),
        };
        let line = Proxy::to(anna.port, Fault::default());
        line.close_openings(3);
        let flags = flags_for(&anna, key);
        let flags = flags.each_ref().map(|flag| &flag[..]);
        let mut ben = Party::with("ben", &line.target(), &flags, plain(RED));
        let said = format!(
            "connecting to {}: it closes the connection at once, as it does for a while after wrong keys \
             or codes; trying again for up to 35 s",
            line.target()
        );
        ben.process.has_said(&said);
        anna.sees("ben");
        ben.sees("anna");
        assert_eq!(line.openings_to_close(), 0);
        let ended = ben.quit();
        assert_eq!(ended.stderr.matches(&said).count(), 1, "{ended:?}");
        anna.ends_well();
    }
}

/// A code that was used without a call is used up, and there has to be another one.
#[test]
fn after_a_declined_call_and_after_one_that_never_began_there_is_a_new_code() {
    let never = ["--answer", "never"].map(str::to_owned);
    let mut anna = Party::start(PartyOptions {
        name: "anna",
        arguments: [&plain(BLUE), &never[..]].concat(),
        is_closed: true,
        ..PartyOptions::default()
    });
    let (target, mut code) = (anna.target(), anna.code());
    let mut is_used_up = |how: &mut dyn FnMut(&str)| {
        how(&code);
        let line = anna.process.line_with("    vidchat call 127.0.0.1:");
        let new = code_in(&[line]);
        assert_ne!(new, code);
        code = new;
    };
    is_used_up(&mut |code| {
        let ended = stranger(&target, &["--code", code]);
        assert!(ended.stderr.contains("nobody answers there"), "{ended:?}");
    });
    is_used_up(&mut |code| {
        let ended = run(vidchat().args(["recv", &target, "--display", "none", "--code", code]));
        let hint = format!("hint: vidchat call {target}");
        assert!(ended.stderr.contains(&hint), "{ended:?}");
    });
}

#[test]
fn connections_that_break_come_back_with_a_code_and_with_a_key() {
    let (_folder, key) = key();
    for key in [None, Some(&key[..])] {
        let mut anna = match key {
            Some(key) => waits(&["--key-file", key]),
            None => waits(&[]),
        };
        let line = Proxy::to(anna.port, Fault::default());
        let flags = flags_for(&anna, key);
        let flags = flags.each_ref().map(|flag| &flag[..]);
        let mut ben = Party::with("ben", &line.target(), &flags, plain(RED));
        let goes_on = |anna: &Party, ben: &Party| {
            anna.sees("ben");
            ben.sees("anna");
        };
        goes_on(&anna, &ben);
        for connection in [0, 1] {
            line.cut(connection);
        }
        ben.process.line_with("sender anna: connected again");
        anna.process.line_with("sender ben: connected again");
        goes_on(&anna, &ben);
        assert_eq!(line.count(), 4, "one more each");
        let ended = ben.quit();
        assert!(!ended.stderr.contains("the code"), "{ended:?}");
        let ended = anna.ends_well();
        assert_eq!(ended.stderr.matches("is calling").count(), 1, "{ended:?}");
        let shown = ended.stderr.matches("    vidchat call ").count();
        assert_eq!(shown, 1, "no new code: {ended:?}");
    }
}

/// Something on the path, or a pause of the other side, closes connections in the middle of their
/// handshake.
#[test]
fn handshakes_that_are_closed_on_the_way_end_no_call_and_no_room() {
    for more in [&[][..], &["--room"]] {
        let mut anna = waits(more);
        let line = Proxy::to(anna.port, Fault::default());
        let flags = flags_for(&anna, None);
        let flags = flags.each_ref().map(|flag| &flag[..]);
        let mut ben = Party::with("ben", &line.target(), &flags, plain(RED));
        for closed in [1, 5] {
            anna.sees("ben");
            ben.sees("anna");
            line.close_openings(closed);
            for connection in 0..line.count() {
                line.cut(connection);
            }
            ben.process.line_with("sender anna: connected again");
            anna.process.line_with("sender ben: connected again");
            assert_eq!(line.openings_to_close(), 0);
        }
        anna.sees("ben");
        ben.sees("anna");
        let ended = ben.quit();
        assert!(!ended.stderr.contains("no code"), "{ended:?}");
        if more.is_empty() {
            anna.ends_well();
        } else {
            anna.quit();
        }
    }
}

/// The caller may go before its own stream has begun, and the handshake of that takes a while.
#[test]
fn a_caller_who_ends_the_call_at_once_ends_it_for_both() {
    for _ in 0..3 {
        let mut anna = waits(&[]);
        let code = anna.code();
        let mut ben = Party::with("ben", &anna.target(), &["--code", &code], plain(RED));
        ben.process.line_with("call: anna is here");
        ben.quit();
        anna.process.line_with("ben has ended the call.");
        anna.ends_well();
    }
}

#[test]
fn three_are_in_a_room_with_a_code_and_with_a_key_and_come_back_into_it() {
    let (_folder, key) = key();
    for key in [None, Some(&key[..])] {
        let anna = match key {
            Some(key) => waits(&["--room", "--key-file", key]),
            None => waits(&["--room"]),
        };
        let line = Proxy::to(anna.port, Fault::default());
        let flags = flags_for(&anna, key);
        let flags = flags.each_ref().map(|flag| &flag[..]);
        let ben = Party::with("ben", &anna.target(), &flags, plain(RED));
        ben.sees("anna");
        let mut cleo = Party::with("cleo", &line.target(), &flags, plain([255; 3]));
        let all = |cleo: &Party| {
            for (party, name) in [
                (&anna, "ben"),
                (&anna, "cleo"),
                (&ben, "anna"),
                (&ben, "cleo"),
                (cleo, "anna"),
                (cleo, "ben"),
            ] {
                party.sees(name);
            }
        };
        all(&cleo);
        // Those over which it watches anna and ben, and the one over which it sends.
        for connection in 0..3 {
            line.cut(connection);
        }
        for name in ["anna", "ben"] {
            cleo.process
                .has_said(&format!("sender {name}: connected again"));
        }
        all(&cleo);
        anna.quit();
        for party in [ben, cleo] {
            party.ends_well();
        }
    }
}

#[test]
fn a_terminal_asks_for_the_code_and_for_another_one_where_it_was_wrong() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    let mut anna = waits(&[]);
    let (target, code) = (anna.target(), anna.code());
    let question = format!("Code that {target} shows:");
    let again = format!("Code that {target} shows, or Enter to give up:");
    let asks = |question: &str, times: usize| {
        terminal.until("question", |t| {
            let asked = t
                .lines()
                .iter()
                .filter(|line| line.starts_with(question))
                .count();
            asked == times
        });
    };
    let calls = "clear; \"$VIDCHAT\" call";
    // Nothing is asked about a machine that nobody knows.
    terminal.enter(&format!(
        "{calls} nobody.invalid --display none; echo \"ended $?\""
    ));
    terminal.until("the end", |t| t.has_line("ended 1"));
    let text = terminal.lines().concat();
    let unknown = "error: cannot connect to \"nobody.invalid\": no machine of that name was found";
    assert!(
        text.contains(unknown) && !text.contains("Code that"),
        "{text}"
    );
    let rest = "--name ben --display none --no-camera; echo \"ended $?\"";
    // Nothing is typed.
    terminal.enter(&format!("{calls} {target} {rest}"));
    asks(&question, 1);
    terminal.press("Enter");
    terminal.until("the end", |t| t.has_line("ended 2"));
    let said = format!("error: cannot call \"{target}\" without a code:");
    assert!(terminal.lines().iter().any(|line| line.starts_with(&said)));
    // Ctrl-C ends it.
    terminal.enter("clear");
    asks(&question, 0);
    terminal.enter(&format!("{calls} {target} {rest}"));
    asks(&question, 1);
    terminal.press("C-c");
    terminal.until("the end", |t| {
        t.lines().iter().any(|line| line.ends_with("ended 0"))
    });
    terminal.enter("clear");
    asks(&question, 0);
    // A mistake that no code has is no guess. A wrong one can be typed again, and the terminal is as
    // before in the call.
    terminal.enter(&format!("{calls} {target} {rest}"));
    asks(&question, 1);
    terminal.enter("4-mapel-otter");
    terminal.until("the mistake", |t| {
        let text = t.lines().join("");
        text.contains("\"4-mapel-otter\" is no code: no code has the word \"mapel\"")
    });
    asks(&question, 2);
    terminal.enter(&wrong(&code));
    anna.process.line_with("its code is wrong (2 more guesses)");
    asks(&again, 1);
    terminal.enter(&code);
    anna.process.line_with("call: ben is here");
    terminal.until("the call", |t| {
        let mut lines = t.lines().into_iter();
        lines.any(|line| line.contains("call: anna is here"))
    });
    terminal.press("q");
    terminal.until("the end", |t| t.has_line("ended 0"));
    anna.ends_well();
}

/// The lines that were printed are behind the picture there.
#[test]
fn a_host_whose_terminal_shows_the_room_sees_the_code_and_hears_of_wrong_ones() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    let port = crate::call::answering::free_port();
    terminal.enter(&format!(
        "\"$VIDCHAT\" call --room --bind 127.0.0.1 --port {port} --name anna --answer always \
         --display terminal --no-camera; echo status $?"
    ));
    let text = |t: &Terminal| t.lines().join("\n");
    let code_behind = |t: &Terminal, words: &str| {
        let text = text(t);
        let code = text.split(words).nth(1)?;
        Some(code.split_whitespace().next()?.to_owned())
    };
    let words = "the code of this room: ";
    terminal.until("the code", |t| code_behind(t, words).is_some());
    let code = code_behind(&terminal, words).expect("it was there");
    let target = format!("127.0.0.1:{port}");
    let guesses = || stranger(&target, &["--code", &wrong(&code)]);
    // The news stays for a moment.
    guesses();
    terminal.until("the news", |t| {
        text(t).contains("a wrong code was typed at 127.0.0.1")
    });
    guesses();
    guesses();
    terminal.until("the new code", |t| {
        code_behind(t, words).is_some_and(|new| new != code)
    });
    terminal.press("q");
    terminal.until("the end", |t| t.has_line("status 0"));
}
