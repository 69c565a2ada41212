//! What the tests share: the program as a process, waiting with a bound, displays.

pub mod fault_proxy;
pub mod peers;
pub mod player;
#[cfg(target_os = "linux")]
pub mod slow_link;
pub mod terminal_pixels;
pub mod test_card;
pub mod x_display;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use wait_timeout::ChildExt;

/// The bound of every wait: far more than anything takes, so it is met only by what hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a viewer says of a sender that was killed: the system closes its connections, and resets
/// those on which it had not read everything yet, which is a matter of luck.
pub const GONE: [&str; 2] = ["the sender closed the connection", "connection reset"];

/// The program under test.
pub fn vidchat() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vidchat"));
    command
        .stdin(Stdio::null())
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("RUST_LOG")
        // Nobody's own pipelines.
        .env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

/// How a process ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The exit status; -1 where a signal ended the process.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }
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
    stdout: Option<std::thread::JoinHandle<String>>,
}

impl Running {
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
        let mut stdout = child.stdout.take().expect("stdout is piped");
        let stdout = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stdout.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
            stdout: Some(stdout),
        }
    }

    /// Waits for a line of standard error that contains `part`, and returns it.
    pub fn line_with(&mut self, part: &str) -> String {
        self.line_within(part, PATIENCE)
    }

    /// As [`Running::line_with`], with a bound of its own.
    pub fn line_within(&mut self, part: &str, patience: Duration) -> String {
        let until = Instant::now() + patience;
        loop {
            match self
                .lines
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no {part:?} in time, only {:#?}", self.seen)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("ended without {part:?}: {:#?}", self.seen)
                }
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

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `INT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "cannot signal {name}"
        );
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Ended {
        let status = self.child.wait_timeout(PATIENCE).expect("waiting works");
        let Some(status) = status else {
            panic!("still running after {PATIENCE:?}: {:#?}", self.drain());
        };
        let stdout = self
            .stdout
            .take()
            .map(|thread| thread.join().expect("the reader ends"));
        self.drain();
        Ended {
            status,
            stdout: stdout.unwrap_or_default(),
            stderr: self.seen.join("\n"),
        }
    }

    /// Reads what is left of standard error, which is at its end, or soon is.
    fn drain(&mut self) -> &[String] {
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(1)) {
            self.seen.push(line);
        }
        &self.seen
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
        let mut process = Running::start(command);
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
        let mut number = String::new();
        BufReader::new(process.stdout.take().expect("stdout is piped"))
            .read_line(&mut number)
            .expect("Xvfb tells its display");
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
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.process.id().to_string()])
            .status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "cannot signal {name}"
        );
    }
}

impl Drop for Xvfb {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Says aloud that a test could not do its work on this machine.
pub fn skipped(reason: &str) {
    eprintln!("SKIPPED: {reason}");
    assert!(
        std::env::var_os("VIDCHAT_TESTS_ALL").is_none(),
        "VIDCHAT_TESTS_ALL is set, and {reason}"
    );
}

/// The project's folder.
pub fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
