//! The sender's clock, as a viewer estimates it from pings and pongs.
//!
//! The four times of a round trip give the difference of the two clocks, with an error of at most
//! half of that trip, as in NTP. The viewer's side is a clock that never jumps, so setting this
//! machine's time changes no age. Nothing here does I/O or reads a clock.

use std::time::Duration;

use crate::clock::{MonoNanos, WallNanos};

/// How many samples are kept.
const KEPT: usize = 64;
/// How much worse a sample gets with each second of its age, in parts of a million, while the drift
/// has not been measured.
const UNKNOWN_DRIFT: i64 = 100;
/// The largest drift that clocks have, reached while one of them is slewed. A larger one means that
/// a clock was set.
const POSSIBLE_DRIFT: i64 = 600;
/// How much worse a sample gets where the drift has been measured.
const KNOWN_DRIFT: i64 = 10;
/// How far back the samples must reach before a drift can be computed.
const DRIFT_SPAN: Duration = Duration::from_secs(8);
/// Clocks that differ by more than this many parts of a million are being set, not drifting.
const DRIFT_LIMIT: f64 = 2_000.0;
/// How far two samples may contradict each other before the clock must have been set.
const TOLERANCE: i64 = 500_000;
/// The error of a sample apart from its round trip, in nanoseconds: tasks that start late.
const LEAST_DOUBT: i64 = 50_000;
/// A longer round trip is too inexact to be used.
const ROUND_TRIP_LIMIT: i64 = 10_000_000_000;
/// The largest difference of two clocks, about 127 years. The difference of two of them still fits.
const OFFSET_LIMIT: u64 = 4_000_000_000_000_000_000;

/// One round trip. All in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// When the sample was made, by the viewer's clock.
    at: i64,
    /// The sender's clock minus the viewer's.
    offset: i64,
    /// How long the two messages took.
    round_trip: i64,
}

/// The estimate of the sender's clock.
#[derive(Debug, Default)]
pub struct RemoteClock {
    /// The samples, the oldest first.
    samples: Vec<Sample>,
    /// Nanoseconds by which the sender's clock gains in a second, once that is known.
    drift: Option<f64>,
}

impl RemoteClock {
    /// Notes a round trip: a ping that left at `sent` and whose answer came at `arrived`, by the
    /// viewer's clock. It reached the sender at `received` and the answer left at `replied`, by the
    /// sender's clock. Impossible times are ignored.
    pub fn note(
        &mut self,
        sent: MonoNanos,
        received: WallNanos,
        replied: WallNanos,
        arrived: MonoNanos,
    ) {
        let [sent, received, replied, arrived] =
            [sent.0, received.0, replied.0, arrived.0].map(i128::from);
        let round_trip = (arrived - sent) - (replied - received);
        let offset = ((received - sent) + (replied - arrived)) / 2;
        let (Ok(at), Ok(offset), Ok(round_trip)) = (
            i64::try_from(arrived),
            i64::try_from(offset),
            i64::try_from(round_trip),
        ) else {
            return;
        };
        let possible = (0..=ROUND_TRIP_LIMIT).contains(&round_trip)
            && replied >= received
            && offset.unsigned_abs() <= OFFSET_LIMIT;
        if !possible {
            return;
        }
        let sample = Sample {
            at,
            offset,
            round_trip,
        };
        // The error of a sample is at most half its round trip, so two samples that contradict each
        // other mean that the sender's clock was set in between.
        let contradicts = self.best(at).is_some_and(|best| {
            let expected = self.at(&best, at);
            let allowed = (round_trip + best.round_trip) / 2
                + self.grown(at - best.at, POSSIBLE_DRIFT)
                + TOLERANCE;
            (offset - expected).abs() > allowed
        });
        if contradicts {
            self.samples.clear();
            self.drift = None;
        }
        if self.samples.len() == KEPT {
            self.samples.remove(0);
        }
        self.samples.push(sample);
        self.drift = drift(&self.samples);
    }

    /// The sender's clock minus the viewer's at the viewer's time `now`, in nanoseconds; `None`
    /// before the first answer.
    pub fn offset(&self, now: MonoNanos) -> Option<i64> {
        let now = i64::try_from(now.0).ok()?;
        self.best(now).map(|best| self.at(&best, now))
    }

