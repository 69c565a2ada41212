//! Measures what the link to an engine carries, and how old the bytes are that the system holds for
//! it. Nothing here does I/O or reads a clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::net::BitRate;

/// The time over which rates are measured.
const WINDOW: Duration = Duration::from_secs(1);
/// The time over which the shortest delay is taken for that of an empty link.
const MEMORY: Duration = Duration::from_secs(10);
/// Bytes that are this much older than on an empty link wait in a queue.
const QUEUE: Duration = Duration::from_millis(100);
/// Fewer bytes than this are no queue at any rate: a few packets.
const LEAST_QUEUE: u64 = 8 * 1024;
/// A frame that is this far behind the newest one waits for the engine.
const BEHIND: Duration = Duration::from_millis(90);
/// A link that loses more than this part of its packets is full.
const LOSS: f64 = 0.02;

/// The state of the link at one moment. All but `queued` and `behind` only grow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Bytes that the engine's sink was given.
    pub given: u64,
    /// Those of them that the system still holds, or that are on their way.
    pub queued: u64,
    /// Frames that were left out.
    pub skipped: u64,
    /// Packets that were sent and that were lost, where the sink counts them.
    pub sent: u64,
    pub lost: u64,
    /// How far the last frame is behind the newest one.
    pub behind: Duration,
}

/// The samples of one link.
#[derive(Debug, Default)]
pub struct LinkMeter {
    samples: VecDeque<(Instant, Sample)>,
    /// The shortest delays, each of a part of the memory.
    delays: VecDeque<(Instant, Duration)>,
}

impl LinkMeter {
    /// Notes a sample.
    pub fn note(&mut self, now: Instant, sample: Sample) {
        let is_old = |at: Instant, limit| now.saturating_duration_since(at) > limit;
        // One that is older than the window stays, so that the rest spans all of it.
        while self.samples.get(1).is_some_and(|(at, _)| is_old(*at, WINDOW)) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, sample));
        while self.delays.front().is_some_and(|(at, _)| is_old(*at, MEMORY)) {
            self.delays.pop_front();
        }
        if let Some(delay) = self.delay() {
            while self.delays.back().is_some_and(|(_, longer)| *longer >= delay) {
                self.delays.pop_back();
            }
            self.delays.push_back((now, delay));
        }
    }

    /// Whether so many bytes wait in the system that another frame would only become old there.
    pub fn has_queue(&self) -> bool {
        let (Some((_, last)), Some((_, least))) = (self.samples.back(), self.delays.front()) else {
            return false;
        };
        let delay = self.delay();
        last.queued > LEAST_QUEUE && delay.is_none_or(|delay| delay > *least + QUEUE)
    }

    /// The rate that the link carries; `None` while it takes everything.
    pub fn carries(&self) -> Option<BitRate> {
        let ((_, first), (_, last)) = self.samples.front().zip(self.samples.back())?;
        let sent = last.sent.saturating_sub(first.sent);
        let lost = last.lost.saturating_sub(first.lost);
        let loss = if sent > 0 { lost as f64 / sent as f64 } else { 0.0 };
        let is_full = last.skipped > first.skipped || last.behind > BEHIND || loss > LOSS;
        let rate = self.rate().filter(|_| is_full)?;
        let least = BitRate::from_kbit(1.0).bits();
        Some(BitRate::from_bits((rate.bits() * (1.0 - loss).max(0.0)).max(least)))
    }

    /// The rate at which bytes have reached the engine.
    fn rate(&self) -> Option<BitRate> {
        let ((began, first), (ended, last)) = self.samples.front().zip(self.samples.back())?;
        let arrived = |sample: &Sample| sample.given.saturating_sub(sample.queued);
        let bytes = arrived(last).saturating_sub(arrived(first));
        let took = ended.saturating_duration_since(*began);
        (took >= WINDOW / 4).then(|| BitRate::from_bytes(bytes as f64 / took.as_secs_f64()))
    }

    /// How long the bytes that the system holds will take; `None` where nothing moves.
    fn delay(&self) -> Option<Duration> {
        let (_, last) = self.samples.back()?;
        let seconds = last.queued as f64 / self.rate()?.bytes();
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(50);

    /// A link that carries so many bytes a second, with so many always on their way.
    struct Link {
        meter: LinkMeter,
        now: Instant,
        sample: Sample,
        carries: u64,
        round_trip: u64,
    }

    impl Link {
        fn new(carries: u64, round_trip: u64) -> Self {
            Self {
                meter: LinkMeter::default(),
                now: Instant::now(),
                sample: Sample::default(),
                carries,
                round_trip,
            }
        }

        /// Gives it so many bytes a second for a while. Returns how many samples had a queue.
        fn run(&mut self, rate: u64, seconds: u64) -> usize {
            let ticks = 20 * seconds;
            (0..ticks)
                .filter(|_| {
                    self.now += TICK;
                    self.sample.given += rate / 20;
                    let waiting = (self.sample.queued + rate / 20).saturating_sub(self.carries / 20);
                    self.sample.queued = waiting.max(self.round_trip * rate / 1000);
                    self.meter.note(self.now, self.sample);
                    self.meter.has_queue()
                })
                .count()
        }
    }

    #[test]
    fn what_is_on_its_way_on_a_long_line_is_no_queue() {
        let mut link = Link::new(10_000_000, 300);
        assert_eq!(link.run(200_000, 30), 0);
        assert_eq!(link.meter.carries(), None, "it takes everything");
    }

    #[test]
    fn a_thin_link_has_a_queue_soon_and_none_once_less_is_sent() {
        let mut link = Link::new(50_000, 0);
        link.run(40_000, 5);
        assert!(!link.meter.has_queue());
        assert!(link.run(100_000, 1) > 0, "{:?}", link.sample);
        assert!(link.meter.has_queue());
        link.sample.skipped += 3;
        link.run(100_000, 1);
        let carries = link.meter.carries().map(|rate| rate.bytes().round());
        assert!(carries.is_none(), "the frames were left out earlier: {carries:?}");
        link.sample.behind = BEHIND * 2;
        link.run(100_000, 1);
        let carries = link.meter.carries().expect("it is full").bytes();
        assert!((45_000.0..55_000.0).contains(&carries), "{carries}");
        link.sample.behind = Duration::ZERO;
        link.run(10_000, 10);
        assert!(!link.meter.has_queue() && link.meter.carries().is_none());
    }

    #[test]
    fn a_link_that_stands_still_has_a_queue() {
        let mut link = Link::new(100_000, 0);
        link.run(50_000, 3);
        link.carries = 0;
        link.run(50_000, 3);
        assert!(link.meter.has_queue());
        link.sample.behind = BEHIND * 2;
        link.run(0, 2);
        assert!(link.meter.carries().expect("it is full").kbit() <= 1.0);
    }

    #[test]
    fn a_link_that_loses_packets_carries_less_than_it_was_given() {
        let mut link = Link::new(1_000_000, 0);
        link.run(100_000, 2);
        for _ in 0..20 {
            (link.sample.sent, link.sample.lost) = (link.sample.sent + 10, link.sample.lost + 2);
            link.run(100_000, 1);
        }
        let carries = link.meter.carries().expect("it loses packets").bytes();
        assert!((70_000.0..90_000.0).contains(&carries), "{carries}");
    }
}
