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
/// With an encoder beside them, rounds differ more.
const LONG_ROUNDS: usize = 9;
const LONG_SECONDS: f64 = 5.0;

pub fn run(run: &mut Run) -> io::Result<()> {
    let per_frame = |what: &str, bar| Compared {
        what: what.to_owned(),
        unit: "µs per viewer and frame",
        figure: Measured::cpu_per_frame,
        rounds: ROUNDS,
        bar,
    };
    compare(
        run,
        &per_frame("100 viewers of raw frames, whole program", 1.3),
        &mut || program::compared_fan_out(100, SECONDS, false),
        &mut || program::compared_fan_out(100, SECONDS, true),
    )?;
    for (viewers, format, name, bar) in [
        (100, Format::I420, "raw frames", 1.3),
        (1000, Format::Small, "2,300 bytes", 1.1),
    ] {
        compare(
            run,
            &per_frame(&format!("{viewers} viewers of {name}, sockets alone"), bar),
            &mut || sender::compared_fan_out(viewers, SECONDS, format, false),
            &mut || sender::compared_fan_out(viewers, SECONDS, format, true),
        )?;
    }
    compare(
        run,
        &Compared {
            what: "1000 viewers of H.264, whole program".to_owned(),
            unit: "% of a core",
            figure: Measured::cpu_percent,
            rounds: LONG_ROUNDS,
            bar: 1.1,
        },
        &mut || program::compared_fan_out_of_h264(1000, LONG_SECONDS, false),
        &mut || program::compared_fan_out_of_h264(1000, LONG_SECONDS, true),
    )
}

/// A figure of the sender, in clear and with a key.
struct Compared {
    what: String,
    unit: &'static str,
    figure: fn(&Measured) -> f64,
    rounds: usize,
    /// The most that it may cost with a key, where 1 is in clear.
    bar: f64,
}

type Measure<'a> = &'a mut dyn FnMut() -> io::Result<Measured>;

fn compare(
    run: &mut Run,
    compared: &Compared,
    clear: Measure<'_>,
    encrypted: Measure<'_>,
) -> io::Result<()> {
    let Compared {
        what,
        unit,
        figure,
        rounds,
        bar,
    } = compared;
    let [clear, encrypted] = alternate(*rounds, [clear, encrypted])?;
    for (found, how) in [(&clear, "in clear"), (&encrypted, "encrypted")] {
        run.tell(&format!("{what}, {how}"), found);
        for one in found {
            eprintln!("  {what}, {how}: {:.1} {unit}", figure(one));
        }
    }
    run.table.push(
        Row::new(format!("{what}, with a key: sender's {unit}"))
            .floor(median(&clear, figure))
            .vidchat(median(&encrypted, figure))
            .bar(Bar::FloorAtMost(*bar)),
    );
    Ok(())
}
