//! What the tests share: the program as a process, waiting with a bound, displays.

pub mod built_engines;
pub mod encrypted;
pub mod engines;
pub mod fault_proxy;
#[cfg(target_os = "linux")]
pub mod image_terminal;
pub mod kept_frames;
#[cfg(target_os = "linux")]
pub mod lan;
pub mod listening_receiver;
#[cfg(target_os = "linux")]
pub mod namespaces;
pub mod party;
pub mod peers;
pub mod played_sender;
pub mod player;
#[cfg(target_os = "linux")]
pub mod slow_link;
pub mod stamped_frames;
#[cfg(target_os = "linux")]
pub mod sway;
pub mod terminal_pixels;
pub mod test_card;
#[cfg(unix)]
pub mod wayland;
pub mod x_display;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use wait_timeout::ChildExt;

/// The bound of every wait for one thing: far more than it takes on a slow machine beside other
/// work, so it is met only by what hangs. Nothing bounds a test as a whole but nextest, much later.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What a viewer says of a sender that was killed: the system closes its connections, and resets
/// those on which it had not read everything yet, which is a matter of luck.
pub const GONE: [&str; 2] = ["the sender closed the connection", "connection reset"];

/// The program under test. Where `VIDCHAT_TESTS_IN` has a command, such as one of valgrind, it runs
/// the program.
pub fn vidchat() -> Command {
    let program = env!("CARGO_BIN_EXE_vidchat");
    let around = std::env::var("VIDCHAT_TESTS_IN").unwrap_or_default();
    let mut words = around.split_whitespace().chain([program]);
    let mut command = Command::new(words.next().expect("the program at least"));
    command
        .args(words)
        .stdin(Stdio::null())
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("RUST_LOG")
        .env_remove("VIDCHAT_KEY")
        // Nobody's own pipelines.
        .env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR"));
    encrypted::hand_out(&mut command);
    command
}

/// A pipeline file in a folder of its own, and its path.
pub fn written_pipeline(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.gst");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// How a process ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    /// Standard output as it is, where it is no text.
    pub bytes: Bytes,
    pub stderr: String,
}

impl Ended {
    /// The exit status; -1 where a signal ended the process.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }
}

/// A process that is killed when this is dropped.
pub struct Ending(pub Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for `work`, which has no bound of its own, until `what` has happened.
pub fn bounded<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, done) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(work());
    });
    match done.recv_timeout(PATIENCE) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("{what}: not within {PATIENCE:?}"),
        Err(RecvTimeoutError::Disconnected) => panic!("{what}: panicked before"),
    }
}

/// The first line that a process prints.
pub fn first_line(what: &str, process: &mut Child) -> String {
    let stdout = process.stdout.take().expect("stdout is piped");
    bounded(what, || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        read.expect("a pipe can be read");
        line
    })
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ended {
    Running::start(command).wait()
}

/// Runs vidchat with these arguments to its end.
pub fn run_vidchat<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ended {
    run(vidchat().args(args))
}

/// A process whose lines of standard error are read as they come. It is ended when dropped.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    stdout: Receiver<Bytes>,
}

/// Bytes of memory of a process: in use with `VmRSS:`, and the most so far with `VmHWM:`. Linux alone
/// tells it.
pub fn memory(id: u32, line: &str) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let size = status.lines().find_map(|other| other.strip_prefix(line))?;
    let kilobytes: usize = size.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

impl Running {
    /// The most memory that it has had so far, in bytes.
    pub fn peak_memory(&self) -> usize {
        memory(self.id(), "VmHWM:").expect("it runs, and Linux tells it")
    }

