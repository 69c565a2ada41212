//! How many bytes a picture may have, so that it is new when it is seen.
//!
//! The terminal says when it has taken a picture, so a slow line is noticed: pictures get fewer
//! colours or pixels until one takes no longer than [`LONGEST`], and more again when there is room.
//! The size on the screen stays.

use std::time::Duration;

use crate::console::Taken;

/// The longest that a picture may take on its way.
const LONGEST: Duration = Duration::from_millis(250);

/// The time that a picture is to take when it is made larger or smaller.
const AIM: Duration = Duration::from_millis(120);

/// So many pictures have to leave room before they are made larger.
const QUICK: u32 = 3;

/// The pixels of the smallest picture, 160 by 120.
const SMALLEST: usize = 160 * 120;

/// The load of the first picture: each load more is twice as many bytes.
const FIRST: u32 = 2;

/// All colours take four times the bytes of a palette.
const FULL_COLOUR: u32 = 2;

/// A picture as it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The most pixels.
    pub pixels: usize,
    /// Whether it may have all colours.
    pub has_all_colours: bool,
    /// The number that comes back when the terminal has taken it.
    pub load: u32,
}

/// Follows what the terminal takes.
#[derive(Debug)]
pub struct Pace {
    load: u32,
    quick: u32,
    /// The shortest time that an answer took.
    round_trip: Duration,
    /// How many pictures may be on their way.
    window: usize,
}

impl Pace {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self {
            load: FIRST,
            quick: 0,
            round_trip: Duration::MAX,
            window: 1,
        }
    }

    /// How many pictures may be on their way. A second one only where most of the wait is that for
    /// the answer, so that it does not queue behind the first.
    pub fn window(&self) -> usize {
        self.window
    }

    /// The next picture, of which so many pixels are seen.
    pub fn plan(&mut self, seen: usize, has_all_colours: bool) -> Plan {
        let of_all = (seen.max(1)).div_ceil(SMALLEST).next_power_of_two().ilog2();
        let most = of_all + if has_all_colours { FULL_COLOUR } else { 0 };
        self.load = self.load.min(most);
        Plan {
            pixels: SMALLEST
                .saturating_mul(1 << self.load.min(of_all))
                .min(seen.max(1)),
            has_all_colours: has_all_colours && self.load == most,
            load: self.load,
        }
    }

    /// The terminal has taken a picture.
    pub fn taken(&mut self, taken: Taken) {
        let round_trip = taken.round_trip.unwrap_or(taken.took).min(taken.took);
        self.round_trip = self.round_trip.min(round_trip);
        self.window = if taken.took < self.round_trip * 2 {
            2
        } else {
            1
        };
        if taken.load != self.load {
            // It was planned before the load was changed.
            return;
        }
        let bytes = taken.took - self.round_trip;
        let aim = AIM.max(self.round_trip);
        if taken.took > LONGEST.max(self.round_trip * 2) {
            let mut smaller = bytes;
            while smaller > aim && self.load > 0 {
                smaller /= 2;
                self.load -= 1;
            }
            self.quick = 0;
        } else if bytes * 2 < aim {
            self.quick += 1;
            if self.quick >= QUICK {
                self.load += 1;
                self.quick = 0;
            }
        } else {
            self.quick = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: usize = 640 * 480;

    /// A line with this round trip that takes so many bytes a second; a pixel of a palette is half a
    /// byte. Returns the plan and the time of the last of many pictures.
    fn settled(round_trip: Duration, rate: f64) -> (Plan, Duration, usize) {
        let mut pace = Pace::new();
        let mut last = None;
        for _ in 0..200 {
            let plan = pace.plan(SEEN, true);
            let bytes = plan.pixels as f64 * if plan.has_all_colours { 2.4 } else { 0.5 };
            let took = round_trip + Duration::from_secs_f64(bytes / rate);
            pace.taken(Taken {
                load: plan.load,
                took,
                round_trip: Some(round_trip),
            });
            last = Some((plan, took));
        }
        let (plan, took) = last.unwrap();
        (plan, took, pace.window())
    }

    #[test]
    fn a_fast_line_gets_all_pixels_and_colours() {
        let (plan, _, window) = settled(Duration::from_micros(300), 50e6);
        assert_eq!((plan.pixels, plan.has_all_colours), (SEEN, true));
        assert_eq!(window, 1, "a second one would wait behind the first");
    }

    #[test]
    fn a_line_of_a_megabyte_a_second_gets_a_palette() {
        let (plan, took, _) = settled(Duration::from_millis(20), 1e6);
        assert!(!plan.has_all_colours && plan.pixels > SEEN / 3, "{plan:?}");
        assert!(took < LONGEST, "{took:?}");
    }

    #[test]
    fn a_slow_line_gets_few_pixels_and_no_old_ones() {
        let (plan, took, _) = settled(Duration::from_millis(50), 100e3);
        assert!(plan.pixels < SEEN / 8, "{plan:?}");
        assert!(took < LONGEST, "{took:?}");
        let (plan, ..) = settled(Duration::from_millis(50), 1e3);
        assert_eq!(plan.pixels, SMALLEST);
    }

    #[test]
    fn a_long_line_has_two_pictures_on_its_way() {
        let (plan, _, window) = settled(Duration::from_millis(200), 50e6);
        assert_eq!((plan.pixels, window), (SEEN, 2));
    }

    #[test]
    fn a_smaller_terminal_has_smaller_loads() {
        let mut pace = Pace::new();
        pace.load = 30;
        let plan = pace.plan(100, false);
        assert_eq!(
            (plan.pixels, plan.has_all_colours, plan.load),
            (100, false, 0)
        );
        assert_eq!(pace.plan(0, true).pixels, 1);
    }
}
