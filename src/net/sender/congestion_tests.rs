//! The window on simulated paths: a bottleneck with a rate, a delay each way, and a queue that
//! never overflows. The tests have a file of their own, since the simulated path is longer than the
//! window.

use super::*;

/// When the simulation begins: some time after the earliest possible `Instant`.
fn start() -> Instant {
    Instant::now() + Duration::from_secs(1000)
}

/// Bytes of one packet.
const PACKET: f64 = 1448.0;

/// A path, and the sender at its near end, which always has a newer frame.
struct Path {
    /// Bytes a second, each from a second of the simulation on.
    rates: Vec<(f64, f64)>,
    /// The delay of one way.
    delay: Duration,
    /// Bytes that pass at once after a pause: the tokens that a shaper has saved.
    burst: f64,
    /// Bytes of a frame.
    frame: usize,
    /// The time between two frames of the source.
    interval: Duration,
}

/// The result of a simulation.
struct Outcome {
    /// When each frame arrived, and its age then.
    ages: Vec<(Duration, Duration)>,
}

impl Path {
    fn of(bits: f64) -> Self {
        Self {
            rates: vec![(0.0, bits / 8.0)],
            delay: Duration::ZERO,
            burst: 32_768.0,
            frame: 115_232,
            interval: Duration::from_nanos(33_333_333),
        }
    }

    fn rate(&self, seconds: f64) -> f64 {
        let passed = self.rates.iter().rev().find(|(from, _)| seconds >= *from);
        passed.map_or(1.0, |(_, rate)| *rate)
    }

    /// How long `bytes` bytes take that begin to pass at second `at`.
    fn took(&self, mut at: f64, mut bytes: f64) -> Duration {
        let began = at;
        while bytes > 0.0 {
            let next = self
                .rates
                .iter()
                .map(|(from, _)| *from)
                .find(|from| *from > at);
            let passes = (next.unwrap_or(f64::MAX) - at) * self.rate(at);
            if passes > bytes {
                at += bytes / self.rate(at);
                break;
            }
            bytes -= passes;
            at = next.unwrap_or(f64::MAX);
        }
        Duration::from_secs_f64(at - began)
    }

    /// Runs the simulation for this many seconds.
    fn run(&self, seconds: u64) -> Outcome {
        let began = start();
        let mut window = CongestionWindow::new(began);
        let (mut now, mut narrow, mut saved) = (began, began, self.burst);
        let mut acks: VecDeque<(Instant, Ack)> = VecDeque::new();
        let mut ages = Vec::new();
        let mut last = None;
        let tick = Duration::from_millis(1);
        let mut reported = began;
        while now < began + Duration::from_secs(seconds) {
            if now > reported + Duration::from_secs(1) {
                reported = now;
                window.reported(self.delay * 2 + tick);
            }
            while let Some((at, ack)) = acks.front().copied()
                && at <= now
            {
                window.acked(at, ack);
                acks.pop_front();
            }
            let count = ((now - began).as_nanos() / self.interval.as_nanos()) as u32;
            if window.room(now) == Room::Now && last != Some(count) {
                last = Some(count);
                let asked = window.wants_ack(now);
                window.sent(now, count, self.frame, asked);
                // The shaper of the bottleneck saves tokens while it is idle.
                let idle = now.saturating_duration_since(narrow).as_secs_f64();
                let from = now.max(narrow);
                let since = (from - began).as_secs_f64();
                saved = (saved + idle * self.rate(since)).min(self.burst);
                let free = saved.min(self.frame as f64);
                saved -= free;
                let took = self.took(since, self.frame as f64 - free);
                narrow = from + took;
                let arrived = narrow + self.delay;
                let captured = began + self.interval * count;
                ages.push((arrived - began, arrived - captured));
                if asked {
                    // The viewer sees whole packets: the first of them takes no time.
                    let rest = (self.frame as f64 - free - PACKET).max(0.0);
                    let ack = Ack {
                        sequence: count,
                        took: self.took(since, rest).as_micros() as u64,
                    };
                    acks.push_back((arrived + self.delay, ack));
                }
            }
            now += tick;
        }
        Outcome { ages }
    }
}

