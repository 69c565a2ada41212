//! The backlog of a live source. After its machine was asleep, or the program was stopped, a source
//! first gives out the old frames, faster than usual. They are dropped up to the newest.
//!
//! Ages and times in, decisions out, so that it can be tested without waiting.

use std::time::{Duration, Instant};

/// Frames that are older than usual by this much come from a time when the source was held up.
const LATE: Duration = Duration::from_millis(500);
/// The usual age is the least of the last one or two spans of so many frames.
const SPAN: u32 = 200;
/// The time after which the frames of a source that catches up are clearly newer.
const CATCHING_UP: Duration = Duration::from_secs(1);

/// Recognises the frames of a backlog by their age.
#[derive(Debug, Default)]
pub struct BacklogFilter {
    /// The least age of this span, and of the one before it.
    least: [Option<Duration>; 2],
    count: u32,
    /// The time at which frames began to be dropped, or were last seen to be newer, and their age
    /// at that time.
    behind: Option<(Instant, Duration)>,
}

impl BacklogFilter {
    /// Whether a frame of this age is to be dropped.
    pub fn drops(&mut self, now: Instant, age: Duration) -> bool {
        let usual = self.least.iter().flatten().min();
        if usual.is_some_and(|usual| age > *usual + LATE) {
            let (since, then) = *self.behind.get_or_insert((now, age));
            if now.saturating_duration_since(since) < CATCHING_UP {
                return true;
            }
            if age + CATCHING_UP / 2 < then {
                self.behind = Some((now, age));
                return true;
            }
            // The frames stay this old, so this is their usual age from now on.
            self.least = [None; 2];
        }
        self.behind = None;
        if self.count == SPAN {
            (self.least[1], self.least[0], self.count) = (self.least[0].take(), None, 0);
        }
        self.count += 1;
        self.least[0] = Some(self.least[0].map_or(age, |least| least.min(age)));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clock of a source of 30 frames a second.
    struct Clock(Instant);

    impl Clock {
        fn after(&mut self, milliseconds: u64) -> Instant {
            self.0 += Duration::from_millis(milliseconds);
            self.0
        }
    }

    const FRESH: Duration = Duration::from_millis(5);

    fn steady() -> (BacklogFilter, Clock) {
        let (mut filter, mut clock) = (BacklogFilter::default(), Clock(Instant::now()));
        for _ in 0..1000 {
            assert!(!filter.drops(clock.after(33), FRESH));
        }
        (filter, clock)
    }

    #[test]
    fn a_backlog_is_dropped_up_to_the_newest_frame() {
        let (mut filter, mut clock) = steady();
        clock.after(60_000);
        // The frames of the last minute, as quickly as they can be made, for over a second.
        for made in 0..1800 {
            let age = Duration::from_millis((1800 - made) * 33);
            let dropped = filter.drops(clock.after(2), age);
            assert_eq!(dropped, age > FRESH + LATE, "{age:?}");
        }
        assert!(!filter.drops(clock.after(33), FRESH));
    }

    #[test]
    fn a_source_that_stays_late_is_taken_as_it_is_after_a_second() {
        let (mut filter, mut clock) = steady();
        let late = Duration::from_secs(2);
        let mut dropped = 0;
        while filter.drops(clock.after(33), late) {
            dropped += 1;
        }
        assert!((29..=32).contains(&dropped), "{dropped}");
        for _ in 0..1000 {
            assert!(!filter.drops(clock.after(33), late));
        }
    }

    #[test]
    fn ages_that_vary_or_grow_slowly_lose_nothing() {
        let (mut filter, mut clock) = steady();
        for number in 0..3000 {
            let age = Duration::from_millis(number % 400);
            assert!(!filter.drops(clock.after(33), age));
        }
        for number in 0..3000 {
            let age = Duration::from_millis(number);
            assert!(!filter.drops(clock.after(33), age), "{age:?}");
        }
    }

    #[test]
    fn the_first_frame_passes_whatever_its_age() {
        let mut filter = BacklogFilter::default();
        assert!(!filter.drops(Instant::now(), Duration::from_secs(5)));
    }
}
