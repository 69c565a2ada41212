//! How old a picture is when it reaches the end of a sending pipeline, and whether it is one of
//! those that a source catches up with.
//!
//! What a live source makes has the time of its capture on it. Other sources have no such clock:
//! a pipe's parser counts pictures, and thirty of those are not quite a second of whoever writes
//! to the pipe, so that an age by them would grow for ever. There it counts from when the source
//! gave out the last of the picture.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

/// How pictures of a pipeline come by their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// A live source's clock.
    Live,
    /// They wait at the end of the pipeline until they are due, as those of a file do.
    Paced,
    /// They come as they are given to the pipeline.
    Unpaced,
}

/// Tells the ages of one pipeline's pictures.
#[derive(Debug)]
pub struct AgeEstimator {
    origin: Instant,
    pace: OnceLock<Timing>,
    /// When a source last gave something out, in nanoseconds from the origin; 0 where that has
    /// been a picture already.
    given: AtomicU64,
}

impl AgeEstimator {
    /// Looks at the sources of a pipeline, which is about to be started.
    pub fn watch(pipeline: &gst::Pipeline) -> Arc<Self> {
        let capture = Arc::new(Self {
            origin: Instant::now(),
            pace: OnceLock::new(),
            given: AtomicU64::new(0),
        });
        for source in pipeline.iterate_sources().into_iter().flatten() {
            for pad in source.src_pads() {
                let capture = Arc::clone(&capture);
                let what = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
                pad.add_probe(what, move |_, _| {
                    let now = capture.origin.elapsed().as_nanos();
                    let now = u64::try_from(now).unwrap_or(u64::MAX);
                    capture.given.store(now, Relaxed);
                    gst::PadProbeReturn::Ok
                });
            }
        }
        capture
    }

    /// The pipeline turns out to be of this kind. To be said before its first picture.
    pub fn is(&self, pace: Timing) {
        let _ = self.pace.set(pace);
    }

    /// How old the picture is that has just come to `sink`. Of a live source it is by the time
    /// on it: one without a time is as new as can be, and so is one from the future.
    pub fn age(&self, sink: &gst_app::AppSink, running: Option<gst::ClockTime>) -> Duration {
        match self.pace.get().unwrap_or(&Timing::Live) {
            Timing::Live => {
                let age = running.and_then(|then| sink.current_running_time()?.checked_sub(then));
                Duration::from(age.unwrap_or_default())
            }
            Timing::Paced => Duration::ZERO,
            // Where nothing was given out since the last one, an element has made it, just now.
            Timing::Unpaced => match self.given.swap(0, Relaxed) {
                0 => Duration::ZERO,
                given => {
                    let given = Duration::from_nanos(given);
                    self.origin.elapsed().saturating_sub(given)
                }
            },
        }
    }

    /// Whether the source catches up at all: a file or a pipe has nothing to be late for.
    pub fn catches_up(&self) -> bool {
        *self.pace.get().unwrap_or(&Timing::Live) == Timing::Live
    }
}

/// Pictures that are so much older than usual come from a time when the source was held up.
const LATE: Duration = Duration::from_millis(500);
/// The usual age is the least of so many pictures, twice.
const SPAN: u32 = 200;
/// A source that catches up is a good deal better off after this time.
const CATCHING_UP: Duration = Duration::from_secs(1);

/// Knows the pictures with which a source catches up, after its machine was asleep or the program
/// was stopped: they are old, and newer ones come at once. Ages and times in, verdicts out.
#[derive(Debug, Default)]
pub struct BacklogFilter {
    /// The least age of this span, and of the one before it.
    least: [Option<Duration>; 2],
    count: u32,
    /// When pictures began to be left out, or were last seen to be newer, and how old they were.
    behind: Option<(Instant, Duration)>,
}

impl BacklogFilter {
    /// Whether a picture of this age is to be left out.
    pub fn leaves_out(&mut self, now: Instant, age: Duration) -> bool {
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
            // It stays that old: so is everything that it makes from now on.
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

    /// A source of 30 pictures a second, whose clock this is.
    struct Clock(Instant);

    impl Clock {
        fn after(&mut self, milliseconds: u64) -> Instant {
            self.0 += Duration::from_millis(milliseconds);
            self.0
        }
    }

    const FRESH: Duration = Duration::from_millis(5);

    fn settled() -> (BacklogFilter, Clock) {
        let (mut catch_up, mut clock) = (BacklogFilter::default(), Clock(Instant::now()));
        for _ in 0..1000 {
            assert!(!catch_up.leaves_out(clock.after(33), FRESH));
        }
        (catch_up, clock)
    }

    #[test]
    fn what_piled_up_while_the_source_was_held_up_is_left_out_up_to_the_newest() {
        let (mut catch_up, mut clock) = settled();
        clock.after(60_000);
        // Of the last minute, as quickly as they can be made, for longer than a second.
        for made in 0..1800 {
            let age = Duration::from_millis((1800 - made) * 33);
            let left_out = catch_up.leaves_out(clock.after(2), age);
            assert_eq!(left_out, age > FRESH + LATE, "{age:?}");
        }
        assert!(!catch_up.leaves_out(clock.after(33), FRESH));
    }

    #[test]
    fn a_source_that_stays_late_is_taken_as_it_is_after_a_second() {
        let (mut catch_up, mut clock) = settled();
        let late = Duration::from_secs(2);
        let mut left_out = 0;
        while catch_up.leaves_out(clock.after(33), late) {
            left_out += 1;
        }
        assert!((29..=32).contains(&left_out), "{left_out}");
        for _ in 0..1000 {
            assert!(!catch_up.leaves_out(clock.after(33), late));
        }
    }

    #[test]
    fn ages_that_vary_or_grow_slowly_lose_nothing() {
        let (mut catch_up, mut clock) = settled();
        for number in 0..3000 {
            let age = Duration::from_millis(number % 400);
            assert!(!catch_up.leaves_out(clock.after(33), age));
        }
        for number in 0..3000 {
            let age = Duration::from_millis(number);
            assert!(!catch_up.leaves_out(clock.after(33), age), "{age:?}");
        }
    }

    #[test]
    fn the_first_picture_is_taken_however_old_it_is() {
        let mut catch_up = BacklogFilter::default();
        assert!(!catch_up.leaves_out(Instant::now(), Duration::from_secs(5)));
    }
}
