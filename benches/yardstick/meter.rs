//! Clocks, processor time and percentiles: what every yardstick reads and none owns.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, Timespec, clock_gettime};
use serde::{Deserialize, Serialize};

/// The clock that a frame's stamp was taken from.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub enum Clock {
    /// `CLOCK_MONOTONIC`: the same in every process of one machine, and never set back.
    Monotonic,
    /// `CLOCK_REALTIME`, since the Unix epoch: vidchat's "captured at".
    Realtime,
}

impl Clock {
    /// The time now, in ns.
    pub fn now(self) -> u64 {
        let id = match self {
            Self::Monotonic => ClockId::Monotonic,
            Self::Realtime => ClockId::Realtime,
        };
        u64::try_from(duration(clock_gettime(id)).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The processor time this process has used, all its threads and those that have ended, user and
/// kernel. Loopback delivery runs inside the sender's system call, so it is the sender's.
pub fn own_cpu() -> Duration {
    duration(clock_gettime(ClockId::ProcessCPUTime))
}

/// The processor time process `pid` has used, user and kernel, threads that have ended left out
/// where the kernel keeps `schedstat` (ns). Elsewhere `stat` answers, in steps of 10 ms, which is
/// too coarse for a program at 1 %.
///
/// # Errors
/// The process is gone, or `/proc` is not what it should be.
pub fn cpu_of(pid: u32) -> io::Result<Duration> {
    if pid == std::process::id() {
        return Ok(own_cpu());
    }
    // Asked first: it also says that the process has ended, when `schedstat` still answers with the
    // little that is left of it.
    let coarse = by_stat(pid)?;
    Ok(by_schedstat(pid).unwrap_or(coarse))
}

/// The processor time all programs together have used since the machine started, the first line of
/// `/proc/stat` (proc_stat(5)) without idle and iowait, in steps of 10 ms. Steal is in it: a core
/// that the host took away was not there for us.
///
/// # Errors
/// `/proc` is not what it should be.
pub fn machine_cpu() -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let first = text.lines().next().unwrap_or_default();
    let fields = first
        .split_whitespace()
        .skip(1)
        .map_while(|field| field.parse::<u64>().ok());
    // user nice system idle iowait irq softirq steal; guest times are in user already.
    let busy = fields
        .enumerate()
        .take(8)
        .filter(|(index, _)| ![3, 4].contains(index));
    Ok(ticks(busy.map(|(_, ticks)| ticks).sum()))
}

/// 50th, 95th and 99th percentile of `samples` (any unit), which it sorts; `None` without any.
pub fn percentiles<T: Copy + Ord>(samples: &mut [T]) -> Option<[T; 3]> {
    samples.sort_unstable();
    let last = samples.len().checked_sub(1)?;
    Some([50, 95, 99].map(|percent| samples[last * percent / 100]))
}

/// Runs `measures` in turn, `rounds` times over, and returns what each one found in the order it
/// came. In turn, so that what another program does to the machine hits all of them alike; hold
/// [`median`] against median.
///
/// # Errors
/// That of the first measure which failed.
pub fn alternate<T, const N: usize>(
    rounds: usize,
    mut measures: [&mut dyn FnMut() -> io::Result<T>; N],
) -> io::Result<[Vec<T>; N]> {
    let mut figures = [const { Vec::new() }; N];
    for _ in 0..rounds {
        for (measure, figures) in measures.iter_mut().zip(&mut figures) {
            figures.push(measure()?);
        }
    }
    Ok(figures)
}

/// The middle one (the upper of two) of what `figure` reads off `found`; `None` without any.
pub fn median<T>(found: &[T], figure: impl Fn(&T) -> f64) -> Option<f64> {
    let mut figures: Vec<f64> = found.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

/// Raises the limit of open files to what is allowed, which must be `needed`.
///
/// # Errors
/// The hard limit is lower than that.
pub fn allow_files(needed: usize) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let needed = needed as u64;
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(maximum) = limit.maximum.filter(|maximum| *maximum < needed) {
        return Err(io::Error::other(format!(
            "{needed} open files are needed and the hard limit is {maximum} (ulimit -Hn)"
        )));
    }
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )?;
    Ok(())
}

fn duration(time: Timespec) -> Duration {
    // Neither clock is ever negative.
    Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec.max(0) as u32)
}

/// The sum over the threads of `pid` of the first figure in `schedstat`: ns on a processor.
fn by_schedstat(pid: u32) -> Option<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        // A thread that ended since the folder was listed has nothing more to say.
        if let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) {
            nanoseconds += text.split_whitespace().next()?.parse::<u64>().ok()?;
        }
    }
    // A kernel without CONFIG_SCHED_INFO has the file and writes noughts.
    (nanoseconds > 0).then(|| Duration::from_nanos(nanoseconds))
}

/// utime + stime (fields 14 and 15, in ticks) of `/proc/PID/stat`, see proc_pid_stat(5).
fn by_stat(pid: u32) -> io::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in brackets and may hold blanks and brackets.
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    if let Some(&"Z" | &"X") = fields.first() {
        return Err(io::Error::other(format!("process {pid} has ended")));
    }
    let field = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let (Some(user), Some(system)) = (field(11), field(12)) else {
        return Err(io::Error::other(format!(
            "/proc/{pid}/stat cannot be read: {text}"
        )));
    };
    Ok(ticks(user + system))
}

fn ticks(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}
