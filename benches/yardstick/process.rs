//! A program that is measured: started, followed by what it prints, and ended. The peers and
//! vidchat's own programs are all handled by this.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::AsFd;
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::Timespec;

/// Where a program prints what is to be followed; the other one is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talks {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A program at work, which is ended when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Its command line.
    name: String,
    /// What it prints, with the time that it was read.
    lines: Receiver<(Instant, String)>,
}

impl Process {
    /// Starts `command`. Its standard input is empty unless the command says otherwise.
    ///
    /// # Errors
    /// It could not be started.
    pub fn start(command: &mut Command, talks: Talks) -> io::Result<Self> {
        Self::with_stdin(command.stdin(Stdio::null()), talks)
    }

    /// As [`Process::start`], with the standard input that `command` has.
    ///
    /// # Errors
    /// It could not be started.
    pub fn with_stdin(command: &mut Command, talks: Talks) -> io::Result<Self> {
        match talks {
            Talks::Stdout => command.stdout(Stdio::piped()),
            Talks::Stderr => command.stderr(Stdio::piped()),
        };
        let mut child = command.spawn()?;
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        let name = words.join(" ");
        let output: Option<Box<dyn Read + Send>> = match talks {
            Talks::Stdout => child.stdout.take().map(|pipe| Box::new(pipe) as _),
            Talks::Stderr => child.stderr.take().map(|pipe| Box::new(pipe) as _),
        };
        let (send, lines) = channel();
        let process = Self { child, name, lines };
        let output = output.ok_or_else(|| io::Error::other("a pipe is missing"))?;
        // Ends with the process; the pipe must be read to the end or the process would stand still.
        thread::Builder::new()
            .name("output".into())
            .spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = send.send((Instant::now(), line));
                }
            })?;
        Ok(process)
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, where the command asked for a pipe.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its standard output, where the command asked for a pipe and it is not followed.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The next line with `part` in it and when it came.
    ///
    /// # Errors
    /// It did not come within `patience`, or the program ended before.
    pub fn line(&self, part: &str, patience: Duration) -> io::Result<(Instant, String)> {
        let end = Instant::now() + patience;
        let mut last = String::from("nothing");
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let why = match self.lines.recv_timeout(left) {
                Ok((at, line)) if line.contains(part) => return Ok((at, line)),
                Ok((_, line)) => {
                    last = line;
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => "was waited for",
                Err(RecvTimeoutError::Disconnected) => "did not come before the program's end",
            };
            return Err(io::Error::other(format!(
                "{part:?} {why}, which said {last:?}"
            )));
        }
    }

    /// Ends it at once, as a crash does.
    ///
    /// # Errors
    /// The system does not allow it.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Says so where a signal has ended it that was not sent from here.
    fn tell_of_crash(&self, status: ExitStatus) {
        let sent = [Signal::INT, Signal::KILL].map(Signal::as_raw);
        if status
            .signal()
            .is_some_and(|signal| !sent.contains(&signal))
        {
            eprintln!("  a program crashed, {status}: {}", self.name);
        }
    }

    /// Waits for its end by itself.
    ///
    /// # Errors
    /// It did not end within `patience`, or it failed.
    pub fn end(mut self, patience: Duration) -> io::Result<()> {
        let end = Instant::now() + patience;
        // It closes its output when it ends, which needs no looking again and again.
        while self
            .lines
            .recv_timeout(end.saturating_duration_since(Instant::now()))
            .is_ok()
        {}
        if Instant::now() >= end {
            return Err(io::Error::other("a program that should have ended runs on"));
        }
        match self.child.wait()? {
            status if status.success() => Ok(()),
            status => Err(io::Error::other(format!("a program failed: {status}"))),
        }
    }
}

/// Writes all of `bytes` to the standard input of a program.
///
/// # Errors
/// The program takes nothing for as long as `patience`, or it has ended.
pub fn write_within(
    mut stdin: &ChildStdin,
    mut bytes: &[u8],
    patience: Duration,
) -> io::Result<()> {
    // This end of the pipe alone does not block.
    rustix::io::ioctl_fionbio(stdin, true)?;
    let limit = Timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(patience.subsec_nanos()),
    };
    while !bytes.is_empty() {
        match stdin.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut waiting = [PollFd::new(stdin, PollFlags::OUT)];
                if poll(&mut waiting, Some(&limit))? == 0 {
                    return Err(io::Error::other("a program no longer reads its input"));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes room in a pipe for a frame in one piece.
///
/// # Errors
/// The system does not allow it.
pub fn one_piece(pipe: impl AsFd) -> io::Result<()> {
    rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20)?;
    Ok(())
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            return self.tell_of_crash(status);
        }
        // It is asked first, so that a window is closed and the port let go; not for long.
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        let patience = Instant::now() + Duration::from_secs(1);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return self.tell_of_crash(status),
                Ok(None) if Instant::now() <= patience => thread::sleep(Duration::from_millis(10)),
                _ => break,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
