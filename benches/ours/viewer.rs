//! vidchat's receiver without GStreamer: `net::play` into one buffer that is used again.

use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vidchat::failure::Failure;
use vidchat::frame::FrameHeader;
use vidchat::net::receiver::{ReceiveError, ReceiveOptions};
use vidchat::net::{self, Sink, StreamStats, TcpStream};
use vidchat::wire::{Caps, Loss};

use crate::yardstick::meter::{self, Clock};
use crate::yardstick::process::{Process, Talks};

/// The hidden argument that makes a bench program this viewer.
pub const ARGUMENT: &str = "__view";

/// What to watch.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Spec {
    /// The sender.
    pub address: SocketAddr,
    /// Seconds from the first frame until it counts.
    pub warm_up: f64,
    /// Seconds to count for.
    pub seconds: f64,
}

/// What was seen in these seconds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Report {
    /// Frames a second.
    pub fps: f64,
    /// The viewer's processor time for each frame, in µs.
    pub cpu_per_frame: f64,
    /// From publishing a frame to having it whole in memory: p50, p95 and p99 in µs.
    pub latency: [f64; 3],
}

/// Watches in a process of its own, and reads the sender's processor time with `cpu` at both ends
/// of what is counted.
///
/// # Errors
/// It could not connect, or the sender ended, or `cpu` failed.
pub fn watch(spec: Spec, cpu: impl Fn() -> io::Result<Duration>) -> io::Result<(Report, Duration)> {
    let mut command = Command::new(std::env::current_exe()?);
    let process = Process::start(
        command.arg(ARGUMENT).arg(serde_json::to_string(&spec)?),
        Talks::Stdout,
    )?;
    let patience = Duration::from_secs_f64(spec.warm_up + spec.seconds + 10.0);
    process.line("begun", patience)?;
    let before = cpu()?;
    let (_, line) = process.line("{", patience)?;
    let used = cpu()?.saturating_sub(before);
    Ok((serde_json::from_str(&line)?, used))
}

/// The child's side: prints a [`Report`].
///
/// # Errors
/// As [`watch`].
pub fn run(spec: &str) -> io::Result<()> {
    let spec: Spec = serde_json::from_str(spec)?;
    let mut counter = Counter {
        spec,
        since: None,
        cpu: Duration::ZERO,
        spare: Vec::new(),
        latencies: Vec::new(),
    };
    let ended = super::runtime()?.block_on(async {
        let stream = TcpStream::connect(spec.address).await?;
        let (options, seen) = (ReceiveOptions::default(), StreamStats::default());
        io::Result::Ok(
            net::play(
                net::introduce(stream, &options).await?,
                &options,
                &seen,
                &mut counter,
            )
            .await,
        )
    })?;
    match ended {
        // This is how it ends when the time is over.
        ReceiveError::Sink(_) => {}
        error => return Err(io::Error::other(error)),
    }
    let report = counter.report().ok_or(io::ErrorKind::UnexpectedEof)?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

struct Counter {
    spec: Spec,
    /// When it began to count.
    since: Option<Instant>,
    /// The processor time used until then.
    cpu: Duration,
    /// The buffer, while it is not lent.
    spare: Vec<u8>,
    /// In ns.
    latencies: Vec<u64>,
}

impl Counter {
    fn report(&mut self) -> Option<Report> {
        let seconds = self.since?.elapsed().as_secs_f64();
        let frames = self.latencies.len() as f64;
        let cpu = meter::own_cpu().saturating_sub(self.cpu);
        let latency = meter::percentiles(&mut self.latencies)?.map(|ns| ns as f64 / 1e3);
        Some(Report {
            fps: frames / seconds,
            cpu_per_frame: cpu.as_secs_f64() * 1e6 / frames,
            latency,
        })
    }
}

impl Sink for Counter {
    type Buffer = Vec<u8>;

    fn hello(&mut self, _: &str) {}

    fn caps(&mut self, _: &Caps) -> Result<(), Failure> {
        Ok(())
    }

    fn buffer(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        self.spare.resize(length, 0);
        Ok(std::mem::take(&mut self.spare))
    }

    fn lost(&mut self, _loss: &Loss) {}

    fn frame(&mut self, header: &FrameHeader, buffer: Vec<u8>) -> Result<(), Failure> {
        self.spare = buffer;
        let warm_up = Duration::from_secs_f64(self.spec.warm_up);
        let since = *self.since.get_or_insert_with(|| Instant::now() + warm_up);
        let Some(counted) = Instant::now().checked_duration_since(since) else {
            return Ok(());
        };
        if self.latencies.is_empty() {
            println!("begun");
            self.cpu = meter::own_cpu();
        }
        let age = Clock::Realtime.now().saturating_sub(header.captured_at);
        self.latencies.push(age);
        if counted.as_secs_f64() < self.spec.seconds {
            Ok(())
        } else {
            Err(Failure::lost("the time is over"))
        }
    }
}
