//! Measures what the link to an engine carries, while that is less than it is given. Nothing here does
//! I/O or reads a clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::net::BitRate;

/// The time over which rates are measured.
const WINDOW: Duration = Duration::from_secs(1);
/// A frame that is this far behind the newest one waits for the engine.
const BEHIND: Duration = Duration::from_millis(90);
/// A link for which more than this part of the packets is too late is full.
const LOSS: f64 = 0.02;

/// The state of the link at one moment. All but `behind` only grow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Bytes that the engine's sink was given.
    pub given: u64,
    /// How long it took nothing while a frame waited for it.
    pub busy: Duration,
    /// Frames that were left out.
    pub skipped: u64,
    /// Packets that were sent, and that were too late to be sent, where the sink counts them.
    pub sent: u64,
    pub dropped: u64,
    /// How far the last frame is behind the newest one.
    pub behind: Duration,
}

/// The samples of the last second of one link.
#[derive(Debug, Default)]
pub struct LinkMeter {
    samples: VecDeque<(Instant, Sample)>,
}

impl LinkMeter {
    /// Notes a sample.
    pub fn note(&mut self, now: Instant, sample: Sample) {
        // The last one before the window stays, so that the rest spans all of it.
        let is_old = |(at, _): &(Instant, Sample)| now.saturating_duration_since(*at) > WINDOW;
        while self.samples.get(1).is_some_and(is_old) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, sample));
    }

    /// The rate that the link carries; `None` while it takes everything.
    pub fn carries(&self) -> Option<BitRate> {
        let ((began, first), (ended, last)) = self.samples.front().zip(self.samples.back())?;
        let took = ended.saturating_duration_since(*began);
        if took < WINDOW / 2 {
            return None;
        }
        let passed = |of: fn(&Sample) -> u64| of(last).saturating_sub(of(first)) as f64;
        let lost = passed(|sample| sample.dropped) / passed(|sample| sample.sent).max(1.0);
        let is_full = last.skipped > first.skipped || last.behind > BEHIND || lost > LOSS;
        // Where frames were left out, the link was idle up to the next key frame.
        let busy = last.busy.saturating_sub(first.busy);
        let time = if busy < WINDOW / 4 { took } else { busy };
        let given = passed(|sample| sample.given) / time.as_secs_f64();
        let arrived = BitRate::from_bytes(given * (1.0 - lost).max(0.0));
        is_full.then_some(arrived)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half a minute in which each tenth of a second changes the sample so.
    fn after(change: impl Fn(&mut Sample)) -> Option<f64> {
        let (mut meter, mut sample, began) =
            (LinkMeter::default(), Sample::default(), Instant::now());
        for tick in 0..300 {
            change(&mut sample);
            meter.note(began + Duration::from_millis(100) * tick, sample);
        }
        assert!(meter.samples.len() <= 13, "{}", meter.samples.len());
        meter.carries().map(|rate| rate.kbit().round())
    }

    #[test]
    fn a_link_that_takes_everything_has_no_rate() {
        assert_eq!(after(|sample| sample.given += 10_000), None);
        assert_eq!(after(|_| {}), None, "nothing was given to it");
    }

    #[test]
    fn a_full_link_carries_what_was_given_to_it() {
        let skipping = after(|sample| {
            (sample.given, sample.skipped) = (sample.given + 10_000, sample.skipped + 1)
        });
        assert_eq!(skipping, Some(800.0));
        let behind =
            after(|sample| (sample.given, sample.behind) = (sample.given + 10_000, BEHIND * 2));
        assert_eq!(behind, Some(800.0));
        assert_eq!(
            after(|sample| sample.skipped += 1),
            Some(0.0),
            "it stands still"
        );
    }

    #[test]
    fn a_link_that_waits_for_a_key_frame_carries_more_than_it_was_given() {
        let half = after(|sample| {
            (sample.given, sample.skipped) = (sample.given + 10_000, sample.skipped + 1);
            sample.busy += Duration::from_millis(50);
        });
        assert_eq!(half, Some(1600.0));
    }

    #[test]
    fn a_link_that_is_too_slow_for_packets_carries_the_others() {
        let lossy = |lost| {
            after(move |sample: &mut Sample| {
                sample.given += 10_000;
                (sample.sent, sample.dropped) = (sample.sent + 100, sample.dropped + lost);
            })
        };
        assert_eq!(lossy(1), None, "as any link does");
        assert_eq!(lossy(20), Some(640.0));
    }
}
