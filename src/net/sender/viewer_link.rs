//! The state of one viewer's link, shared by its two halves and the statistics. The reading half
//! notes the viewer's messages. The writing half asks when the next frame may leave.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{self, timeout_at};

use super::congestion::{CongestionWindow, Room};
use crate::clock::WallNanos;
use crate::frame::Frame;
use crate::net::bit_rate::BitRate;
use crate::net::recent_ages::RecentAges;
use crate::wire::{Ack, AgesMs, Control, Pong, Report};

/// The longest time that a part of a frame may take at its pace.
const SLOWEST: Duration = Duration::from_secs(60);
/// How long a viewer that is removed may take for the rest of its frame.
const REMOVAL: Duration = Duration::from_millis(500);

/// Why the sender itself removes a viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// Its seat goes to a viewer of another network.
    Displaced,
    /// It has held a frame in memory for too long, while many others did.
    Memory,
}

/// How a frame is to leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    /// The viewer is to acknowledge it.
    pub ack: bool,
    /// The viewer has a pace.
    pub is_paced: bool,
}

/// One viewer.
#[derive(Debug)]
pub struct ViewerLink {
    /// A number that no other viewer of this process has. A viewer that says hello late keeps its
    /// number.
    pub id: u64,
    /// The viewer's address.
    pub peer: SocketAddr,
    /// The viewer's name, fit to be shown; empty where it gave none.
    pub name: String,
    /// When it joined.
    pub joined: Instant,
    /// Whether it has said hello.
    pub greeted: bool,
    state: Mutex<State>,
    changed: Notify,
    removal: OnceLock<Removal>,
    removed: Notify,
}

#[derive(Debug)]
struct State {
    /// The window of a viewer that acknowledges frames. Others are sent as much as their sockets
    /// take.
    window: Option<CongestionWindow>,
    /// The `sent` of a ping that was not answered yet, by the viewer's clock, and the time when the
    /// ping came.
    ping: Option<(u64, WallNanos)>,
    /// Ages of the frames that left since the last pong.
    leaving: RecentAges,
    /// The ages in the last pong.
    sent_ages: Option<AgesMs>,
    report: Option<Report>,
    sent: Sent,
    /// Frames that were skipped before a late hello.
    skipped_before: u64,
    /// Whether frames from before a late hello may still be on their way, so that the path is not
    /// known.
    clogged: bool,
    /// The most that a viewer that acknowledges nothing is sent; `None` for no limit.
    pace: Option<BitRate>,
    /// When the bytes that it was sent so far have used up their time at this pace.
    paced_until: Option<Instant>,
}

/// The frames that one viewer was sent so far.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    frames: u64,
    bytes: u64,
    skipped: u64,
    captured_at: WallNanos,
}

/// The frames that one viewer was sent so far, and the state of its link.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Frames sent.
    pub frames: u64,
    /// Bytes of frames sent.
    pub bytes: u64,
    /// Frames that were left out.
    pub skipped: u64,
    /// When the last frame was captured, by this machine's clock; zero before the first.
    pub captured_at: WallNanos,
    /// Bytes that are on their way.
    pub in_flight: usize,
    /// The round trip, measured by acknowledgements.
    pub round_trip: Option<Duration>,
    /// The rate of the path; `None` where it is no limit, or not known.
    pub carries: Option<BitRate>,
    /// The viewer's last report.
    pub report: Option<Report>,
}

