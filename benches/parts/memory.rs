//! The sender's memory over a minute, with viewers of which some never read.

use std::fs;
use std::io::{self, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::Run;
use crate::ours::{program, spoken_to};
use crate::yardstick::drain::{Drain, Spec};
use crate::yardstick::meter;
use crate::yardstick::table::Row;

const VIEWERS: usize = 90;
const STALLED: usize = 10;
const SECONDS: u64 = 60;

/// How often those that do not read come back: before the sender gives them up.
const AGAIN: u64 = 15;

pub fn run(run: &mut Run) -> io::Result<()> {
    meter::allow_files(VIEWERS + 4 * STALLED + 100)?;
    let sender = program::Sender::start("plain.gst", &[])?;
    let spec = spoken_to(Spec::many(sender.address, VIEWERS, (SECONDS + 5) as f64));
    let mut drain = Drain::start(&spec)?;
    drain.begun()?;
    let (begun, mut found, mut stalled) = (Instant::now(), Vec::new(), Vec::new());
    for second in 0..=SECONDS {
        if second % AGAIN == 0 {
            stalled = stall(&spec)?;
        }
        // Half a minute to fill whatever fills once.
        if second >= SECONDS / 2 {
            found.push(resident(sender.process.id())?);
        }
        let next = begun + Duration::from_secs(second + 1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    drop(stalled);
    eprintln!("  {found:.1?} MiB");
    for (when, figure) in [("30 s", found.first()), ("60 s", found.last())] {
        run.table.push(
            Row::new(format!(
                "sender's memory, 100 viewers, 10 stalled, after {when}: MiB"
            ))
            .vidchat(figure.copied()),
        );
    }
    Ok(())
}

/// Viewers that say hello and never read.
fn stall(spec: &Spec) -> io::Result<Vec<TcpStream>> {
    (0..STALLED)
        .map(|_| {
            let mut stream = TcpStream::connect(spec.address)?;
            stream.write_all(&spec.preamble)?;
            Ok(stream)
        })
        .collect()
}

/// What process `pid` has in memory, in MiB: `VmRSS` of proc_pid_status(5).
fn resident(pid: u32) -> io::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: Option<f64> = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
    kibibytes
        .map(|kibibytes| kibibytes / 1024.0)
        .ok_or_else(|| io::Error::other("no VmRSS"))
}
