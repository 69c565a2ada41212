//! Logs events that repeat. An event is logged at first, then each time that its count has doubled,
//! and once more when it is over. One line a second would drown all others.

use std::fmt;
use std::future::pending;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

/// An event that has not happened for this long is over.
const QUIET: Duration = Duration::from_secs(30);

/// Counts a repeated event, and says when to log it. The caller passes the time.
#[derive(Debug, Default)]
pub struct LogThrottle {
    /// How often the event has happened since it began.
    count: u64,
    /// How many of these have been logged.
    told: u64,
    begun: Option<Instant>,
    last: Option<Instant>,
}

/// How often an event has happened, and in which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub count: u64,
    pub within: Duration,
}

impl LogThrottle {
    /// Notes the event. Returns the count so far where it is to be logged.
    pub fn note(&mut self, now: Instant) -> Option<Times> {
        if self.over_at().is_some_and(|at| at <= now) {
            *self = Self::default();
        }
        self.count += 1;
        self.begun.get_or_insert(now);
        self.last = Some(now);
        if self.count < self.told * 2 {
            return None;
        }
        self.told = self.count;
        Some(self.times())
    }

    /// When the event is over, unless it happens again before that; `None` before it has happened.
    pub fn over_at(&self) -> Option<Instant> {
        Some(self.last? + QUIET)
    }

    /// Forgets an event that is over by now. Returns its count if it happened more than once.
    pub fn over(&mut self, now: Instant) -> Option<Times> {
        if self.over_at()? > now {
            return None;
        }
        let ended = std::mem::take(self);
        (ended.count > 1).then(|| ended.times())
    }

    /// Waits until the event is over, and returns its count if it happened more than once. Waits
    /// for ever where it did not. The wait may be cancelled without losing anything.
    pub async fn ended(&mut self) -> Times {
        loop {
            match self.over_at() {
                Some(at) => sleep_until(at.into()).await,
                None => pending().await,
            }
            if let Some(times) = self.over(Instant::now()) {
                return times;
            }
        }
    }

    fn times(&self) -> Times {
        let within = self.last.zip(self.begun);
        Times {
            count: self.count,
            within: within.map_or(Duration::ZERO, |(last, begun)| last - begun),
        }
    }
}

/// Empty for the first time, otherwise a text that follows another word.
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => Ok(()),
            count => write!(f, " ({count} times in {})", span(self.within)),
        }
    }
}

/// A time in words for a person.
pub fn span(time: Duration) -> String {
    match time.as_secs() {
        0 => "less than 1 s".into(),
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// A throttle for each of several kinds of event. Peers can make up kinds, so only the latest
/// `KINDS` are kept.
#[derive(Debug)]
struct LogThrottleBy<K> {
    /// The latest kind comes last.
    kinds: Vec<(K, LogThrottle)>,
}

/// Limits lines of one kind that strangers can cause: some at once, and then one a second. The next
/// line says how many were left out.
#[derive(Debug)]
pub struct LogLimit {
    /// How many lines may be logged at once.
    left: u32,
    /// When the last of them came back.
    filled: Option<Instant>,
    /// Lines that were left out since the last one.
    more: u64,
}

/// How many lines of the kind were left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct More(u64);

/// The most lines of one kind at once: a room full of viewers that come together.
const LINES: u32 = 50;

impl Default for LogLimit {
    fn default() -> Self {
        Self {
            left: LINES,
            filled: None,
            more: 0,
        }
    }
}

impl LogLimit {
    /// Notes a line. Returns how many were left out before it where it is to be logged.
    pub fn note(&mut self, now: Instant) -> Option<More> {
        let filled = *self.filled.get_or_insert(now);
        let seconds = now.saturating_duration_since(filled).as_secs();
        let back = u32::try_from(seconds).unwrap_or(LINES);
        self.left = self.left.saturating_add(back).min(LINES);
        self.filled = Some(filled + Duration::from_secs(seconds));
        if self.left == 0 {
            self.more += 1;
            return None;
        }
        self.left -= 1;
        Some(More(std::mem::take(&mut self.more)))
    }
}

/// Empty where none was left out, otherwise a text that follows the line.
impl fmt::Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            count => write!(f, " ({count} more like this were left out)"),
        }
    }
}

/// Throttles the losses of a resource that comes back by itself, and may be lost again at once.
#[derive(Debug, Default)]
pub struct Losses {
    all: LogThrottle,
    reasons: LogThrottleBy<String>,
    /// Whether the last loss was logged, so that its end is to be logged too.
    told: bool,
    lost: bool,
}

/// A loss within this time after the last one ended belongs to the same series of losses.
const FLAPPING: Duration = Duration::from_secs(3);

impl Losses {
    /// Notes a loss, or a new reason for it. Returns how often the resource was lost for this
    /// reason, where that is to be logged.
    pub fn lost(&mut self, reason: &str, now: Instant) -> Option<Times> {
        if !self.lost && self.all.last.is_some_and(|last| now > last + FLAPPING) {
            *self = Self::default();
        }
        self.lost = true;
        self.all.note(now);
        let times = self.reasons.note(reason.to_owned(), now);
        self.told = times.is_some();
        times
    }

    /// Notes that the resource is back. Returns whether that is to be logged.
    pub fn back(&mut self, now: Instant) -> bool {
        self.lost = false;
        self.all.last = Some(now);
        std::mem::take(&mut self.told)
    }

