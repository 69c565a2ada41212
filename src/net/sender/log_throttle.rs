//! One line of log a second for what happens again and again, with a number.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often something that repeats is told.
const INTERVAL: Duration = Duration::from_secs(1);

/// Counts what repeats, and says when it is time to tell of it.
#[derive(Debug, Default)]
pub(super) struct LogThrottle {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How often it has happened since it was told last.
    count: u64,
    told_at: Option<Instant>,
}

impl LogThrottle {
    /// It has happened. Returns how often since the last line, where another one is due.
    pub fn note(&self) -> Option<u64> {
        // Two plain values, whole at any time.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += 1;
        if state.told_at.is_some_and(|at| at.elapsed() < INTERVAL) {
            return None;
        }
        state.told_at = Some(Instant::now());
        Some(std::mem::take(&mut state.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_others_together() {
        let repeats = LogThrottle::default();
        assert_eq!(repeats.note(), Some(1));
        assert_eq!(repeats.note(), None);
        assert_eq!(repeats.note(), None);
        let earlier = Instant::now().checked_sub(2 * INTERVAL);
        repeats.state.lock().unwrap().told_at = earlier;
        assert_eq!(repeats.note(), Some(3));
    }
}
