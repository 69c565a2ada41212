//! The lines of the log on strangers that are refused. Each listener has one such log. A crowd of
//! strangers must not push away what a person has to read there, such as a code.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::future::pending;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep_until;
use tracing::{debug, info};

use super::log_throttle::span;
use super::subnet::Subnet;

/// The least time between two lines.
const FIRST_GAP: Duration = Duration::from_secs(1);
/// The most time between two lines while strangers come for known reasons. It doubles up to this.
const LONGEST_GAP: Duration = Duration::from_secs(3600);
/// Strangers that have not come for this long are over: their count is told, and the next one is new.
const QUIET: Duration = Duration::from_secs(30);
/// The most lines with a new reason that wait for their second.
const FRESH: usize = 4;
/// The most reasons that are remembered, and the most networks that are told apart.
const REASONS: usize = 32;
const NETWORKS: usize = 1000;

/// Tells of strangers that are refused: of the first at once, and then in at most one line a second,
/// which counts the others.
#[derive(Debug, Default)]
pub(in crate::net) struct StrangerLog {
    refusals: Mutex<Refusals>,
    noted: Notify,
}

/// The strangers that were not told of yet.
#[derive(Debug)]
struct Refusals {
    /// The reasons since it was quiet, the latest last.
    reasons: VecDeque<String>,
    /// The lines with a reason that was new, the oldest first.
    fresh: VecDeque<String>,
    /// The other strangers since the last line.
    others: Others,
    /// When the last line was written, and the time from there to the next one.
    written: Option<Instant>,
    gap: Duration,
    /// When the last stranger came.
    last: Option<Instant>,
}

/// Strangers for reasons that are known, or that are too many.
#[derive(Debug, Default)]
struct Others {
    count: u64,
    networks: HashSet<Subnet>,
    /// The line of the last one.
    latest: String,
}

impl StrangerLog {
    /// Tells of a stranger, now or in a later line. `line` says who it is and why it was refused. Two lines
    /// of the same `reason` are of one kind.
    pub fn note(&self, from: IpAddr, reason: &str, line: &str) {
        let now = Instant::now();
        let due = {
            let mut refusals = self.refusals.lock();
            refusals.note(from.into(), reason, line, now);
            refusals.due(now)
        };
        if due.as_deref() != Some(line) {
            debug!("{line}");
        }
        if let Some(due) = due {
            info!("{due}");
        }
        self.noted.notify_one();
    }

    /// Writes the lines that are due later, for ever. It may be cancelled and begun again.
    pub async fn write_later(&self) -> Infallible {
        loop {
            let due_at = self.refusals.lock().due_at();
            let due = async {
                match due_at {
                    Some(at) => sleep_until(at.into()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.noted.notified() => continue,
            }
            let line = self.refusals.lock().due(Instant::now());
            if let Some(line) = line {
                info!("{line}");
            }
        }
    }
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            reasons: VecDeque::new(),
            fresh: VecDeque::new(),
            others: Others::default(),
            written: None,
            gap: FIRST_GAP,
            last: None,
        }
    }
}

impl Refusals {
    fn note(&mut self, from: Subnet, reason: &str, line: &str, now: Instant) {
        if self.last.is_some_and(|last| last + QUIET <= now) && self.due_at().is_none() {
            *self = Self::default();
        }
        self.last = Some(now);
        if self.is_new(reason) && self.fresh.len() < FRESH {
            self.fresh.push_back(line.to_owned());
        } else {
            self.others.add(from, line);
        }
    }

    /// Whether a reason has not been there since it was quiet, as far as that is remembered.
    fn is_new(&mut self, reason: &str) -> bool {
        if self.reasons.iter().any(|known| known == reason) {
            return false;
        }
        if self.reasons.len() == REASONS {
            self.reasons.pop_front();
        }
        self.reasons.push_back(reason.to_owned());
        true
    }

    /// When there is a line to write; `None` where all strangers were told of.
    fn due_at(&self) -> Option<Instant> {
        let last = self.last?;
        let Some(written) = self.written else {
            return Some(last);
        };
        if !self.fresh.is_empty() {
            return Some(written + FIRST_GAP);
        }
        let over = (last + QUIET).max(written + FIRST_GAP);
        (self.others.count > 0).then(|| (written + self.gap).min(over))
    }

    /// The line that is to be written by now.
    fn due(&mut self, now: Instant) -> Option<String> {
        if self.due_at()? > now {
            return None;
        }
        let since = self.written.replace(now);
        let mut others = std::mem::take(&mut self.others);
        let line = match self.fresh.pop_front() {
            Some(line) => {
                self.gap = FIRST_GAP;
                line
            }
            None => {
                self.gap = (self.gap * 2).min(LONGEST_GAP);
                // The line tells of that one itself.
                others.count -= 1;
                std::mem::take(&mut others.latest)
            }
        };
        let within = since.map(|since| now - since).unwrap_or_default();
        Some(line + &others.told(within))
    }
}

