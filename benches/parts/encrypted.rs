//! The price of encryption: the sender's processor time for each viewer and frame with a key, beside the
//! same in clear, which stands in the floor's column.

use std::io;

use super::Run;
use crate::ours::{Format, program, sender};
use crate::yardstick::drain::Measured;
use crate::yardstick::meter::{alternate, median};
use crate::yardstick::table::{Bar, Row};

const ROUNDS: usize = 5;
const SECONDS: f64 = 2.5;

pub fn run(run: &mut Run) -> io::Result<()> {
    compare(
        run,
        "100 viewers of raw frames, whole program",
        1.3,
        &mut || program::compared_fan_out(100, SECONDS, false),
        &mut || program::compared_fan_out(100, SECONDS, true),
    )?;
    for (viewers, format, name, bar) in [
        (100, Format::I420, "raw frames", 1.3),
        (1000, Format::Small, "2,300 bytes", 1.1),
    ] {
        compare(
            run,
            &format!("{viewers} viewers of {name}, sockets alone"),
            bar,
            &mut || sender::compared_fan_out(viewers, SECONDS, format, false),
            &mut || sender::compared_fan_out(viewers, SECONDS, format, true),
        )?;
    }
    Ok(())
}

type Measure<'a> = &'a mut dyn FnMut() -> io::Result<Measured>;

fn compare(
    run: &mut Run,
    what: &str,
    bar: f64,
    clear: Measure<'_>,
    encrypted: Measure<'_>,
) -> io::Result<()> {
    let [clear, encrypted] = alternate(ROUNDS, [clear, encrypted])?;
    run.tell(&format!("{what}, in clear"), &clear);
    run.tell(&format!("{what}, encrypted"), &encrypted);
    let cpu = |found: &[Measured]| median(found, Measured::cpu_per_frame);
    run.table.push(
        Row::new(format!(
            "{what}, with a key: sender's µs per viewer and frame"
        ))
        .floor(cpu(&clear))
        .vidchat(cpu(&encrypted))
        .bar(Bar::FloorAtMost(bar)),
    );
    Ok(())
}
