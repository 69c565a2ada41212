//! The viewers: a process that connects, reads and counts, as cheaply as the kernel allows, so
//! that on two cores it is in the sender's way as little as can be. It is another process for the
//! sender's processor time to be measured alone.
//!
//! ```text
//! bench program ── starts itself with ARGUMENT and a Spec (JSON) ──► drain ── N × connect ──► sender
//!               ◄── "begun"             every connection has a frame, and has had the warm-up
//!               ◄── Report (JSON line)  after the seconds asked for
//! ```

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::Greet;
use super::meter;
use super::reading;
use super::spec::{Report, Spec};

/// The hidden argument that makes a bench program a drain.
pub const ARGUMENT: &str = "__drain";

/// What a drain saw and what the sender spent meanwhile.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The viewers' side.
    pub report: Report,
    /// The sender's processor time in the counted seconds.
    pub cpu: Duration,
    /// Cores that all other programs kept busy meanwhile. From about half a core on, frames a
    /// second and latency say more about them than about the sender.
    pub others: f64,
}

impl Measured {
    /// The sender's processor time in µs for each frame that a viewer got.
    pub fn cpu_per_frame(&self) -> f64 {
        let frames = self.report.frames_mean * self.report.connections as f64;
        self.cpu.as_secs_f64() * 1e6 / frames
    }

    /// The sender's processor time in percent of one core.
    pub fn cpu_percent(&self) -> f64 {
        self.cpu.as_secs_f64() * 100.0 / self.report.seconds
    }
}

/// Drains as `spec` says, and reads the sender's processor time with `cpu` at both ends of what is
/// counted: `|| meter::cpu_of(pid)`.
///
/// # Errors
/// The drain could not connect or had no frame within ten seconds, or `cpu` failed.
pub fn measure(spec: &Spec, cpu: impl Fn() -> io::Result<Duration>) -> io::Result<Measured> {
    let mut drain = Drain::start(spec)?;
    drain.begun()?;
    let before = (cpu()?, meter::machine_cpu()?);
    let report = drain.finish()?;
    let (cpu, machine) = (
        cpu()?.saturating_sub(before.0),
        meter::machine_cpu()?.saturating_sub(before.1),
    );
    let ours = cpu.as_secs_f64() + report.cpu_seconds;
    let others = ((machine.as_secs_f64() - ours) / report.seconds).max(0.0);
    Ok(Measured {
        report,
        cpu,
        others,
    })
}

/// A drain at work in a process of its own, which is ended when this is dropped.
#[derive(Debug)]
pub struct Drain {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Drain {
    /// Starts it; it connects at once.
    ///
    /// # Errors
    /// The process could not be started.
    pub fn start(spec: &Spec) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .arg(serde_json::to_string(spec)?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let Some(stdout) = child.stdout.take() else {
            return Err(io::Error::other("the drain has no standard output"));
        };
        Ok(Self {
            child,
            lines: BufReader::new(stdout),
        })
    }

    /// Waits until it counts.
    ///
    /// # Errors
    /// It ended instead; it has said why on standard error.
    pub fn begun(&mut self) -> io::Result<()> {
        self.line().map(drop)
    }

    /// Waits for what it counted.
    ///
    /// # Errors
    /// It ended without a report.
    pub fn finish(mut self) -> io::Result<Report> {
        Ok(serde_json::from_str(&self.line()?)?)
    }

    /// Bounded, as the drain itself is.
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line)? {
            0 => Err(io::Error::other("the drain ended early")),
            _ => Ok(line),
        }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child's side: drains as `spec` (JSON) says and prints what [`Drain`] reads.
///
/// # Errors
/// As [`measure`].
pub fn run(spec: &str, greet: Greet) -> io::Result<()> {
    let spec: Spec = serde_json::from_str(spec)?;
    let mut viewers = reading::Viewers::connect(&spec, greet)?;
    let patience = Instant::now() + Duration::from_secs(10);
    while !viewers.all_served() {
        if Instant::now() > patience {
            return Err(io::Error::other(format!(
                "{} of {} connections had no frame within 10 s",
                viewers.unserved(),
                spec.connections
            )));
        }
        viewers.read(Instant::now() + Duration::from_millis(10))?;
    }
    viewers.read(Instant::now() + Duration::from_secs_f64(spec.warm_up))?;

    viewers.begin();
    say("begun")?;
    let (begun, cpu) = (Instant::now(), meter::own_cpu());
    viewers.read(begun + Duration::from_secs_f64(spec.seconds))?;
    let (seconds, cpu) = (begun.elapsed(), meter::own_cpu().saturating_sub(cpu));
    say(&serde_json::to_string(&viewers.report(seconds, cpu))?)
}

fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
