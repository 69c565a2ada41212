//! From a sender that is killed and started again to its first frame at a viewer that stayed.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::Run;
use crate::ours::program;
use crate::yardstick::table::{Bar, Row};

const ROUNDS: u32 = 12;

/// The sender is away for so much longer each time, so that the viewer is met in every part of its
/// pauses.
const AWAY: Duration = Duration::from_millis(210);

/// How long a frame may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A frame in I420.
const FRAME_BYTES: usize = 320 * 240 * 3 / 2;

pub fn run(run: &mut Run) -> io::Result<()> {
    for pipeline in ["test", "test-h264"] {
        let found = restarts(pipeline)?;
        eprintln!("  {pipeline}: {found:.3?} s");
        for (since, figure) in [("starting", 0), ("listening", 1)] {
            let worst = found.iter().map(|round| round[figure]).fold(0.0, f64::max);
            run.table.push(
                Row::new(format!(
                    "{pipeline}: a frame again after the sender is {since}, the worst of {ROUNDS}: s"
                ))
                .vidchat(Some(worst))
                .bar(Bar::AtMost(1.0)),
            );
        }
    }
    Ok(())
}

/// Seconds to the first frame of each new sender, from when it was started, and from when it
/// said that it listens.
fn restarts(pipeline: &str) -> io::Result<Vec<[f64; 2]>> {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut sender = program::Sender::at(anywhere, pipeline)?;
    let address = sender.address;
    let mut receiver = program::recv_into_pipe(address, "age-recv.gst")?;
    let mut stdout = receiver.stdout().ok_or(io::ErrorKind::BrokenPipe)?;
    let (came, frames) = mpsc::channel();
    // It ends with the receiver.
    thread::Builder::new().name("out".into()).spawn(move || {
        let mut frame = vec![0; FRAME_BYTES];
        while stdout.read_exact(&mut frame).is_ok() && came.send(Instant::now()).is_ok() {}
    })?;
    let mut found = Vec::new();
    for round in 1..=ROUNDS {
        frames.recv_timeout(PATIENCE).map_err(io::Error::other)?;
        sender.process.kill()?;
        thread::sleep(AWAY * round);
        // What was still on its way.
        frames.try_iter().for_each(drop);
        let started = Instant::now();
        sender = program::Sender::at(address, pipeline)?;
        let first = frames.recv_timeout(PATIENCE).map_err(io::Error::other)?;
        let since = |then: Instant| first.saturating_duration_since(then).as_secs_f64();
        found.push([since(started), since(sender.listened)]);
    }
    Ok(found)
}
