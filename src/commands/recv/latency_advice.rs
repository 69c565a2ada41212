//! Advice for frames that are older than allowed: the cause, and what to type. The viewer logs it
//! once, and after that only changes.

use std::collections::VecDeque;
use std::time::Duration;

use crate::frame::TimeOrigin;
use crate::net::BitRate;
use crate::net::age_histogram::milliseconds;
use crate::net::link_advice::{FULL, fitting, megabits};
use crate::net::log_throttle::span;
use crate::net::receiver::stats::StatsInterval;
use crate::wire::Caps;

/// Advice needs this many bad seconds in a row: a short burst is no lasting problem.
const SECONDS: u32 = 3;
/// The same for inter-coded streams: the encoder's bit rate follows the link, which takes a while.
const SECONDS_OF_DELTAS: u32 = 8;
/// Good seconds in a row after which the problem is over.
const RECOVERY: u32 = 30;
/// Seconds from which the stream's need is taken: right after a pause many frames are skipped at
/// once.
const REMEMBERED: usize = 10;

/// Watches the ages of the frames, second by second.
#[derive(Debug)]
pub struct Advice {
    max_latency: Duration,
    bad: u32,
    good: u32,
    /// The advice that was given, while it is true.
    told: Option<Told>,
    /// The last seconds in which frames came: the length of each, its number of frames, and their
    /// bytes.
    recent: VecDeque<(Duration, u64, u64)>,
}

/// The advice about frames that are too old.
#[derive(Debug)]
struct Told {
    age: Duration,
    causes: Vec<Cause>,
    /// Seconds since the first bad one.
    seconds: u32,
    oldest: Duration,
}

/// The part of the way that takes the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The link carries less than the stream needs.
    Link,
    /// Decoding and showing take long.
    Receiver,
    /// The round trip alone is too long.
    RoundTrip,
    /// Frames are old when they leave the sender.
    Sender,
    /// Frames are old when they leave the sender, which has them from an engine.
    Engine,
    /// Something else on the path between the two machines.
    Path,
}

/// A message to the person at the viewer.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    Problem(String),
    Over(String),
}

impl Advice {
    /// Frames may be as old as `max_latency`.
    pub fn new(max_latency: Duration) -> Self {
        Self {
            max_latency,
            bad: 0,
            good: 0,
            told: None,
            recent: VecDeque::new(),
        }
    }

    /// The message after this second; usually none.
    pub fn after(&mut self, second: &StatsInterval, caps: &Caps) -> Option<Said> {
        if second.frames > 0 {
            if self.recent.len() == REMEMBERED {
                self.recent.pop_front();
            }
            self.recent
                .push_back((second.span, second.frames, second.bytes));
        }
        let age = second.age?;
        if let Some(told) = &mut self.told {
            told.seconds += 1;
            told.oldest = told.oldest.max(age.p95);
        }
        if age.p95 <= self.max_latency {
            self.bad = 0;
            self.good += 1;
            return self.over();
        }
        (self.bad, self.good) = (self.bad + 1, 0);
        let limit = if caps.is_delta() {
            SECONDS_OF_DELTAS
        } else {
            SECONDS
        };
        if self.bad < limit {
            return None;
        }
        let (cause, reason) = self.reason(second, caps);
        let age_ms = age.p95.as_millis();
        let allowed = format!("the {} of --max-latency", self.max_latency.as_millis());
        let problem = match &mut self.told {
            None => {
                self.told = Some(Told {
                    age: age.p95,
                    causes: vec![cause],
                    seconds: self.bad,
                    oldest: age.p95,
                });
                format!("latency is {age_ms} ms, over {allowed}")
            }
            Some(told) => {
                let (older, news) = (age.p95 >= told.age * 2, !told.causes.contains(&cause));
                if !older && !news {
                    return None;
                }
                told.age = told.age.max(age.p95);
                if news {
                    told.causes.push(cause);
                }
                // One second more or less is no change.
                self.bad = 0;
                if older {
                    format!("latency has grown to {age_ms} ms, over {allowed}")
                } else {
                    format!("latency is {age_ms} ms, over {allowed}, for another reason")
                }
            }
        };
        Some(Said::Problem(format!("{problem}: {reason}")))
    }

    /// The message that frames are new enough again, when they are.
    fn over(&mut self) -> Option<Said> {
        let told = self.told.take_if(|_| self.good >= RECOVERY)?;
        let time = Duration::from_secs(told.seconds.saturating_sub(self.good).into());
        Some(Said::Over(format!(
            "latency is below {} ms again after {}; it was {} ms at the most",
            self.max_latency.as_millis(),
            span(time),
            told.oldest.as_millis()
        )))
    }

    /// The rate that the whole stream would need, in bit/s: all frames that are made, each as large
    /// as those that came.
    fn needed(&self, second: &StatsInterval, caps: &Caps) -> f64 {
        let frames: u64 = self.recent.iter().map(|(_, frames, _)| frames).sum();
        let bytes: u64 = self.recent.iter().map(|(.., bytes)| bytes).sum();
        let made = second.made.or(caps.framerate()).unwrap_or_default();
        made * bytes as f64 * 8.0 / frames.max(1) as f64
    }

    /// The highest rate of the last seconds, in bit/s.
    fn received_rate(&self) -> f64 {
        let rate = |(span, _, bytes): &(Duration, u64, u64)| {
            *bytes as f64 * 8.0 / span.as_secs_f64().max(0.001)
        };
        self.recent.iter().map(rate).fold(0.0, f64::max)
    }

