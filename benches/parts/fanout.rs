//! The sender's processor time for each viewer and frame at 30 frames a second, raw I420 and frames as
//! short as H.264's, and whether the viewers all get their 30.

use std::io;

use super::Run;
use crate::ours::{Format, program, sender};
use crate::yardstick::drain::Measured;
use crate::yardstick::meter::{alternate, median};
use crate::yardstick::table::{Bar, Row};
use crate::yardstick::{FPS, floor, peers};

/// How many viewers, how often, and for how many seconds.
const LOADS: [(usize, usize, f64); 3] = [(1, 3, 2.0), (100, 3, 2.5), (1000, 3, 2.5)];

/// The same for short frames, which are measured without a program, since no encoder is to be counted.
const SHORT_LOADS: [(usize, usize, f64); 2] = [(1000, 3, 2.5), (3000, 3, 2.5)];

/// The peer breaks down at a few hundred viewers.
const PEER_LIMIT: usize = 100;

pub fn run(run: &mut Run) -> io::Result<()> {
    let mut alone: [Option<f64>; 2] = [None; 2];
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
        let each = [&found[0], &found[3]].map(|found| busy(found));
        match viewers {
            1 => alone = each,
            100 => run.table.push(beyond_the_first(viewers, alone, each)),
            _ => {}
        }
        report(
            run,
            viewers,
            found.map(|f| f.into_iter().flatten().collect()),
        );
    }
    for (viewers, rounds, seconds) in SHORT_LOADS {
        short_frames(run, viewers, rounds, seconds)?;
    }
    Ok(())
}

/// The sender's processor time in a second, in µs.
fn busy(found: &[Option<Measured>]) -> Option<f64> {
    let found: Vec<&Measured> = found.iter().flatten().collect();
    median(&found, |m| m.cpu.as_secs_f64() * 1e6 / m.report.seconds)
}

/// What each viewer costs beyond the first, floor and program, by what both cost with one viewer and with
/// so many: the source is left out.
fn beyond_the_first(viewers: usize, alone: [Option<f64>; 2], all: [Option<f64>; 2]) -> Row {
    let frames = (viewers - 1) as f64 * f64::from(FPS);
    let [floor, program] = [0, 1].map(|i| Some((all[i]? - alone[i]?) / frames));
    Row::new(format!(
        "{viewers} viewers, whole program: sender's µs per viewer beyond the first and frame"
    ))
    .floor(floor)
    .vidchat(program)
    .bar(Bar::FloorAtMost(1.25))
}

fn short_frames(run: &mut Run, viewers: usize, rounds: usize, seconds: f64) -> io::Result<()> {
    let [floor, ours] = alternate(
        rounds,
        [
            &mut || floor::fan_out(viewers, Format::Small.bytes(), seconds),
            &mut || sender::fan_out(viewers, seconds, Format::Small),
        ],
    )?;
    run.tell(&format!("{viewers} floor, short frames"), &floor);
    run.tell(&format!("{viewers} net::serve, short frames"), &ours);
    let cpu = |found: &[Measured]| median(found, Measured::cpu_per_frame);
    let fps = |found: &[Measured]| median(found, |m| m.report.fps_min());
    let bytes = Format::Small.bytes();
    run.table.push(
        Row::new(format!(
            "{viewers} viewers of {bytes} bytes, sockets alone: sender's µs per viewer and frame"
        ))
        .floor(cpu(&floor))
        .vidchat(cpu(&ours))
        .bar(Bar::FloorAtMost(1.4)),
    );
    run.table.push(
        Row::new(format!(
            "{viewers} viewers of {bytes} bytes: frames/s, worst"
        ))
        .floor(fps(&floor))
        .vidchat(fps(&ours))
        .bar(Bar::AtLeast(29.5)),
    );
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
            &mut || floor::fan_out(viewers, Format::I420.bytes(), seconds).map(Some),
            &mut || peer(),
            &mut || sender::fan_out(viewers, seconds, Format::I420).map(Some),
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
