//! The congestion window of one viewer: the next frame leaves when the path has room for it.
//!
//! A queue anywhere on the path, perhaps in a router, makes every frame behind it older. So a frame
//! leaves only when the frame before it has passed the bottleneck. The sender cannot see that, but
//! acknowledgements tell: a viewer reports when a frame has arrived and how long it took from its
//! first byte to its last, which is the path's rate. The rest of the time until the acknowledgement
//! is the round trip. The model is that of BBR (Cardwell and others, "BBR: congestion-based
//! congestion control", 2016), with frames in the place of packets.
//!
//! Nothing here does I/O or reads a clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::net::bit_rate::BitRate;
use crate::net::prefetch::prefetch;
use crate::wire::Ack;

/// How much earlier than computed a frame leaves, since timers and tasks are late.
const LEAD: Duration = Duration::from_millis(3);
/// How late an acknowledgement may be before nothing more is sent.
const LATE: Duration = Duration::from_millis(20);
/// The time between two acknowledgements of a viewer on a fast path. Each costs the sender about a
/// tenth of a frame.
const ACK_INTERVAL: Duration = Duration::from_millis(100);
/// Frames that take less than this on average do not measure the path's rate, which is then no
/// limit.
const QUICK: Duration = Duration::from_millis(2);
/// A frame of fewer bytes comes in few packets, and the viewer measures only the time after the
/// first packet. The time that the frame was on its way is the better measure.
const SMALL: usize = 16 * 1024;
/// The number of frames that give the path's rate: few, so that a change is noticed at once.
const RATE_FRAMES: usize = 4;
/// How long a measured round trip is valid. Once in that time the path is drained, since a round
/// trip that is measured behind other frames is too long.
const ROUND_TRIP_LIFE: Duration = Duration::from_secs(10);
/// The longest time that one frame is expected to take.
const SLOWEST: Duration = Duration::from_secs(60);

/// When the next frame may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Now.
    Now,
    /// At this time, or when an acknowledgement comes.
    At(Instant),
    /// Not before an acknowledgement comes.
    Later,
}

/// A frame that was sent and not acknowledged yet.
#[derive(Clone, Copy, Debug)]
struct Flight {
    sequence: u32,
    bytes: usize,
    /// When its first byte was passed to the system.
    left: Instant,
    /// When its acknowledgement should arrive, if one was asked for.
    expected: Instant,
    asked: bool,
}

/// The frames on their way to one viewer, and the model of the path.
#[derive(Debug)]
pub struct CongestionWindow {
    flights: VecDeque<Flight>,
    /// Bytes and times of the last frames that were measured.
    measured: VecDeque<(usize, Duration)>,
    /// The shortest round trips of the current and the previous span of time.
    round_trips: [Option<Duration>; 2],
    span_began: Instant,
    /// The round trip that the viewer reports. It is measured with messages smaller than any frame.
    reported: Option<Duration>,
    /// When a frame last left while no other was on its way.
    emptied: Instant,
    /// Whether all frames must have arrived before the next one leaves.
    emptying: bool,
    /// When a frame was last sent with a request to acknowledge it.
    asked: Option<Instant>,
    /// When the last acknowledgement came.
    acked: Option<Instant>,
    /// Whether no acknowledgement has come yet.
    unknown: bool,
}

impl CongestionWindow {
    /// A window for a path with nothing on its way and nothing known.
    pub fn new(now: Instant) -> Self {
        Self {
            flights: VecDeque::new(),
            measured: VecDeque::new(),
            round_trips: [None; 2],
            span_began: now,
            reported: None,
            emptied: now,
            emptying: false,
            asked: None,
            acked: None,
            unknown: true,
        }
    }

    /// Whether the viewer is to acknowledge the next frame: each one on a slow path, only some on a
    /// fast one.
    pub fn wants_ack(&self, now: Instant) -> bool {
        self.unknown
            || self.rate().is_some()
            || self
                .asked
                .is_none_or(|at| now.saturating_duration_since(at) >= ACK_INTERVAL)
    }

    /// A frame of `bytes` bytes has begun to leave. `asked` says whether it is to be acknowledged.
    pub fn sent(&mut self, now: Instant, sequence: u32, bytes: usize, asked: bool) {
        if self.flights.is_empty() {
            (self.emptied, self.emptying) = (now, false);
        }
        if asked {
            self.asked = Some(now);
        }
        let free = match self.flights.back() {
            Some(last) => last.expected.max(now + self.round_trip()),
            None => now + self.round_trip(),
        };
        self.flights.push_back(Flight {
            sequence,
            bytes,
            left: now,
            expected: free + self.duration(bytes),
            asked,
        });
    }

