//! Wrong values and contradictions on the command line, word for word: what is not valid, what it
//! takes, and what to type instead.

use crate::cli::errors::fails;
use crate::support::run_vidchat;

/// What `vidchat send` and `vidchat recv` say of a value of a flag.
fn is_refused(flag: &str, value: &str, takes: &str, instead: &str) {
    let said =
        format!("error: {flag} {value:?} is not valid: it takes {takes}\nhint: {flag} {instead}");
    let of_send = ["--width", "--fps", "--max-viewers", "--bind", "--port"].contains(&flag);
    let command: &[&str] = if of_send {
        &["send"]
    } else {
        &["recv", "desk"]
    };
    fails(&[command, &[flag, value]].concat(), 2, &said);
    let joined = format!("{flag}={value}");
    fails(&[command, &[&joined]].concat(), 2, &said);
}

#[test]
fn a_number_says_what_it_takes() {
    let pixels = "a whole number from 16 to 8192, in pixels";
    let rate = "a whole number from 1 to 1000, in frames a second";
    let viewers = "a whole number from 1 to 100000";
    let frames = "a whole number from 1 to 1000000000";
    let bytes = "a whole number from 1024 to 4294967296, in bytes";
    let time = "a time from 20ms to 60s; a plain number is in milliseconds";
    for (flag, value, takes, instead) in [
        ("--width", "", pixels, "320"),
        ("--width", "abc", pixels, "320"),
        ("--width", "0", pixels, "320"),
        ("--width", "-1", pixels, "320"),
        ("--width", "16384", pixels, "320"),
        ("--width", "640px", pixels, "640"),
        ("--width", "640x480", pixels, "320"),
        ("--fps", "29.97", rate, "30"),
        ("--fps", "30000/1001", rate, "30"),
        ("--fps", "0", rate, "30"),
        ("--max-viewers", "0", viewers, "250"),
        ("--max-viewers", "many", viewers, "250"),
        ("--port", "65536", "a whole number from 0 to 65535", "10050"),
        ("--port", "http", "a whole number from 0 to 65535", "10050"),
        ("--frames", "0", frames, "100"),
        ("--frames", "99999999999999999999", frames, "100"),
        ("--max-frame", "1", bytes, "67108864"),
        ("--max-frame", "100MB", bytes, "67108864"),
        ("--max-latency", "", time, "200ms"),
        ("--max-latency", "5", time, "200ms"),
        ("--max-latency", "-1s", time, "200ms"),
        ("--max-latency", "2min", time, "200ms"),
    ] {
        is_refused(flag, value, takes, instead);
    }
    fails(
        &["send", "--max-latency", "fast"],
        2,
        &format!(
            "error: --max-latency \"fast\" is not valid: it takes {time}\nhint: --max-latency 200ms"
        ),
    );
    fails(
        &["recv", "desk", "--port", "0"],
        2,
        "error: --port \"0\" is not valid: it takes a whole number from 1 to 65535\n\
         hint: --port 10050",
    );
    fails(
        &["demo", "--frames", "1.5"],
        2,
        &format!("error: --frames \"1.5\" is not valid: it takes {frames}\nhint: --frames 2"),
    );
}

#[test]
fn a_word_that_a_flag_does_not_know_is_answered_with_those_that_it_knows() {
    for (args, what, takes, instead) in [
        (
            &["send", "--wire", "natve"][..],
            "--wire \"natve\"",
            "auto, native, pickle, pickle-jpeg or bare",
            "--wire native",
        ),
        (
            &["recv", "desk", "--display", "wall"],
            "--display \"wall\"",
            "auto, window, terminal or none",
            "--display auto",
        ),
        (
            &["demo", "--display", "Window"],
            "--display \"Window\"",
            "auto, window, terminal or none",
            "--display window",
        ),
        (
            &["send", "--stats", "xml"],
            "--stats \"xml\"",
            "json",
            "--stats json",
        ),
        (
            &["send", "--set", "=1"],
            "--set \"=1\"",
            "a name, a = and a value",
            "--set width=640",
        ),
        (
            &["pipelines", "check", "test", "--set", "x"],
            "--set \"x\"",
            "a name, a = and a value",
            "--set width=640",
        ),
    ] {
        let said = format!("error: {what} is not valid: it takes {takes}\nhint: {instead}");
        fails(args, 2, &said);
    }
}

#[test]
fn a_host_that_is_written_otherwise_is_answered_with_the_right_way() {
    let ask = "vidchat send prints on the other machine what to type here";
    for (host, cause, hint) in [
        (
            "http://localhost:10050",
            "it is a URL, not a host",
            "vidchat recv localhost:10050",
        ),
        (
            "me@desk",
            "there is a user in front of the host",
            "vidchat recv desk",
        ),
        ("desk:", "there is no port after the :", "vidchat recv desk"),
        (
            ":10050",
            "there is no host before the :",
            "vidchat recv localhost:10050",
        ),
        (
            "desk:99999",
            "\"99999\" is no port (1 to 65535)",
            "vidchat recv desk:10050",
        ),
        ("[::1", "a [ without its ]", "vidchat recv [::1]"),
        (
            "300.1.1.1",
            "it is no IPv4 address: 300 is more than 255",
            ask,
        ),
        (
            "1.2.3",
            "it is no IPv4 address: it has 3 of the four numbers",
            ask,
        ),
        ("", "it is empty", ask),
    ] {
        let said = format!("error: HOST {host:?} is not valid: {cause}\nhint: {hint}");
        fails(&["recv", host], 2, &said);
    }
}

