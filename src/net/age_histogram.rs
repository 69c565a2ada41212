//! The ages of frames: a histogram, and its percentiles.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::wire::AgesMs;

/// Significant digits of the ages: an error of one in a hundred.
const DIGITS: u8 = 2;
/// The largest age in the histogram: an hour, in microseconds. Older frames count as this old.
const OLDEST: u64 = 3_600_000_000;

/// Ages of frames since the last [`AgeHistogram::take`].
#[derive(Debug)]
pub struct AgeHistogram(Histogram<u32>);

/// The percentiles of a histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgeSummary {
    /// Half of the frames are younger.
    pub p50: Duration,
    /// 95 of 100 are younger.
    pub p95: Duration,
    /// The oldest.
    pub max: Duration,
}

impl From<AgeSummary> for AgesMs {
    fn from(summary: AgeSummary) -> Self {
        Self {
            p50: milliseconds(summary.p50),
            p95: milliseconds(summary.p95),
            max: milliseconds(summary.max),
        }
    }
}

/// Milliseconds, rounded to three decimal places.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

impl Default for AgeHistogram {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, OLDEST, DIGITS)
            .expect("the bounds are constants that fit each other");
        Self(histogram)
    }
}

impl AgeHistogram {
    /// Counts one more frame.
    pub fn note(&mut self, age: Duration) {
        self.0
            .saturating_record(u64::try_from(age.as_micros()).unwrap_or(OLDEST));
    }

    /// The percentiles so far; `None` where there was no frame. Empties the histogram.
    pub fn take(&mut self) -> Option<AgeSummary> {
        if self.0.is_empty() {
            return None;
        }
        let at = |quantile| Duration::from_micros(self.0.value_at_quantile(quantile));
        let summary = AgeSummary {
            p50: at(0.5),
            p95: at(0.95),
            max: Duration::from_micros(self.0.max()),
        };
        self.0.reset();
        Some(summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_one_of_a_hundred() {
        let mut ages = AgeHistogram::default();
        assert_eq!(ages.take(), None);
        for milliseconds in 1..=100 {
            ages.note(Duration::from_millis(milliseconds));
        }
        let summary = ages.take().unwrap();
        let near = |duration: Duration, milliseconds: f64| {
            (duration.as_secs_f64() * 1e3 / milliseconds - 1.0).abs() < 0.01
        };
        assert!(
            near(summary.p50, 50.0) && near(summary.p95, 95.0),
            "{summary:?}"
        );
        assert!(near(summary.max, 100.0), "{summary:?}");
        assert_eq!(ages.take(), None, "they were forgotten");
        ages.note(Duration::from_secs(1_000_000));
        assert!(near(ages.take().unwrap().max, 3_600_000.0));
    }
}
