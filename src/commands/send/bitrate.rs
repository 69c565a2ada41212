//! The encoder's bit rate, which follows the rates of the viewers' links.
//!
//! There is one stream for everybody, so the viewers share one bit rate. Each viewer has a rate of
//! its own, which its link can take, and the encoder's rate is the lowest of these:
//!
//! - A viewer's rate falls to the rate that its link needs as soon as it is behind, and rises slowly
//!   while it is not. The rates of the other viewers stay. So the encoder's rate is back at once
//!   when the viewer that needed less leaves.
//! - A viewer whose link carries less than a quarter of the rate that was asked for does not count:
//!   it skips from key frame to key frame, and the others keep their quality. Where all links are
//!   that slow, the fastest of them counts.
//! - Whatever a viewer acknowledges, it takes at most four fifths of the rate that was asked for
//!   from the others. A viewer that has come lately takes less: its part grows with the time for
//!   which it has watched, up to [`STANDING`]. Among viewers that all came lately, that time is
//!   shorter.
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
/// The part of the rate that was asked for that one viewer leaves to the others. A link of just
/// [`WORTH`] gets this.
const LEFT: f64 = WORTH * SHARE;
/// The factor for the rate where a link is full and its rate is not known.
const BLIND: f64 = 0.7;
/// How long a change takes to show its effect. The rate is not lowered again before that.
const SETTLING: Duration = Duration::from_millis(750);
/// How long a viewer may not be behind before its rate rises.
const CALM: Duration = Duration::from_secs(2);
/// Growth in one second, and the slower growth above a rate that was too high before.
const GROWTH: f64 = 0.10;
const CAUTION: f64 = 0.02;
/// A change below this part of the rate is not passed on to the encoder.
const STEP: f64 = 0.02;
/// How long a viewer has to watch before it may take its full part of the rate from viewers that
/// have watched for as long.
const STANDING: Duration = Duration::from_secs(10);

/// The state of one viewer's link.
#[derive(Clone, Copy, Debug)]
pub struct Viewer {
    /// The viewer's number, which no other viewer ever has.
    pub id: u64,
    /// How long it has watched.
    pub watched: Duration,
    /// It falls behind, or frames were left out for it.
    pub congested: bool,
    /// The rate of its link, where that is known.
    pub carries: Option<BitRate>,
}

/// Chooses the encoder's bit rate, in kbit/s.
#[derive(Debug)]
pub struct BitrateControl {
    asked: f64,
    /// The rate that was last passed on to the encoder.
    told: f64,
    looked: Instant,
    viewers: Vec<ViewerRate>,
}

/// The rate of one viewer, in kbit/s.
#[derive(Debug)]
struct ViewerRate {
    id: u64,
    watched: Duration,
    rate: f64,
    lowered: Option<Instant>,
    congested: Option<Instant>,
    /// The rate at which it last fell behind.
    too_high: f64,
    /// Whether its link was too slow to count when it was last behind.
    hopeless: bool,
}

impl BitrateControl {
    /// Starts with an encoder that was asked for this many kbit/s and makes them.
    pub fn new(asked: u32, now: Instant) -> Self {
        let asked = f64::from(asked);
        Self {
            asked,
            told: asked,
            looked: now,
            viewers: Vec::new(),
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
        let mut before = std::mem::take(&mut self.viewers);
        for viewer in viewers {
            let known = before.iter().position(|known| known.id == viewer.id);
            let mut own = match known {
                Some(at) => before.swap_remove(at),
                None => ViewerRate::new(viewer.id, self.asked),
            };
            own.watched = viewer.watched;
            own.look(now, passed, viewer, self.asked, self.told);
            self.viewers.push(own);
        }
        let rate = self.wanted();
        let change = (rate / self.told - 1.0).abs();
        if change < STEP && !(rate >= self.asked && self.told < self.asked) {
            return None;
        }
        self.told = rate;
        Some(rate.round() as u32)
    }

    /// The rate for all viewers together.
    fn wanted(&self) -> f64 {
        let counting = self.viewers.iter().filter(|viewer| !viewer.hopeless);
        let thinnest = counting
            .map(|viewer| {
                let others = self.viewers.iter();
                let others = others.filter(|other| other.id != viewer.id && !other.hopeless);
                let longest = others.map(|other| other.watched).max();
                let left = longest.map_or(0.0, |longest| viewer.leaves(longest));
                viewer.rate.max(left * self.asked)
            })
            .reduce(f64::min);
        let fastest = || {
            self.viewers
                .iter()
                .map(|viewer| viewer.rate)
                .reduce(f64::max)
        };
        let rate = thinnest.or_else(fastest).unwrap_or(self.asked);
        rate.max(self.asked * LEAST).min(self.asked)
    }
}

impl ViewerRate {
    /// A viewer that has just come.
    fn new(id: u64, asked: f64) -> Self {
        Self {
            id,
            watched: Duration::ZERO,
            rate: asked,
            lowered: None,
            congested: None,
            too_high: f64::INFINITY,
            hopeless: false,
        }
    }

