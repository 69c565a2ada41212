//! The encoder's bit rate, which follows the rates of the viewers' links.
//!
//! There is one stream for everybody, so the viewers share one bit rate:
//!
//! - The bit rate falls to the rate that the slowest link needs, if that link carries a quarter of
//!   the rate that was asked for, or more.
//! - A viewer whose link carries less than that does not count: it skips from key frame to key
//!   frame, and the others keep their quality. A quarter of the rate has to fit with room to spare,
//!   so one viewer can take at most four fifths of the bit rate from the others.
//! - Where all links are that slow, the fastest of them counts.
//!
//! The rate falls at once, and rises slowly while no viewer is behind.
//!
//! Nothing here does I/O or reads a clock.

use std::time::{Duration, Instant};

use crate::net::BitRate;

/// A link that carries less than this part of the rate that was asked for does not count.
const WORTH: f64 = 0.25;
/// The least part of the rate that was asked for.
const LEAST: f64 = 1.0 / 16.0;
/// How much of a link the stream may fill. The rest is for larger frames, and for catching up.
const SHARE: f64 = 0.8;
/// The factor for the rate where a link is full and its rate is not known.
const BLIND: f64 = 0.7;
/// How long a change takes to show its effect. The rate is not lowered again before that.
const SETTLING: Duration = Duration::from_millis(750);
/// How long no viewer may be behind before the rate rises.
const CALM: Duration = Duration::from_secs(2);
/// Growth in one second, and the slower growth above a rate that was too high before.
const GROWTH: f64 = 0.10;
const CAUTION: f64 = 0.02;
/// A change below this part of the rate is not passed on to the encoder.
const STEP: f64 = 0.02;

/// The state of one viewer's link.
#[derive(Clone, Copy, Debug)]
pub struct Viewer {
    /// It falls behind, or frames were left out for it.
    pub congested: bool,
    /// The rate of its link, where that is known.
    pub carries: Option<BitRate>,
}

/// Chooses the encoder's bit rate, in kbit/s.
#[derive(Debug)]
pub struct BitrateControl {
    asked: f64,
    rate: f64,
    /// The rate that was last passed on to the encoder.
    told: f64,
    lowered: Option<Instant>,
    congested: Option<Instant>,
    looked: Instant,
    /// The rate at which a viewer last fell behind.
    too_high: f64,
}

impl BitrateControl {
    /// Starts with an encoder that was asked for this many kbit/s and makes them.
    pub fn new(asked: u32, now: Instant) -> Self {
        let asked = f64::from(asked);
        Self {
            asked,
            rate: asked,
            told: asked,
            lowered: None,
            congested: None,
            looked: now,
            too_high: f64::INFINITY,
        }
    }

    /// The rate that was last passed on to the encoder.
    pub fn rate(&self) -> u32 {
        self.told.round() as u32
    }

    /// Looks at the viewers. Returns the new rate where it is to be passed on to the encoder.
    pub fn look(&mut self, now: Instant, viewers: &[Viewer]) -> Option<u32> {
        let passed = now.saturating_duration_since(self.looked).as_secs_f64();
        self.looked = now;
        match self.wanted(viewers) {
            Some(wanted) => {
                self.congested = Some(now);
                let settled = self
                    .lowered
                    .is_none_or(|at| now.saturating_duration_since(at) >= SETTLING);
                if wanted < self.rate && (settled || wanted < self.rate / 2.0) {
                    self.too_high = self.rate;
                    self.lowered = Some(now);
                    self.rate = wanted;
                }
            }
            None => {
                let calm = self
                    .congested
                    .is_none_or(|at| now.saturating_duration_since(at) >= CALM);
                if calm {
                    let growth = if self.rate > self.too_high * 0.8 {
                        CAUTION
                    } else {
                        GROWTH
                    };
                    self.rate = (self.rate * (1.0 + growth * passed.min(1.0))).min(self.asked);
                }
            }
        }
        let change = (self.rate / self.told - 1.0).abs();
        if change < STEP && !(self.rate >= self.asked && self.told < self.asked) {
            return None;
        }
        self.told = self.rate;
        Some(self.rate.round() as u32)
    }

