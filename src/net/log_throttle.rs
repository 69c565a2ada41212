//! One line of log a second for an event that repeats, with its count.

use std::time::{Duration, Instant};

/// How often something that repeats is logged.
const INTERVAL: Duration = Duration::from_secs(1);

/// Counts an event that repeats, and tells when its next line is due.
#[derive(Debug, Default)]
pub(super) struct LogThrottle {
    /// How often the event has happened since the last line.
    count: u64,
    logged: Option<Instant>,
}

impl LogThrottle {
    /// The event has happened. Returns how often since the last line, where another line is due.
    pub fn note(&mut self) -> Option<u64> {
        self.count += 1;
        if self.logged.is_some_and(|at| at.elapsed() < INTERVAL) {
            return None;
        }
        self.logged = Some(Instant::now());
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_others_together() {
        let mut repeats = LogThrottle::default();
        assert_eq!(repeats.note(), Some(1));
        assert_eq!(repeats.note(), None);
        assert_eq!(repeats.note(), None);
        let earlier = Instant::now().checked_sub(2 * INTERVAL);
        repeats.logged = earlier;
        assert_eq!(repeats.note(), Some(3));
    }
}
