//! The statistics of a viewer: its frames and bytes, their ages, and the rate of the path.
//!
//! There is one for all connections of a viewer. Frames arrive on the network's thread and are
//! shown on GStreamer's, so every method may be called from any thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::remote_clock::RemoteClock;
use crate::clock::{CaptureTime, ClockDifference, MonoNanos, WallNanos};
use crate::frame::{FrameHeader, TimeOrigin};
use crate::net::age_histogram::{AgeHistogram, AgeSummary, milliseconds};
use crate::net::bit_rate::BitRate;
use crate::wire::{AgesMs, Pong, Report};

/// A frame that came faster than this was already in the socket, or in one packet. It tells nothing
/// of the path's rate.
const CARRIED: Duration = Duration::from_millis(1);

/// How many of the last gaps between frames give the usual one.
const USUAL_GAPS: usize = 5;

/// The frames that have come so far.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Frames received.
    pub frames: AtomicU64,
    /// Bytes of frames received.
    pub bytes: AtomicU64,
    /// Frames that the sender made and that were skipped on the way.
    pub skipped: AtomicU64,
}

/// The statistics of one stream.
#[derive(Debug)]
pub struct StreamStats {
    /// The frames that have come so far.
    pub traffic: Traffic,
    origin: Instant,
    state: Mutex<State>,
    key_wanted: Notify,
}

#[derive(Debug, Default)]
struct State {
    clock: RemoteClock,
    /// Ages of the last frames when they left the sender, as it reports them.
    sent: Option<AgesMs>,
    arrived: AgeHistogram,
    shown: AgeHistogram,
    /// Frames that were shown in this second.
    count: u64,
    /// How the times of their capture are known, by the one of them that promises least.
    origin: TimeOrigin,
    /// When the last frame was shown.
    shown_at: Option<MonoNanos>,
    /// The last few times between two frames.
    gaps: VecDeque<Duration>,
    /// Bytes of the frames that give the path's rate, and the time from their first byte to their
    /// last.
    carried: (u64, Duration),
    /// The rate of the way on which the frames are passed on, while that is full.
    onward: Option<BitRate>,
    /// The number and time of the last frame of the previous second, and of the last frame.
    counted: Option<(u32, u64)>,
    newest: Option<(u32, u64)>,
    /// The counters at the start of this second, and its start.
    before: (u64, u64, u64),
    began: Duration,
    last: StatsInterval,
}

/// One second of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatsInterval {
    /// The number of the second, counted from 1; 0 is before the first.
    pub number: u64,
    /// The true length of the second.
    pub span: Duration,
    /// Frames received.
    pub frames: u64,
    /// Bytes of frames received.
    pub bytes: u64,
    /// Frames that the sender made and that were skipped on the way.
    pub skipped: u64,
    /// Frames that reached the screen.
    pub shown: u64,
    /// Ages of frames when they left the sender, where it reports them.
    pub sent: Option<AgesMs>,
    /// Ages of frames when they had arrived, where the sender's clock is known.
    pub arrived: Option<AgeSummary>,
    /// Ages of frames when they reached the screen.
    pub age: Option<AgeSummary>,
    /// How the times of capture are known from which all ages count. Where it is
    /// [`TimeOrigin::Arrival`] for one frame, it is for the second.
    pub origin: TimeOrigin,
    /// The shortest recent round trip.
    pub round_trip: Option<Duration>,
    /// The rate of the path, measured from a frame's first byte to its last. `None` where no frame
    /// took long enough.
    pub carries: Option<BitRate>,
    /// The rate of the way on which the frames are passed on, while that is full.
    pub onward: Option<BitRate>,
    /// Frames a second that the sender makes, by their numbers and times.
    pub made: Option<f64>,
}

impl StatsInterval {
    /// The report of this second, in the units of the protocol.
    pub fn report(&self) -> Report {
        Report {
            shown: u32::try_from(self.shown).unwrap_or(u32::MAX),
            arrived_ms: self.arrived.map(Into::into),
            age_ms: self.age.map(Into::into),
            rtt_ms: self.round_trip.map(milliseconds),
            carries_mbit_s: self.carries.map(|rate| rate.kbit().round() / 1e3),
            onward_mbit_s: self.onward.map(|rate| rate.kbit().round() / 1e3),
        }
    }
}

