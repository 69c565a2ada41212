//! The key frames that viewers ask for, within a budget. Key frames are large, so many of them would
//! raise the bit rate for everybody. Nothing here reads a clock.

use std::time::{Duration, Instant};

/// How many key frames may come soon after each other: viewers that join, and viewers that lost
/// something.
const BURST: u32 = 8;
/// How long it takes until one more may come.
///
/// One a second is what a viewer needs that passes the frames on to an engine without a memory.
const REFILL: Duration = Duration::from_secs(1);
/// The shortest time between two.
const INTERVAL: Duration = Duration::from_millis(250);

/// When the next key frame may be asked for.
#[derive(Debug)]
pub struct KeyBudget {
    left: u32,
    refilled: Option<Instant>,
    last: Option<Instant>,
    wanted: bool,
}

impl Default for KeyBudget {
    fn default() -> Self {
        Self {
            left: BURST,
            refilled: None,
            last: None,
            wanted: false,
        }
    }
}

impl KeyBudget {
    /// A viewer needs a key frame.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// When the encoder is to be asked; `None` while nobody needs a key frame.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        if !self.wanted {
            return None;
        }
        let spaced = self.last.map_or(now, |last| last + INTERVAL);
        let refilled = match self.refilled {
            Some(at) if self.left == 0 => at + REFILL,
            _ => now,
        };
        Some(spaced.max(refilled).max(now))
    }

    /// The encoder is asked now, for everybody who needed one.
    pub fn spend(&mut self, now: Instant) {
        self.wanted = false;
        self.last = Some(now);
        let since = self.refilled.map_or(Duration::ZERO, |at| now - at);
        let back = since.as_nanos() / REFILL.as_nanos();
        let back = u32::try_from(back).unwrap_or(BURST).min(BURST);
        if self.left + back >= BURST {
            (self.left, self.refilled) = (BURST, Some(now));
        } else if back > 0 {
            self.left += back;
            self.refilled = self.refilled.map(|at| at + REFILL * back);
        }
        self.left = self.left.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many key frames come in so many seconds in which somebody always needs one.
    fn flood(budget: &mut KeyBudget, from: Instant, seconds: u64) -> u32 {
        let (end, mut now, mut count) = (from + Duration::from_secs(seconds), from, 0);
        loop {
            budget.want();
            now = budget.due(now).expect("one is needed");
            if now >= end {
                return count;
            }
            budget.spend(now);
            count += 1;
        }
    }

    #[test]
    fn a_flood_gets_some_at_once_and_then_one_a_second() {
        let (mut budget, begun) = (KeyBudget::default(), Instant::now());
        assert_eq!(budget.due(begun), None, "nobody needs one");
        assert_eq!(flood(&mut budget, begun, 2), BURST);
        let minute = flood(&mut budget, begun + Duration::from_secs(2), 60);
        assert!((59..=61).contains(&minute), "{minute}");
        let later = begun + Duration::from_secs(600);
        assert_eq!(flood(&mut budget, later, 2), BURST, "all are back");
    }

    #[test]
    fn one_that_is_needed_now_and_then_comes_at_once() {
        let (mut budget, mut now) = (KeyBudget::default(), Instant::now());
        for _ in 0..100 {
            now += Duration::from_secs(3);
            budget.want();
            assert_eq!(budget.due(now), Some(now));
            budget.spend(now);
            assert_eq!(budget.due(now), None, "it is for everybody");
        }
    }
}