    /// How wrong the offset at the viewer's time `now` may be: half of the round trip that it comes
    /// from, and what the clocks may have drifted since. `None` before the first answer.
    pub fn uncertainty(&self, now: MonoNanos) -> Option<Duration> {
        let now = i64::try_from(now.0).ok()?;
        let doubt = self.doubt(&self.best(now)?, now);
        Some(Duration::from_nanos(doubt.unsigned_abs()))
    }

    /// The shortest recent round trip.
    pub fn round_trip(&self) -> Option<Duration> {
        let shortest = self.samples.iter().map(|sample| sample.round_trip).min()?;
        Some(Duration::from_nanos(shortest.unsigned_abs()))
    }

    /// The sample with the smallest error at `now`.
    fn best(&self, now: i64) -> Option<Sample> {
        let doubt = |sample: &&Sample| self.doubt(sample, now);
        self.samples.iter().min_by_key(doubt).copied()
    }

    /// How wrong the offset of `sample` may be at `now`.
    fn doubt(&self, sample: &Sample, now: i64) -> i64 {
        let growth = match self.drift {
            Some(_) => KNOWN_DRIFT,
            None => UNKNOWN_DRIFT,
        };
        sample.round_trip / 2 + self.grown(now - sample.at, growth)
    }

    /// The offset at `now`, computed from `sample`.
    fn at(&self, sample: &Sample, now: i64) -> i64 {
        let passed = (now - sample.at) as f64 / 1e9;
        sample.offset + (self.drift.unwrap_or_default() * passed) as i64
    }

    fn grown(&self, passed: i64, parts_of_a_million: i64) -> i64 {
        passed / 1_000_000 * parts_of_a_million
    }
}

