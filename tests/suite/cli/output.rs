//! Where the program prints to: standard output that is full or closed, and terminals that show
//! text alone.

use std::process::Command;

#[cfg(target_os = "linux")]
use crate::support::Sender;
use crate::support::{Ended, run, skipped, vidchat};

/// Runs vidchat in a shell with what stands behind `$VIDCHAT`.
fn shell(rest: &str) -> Ended {
    let mut command = Command::new("sh");
    for (name, value) in vidchat().get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let program = env!("CARGO_BIN_EXE_vidchat");
    run(command
        .env("VIDCHAT", program)
        .args(["-c", &format!("\"$VIDCHAT\" {rest}")]))
}

/// Commands that print what they were asked for.
const PRINTING: [&str; 9] = [
    "pipelines",
    "pipelines list",
    "pipelines show camera",
    "pipelines check test",
    "--help",
    "-h",
    "--version",
    "help send",
    "recv --help",
];

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_is_full_is_an_error() {
    for command in PRINTING {
        let ended = shell(&format!("{command} >/dev/full"));
        assert_eq!(
            ended.stderr,
            "error: cannot write to standard output: no space left on device\n\
             hint: look at where > sends it: is there room, and may it be written to?",
            "{command}"
        );
        assert_eq!(ended.code(), 1, "{command}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_none() {
    for command in PRINTING {
        // Standard output leads to a process that ends without reading.
        let ended = shell(&format!(
            "{command} 3>&1 | true; \
             {{ sleep 0.1; \"$VIDCHAT\" {command}; echo $? >&2; }} | true"
        ));
        assert_eq!(ended.stderr, "0", "{command}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn statistics_that_cannot_be_written_are_missing_and_nothing_else() {
    for (args, reason) in [
        (
            "--stats-file /dev/full",
            "WARN stats: lines are missing: no space left on device",
        ),
        (
            "--stats json >/dev/full",
            "WARN stats: lines are missing: cannot write to standard output: no space left on \
             device",
        ),
    ] {
        let sender = Sender::start(["--pipeline", "test", "--no-preview"]);
        let target = sender.target();
        let ended = shell(&format!("recv {target} --display none --frames 70 {args}"));
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        let said: Vec<&str> = ended
            .stderr
            .lines()
            .filter(|l| l.contains("WARN"))
            .collect();
        assert_eq!(said, [reason], "{}", ended.stderr);
    }
}

/// Runs vidchat in a terminal of this name, which util-linux's script makes.
fn in_terminal(name: &str, args: &str) -> Option<Ended> {
    let typed = format!("{} {args}", env!("CARGO_BIN_EXE_vidchat"));
    let mut script = Command::new("script");
    script.args(["-qec", &typed, "/dev/null"]);
    for variable in ["DISPLAY", "WAYLAND_DISPLAY", "RUST_LOG"] {
        script.env_remove(variable);
    }
    script.env("TERM", name);
    if script.get_program() == "script" && Command::new("script").arg("-V").output().is_err() {
        skipped("script is not installed");
        return None;
    }
    Some(run(script.stdin(std::process::Stdio::null())))
}

#[test]
fn a_terminal_for_text_alone_gets_lines_and_no_escape_sequence() {
    for name in ["dumb", "unknown", ""] {
        let Some(ended) = in_terminal(name, "demo --display none --frames 40") else {
            return;
        };
        assert_eq!(ended.code(), 0, "{ended:?}");
        assert!(ended.stdout.contains("INFO "), "{ended:?}");
        assert!(!ended.stdout.contains('\x1b'), "{ended:?}");
        let said = format!(
            "error: cannot draw in the terminal: TERM is {name:?}, a terminal for text alone\n\
             hint: where it can show more: TERM=xterm-256color before the command\n"
        );
        for args in ["demo --display terminal", "demo"] {
            let ended = in_terminal(name, args).expect("it is installed");
            let shown = ended.stdout.replace('\r', "");
            assert_eq!((ended.code(), &shown[..]), (1, &said[..]));
        }
        let ended = in_terminal(name, "--loud").expect("it is installed");
        assert!(!ended.stdout.contains('\x1b'), "{ended:?}");
    }
    let ended = in_terminal("xterm", "demo --display none --frames 40").expect("it is installed");
    assert!(ended.stdout.contains("\x1b[K"), "{ended:?}");
}
