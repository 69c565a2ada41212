//! The pace of viewers that acknowledge nothing, such as programs of the tutorial. Nothing tells what
//! their links take, and they are sent raw frames: on a link that they share with other viewers they
//! would get nearly all of it. So they yield. While another viewer is behind, they are sent no more
//! than it is, and less if that does not help. Nothing here does I/O or reads a clock.

use std::time::{Duration, Instant};

use crate::net::BitRate;

/// How long a new pace takes to show its effect.
const SETTLING: Duration = Duration::from_millis(750);
/// How long nobody may be behind before the pace rises.
const CALM: Duration = Duration::from_secs(2);
/// The least part of what other viewers are sent.
const LEAST: f64 = 0.25;
/// Growth in one second, and the slower growth above a pace that was too much before.
const GROWTH: f64 = 0.25;
const CAUTION: f64 = 0.03;
/// A pace that is this many times as much as these viewers need is no limit.
const AMPLE: f64 = 1.5;

/// Chooses the pace.
#[derive(Debug, Default)]
pub struct PaceControl {
    pace: Option<f64>,
    lowered: Option<Instant>,
    behind: Option<Instant>,
    looked: Option<Instant>,
    /// The pace at which another viewer last fell behind.
    too_much: Option<f64>,
}

impl PaceControl {
    /// Whether there is a limit.
    pub fn limits(&self) -> bool {
        self.pace.is_some()
    }

    /// Looks at the viewers. `behind` says whether one that acknowledges frames is behind, `others`
    /// is the rate that those are sent on average, and `needs` the rate of a viewer that is sent
    /// every frame without a limit. Returns the pace; `None` for no limit.
    pub fn look(
        &mut self,
        now: Instant,
        behind: bool,
        others: BitRate,
        needs: BitRate,
    ) -> Option<BitRate> {
        let since = |at: Option<Instant>| at.map(|at| now.saturating_duration_since(at));
        let passed = since(self.looked.replace(now)).unwrap_or_default();
        if behind {
            self.behind = Some(now);
            if since(self.lowered).is_none_or(|passed| passed >= SETTLING) {
                self.lowered = Some(now);
                let (fair, before) = (others.bits(), self.pace.unwrap_or(f64::INFINITY));
                let less = if before > fair { fair } else { before / 2.0 };
                self.too_much = Some(before.min(needs.bits()));
                self.pace = Some(less.max(fair * LEAST).max(1.0));
            }
        } else if let Some(pace) = self.pace
            && since(self.behind).is_none_or(|passed| passed >= CALM)
        {
            let near = self.too_much.is_some_and(|much| pace > much * 0.8);
            let growth = if near { CAUTION } else { GROWTH };
            let grown = pace * (1.0 + growth * passed.as_secs_f64().min(1.0));
            self.pace = (grown < needs.bits() * AMPLE).then_some(grown);
        }
        self.pace.map(BitRate::from_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(250);
    const RAW: BitRate = BitRate::from_kbit(20_000.0);
    const H264: BitRate = BitRate::from_kbit(1_500.0);

    #[test]
    fn they_are_sent_no_more_than_a_viewer_that_is_behind_and_less_if_it_stays_so() {
        let (mut control, begun) = (PaceControl::default(), Instant::now());
        assert_eq!(control.look(begun, false, H264, RAW), None);
        let mut pace = None;
        let mut paces = Vec::new();
        for tick in 1..20 {
            pace = control.look(begun + tick * TICK, true, H264, RAW);
            paces.push(pace.expect("there is a limit").kbit());
        }
        assert_eq!(paces[0], 1500.0);
        assert!(
            paces.is_sorted_by(|before, after| before >= after),
            "{paces:?}"
        );
        assert_eq!(pace.map(BitRate::kbit), Some(375.0), "not to nothing");
    }

    #[test]
    fn the_limit_goes_when_nobody_is_behind_any_more() {
        let (mut control, mut now) = (PaceControl::default(), Instant::now());
        control.look(now, true, H264, RAW);
        let ticks = (1..).take_while(|_| {
            now += TICK;
            control.look(now, false, H264, RAW).is_some()
        });
        let seconds = ticks.count() as f64 / 4.0;
        assert!((8.0..60.0).contains(&seconds), "after {seconds} s");
    }
}
