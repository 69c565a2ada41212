//! The newest-frame slot: one frame for all subscribers, replaced by the next.
//!
//! Nothing queues here. A subscriber that comes back late finds the newest frame and learns from
//! its number how many it missed. A subscriber that never comes back costs nothing. For inter-coded
//! streams the slot keeps the current GOP: a subscriber that is a little late goes on without a
//! gap, and a subscriber that is later goes on with the next key frame.
//!
//! A sender has a hub for the frames of its source, and a receiver has one for the frames that
//! arrive.

pub(crate) mod gop;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::frame::{Frame, FrameHeader};
use crate::wire::{Caps, Loss, MAX_LATENCY, Participants};

use self::gop::Gop;

/// How far behind the newest frame a subscriber may begin, in order to have a frame at once.
const JOIN_LIMIT: Duration = Duration::from_secs(1);
/// The shortest time between two key frames for one subscriber: a key frame costs all the others.
const KEY_INTERVAL: Duration = Duration::from_secs(1);

/// The reason of an end that was given none.
const STOPPED: &str = "the sender stopped";

/// The state of the stream.
#[derive(Clone, Debug, Default)]
struct Scene {
    caps: Option<Arc<Caps>>,
    frames: Gop,
    /// Why no frames come. The next frame clears it.
    lost: Option<Arc<Loss>>,
    /// The parties of the room whose host sends this stream.
    participants: Option<Arc<Participants>>,
    ended: Option<Arc<str>>,
    /// Whether nothing can come after the end.
    done: bool,
}

/// The slot into which a source puts its frames, and from which subscribers take them.
#[derive(Debug, Default)]
pub struct Hub {
    scene: watch::Sender<Scene>,
    /// Whether the stream has ended. It is apart from the scene, so that no frame wakes a task that
    /// waits for the end alone.
    has_ended: watch::Sender<bool>,
    watching: watch::Sender<usize>,
    key_wanted: Notify,
}

/// News for one subscriber.
#[derive(Clone, Debug)]
pub enum Update {
    /// The caps of all frames from here on.
    Caps(Arc<Caps>),
    /// The newest frame that this subscriber can use.
    Frame(Frame),
    /// No frames come for now, with the reason. The next frame ends this.
    Lost(Arc<Loss>),
    /// Who is in the room whose host sends this stream.
    Participants(Arc<Participants>),
    /// The stream has ended, with the reason.
    End(Arc<str>),
}

impl Hub {
    /// A hub without caps and frames.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Announces the caps of the following frames. Frames of other caps are dropped.
    pub fn announce(&self, caps: Caps) {
        self.scene.send_modify(|scene| {
            if scene.caps.as_deref() != Some(&caps) {
                scene.caps = Some(Arc::new(caps));
                scene.frames.clear();
            }
        });
    }

    /// Replaces the newest frame. Never blocks, and may be called from any thread.
    pub fn publish(&self, frame: Frame) {
        // The old frame is dropped after the lock is released, as returning its buffer may take a
        // while.
        let mut old = None;
        self.scene.send_modify(|scene| {
            old = Some(scene.frames.take(frame));
            scene.lost = None;
        });
    }

    /// Announces that no frames come for now, and why. The newest frame is dropped, as it is old.
    pub fn lose(&self, loss: Loss) {
        self.scene.send_modify(|scene| {
            scene.frames.clear();
            scene.lost = Some(Arc::new(loss));
        });
    }

    /// Announces who is in the room whose host sends this stream.
    pub fn set_participants(&self, participants: Participants) {
        self.scene
            .send_modify(|scene| scene.participants = Some(Arc::new(participants)));
    }

    /// Drops the newest frame and the reason of a loss, so that a later subscriber gets neither.
    pub fn clear(&self) {
        self.scene.send_modify(|scene| {
            scene.frames.clear();
            scene.lost = None;
        });
    }

    /// Ends the stream for everybody.
    pub fn end(&self, reason: &str) {
        self.scene
            .send_modify(|scene| scene.ended = Some(reason.into()));
        self.has_ended.send_replace(true);
    }

    /// Announces, before the end, that nothing can come after it, as at the end of a file. Viewers
    /// then do not connect again.
    pub fn finish(&self) {
        self.scene.send_modify(|scene| scene.done = true);
    }

    /// Whether nothing can come after the end.
    pub fn is_done(&self) -> bool {
        self.scene.borrow().done
    }

    /// Whether the stream has ended.
    pub fn has_ended(&self) -> bool {
        self.scene.borrow().ended.is_some()
    }