    /// The part of the way that takes the time, and the remedy.
    fn reason(&self, second: &StatsInterval, caps: &Caps) -> (Cause, String) {
        let (needs, bound) = (self.needed(second, caps), self.max_latency);
        let age = second.age.unwrap_or_default().p50;
        let arrived = second.arrived.unwrap_or_default().p50;
        let round_trip = second.round_trip.unwrap_or_default();
        if let Some(carries) = second.carries.map(BitRate::bits)
            && needs > carries * FULL
        {
            let words = format!(
                "the stream needs {} Mbit/s, the link carries {}; on the sender: {}",
                megabits(needs),
                megabits(carries),
                fitting(caps, needs, carries)
            );
            return (Cause::Link, words);
        }
        if age.saturating_sub(arrived) > bound / 2 {
            let here = age.saturating_sub(arrived).as_millis();
            let words = format!(
                "decoding and showing take {here} ms here; on the sender: a smaller --width or --fps"
            );
            return (Cause::Receiver, words);
        }
        if round_trip > bound {
            let there = round_trip.as_millis() / 2;
            let words = format!("the network alone takes {there} ms; give a larger --max-latency");
            return (Cause::RoundTrip, words);
        }
        if second.origin != TimeOrigin::Source
            && let Some(sent) = second.sent
            && sent.p50 > milliseconds(bound / 2)
        {
            let words = format!(
                "frames are {:.0} ms old when they leave the sender, which has them from an engine; \
                 a larger --max-latency allows for it",
                sent.p50
            );
            return (Cause::Engine, words);
        }
        if caps.is_delta() {
            // Small frames: their transfer times say nothing of the link.
            let arrived = second.arrived.unwrap_or_default().p95;
            let words = format!(
                "frames are {} ms old when they arrive, as on a link that is too thin; on the sender: {}",
                arrived.as_millis(),
                fitting(caps, needs, self.received_rate())
            );
            return (Cause::Path, words);
        }
        match second.sent {
            Some(sent) if sent.p50 > milliseconds(bound / 2) => {
                let words = format!(
                    "frames are {:.0} ms old when they leave the sender, which may be busy; on the \
                     sender: a smaller --width or --fps",
                    sent.p50
                );
                (Cause::Sender, words)
            }
            _ => {
                let words = "the time passes on the network, which others may use too";
                (Cause::Path, words.into())
            }
        }
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

    /// A second of raw frames over a link that is full at this rate.
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
            .map(|said| match said {
                Said::Problem(words) | Said::Over(words) => words,
            })
            .collect()
    }

    #[test]
    fn a_thin_link_is_named_with_what_it_carries_and_what_helps() {
        let mut advice = Advice::new(Duration::from_millis(200));
        let said = said(&mut advice, &second(2.0, 480));
        assert_eq!(
            said,
            [
                "latency is 480 ms, over the 200 of --max-latency: the stream needs 28 Mbit/s, the \
                 link carries 2.0; on the sender: a codec, such as --pipeline camera-h264"
            ]
        );
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
        assert_eq!(
            said(&mut advice, &good),
            ["latency is below 200 ms again after 60 s; it was 480 ms at the most"]
        );
        assert_eq!(said(&mut advice, &bad).len(), 1);
    }

    #[test]
    fn a_latency_that_doubles_or_has_another_reason_is_told_again() {
        let mut advice = Advice::new(Duration::from_millis(200));
        assert_eq!(said(&mut advice, &second(2.0, 480)).len(), 1);
        assert_eq!(said(&mut advice, &second(2.0, 900)).len(), 0);
        let older = said(&mut advice, &second(2.0, 1000));
        assert_eq!(older.len(), 1);
        assert!(older[0].starts_with("latency has grown to 1000 ms, over the 200 of"));
        let slow_here = StatsInterval {
            arrived: ages(20),
            carries: None,
            ..second(10.0, 600)
        };
        let elsewhere = said(&mut advice, &slow_here);
        assert_eq!(elsewhere.len(), 1);
        assert!(
            elsewhere[0]
                .contains("latency is 600 ms, over the 200 of --max-latency, for another reason:")
        );
        assert_eq!(
            said(&mut advice, &second(2.0, 480)).len(),
            0,
            "known already"
        );
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
        let reason = |second: &StatsInterval, caps: &Caps| {
            let mut advice = Advice::new(Duration::from_millis(200));
            advice.after(second, caps);
            advice.reason(second, caps).1
        };
        let slow_here = StatsInterval {
            arrived: ages(20),
            carries: None,
            ..second(10.0, 300)
        };
        assert!(reason(&slow_here, &raw()).contains("decoding and showing take 280 ms here"));
        let far = StatsInterval {
            round_trip: Some(Duration::from_millis(600)),
            carries: None,
            ..second(10.0, 310)
        };
        assert!(reason(&far, &raw()).contains("the network alone takes 300 ms"));
        let mut late = StatsInterval {
            carries: None,
            ..second(10.0, 310)
        };
        assert!(reason(&late, &raw()).starts_with("the time passes on the network"));
        late.sent = ages(290).map(Into::into);
        let there = reason(&late, &raw());
        assert!(
            there.starts_with("frames are 290 ms old when they leave"),
            "{there}"
        );
        // Its machine is not to blame, nor is a link to it that is too thin.
        late.origin = TimeOrigin::Stream;
        let h264 = Caps::parse("video/x-h264, width=320, height=240").unwrap();
        for caps in [raw(), h264] {
            let beyond = reason(&late, &caps);
            assert!(beyond.contains("from an engine"), "{beyond}");
        }
    }
}
