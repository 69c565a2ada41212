//! The status line of a receiver, and its report once a second: statistics and advice.

use std::cell::RefCell;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tracing::{info, warn};

use super::display::VideoDisplay;
use super::latency_advice::{Advice, Said};
use super::options::RecvOptions;
use super::stats_line::StatsLine;
use crate::console;
use crate::frame::TimeOrigin;
use crate::net::StreamStats;
use crate::net::receiver::stats::StatsInterval;

/// How often the status line and the text on the picture are renewed.
pub const TICK: Duration = Duration::from_millis(250);
/// Ticks in one second of the statistics.
const TICKS: u32 = 4;

/// Reports on the stream to the person and to other programs.
pub struct StatusReporter<'s, 'a> {
    options: &'a RecvOptions,
    meter: &'s StreamStats,
    display: &'s RefCell<VideoDisplay<'a>>,
    advice: Advice,
    ticks: u32,
    last: StatsInterval,
}

impl<'s, 'a> StatusReporter<'s, 'a> {
    /// Reports on `display`.
    pub fn new(
        options: &'a RecvOptions,
        meter: &'s StreamStats,
        display: &'s RefCell<VideoDisplay<'a>>,
    ) -> Self {
        Self {
            options,
            meter,
            display,
            advice: Advice::new(options.play.max_latency),
            ticks: 0,
            last: StatsInterval::default(),
        }
    }

    /// Renews the text on the picture and the status line, and once a second the statistics. The
    /// caller calls it each [`TICK`].
    pub fn tick(&mut self) {
        let mut display = self.display.borrow_mut();
        display.refresh();
        display.settle();
        self.ticks = (self.ticks + 1) % TICKS;
        if self.ticks == 0 {
            self.last = self.meter.close_second();
            self.tell(&display);
            let age = self.last.age.map(|age| age.p50);
            display.name_seat(age, self.last.origin);
        }
        let Some(caps) = display
            .caps
            .as_ref()
            .filter(|_| self.options.has_status_line)
        else {
            return;
        };
        let text = match display.problem() {
            Some(problem) => problem,
            None => {
                let seconds = self.last.span.as_secs_f64().max(0.001);
                let age = self.last.age;
                let age = age.map(|age| aged(age.p50, self.last.origin));
                let rest = [
                    format!("{:.1} frames/s", self.last.shown as f64 / seconds),
                    format!("{} skipped", self.meter.traffic.skipped.load(Relaxed)),
                    format!("{:.1} Mbit/s", self.last.bytes as f64 * 8.0 / 1e6 / seconds),
                    caps.describe(),
                ];
                let parts: Vec<String> = age.into_iter().chain(rest).collect();
                parts.join(console::GAP)
            }
        };
        console::status(&[text, format!("({})", console::way_out())].join(console::GAP));
    }

    /// Reports the second that has just ended.
    fn tell(&mut self, display: &VideoDisplay<'_>) {
        let second = &self.last;
        if let Some(caps) = &display.caps
            && let Some(said) = self.advice.after(second, caps)
        {
            let sender = &display.label;
            match said {
                Said::Problem(words) => warn!("sender {sender}: {words}"),
                Said::Over(words) => info!("sender {sender}: {words}"),
            }
        }
        if let Some(stats) = &self.options.stats {
            stats.write(&StatsLine::new(second, display));
        }
    }
}

/// An age in words for a person, with the place from which it counts where that is not the camera.
fn aged(age: Duration, origin: TimeOrigin) -> String {
    let age = readable(age);
    match origin {
        TimeOrigin::Source | TimeOrigin::Stream => format!("{age} old"),
        TimeOrigin::Arrival => format!("{age} since the engine"),
    }
}

/// An age in words for a person.
fn readable(age: Duration) -> String {
    match age.as_secs_f64() {
        short if short < 0.01 => format!("{:.1} ms", short * 1e3),
        short if short < 10.0 => format!("{:.0} ms", short * 1e3),
        long => format!("{long:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_says_from_where_it_counts() {
        let age = Duration::from_millis(35);
        assert_eq!(aged(age, TimeOrigin::Source), "35 ms old");
        assert_eq!(aged(age, TimeOrigin::Stream), "35 ms old");
        assert_eq!(aged(age, TimeOrigin::Arrival), "35 ms since the engine");
    }
}
