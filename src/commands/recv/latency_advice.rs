//! The receiver's advice: why frames are older than `--max-latency` allows, and what to type.

use std::collections::VecDeque;
use std::time::Duration;

use crate::net::BitRate;
use crate::net::age_histogram::milliseconds;
use crate::net::receiver::stats::StatsInterval;
use crate::wire::Caps;

/// The number of late seconds in a row before anything is said. A burst passes by itself.
const SECONDS: u32 = 3;
/// The same for a codec, whose bit rate takes a while to follow the link.
const SECONDS_OF_DELTAS: u32 = 8;
/// The number of good seconds after which the next late ones are told again.
const RECOVERY: u32 = 30;
/// The number of seconds from which the needs of a stream are taken. One alone may have a pause.
const REMEMBERED: usize = 10;
/// A link is full when more than this part of its rate is used.
const FULL: f64 = 0.85;
/// The smaller width that is advised.
const NARROW: i32 = 160;

/// Watches the ages of the frames, second by second.
#[derive(Debug)]
pub struct Advice {
    max_latency: Duration,
    bad: u32,
    good: u32,
    told: bool,
    /// The last seconds in which frames came: the length of each, its frames, and their bytes.
    recent: VecDeque<(Duration, u64, u64)>,
}

impl Advice {
    /// Frames may be as old as `max_latency`.
    pub fn new(max_latency: Duration) -> Self {
        Self {
            max_latency,
            bad: 0,
            good: 0,
            told: false,
            recent: VecDeque::new(),
        }
    }

    /// The advice after this second. As a rule there is none.
    pub fn after(&mut self, second: &StatsInterval, caps: &Caps) -> Option<String> {
        if second.frames > 0 {
            if self.recent.len() == REMEMBERED {
                self.recent.pop_front();
            }
            self.recent
                .push_back((second.span, second.frames, second.bytes));
        }
        let age = second.age?;
        if age.p95 <= self.max_latency {
            self.bad = 0;
            self.good += 1;
            self.told &= self.good < RECOVERY;
            return None;
        }
        (self.bad, self.good) = (self.bad + 1, 0);
        let limit = if caps.is_delta() {
            SECONDS_OF_DELTAS
        } else {
            SECONDS
        };
        if self.told || self.bad < limit {
            return None;
        }
        self.told = true;
        Some(format!(
            "pictures are up to {} ms old, more than the {} of --max-latency: {}",
            age.p95.as_millis(),
            self.max_latency.as_millis(),
            self.reason(second, caps)
        ))
    }

    /// The bits a second that the whole stream needs: all frames that are made, each as large as
    /// those that came.
    fn needed(&self, second: &StatsInterval, caps: &Caps) -> f64 {
        let frames: u64 = self.recent.iter().map(|(_, frames, _)| frames).sum();
        let bytes: u64 = self.recent.iter().map(|(.., bytes)| bytes).sum();
        let made = second.made.or(caps.framerate()).unwrap_or_default();
        made * bytes as f64 * 8.0 / frames.max(1) as f64
    }

    /// The largest rate of the last seconds, in bits a second.
    fn came(&self) -> f64 {
        let rate = |(span, _, bytes): &(Duration, u64, u64)| {
            *bytes as f64 * 8.0 / span.as_secs_f64().max(0.001)
        };
        self.recent.iter().map(rate).fold(0.0, f64::max)
    }

    /// The part of the way that takes the time, and the remedy.
    fn reason(&self, second: &StatsInterval, caps: &Caps) -> String {
        let (needs, bound) = (self.needed(second, caps), self.max_latency);
        let age = second.age.unwrap_or_default().p50;
        let arrived = second.arrived.unwrap_or_default().p50;
        let round_trip = second.round_trip.unwrap_or_default();
        if let Some(carries) = second.carries.map(BitRate::bits)
            && needs > carries * FULL
        {
            return format!(
                "the link needs {} Mbit/s, carries {}; on the sender: {}",
                megabits(needs),
                megabits(carries),
                less(caps, needs, carries)
            );
        }
        if age.saturating_sub(arrived) > bound / 2 {
            let here = age.saturating_sub(arrived).as_millis();
            return format!(
                "{here} ms of it pass here, decoding and showing; on the sender: --width or --fps"
            );
        }
        if round_trip > bound {
            let there = round_trip.as_millis() / 2;
            return format!("the way alone takes {there} ms; give a larger --max-latency");
        }
        if caps.is_delta() {
            // Its frames are small, so the time that one takes tells nothing of the link.
            let arrived = second.arrived.unwrap_or_default().p95;
            return format!(
                "{} ms of it pass before they arrive, as where the link is too thin; on the sender: {}",
                arrived.as_millis(),
                less(caps, needs, self.came())
            );
        }
        match second.sent {
            Some(sent) if sent.p50 > milliseconds(bound / 2) => format!(
                "{:.0} ms of it pass before they leave the sender, which may be busy; there: --width or \
                 --fps",
                sent.p50
            ),
            _ => "it passes on the way: somebody else may use the link".into(),
        }
    }
}