impl Default for StreamStats {
    fn default() -> Self {
        Self {
            traffic: Traffic::default(),
            origin: Instant::now(),
            state: Mutex::default(),
            key_wanted: Notify::new(),
        }
    }
}

impl StreamStats {
    /// A frame has reached the screen.
    pub fn shown(&self, header: &FrameHeader) {
        let now = MonoNanos::now();
        let mut state = self.state.lock();
        state.count += 1;
        if let Some(before) = state.shown_at.replace(now) {
            let gap = now.since(before);
            if state.gaps.len() == USUAL_GAPS {
                state.gaps.pop_front();
            }
            state.gaps.push_back(gap);
        }
        if let Some(age) = state.age(header, now) {
            state.shown.note(age);
        }
        state.origin = state.origin.max(header.origin);
    }

    /// When a frame was captured, by this machine's wall clock; `None` while the sender's clock is
    /// not known.
    pub fn captured(&self, header: &FrameHeader) -> Option<CaptureTime> {
        let (now, here) = (MonoNanos::now(), WallNanos::now());
        let state = self.state.lock();
        let age = state.age(header, now)?;
        let clock = state.sender_clock(now, here)?;
        Some(clock.captured_at(here.before(age)))
    }

    /// How the sender's clock differs from this machine's; `None` while that is not known.
    pub fn sender_clock(&self) -> Option<ClockDifference> {
        let state = self.state.lock();
        state.sender_clock(MonoNanos::now(), WallNanos::now())
    }

    /// How long ago a frame last reached the screen; `None` before the first.
    pub fn since_shown(&self) -> Option<Duration> {
        let shown_at = self.state.lock().shown_at?;
        Some(MonoNanos::now().since(shown_at))
    }

    /// The usual time between two frames: the median of the last few. A single late frame does not
    /// change it, and a stream that stays slow does. `None` while too few have come to tell: the
    /// first interval is short for a viewer that joins right before a frame.
    pub fn usual_gap(&self) -> Option<Duration> {
        let state = self.state.lock();
        let mut gaps: Vec<Duration> = state.gaps.iter().copied().collect();
        gaps.sort_unstable();
        let median = gaps.get(gaps.len() / 2).copied();
        median.filter(|gap| gaps.len() >= 2 || *gap >= Duration::from_secs(1))
    }

    /// Asks the sender for a frame that can be decoded by itself.
    pub fn want_key(&self) {
        self.key_wanted.notify_one();
    }

    /// Sets the rate of the way on which the frames are passed on; `None` while it takes all of them.
    pub fn set_onward(&self, rate: Option<BitRate>) {
        self.state.lock().onward = rate;
    }

    /// Takes the frames' times for those of this machine's clock, as those of a source here are. To be
    /// called about once a second, since that clock may be set.
    pub fn keep_own_clock(&self) {
        let now = MonoNanos::now();
        let wall = WallNanos::now();
        self.state.lock().clock.note(now, wall, wall, now);
    }

    /// A frame of a source of this machine has come.
    pub fn arrived_here(&self, header: &FrameHeader, bytes: usize) {
        self.arrived(header, bytes, Duration::ZERO);
    }

    /// Ends one second and begins the next. One caller calls it about once a second.
    pub fn close_second(&self) -> StatsInterval {
        let total = |count: &AtomicU64| count.load(Relaxed);
        let Traffic {
            frames,
            bytes,
            skipped,
        } = &self.traffic;
        let totals = (total(frames), total(bytes), total(skipped));
        let mut state = self.state.lock();
        let (began, before) = (state.began, state.before);
        (state.began, state.before) = (self.origin.elapsed(), totals);
        let (carried, took) = std::mem::take(&mut state.carried);
        let rate = BitRate::from_bytes(carried as f64 / took.as_secs_f64());
        state.last = StatsInterval {
            number: state.last.number + 1,
            span: state.began.saturating_sub(began),
            frames: totals.0 - before.0,
            bytes: totals.1 - before.1,
            skipped: totals.2 - before.2,
            shown: std::mem::take(&mut state.count),
            sent: state.sent.filter(|_| totals.0 > before.0),
            arrived: state.arrived.take(),
            age: state.shown.take(),
            origin: std::mem::take(&mut state.origin),
            round_trip: state.clock.round_trip(),
            carries: rate.bits().is_finite().then_some(rate),
            onward: state.onward,
            made: state.made(),
        };
        state.counted = state.newest;
        state.last
    }

