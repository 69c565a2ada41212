//! The encoder's bit rate, which follows the rates of the viewers' links.
//!
//! There is one stream for everybody, so the viewers share one bit rate:
//!
//! - The stream is made as small as the thinnest link needs, as long as that carries a quarter of
//!   the rate that was asked for, or more.
//! - A viewer whose link carries less than that is left to itself: it skips from key frame to key
//!   frame, and the others keep their frame. So the most that one viewer can take from the
//!   others is four fifths of the bit rate: a quarter of it has to fit with some room to spare.
//! - Where all links are that thin, the best of them counts.
//!
//! It goes down at once, and creeps up again while nobody is behind.
//!
//! Nothing here does I/O or asks for the time.

use std::time::{Duration, Instant};

use crate::net::BitRate;

/// A link that carries less than this part of the rate that was asked for does not count.
const WORTH: f64 = 0.25;
/// The least part of the rate that was asked for.
const LEAST: f64 = 1.0 / 16.0;
/// How much of a link the stream may fill: the rest is for larger frames, and to catch up.
const SHARE: f64 = 0.8;
/// The part of the rate that remains where a link is full and its rate is not known.
const BLIND: f64 = 0.7;
/// How long a change takes to be felt: a lower rate is no reason to go lower still before that.
const SETTLING: Duration = Duration::from_millis(750);
/// How long nobody may be behind before the rate goes up.
const CALM: Duration = Duration::from_secs(2);
/// By how much it goes up in a second, and by how much where it was too high before.
const GROWTH: f64 = 0.10;
const CAUTION: f64 = 0.02;
/// A lower rate is too little of a change to tell the encoder of.
const STEP: f64 = 0.02;

/// How one viewer's link does.
#[derive(Clone, Copy, Debug)]
pub struct Viewer {
    /// It falls behind, or frames were left out for it.
    pub congested: bool,
    /// The rate of its link, where that is known.
    pub carries: Option<BitRate>,
}

/// Decides on the encoder's bit rate, in kbit/s.
#[derive(Debug)]
pub struct BitrateControl {
    asked: f64,
    rate: f64,
    /// The rate that the encoder was told last.
    told: f64,
    lowered: Option<Instant>,
    congested: Option<Instant>,
    looked: Instant,
    /// The rate at which somebody fell behind last.
    too_high: f64,
}

impl BitrateControl {
    /// An encoder that was asked for so many kbit/s, and makes them.
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

    /// The rate that the encoder was told last.
    pub fn rate(&self) -> u32 {
        self.told.round() as u32
    }

    /// Looks at the viewers; returns the new rate where the encoder has to be told of one.
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

    /// The rate that the viewers need which are behind; `None` while none of those that count is.
    fn wanted(&self, viewers: &[Viewer]) -> Option<f64> {
        let carries = |viewer: &Viewer| viewer.carries.map(BitRate::kbit);
        let needs = |viewer: &Viewer| match carries(viewer) {
            _ if !viewer.congested => f64::INFINITY,
            Some(carries) => (carries * SHARE).min(self.rate * 0.95),
            // Less is of no help to a link that is not known to be thin.
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

    /// Links of so many kbit/s each; a viewer is behind while the stream does not fit.
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