/// The flags that make a stream of these caps, which needs so many bits a second, fit into so many.
fn less(caps: &Caps, needs: f64, carries: f64) -> String {
    let codec = "a codec, such as --pipeline camera-h264";
    match caps.media_type() {
        "video/x-raw" => {
            let width = caps.size().map_or(320, |(width, _)| width);
            let narrow = (f64::from(NARROW) / f64::from(width)).powi(2);
            if narrow < carries * FULL / needs {
                format!("{codec}, or --width {NARROW}")
            } else {
                codec.into()
            }
        }
        "image/jpeg" | "image/png" => format!("{codec}, or a smaller --width or --fps"),
        _ => {
            let kbit = (carries * FULL / 1e3).max(1.0);
            let step = 10_f64.powf(kbit.log10().floor() - 1.0).max(1.0);
            let kbit = (kbit / step).floor() * step;
            format!("--set bitrate={kbit:.0}, and a smaller --width or --fps if that is too little")
        }
    }
}

fn megabits(bits: f64) -> String {
    match bits / 1e6 {
        few if few < 9.95 => format!("{few:.1}"),
        many => format!("{many:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::age_histogram::AgeSummary;

    fn ages(milliseconds: u64) -> Option<AgeSummary> {
        let age = Duration::from_millis(milliseconds);
        Some(AgeSummary {
            p50: age,
            p95: age,
            max: age,
        })
    }

    /// A second of raw pictures over a link of so many Mbit/s that takes all it carries.
    fn second(megabits: f64, age: u64) -> StatsInterval {
        let bytes = (megabits * 1e6 / 8.0) as u64;
        let frames = (bytes / 115_200).max(1);
        StatsInterval {
            span: Duration::from_secs(1),
            frames,
            bytes: frames * 115_200,
            skipped: 30 - frames,
            arrived: ages(age),
            age: ages(age),
            carries: Some(BitRate::from_bits(megabits * 1e6)),
            made: Some(30.0),
            ..StatsInterval::default()
        }
    }

    fn raw() -> Caps {
        Caps::parse("video/x-raw, format=I420, width=320, height=240").unwrap()
    }

    fn said(advice: &mut Advice, second: &StatsInterval) -> Vec<String> {
        (0..60)
            .filter_map(|_| advice.after(second, &raw()))
            .collect()
    }

    #[test]
    fn a_thin_link_is_named_with_what_it_carries_and_what_helps() {
        let mut advice = Advice::new(Duration::from_millis(200));
        let said = said(&mut advice, &second(2.0, 480));
        assert_eq!(
            said,
            [
                "pictures are up to 480 ms old, more than the 200 of --max-latency: the link needs \
                 28 Mbit/s, carries 2.0; on the sender: a codec, such as --pipeline camera-h264"
            ]
        );
    }

    #[test]
    fn what_is_advised_is_enough() {
        let codec = "a codec, such as --pipeline camera-h264";
        let both = format!("{codec}, or --width 160");
        for (width, carries, advised) in [
            (320, 10e6, &both[..]),
            (320, 7e6, codec),
            (640, 3e6, &both),
            (640, 1e6, codec),
            (160, 27e6, codec),
        ] {
            let form = format!("video/x-raw, format=I420, width={width}, height=240");
            let form = Caps::parse(&form).unwrap();
            assert_eq!(less(&form, 28e6, carries), advised, "{width} {carries}");
        }
        let h264 = Caps::parse("video/x-h264, width=320, height=240").unwrap();
        for (carries, advised) in [
            (60e3, "--set bitrate=51,"),
            (1.234e6, "--set bitrate=1000,"),
            (100.0, "--set bitrate=1,"),
        ] {
            let said = less(&h264, 2e6, carries);
            assert!(said.starts_with(advised), "{carries} {said}");
        }
    }

    #[test]
    fn nothing_is_said_of_a_burst_and_trouble_that_comes_back_later_is_told_again() {
        let mut advice = Advice::new(Duration::from_millis(200));
        let (bad, good) = (second(2.0, 480), second(10.0, 120));
        for _ in 0..20 {
            assert_eq!(advice.after(&bad, &raw()), None);
            assert_eq!(advice.after(&bad, &raw()), None);
            assert_eq!(advice.after(&good, &raw()), None);
        }
        assert_eq!(said(&mut advice, &bad).len(), 1);
        assert_eq!(said(&mut advice, &good).len(), 0);
        assert_eq!(said(&mut advice, &bad).len(), 1);
    }

    #[test]
    fn a_codecs_bit_rate_is_given_time_to_follow_the_link() {
        let mut advice = Advice::new(Duration::from_millis(200));
        let h264 = Caps::parse("video/x-h264, width=320, height=240").unwrap();
        let mut said = (1..60).filter(|_| advice.after(&second(2.0, 480), &h264).is_some());
        assert_eq!((said.next(), said.next()), (Some(SECONDS_OF_DELTAS), None));
    }

    #[test]
    fn the_part_that_takes_the_time_is_named() {
        let reason = |second: &StatsInterval, form: &Caps| {
            let mut advice = Advice::new(Duration::from_millis(200));
            advice.after(second, form);
            advice.reason(second, form)
        };
        let slow_here = StatsInterval {
            arrived: ages(20),
            carries: None,
            ..second(10.0, 300)
        };
        assert!(reason(&slow_here, &raw()).contains("280 ms of it pass here"));
        let far = StatsInterval {
            round_trip: Some(Duration::from_millis(600)),
            carries: None,
            ..second(10.0, 310)
        };
        assert!(reason(&far, &raw()).contains("the way alone takes 300 ms"));
        let mut late = StatsInterval {
            carries: None,
            ..second(10.0, 310)
        };
        assert!(reason(&late, &raw()).starts_with("it passes on the way"));
        late.sent = ages(290).map(Into::into);
        let there = reason(&late, &raw());
        assert!(
            there.starts_with("290 ms of it pass before they leave"),
            "{there}"
        );
    }
}