#[test]
fn a_port_as_a_word_of_its_own_is_joined_to_its_host() {
    let said = "error: unexpected \"10050\" after the host \"localhost\": a port belongs to its \
                host\nhint: vidchat recv localhost:10050";
    for args in [
        &["recv", "localhost", "10050"][..],
        &["recv", "--display", "none", "localhost", "10050"],
        &["-v", "recv", "localhost", "10050", "--frames", "1"],
    ] {
        fails(args, 2, said);
    }
    for args in [
        &["recv", "desk", "more"][..],
        &["recv", "desk", "99999"],
        &["recv", "desk:1", "2"],
        &["send", "desk", "10050"],
    ] {
        let ended = run_vidchat(args);
        let said = "error: unexpected argument '";
        assert!(ended.stderr.starts_with(said), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.code(), 2);
    }
}

#[test]
fn a_form_of_frames_that_is_not_taken_is_named() {
    fails(
        &["recv", "desk", "--wire", "bare", "--caps", "video/x-raw"],
        2,
        "error: --caps \"video/x-raw\" is not valid: caps that are not accepted: raw video without \
         format, width or height (in \"video/x-raw\")\n\
         hint: vidchat send --wire bare prints the --caps to type here",
    );
}

#[test]
#[cfg(unix)]
fn an_argument_that_is_no_text_is_named() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let odd = OsStr::from_bytes(b"caf\xe9.gst");
    for before in [
        &["send", "--pipeline"][..],
        &["recv"],
        &["pipelines", "show"],
        &["pipelines", "check"],
    ] {
        let ended = run_vidchat(before.iter().map(OsStr::new).chain([odd]));
        assert_eq!(
            ended.stderr,
            "error: the argument \"caf\u{fffd}.gst\" is not valid: it is not UTF-8 text\n\
             hint: a link to the file, under another name, does as well",
            "{before:?}"
        );
        assert_eq!(ended.code(), 2);
    }
}

#[test]
fn a_length_is_for_the_dialects_that_have_several() {
    for args in [
        &["--length", ">L"][..],
        &["--length", ">L", "--wire", "native"],
        &["--length", "Q", "--wire", "auto"],
    ] {
        fails(
            &[&["send", "--pipeline", "test"], args].concat(),
            2,
            "error: --length is for --wire pickle, pickle-jpeg and bare alone: vidchat's own \
             protocol has lengths of one kind\nhint: leave --length out, or give --wire pickle",
        );
        fails(
            &[&["recv", "127.0.0.1:1"], args].concat(),
            2,
            "error: --length is for --wire bare alone: any other sender's lengths are found out by \
             its first bytes\nhint: leave --length out",
        );
    }
    for format in ["X", "4", ">LL", "H"] {
        fails(
            &["send", "--wire", "pickle", "--length", format],
            2,
            &format!(
                "error: --length \"{format}\" is not valid: it takes a format of struct.pack, or \
                 the number of bytes of a text\n  Q, L, I, <L, >Q, >L, !I and the like, or 8 \
                 to 20\nhint: --length \">L\""
            ),
        );
    }
}

#[test]
fn a_receiver_looks_at_its_own_flags_before_it_connects() {
    // Nothing listens there.
    let caps = "video/x-raw,format=I420,width=320,height=240";
    for args in [
        &["--caps", caps][..],
        &["--caps", caps, "--wire", "native"],
        &["--caps", caps, "--wire", "auto"],
    ] {
        fails(
            &[&["recv", "127.0.0.1:1"], args].concat(),
            2,
            "error: --caps is for --wire bare alone: any other sender says which caps its frames \
             have\nhint: leave --caps out",
        );
    }
    for (args, said) in [
        (
            &["--pipeline", "test"][..],
            "error: cannot find the pipeline \"test\"",
        ),
        (
            &["--display", "none", "--set", "width=16"],
            "error: the pipeline \"none\" has no placeholder \"width\"",
        ),
        (
            &["--display", "terminal"],
            "error: cannot draw in the terminal",
        ),
    ] {
        let ended = run_vidchat([&["recv", "127.0.0.1:1"], args].concat());
        assert!(ended.stderr.starts_with(said), "{}", ended.stderr);
    }
}

#[test]
fn two_flags_that_contradict_each_other() {
    for (flag, value, other) in [
        ("width", "640", "320"),
        ("fps", "15", "30"),
        ("device", "1", "2"),
    ] {
        let (long, set) = (format!("--{flag}"), format!("{flag}={other}"));
        fails(
            &["send", &long, value, "--set", &set],
            2,
            &format!(
                "error: --{flag} {value} and --set {flag}={other} contradict each other\n\
                 hint: leave one of them out, such as --set {flag}={other}"
            ),
        );
    }
}
