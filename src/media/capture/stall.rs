//! Notices a source that stands still.
//!
//! It counts checks and not time: a process that was stopped for a while, or a machine that was
//! asleep, has not lost its camera.

use std::time::{Duration, Instant};

/// The time from one check to the next.
pub const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Notices that no frames come any more.
#[derive(Debug)]
pub struct StallDetector {
    /// The time without a frame that makes a stall.
    limit: Duration,
    /// The number of checks in that time.
    checks: u32,
    /// The number of checks since the last frame.
    idle: u32,
    /// The count of frames at the last check.
    seen: u32,
    next: Instant,
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StallCheck {
    /// Frames come, or are not late enough for a stall.
    Flowing,
    /// The first frames after a stall came.
    Resumed,
    /// No frame came for too long.
    Stalled,
}

impl StallDetector {
    /// A detector of stalls of `limit` and longer. `count` is the number of frames so far.
    pub fn new(limit: Duration, count: u32, now: Instant) -> Self {
        let checks = limit.as_millis().div_ceil(CHECK_INTERVAL.as_millis());
        Self {
            limit,
            checks: u32::try_from(checks).unwrap_or(u32::MAX),
            idle: 0,
            seen: count,
            next: now + CHECK_INTERVAL,
        }
    }

    /// The time without a frame that makes a stall.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// The time of the next check.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Checks whether frames came since the last check. `count` is the number of frames so far.
    pub fn check(&mut self, count: u32, now: Instant) -> StallCheck {
        self.next = now + CHECK_INTERVAL;
        let was_stalled = self.idle >= self.checks;
        if self.seen != count {
            self.seen = count;
            self.idle = 0;
            return if was_stalled {
                StallCheck::Resumed
            } else {
                StallCheck::Flowing
            };
        }
        self.idle = self.idle.saturating_add(1);
        if self.idle >= self.checks {
            StallCheck::Stalled
        } else {
            StallCheck::Flowing
        }
    }
}

/// The time without a frame that makes a stall, for a source of `fps` frames a second.
pub fn stall_limit(fps: Option<f64>, is_camera: bool) -> Duration {
    match fps.filter(|fps| *fps > 0.0) {
        Some(fps) => Duration::try_from_secs_f64(3.0 / fps)
            .unwrap_or(Duration::MAX)
            .clamp(Duration::from_secs(2), Duration::from_secs(3600)),
        None if is_camera => Duration::from_secs(2),
        // Without a frame rate, the source may give a frame only when something has changed.
        None => Duration::from_secs(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_stall_is_a_number_of_checks_without_a_frame() {
        let mut now = Instant::now();
        let mut stall = StallDetector::new(ms(2000), 7, now);
        let mut check = |count| {
            now += CHECK_INTERVAL;
            stall.check(count, now)
        };
        for count in [7, 7, 7, 8, 8, 8, 8] {
            assert_eq!(check(count), StallCheck::Flowing);
        }
        assert_eq!(check(8), StallCheck::Stalled);
        assert_eq!(check(8), StallCheck::Stalled);
        assert_eq!(check(9), StallCheck::Resumed);
        assert_eq!(check(9), StallCheck::Flowing);
        // However late a check comes.
        now += Duration::from_secs(3600);
        assert_eq!(stall.check(9, now), StallCheck::Flowing);
    }

    #[test]
    fn slow_sources_have_the_time_of_three_frames() {
        assert_eq!(stall_limit(Some(30.0), true), ms(2000));
        assert_eq!(stall_limit(Some(0.5), true), ms(6000));
        assert_eq!(stall_limit(Some(0.0), true), ms(2000));
        assert_eq!(stall_limit(Some(0.0), false), ms(10_000));
        assert_eq!(stall_limit(None, false), ms(10_000));
        assert_eq!(stall_limit(Some(1e-300), false), Duration::from_secs(3600));
    }
}