    /// The last second that has ended.
    pub fn last_second(&self) -> StatsInterval {
        self.state.lock().last
    }

    /// Waits until a frame that can be decoded by itself is asked for.
    pub async fn key_wanted(&self) {
        self.key_wanted.notified().await;
    }

    /// A connection begins. The clock of its sender is not known yet.
    pub(super) fn connected(&self) {
        let mut state = self.state.lock();
        (state.clock, state.sent) = (RemoteClock::default(), None);
        (state.counted, state.newest) = (None, None);
    }

    pub(super) fn pong(&self, pong: Pong) {
        let now = MonoNanos::now();
        let sent = MonoNanos(pong.sent);
        // A ping from the future cannot have been answered.
        if sent <= now {
            let (received, replied) = (WallNanos(pong.received), WallNanos(pong.replied));
            let mut state = self.state.lock();
            state.clock.note(sent, received, replied, now);
            state.sent = pong.sent_ms;
        }
    }

    /// A frame of `bytes` bytes has come, and took `took`.
    pub(super) fn arrived(&self, header: &FrameHeader, bytes: usize, took: Duration) {
        self.traffic.frames.fetch_add(1, Relaxed);
        self.traffic.bytes.fetch_add(bytes as u64, Relaxed);
        let now = MonoNanos::now();
        let mut state = self.state.lock();
        if took >= CARRIED {
            state.carried.0 += bytes as u64;
            state.carried.1 += took;
        }
        state.newest = Some((header.sequence, header.captured_at));
        if let Some(age) = state.age(header, now) {
            state.arrived.note(age);
        }
    }
}

impl State {
    fn sender_clock(&self, now: MonoNanos, here: WallNanos) -> Option<ClockDifference> {
        let there = i128::from(now.0) + i128::from(self.clock.offset(now)?);
        let ahead = i128::from(here.0) - there;
        Some(ClockDifference {
            ahead: i64::try_from(ahead).ok()?,
            uncertainty: self.clock.uncertainty(now)?,
        })
    }

    fn made(&self) -> Option<f64> {
        let ((before, then), (number, at)) = self.counted.zip(self.newest)?;
        let (frames, took) = (number.wrapping_sub(before), at.checked_sub(then)?);
        let rate = f64::from(frames) / Duration::from_nanos(took).as_secs_f64();
        (frames > 0 && rate.is_finite()).then_some(rate)
    }

