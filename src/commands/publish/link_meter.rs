//! Measures what the link to an engine carries, while that is less than it is given. Nothing here does
//! I/O or reads a clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::media::playback::published::Packets;
use crate::net::BitRate;

/// The time over which rates are measured.
const WINDOW: Duration = Duration::from_secs(1);
/// A frame that is this far behind the newest one waits for the engine.
const BEHIND: Duration = Duration::from_millis(90);
/// A link that is too slow for more than this part of the packets in time is full.
const LOSS: f64 = 0.02;
/// A link that loses more than this part of the packets is full. One by radio may lose fewer.
const HEAVY_LOSS: f64 = 0.1;
/// A link whose round trip is so many milliseconds longer than at its best is full: a queue on it is.
const QUEUE_MS: f64 = 60.0;
/// A link that loses more than this part carries next to nothing: it does not spoil the frames for the
/// other players.
const HOPELESS: f64 = 0.75;
/// The part of its bytes that a full link carries at the most. Nobody knows how much of a queue on it
/// passes.
const PART: f64 = 0.875;

/// The state of the link at one moment. All but `behind` only grow.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Bytes that the engine's sink was given.
    pub given: u64,
    /// How long it took nothing while a frame waited for it.
    pub busy: Duration,
    /// Frames that were left out.
    pub skipped: u64,
    /// The packets of each link, where the sink counts them.
    pub packets: Vec<Packets>,
    /// How far the last frame is behind the newest one.
    pub behind: Duration,
}

/// The samples of the last second of one link.
#[derive(Debug, Default)]
pub struct LinkMeter {
    samples: VecDeque<(Instant, Sample)>,
    /// The shortest round trip of each link so far, in milliseconds.
    shortest: Vec<f64>,
}

impl LinkMeter {
    /// Notes a sample.
    pub fn note(&mut self, now: Instant, sample: Sample) {
        // The last one before the window stays, so that the rest spans all of it.
        let is_old = |(at, _): &(Instant, Sample)| now.saturating_duration_since(*at) > WINDOW;
        while self.samples.get(1).is_some_and(is_old) {
            self.samples.pop_front();
        }
        if self.shortest.len() != sample.packets.len() {
            // Somebody has come or gone, and nobody knows in which place.
            self.shortest = vec![f64::MAX; sample.packets.len()];
        }
        for (shortest, packets) in self.shortest.iter_mut().zip(&sample.packets) {
            *shortest = shortest.min(packets.rtt);
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
        let lost = self.lost(&first.packets, &last.packets);
        let is_full = last.skipped > first.skipped || last.behind > BEHIND || lost.is_some();
        // Where frames were left out, the link was idle up to the next key frame.
        let busy = last.busy.saturating_sub(first.busy);
        let time = if busy < WINDOW / 4 { took } else { busy };
        let given = passed(|sample| sample.given) / time.as_secs_f64();
        let arrived = BitRate::from_bytes(given * (1.0 - lost.unwrap_or_default()));
        is_full.then_some(arrived)
    }

    /// The part of its packets that the fullest link loses between two moments; `None` where all take
    /// everything. Nobody knows it while players come or go.
    fn lost(&self, first: &[Packets], last: &[Packets]) -> Option<f64> {
        if first.len() != last.len() || last.len() != self.shortest.len() {
            return None;
        }
        let links = first.iter().zip(last).zip(&self.shortest);
        let full: Vec<f64> = links
            .filter_map(|((first, last), shortest)| lost(first, last, *shortest))
            .collect();
        let worst = |limit: f64| {
            let below = full.iter().filter(|lost| **lost <= limit);
            below.copied().reduce(f64::max)
        };
        let is_alone = last.len() == full.len();
        worst(HOPELESS).or_else(|| worst(1.0).filter(|_| is_alone))
    }
}

/// The part of its packets that a link loses between two moments, at least so much that fewer are made;
/// `None` where it takes everything, and where its other side has not answered at all: that is gone.
fn lost(first: &Packets, last: &Packets, shortest: f64) -> Option<f64> {
    let passed = |of: fn(&Packets) -> u64| of(last).saturating_sub(of(first)) as f64;
    let sent = passed(|packets| packets.sent).max(1.0);
    let dropped = passed(|packets| packets.dropped) / sent;
    let missed = passed(|packets| packets.lost) / sent;
    let is_full = dropped > LOSS || missed > HEAVY_LOSS || last.rtt - shortest > QUEUE_MS;
    let answers = last.acknowledged > first.acknowledged;
    (is_full && answers).then(|| dropped.max(missed).clamp(1.0 - PART, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half a minute in which each tenth of a second changes the sample so.
    fn after(change: impl Fn(&mut Sample)) -> Option<f64> {
        let (mut meter, began) = (LinkMeter::default(), Instant::now());
        let mut sample = Sample {
            packets: vec![Packets::default(); 3],
            ..Sample::default()
        };
        for tick in 0..300 {
            change(&mut sample);
            meter.note(began + Duration::from_millis(100) * tick, sample.clone());
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

    /// The rate where each tenth of a second takes 10,000 bytes, and changes the links so.
    fn with(change: impl Fn(&mut [Packets])) -> Option<f64> {
        after(move |sample| {
            sample.given += 10_000;
            for packets in &mut sample.packets {
                packets.sent += 100;
                packets.acknowledged += 10;
            }
            change(&mut sample.packets);
        })
    }

    #[test]
    fn a_link_that_is_too_slow_for_packets_carries_the_others() {
        assert_eq!(
            with(|links| links[0].dropped += 1),
            None,
            "as any link does"
        );
        assert_eq!(with(|links| links[0].dropped += 20), Some(640.0));
        assert_eq!(with(|links| links[1].lost += 8), None, "as radio does");
        assert_eq!(with(|links| links[1].lost += 40), Some(480.0));
        let both = |links: &mut [Packets]| {
            links[0].dropped += 20;
            links[2].lost += 30;
        };
        assert_eq!(with(both), Some(560.0));
    }

    #[test]
    fn a_link_with_a_queue_carries_less_than_it_is_given() {
        assert_eq!(with(|links| links[0].rtt = 300.0), None, "it is far away");
        let longer = |links: &mut [Packets]| links[0].rtt += 1.0;
        assert_eq!(with(longer), Some(700.0));
    }

    #[test]
    fn a_player_that_gets_next_to_nothing_or_is_gone_does_not_spoil_it_for_the_others() {
        assert_eq!(with(|links| links[0].dropped += 90), None);
        let all = |links: &mut [Packets]| links.iter_mut().for_each(|link| link.dropped += 90);
        assert_eq!(with(all), Some(80.0));
        let gone = |links: &mut [Packets]| {
            links[0].acknowledged = 0;
            links[0].dropped += 60;
        };
        assert_eq!(with(gone), None);
    }

    #[test]
    fn a_player_that_comes_or_goes_is_no_loss() {
        let began = Instant::now();
        let link = |sent, dropped| Packets {
            sent,
            dropped,
            acknowledged: sent,
            ..Packets::default()
        };
        let (here, gone) = (link(100, 0), link(900, 300));
        for packets in [
            [vec![here], vec![here, gone]],
            [vec![gone, here], vec![here]],
        ] {
            let mut meter = LinkMeter::default();
            for (at, packets) in (0..).zip(packets) {
                let sample = Sample {
                    packets,
                    ..Sample::default()
                };
                meter.note(began + WINDOW * at, sample);
            }
            assert_eq!(meter.carries().map(|rate| rate.kbit()), None);
        }
    }
}
