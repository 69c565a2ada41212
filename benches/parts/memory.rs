//! The sender's memory over five minutes, with viewers of which some never read, and one so little
//! that it is just not given up.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::Run;
use crate::ours::{program, spoken_to};
use crate::yardstick::drain::Drain;
use crate::yardstick::meter;
use crate::yardstick::spec::Spec;
use crate::yardstick::table::Row;

const VIEWERS: usize = 90;
const STALLED: usize = 10;
const SECONDS: u64 = 300;

/// When the first figure is taken, after whatever fills once has filled.
const FILLED: u64 = 30;

/// How often those that do not read come back: before the sender gives them up.
const AGAIN: u64 = 15;

/// What one viewer reads in a second, in bytes: a frame in eight seconds.
const CRUMB: usize = 30 * 1024;

pub fn run(run: &mut Run) -> io::Result<()> {
    meter::allow_files(VIEWERS + 4 * STALLED + 100)?;
    let sender = program::Sender::start("plain.gst", &[])?;
    let spec = spoken_to(Spec::many(sender.address, VIEWERS, (SECONDS + 5) as f64));
    let mut drain = Drain::start(&spec)?;
    drain.begun()?;
    let (begun, mut found, mut stalled) = (Instant::now(), Vec::new(), Vec::new());
    // Nothing is said in it of acknowledging: only its socket bounds what it is sent.
    let mut asleep = TcpStream::connect(spec.address)?;
    asleep.write_all(&spec.preamble)?;
    asleep.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut crumb = vec![0; CRUMB];
    for second in 0..=SECONDS {
        asleep.read_exact(&mut crumb)?;
        if second % AGAIN == 0 {
            stalled = stall(&spec)?;
        }
        if second >= FILLED {
            found.push(resident(sender.process.id())?);
        }
        let next = begun + Duration::from_secs(second + 1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    drop(stalled);
    eprintln!("  {found:.1?} MiB");
    for (when, figure) in [
        ("half a minute", found.first()),
        ("one minute", found.get((60 - FILLED) as usize)),
        ("five minutes", found.last()),
    ] {
        run.table.push(
            Row::new(format!(
                "sender's memory, 101 viewers, 11 stalled, after {when}: MiB"
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