    /// The age of a frame at `now`; `None` where its time of capture is not known.
    fn age(&self, header: &FrameHeader, now: MonoNanos) -> Option<Duration> {
        if header.captured_at == 0 {
            return None;
        }
        let there = i128::from(now.0) + i128::from(self.clock.offset(now)?);
        let age = there - i128::from(header.captured_at);
        // A remaining difference of the clocks must not give a negative age.
        Some(Duration::from_nanos(
            u64::try_from(age.max(0)).unwrap_or(u64::MAX),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(at: u64) -> FrameHeader {
        FrameHeader {
            captured_at: at,
            ..FrameHeader::default()
        }
    }

    /// The statistics with a sender whose clock is this many nanoseconds ahead.
    fn knowing(ahead: u64) -> StreamStats {
        let meter = StreamStats::default();
        let now = MonoNanos::now();
        meter.pong(Pong {
            sent: now.0,
            received: now.0 + ahead,
            replied: now.0 + ahead,
            sent_ms: None,
        });
        meter
    }

    #[test]
    fn a_frame_is_as_old_as_the_senders_clock_says() {
        let century = 3_155_760_000_000_000_000;
        let meter = knowing(century);
        let second = Duration::from_secs(1);
        let header = captured(MonoNanos::now().0 + century - 1_000_000_000);
        meter.arrived(&header, 100_000, Duration::from_millis(10));
        meter.arrived(&header, 100, CARRIED / 2);
        meter.shown(&header);
        let ended = meter.close_second();
        let (arrived, shown) = (ended.arrived.unwrap().p50, ended.age.unwrap().p50);
        assert!(arrived >= second.mul_f64(0.99) && shown >= arrived.mul_f64(0.99));
        assert!(shown < second * 10, "{shown:?}");
        assert_eq!((ended.frames, ended.bytes, ended.shown), (2, 100_100, 1));
        assert_eq!(ended.carries.map(|rate| rate.bits().round()), Some(80e6));
        assert!(meter.close_second().age.is_none(), "it was told");
    }

    #[test]
    fn a_time_of_capture_is_told_by_this_machines_clock() {
        let century = 3_155_760_000_000_000_000;
        let meter = knowing(century);
        let before = WallNanos::now();
        let header = captured(MonoNanos::now().0 + century - 1_000_000_000);
        let time = meter.captured(&header).expect("the clock is known");
        let after = WallNanos::now();
        let second = Duration::from_secs(1);
        assert!(time.at >= before.before(second) && time.at <= after.before(second));
        // The sender's own time is in it too.
        let there = i128::from(time.at.0) - i128::from(time.ahead);
        let wrong = there - i128::from(header.captured_at);
        assert!(wrong.unsigned_abs() < 1_000_000_000, "{wrong} ns");
        assert!(time.uncertainty < second, "{:?}", time.uncertainty);
        assert_eq!(meter.captured(&captured(0)), None, "no time");
        assert_eq!(StreamStats::default().captured(&header), None, "no clock");
    }

    #[test]
    fn one_age_that_counts_from_the_arrival_is_told_for_the_second() {
        let meter = knowing(0);
        let shown = |origin| {
            let header = captured(MonoNanos::now().0);
            meter.shown(&FrameHeader { origin, ..header });
        };
        shown(TimeOrigin::Stream);
        assert_eq!(meter.close_second().origin, TimeOrigin::Stream);
        shown(TimeOrigin::Arrival);
        shown(TimeOrigin::Source);
        assert_eq!(meter.close_second().origin, TimeOrigin::Arrival);
        shown(TimeOrigin::Source);
        assert_eq!(meter.close_second().origin, TimeOrigin::Source);
    }

    #[test]
    fn what_the_sender_makes_is_told_by_numbers_and_times() {
        let meter = StreamStats::default();
        let arrived = |sequence: u32, captured_at| {
            let header = FrameHeader {
                sequence,
                captured_at,
                ..FrameHeader::default()
            };
            meter.arrived(&header, 1, Duration::ZERO);
        };
        arrived(u32::MAX - 4, 1_000_000_000);
        assert_eq!(meter.close_second().made, None, "one alone tells nothing");
        // The number is 30 further, but only this frame came.
        arrived(25, 2_000_000_000);
        assert_eq!(meter.close_second().made, Some(30.0));
        assert_eq!(meter.close_second().made, None, "none came");
        arrived(40, 2_500_000_000);
        assert_eq!(meter.close_second().made, Some(30.0));
        meter.connected();
        arrived(3, 9_000_000_000);
        assert_eq!(meter.close_second().made, None, "another sender");
    }

    #[test]
    fn no_age_is_made_up() {
        let meter = StreamStats::default();
        meter.shown(&captured(5));
        assert!(meter.close_second().age.is_none(), "no clock");
        let meter = knowing(0);
        meter.shown(&captured(0));
        assert!(meter.close_second().age.is_none(), "no time");
        meter.shown(&captured(u64::MAX));
        assert_eq!(meter.close_second().age.unwrap().max, Duration::ZERO);
    }
}
