//! What the system does not allow for: threads, open files, a FIFO without a reader. The program
//! says so, and neither falls nor hangs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Command;

use crate::support::{Sender, bounded, run, skipped, vidchat};

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

/// Runs a command with each of these limits, of which the lowest leave no room for its threads. It
/// says so in each of them, or goes on to its end.
fn says_that_there_is_no_room(limits: impl IntoIterator<Item = String>) {
    let mut command = vidchat();
    // Nobody listens at port 1, so that it ends where there is room.
    command.args(["recv", "127.0.0.1:1", "--display", "none"]);
    let mut told = 0;
    for limit in limits {
        let ended = run(&mut limited(&command, &limit));
        let stderr = &ended.stderr;
        assert!(!stderr.contains("panicked"), "{limit}: {stderr}");
        assert_ne!(ended.code(), 101, "{limit}: {stderr}");
        if stderr.contains("error: cannot start a thread: ") {
            assert_eq!(ended.code(), 1, "{stderr}");
            assert!(stderr.contains("hint: "), "{stderr}");
            told += 1;
        } else {
            // Where the system has no memory for the program itself it says nothing.
            let is_killed = ended.status.code().is_none() && stderr.is_empty();
            let is_connecting = stderr.contains("error: cannot connect to ");
            assert!(is_killed || is_connecting, "{limit}: {ended:?}");
        }
    }
    assert!(told > 0, "the limit was never met");
}

#[test]
fn without_room_for_threads_the_command_says_so() {
    // A root user has no limit of threads, so their stacks have to be too much. Each has 2 MiB.
    let limit = |mebibytes: u32| format!("ulimit -v {}", mebibytes * 1024);
    says_that_there_is_no_room((64..=512).step_by(16).map(limit));
    let limit = |mebibytes: u32| format!("ulimit -d {}", mebibytes * 1024);
    says_that_there_is_no_room((16..=128).step_by(16).map(limit));
}

#[test]
fn without_room_for_another_task_of_the_user_the_command_says_so() {
    if !rustix::process::getuid().is_root() {
        skipped("only root can become a user who has no other tasks");
        return;
    }
    // Nobody has this number.
    let user = "setpriv --reuid=54321 --regid=54321 --clear-groups";
    let limit =
        |tasks: u32| format!("prlimit --nproc={tasks} --pid=$$ && exec {user} -- \"$0\" \"$@\"");
    says_that_there_is_no_room([1, 2, 8, 20, 24, 40, 200].map(limit));
}

/// A control group of a test's own, within that of the test.
struct ControlGroup(std::path::PathBuf);

impl ControlGroup {
    /// `None`, said aloud, where this machine lets nobody make one that counts tasks.
    fn make() -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let of = |mark: &str| {
            let line = groups.lines().find(|line| line.contains(mark))?;
            line.rsplit_once(":/").map(|(_, group)| group.to_owned())
        };
        let around = match of(":pids:") {
            Some(group) => of_all("pids", &group),
            None => of_all("", &of("0::")?),
        };
        let name = format!("vidchat-test-{}", std::process::id());
        let group = Self(around.join(name));
        if fs::create_dir(&group.0).is_ok() && group.0.join("pids.max").exists() {
            return Some(group);
        }
        skipped("no control group that counts tasks can be made here");
        None
    }
}

/// The folder of one control group.
fn of_all(controller: &str, group: &str) -> std::path::PathBuf {
    ["/sys/fs/cgroup", controller, group].iter().collect()
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn without_room_in_a_control_group_the_command_says_so() {
    let Some(group) = ControlGroup::make() else {
        return;
    };
    let inner = group.0.join("inner");
    let folder = group.0.display();
    // The limit of the group around the program's own counts too.
    let limit = |tasks: u32| {
        format!(
            "mkdir -p {inner} && echo {tasks} > {folder}/pids.max && echo $$ > {inner}/cgroup.procs",
            inner = inner.display(),
        )
    };
    says_that_there_is_no_room([1, 2, 8, 20, 24, 40, 200].map(limit));
    let _ = fs::remove_dir(&inner);
}

#[test]
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