    /// Completes when the stream has ended.
    pub async fn ended(&self) {
        let mut has_ended = self.has_ended.subscribe();
        // The hub holds the sending end, so the wait cannot fail.
        let _ = has_ended.wait_for(|has_ended| *has_ended).await;
    }

    /// Completes when the stream has ended, and `grace` is over. Returns the reason.
    pub async fn ended_for(&self, grace: Duration) -> Arc<str> {
        self.ended().await;
        tokio::time::sleep(grace).await;
        let ended = self.scene.borrow().ended.clone();
        ended.unwrap_or_else(|| STOPPED.into())
    }

    /// The caps of the frames, once they are known.
    pub fn caps(&self) -> Option<Arc<Caps>> {
        self.scene.borrow().caps.clone()
    }

    /// When the newest frame was captured; `None` where there is none.
    pub fn newest_captured(&self) -> Option<u64> {
        self.newest().map(|newest| newest.captured_at)
    }

    /// The header of the newest frame; `None` where there is none.
    pub fn newest(&self) -> Option<FrameHeader> {
        let scene = self.scene.borrow();
        scene.frames.newest().map(|newest| newest.header)
    }

    /// Why no frames come; `None` while they do.
    pub fn lost(&self) -> Option<Arc<Loss>> {
        self.scene.borrow().lost.clone()
    }

    /// Follows the stream, starting with the newest frame.
    pub fn subscribe(self: &Arc<Self>) -> Subscription {
        Subscription {
            hub: Arc::clone(self),
            scene: self.scene.subscribe(),
            seen: Seen {
                caps: None,
                lost: None,
                participants: None,
                last: None,
                skipped: 0,
                max_latency: MAX_LATENCY,
                joining: true,
                asked_at: None,
            },
        }
    }

    /// All changes from here on.
    pub fn changes(&self) -> Changes {
        Changes(self.scene.subscribe())
    }

    /// The number of viewers, with every change.
    pub fn watching(&self) -> watch::Receiver<usize> {
        self.watching.subscribe()
    }

    /// Takes one of `limit` seats if one is free. Dropping the seat frees it.
    pub fn seat(self: &Arc<Self>, limit: usize) -> Option<Seat> {
        let free = self.watching.send_if_modified(|count| {
            let free = *count < limit;
            *count += usize::from(free);
            free
        });
        free.then(|| Seat(Arc::clone(self)))
    }

    /// Waits until a subscriber needs a key frame.
    pub async fn key_wanted(&self) {
        self.key_wanted.notified().await;
    }

    /// Asks the source for a key frame.
    pub fn want_key(&self) {
        self.key_wanted.notify_one();
    }
}

/// The changes of a hub, for one who serves many subscribers.
#[derive(Debug)]
pub struct Changes(watch::Receiver<Scene>);

impl Changes {
    /// Waits for a change since the last call; false where the hub is gone.
    pub async fn next(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

/// One viewer's seat in the count of viewers.
#[derive(Debug)]
pub struct Seat(Arc<Hub>);

impl Seat {
    /// The number of viewers, this one included.
    pub fn watching(&self) -> usize {
        *self.0.watching.borrow()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.watching.send_modify(|count| *count -= 1);
    }
}

/// One subscriber's position in the stream.
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<Hub>,
    scene: watch::Receiver<Scene>,
    seen: Seen,
}

/// What one subscriber was given so far, which says what comes next.
#[derive(Debug)]
struct Seen {
    caps: Option<Arc<Caps>>,
    /// The last loss that this subscriber was given.
    lost: Option<Arc<Loss>>,
    /// The parties that this subscriber was last told of.
    participants: Option<Arc<Participants>>,
    /// The number of the frame that was given last.
    last: Option<u32>,
    skipped: u64,
    /// How far behind the newest frame it may fall before frames are left out.
    max_latency: Duration,
    /// Whether it has yet to catch up with the newest frame.
    joining: bool,
    /// When it last asked for a key frame.
    asked_at: Option<Instant>,
}

impl Subscription {
    /// The caps of the frames, if they are known already. They are then not given again.
    pub fn known_caps(&mut self) -> Option<Arc<Caps>> {
        let caps = self.scene.borrow().caps.clone();
        self.seen.caps.clone_from(&caps);
        caps
    }

    /// Waits for an update that this subscriber has not had. The wait may be cancelled without
    /// losing anything.
    pub async fn next(&mut self) -> Update {
        loop {
            if let Some(update) = self.try_next() {
                return update;
            }
            if self.scene.changed().await.is_err() {
                return Update::End(STOPPED.into());
            }
        }
    }

