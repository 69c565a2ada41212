//! The ages of the frames that left for one viewer in the last second or so. There is one for each
//! viewer, and a frame for a thousand viewers is noted a thousand times: so it takes four bytes, next to
//! those before it. A histogram would be in many places of the memory.

use std::time::Duration;

use super::age_histogram::AgeSummary;
use super::prefetch::prefetch;

/// The most frames that are remembered: those of a second, and more.
const MOST: usize = 256;

/// The ages of frames since the last [`RecentAges::take`], in microseconds.
#[derive(Debug, Default)]
pub struct RecentAges {
    ages: Vec<u32>,
    /// The place of the next age, once there is one in each.
    next: usize,
}

impl RecentAges {
    /// Notes one more frame. The oldest is forgotten where there are too many.
    pub fn note(&mut self, age: Duration) {
        let age = u32::try_from(age.as_micros()).unwrap_or(u32::MAX);
        if self.ages.len() < MOST {
            self.ages.push(age);
        } else if let Some(oldest) = self.ages.get_mut(self.next) {
            *oldest = age;
            self.next = (self.next + 1) % MOST;
        }
    }

    /// Asks the processor for the memory of the next age.
    pub fn prefetch(&self) {
        let before = self.next.checked_sub(1);
        let nearest = before.map_or_else(|| self.ages.last(), |place| self.ages.get(place));
        nearest.map(prefetch);
    }

    /// The percentiles so far; `None` where there was no frame. Forgets all of them.
    pub fn take(&mut self) -> Option<AgeSummary> {
        self.ages.sort_unstable();
        let at = |hundredths: usize| {
            let rank = (self.ages.len() * hundredths).div_ceil(100);
            let age = self.ages.get(rank.checked_sub(1)?)?;
            Some(Duration::from_micros(u64::from(*age)))
        };
        let summary = AgeSummary {
            p50: at(50)?,
            p95: at(95)?,
            max: at(100)?,
        };
        self.ages.clear();
        self.next = 0;
        Some(summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(count: u64) -> Option<AgeSummary> {
        let mut ages = RecentAges::default();
        (1..=count).for_each(|ms| ages.note(Duration::from_millis(ms)));
        let summary = ages.take();
        assert_eq!(ages.take(), None, "they were forgotten");
        summary
    }

    #[test]
    fn percentiles_are_those_of_the_frames_since_the_last_time() {
        let summary = |p50, p95, max| {
            let [p50, p95, max] = [p50, p95, max].map(Duration::from_millis);
            Some(AgeSummary { p50, p95, max })
        };
        assert_eq!(after(0), None);
        assert_eq!(after(1), summary(1, 1, 1));
        assert_eq!(after(2), summary(1, 2, 2));
        assert_eq!(after(100), summary(50, 95, 100));
        // The first 244 of them are forgotten.
        assert_eq!(after(500), summary(372, 488, 500));
    }

    #[test]
    fn an_age_of_hours_counts_as_the_longest() {
        let mut ages = RecentAges::default();
        ages.note(Duration::from_secs(100_000));
        let longest = Duration::from_micros(u64::from(u32::MAX));
        assert_eq!(ages.take().map(|summary| summary.max), Some(longest));
    }
}
