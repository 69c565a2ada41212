//! Detects a viewer that does not keep up, for the sender's log: its start, its changes and its end
//! are logged. Nothing here reads a clock: the caller passes each second.

use std::collections::VecDeque;
use std::time::Duration;

use crate::net::link_advice::{FULL, fitting, megabits};
use crate::net::log_throttle::span;
use crate::wire::Caps;

/// A second is bad where one of this many frames is skipped.
const BAD: u64 = 20;
/// How many of how many seconds have to be bad: a short burst is no lasting problem.
const RAW: (usize, usize) = (3, 5);
/// The same for inter-coded streams: the encoder's bit rate follows the link, which takes a while.
const DELTAS: (usize, usize) = (8, 10);
/// Good seconds in a row after which the problem is over.
const RECOVERY: u32 = 30;

/// The frames of one viewer in about a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Second {
    /// The length of the second.
    pub span: Duration,
    /// Frames that were sent, and their bytes.
    pub sent: u64,
    pub bytes: u64,
    /// Frames that were left out for it.
    pub skipped: u64,
    /// The rate of its path in bit/s, where that is known.
    pub carries: Option<f64>,
    /// Whether it acknowledges frames. Only then is a slow path known.
    pub acks: bool,
}

/// The place where the frames are delayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    ViewerLink,
    Viewer,
    Either,
}

/// The state of one viewer.
#[derive(Debug, Default)]
pub(super) struct SlowViewer {
    /// The last seconds, and whether each was bad.
    recent: VecDeque<(Second, bool)>,
    /// The problem as it was logged, while the viewer does not keep up.
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    reasons: Vec<Reason>,
    /// Frames a second that were sent and skipped, as they were logged.
    sent: f64,
    skipped: f64,
    /// Good seconds in a row.
    good: u32,
    total: Second,
    /// The part of `total` since the last bad second.
    since: Second,
}

/// A message for the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Problem(String),
    Over(String),
}

impl SlowViewer {
    /// The message after this second; usually none.
    pub fn after(&mut self, second: Second, caps: Option<&Caps>) -> Option<Said> {
        let is_bad = second.skipped > 0 && second.skipped * BAD >= second.sent + second.skipped;
        let (enough, of) = if caps.is_some_and(Caps::is_delta) {
            DELTAS
        } else {
            RAW
        };
        self.recent.push_back((second, is_bad));
        let surplus = self.recent.len().saturating_sub(of);
        self.recent.drain(..surplus);
        let is_slow = self.recent.iter().filter(|(_, bad)| *bad).count() >= enough;
        let lately = self.lately();
        let Some(state) = &mut self.state else {
            let begins = is_slow && is_bad;
            return begins.then(|| self.begin(&lately, caps));
        };
        state.total.add(&second);
        state.since.add(&second);
        if is_bad {
            (state.good, state.since) = (0, Second::default());
        } else {
            state.good += 1;
        }
        if state.good >= RECOVERY {
            let over = state.over();
            self.state = None;
            return Some(Said::Over(over));
        }
        let changed = is_slow.then(|| state.change(&lately)).flatten()?;
        Some(Said::Problem(format!(
            "{changed}: {}",
            words(&lately, caps)
        )))
    }

    fn begin(&mut self, lately: &Second, caps: Option<&Caps>) -> Said {
        let mut total = Second::default();
        for (second, _) in &self.recent {
            total.add(second);
        }
        let (sent, skipped) = lately.rates();
        self.state = Some(State {
            reasons: vec![lately.reason()],
            sent,
            skipped,
            good: 0,
            total,
            since: Second::default(),
        });
        Said::Problem(format!("too slow: {}", words(lately, caps)))
    }

    /// The sum of the last seconds.
    fn lately(&self) -> Second {
        let mut lately = Second::default();
        for (second, _) in &self.recent {
            lately.add(second);
        }
        lately
    }
}

impl State {
    /// How the problem differs from the one that was logged.
    fn change(&mut self, lately: &Second) -> Option<&'static str> {
        let ((sent, skipped), reason) = (lately.rates(), lately.reason());
        // With few frames a second, half a frame more or less is no change.
        if sent + 0.5 < self.sent / 2.0 || skipped > self.skipped * 2.0 {
            (self.sent, self.skipped) = (sent.min(self.sent), skipped.max(self.skipped));
            if !self.reasons.contains(&reason) {
                self.reasons.push(reason);
            }
            return Some("slower still");
        }
        if self.reasons.contains(&reason) {
            return None;
        }
        self.reasons.push(reason);
        Some("too slow for another reason")
    }

    fn over(&self) -> String {
        let frames = |of: fn(&Second) -> u64| of(&self.total) - of(&self.since);
        let (sent, skipped) = (frames(|s| s.sent), frames(|s| s.skipped));
        let time = self.total.span.saturating_sub(self.since.span);
        format!(
            "keeps up again after {}: it skipped {skipped} of {} frames",
            span(time),
            sent + skipped
        )
    }
}

