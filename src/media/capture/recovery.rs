//! What the failure of a source means, and when to try again: the policy alone, with the time
//! given to it, so that it can be tested without a camera and without waiting.

use std::time::{Duration, Instant};

/// How long to wait before each try. The last one is for all that follow.
///
/// A camera is there or not, and to look costs nothing. Others may ask a machine that is far
/// away, and should not trouble it.
const CAMERA_DELAYS: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];
const OTHER_DELAYS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(5),
];

/// After so long without a failure, the next one is the first again. One that fails right after
/// each start is tried less and less often.
const STEADY: Duration = Duration::from_secs(10);

/// How many reasons of one loss are told. More would be a flood, not news.
const REASONS: usize = 5;

/// How often it is looked whether pictures come.
pub const LOOK: Duration = Duration::from_millis(500);

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It never worked: there is nothing to wait for.
    Fatal,
    /// It worked and does no more.
    Lost,
    /// It is lost already, and does not come back for a reason that was not told yet.
    News,
    /// It is lost already, and all is said.
    Known,
}

/// The course of a source through its losses.
#[derive(Debug, Default)]
pub struct Recovery {
    /// There was a picture at least once.
    worked: bool,
    /// Why it is lost, as far as it was told; empty while it is not.
    told: Vec<String>,
    /// Failures without a steady time between them.
    failures: usize,
    /// Since when pictures come.
    since: Option<Instant>,
    /// When to try again.
    due: Option<Instant>,
}

impl Recovery {
    /// A picture came, the first since the source was opened.
    pub fn works(&mut self, now: Instant) {
        self.worked = true;
        self.told.clear();
        self.since = Some(now);
        self.due = None;
    }

    /// It failed for `reason`; a try follows where that makes sense.
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
        self.due = Some(now + delay);
        self.tell(reason)
    }

    /// It gives nothing, but is not to be tried again: it goes on by itself or never.
    pub fn pauses(&mut self, reason: &str) -> Decision {
        self.tell(reason)
    }

    fn tell(&mut self, reason: &str) -> Decision {
        let verdict = match self.told.len() {
            0 => Decision::Lost,
            REASONS.. => Decision::Known,
            _ if self.told.iter().any(|told| told == reason) => Decision::Known,
            _ => Decision::News,
        };
        if verdict != Decision::Known {
            self.told.push(reason.to_owned());
        }
        verdict
    }

    /// Whether it worked and does no more.
    pub fn is_lost(&self) -> bool {
        !self.told.is_empty()
    }

    /// Whether it has never worked.
    pub fn is_new(&self) -> bool {
        !self.worked
    }

    /// When to try again, if that is to be.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// A try begins, or none is wanted for now.
    pub fn settle(&mut self) {
        self.due = None;
    }
}

/// Notices that no pictures come any more.
///
/// It counts looks and not time: a process that was stopped for a while, or a machine that was
/// asleep, has not lost its camera.
#[derive(Debug)]
pub struct Stall {
    /// So many looks without a picture are too many.
    limit: u32,
    idle: u32,
    seen: u32,
    next: Instant,
}

/// What a look has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StallCheck {
    /// Pictures come, or may still.
    Beats,
    /// The first picture after too long a time.
    Returns,
    /// None for too long.
    Stopped,
}

impl Stall {
    /// To be told after `limit` without a picture. `count` is the pictures so far.
    pub fn after(limit: Duration, count: u32, now: Instant) -> Self {
        let looks = limit.as_millis().div_ceil(LOOK.as_millis());
        Self {
            limit: u32::try_from(looks).unwrap_or(u32::MAX),
            idle: 0,
            seen: count,
            next: now + LOOK,
        }
    }

    /// When to look.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Looks at how many pictures there were so far.
    pub fn look(&mut self, count: u32, now: Instant) -> StallCheck {
        self.next = now + LOOK;
        let stood = self.idle >= self.limit;
        if self.seen != count {
            self.seen = count;
            self.idle = 0;
            return if stood {
                StallCheck::Returns
            } else {
                StallCheck::Beats
            };
        }
        self.idle = self.idle.saturating_add(1);
        if self.idle >= self.limit {
            StallCheck::Stopped
        } else {
            StallCheck::Beats
        }
    }
}

