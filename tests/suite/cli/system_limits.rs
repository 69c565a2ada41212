//! What the system does not allow for: threads, open files, a FIFO without a reader. The program
//! says so, and neither falls nor hangs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Command;

use crate::support::{Sender, bounded, run, vidchat};

/// The same command with a limit that the shell sets first.
fn limited(command: &Command, limit: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{limit} && exec \"$0\" \"$@\"")])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

#[test]
#[cfg(target_os = "linux")]
fn without_room_for_threads_the_command_says_so() {
    let mut command = vidchat();
    // Nobody listens at port 1, so that it ends where there is room.
    command.args(["recv", "127.0.0.1:1", "--display", "none"]);
    let mut told = 0;
    // A root user has no limit of threads, so their stacks have to be too much. Each has 2 MiB.
    for mebibytes in (64..=512).step_by(16) {
        let limit = format!("ulimit -v {}", mebibytes * 1024);
        let ended = run(&mut limited(&command, &limit));
        let stderr = &ended.stderr;
        assert!(!stderr.contains("panicked"), "{mebibytes} MiB: {stderr}");
        assert_ne!(ended.code(), 101, "{mebibytes} MiB: {stderr}");
        if stderr.contains("error: cannot start a thread: ") {
            assert_eq!(ended.code(), 1, "{stderr}");
            assert!(stderr.contains("hint: "), "{stderr}");
            told += 1;
        }
    }
    assert!(told > 0, "the limit was never met");
}

#[test]
#[cfg(target_os = "linux")]
fn a_low_limit_of_open_files_is_told_in_true_words() {
    let mut command = vidchat();
    command
        .args(["send", "--bind", "127.0.0.1", "--port", "0"])
        .args(["--pipeline", "test", "--no-preview"]);
    for (limit, words) in [
        (
            100,
            "the system allows for 100 open files, which may be too few for any viewer",
        ),
        (300, "the system allows for about 44 viewers"),
    ] {
        let mut command = limited(&command, &format!("ulimit -n {limit}"));
        let sender = Sender::start_as(&mut command);
        let log = sender.process.seen();
        assert!(log.iter().any(|line| line.contains(words)), "{log:#?}");
    }
}

#[test]
#[cfg(unix)]
fn a_fifo_for_statistics_needs_a_reader() {
    let folder = tempfile::tempdir().expect("a folder");
    let fifo = folder.path().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status();
    assert!(made.is_ok_and(|made| made.success()), "no FIFO");
    let stats = || {
        let mut command = vidchat();
        command
            .args(["send", "--bind", "127.0.0.1", "--port", "0"])
            .args(["--pipeline", "test", "--no-preview", "--stats-file"])
            .arg(&fifo);
        command
    };
    let ended = run(&mut stats());
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
    let told = ended.stderr.contains(": it is a FIFO that nobody reads");
    assert!(told && ended.stderr.contains("hint: "), "{}", ended.stderr);
    // With one it gets whole lines.
    let opened = fs::File::options().read(true).write(true).open(&fifo);
    let reader = BufReader::new(opened.expect("the FIFO"));
    let _sender = Sender::start_as(&mut stats());
    let lines = bounded("lines", || {
        let lines = reader.lines().take(2);
        lines.collect::<Result<Vec<_>, _>>().expect("text")
    });
    for line in lines {
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(line["state"], "live");
    }
}
