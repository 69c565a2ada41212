//! What is measured, a file a part, and in which order.

mod back;
mod cpu;
mod encrypted;
mod fanout;
mod first;
mod latency;
mod memory;
mod throughput;
mod tutorial;

use std::io;

use crate::yardstick::drain::Measured;
use crate::yardstick::peers;
use crate::yardstick::table::Table;

/// Its name, what it is, whether it takes long, and how it is done.
type Part = (
    &'static str,
    &'static str,
    bool,
    fn(&mut Run) -> io::Result<()>,
);

const PARTS: [Part; 9] = [
    (
        "throughput",
        "one viewer as fast as it goes",
        false,
        throughput::run,
    ),
    (
        "fanout",
        "the sender's processor time for each viewer",
        false,
        fanout::run,
    ),
    (
        "encrypted",
        "the sender's processor time with a key",
        false,
        encrypted::run,
    ),
    (
        "latency",
        "from frame to frame and to the screen",
        false,
        latency::run,
    ),
    ("cpu", "both ends at 30 frames a second", false, cpu::run),
    (
        "first",
        "the first frame after recv is typed",
        false,
        first::run,
    ),
    (
        "back",
        "a frame again after the sender was killed and restarted",
        false,
        back::run,
    ),
    (
        "tutorial",
        "beside the tutorial's own programs",
        false,
        tutorial::run,
    ),
    (
        "memory",
        "the sender's memory over five minutes",
        true,
        memory::run,
    ),
];

/// One run: what it found so far.
struct Run {
    table: Table,
    /// Cores that programs which are no part of this kept busy, each time they were looked at.
    others: Vec<f64>,
    /// GStreamer's command line and all of its elements are there.
    has_peers: bool,
}

impl Run {
    /// `measure` where there are peers to be measured. One of them fails now and then: it is tried
    /// once more, and then left out.
    fn peer<T>(&self, measure: impl Fn() -> io::Result<T>) -> io::Result<Option<T>> {
        if !self.has_peers {
            return Ok(None);
        }
        let measured = measure().or_else(|error| {
            eprintln!("  a peer failed, and is tried again: {error}");
            measure()
        });
        if let Err(error) = &measured {
            eprintln!("  a peer failed again, and is left out: {error}");
        }
        Ok(measured.ok())
    }

    /// Prints the rounds of one measurement, and notes how busy the machine was otherwise.
    fn tell(&mut self, what: &str, found: &[Measured]) {
        for m in found {
            eprintln!(
                "  {what}: {:.1} µs, {:.1} to {:.1} fps, others {:.2}",
                m.cpu_per_frame(),
                m.report.fps_min(),
                m.report.fps_mean(),
                m.others
            );
        }
        self.note(found);
    }

    /// Notes how busy the machine was otherwise.
    fn note<'a>(&mut self, measured: impl IntoIterator<Item = &'a Measured>) {
        self.others
            .extend(measured.into_iter().map(|measured| measured.others));
    }
}

/// Measures the parts that are `named`, or all but those that take long, and prints the table.
/// False when a name is no part's.
pub fn run(named: &[&str], long: bool) -> io::Result<bool> {
    if let Some(unknown) = named
        .iter()
        .find(|name| !PARTS.iter().any(|part| part.0 == **name))
    {
        eprintln!("error: there is no part {unknown:?}");
        for (name, what, ..) in PARTS {
            eprintln!("  {name}: {what}");
        }
        return Ok(false);
    }
    let missing = peers::missing().unwrap_or(Some("gst-launch-1.0"));
    if let Some(missing) = missing {
        eprintln!("without the peers: {missing} is not installed");
    }
    let mut run = Run {
        table: Table::default(),
        others: Vec::new(),
        has_peers: missing.is_none(),
    };
    for (name, what, takes_long, measure) in PARTS {
        let wanted = match named {
            [] => long || !takes_long,
            named => named.contains(&name),
        };
        if wanted {
            eprintln!("{name}: {what}");
            measure(&mut run)?;
        }
    }
    print!("{}", run.table);
    if !run.others.is_empty() {
        let most = run.others.iter().copied().fold(0.0, f64::max);
        let mean = run.others.iter().sum::<f64>() / run.others.len() as f64;
        println!("\nOther programs kept {mean:.2} cores busy meanwhile, {most:.2} at the most.");
    }
    Ok(true)
}