/// How fast the sender's clock gains, in nanoseconds a second: the least-squares line through the
/// samples, each weighed by its possible error. `None` where the samples do not reach back far
/// enough.
fn drift(samples: &[Sample]) -> Option<f64> {
    let (first, last) = (samples.first()?, samples.last()?);
    if last.at - first.at < i64::try_from(DRIFT_SPAN.as_nanos()).ok()? {
        return None;
    }
    let points = || {
        samples.iter().map(|sample| {
            let doubt = (sample.round_trip / 2 + LEAST_DOUBT) as f64;
            let seconds = (sample.at - first.at) as f64 / 1e9;
            let offset = (sample.offset - first.offset) as f64;
            (seconds, offset, doubt.powi(-2))
        })
    };
    let weight: f64 = points().map(|(.., w)| w).sum();
    let x = points().map(|(x, _, w)| x * w).sum::<f64>() / weight;
    let y = points().map(|(_, y, w)| y * w).sum::<f64>() / weight;
    let spread: f64 = points().map(|(at, _, w)| w * (at - x).powi(2)).sum();
    let slope = points()
        .map(|(at, of, w)| w * (at - x) * (of - y))
        .sum::<f64>()
        / spread;
    // One standard error: a smaller drift may come from the errors of the samples.
    let plausible = slope.is_finite() && slope.abs() <= DRIFT_LIMIT * 1e3;
    (plausible && slope.abs() > spread.sqrt().recip()).then_some(slope)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const MILLI: u64 = 1_000_000;

    /// A round trip at `now` that takes `there` and `back`, to a sender whose clock reads `remote`
    /// when the viewer's reads `now`.
    fn trip(clock: &mut RemoteClock, now: u64, there: u64, back: u64, remote: impl Fn(u64) -> u64) {
        let received = remote(now + there);
        let replied = remote(now + there + MILLI);
        let arrived = MonoNanos(now + there + MILLI + back);
        clock.note(
            MonoNanos(now),
            WallNanos(received),
            WallNanos(replied),
            arrived,
        );
    }

    fn error(clock: &RemoteClock, now: u64, remote: impl Fn(u64) -> u64) -> i64 {
        let truth = i64::try_from(remote(now)).unwrap() - i64::try_from(now).unwrap();
        clock.offset(MonoNanos(now)).unwrap() - truth
    }

    #[test]
    fn clocks_an_hour_apart_are_no_matter() {
        let hour = 3600 * SECOND;
        for remote in [|t: u64| t + 2 * 3600 * SECOND, |t| t] {
            let mut clock = RemoteClock::default();
            assert_eq!(clock.offset(MonoNanos(hour)), None);
            trip(&mut clock, hour, MILLI, MILLI, remote);
            assert_eq!(error(&clock, hour + SECOND, remote), 0);
            assert_eq!(clock.round_trip(), Some(Duration::from_millis(2)));
        }
    }

    #[test]
    fn the_uncertainty_is_half_of_the_round_trip_and_grows_with_time() {
        let mut clock = RemoteClock::default();
        assert_eq!(clock.uncertainty(MonoNanos(SECOND)), None);
        trip(&mut clock, SECOND, MILLI, 3 * MILLI, |t| t);
        let arrived = SECOND + 5 * MILLI;
        let at_once = clock.uncertainty(MonoNanos(arrived)).unwrap();
        assert_eq!(at_once, Duration::from_millis(2));
        let later = clock.uncertainty(MonoNanos(arrived + 10 * SECOND)).unwrap();
        assert_eq!(later, Duration::from_millis(3));
        assert!(error(&clock, arrived, |t| t).unsigned_abs() <= 2 * MILLI);
    }

    #[test]
    fn the_shortest_round_trip_wins_over_those_that_waited_behind_a_frame() {
        let remote = |t| t + 7 * SECOND;
        let mut clock = RemoteClock::default();
        trip(&mut clock, SECOND, MILLI, MILLI, remote);
        for n in 2..20 {
            trip(&mut clock, n * SECOND, MILLI, 90 * MILLI, remote);
        }
        let error = error(&clock, 20 * SECOND, remote);
        assert!(error.abs() < 2_000_000, "{error} ns");
    }

    #[test]
    fn drift_is_followed_even_while_the_round_trips_are_long() {
        for parts in [-300i64, -40, 60, 500] {
            let remote = move |t: u64| {
                (i128::from(t) + i128::from(t) * i128::from(parts) / 1_000_000) as u64 + SECOND
            };
            let mut clock = RemoteClock::default();
            let mut worst = 0;
            for n in 1..300u64 {
                // Every eighth answer has the path to itself.
                let back = if n % 8 == 1 { MILLI } else { 60 * MILLI };
                trip(&mut clock, n * SECOND, MILLI, back, remote);
                if n > 30 {
                    worst = worst.max(error(&clock, n * SECOND + SECOND / 2, remote).abs());
                }
            }
            assert!(worst < 1_000_000, "{worst} ns at {parts} ppm");
        }
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_with_the_next_answer() {
        let mut clock = RemoteClock::default();
        for n in 1..30 {
            trip(&mut clock, n * SECOND, MILLI, MILLI, |t| t);
        }
        for later in [|t| t + 3600 * SECOND, |t| t + 20 * MILLI] {
            trip(&mut clock, 30 * SECOND, MILLI, MILLI, later);
            assert_eq!(error(&clock, 31 * SECOND, later), 0);
        }
    }

    #[test]
    fn impossible_times_are_not_noted() {
        let mut clock = RemoteClock::default();
        for [sent, received, replied, arrived] in [
            [10, 0, 0, 5],
            [0, 10, 5, 10],
            [0, 0, u64::MAX, 10],
            [0, u64::MAX, u64::MAX, 60 * SECOND],
            [u64::MAX, 1, 2, 3],
        ] {
            let [sent, arrived] = [sent, arrived].map(MonoNanos);
            let [received, replied] = [received, replied].map(WallNanos);
            clock.note(sent, received, replied, arrived);
            assert_eq!(clock.offset(MonoNanos(SECOND)), None);
        }
    }

    proptest! {
        #[test]
        fn no_times_of_a_sender_overflow(
            trips in prop::collection::vec((0..200 * SECOND, any::<u64>(), any::<u64>()), 1..80),
        ) {
            let mut clock = RemoteClock::default();
            let mut now = SECOND;
            for (passed, received, took) in trips {
                now += passed;
                let (sent, received) = (MonoNanos(now), WallNanos(received));
                let replied = WallNanos(received.0.saturating_add(took));
                clock.note(sent, received, replied, MonoNanos(now.saturating_add(took)));
                // The sender takes no time itself.
                clock.note(sent, received, received, MonoNanos(now + MILLI));
                let _ = (clock.offset(MonoNanos(now)), clock.round_trip());
            }
        }
    }
}