    /// The rate that the viewers that are behind need; `None` while none of those that count is
    /// behind.
    fn wanted(&self, viewers: &[Viewer]) -> Option<f64> {
        let carries = |viewer: &Viewer| viewer.carries.map(BitRate::kbit);
        let needs = |viewer: &Viewer| match carries(viewer) {
            _ if !viewer.congested => f64::INFINITY,
            Some(carries) => (carries * SHARE).min(self.rate * 0.95),
            // A lower rate does not help a link that is not known to be slow.
            None => (self.rate * BLIND).max(self.asked * WORTH),
        };
        let worthy = |viewer: &&Viewer| {
            let carries = carries(viewer).unwrap_or(f64::INFINITY);
            !viewer.congested || carries >= self.asked * WORTH
        };
        let thinnest = viewers.iter().filter(worthy).map(needs).reduce(f64::min);
        let wanted = match thinnest {
            Some(needs) => needs,
            None => viewers.iter().map(needs).reduce(f64::max)?,
        };
        wanted
            .is_finite()
            .then(|| wanted.max(self.asked * LEAST).min(self.asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(250);

    /// Links of this many kbit/s each. A viewer is behind while the stream does not fit.
    struct Links<'t> {
        governor: BitrateControl,
        now: Instant,
        rate: f64,
        carry: &'t mut [f64],
    }

    impl<'t> Links<'t> {
        fn of(carry: &'t mut [f64]) -> Self {
            let now = Instant::now();
            Self {
                governor: BitrateControl::new(800, now),
                now,
                rate: 800.0,
                carry,
            }
        }

        fn run(&mut self, seconds: u32) -> f64 {
            for _ in 0..seconds * 4 {
                self.now += TICK;
                let viewers: Vec<Viewer> = self
                    .carry
                    .iter()
                    .map(|carries| Viewer {
                        congested: self.rate > *carries,
                        carries: (*carries < 5_000.0).then(|| BitRate::from_kbit(*carries)),
                    })
                    .collect();
                if let Some(rate) = self.governor.look(self.now, &viewers) {
                    self.rate = f64::from(rate);
                }
            }
            self.rate
        }
    }

    #[test]
    fn the_rate_is_below_what_the_link_carries_within_a_second_and_stays_near_it() {
        let mut carry = [500.0];
        let mut links = Links::of(&mut carry);
        let after = links.run(1);
        assert!((300.0..=500.0).contains(&after), "{after}");
        let mut behind = 0;
        for _ in 0..120 {
            let rate = links.run(1);
            assert!((300.0..=530.0).contains(&rate), "{rate}");
            behind += u32::from(rate > 500.0);
        }
        assert!(behind <= 12, "behind in {behind} seconds of 120");
    }

    #[test]
    fn it_comes_back_to_what_was_asked_for_and_no_further() {
        let mut carry = [400.0];
        let mut links = Links::of(&mut carry);
        links.run(10);
        links.carry[0] = 10_000.0;
        assert!(links.run(5) < 800.0, "it creeps");
        assert_eq!(links.run(40), 800.0);
    }

    #[test]
    fn one_hopeless_link_does_not_drag_down_the_others() {
        let mut carry = [10_000.0, 60.0, 10_000.0];
        assert_eq!(Links::of(&mut carry).run(30), 800.0);
        let mut carry = [500.0, 60.0];
        assert!(Links::of(&mut carry).run(30) >= 300.0);
    }

    #[test]
    fn where_all_links_are_hopeless_the_best_of_them_counts() {
        let mut carry = [150.0, 60.0];
        let rate = Links::of(&mut carry).run(30);
        assert!((90.0..=160.0).contains(&rate), "{rate}");
        let mut carry = [1.0];
        assert_eq!(Links::of(&mut carry).run(30), 50.0, "not to nothing");
    }

    #[test]
    fn a_full_link_of_which_nothing_is_known_is_tried_with_less() {
        let now = Instant::now();
        let mut governor = BitrateControl::new(1000, now);
        let full = [Viewer {
            congested: true,
            carries: None,
        }];
        assert_eq!(governor.look(now + TICK, &full), Some(700));
        assert_eq!(governor.look(now + TICK * 2, &full), None, "it takes time");
        assert_eq!(governor.look(now + TICK * 5, &full), Some(490));
        for later in 6..100 {
            governor.look(now + TICK * later, &full);
        }
        assert_eq!(governor.rate(), 250, "not without end");
    }
}