    /// Follows the link, `passed` seconds after the last look, while the encoder makes `told` kbit/s
    /// of the `asked`.
    fn look(&mut self, now: Instant, passed: f64, viewer: &Viewer, asked: f64, told: f64) {
        let since = |at: Instant| now.saturating_duration_since(at);
        if viewer.congested {
            self.congested = Some(now);
            let carries = viewer.carries.map(BitRate::kbit);
            self.hopeless = carries.is_some_and(|carries| carries < asked * WORTH);
            // A link that is full at the encoder's rate cannot take more.
            let full = self.rate.min(told);
            let needs = match carries {
                Some(carries) => (carries * SHARE).min(full * 0.95),
                // A lower rate does not help a link that is not known to be slow.
                None => (full * BLIND).max(asked * WORTH),
            };
            let needs = needs.max(asked * LEAST).min(asked);
            let settled = self.lowered.is_none_or(|at| since(at) >= SETTLING);
            if needs < self.rate && (settled || needs < self.rate / 2.0) {
                self.too_high = full;
                self.lowered = Some(now);
                self.rate = needs;
            }
        } else if self.congested.is_none_or(|at| since(at) >= CALM) {
            self.hopeless = false;
            let growth = if self.rate > self.too_high * 0.8 {
                CAUTION
            } else {
                GROWTH
            };
            // Beyond the encoder's rate nothing is known of the link. So its rate does not grow
            // while another viewer's is lower.
            let grown = self.rate * (1.0 + growth * passed.min(1.0));
            self.rate = grown
                .min(asked)
                .min((told * (1.0 + GROWTH)).max(self.rate))
                .max(told);
        }
    }

