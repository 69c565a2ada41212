//! Notices a source that stands still.
//!
//! It counts checks and not time: a process that was stopped for a while, or a machine that was
//! asleep, has not lost its camera.

use std::time::{Duration, Instant};

/// The time from one check to the next.
pub const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// The longest limit that grows out of stalls alone.
const LONGEST: Duration = Duration::from_secs(60);
/// A source that gives a frame every few seconds by nature has the time of so many of them.
const FRAMES: u32 = 3;

/// Notices that no frames come any more.
#[derive(Debug)]
pub struct StallDetector {
    /// The time without a frame that makes a stall of a source about which no more is known.
    limit: Duration,
    pace: Pace,
    /// The number of checks since the last frame.
    idle: u32,
    /// The count of frames at the last check.
    seen: u32,
    next: Instant,
}

/// The intervals between the frames of a source, which it keeps when it is opened again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// The last two intervals in checks, the newer one first.
    intervals: [Option<u32>; 2],
    /// The number of stalls since frames last came quickly.
    stalls: u32,
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
    /// A detector of stalls of `limit` and longer, for a source of this pace. `count` is the number
    /// of frames so far.
    pub fn new(limit: Duration, pace: Pace, count: u32, now: Instant) -> Self {
        Self {
            limit,
            pace,
            idle: 0,
            seen: count,
            next: now + CHECK_INTERVAL,
        }
    }

    /// The time without a frame that makes a stall.
    pub fn limit(&self) -> Duration {
        let by_stalls = self.limit.saturating_mul(1 << self.pace.stalls.min(16));
        let by_intervals = self.pace.usual() * FRAMES;
        self.limit.max(by_stalls.min(LONGEST)).max(by_intervals)
    }

    /// The pace to begin with when the source is opened again after a stall. A source that stands
    /// still again and again may well be slow by nature.
    pub fn pace_after_stall(&self) -> Pace {
        let stalls = self.pace.stalls.saturating_add(1);
        Pace {
            stalls,
            ..self.pace
        }
    }

    /// The time of the next check.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Checks whether frames came since the last check. `count` is the number of frames so far.
    pub fn check(&mut self, count: u32, now: Instant) -> StallCheck {
        self.next = now + CHECK_INTERVAL;
        let checks = checks_in(self.limit());
        if self.seen != count {
            self.seen = count;
            let idle = std::mem::take(&mut self.idle);
            self.pace.note(idle + 1, checks_in(self.limit));
            return if idle >= checks {
                StallCheck::Resumed
            } else {
                StallCheck::Flowing
            };
        }
        self.idle = self.idle.saturating_add(1);
        if self.idle >= checks {
            StallCheck::Stalled
        } else {
            StallCheck::Flowing
        }
    }
}

impl Pace {
    /// The shorter of the last two intervals: a source that stood still once is not slow.
    fn usual(&self) -> Duration {
        let intervals = self.intervals.iter().flatten();
        let checks = intervals.min().copied().unwrap_or_default();
        CHECK_INTERVAL.saturating_mul(checks)
    }

    fn note(&mut self, interval: u32, quick: u32) {
        self.intervals = [Some(interval), self.intervals[0]];
        if interval < quick {
            self.stalls = 0;
        }
    }
}

/// The number of checks in a time.
fn checks_in(time: Duration) -> u32 {
    let checks = time.as_millis().div_ceil(CHECK_INTERVAL.as_millis());
    u32::try_from(checks).unwrap_or(u32::MAX)
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
        let mut stall = StallDetector::new(ms(2000), Pace::default(), 7, now);
        let mut check = |count| {
            now += CHECK_INTERVAL;
            stall.check(count, now)
        };
        for count in [8, 8, 8, 9, 9, 9, 9] {
            assert_eq!(check(count), StallCheck::Flowing);
        }
        assert_eq!(check(9), StallCheck::Stalled);
        assert_eq!(check(9), StallCheck::Stalled);
        assert_eq!(check(10), StallCheck::Resumed);
        assert_eq!(check(10), StallCheck::Flowing);
        // However late a check comes.
        now += Duration::from_secs(3600);
        assert_eq!(stall.check(10, now), StallCheck::Flowing);
    }

    /// A source with a frame each `every` checks. Returns the checks that found a stall.
    fn stalls_of(stall: &mut StallDetector, every: u32, checks: u32) -> u32 {
        let start = stall.seen;
        let found = (1..=checks).filter(|check| {
            let now = stall.next;
            stall.check(start + check / every, now) == StallCheck::Stalled
        });
        u32::try_from(found.count()).unwrap()
    }

    #[test]
    fn a_source_that_is_slow_by_nature_does_not_stand_still() {
        let now = Instant::now();
        // Its caps name 30 frames a second, or none, and it gives one in five seconds.
        for limit in [ms(2000), ms(10_000)] {
            let mut stall = StallDetector::new(limit, Pace::default(), 0, now);
            let at_first = stalls_of(&mut stall, 10, 10);
            assert_eq!(at_first > 0, limit == ms(2000));
            assert_eq!(stalls_of(&mut stall, 10, 1000), 0);
            assert_eq!(stall.limit(), ms(15_000).max(limit));
            // When it stops for good it is noticed.
            assert!(stalls_of(&mut stall, 1000, 40) > 0);
        }
    }

    #[test]
    fn a_pause_does_not_make_a_source_slow() {
        let mut stall = StallDetector::new(ms(2000), Pace::default(), 0, Instant::now());
        stalls_of(&mut stall, 1, 100);
        stalls_of(&mut stall, 100, 100);
        assert_eq!(stall.limit(), ms(2000));
        stalls_of(&mut stall, 1, 1);
        assert_eq!(stall.limit(), ms(2000));
    }

    #[test]
    fn a_source_that_stands_still_after_each_opening_gets_more_time() {
        let (mut pace, mut limits) = (Pace::default(), Vec::new());
        loop {
            // Each opening gives one frame at once, and the next one comes after 25 s.
            let mut stall = StallDetector::new(ms(10_000), pace, 0, Instant::now());
            limits.push(stall.limit().as_secs());
            if stalls_of(&mut stall, 50, 49) == 0 {
                break;
            }
            pace = stall.pace_after_stall();
        }
        let mut stall = StallDetector::new(ms(10_000), pace, 0, Instant::now());
        assert_eq!(stalls_of(&mut stall, 50, 500), 0);
        assert_eq!(limits, [10, 20, 40]);
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