impl Second {
    fn add(&mut self, other: &Self) {
        self.span += other.span;
        self.sent += other.sent;
        self.bytes += other.bytes;
        self.skipped += other.skipped;
        self.carries = other.carries;
        self.acks = other.acks;
    }

    /// Frames a second that were sent and skipped.
    fn rates(&self) -> (f64, f64) {
        let seconds = self.span.as_secs_f64().max(0.001);
        (self.sent as f64 / seconds, self.skipped as f64 / seconds)
    }

    /// The rate that all frames would need, in bit/s.
    fn needs(&self) -> f64 {
        let (sent, skipped) = self.rates();
        (sent + skipped) * self.bytes as f64 * 8.0 / self.sent.max(1) as f64
    }

    fn reason(&self) -> Reason {
        match self.carries {
            _ if !self.acks => Reason::Either,
            Some(carries) if self.needs() > carries * FULL => Reason::ViewerLink,
            _ => Reason::Viewer,
        }
    }
}

/// How much is skipped, the cause, and the remedy.
fn words(lately: &Second, caps: Option<&Caps>) -> String {
    let (sent, skipped) = lately.rates();
    let smaller = "vidchat send with a smaller --width or --fps";
    let why = match (lately.reason(), lately.carries, caps) {
        (Reason::ViewerLink, Some(carries), Some(caps)) => {
            let needs = lately.needs();
            format!(
                "the stream needs {} Mbit/s, the link carries {}; vidchat send with {}",
                megabits(needs),
                megabits(carries),
                fitting(caps, needs, carries)
            )
        }
        (Reason::Viewer, ..) => format!("that machine takes them late; {smaller}"),
        _ => format!("that program or the link takes no more; {smaller}"),
    };
    format!(
        "skips {skipped:.0} of {:.0} frames a second: {why}",
        sent + skipped
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(sent: u64, skipped: u64) -> Second {
        Second {
            span: Duration::from_secs(1),
            sent,
            bytes: sent * 115_200,
            skipped,
            carries: Some(sent as f64 * 115_200.0 * 8.0),
            acks: true,
        }
    }

    fn raw() -> Caps {
        Caps::parse("video/x-raw, format=I420, width=320, height=240").unwrap()
    }

    /// The messages after `count` seconds like `second`.
    fn said(slow: &mut SlowViewer, count: usize, second: Second) -> Vec<String> {
        let said = (0..count).filter_map(|_| slow.after(second, Some(&raw())));
        said.map(|said| match said {
            Said::Problem(words) | Said::Over(words) => words,
        })
        .collect()
    }

    #[test]
    fn a_viewer_that_is_slow_for_hours_is_told_of_once_and_when_it_is_over() {
        let mut slow = SlowViewer::default();
        assert_eq!(
            said(&mut slow, 10_000, second(5, 25)),
            [
                "too slow: skips 25 of 30 frames a second: the stream needs 28 Mbit/s, the link \
                 carries 4.6; \
                 vidchat send with a codec, such as --pipeline camera-h264"
            ]
        );
        assert_eq!(
            said(&mut slow, 100, second(30, 0)),
            [
                "keeps up again after 166 min: it skipped 250000 of 300000 frames"
                    .replace("166 min", "2 h")
            ]
        );
    }

    #[test]
    fn a_burst_is_no_state() {
        let mut slow = SlowViewer::default();
        for _ in 0..100 {
            assert_eq!(said(&mut slow, 2, second(10, 20)), [""; 0]);
            assert_eq!(said(&mut slow, 3, second(30, 0)), [""; 0]);
        }
        // One skipped frame in thirty is no problem.
        assert_eq!(said(&mut slow, 100, second(29, 1)), [""; 0]);
    }

    #[test]
    fn it_is_told_again_when_it_is_twice_as_bad_or_has_another_reason() {
        let mut slow = SlowViewer::default();
        let starts = |said: Vec<String>| -> Vec<String> {
            let start = |words: &String| words.split(": ").take(2).collect::<Vec<_>>().join(": ");
            said.iter().map(start).collect()
        };
        let told = starts(said(&mut slow, 50, second(24, 6)));
        assert_eq!(told, ["too slow: skips 6 of 30 frames a second"]);
        assert_eq!(said(&mut slow, 50, second(21, 9)), [""; 0]);
        assert_eq!(starts(said(&mut slow, 50, second(15, 15))).len(), 1);
        let worse: usize = (1..15)
            .map(|fewer| said(&mut slow, 50, second(15 - fewer, 15 + fewer)).len())
            .sum();
        assert!(worse <= 4, "{worse}");
        let other = Second {
            carries: None,
            ..second(15, 15)
        };
        let told = said(&mut slow, 50, other);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("too slow for another reason: skips"),
            "{told:?}"
        );
        assert!(told[0].ends_with("takes them late; vidchat send with a smaller --width or --fps"));
        assert_eq!(
            said(&mut slow, 50, second(15, 15)),
            [""; 0],
            "known already"
        );
    }
}
