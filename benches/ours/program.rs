//! The program itself, `vidchat send` and `vidchat recv`, as anybody starts it.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Format, encrypted};
use crate::yardstick::process::{Process, Talks, one_piece};
use crate::yardstick::{drain, meter, spec};

/// How long a line that must come is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running `vidchat send`, which is ended when this is dropped.
#[derive(Debug)]
pub struct Sender {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    /// When it said so.
    pub listened: Instant,
}

/// The command `vidchat` without a display.
pub fn vidchat() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vidchat"));
    command
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("RUST_LOG");
    command
}

/// The path of a pipeline file beside these programs.
pub fn pipeline(name: &str) -> PathBuf {
    let path = ["benches", "pipelines", name].iter().collect::<PathBuf>();
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

impl Sender {
    /// Starts `vidchat send` with the pipeline file `name`, for this machine alone.
    ///
    /// # Errors
    /// It could not be started or did not say in time where it listens.
    pub fn start(name: &str, arguments: &[&str]) -> io::Result<Self> {
        let mut command = Self::command(name);
        Self::of(Process::start(command.args(arguments), Talks::Stderr)?)
    }

    /// Starts one with a pipeline that comes with vidchat, at `address`.
    ///
    /// # Errors
    /// As [`Sender::start`].
    pub fn at(address: SocketAddr, pipeline: &str) -> io::Result<Self> {
        let mut command = vidchat();
        command
            .args(["send", "--no-preview", "--pipeline", pipeline])
            .args(["--bind", &address.ip().to_string()])
            .args(["--port", &address.port().to_string()]);
        Self::of(Process::start(&mut command, Talks::Stderr)?)
    }

    /// Starts one that sends what is written to its standard input: `first`, and then what is
    /// written to the pipe that comes with it.
    ///
    /// # Errors
    /// As [`Sender::start`].
    pub fn of_stdin(first: &[u8]) -> io::Result<(Self, ChildStdin)> {
        Self::of_command(Self::command("stdin.gst"), first)
    }

    /// The same through one of the codecs that come with vidchat.
    ///
    /// # Errors
    /// As [`Sender::start`].
    pub fn of_stdin_with(codec: &str, first: &[u8]) -> io::Result<(Self, ChildStdin)> {
        // Only a pipeline with a name goes with a codec.
        let config = tempfile::tempdir()?;
        let folder = config.path().join("vidchat/pipelines/send");
        fs::create_dir_all(&folder)?;
        fs::copy(pipeline("stdin.gst"), folder.join("stdin.gst"))?;
        let mut command = vidchat();
        command
            .args(["send", "--no-preview", "--bind", "127.0.0.1", "--port", "0"])
            .args(["--pipeline", &format!("stdin-{codec}")])
            .env("XDG_CONFIG_HOME", config.path());
        Self::of_command(command, first)
    }

    fn of_command(mut command: Command, first: &[u8]) -> io::Result<(Self, ChildStdin)> {
        let mut process = Process::with_stdin(command.stdin(Stdio::piped()), Talks::Stderr)?;
        let mut stdin = process.stdin().ok_or(io::ErrorKind::BrokenPipe)?;
        one_piece(&stdin)?;
        // Where it listens is said when there is something to be seen.
        stdin.write_all(first)?;
        Ok((Self::of(process)?, stdin))
    }

    fn command(name: &str) -> Command {
        let mut command = vidchat();
        command
            .args(["send", "--no-preview", "--bind", "127.0.0.1", "--port", "0"])
            .arg("--pipeline")
            .arg(pipeline(name));
        command
    }

    /// Waits until `process` says where it listens.
    fn of(process: Process) -> io::Result<Self> {
        let (listened, line) = process.line("vidchat recv ", PATIENCE)?;
        // The flag for a key may follow.
        let target = line.split("vidchat recv ").nth(1).unwrap_or_default();
        let address = target.split(' ').next().unwrap_or_default();
        let address = address.parse().map_err(io::Error::other)?;
        Ok(Self {
            process,
            address,
            listened,
        })
    }
}

/// `vidchat recv` of the sender at `address`; with a display, it may have a window there.
///
/// # Errors
/// It could not be started.
pub fn recv(address: SocketAddr, arguments: &[&str], display: Option<&str>) -> io::Result<Process> {
    let mut command = vidchat();
    command.arg("recv").arg(address.to_string()).args(arguments);
    if let Some(display) = display {
        command.env("DISPLAY", display);
    }
    Process::start(&mut command, Talks::Stderr)
}

/// A `vidchat recv` that writes what it gets to its standard output.
///
/// # Errors
/// It could not be started.
pub fn stdout_recv(address: SocketAddr) -> io::Result<Process> {
    recv_into_pipe(address, "stdout.gst")
}

/// The same with the pipeline file `name`.
///
/// # Errors
/// It could not be started.
pub fn recv_into_pipe(address: SocketAddr, name: &str) -> io::Result<Process> {
    let mut command = vidchat();
    command
        .arg("recv")
        .arg(address.to_string())
        .arg("--pipeline")
        .arg(pipeline(name))
        .stdout(Stdio::piped());
    Process::start(&mut command, Talks::Stderr)
}

/// `viewers` of a test picture that is painted thirty times a second, drained as the floor's are.
///
/// # Errors
/// Those of the program and the drain.
pub fn fan_out(viewers: usize, seconds: f64) -> io::Result<drain::Measured> {
    fan_out_of(Sender::command("plain.gst"), viewers, seconds, |spec| spec)
}

/// The same with a key or, to be compared with that, in clear.
///
/// # Errors
/// As [`fan_out`].
pub fn compared_fan_out(
    viewers: usize,
    seconds: f64,
    is_encrypted: bool,
) -> io::Result<drain::Measured> {
    let command = Sender::command("plain.gst");
    compared_fan_out_of(command, viewers, seconds, Format::I420, is_encrypted)
}

/// The same with frames of H.264 from the program's own encoder. They differ in length, so those that the
/// viewers get are not counted one by one.
///
/// # Errors
/// As [`fan_out`].
pub fn compared_fan_out_of_h264(
    viewers: usize,
    seconds: f64,
    is_encrypted: bool,
) -> io::Result<drain::Measured> {
    let mut command = vidchat();
    command
        .args(["send", "--no-preview", "--bind", "127.0.0.1", "--port", "0"])
        .args(["--no-announce", "--pipeline", "test-h264"]);
    compared_fan_out_of(command, viewers, seconds, Format::Small, is_encrypted)
}

fn compared_fan_out_of(
    mut command: Command,
    viewers: usize,
    seconds: f64,
    format: Format,
    is_encrypted: bool,
) -> io::Result<drain::Measured> {
    if is_encrypted {
        command.env("VIDCHAT_KEY", encrypted::KEY);
    }
    let drained = |spec| encrypted::drained(spec, format.bytes(), is_encrypted);
    fan_out_of(command, viewers, seconds, drained)
}

fn fan_out_of(
    mut command: Command,
    viewers: usize,
    seconds: f64,
    drained: impl FnOnce(spec::Spec) -> spec::Spec,
) -> io::Result<drain::Measured> {
    meter::allow_files(viewers + 100)?;
    command.args(["--max-viewers", &viewers.to_string()]);
    let sender = Sender::of(Process::start(&mut command, Talks::Stderr)?)?;
    let spec = spec::Spec::many(sender.address, viewers, seconds);
    let spec = drained(super::spoken_to(spec));
    drain::measure(&spec, || meter::cpu_of(sender.process.id()))
}