    /// When the resource will have been back for long enough; `None` while it is lost, or was never
    /// lost.
    pub fn steady_at(&self) -> Option<Instant> {
        let last = self.all.last.filter(|_| !self.lost)?;
        Some(last + FLAPPING)
    }

    /// How often the resource was lost, if it has been back for long enough by now and some of the
    /// losses were not logged.
    pub fn steady(&mut self, now: Instant) -> Option<Times> {
        if self.steady_at()? > now {
            return None;
        }
        let ended = std::mem::take(self);
        let untold = ended
            .reasons
            .kinds
            .iter()
            .any(|(_, kind)| kind.count > kind.told);
        untold.then(|| ended.all.times())
    }
}

/// The most kinds that are kept.
const KINDS: usize = 32;

impl<K> Default for LogThrottleBy<K> {
    fn default() -> Self {
        Self { kinds: Vec::new() }
    }
}

impl<K: PartialEq> LogThrottleBy<K> {
    /// Like [`LogThrottle::note`], for one kind.
    pub fn note(&mut self, kind: K, now: Instant) -> Option<Times> {
        let known = self.kinds.iter().position(|(known, _)| *known == kind);
        let mut entry = match known {
            Some(at) => self.kinds.remove(at),
            None => (kind, LogThrottle::default()),
        };
        let told = entry.1.note(now);
        if self.kinds.len() == KINDS {
            self.kinds.remove(0);
        }
        self.kinds.push(entry);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_repeats_is_told_when_it_has_happened_twice_as_often() {
        let (mut repeats, begun) = (LogThrottle::default(), Instant::now());
        let told: Vec<u64> = (0..100_000)
            .filter_map(|number| repeats.note(begun + number * SECOND))
            .map(|times| times.count)
            .collect();
        assert_eq!(told.len(), 17);
        assert_eq!(told[..5], [1, 2, 4, 8, 16]);
        let end = begun + 100_000 * SECOND;
        assert_eq!(repeats.over(end), None, "not yet");
        let times = repeats.over(end + QUIET).expect("it is over");
        assert_eq!(times.to_string(), " (100000 times in 27 h)");
        assert_eq!(repeats.over(end + QUIET), None, "once");
    }

    #[test]
    fn lines_that_strangers_cause_are_one_a_second_and_none_goes_uncounted() {
        let (mut limit, begun) = (LogLimit::default(), Instant::now());
        let told: Vec<More> = (0..60_000)
            .filter_map(|line| limit.note(begun + line * Duration::from_millis(1)))
            .collect();
        let counted: u64 = told.iter().map(|more| 1 + more.0).sum();
        assert_eq!(told.len(), 50 + 59);
        assert_eq!(counted + limit.more, 60_000);
        let later = limit.note(begun + 600 * SECOND).expect("it is quiet");
        assert_eq!(later.to_string(), " (999 more like this were left out)");
        assert_eq!(limit.note(begun + 600 * SECOND), Some(More(0)));
    }

    #[test]
    fn what_has_happened_once_is_not_told_again_and_may_be_news_later() {
        let (mut repeats, now) = (LogThrottle::default(), Instant::now());
        let once = repeats.note(now).map(|times| times.to_string());
        assert_eq!(once.as_deref(), Some(""));
        assert_eq!(repeats.over(now + QUIET), None);
        assert_eq!(
            repeats.note(now + 2 * QUIET).map(|times| times.count),
            Some(1)
        );
        assert_eq!(
            repeats.note(now + 4 * QUIET).map(|times| times.count),
            Some(1)
        );
    }

    #[test]
    fn a_loss_that_repeats_is_told_less_and_less_and_what_is_steady_again_once() {
        let (mut losses, mut now) = (Losses::default(), Instant::now());
        let (mut told, mut backs) = (0, 0);
        for _ in 0..1000 {
            told += u32::from(losses.lost("cut off", now).is_some());
            assert_eq!(losses.steady(now + QUIET), None, "it is lost");
            now += SECOND / 2;
            backs += u32::from(losses.back(now));
            assert_eq!(losses.steady(now), None);
            now += SECOND / 2;
        }
        assert_eq!((told, backs), (10, 10));
        let news = losses.lost("another reason", now);
        assert_eq!(news.map(|times| times.count), Some(1));
        assert!(losses.back(now));
        assert_eq!(
            losses.steady(now + FLAPPING).map(|times| times.count),
            Some(1001)
        );
        assert_eq!(losses.steady(now + 2 * FLAPPING), None, "once");
    }

    #[test]
    fn losses_with_time_between_them_are_all_told() {
        let (mut losses, mut now) = (Losses::default(), Instant::now());
        for _ in 0..20 {
            assert_eq!(losses.lost("unplugged", now).map(|t| t.count), Some(1));
            now += QUIET;
            assert!(losses.back(now));
            now += FLAPPING + SECOND;
            assert_eq!(losses.steady(now), None, "nothing untold");
        }
    }

    #[test]
    fn kinds_are_told_apart_and_are_not_kept_for_ever() {
        let (mut repeats, now) = (LogThrottleBy::default(), Instant::now());
        for number in 0..KINDS {
            assert!(repeats.note(number, now).is_some(), "{number}");
            assert!(repeats.note(number, now).is_some(), "the second");
            assert!(repeats.note(number, now).is_none(), "the third");
        }
        for number in 0..10_000 {
            repeats.note(number, now);
        }
        assert_eq!(repeats.kinds.len(), KINDS);
    }
}