impl ViewerLink {
    /// A viewer that has just said hello. `acks` says whether it acknowledges frames.
    pub fn new(peer: SocketAddr, name: String, acks: bool) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let joined = Instant::now();
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            peer,
            name,
            joined,
            greeted: true,
            state: Mutex::new(State {
                window: acks.then(|| CongestionWindow::new(joined)),
                ping: None,
                leaving: RecentAges::default(),
                sent_ages: None,
                report: None,
                sent: Sent::default(),
                skipped_before: 0,
                clogged: false,
                pace: None,
                paced_until: None,
            }),
            changed: Notify::new(),
            removal: OnceLock::new(),
            removed: Notify::new(),
        }
    }

    /// A viewer that has just joined without a hello.
    pub fn without_hello(peer: SocketAddr, name: String) -> Self {
        Self {
            greeted: false,
            ..Self::new(peer, name, false)
        }
    }

    /// The same viewer after a late hello. Its frames so far still count.
    pub(super) fn after_late_hello(&self, name: String, acks: bool) -> Self {
        let link = Self::new(self.peer, name, acks);
        let sent = self.state.lock().sent;
        let mut state = link.state.lock();
        state.sent = Sent {
            captured_at: WallNanos::default(),
            ..sent
        };
        (state.skipped_before, state.clogged) = (sent.skipped, true);
        drop(state);
        Self {
            id: self.id,
            joined: self.joined,
            ..link
        }
    }

    /// The frames that it was sent so far, and the state of its link.
    pub fn progress(&self) -> Progress {
        let state = self.state.lock();
        let window = state.window.as_ref();
        let known = window.filter(|_| !state.clogged);
        let Sent {
            frames,
            bytes,
            skipped,
            captured_at,
        } = state.sent;
        Progress {
            frames,
            bytes,
            skipped,
            captured_at,
            in_flight: window.map_or(0, CongestionWindow::in_flight),
            round_trip: known.map(CongestionWindow::round_trip),
            carries: window.and_then(CongestionWindow::rate),
            report: state.report,
        }
    }

    /// Whether it acknowledges frames.
    pub fn acks(&self) -> bool {
        self.state.lock().window.is_some()
    }

    /// Ages of frames when they left, in the second before the last pong. For a viewer that never
    /// pings, since the last call. `None` where no frame has left.
    pub fn sent_ages(&self) -> Option<AgesMs> {
        let mut state = self.state.lock();
        match state.window {
            Some(_) => state.sent_ages,
            None => state.leaving.take().map(Into::into),
        }
    }

    /// The viewer has acknowledged a frame.
    pub(super) fn acked(&self, ack: Ack) {
        let mut state = self.state.lock();
        state.clogged = false;
        if let Some(window) = &mut state.window {
            window.acked(Instant::now(), ack);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// The viewer has pinged.
    pub(super) fn pinged(&self, sent: u64) {
        let mut state = self.state.lock();
        state.ping = Some((sent, WallNanos::now()));
        if let Some(window) = &mut state.window {
            window.empty(Instant::now());
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// The viewer reports the frames that it has shown.
    pub(super) fn reported(&self, report: Report) {
        let mut state = self.state.lock();
        state.report = Some(report);
        let round_trip = report
            .rtt_ms
            .map(|ms| Duration::try_from_secs_f64(ms / 1e3));
        if let (Some(window), Some(Ok(round_trip))) = (&mut state.window, round_trip) {
            window.reported(round_trip);
        }
    }

    /// Limits what a viewer that acknowledges nothing is sent; `None` for no limit. The link of any
    /// other viewer is not limited: its acknowledgements say what the link takes.
    pub fn set_pace(&self, pace: Option<BitRate>) {
        let mut state = self.state.lock();
        let changed = state.pace != pace;
        state.pace = pace;
        if pace.is_none() {
            state.paced_until = None;
        }
        drop(state);
        if changed {
            self.changed.notify_waiters();
        }
    }

    /// Notes that `bytes` have left, and returns until when the pace allows for no more.
    pub(super) fn paced(&self, bytes: usize) -> Option<Instant> {
        let mut state = self.state.lock();
        if state.window.is_some() {
            return None;
        }
        let pace = state.pace?;
        let now = Instant::now();
        let takes = Duration::try_from_secs_f64(bytes as f64 / pace.bytes()).unwrap_or(SLOWEST);
        let from = state.paced_until.map_or(now, |until| until.max(now));
        state.paced_until = Some(from + takes.min(SLOWEST));
        state.paced_until
    }

    /// Has the viewer removed. Only the first reason counts.
    pub(super) fn remove(&self, removal: Removal) {
        let _ = self.removal.set(removal);
        self.removed.notify_waiters();
    }

    /// Why it is being removed, if it is.
    pub(super) fn removal(&self) -> Option<Removal> {
        self.removal.get().copied()
    }

    /// Completes when it is to be removed, with the reason.
    pub(super) async fn removed(&self) -> Removal {
        loop {
            // This comes before the look, so that no removal is missed.
            let removed = self.removed.notified();
            match self.removal() {
                Some(removal) => return removal,
                None => removed.await,
            }
        }
    }

    /// Completes when it is to be removed in the middle of a frame.
    pub(super) async fn removed_mid_frame(&self) -> Removal {
        let removal = self.removed().await;
        if removal == Removal::Displaced {
            time::sleep(REMOVAL).await;
        }
        removal
    }

    /// Whether a frame may leave now.
    pub(super) fn has_room_now(&self) -> bool {
        self.state.lock().room(Instant::now()) == Room::Now
    }

    /// Waits until a frame may leave; false where there was no room for `limit`.
    pub(super) async fn has_room(&self, limit: Duration) -> bool {
        let deadline = time::Instant::now() + limit;
        self.until(|state| match state.room(Instant::now()) {
            Room::Now => Ok(true),
            Room::At(at) => Err(Some(at.into())),
            Room::Later if time::Instant::now() >= deadline => Ok(false),
            Room::Later => Err(Some(deadline)),
        })
        .await
    }

    /// Waits for a ping, and until its answer has the path to itself: an answer that waited behind
    /// a frame would give a wrong time. The caller sends the answer at once.
    pub(super) async fn pong(&self) -> Control {
        self.until(|state| match (state.ping, state.room(Instant::now())) {
            (Some((sent, received)), Room::Now) => {
                state.ping = None;
                state.sent_ages = state.leaving.take().map(Into::into);
                Ok(Control::Pong(Pong {
                    sent,
                    received: received.0,
                    replied: WallNanos::now().0,
                    sent_ms: state.sent_ages,
                }))
            }
            (Some(_), Room::At(at)) => Err(Some(at.into())),
            _ => Err(None),
        })
        .await
    }

    /// Waits until `look` finds something. It looks again after each message of the viewer, and at
    /// the time that it returns itself.
    async fn until<T>(
        &self,
        mut look: impl FnMut(&mut State) -> Result<T, Option<time::Instant>>,
    ) -> T {
        loop {
            // This comes before the look, so that no later message is missed.
            let changed = self.changed.notified();
            let looked = look(&mut self.state.lock());
            match looked {
                Ok(found) => return found,
                Err(Some(at)) => drop(timeout_at(at, changed).await),
                Err(None) => changed.await,
            }
        }
    }

    /// How the next frame is to leave at `now`; `None` where the path has no room for it.
    pub(super) fn departure(&self, now: Instant) -> Option<Departure> {
        let state = self.state.lock();
        if state.room(now) != Room::Now {
            return None;
        }
        Some(state.departure(now))
    }

    /// How a frame is to leave at `now`, whatever the path has room for.
    pub(super) fn departure_anyway(&self, now: Instant) -> Departure {
        self.state.lock().departure(now)
    }

    /// Asks the processor for the memory that the next frame will need and that this value points to.
    pub(super) fn prefetch(&self) {
        if let Some(state) = self.state.try_lock() {
            state.leaving.prefetch();
            if let Some(window) = &state.window {
                window.prefetch();
            }
        }
    }

    /// `frame` has begun to leave at `now`, and `skipped` frames were left out so far.
    pub(super) fn frame_started(&self, frame: &Frame, skipped: u64, now: Instant) {
        let mut state = self.state.lock();
        let header = &frame.header;
        if let Some(window) = &mut state.window {
            window.sent(now, header.sequence, frame.data.len(), header.ack);
        }
        let skipped = state.skipped_before + skipped;
        let sent = &mut state.sent;
        sent.frames += 1;
        sent.bytes += frame.data.len() as u64;
        sent.skipped = skipped;
        sent.captured_at = WallNanos(header.captured_at);
        let age = WallNanos::now().since(sent.captured_at);
        state.leaving.note(age);
    }
}

impl State {
    fn departure(&self, now: Instant) -> Departure {
        let window = self.window.as_ref();
        Departure {
            ack: window.is_some_and(|window| window.wants_ack(now)),
            is_paced: window.is_none() && self.pace.is_some(),
        }
    }

    fn room(&self, now: Instant) -> Room {
        match (&self.window, self.paced_until) {
            (Some(window), _) => window.room(now),
            (None, Some(until)) if until > now => Room::At(until),
            (None, _) => Room::Now,
        }
    }
}
