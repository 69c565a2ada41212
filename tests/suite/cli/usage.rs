//! Wrong command lines, word for word: what is not valid, what is taken, and what to type instead.

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
    ] {
        let ended = run_vidchat(args);
        let word = args[args.len() - 1];
        let said = format!("error: unexpected \"{word}\": vidchat recv takes one HOST\n");
        assert!(
            ended.stderr.starts_with(&said),
            "{args:?}: {}",
            ended.stderr
        );
        assert_eq!(ended.code(), 2);
    }
}

#[test]
fn caps_that_are_not_taken_are_named() {
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

#[test]
fn a_command_or_flag_that_nobody_knows_is_named_with_those_that_there_are() {
    let commands = "vidchat has call, send, recv, find, publish, key, demo and pipelines";
    for (args, said, hint) in [
        (
            &["phone-me"][..],
            format!("unknown command \"phone-me\": {commands}"),
            "vidchat --help",
        ),
        (
            &["snd"],
            format!("unknown command \"snd\": {commands}"),
            "vidchat send",
        ),
        (
            &["help", "me"],
            format!("unknown command \"me\": {commands}"),
            "vidchat --help",
        ),
        (
            &["pipelines", "edit"],
            "unknown command \"edit\": vidchat pipelines has list, show and check".into(),
            "vidchat pipelines --help",
        ),
        (
            &["pipelines", "chek", "test"],
            "unknown command \"chek\": vidchat pipelines has list, show and check".into(),
            "vidchat pipelines check",
        ),
        (
            &["--loud"],
            "unknown flag \"--loud\": vidchat has none of that name".into(),
            "vidchat --help",
        ),
        (
            &["send", "--prt", "3"],
            "unknown flag \"--prt\": vidchat send has none of that name".into(),
            "--port",
        ),
        (
            &["recv", "-p", "3", "desk"],
            "unknown flag \"-p\": vidchat recv has none of that name".into(),
            "vidchat recv --help",
        ),
        (
            &["-vx", "demo"],
            "unknown flag \"-x\": vidchat demo has none of that name".into(),
            "vidchat demo --help",
        ),
        (
            &["demo", "--listen"],
            "unknown flag \"--listen\": vidchat demo has none of that name, but vidchat recv has"
                .into(),
            "vidchat recv --listen",
        ),
        (
            &["send", "desk"],
            "unexpected \"desk\": vidchat send takes flags alone".into(),
            "vidchat send --help",
        ),
        (
            &["send", "--", "--width"],
            "unexpected \"--width\": vidchat send takes flags alone".into(),
            "vidchat send --help",
        ),
        (
            &["recv", "desk", "more"],
            "unexpected \"more\": vidchat recv takes one HOST".into(),
            "vidchat recv --help",
        ),
        (
            &["pipelines", "show", "test", "file"],
            "unexpected \"file\": vidchat pipelines show takes one NAME|PATH".into(),
            "vidchat pipelines show --help",
        ),
    ] {
        fails(args, 2, &format!("error: {said}\nhint: {hint}"));
    }
}

#[test]
fn flags_are_checked_together_before_anything_starts() {
    let to = "with --to the sender connects, and listens nowhere";
    for (args, said, hint) in [
        (
            &["send", "--preview", "--no-preview"][..],
            "--preview and --no-preview contradict each other: one is the opposite of the other",
            "leave --no-preview out",
        ),
        (
            &["send", "--port", "10050", "--to", "desk"],
            &format!("--to and --port contradict each other: {to}"),
            "leave --port out",
        ),
        (
            &[
                "send",
                "--to",
                "desk",
                "--bind",
                "127.0.0.1",
                "--max-viewers",
                "2",
            ],
            &format!("--to and --bind and --max-viewers contradict each other: {to}"),
            "leave --bind and --max-viewers out",
        ),
        (
            &["send", "--to", "desk", "--no-announce"],
            &format!("--to and --no-announce contradict each other: {to}"),
            "leave --no-announce out",
        ),
        (
            &["send", "--name", "desk", "--no-announce"],
            "--no-announce and --name contradict each other: a name is for the announcement",
            "leave --name out",
        ),
        (
            &["recv", "desk", "--listen"],
            "--listen and HOST contradict each other: the receiver waits for a sender, or connects \
             to one",
            "leave HOST out",
        ),
        (
            &["recv", "desk", "--bind", "127.0.0.1"],
            "HOST and --bind contradict each other: only a receiver with --listen has an address of \
             its own",
            "leave --bind out",
        ),
        (
            &["recv", "desk", "--pipeline", "none", "--display", "none"],
            "--pipeline and --display contradict each other: a pipeline file has its own display",
            "leave --display out",
        ),
        (
            &["send", "--width", "320", "--width", "640"],
            "--width is there twice: it can be given once",
            "leave one --width out",
        ),
        (
            &["send", "--width", "--fps", "3"],
            "--width needs a value: none follows it",
            "vidchat send --help says what it takes",
        ),
        (
            &["pipelines", "check", "test", "--set"],
            "--set needs a value: none follows it",
            "vidchat pipelines check --help says what it takes",
        ),
        (
            &["send", "--wire"],
            "--wire needs a value: it takes auto, native, pickle, pickle-jpeg or bare",
            "--wire auto",
        ),
        (
            &["send", "--keep-open=yes"],
            "--keep-open \"yes\" is not valid: it takes no value",
            "--keep-open",
        ),
        (
            &["-v"],
            "COMMAND is missing: vidchat has call, send, recv, find, publish, key, demo and pipelines",
            "vidchat --help",
        ),
        (
            &["recv", "--bind", "127.0.0.1"],
            "--listen is missing: only a receiver with --listen has an address of its own",
            "vidchat recv --listen",
        ),
        (
            &["recv", "desk", "--wire", "bare"],
            "--caps is missing: with --wire bare the sender tells no caps",
            "vidchat send --wire bare prints the --caps to type here",
        ),
        (
            &["recv", "desk", "--watch"],
            "--pipeline is missing: --watch is for a pipeline file",
            "--pipeline ./mine.gst",
        ),
        (
            &["pipelines", "show"],
            "NAME|PATH is missing: the command is about one pipeline",
            "vidchat pipelines list",
        ),
    ] {
        fails(args, 2, &format!("error: {said}\nhint: {hint}"));
    }
}

/// The arguments that are typed for `arg`, with a value that it takes.
fn typed(arg: &clap::Arg) -> Vec<String> {
    let known = arg.get_possible_values();
    let value = match (arg.get_id().as_str(), known.first()) {
        ("width" | "fps" | "port" | "max_viewers" | "frames" | "max_frame", _) => "2000",
        ("max_latency", _) => "200ms",
        ("bind", _) => "127.0.0.1",
        ("settings", _) => "a=b",
        ("caps", _) => "image/jpeg",
        (_, Some(known)) => known.get_name(),
        _ => "desk",
    };
    let flag = arg.get_long().map(|long| format!("--{long}"));
    let has_value = flag.is_none() || arg.get_action().takes_values();
    flag.into_iter()
        .chain(has_value.then(|| value.to_owned()))
        .collect()
}

/// The words of the failure for this command line; `None` where it is a good one.
fn failure_of(command: &clap::Command, args: &[String]) -> Option<String> {
    let error = command.clone().try_get_matches_from(args).err()?;
    vidchat::usage::failure(&error, command, args).map(|failure| failure.to_string())
}

#[test]
fn every_error_in_the_command_line_is_in_the_form_of_all_errors() {
    use clap::CommandFactory;
    let mut root = vidchat::cli::Cli::command();
    root.build();
    let mut seen = 0;
    let mut look = |args: Vec<String>| {
        let Some(said) = failure_of(&root, &args) else {
            return;
        };
        seen += 1;
        let lines: Vec<&str> = said.lines().collect();
        assert!(
            lines[0].starts_with("error: ") && lines[0][7..].contains(": "),
            "{args:?}: {said}"
        );
        assert!(!said.contains("the command line is not valid"), "{said}");
        assert!(lines[lines.len() - 1].starts_with("hint: "), "{said}");
    };
    let own = |command: &clap::Command| -> Vec<clap::Arg> {
        let is_own = |arg: &&clap::Arg| !["help", "version"].contains(&arg.get_id().as_str());
        command.get_arguments().filter(is_own).cloned().collect()
    };
    let line = |words: &[&str], args: &[&[String]]| -> Vec<String> {
        let words = words.iter().map(|word| (*word).to_owned());
        words.chain(args.concat()).collect()
    };
    let commands = [
        &["vidchat"][..],
        &["vidchat", "send"],
        &["vidchat", "recv"],
        &["vidchat", "demo"],
        &["vidchat", "pipelines"],
        &["vidchat", "pipelines", "show"],
        &["vidchat", "pipelines", "check"],
        &["vidchat", "pipelines", "list"],
    ];
    for words in commands {
        let command = words[1..].iter().fold(&root, |command, word| {
            command.find_subcommand(word).expect("it is a command")
        });
        for wrong in [
            "--nothing",
            "--nothing=1",
            "-z",
            "nothing",
            "--",
            "",
            "--verbose=1",
        ] {
            look(line(words, &[&[wrong.to_owned()]]));
        }
        for one in own(command) {
            let (first, name) = (typed(&one), typed(&one)[0].clone());
            look(line(words, &[&first]));
            look(line(words, &[&first, &first]));
            look(line(words, &[std::slice::from_ref(&name)]));
            look(line(words, &[&[name.clone() + "="]]));
            look(line(words, &[&[name + "=\u{1f600}"]]));
            for other in own(command) {
                look(line(words, &[&first, &typed(&other)]));
            }
        }
    }
    assert!(seen > 200, "only {seen} errors");
}
