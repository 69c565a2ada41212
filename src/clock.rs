//! The two clocks of this machine: the wall clock, and the one that never jumps.
//!
//! Each has a type of its own, so that a time of one is never taken for a time of the other.

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
}
