//! One viewer's link, as its two halves and the statistics see it: the one that listens notes what
//! the viewer says, the one that shows asks when the next frame may leave.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::time::{self, timeout_at};

use crate::frame::Frame;
use crate::wire::{Ack, AgesMs, Control, Pong, Report};

use super::congestion::{CongestionWindow, Room};
use crate::net::age_histogram::AgeHistogram;

/// One viewer.
#[derive(Debug)]
pub struct ViewerLink {
    /// Where it is.
    pub peer: SocketAddr,
    /// What it calls itself, fit to be shown; empty where it does not.
    pub name: String,
    /// When it joined.
    pub joined: Instant,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// For viewers that acknowledge what they get; the others are sent whatever their sockets take.
    window: Option<CongestionWindow>,
    /// A ping that is not answered yet: when it was sent, and when it came.
    ping: Option<(u64, u64)>,
    /// Ages of the frames that left since they were told last.
    sent: AgeHistogram,
    told: Option<AgesMs>,
    report: Option<Report>,
    progress: Progress,
    /// Frames that were left out before it said hello, where it said that late.
    skipped_before: u64,
    /// What it was sent before that may be in the way still, so nothing is known of its path.
    clogged: bool,
}

/// What one viewer was sent so far, and how it does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Frames sent.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames that were left out.
    pub skipped: u64,
    /// When the last one was captured, in nanoseconds since the Unix epoch by this machine's clock.
    pub captured_at: u64,
    /// Bytes on their way.
    pub in_flight: usize,
    /// The round trip as the acknowledgements tell it.
    pub round_trip: Option<Duration>,
    /// What the path carries, in bits a second; `None` where it is no limit, or not known.
    pub carries: Option<f64>,
    /// What the viewer has reported last.
    pub report: Option<Report>,
}

impl ViewerLink {
    /// A viewer that has just come; `acks` if it acknowledges frames.
    pub fn new(peer: SocketAddr, name: String, acks: bool) -> Self {
        let joined = Instant::now();
        Self {
            peer,
            name,
            joined,
            state: Mutex::new(State {
                window: acks.then(|| CongestionWindow::new(joined)),
                ping: None,
                sent: AgeHistogram::default(),
                told: None,
                report: None,
                progress: Progress::default(),
                skipped_before: 0,
                clogged: false,
            }),
            changed: Notify::new(),
        }
    }

    /// The same viewer, by what it says of itself in the end; what it was sent so far counts on.
    pub(super) fn turned_out(&self, name: String, acks: bool) -> Self {
        let link = Self::new(self.peer, name, acks);
        let sent = self.lock().progress;
        let mut state = link.lock();
        state.progress = Progress {
            captured_at: 0,
            ..sent
        };
        (state.skipped_before, state.clogged) = (sent.skipped, true);
        drop(state);
        Self {
            joined: self.joined,
            ..link
        }
    }

    /// What it was sent so far, and how it does.
    pub fn progress(&self) -> Progress {
        let state = self.lock();
        let window = state.window.as_ref();
        let known = window.filter(|_| !state.clogged);
        Progress {
            in_flight: window.map_or(0, CongestionWindow::in_flight),
            round_trip: known.map(CongestionWindow::round_trip),
            carries: window
                .and_then(CongestionWindow::rate)
                .map(|bytes| bytes * 8.0),
            report: state.report,
            ..state.progress
        }
    }

    /// Whether it acknowledges what it gets.
    pub fn acks(&self) -> bool {
        self.lock().window.is_some()
    }

    /// How old frames were when they left: in the second before the last pong, or for a viewer that
    /// asks for none, since this was called last. `None` where none has left.
    pub fn sent_ages(&self) -> Option<AgesMs> {
        let mut state = self.lock();
        match state.window {
            Some(_) => state.told,
            None => state.sent.take().map(Into::into),
        }
    }