/// How long no picture is too long, at `fps` frames a second where that is known.
pub fn patience(fps: Option<f64>, is_camera: bool) -> Duration {
    match fps.filter(|fps| *fps > 0.0) {
        Some(fps) => Duration::try_from_secs_f64(3.0 / fps)
            .unwrap_or(Duration::MAX)
            .clamp(Duration::from_secs(2), Duration::from_secs(3600)),
        None if is_camera => Duration::from_secs(2),
        // Who names no rate may well give a picture only when something has changed.
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
    fn what_never_worked_is_not_waited_for() {
        let mut recovery = Recovery::default();
        assert_eq!(
            recovery.fails("busy", true, Instant::now()),
            Decision::Fatal
        );
        assert!(recovery.due().is_none() && !recovery.is_lost());
    }

    #[test]
    fn a_loss_is_told_once_and_tried_soon_and_then_every_second_for_ever() {
        let mut recovery = Recovery::default();
        let mut now = Instant::now();
        recovery.works(now);
        now += STEADY;
        assert_eq!(recovery.fails("unplugged", true, now), Decision::Lost);
        assert_eq!(recovery.due(), Some(now + ms(250)));
        for _ in 0..10_000 {
            now += ms(1000);
            recovery.settle();
            assert_eq!(recovery.due(), None);
            assert_eq!(recovery.fails("unplugged", true, now), Decision::Known);
            assert_eq!(recovery.due(), Some(now + ms(1000)));
        }
        assert!(recovery.is_lost());
        recovery.works(now);
        assert!(!recovery.is_lost() && recovery.due().is_none());
        now += STEADY;
        assert_eq!(recovery.fails("unplugged", true, now), Decision::Lost);
        assert_eq!(recovery.due(), Some(now + ms(250)), "as soon as the first");
    }

    #[test]
    fn another_reason_is_news_but_no_flood() {
        let mut recovery = Recovery::default();
        let now = Instant::now();
        recovery.works(now);
        assert_eq!(recovery.fails("unplugged", true, now), Decision::Lost);
        assert_eq!(recovery.fails("busy", true, now), Decision::News);
        assert_eq!(recovery.fails("unplugged", true, now), Decision::Known);
        let verdicts = (0..100).map(|n| recovery.fails(&n.to_string(), true, now));
        let news = verdicts
            .filter(|verdict| *verdict == Decision::News)
            .count();
        assert_eq!(news, REASONS - 2);
    }

    #[test]
    fn what_fails_right_after_each_start_is_tried_less_and_less_often() {
        let mut recovery = Recovery::default();
        let mut now = Instant::now();
        let mut delays = Vec::new();
        for _ in 0..7 {
            recovery.works(now);
            now += ms(1000);
            assert_eq!(recovery.fails("no reply", false, now), Decision::Lost);
            delays.push(recovery.due().unwrap() - now);
        }
        assert_eq!(delays[..2], [ms(250), ms(1000)]);
        assert!(delays.is_sorted());
        assert_eq!(delays[5..], [ms(5000), ms(5000)]);
    }

    #[test]
    fn a_stall_is_as_many_looks_without_a_picture() {
        let mut now = Instant::now();
        let mut stall = Stall::after(ms(2000), 7, now);
        let mut look = |count| {
            now += LOOK;
            stall.look(count, now)
        };
        for count in [7, 7, 7, 8, 8, 8, 8] {
            assert_eq!(look(count), StallCheck::Beats);
        }
        assert_eq!(look(8), StallCheck::Stopped);
        assert_eq!(look(8), StallCheck::Stopped);
        assert_eq!(look(9), StallCheck::Returns);
        assert_eq!(look(9), StallCheck::Beats);
        // However long one look took to come.
        now += Duration::from_secs(3600);
        assert_eq!(stall.look(9, now), StallCheck::Beats);
    }

    #[test]
    fn slow_sources_are_given_three_pictures_time() {
        assert_eq!(patience(Some(30.0), true), ms(2000));
        assert_eq!(patience(Some(0.5), true), ms(6000));
        assert_eq!(patience(Some(0.0), true), ms(2000));
        assert_eq!(patience(Some(0.0), false), ms(10_000));
        assert_eq!(patience(None, false), ms(10_000));
        assert_eq!(patience(Some(1e-300), false), Duration::from_secs(3600));
    }
}
