//! The command line as it is typed: help, versions, flags that do not exist, and what
//! `vidchat pipelines` prints.

use std::fs;

use crate::support::{Ended, project, run, run_vidchat, vidchat};

const STATUSES: &str =
    "Exit status: 0 as asked, 1 could not start, 2 wrong usage, 3 lost while running.";

/// Every command with its flags and a line that its examples have.
const COMMANDS: [(&[&str], &[&str], &str); 5] = [
    (
        &["send"],
        &[
            "--pipeline <NAME|PATH>",
            "--set <NAME=VALUE>",
            "--width <PIXELS>",
            "--fps <RATE>",
            "--device <DEVICE>",
            "--to <HOST[:PORT]>",
            "--bind <ADDRESS>",
            "--port <PORT>",
            "--max-viewers <COUNT>",
            "--name <NAME>",
            "--no-announce",
            "--preview",
            "--no-preview",
            "--keep-open",
            "--wire <WIRE>",
            "--length <FORMAT>",
        ],
        "  vidchat send --pipeline test              a test picture: needs no camera",
    ),
    (
        &["recv"],
        &[
            "[HOST[:PORT]]",
            "--listen",
            "--bind <ADDRESS>",
            "--pipeline <NAME|PATH>",
            "--set <NAME=VALUE>",
            "--port <PORT>",
            "--frames <COUNT>",
            "--display <DISPLAY>",
            "--wire <WIRE>",
            "--length <FORMAT>",
            "--caps <CAPS>",
            "--max-frame <BYTES>",
        ],
        "  vidchat recv desk --display terminal      in the terminal",
    ),
    (
        &["find"],
        &["--json"],
        "  vidchat find --json                       a JSON object for each",
    ),
    (
        &["demo"],
        &[
            "--pipeline <NAME|PATH>",
            "--set <NAME=VALUE>",
            "--display <DISPLAY>",
            "--frames <COUNT>",
        ],
        "  vidchat demo --display terminal",
    ),
    (
        &["pipelines"],
        &["list", "show", "check"],
        "  vidchat pipelines check mine.gst          what is wrong with it, and where",
    ),
];

/// Asserts that it printed to standard output only, as was asked, and returns that.
fn printed(ended: Ended) -> String {
    assert_eq!((ended.code(), &ended.stderr[..]), (0, ""));
    ended.stdout
}

#[test]
fn help_names_every_command_and_the_exit_statuses() {
    for flag in ["-h", "--help"] {
        let help = printed(run_vidchat([flag]));
        for (command, ..) in COMMANDS {
            assert!(help.contains(&format!("\n  {} ", command[0])), "{help}");
        }
        assert!(help.contains(STATUSES), "{help}");
    }
    let ended = run_vidchat([""; 0]);
    assert_eq!((ended.code(), &ended.stdout[..]), (2, ""));
    assert!(ended.stderr.contains("Usage: vidchat"), "{}", ended.stderr);
}

#[test]
fn help_of_a_command_has_its_flags_and_in_full_its_examples() {
    for (command, flags, example) in COMMANDS {
        let short = printed(run(vidchat().args(command).arg("-h")));
        let full = printed(run(vidchat().args(command).arg("--help")));
        for flag in flags {
            let shown = |help: &str| help.lines().any(|line| line.trim().starts_with(flag));
            assert!(shown(&short), "{flag} is not in {short}");
            assert!(shown(&full), "{flag} is not in {full}");
        }
        assert!(full.contains(&format!("Examples:\n  vidchat {}", command[0])));
        assert!(full.contains(example), "{full}");
        if command != ["pipelines"] {
            assert!(full.contains(STATUSES), "{full}");
        }
    }
}

#[test]
fn help_is_a_command_too() {
    let asked = |args: &[&str]| printed(run_vidchat(args));
    assert_eq!(asked(&["help"]), asked(&["--help"]));
    for (command, ..) in COMMANDS {
        let command = command[0];
        assert_eq!(asked(&["help", command]), asked(&[command, "--help"]));
    }
    let check = asked(&["pipelines", "check", "--help"]);
    assert_eq!(asked(&["help", "pipelines", "check"]), check);
    assert_eq!(asked(&["pipelines", "help", "check"]), check);
}