    /// The viewer has acknowledged a frame.
    pub(super) fn acked(&self, ack: Ack) {
        let mut state = self.lock();
        state.clogged = false;
        if let Some(window) = &mut state.window {
            window.acked(Instant::now(), ack);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// The viewer asks for the time.
    pub(super) fn pinged(&self, sent: u64) {
        let mut state = self.lock();
        state.ping = Some((sent, wall_clock()));
        if let Some(window) = &mut state.window {
            window.empty(Instant::now());
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// The viewer reports what it has shown.
    pub(super) fn reported(&self, report: Report) {
        let mut state = self.lock();
        state.report = Some(report);
        let round_trip = report
            .rtt_ms
            .map(|ms| Duration::try_from_secs_f64(ms / 1e3));
        if let (Some(window), Some(Ok(round_trip))) = (&mut state.window, round_trip) {
            window.reported(round_trip);
        }
    }

    /// Whether a frame may leave now.
    pub(super) fn has_room_now(&self) -> bool {
        self.lock().room() == Room::Now
    }

    /// Waits until a frame may leave; false where there was no room for as long as `limit`.
    pub(super) async fn has_room(&self, limit: Duration) -> bool {
        let give_up = time::Instant::now() + limit;
        self.until(|state| match state.room() {
            Room::Now => Ok(true),
            Room::At(at) => Err(Some(at.into())),
            Room::Later if time::Instant::now() >= give_up => Ok(false),
            Room::Later => Err(Some(give_up)),
        })
        .await
    }

    /// Waits for a ping, and until its answer has the path to itself: one that waited behind a
    /// frame would tell the wrong time. The answer is to be sent at once.
    pub(super) async fn pong(&self) -> Control {
        self.until(|state| match (state.ping, state.room()) {
            (Some((sent, received)), Room::Now) => {
                state.ping = None;
                state.told = state.sent.take().map(Into::into);
                Ok(Control::Pong(Pong {
                    sent,
                    received,
                    replied: wall_clock(),
                    sent_ms: state.told,
                }))
            }
            (Some(_), Room::At(at)) => Err(Some(at.into())),
            _ => Err(None),
        })
        .await
    }

    /// Waits until `look` finds what it wants. It looks again whenever the viewer has said
    /// something, and at the time that it names itself.
    async fn until<T>(
        &self,
        mut look: impl FnMut(&mut State) -> Result<T, Option<time::Instant>>,
    ) -> T {
        loop {
            // Before the look, so that nothing that is said after it goes unnoticed.
            let changed = self.changed.notified();
            let looked = look(&mut self.lock());
            match looked {
                Ok(found) => return found,
                Err(Some(at)) => drop(timeout_at(at, changed).await),
                Err(None) => changed.await,
            }
        }
    }

    /// Whether the viewer is to acknowledge the next frame.
    pub(super) fn wants_ack(&self) -> bool {
        let state = self.lock();
        state
            .window
            .as_ref()
            .is_some_and(|window| window.wants_ack(Instant::now()))
    }

    /// `frame` has begun to leave, and `skipped` frames were left out so far.
    pub(super) fn leaves(&self, frame: &Frame, skipped: u64) {
        let mut state = self.lock();
        let header = &frame.header;
        if let Some(window) = &mut state.window {
            window.sent(
                Instant::now(),
                header.sequence,
                frame.data.len(),
                header.ack,
            );
        }
        let skipped = state.skipped_before + skipped;
        let progress = &mut state.progress;
        progress.frames += 1;
        progress.bytes += frame.data.len() as u64;
        progress.skipped = skipped;
        progress.captured_at = header.captured_at;
        let age = wall_clock().saturating_sub(header.captured_at);
        state.sent.note(Duration::from_nanos(age));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Numbers alone, each whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn room(&self) -> Room {
        let window = self.window.as_ref();
        window.map_or(Room::Now, |window| window.room(Instant::now()))
    }
}

/// Nanoseconds since the Unix epoch by this machine's clock.
pub(super) fn wall_clock() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