impl Outcome {
    /// The percentile of the ages in milliseconds, from second `from` on.
    fn age(&self, percent: usize, from: u64) -> u128 {
        let late = |(at, _): &&(Duration, Duration)| *at >= Duration::from_secs(from);
        let mut ages: Vec<u128> = self
            .ages
            .iter()
            .filter(late)
            .map(|a| a.1.as_millis())
            .collect();
        ages.sort_unstable();
        ages[(ages.len() * percent / 100).min(ages.len() - 1)]
    }

    /// Frames a second that arrive between two seconds.
    fn fps(&self, from: u64, to: u64) -> f64 {
        let (from, to) = (Duration::from_secs(from), Duration::from_secs(to));
        let within = self.ages.iter().filter(|(at, _)| (from..to).contains(at));
        within.count() as f64 / (to - from).as_secs_f64()
    }
}

#[test]
fn a_thin_link_is_full_and_its_frames_are_new() {
    let outcome = Path::of(10e6).run(60);
    // The link carries at most 10.85 frames a second, and one alone takes 92 ms.
    let (fps, p95, max) = (outcome.fps(2, 60), outcome.age(95, 2), outcome.age(100, 2));
    assert!(fps >= 0.97 * 10.85, "{fps} frames a second");
    assert!(p95 <= 135, "{p95} ms");
    assert!(max <= 160, "{max} ms");
}

#[test]
fn the_window_follows_a_long_way() {
    for milliseconds in [5, 20, 40, 150] {
        let path = Path {
            delay: Duration::from_millis(milliseconds),
            ..Path::of(10e6)
        };
        let outcome = path.run(60);
        let (fps, p95) = (outcome.fps(2, 60), outcome.age(95, 2));
        assert!(
            fps >= 0.95 * 10.85,
            "{fps} frames a second over {milliseconds} ms"
        );
        // On a long path the measurements are older, and some of the error becomes a queue.
        let bound = 145 + u128::from(milliseconds) * 4 / 3;
        assert!(p95 <= bound, "{p95} ms over {milliseconds} ms");
    }
}

#[test]
fn a_quick_link_carries_every_frame() {
    for delay in [0, 40] {
        let path = Path {
            delay: Duration::from_millis(delay),
            ..Path::of(1e9)
        };
        let outcome = path.run(20);
        assert!(outcome.fps(2, 20) > 29.9, "{}", outcome.fps(2, 20));
        assert!(outcome.age(100, 2) <= 3 + u128::from(delay));
    }
}

#[test]
fn a_dip_is_over_within_a_second_of_its_end() {
    for dip in [20e3, 200e3, 2e6] {
        let path = Path {
            rates: vec![(0.0, 10e6 / 8.0), (10.0, dip / 8.0), (20.0, 10e6 / 8.0)],
            ..Path::of(10e6)
        };
        let outcome = path.run(40);
        let first = outcome
            .ages
            .iter()
            .find(|(at, _)| *at > Duration::from_secs(20));
        let after = first.expect("it goes on").0.as_secs() + 1;
        assert!(
            outcome.age(100, after) <= 160,
            "{dip}: {} ms",
            outcome.age(100, after)
        );
        assert!(outcome.fps(after, after + 5) >= 0.9 * 10.85);
    }
}

#[test]
fn small_frames_on_a_thin_link_do_not_pile_up() {
    let path = Path {
        frame: 6_000,
        burst: 4_000.0,
        ..Path::of(1e6)
    };
    let outcome = path.run(30);
    assert!(
        outcome.age(95, 2) <= 48 + 2 * 33 + 10,
        "{} ms",
        outcome.age(95, 2)
    );
    assert!(outcome.fps(2, 30) >= 0.9 * 1e6 / 48_000.0);
}

