//! The two clocks of this machine: the wall clock, and the one that never jumps. And a time of
//! capture that one machine tells another one.
//!
//! Each clock has a type of its own, so that a time of one is never taken for a time of the other.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1 January 1970, 0:00 UTC, by the wall clock of the machine that gave the time.
/// A person or a daemon may set that clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallNanos(pub u64);

/// Nanoseconds of a clock that never jumps, since about the start of the program. They mean nothing
/// to another machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonoNanos(pub u64);

/// The time at which a frame was captured, by the wall clock of the machine that passes it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureTime {
    /// The time, by that machine's clock.
    pub at: WallNanos,
    /// How far that clock is ahead of the clock of the machine with the camera, in nanoseconds.
    pub ahead: i64,
    /// How wrong `at` may be, beside the error of that machine's own clock.
    pub uncertainty: Duration,
}

/// How the clock of the machine with the camera differs from the clock of this one, which is the same
/// where this machine has the camera.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockDifference {
    /// How far this machine's clock is ahead, in nanoseconds.
    pub ahead: i64,
    /// How wrong that may be.
    pub uncertainty: Duration,
}

impl ClockDifference {
    /// The time of a frame that was captured at `at` by this machine's clock.
    pub fn captured_at(self, at: WallNanos) -> CaptureTime {
        CaptureTime {
            at,
            ahead: self.ahead,
            uncertainty: self.uncertainty,
        }
    }
}

/// Why an age cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImpossibleAge {
    /// The machine that told the time, or this one, has never set its clock.
    #[error("it is before 2020")]
    Unset,
    /// It is this far in the future.
    #[error("it is {} ms in the future", .0.as_millis())]
    Future(Duration),
    /// It is this old.
    #[error("it is {} s old", .0.as_secs())]
    Old(Duration),
    /// The machine that told the time knows it no better than this.
    #[error("it may be wrong by {} s", .0.as_secs())]
    Vague(Duration),
}

impl CaptureTime {
    /// The first second of 2020 in nanoseconds. No program wrote times of capture before.
    const EARLIEST: WallNanos = WallNanos(1_577_836_800_000_000_000);
    /// Two clocks that are set over the network differ by so much without being wrong.
    const TOLERANCE: Duration = Duration::from_millis(5);
    /// An age that may be wrong by more than this says nothing.
    const MOST_UNCERTAIN: Duration = Duration::from_secs(1);
    /// No live video is older.
    const OLDEST: Duration = Duration::from_secs(3600);

    /// The age at `now`, by this machine's clock. It is as true as the two clocks are.
    ///
    /// # Errors
    /// It cannot be true.
    pub fn age(&self, now: WallNanos) -> Result<Duration, ImpossibleAge> {
        let (age, ahead) = (now.since(self.at), self.at.since(now));
        if self.at < Self::EARLIEST {
            Err(ImpossibleAge::Unset)
        } else if self.uncertainty > Self::MOST_UNCERTAIN {
            Err(ImpossibleAge::Vague(self.uncertainty))
        } else if ahead > Self::TOLERANCE {
            Err(ImpossibleAge::Future(ahead))
        } else if age > Self::OLDEST {
            Err(ImpossibleAge::Old(age))
        } else {
            Ok(age)
        }
    }
}

impl WallNanos {
    /// The time by this machine's clock.
    pub fn now() -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(nanoseconds(now))
    }

    /// The time since `earlier`; zero where `earlier` is in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The time `age` before this one.
    pub fn before(self, age: Duration) -> Self {
        Self(self.0.saturating_sub(nanoseconds(age)))
    }

    /// Seconds since 1970.
    pub fn as_secs_f64(self) -> f64 {
        Duration::from_nanos(self.0).as_secs_f64()
    }
}

impl MonoNanos {
    /// The time by the clock that never jumps.
    pub fn now() -> Self {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        Self(nanoseconds(ORIGIN.get_or_init(Instant::now).elapsed()))
    }

    /// The time since `earlier`; zero where `earlier` is in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_clock_never_goes_back() {
        let times: Vec<MonoNanos> = (0..100).map(|_| MonoNanos::now()).collect();
        assert!(times.is_sorted());
        assert_eq!(times[0].since(MonoNanos(u64::MAX)), Duration::ZERO);
    }

    #[test]
    fn the_wall_clock_counts_from_1970() {
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        let now = WallNanos::now();
        assert!(now.since(WallNanos::default()) > century / 2);
        assert!(now.since(WallNanos::default()) < century * 2);
        assert_eq!(WallNanos(1_500_000_000).as_secs_f64(), 1.5);
    }

    #[test]
    fn an_age_that_cannot_be_true_is_none() {
        let now = WallNanos(1_800_000_000_000_000_000);
        let age = |at: u64, now| {
            let time = CaptureTime {
                at: WallNanos(at),
                ahead: 0,
                uncertainty: Duration::ZERO,
            };
            time.age(now)
        };
        let (milli, second) = (1_000_000, 1_000_000_000);
        assert_eq!(age(now.0 - 7 * milli, now), Ok(Duration::from_millis(7)));
        assert_eq!(age(now.0, now), Ok(Duration::ZERO));
        // The clocks of two machines are never quite the same.
        assert_eq!(age(now.0 + 5 * milli, now), Ok(Duration::ZERO));
        let future = |nanos| Err(ImpossibleAge::Future(Duration::from_nanos(nanos)));
        assert_eq!(age(now.0 + 6 * milli, now), future(6 * milli));
        assert_eq!(age(u64::MAX, now), future(u64::MAX - now.0));
        let hour = 3600 * second;
        assert_eq!(age(now.0 - hour, now), Ok(Duration::from_secs(3600)));
        let old = ImpossibleAge::Old(Duration::from_secs(3601));
        assert_eq!(age(now.0 - hour - second, now), Err(old));
        assert_eq!(age(0, now), Err(ImpossibleAge::Unset));
        let vague = CaptureTime {
            at: now,
            ahead: 0,
            uncertainty: Duration::from_secs(2),
        };
        let wrong = ImpossibleAge::Vague(vague.uncertainty);
        assert_eq!(vague.age(now), Err(wrong));
        // Neither machine knows what day it is.
        assert_eq!(age(second, WallNanos(second)), Err(ImpossibleAge::Unset));
        assert_eq!(age(0, WallNanos(0)), Err(ImpossibleAge::Unset));
    }
}
