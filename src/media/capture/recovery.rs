//! The policy of a source's failures: the meaning of each, and the time of the next try.
//!
//! Times come from the caller, so it can be tested without a camera and without waiting.

use std::time::{Duration, Instant};

/// The delay before each try. The last one is for all tries that follow.
///
/// To look for a camera costs nothing. Other sources may ask a distant machine, and should not
/// burden it.
const CAMERA_DELAYS: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];
const OTHER_DELAYS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(5),
];

/// After this time without a failure, the delays begin anew. A source that fails right after each
/// start is tried less and less often.
const STEADY: Duration = Duration::from_secs(10);

/// The most reasons that are told of one loss.
const REASONS: usize = 5;

/// The meaning of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The source has never worked, so it is not tried again.
    Fatal,
    /// The source worked, and is lost from now on.
    Lost,
    /// The source is still lost, for a reason that was not told yet.
    NewReason,
    /// The source is still lost, and this reason was told.
    Known,
}

/// The course of a source through its losses.
#[derive(Debug, Default)]
pub struct Recovery {
    /// A frame came at least once.
    worked: bool,
    /// The reasons of the present loss that were told; empty while the source works.
    told: Vec<String>,
    /// The number of failures without a steady time between them.
    failures: usize,
    /// The time since which frames come.
    since: Option<Instant>,
    /// The time of the next try.
    retry_at: Option<Instant>,
}

impl Recovery {
    /// The first frame came since the source was opened.
    pub fn works(&mut self, now: Instant) {
        self.worked = true;
        self.told.clear();
        self.since = Some(now);
        self.retry_at = None;
    }

    /// The source failed for `reason`. Unless this is fatal, a try is due later.
    pub fn fails(&mut self, reason: &str, is_camera: bool, now: Instant) -> Decision {
        if !self.worked {
            return Decision::Fatal;
        }
        let was_steady = |since: Instant| now.saturating_duration_since(since) >= STEADY;
        if self.since.take().is_some_and(was_steady) {
            self.failures = 0;
        }
        let delays = if is_camera {
            &CAMERA_DELAYS[..]
        } else {
            &OTHER_DELAYS
        };
        let delay = delays[self.failures.min(delays.len() - 1)];
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(now + delay);
        self.tell(reason)
    }

    /// The source gives nothing, and no try could help: it goes on by itself or never.
    pub fn pauses(&mut self, reason: &str) -> Decision {
        self.tell(reason)
    }

    fn tell(&mut self, reason: &str) -> Decision {
        let decision = match self.told.len() {
            0 => Decision::Lost,
            REASONS.. => Decision::Known,
            _ if self.told.iter().any(|told| told == reason) => Decision::Known,
            _ => Decision::NewReason,
        };
        if decision != Decision::Known {
            self.told.push(reason.to_owned());
        }
        decision
    }

    /// Whether the source worked, and is lost now.
    pub fn is_lost(&self) -> bool {
        !self.told.is_empty()
    }

    /// Whether the source has never worked.
    pub fn is_new(&self) -> bool {
        !self.worked
    }

    /// The time of the next try, if there is to be one.
    pub fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Takes the next try back: it begins now, or is not wanted.
    pub fn cancel_retry(&mut self) {
        self.retry_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_source_that_never_worked_is_not_tried_again() {
        let mut recovery = Recovery::default();
        assert_eq!(
            recovery.fails("busy", true, Instant::now()),
            Decision::Fatal
        );
        assert!(recovery.retry_at().is_none() && !recovery.is_lost());
    }

    #[test]
    fn a_loss_is_told_once_and_tried_soon_and_then_every_second_for_ever() {
        let mut recovery = Recovery::default();
        let mut now = Instant::now();
        recovery.works(now);
        now += STEADY;
        assert_eq!(recovery.fails("unplugged", true, now), Decision::Lost);
        assert_eq!(recovery.retry_at(), Some(now + ms(250)));
        for _ in 0..10_000 {
            now += ms(1000);
            recovery.cancel_retry();
            assert_eq!(recovery.retry_at(), None);
            assert_eq!(recovery.fails("unplugged", true, now), Decision::Known);
            assert_eq!(recovery.retry_at(), Some(now + ms(1000)));
        }
        assert!(recovery.is_lost());
        recovery.works(now);
        assert!(!recovery.is_lost() && recovery.retry_at().is_none());
        now += STEADY;
        assert_eq!(recovery.fails("unplugged", true, now), Decision::Lost);
        assert_eq!(
            recovery.retry_at(),
            Some(now + ms(250)),
            "as soon as the first"
        );
    }

    #[test]
    fn other_reasons_are_told_up_to_a_limit() {
        let mut recovery = Recovery::default();
        let now = Instant::now();
        recovery.works(now);
        assert_eq!(recovery.fails("unplugged", true, now), Decision::Lost);
        assert_eq!(recovery.fails("busy", true, now), Decision::NewReason);
        assert_eq!(recovery.fails("unplugged", true, now), Decision::Known);
        let decisions = (0..100).map(|n| recovery.fails(&n.to_string(), true, now));
        let told = decisions
            .filter(|decision| *decision == Decision::NewReason)
            .count();
        assert_eq!(told, REASONS - 2);
    }

    #[test]
    fn a_source_that_fails_right_after_each_start_is_tried_less_and_less_often() {
        let mut recovery = Recovery::default();
        let mut now = Instant::now();
        let mut delays = Vec::new();
        for _ in 0..7 {
            recovery.works(now);
            now += ms(1000);
            assert_eq!(recovery.fails("no reply", false, now), Decision::Lost);
            delays.push(recovery.retry_at().unwrap() - now);
        }
        assert_eq!(delays[..2], [ms(250), ms(1000)]);
        assert!(delays.is_sorted());
        assert_eq!(delays[5..], [ms(5000), ms(5000)]);
    }
}
