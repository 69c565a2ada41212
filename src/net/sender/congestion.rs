//! How much may be on its way to one viewer: the next frame leaves when the path has room for it.
//!
//! A queue anywhere on the path, in a router perhaps, makes every frame that follows older. So
//! a frame leaves only when the one before it has passed the narrowest place of the path, which
//! the sender cannot see. It knows it from acknowledgements: a viewer says when a frame has
//! arrived and how long it took from its first byte to its last, which is the path's rate; what
//! remains of the time until the acknowledgement comes is the round trip. The model is that of
//! BBR (Cardwell and others, "BBR: congestion-based congestion control", 2016), with frames in
//! the place of packets.
//!
//! Nothing here does I/O or asks for the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::net::bit_rate::BitRate;
use crate::wire::Ack;

/// How much earlier than it seems right a frame leaves, since timers and tasks are late.
const LEAD: Duration = Duration::from_millis(3);
/// How far behind its expectation an acknowledgement may be before nothing more is sent.
const LATE: Duration = Duration::from_millis(20);
/// A viewer whose frames come quickly is asked to acknowledge one so often: each answer costs the
/// sender about a tenth of what a frame does.
const ACK_INTERVAL: Duration = Duration::from_millis(100);
/// Frames that take less, on the average, are no measure of the path's rate: it is of no matter.
const QUICK: Duration = Duration::from_millis(2);
/// A frame of fewer bytes comes in few packets, of which the viewer sees only how long the others
/// took after the first. How long it was on its way tells more.
const SMALL: usize = 16 * 1024;
/// From how many frames the path's rate is taken: few, so that a change is noticed at once.
const RATE_FRAMES: usize = 4;
/// For how long a round trip stands for the path. Once in that time the path is let run empty,
/// since a round trip that is measured behind other frames is too long.
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
    /// When its first byte was handed to the system.
    left: Instant,
    /// When its acknowledgement should be here, if it was asked for one.
    expected: Instant,
    asked: bool,
}

/// The frames on their way to one viewer, and the model of that way.
#[derive(Debug)]
pub struct CongestionWindow {
    flights: VecDeque<Flight>,
    /// Bytes and time of the last frames that were measured.
    measured: VecDeque<(usize, Duration)>,
    /// The shortest round trip of the present span of time, and of the one before.
    round_trips: [Option<Duration>; 2],
    span_began: Instant,
    /// The round trip that the viewer reports. It measures with messages smaller than any frame.
    reported: Option<Duration>,
    /// When a frame last left with nothing before it on its way.
    emptied: Instant,
    /// Nothing leaves before everything has arrived.
    emptying: bool,
    /// When a frame was last asked to be acknowledged.
    asked: Option<Instant>,
    /// When the last acknowledgement came.
    acked: Option<Instant>,
    /// No acknowledgement has come yet.
    unknown: bool,
}

impl CongestionWindow {
    /// Nothing is on its way, and nothing known.
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

    /// Whether the next frame is to be acknowledged: each one on a slow path, on a quick one now
    /// and then.
    pub fn wants_ack(&self, now: Instant) -> bool {
        self.unknown
            || self.rate().is_some()
            || self
                .asked
                .is_none_or(|at| now.saturating_duration_since(at) >= ACK_INTERVAL)
    }

    /// A frame of so many bytes has begun to leave; it was asked to be acknowledged, or not.
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

    /// A viewer has a frame, and so those before it. One that was never sent changes nothing.
    pub fn acked(&mut self, now: Instant, ack: Ack) {
        let Some(index) = self.flights.iter().position(|f| f.sequence == ack.sequence) else {
            return;
        };
        let flight = self.flights[index];
        let first = self.flights[0].left;
        let bytes = self.flights.drain(..=index).map(|f| f.bytes).sum();
        let outstanding = now.saturating_duration_since(flight.left);
        // A viewer cannot have spent longer on it than it was on its way.
        let told = Duration::from_micros(ack.took).min(outstanding);
        self.note_round_trip(now, outstanding - told);
        // Since then no other frames than these were in the narrow place.
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
        // The frames behind it are early or late by as much as it was.
        for behind in &mut self.flights {
            behind.expected = match now.checked_duration_since(flight.expected) {
                Some(late) => behind.expected + late,
                None => behind.expected - (flight.expected - now),
            };
        }
    }

    /// The viewer says how long a round trip takes, at the least.
    pub fn reported(&mut self, round_trip: Duration) {
        self.reported = Some(round_trip);
    }

    /// When the next frame may leave.
    pub fn room(&self, now: Instant) -> Room {
        let Some(last) = self.flights.back() else {
            return Room::Now;
        };
        let rated = self.rate().is_some();
        // More often than spans change, so that each has a round trip of an empty path.
        let unemptied = now.saturating_duration_since(self.emptied) > ROUND_TRIP_LIFE * 3 / 4;
        // Of one that was not asked for it nobody hears that it has arrived: the next one is.
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

    /// Has the path run empty before the next frame leaves, if it is slow and has not of late:
    /// a round trip that is measured behind other frames is too long.
    pub fn empty(&mut self, now: Instant) {
        let long_ago = now.saturating_duration_since(self.emptied) > ROUND_TRIP_LIFE / 2;
        self.emptying |= long_ago && self.rate().is_some() && !self.flights.is_empty();
    }

    /// The path's rate; `None` where frames come so quickly that it is no limit.
    pub fn rate(&self) -> Option<BitRate> {
        let took: Duration = self.measured.iter().map(|(_, took)| *took).sum();
        let bytes: usize = self.measured.iter().map(|(bytes, _)| *bytes).sum();
        let slow = took >= QUICK * u32::try_from(self.measured.len()).unwrap_or(1);
        (slow && !took.is_zero()).then(|| BitRate::from_bytes(bytes as f64 / took.as_secs_f64()))
    }

    /// The shortest round trip of late; zero before the first is known.
    pub fn round_trip(&self) -> Duration {
        let measured = self.round_trips.into_iter().flatten().min();
        let measured = measured.unwrap_or_default();
        self.reported
            .map_or(measured, |reported| reported.min(measured))
    }

    /// Bytes of frames on their way.
    pub fn in_flight(&self) -> usize {
        self.flights.iter().map(|flight| flight.bytes).sum()
    }

    /// How long so many bytes take on the path.
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