impl Others {
    fn add(&mut self, from: Subnet, line: &str) {
        self.count += 1;
        if self.networks.len() < NETWORKS {
            self.networks.insert(from);
        }
        line.clone_into(&mut self.latest);
    }

    /// What follows a line. It is empty where there are no others.
    fn told(&self, within: Duration) -> String {
        if self.count == 0 {
            return String::new();
        }
        let networks = match self.networks.len() {
            1 => "1 address".into(),
            NETWORKS => format!("{NETWORKS} or more addresses"),
            count => format!("{count} addresses"),
        };
        let (count, within) = (self.count, span(within));
        format!(" (and {count} more from {networks} in the last {within})")
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn network(number: u32) -> Subnet {
        IpAddr::from(Ipv4Addr::from(0xc633_0000 + number)).into()
    }

    /// The lines, with their seconds, that come of strangers: each with the time, the number of its network
    /// and its reason.
    fn lines(strangers: impl Iterator<Item = (Duration, u32, String)>) -> Vec<(u64, String)> {
        let (mut refusals, begun) = (Refusals::default(), Instant::now());
        let mut lines = Vec::new();
        let mut take = |refusals: &mut Refusals, until: Option<Instant>| {
            while let Some(at) = refusals.due_at().max(refusals.last) {
                if refusals.due_at().is_none() || until.is_some_and(|until| at > until) {
                    break;
                }
                let line = refusals.due(at).expect("it is due");
                lines.push(((at - begun).as_secs(), line));
            }
        };
        for (time, number, reason) in strangers {
            take(&mut refusals, Some(begun + time));
            let line = format!("{number}: {reason}");
            refusals.note(network(number), &reason, &line, begun + time);
        }
        take(&mut refusals, None);
        lines
    }

    #[test]
    fn the_first_is_told_at_once_and_all_others_are_counted() {
        let crowd = (0..1000).map(|number| (SECOND * number / 200, number % 40, "no".into()));
        let told = lines(crowd);
        let expected = [
            (0, "0: no"),
            (1, "39: no (and 198 more from 40 addresses in the last 1 s)"),
            (3, "39: no (and 399 more from 40 addresses in the last 2 s)"),
            (7, "39: no (and 399 more from 40 addresses in the last 4 s)"),
        ]
        .map(|(second, line)| (second, line.to_owned()));
        assert_eq!(told, expected);
    }

    #[test]
    fn one_that_comes_again_and_again_is_told_of_less_and_less_often() {
        let day = (0..17_280).map(|number| (5 * SECOND * number, 1, "no".into()));
        let told = lines(day);
        assert!((30..50).contains(&told.len()), "{} lines", told.len());
        assert_eq!(told[0], (0, "1: no".into()));
        assert_eq!(told[1], (5, "1: no".into()));
    }

    #[test]
    fn new_reasons_are_told_in_full_and_one_a_second() {
        let few = (0..3).map(|number| (Duration::ZERO, number, format!("reason {number}")));
        let expected = [0, 1, 2].map(|number| (number, format!("{number}: reason {number}")));
        assert_eq!(lines(few), expected);
        // They can be made up.
        let many = (0..10_000).map(|number| (SECOND * number / 100, 1, format!("{number}")));
        let told = lines(many);
        assert!((100..110).contains(&told.len()), "{} lines", told.len());
        let seconds: HashSet<u64> = told.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds.len(), told.len());
        let more = told.iter().filter_map(|(_, line)| {
            let (_, more) = line.split_once("(and ")?;
            more.split(' ').next()?.parse::<usize>().ok()
        });
        assert_eq!(told.len() + more.sum::<usize>(), 10_000);
    }

    #[test]
    fn what_was_told_is_news_after_a_quiet_time() {
        let times = [0, 10, 20, 21, 51, 52].map(|second| (SECOND * second, 1, "no".into()));
        let told = lines(times.into_iter());
        let seconds: Vec<u64> = told.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds, [0, 10, 20, 24, 51, 52]);
    }

    #[test]
    fn a_crowd_takes_bounded_memory() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        refusals.note(network(0), "first", "line", now);
        assert_eq!(refusals.due(now).as_deref(), Some("line"));
        for number in 0..10_000 {
            refusals.note(network(number), &number.to_string(), "line", now);
        }
        assert_eq!(refusals.reasons.len(), REASONS);
        assert_eq!(refusals.fresh.len(), FRESH);
        assert_eq!(refusals.others.networks.len(), NETWORKS);
        let line = refusals.due(now + SECOND).expect("its second has come");
        let others = "line (and 9996 more from 1000 or more addresses in the last 1 s)";
        assert_eq!(line, others);
    }
}
