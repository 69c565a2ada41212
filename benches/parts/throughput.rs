//! 320×240 BGR, one viewer, as fast as it goes.

use std::io;

use super::Run;
use crate::ours::sender::{Pace, Sender};
use crate::ours::{Form, viewer};
use crate::yardstick::meter::{alternate, median};
use crate::yardstick::table::{Bar, Row};
use crate::yardstick::{BGR, floor, peers};

const ROUNDS: usize = 7;
const SECONDS: f64 = 1.0;

pub fn run(run: &mut Run) -> io::Result<()> {
    let [floor, peer, ours] = alternate(
        ROUNDS,
        [
            &mut || Ok(Some(floor::throughput(BGR, SECONDS)?.report.fps_mean())),
            &mut || run.peer(|| peers::throughput(4000)),
            &mut || ours().map(Some),
        ],
    )?;
    let middle = |found: Vec<Option<f64>>| {
        eprintln!("  {found:.0?}");
        let found: Vec<f64> = found.into_iter().flatten().collect();
        median(&found, |fps| *fps)
    };
    run.table.push(
        Row::new("320×240 BGR, one viewer, as fast as it goes: frames/s")
            .floor(middle(floor))
            .peer(middle(peer))
            .vidchat(middle(ours))
            .bar(Bar::FloorAtLeast(0.9)),
    );
    Ok(())
}

fn ours() -> io::Result<f64> {
    let sender = Sender::start(Form::Bgr, Pace::PickedUp)?;
    let spec = viewer::Spec {
        address: sender.address,
        warm_up: 0.5,
        seconds: SECONDS,
    };
    Ok(viewer::watch(spec)?.fps)
}