    /// A viewer has a frame, and all before it. A number that was never sent is ignored.
    pub fn acked(&mut self, now: Instant, ack: Ack) {
        let Some(index) = self.flights.iter().position(|f| f.sequence == ack.sequence) else {
            return;
        };
        let flight = self.flights[index];
        let first = self.flights[0].left;
        let bytes = self.flights.drain(..=index).map(|f| f.bytes).sum();
        let outstanding = now.saturating_duration_since(flight.left);
        // The reported time cannot be longer than the frame was on its way.
        let told = Duration::from_micros(ack.took).min(outstanding);
        self.note_round_trip(now, outstanding - told);
        // From this time on, only these frames were in the bottleneck.
        let free = (first + self.round_trip()).max(self.acked.replace(now).unwrap_or(first));
        let passed = now.saturating_duration_since(free);
        let is_late = passed > LATE || self.rate().is_some();
        let measured = if flight.bytes < SMALL && is_late && passed > told {
            (bytes, passed)
        } else {
            (flight.bytes, told)
        };
        if self.measured.len() == RATE_FRAMES {
            self.measured.pop_front();
        }
        self.measured.push_back(measured);
        self.unknown = false;
        // The frames behind it are early or late by the same time.
        for behind in &mut self.flights {
            behind.expected = match now.checked_duration_since(flight.expected) {
                Some(late) => behind.expected + late,
                None => behind.expected - (flight.expected - now),
            };
        }
    }

    /// The viewer reports its shortest round trip.
    pub fn reported(&mut self, round_trip: Duration) {
        self.reported = Some(round_trip);
    }

    /// When the next frame may leave.
    pub fn room(&self, now: Instant) -> Room {
        let Some(last) = self.flights.back() else {
            return Room::Now;
        };
        let rated = self.rate().is_some();
        // This is more often than spans change, so that each span has a round trip of an empty
        // path.
        let unemptied = now.saturating_duration_since(self.emptied) > ROUND_TRIP_LIFE * 3 / 4;
        // The arrival of the last frame is known only if it is acknowledged. Otherwise the path
        // drains after the next one, which is.
        let drains = self.emptying || (rated && unemptied);
        if self.unknown || (drains && last.asked) {
            return Room::Later;
        }
        let late = LATE.max(self.round_trip() / 4);
        let oldest = self.flights.iter().find(|flight| flight.asked);
        if oldest.is_some_and(|oldest| now > oldest.expected + late) {
            return Room::Later;
        }
        match last.expected.checked_sub(self.round_trip() + LEAD) {
            Some(at) if rated && at > now => Room::At(at),
            _ => Room::Now,
        }
    }

    /// Drains the path before the next frame leaves, if the path is slow and was not drained
    /// recently: a round trip that is measured behind other frames is too long.
    pub fn empty(&mut self, now: Instant) {
        let long_ago = now.saturating_duration_since(self.emptied) > ROUND_TRIP_LIFE / 2;
        self.emptying |= long_ago && self.rate().is_some() && !self.flights.is_empty();
    }

    /// The path's rate; `None` where frames come so fast that it is no limit.
    pub fn rate(&self) -> Option<BitRate> {
        let took: Duration = self.measured.iter().map(|(_, took)| *took).sum();
        let bytes: usize = self.measured.iter().map(|(bytes, _)| *bytes).sum();
        let slow = took >= QUICK * u32::try_from(self.measured.len()).unwrap_or(1);
        (slow && !took.is_zero()).then(|| BitRate::from_bytes(bytes as f64 / took.as_secs_f64()))
    }

    /// The shortest recent round trip; zero before the first is known.
    pub fn round_trip(&self) -> Duration {
        let measured = self.round_trips.into_iter().flatten().min();
        let measured = measured.unwrap_or_default();
        self.reported
            .map_or(measured, |reported| reported.min(measured))
    }

    /// Asks the processor for the memory of what is on its way and was measured.
    pub fn prefetch(&self) {
        self.flights.front().map(prefetch);
        self.flights.back().map(prefetch);
        self.measured.front().map(prefetch);
    }

    /// Bytes of frames on their way.
    pub fn in_flight(&self) -> usize {
        self.flights.iter().map(|flight| flight.bytes).sum()
    }

    /// How long this many bytes take on the path.
    fn duration(&self, bytes: usize) -> Duration {
        match self.rate() {
            Some(rate) => Duration::try_from_secs_f64(bytes as f64 / rate.bytes())
                .unwrap_or(SLOWEST)
                .min(SLOWEST),
            None => Duration::ZERO,
        }
    }

    fn note_round_trip(&mut self, now: Instant, round_trip: Duration) {
        if now.saturating_duration_since(self.span_began) >= ROUND_TRIP_LIFE {
            self.round_trips = [None, self.round_trips[0]];
            self.span_began = now;
        }
        let shortest = self.round_trips[0].get_or_insert(round_trip);
        *shortest = round_trip.min(*shortest);
    }
}

#[cfg(test)]
#[path = "congestion_tests.rs"]
mod tests;