    /// Waits for new caps or for a loss. Frames and the end are left for [`Subscription::next`].
    /// The wait may be cancelled without losing anything.
    pub async fn next_change(&mut self) -> Update {
        loop {
            let change = self.seen.next_change(&self.scene.borrow_and_update());
            if let Some(update) = change {
                return update;
            }
            if self.scene.changed().await.is_err() {
                return Update::End(STOPPED.into());
            }
        }
    }

    /// The hub that it subscribes to.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The newest frame in place of `frame`, which was given but not used.
    pub fn refresh(&mut self, frame: Frame) -> Frame {
        let scene = self.scene.borrow_and_update();
        let same_caps = match (&scene.caps, &self.seen.caps) {
            (Some(now), Some(then)) => Arc::ptr_eq(now, then),
            _ => false,
        };
        match scene.frames.key() {
            Some(newer) if same_caps && newer.header.is_after(frame.header.sequence) => {
                let passed = newer.header.sequence.wrapping_sub(frame.header.sequence);
                self.seen.skipped += u64::from(passed);
                self.seen.last = Some(newer.header.sequence);
                marked(newer.clone(), true)
            }
            _ => frame,
        }
    }

    /// Sets how far behind the newest frame this subscriber may fall before frames are left out. It
    /// matters where frames depend on those before them.
    pub fn set_max_latency(&mut self, max_latency: Duration) {
        self.seen.max_latency = max_latency;
    }

    /// How many frames this subscriber has missed so far.
    pub fn skipped(&self) -> u64 {
        self.seen.skipped
    }

    /// The update to give now, that this subscriber has not had. The end comes only after the last frame.
    pub fn try_next(&mut self) -> Option<Update> {
        let scene = self.scene.borrow_and_update();
        let unseen = self.seen.next_change(&scene);
        unseen
            .or_else(|| self.seen.next_frame(&scene, &self.hub))
            .or_else(|| scene.ended.clone().map(Update::End))
    }
}

impl Seen {
    /// New caps, a loss or parties that this subscriber was not given.
    fn next_change(&mut self, scene: &Scene) -> Option<Update> {
        if let Some(now) = &scene.participants
            && !self
                .participants
                .as_ref()
                .is_some_and(|told| Arc::ptr_eq(told, now))
        {
            self.participants = Some(Arc::clone(now));
            return Some(Update::Participants(Arc::clone(now)));
        }
        let told = match (&scene.lost, &self.lost) {
            (Some(now), Some(before)) => Arc::ptr_eq(now, before),
            (None, _) => true,
            (Some(_), None) => false,
        };
        if !told {
            self.lost.clone_from(&scene.lost);
            return scene.lost.clone().map(Update::Lost);
        }
        let caps = scene.caps.as_ref()?;
        if self.caps.as_ref().is_some_and(|c| Arc::ptr_eq(c, caps)) {
            return None;
        }
        self.caps = Some(Arc::clone(caps));
        Some(Update::Caps(Arc::clone(caps)))
    }

    /// The newest frame that this subscriber can use and has not had.
    fn next_frame(&mut self, scene: &Scene, hub: &Hub) -> Option<Update> {
        let caps = scene.caps.as_ref()?;
        let frames = &scene.frames;
        let newest = frames.newest()?;
        if self.last.is_some_and(|last| !newest.header.is_after(last)) {
            return None;
        }
        // The machine may have been suspended since this frame. Caps without a frame rate mean a
        // variable rate: the source may be idle on purpose.
        let stale = || frames.is_stale(Instant::now()) && caps.framerate().is_some();
        if scene.ended.is_none() && stale() {
            return None;
        }
        let allowed = if self.joining {
            JOIN_LIMIT.max(self.max_latency)
        } else {
            self.max_latency
        };
        let next = self
            .last
            .and_then(|last| frames.delta(last.wrapping_add(1)));
        // Without the next frame it goes on from a key frame that it has not had.
        let key = frames.key();
        let key = key.filter(|key| self.last.is_none_or(|last| key.header.is_after(last)));
        let usable = |frame: &&Frame| frames.behind(frame) <= allowed;
        let Some(frame) = next.filter(usable).or(key.filter(usable)) else {
            if self.asked_at.is_none_or(|at| at.elapsed() >= KEY_INTERVAL) {
                self.asked_at = Some(Instant::now());
                hub.want_key();
            }
            return None;
        };
        let skipped = self.last.map_or(0, |last| frame.header.skipped_since(last));
        self.skipped += u64::from(skipped);
        self.last = Some(frame.header.sequence);
        self.joining &= frames.behind(frame) > self.max_latency;
        Some(Update::Frame(marked(frame.clone(), skipped > 0)))
    }
}

fn marked(mut frame: Frame, skipped: bool) -> Frame {
    frame.header.discontinuity |= skipped;
    frame
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
