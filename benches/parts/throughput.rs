//! 320×240 BGR, one viewer, as fast as it goes.

use std::io;

use super::Run;
use crate::ours::sender::{Pace, Sender};
use crate::ours::{Format, viewer};
use crate::yardstick::meter::{alternate, median};
use crate::yardstick::table::{Bar, Row};
use crate::yardstick::{BGR, floor, peers};

const ROUNDS: usize = 9;
const SECONDS: f64 = 0.7;

/// What one round found.
#[derive(Clone, Copy, Debug)]
struct Found {
    fps: f64,
    /// Processor time for each frame in µs, of the sender and of the viewer, where it is known.
    cpu: Option<[f64; 2]>,
}

pub fn run(run: &mut Run) -> io::Result<()> {
    let [floor, peer, ours] = alternate(
        ROUNDS,
        [
            &mut || floor().map(Some),
            &mut || run.peer(peer),
            &mut || ours().map(Some),
        ],
    )?;
    let [floor, peer, ours] = [("floor", floor), ("peer", peer), ("vidchat", ours)].map(of_all);
    run.table.push(
        Row::new("320×240 BGR, one viewer, as fast as it goes: frames/s")
            .floor(median(&floor, |found| found.fps))
            .peer(median(&peer, |found| found.fps))
            .vidchat(median(&ours, |found| found.fps))
            .bar(Bar::FloorAtLeast(0.9)),
    );
    for (end, name) in ["sender", "viewer"].into_iter().enumerate() {
        let cpu = |found: &[Found]| {
            let known: Vec<_> = found.iter().filter_map(|found| found.cpu).collect();
            median(&known, |cpu| cpu[end])
        };
        run.table.push(
            Row::new(format!("as fast as it goes: {name}'s CPU, µs per frame"))
                .floor(cpu(&floor))
                .vidchat(cpu(&ours)),
        );
    }
    Ok(())
}

fn of_all((who, found): (&str, Vec<Option<Found>>)) -> Vec<Found> {
    let found: Vec<Found> = found.into_iter().flatten().collect();
    for Found { fps, cpu } in &found {
        eprintln!("  {who}: {fps:.0} fps, sender and viewer {cpu:.1?} µs");
    }
    found
}

fn floor() -> io::Result<Found> {
    let measured = floor::throughput(BGR, SECONDS)?;
    let report = &measured.report;
    let viewer = report.cpu_seconds * 1e6 / report.frames_mean;
    Ok(Found {
        fps: report.fps_mean(),
        cpu: Some([measured.cpu_per_frame(), viewer]),
    })
}

fn peer() -> io::Result<Found> {
    Ok(Found {
        fps: peers::throughput(4000)?,
        cpu: None,
    })
}

fn ours() -> io::Result<Found> {
    let sender = Sender::start(Format::Bgr, Pace::PickedUp)?;
    let spec = viewer::Spec {
        address: sender.address,
        warm_up: 0.5,
        seconds: SECONDS,
    };
    let (report, used) = viewer::watch(spec, || sender.cpu())?;
    let sent = used.as_secs_f64() * 1e6 / (report.fps * SECONDS);
    Ok(Found {
        fps: report.fps,
        cpu: Some([sent, report.cpu_per_frame]),
    })
}