#[test]
fn every_flag_has_a_help() {
    for (command, ..) in COMMANDS {
        let help = printed(run(vidchat().args(command).arg("--help")));
        let lines: Vec<&str> = help.lines().collect();
        for (line, next) in lines.iter().zip(&lines[1..]) {
            if line.trim_start().starts_with("--") {
                assert!(next.starts_with("          "), "{line:?} has no help");
            }
        }
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    for flag in ["-V", "--version"] {
        let expected = format!("vidchat {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(printed(run_vidchat([flag])), expected);
    }
}

#[test]
fn pipelines_are_listed_with_what_they_do() {
    let list = printed(run_vidchat(["pipelines"]));
    assert_eq!(list, printed(run_vidchat(["pipelines", "list"])));
    let mut shipped = 0;
    for direction in ["send", "recv"] {
        let (_, part) = list
            .split_once(&format!("vidchat {direction} --pipeline"))
            .expect("each direction has its heading");
        for entry in fs::read_dir(project().join("pipelines").join(direction)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let about = text.lines().next().unwrap().trim_start_matches("# ");
            assert!(part.contains(&format!("  {name:<12} {about}\n")), "{list}");
            let shown = printed(run_vidchat(["pipelines", "show", &name]));
            assert_eq!(shown, text);
            shipped += 1;
        }
    }
    assert!(shipped >= 7, "{shipped} files");
}

#[test]
fn pipelines_of_ones_own_come_first_and_may_be_checked() {
    let config = tempfile::tempdir().unwrap();
    let folder = config.path().join("vidchat/pipelines/send");
    fs::create_dir_all(&folder).unwrap();
    let mine = "# My own test.\nvideotestsrc ! appsink name=frames\n";
    let ball = "# A ball.\nvideotestsrc pattern=ball num-buffers=${count} ! appsink name=frames\n";
    fs::write(folder.join("test.gst"), mine).unwrap();
    fs::write(folder.join("ball.gst"), ball).unwrap();
    let pipelines = |args: &[&str]| {
        let mut command = vidchat();
        command.env("XDG_CONFIG_HOME", config.path());
        run(command.arg("pipelines").args(args))
    };
    let list = printed(pipelines(&[]));
    let path = folder.join("test.gst");
    let line = format!("  test         My own test.  ({})\n", path.display());
    assert!(list.contains(&line), "{list}");
    assert!(list.contains("  ball         A ball."), "{list}");
    let place = config.path().join("vidchat/pipelines");
    let own = format!(
        "Your own go to {}/send, recv, encode, publish or play",
        place.display()
    );
    assert!(list.contains(&own), "{list}");
    assert_eq!(printed(pipelines(&["show", "test"])), mine);
    let good = printed(pipelines(&["check", "test"]));
    assert_eq!(good, "test: good for vidchat send\n");
    let good = printed(pipelines(&["check", "ball", "--set", "count=3"]));
    assert_eq!(good, "ball: good for vidchat send\n");
    let ended = pipelines(&["check", "ball"]);
    assert_eq!((ended.code(), &ended.stdout[..]), (1, ""));
    assert!(
        ended
            .stderr
            .contains("(line 2) needs a value for \"count\"")
    );
}

#[test]
fn a_check_says_what_of_the_machine_it_did_not_try() {
    for (name, said) in [
        ("camera", "good for vidchat send, but not tried: ${camera}"),
        (
            "camera-mjpeg",
            "good for vidchat send, but not tried: ${camera-mjpeg}",
        ),
        ("screen", "good for vidchat send, but not tried: ${screen}"),
        ("test", "good for vidchat send"),
        ("window", "good for vidchat recv, but not tried: ${window}"),
        ("none", "good for vidchat recv"),
    ] {
        let printed = printed(run_vidchat(["pipelines", "check", name]));
        assert_eq!(printed, format!("{name}: {said}\n"));
    }
    let set = ["--set", "camera=videotestsrc"];
    let printed = printed(run(vidchat()
        .args(["pipelines", "check", "camera"])
        .args(set)));
    assert_eq!(printed, "camera: good for vidchat send\n");
}

#[test]
fn a_file_is_checked_for_the_end_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    for (text, direction) in [
        ("# Out.\nappsrc name=frames ! fakesink\n", "recv"),
        ("# In.\nvideotestsrc ! appsink name=frames\n", "send"),
    ] {
        let path = folder.path().join("mine.gst");
        fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let good = printed(run_vidchat(["pipelines", "check", path]));
        assert_eq!(good, format!("{path}: good for vidchat {direction}\n"));
        assert_eq!(printed(run_vidchat(["pipelines", "show", path])), text);
    }
}