    /// Starts a command.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        let (sender, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut output = child.stdout.take().expect("stdout is piped");
        let (sender, stdout) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = output.read_to_end(&mut bytes);
            // Nobody waits for it where the test is over.
            let _ = sender.send(bytes.into());
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
            stdout,
        }
    }

    /// Waits for a line of standard error that contains `part`, and returns it.
    pub fn line_with(&mut self, part: &str) -> String {
        self.line_within(part, PATIENCE)
    }

    /// As [`Running::line_with`], with a longer bound.
    pub fn line_within(&mut self, part: &str, patience: Duration) -> String {
        match self.line_before_end(part, patience) {
            Some(line) => line,
            None => panic!("ended without {part:?}: {:#?}", self.seen),
        }
    }

    /// As [`Running::line_within`]; `None` where the process ends without such a line.
    pub fn line_before_end(&mut self, part: &str, patience: Duration) -> Option<String> {
        let until = Instant::now() + patience;
        loop {
            match self
                .lines
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(part) {
                        return Some(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no {part:?} within {patience:?}, only {:#?}", self.seen)
                }
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Waits for such a line where none has been looked at so far.
    pub fn has_said(&mut self, part: &str) {
        if !self.seen.iter().any(|line| line.contains(part)) {
            self.line_with(part);
        }
    }

    /// The lines of standard error that have been looked at so far.
    pub fn seen(&self) -> &[String] {
        &self.seen
    }

    /// Its standard input, where the command has piped it.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("stdin is piped")
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How many threads it has.
    #[cfg(target_os = "linux")]
    pub fn threads(&self) -> usize {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.id()));
        tasks.expect("it runs").count()
    }

    /// Sends a signal by its name, such as `INT`.
    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Ended {
        let status = self.child.wait_timeout(PATIENCE).expect("waiting works");
        let Some(status) = status else {
            self.seen.extend(self.lines.try_iter());
            panic!("still running after {PATIENCE:?}: {:#?}", self.seen);
        };
        // Both are at their end, as their only writer is gone.
        let bytes = self.stdout.recv_timeout(PATIENCE).expect("stdout ends");
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.seen.push(line);
        }
        Ended {
            status,
            stdout: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
            stderr: self.seen.join("\n"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running `vidchat send` on a port of its own, for this machine alone.
pub struct Sender {
    pub process: Running,
    pub port: u16,
}

impl Sender {
    /// Starts `vidchat send` with these further arguments, and waits until it tells its port.
    pub fn start<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        Self::start_as(
            vidchat()
                .args(["send", "--bind", "127.0.0.1", "--port", "0"])
                .args(args),
        )
    }

    /// Starts this command, which is some `vidchat send --port 0`.
    pub fn start_as(command: &mut Command) -> Self {
        Self::of(Running::start(command))
    }

    /// Waits until this process, which is some `vidchat send --port 0`, tells its port.
    pub fn of(mut process: Running) -> Self {
        let line = process.line_with("vidchat recv ");
        let port = line
            .split("vidchat recv ")
            .nth(1)
            .and_then(|target| target.split(' ').next()?.rsplit(':').next()?.parse().ok())
            .unwrap_or_else(|| panic!("no port in {line:?}"));
        Self { process, port }
    }

    /// What to give to `vidchat recv`.
    pub fn target(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// Sends a process a signal by its name, such as `INT`.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status();
    assert!(
        sent.is_ok_and(|status| status.success()),
        "cannot signal {name}"
    );
}

/// An X display of the test's own. It is ended when dropped.
pub struct Xvfb {
    process: Child,
    pub display: String,
}

impl Xvfb {
    /// Starts one on a free number; `None`, said aloud, where Xvfb is not installed.
    pub fn start() -> Option<Self> {
        let started = Command::new("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "1024x768x24",
                "-nolisten",
                "tcp",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut process) = started else {
            skipped("Xvfb is not installed");
            return None;
        };
        let number = first_line("Xvfb tells its display", &mut process);
        Some(Self {
            process,
            display: format!(":{}", number.trim()),
        })
    }

    /// The server's process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends the server a signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }
}

impl Drop for Xvfb {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Looks at something that takes time until it is as it should be once: a machine that is busy with
/// something else spoils such a look, and what is wrong is wrong each time.
pub fn in_one_try<T>(mut look: impl FnMut() -> Result<T, String>) -> T {
    const TRIES: usize = 20;
    let mut failures = Vec::new();
    for _ in 0..TRIES {
        match look() {
            Ok(seen) => return seen,
            Err(failure) => failures.push(failure),
        }
    }
    panic!("in none of {TRIES} tries: {failures:#?}");
}

/// Says aloud that a test cannot do its work on this machine.
pub fn skipped(reason: &str) {
    left_out("skipped", reason);
}

/// Says aloud that a test cannot do a part of its work on this machine.
pub fn skipped_in_part(reason: &str) {
    left_out("in part", reason);
}

/// Tells `scripts/test`, which prints what was left out after the run: a runner shows nothing of a
/// test that did not fail.
fn left_out(how_much: &str, reason: &str) {
    eprintln!("SKIPPED: {reason}");
    assert!(
        std::env::var_os("VIDCHAT_TESTS_ALL").is_none(),
        "VIDCHAT_TESTS_ALL is set, and {reason}"
    );
    let Some(path) = std::env::var_os("VIDCHAT_TESTS_SKIPPED") else {
        return;
    };
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let test = std::env::var("NEXTEST_TEST_NAME").ok();
    let test = test.or_else(|| std::thread::current().name().map(str::to_owned));
    let line = format!("{how_much}\t{}\t{reason}\n", test.unwrap_or_default());
    // In one write, as other tests append to it too.
    let file = File::options().create(true).append(true).open(&path);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .unwrap_or_else(|e| panic!("cannot note in {path:?} that a test was skipped: {e}"));
}

/// The project's folder.
pub fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