    /// The part of the rate that was asked for that it leaves to the others. The `longest` of them
    /// has watched for that long.
    fn leaves(&self, longest: Duration) -> f64 {
        let full = STANDING.min(longest).as_secs_f64();
        let standing = if full > 0.0 {
            (self.watched.as_secs_f64() / full).min(1.0)
        } else {
            1.0
        };
        1.0 - (1.0 - LEFT) * standing
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: Duration = Duration::from_millis(250);

    /// Links of this many kbit/s each. A viewer is behind while the stream does not fit.
    struct Links {
        control: BitrateControl,
        now: Instant,
        rate: f64,
        links: Vec<Link>,
    }

    struct Link {
        id: u64,
        came: Instant,
        carries: f64,
    }

    impl Links {
        fn of(carry: &[f64]) -> Self {
            let now = Instant::now();
            let mut links = Self {
                control: BitrateControl::new(800, now),
                now,
                rate: 800.0,
                links: Vec::new(),
            };
            for carries in carry {
                links.come(*carries);
            }
            links
        }

        fn come(&mut self, carries: f64) {
            let id = self.links.last().map_or(0, |last| last.id + 1);
            let came = self.now;
            self.links.push(Link { id, came, carries });
        }

        fn run(&mut self, seconds: u32) -> f64 {
            for _ in 0..seconds * 4 {
                self.tick();
            }
            self.rate
        }

        fn tick(&mut self) -> f64 {
            self.now += TICK;
            let viewer = |link: &Link| Viewer {
                id: link.id,
                watched: self.now - link.came,
                congested: self.rate > link.carries,
                carries: (link.carries < 5_000.0).then(|| BitRate::from_kbit(link.carries)),
            };
            let viewers: Vec<Viewer> = self.links.iter().map(viewer).collect();
            if let Some(rate) = self.control.look(self.now, &viewers) {
                self.rate = f64::from(rate);
            }
            self.rate
        }
    }

    #[test]
    fn the_rate_is_below_what_the_link_carries_within_a_second_and_stays_near_it() {
        let mut links = Links::of(&[500.0]);
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
        let mut links = Links::of(&[400.0]);
        links.run(10);
        links.links[0].carries = 10_000.0;
        assert!(links.run(5) < 800.0, "it creeps");
        assert_eq!(links.run(40), 800.0);
    }

    #[test]
    fn one_hopeless_link_does_not_drag_down_the_others() {
        assert_eq!(Links::of(&[10_000.0, 60.0, 10_000.0]).run(30), 800.0);
        assert!(Links::of(&[500.0, 60.0]).run(30) >= 300.0);
    }

    #[test]
    fn where_all_links_are_hopeless_the_best_of_them_counts() {
        let rate = Links::of(&[150.0, 60.0]).run(30);
        assert!((90.0..=160.0).contains(&rate), "{rate}");
        assert_eq!(Links::of(&[1.0]).run(30), 50.0, "not to nothing");
    }

    #[test]
    fn the_rate_is_back_at_once_when_the_viewer_that_needed_less_leaves() {
        let mut links = Links::of(&[10_000.0]);
        links.run(30);
        links.come(300.0);
        let both = links.run(20);
        assert!((180.0..=300.0).contains(&both), "{both}");
        links.links.pop();
        assert_eq!(links.tick(), 800.0);
    }

    #[test]
    fn a_viewer_that_has_just_come_moves_little() {
        let mut links = Links::of(&[10_000.0]);
        links.run(30);
        links.come(300.0);
        let least = (0..4).map(|_| links.tick()).fold(f64::INFINITY, f64::min);
        assert!(least >= 800.0 * 0.9, "{least} in its first second");
        let before = Links::of(&[10_000.0, 300.0]).run(2);
        assert!(before <= 300.0, "{before}: both have just come");
    }

    #[test]
    fn a_full_link_of_which_nothing_is_known_is_tried_with_less() {
        let now = Instant::now();
        let mut control = BitrateControl::new(1000, now);
        let full = [Viewer {
            id: 0,
            watched: Duration::ZERO,
            congested: true,
            carries: None,
        }];
        assert_eq!(control.look(now + TICK, &full), Some(700));
        assert_eq!(control.look(now + TICK * 2, &full), None, "it takes time");
        assert_eq!(control.look(now + TICK * 5, &full), Some(490));
        for later in 6..100 {
            control.look(now + TICK * later, &full);
        }
        assert_eq!(control.rate(), 250, "not without end");
    }

    /// One look at a stranger: it is here, it is behind, and its link carries so many kbit/s.
    type Seen = (bool, bool, Option<f64>);

    fn seen() -> impl Strategy<Value = Seen> {
        (
            any::<bool>(),
            any::<bool>(),
            prop::option::of(0.0..20_000.0),
        )
    }

    proptest! {
        #[test]
        fn strangers_never_take_more_than_four_fifths_and_nothing_is_left_of_them(
            looks in prop::collection::vec(prop::array::uniform3(seen()), 1..400),
        ) {
            let mut now = Instant::now();
            let mut control = BitrateControl::new(2000, now);
            let mut honest = Viewer {
                id: 1000,
                watched: Duration::from_secs(60),
                congested: false,
                carries: None,
            };
            // Each stranger that comes again is a new viewer.
            let (mut ids, mut came) = ([0_u64; 3], [now; 3]);
            for look in looks {
                now += TICK;
                honest.watched += TICK;
                let mut viewers = vec![honest];
                for (at, (here, congested, carries)) in look.into_iter().enumerate() {
                    if here {
                        viewers.push(Viewer {
                            id: ids[at] * 3 + at as u64,
                            watched: now - came[at],
                            congested,
                            carries: carries.map(BitRate::from_kbit),
                        });
                    } else {
                        (ids[at], came[at]) = ((ids[at] + 1) % 300, now);
                    }
                }
                control.look(now, &viewers);
                prop_assert!(control.rate() >= 400, "{} of 2000", control.rate());
            }
            control.look(now + TICK, &[honest]);
            prop_assert_eq!(control.rate(), 2000);
        }
    }
}
