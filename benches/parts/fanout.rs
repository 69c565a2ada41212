//! The sender's processor time for each viewer and frame, raw I420 at 30 frames a second, and
//! whether they all get their 30.

use std::io;

use super::Run;
use crate::ours::{program, sender};
use crate::yardstick::drain::Measured;
use crate::yardstick::meter::{alternate, median};
use crate::yardstick::table::{Bar, Row};
use crate::yardstick::{floor, peers};

/// How many viewers, how often, and for how many seconds.
const LOADS: [(usize, usize, f64); 3] = [(1, 3, 2.0), (100, 3, 2.5), (1000, 3, 2.5)];

/// The peer breaks down at a few hundred viewers.
const PEER_LIMIT: usize = 100;

pub fn run(run: &mut Run) -> io::Result<()> {
    for (viewers, rounds, seconds) in LOADS {
        let found = measure(run, viewers, rounds, seconds)?;
        for (who, found) in ["floor", "peer", "net::serve", "vidchat send"]
            .into_iter()
            .zip(&found)
        {
            for m in found.iter().flatten() {
                eprintln!(
                    "  {viewers} {who}: {:.1} µs, {:.1} to {:.1} fps, drain {:.0} %, others {:.2}",
                    m.cpu_per_frame(),
                    m.report.fps_min(),
                    m.report.fps_mean(),
                    m.report.cpu_seconds * 100.0 / m.report.seconds,
                    m.others
                );
            }
            run.note(found.iter().flatten());
        }
        report(
            run,
            viewers,
            found.map(|f| f.into_iter().flatten().collect()),
        );
    }
    Ok(())
}

/// Floor, peer, the library and the program.
fn measure(
    run: &Run,
    viewers: usize,
    rounds: usize,
    seconds: f64,
) -> io::Result<[Vec<Option<Measured>>; 4]> {
    let peer = || {
        if viewers <= PEER_LIMIT {
            run.peer(|| peers::fan_out(viewers, seconds))
        } else {
            Ok(None)
        }
    };
    alternate(
        rounds,
        [
            &mut || floor::fan_out(viewers, seconds).map(Some),
            &mut || peer(),
            &mut || sender::fan_out(viewers, seconds).map(Some),
            &mut || program::fan_out(viewers, seconds).map(Some),
        ],
    )
}

fn report(run: &mut Run, viewers: usize, found: [Vec<Measured>; 4]) {
    let [floor, peer, ours, program] = found;
    let cpu = |found: &[Measured]| median(found, Measured::cpu_per_frame);
    let fps_min = |found: &[Measured]| median(found, |m| m.report.fps_min());
    let fps_mean = |found: &[Measured]| median(found, |m| m.report.fps_mean());
    let who = match viewers {
        1 => "1 viewer".to_owned(),
        viewers => format!("{viewers} viewers"),
    };
    let row = Row::new(format!(
        "{who}, sockets alone: sender's µs per viewer and frame"
    ))
    .floor(cpu(&floor))
    .vidchat(cpu(&ours));
    run.table.push(match viewers {
        100 => row.bar(Bar::FloorAtMost(1.15)),
        _ => row,
    });
    let row = Row::new(format!(
        "{who}, whole program: sender's µs per viewer and frame"
    ))
    .peer(cpu(&peer))
    .vidchat(cpu(&program));
    run.table.push(if viewers <= PEER_LIMIT {
        row.bar(Bar::BelowPeer)
    } else {
        row
    });
    for (which, fps) in [
        ("worst", &fps_min as &dyn Fn(&[Measured]) -> _),
        ("mean", &fps_mean),
    ] {
        let row = Row::new(format!("{who}, whole program: frames/s, {which}"))
            .floor(fps(&floor))
            .peer(fps(&peer))
            .vidchat(fps(&program));
        // A frame more or less falls into the seconds that are counted.
        run.table.push(row.bar(Bar::AtLeast(29.5)));
    }
}