#[test]
fn frames_of_a_packet_on_a_thin_link_do_not_pile_up() {
    // The bottleneck takes longer for one frame than the source needs for the next.
    for (bits, frame) in [(60e3, 700), (60e3, 1400), (300e3, 1800), (20e3, 500)] {
        for milliseconds in [1, 40] {
            let path = Path {
                frame,
                burst: 1_500.0,
                delay: Duration::from_millis(milliseconds),
                ..Path::of(bits)
            };
            let outcome = path.run(60);
            let alone = frame as f64 * 8.0 / bits;
            let (age, fps) = (outcome.age(95, 5), outcome.fps(5, 60));
            let bound = (alone * 1.2e3) as u128 + 60 + 2 * u128::from(milliseconds);
            assert!(age <= bound, "{bits} {frame}: {age} ms over {bound}");
            assert!(fps >= 0.8 / alone, "{bits} {frame}: {fps} frames a second");
        }
    }
}

/// Sends a frame of `bytes` bytes each 33 ms, if there is room. Each spell is a number of seconds,
/// the round trip, and the time that the viewer measures for a frame, in milliseconds. Returns the
/// number of frames in the last spell.
fn spells(bytes: usize, spells: &[(u64, u64, u64)]) -> u32 {
    let mut at = start();
    let mut window = CongestionWindow::new(at);
    let mut acks: VecDeque<(Instant, Ack)> = VecDeque::new();
    let (mut sequence, mut frames) = (0, 0);
    for (seconds, way, took) in spells {
        let until = at + Duration::from_secs(*seconds);
        frames = 0;
        while at < until {
            while let Some((due, ack)) = acks.front().copied()
                && due <= at
            {
                window.acked(due, ack);
                acks.pop_front();
            }
            if window.room(at) == Room::Now {
                let asked = window.wants_ack(at);
                window.sent(at, sequence, bytes, asked);
                if asked {
                    let due = at + Duration::from_millis(way + took);
                    let took = took * 1000;
                    acks.push_back((due, Ack { sequence, took }));
                }
                sequence += 1;
                frames += 1;
            }
            at += Duration::from_millis(33);
        }
    }
    frames
}

#[test]
fn a_way_that_becomes_longer_is_learned() {
    let frames = spells(2000, &[(5, 10, 0), (30, 300, 0), (20, 300, 0)]);
    assert!(frames > 20 * 25, "{frames} frames in 20 seconds");
}

#[test]
fn a_path_that_becomes_slow_never_waits_for_what_nobody_acknowledges() {
    // Some frames are on their way at any time, and only on a slow path all are acknowledged.
    let frames = spells(20_000, &[(12, 100, 0), (20, 100, 30)]);
    assert!(frames > 20 * 20, "{frames} frames in 20 seconds");
}

#[test]
fn nothing_more_leaves_while_the_viewer_is_silent() {
    let now = start();
    let mut window = CongestionWindow::new(now);
    assert_eq!(window.room(now), Room::Now);
    window.sent(now, 1, 1000, true);
    assert_eq!(
        window.room(now + Duration::from_secs(9)),
        Room::Later,
        "never acknowledged"
    );
    window.acked(
        now + Duration::from_millis(1),
        Ack {
            sequence: 1,
            took: 10,
        },
    );
    assert_eq!(window.in_flight(), 0);
    let mut sent = 0;
    for sequence in 2..100 {
        let at = now + Duration::from_millis(u64::from(sequence) * 33);
        if window.room(at) == Room::Now {
            let asked = window.wants_ack(at);
            window.sent(at, sequence, 1000, asked);
            sent += 1;
        }
    }
    assert!((1..8).contains(&sent), "{sent} frames into the silence");
}

#[test]
fn what_a_viewer_says_that_cannot_be_changes_nothing() {
    let now = start();
    let mut window = CongestionWindow::new(now);
    window.sent(now, 7, 1000, true);
    window.acked(
        now,
        Ack {
            sequence: 8,
            took: 1,
        },
    );
    assert_eq!(window.in_flight(), 1000);
    // The reported time is longer than the frame was on its way.
    window.acked(
        now + Duration::from_millis(5),
        Ack {
            sequence: 7,
            took: u64::MAX,
        },
    );
    assert_eq!(window.round_trip(), Duration::ZERO);
    assert_eq!(window.rate(), Some(BitRate::from_bytes(200_000.0)));
}
