//! The newest-frame slot: one picture for everybody, replaced by the next.
//!
//! Nothing ever queues here. A consumer that comes back late finds the newest frame and learns
//! from its number how many it missed; one that never comes back costs nobody anything. Of a
//! stream whose pictures need those before them, the slot holds the last picture that does not
//! and all that came since: who is a little late goes on without a gap, and who is late beyond
//! that goes on with the next such picture.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::frame::Frame;
use crate::wire::Caps;

use super::client::MAX_LATENCY;
use super::roster::Roster;

/// How far behind the newest frame a consumer may begin, so that it has a picture at once.
const JOIN_LIMIT: Duration = Duration::from_secs(1);
/// How often one consumer asks for a key frame: each costs all the others.
const KEY_INTERVAL: Duration = Duration::from_secs(1);
/// The most frames, and bytes of them, that are kept since a key frame.
const KEPT_FRAMES: usize = 1200;
const KEPT_BYTES: usize = 16 << 20;

/// The reason of an end for which nobody gave one.
const STOPPED: &str = "the sender stopped";

/// What is to be seen right now.
#[derive(Clone, Debug, Default)]
struct Scene {
    caps: Option<Arc<Caps>>,
    /// The newest frame that can be decoded by itself, unless too much came since.
    key: Option<Frame>,
    /// The frames that came since, without a gap. Always empty for raw video and JPEG.
    deltas: VecDeque<Frame>,
    /// Bytes of those.
    delta_bytes: usize,
    /// Why no pictures come; forgotten with the next one.
    lost: Option<Arc<str>>,
    ended: Option<Arc<str>>,
    /// There is nothing that could come after the end.
    done: bool,
}

/// Where the source leaves its frames and viewers pick them up.
#[derive(Debug, Default)]
pub struct Hub {
    scene: watch::Sender<Scene>,
    watching: watch::Sender<usize>,
    key_wanted: Notify,
    roster: Arc<Roster>,
}

/// News for one consumer.
#[derive(Clone, Debug)]
pub enum Update {
    /// The form of all frames from here on.
    Caps(Arc<Caps>),
    /// The newest frame that this consumer can use.
    Frame(Frame),
    /// No frames come for now, and why; the next one says that they do again.
    Lost(Arc<str>),
    /// There will be no more, and why.
    End(Arc<str>),
}

impl Hub {
    /// A hub in which nothing has happened yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Says what form the following frames have. Frames of the former form are forgotten.
    pub fn announce(&self, caps: Caps) {
        self.scene.send_modify(|scene| {
            if scene.caps.as_deref() != Some(&caps) {
                scene.caps = Some(Arc::new(caps));
                scene.forget();
            }
        });
    }

    /// Replaces the newest frame. Never blocks; may be called from any thread.
    pub fn publish(&self, frame: Frame) {
        // What it replaces is dropped after the lock: giving a buffer back may take a while.
        let mut old = (None, VecDeque::new());
        self.scene.send_modify(|scene| {
            old = scene.take(frame);
            scene.lost = None;
        });
    }

    /// Says that no frames come for now, and why. The newest is forgotten: it is old.
    pub fn lose(&self, reason: &str) {
        self.scene.send_modify(|scene| {
            scene.forget();
            scene.lost = Some(reason.into());
        });
    }

    /// Forgets the newest frame, and why none come, so that a viewer who comes later is neither
    /// shown an old picture nor told old news.
    pub fn clear(&self) {
        self.scene.send_modify(|scene| {
            scene.forget();
            scene.lost = None;
        });
    }

    /// Ends the stream for everybody.
    pub fn end(&self, reason: &str) {
        self.scene
            .send_modify(|scene| scene.ended = Some(reason.into()));
    }

    /// Says that nothing can come after the end, such as that of a file: viewers need not try
    /// again. To be called before the end.
    pub fn finish(&self) {
        self.scene.send_modify(|scene| scene.done = true);
    }

    /// Whether nothing can come after the end.
    pub fn is_done(&self) -> bool {
        self.scene.borrow().done
    }

    /// Completes when the stream has ended.
    pub async fn ended(&self) {
        let mut scene = self.scene.subscribe();
        // The hub holds the other end, so it cannot fail before.
        let _ = scene.wait_for(|scene| scene.ended.is_some()).await;
    }

    /// The form of the frames, as far as it is known.
    pub fn caps(&self) -> Option<Arc<Caps>> {
        self.scene.borrow().caps.clone()
    }

    /// When the newest frame was captured, if there is one.
    pub fn newest_captured(&self) -> Option<u64> {
        let scene = self.scene.borrow();
        scene.newest().map(|newest| newest.header.captured_at)
    }

    /// Why no frames come, while none do.
    pub fn lost(&self) -> Option<Arc<str>> {
        self.scene.borrow().lost.clone()
    }

    /// Follows the stream from the newest frame on.
    pub fn subscribe(self: &Arc<Self>) -> Subscription {
        Subscription {
            hub: Arc::clone(self),
            scene: self.scene.subscribe(),
            caps: None,
            lost: None,
            last: None,
            skipped: 0,
            patience: MAX_LATENCY,
            joining: true,
            asked_at: None,
        }
    }

    /// Who watches.
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// How many viewers watch, and every change of it.
    pub fn watching(&self) -> watch::Receiver<usize> {
        self.watching.subscribe()
    }

    /// Takes one of `limit` seats, if there is one left: the count of viewers goes down again
    /// when it is dropped.
    pub fn seat(self: &Arc<Self>, limit: usize) -> Option<Seat> {
        let free = self.watching.send_if_modified(|count| {
            let free = *count < limit;
            *count += usize::from(free);
            free
        });
        free.then(|| Seat(Arc::clone(self)))
    }

    /// Waits until some consumer needs a frame that can be decoded by itself.
    pub async fn key_wanted(&self) {
        self.key_wanted.notified().await;
    }

    /// Asks the source for a frame that can be decoded by itself.
    pub fn want_key(&self) {
        self.key_wanted.notify_one();
    }
}

impl Scene {
    /// The newest frame there is.
    fn newest(&self) -> Option<&Frame> {
        self.deltas.back().or(self.key.as_ref())
    }

    /// Takes a frame in, and returns what it replaces.
    fn take(&mut self, frame: Frame) -> (Option<Frame>, VecDeque<Frame>) {
        if frame.header.key {
            self.delta_bytes = 0;
            return (self.key.replace(frame), std::mem::take(&mut self.deltas));
        }
        let follows = self
            .newest()
            .is_some_and(|newest| newest.header.sequence.wrapping_add(1) == frame.header.sequence);
        if !follows {
            self.forget();
        }
        self.delta_bytes += frame.data.len();
        self.deltas.push_back(frame);
        let mut old = (None, VecDeque::new());
        while self.deltas.len() > KEPT_FRAMES || self.delta_bytes > KEPT_BYTES {
            // Without the first of them the key frame is of no use to anybody.
            old.0 = self.key.take();
            let Some(first) = self.deltas.pop_front() else {
                break;
            };
            self.delta_bytes -= first.data.len();
            old.1.push_back(first);
        }
        old
    }

    fn forget(&mut self) {
        self.key = None;
        self.deltas.clear();
        self.delta_bytes = 0;
    }

    /// The frame of that number, if it is one of those since the key frame.
    fn delta(&self, sequence: u32) -> Option<&Frame> {
        let first = self.deltas.front()?.header.sequence;
        let index = usize::try_from(sequence.wrapping_sub(first)).ok()?;
        self.deltas.get(index)
    }

    /// How far behind the newest frame this one is.
    fn behind(&self, frame: &Frame) -> Duration {
        let newest = self.newest().map_or(0, |newest| newest.header.captured_at);
        Duration::from_nanos(newest.saturating_sub(frame.header.captured_at))
    }
}

/// One viewer's place among those who watch.
#[derive(Debug)]
pub struct Seat(Arc<Hub>);

impl Seat {
    /// How many watch, this one included.
    pub fn watching(&self) -> usize {
        *self.0.watching.borrow()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.watching.send_modify(|count| *count -= 1);
    }
}

/// One consumer's view of the stream.
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<Hub>,
    scene: watch::Receiver<Scene>,
    caps: Option<Arc<Caps>>,
    /// Why no frames come, as far as this consumer was told.
    lost: Option<Arc<str>>,
    /// The number of the frame that was handed out last.
    last: Option<u32>,
    skipped: u64,
    /// How far behind the newest frame it may fall before frames are left out.
    patience: Duration,
    /// It has not caught up with the newest frame since it began.
    joining: bool,
    /// When it last asked for a key frame.
    asked_at: Option<Instant>,
}

impl Subscription {
    /// The form of the frames, if it is known already; it is then not handed out again.
    pub fn known_caps(&mut self) -> Option<Arc<Caps>> {
        let caps = self.scene.borrow().caps.clone();
        self.caps.clone_from(&caps);
        caps
    }

    /// Waits for what this consumer has not seen yet. Nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> Update {
        loop {
            if let Some(update) = self.pick() {
                return update;
            }
            if self.scene.changed().await.is_err() {
                return Update::End(STOPPED.into());
            }
        }
    }

    /// Waits until the stream has ended, and for so long after that; returns the reason.
    pub async fn over(&self, patience: Duration) -> Arc<str> {
        let mut scene = self.scene.clone();
        let ended = match scene.wait_for(|scene| scene.ended.is_some()).await {
            Ok(scene) => scene.ended.clone(),
            Err(_) => None,
        };
        tokio::time::sleep(patience).await;
        ended.unwrap_or_else(|| STOPPED.into())
    }

    /// The newest frame instead of `frame`, which was handed out but not used.
    pub fn refresh(&mut self, frame: Frame) -> Frame {
        let scene = self.scene.borrow_and_update();
        let same_form = match (&scene.caps, &self.caps) {
            (Some(now), Some(then)) => Arc::ptr_eq(now, then),
            _ => false,
        };
        match &scene.key {
            Some(newer) if same_form && newer.header.is_after(frame.header.sequence) => {
                let passed = newer.header.sequence.wrapping_sub(frame.header.sequence);
                self.skipped += u64::from(passed);
                self.last = Some(newer.header.sequence);
                marked(newer.clone(), true)
            }
            _ => frame,
        }
    }

    /// Frames may be so far behind the newest before some are left out, where those that follow
    /// need those before them.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// How many frames this consumer has missed so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// What is to be handed out now; the end only after the last frame.
    fn pick(&mut self) -> Option<Update> {
        self.unseen().or_else(|| {
            let ended = self.scene.borrow().ended.clone();
            ended.map(Update::End)
        })
    }

    fn unseen(&mut self) -> Option<Update> {
        let scene = self.scene.borrow_and_update();
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
        if !self.caps.as_ref().is_some_and(|c| Arc::ptr_eq(c, caps)) {
            self.caps = Some(Arc::clone(caps));
            return Some(Update::Caps(Arc::clone(caps)));
        }
        let newest = scene.newest()?;
        if self.last.is_some_and(|last| !newest.header.is_after(last)) {
            return None;
        }
        let allowed = match self.joining {
            true => JOIN_LIMIT.max(self.patience),
            false => self.patience,
        };
        let next = self.last.and_then(|last| scene.delta(last.wrapping_add(1)));
        // For who has nothing to go on from, a key frame that it does not have yet.
        let key = scene.key.as_ref();
        let key = key.filter(|key| self.last.is_none_or(|last| key.header.is_after(last)));
        let usable = |frame: &&Frame| {
            frame.header.key && scene.deltas.is_empty() || scene.behind(frame) <= allowed
        };
        let Some(frame) = next.filter(usable).or(key.filter(usable)) else {
            if self.asked_at.is_none_or(|at| at.elapsed() >= KEY_INTERVAL) {
                self.asked_at = Some(Instant::now());
                self.hub.want_key();
            }
            return None;
        };
        let skipped = self.last.map_or(0, |last| frame.header.skipped_since(last));
        self.skipped += u64::from(skipped);
        self.last = Some(frame.header.sequence);
        self.joining &= scene.behind(frame) > self.patience;
        Some(Update::Frame(marked(frame.clone(), skipped > 0)))
    }
}

fn marked(mut frame: Frame, skipped: bool) -> Frame {
    frame.header.discontinuity |= skipped;
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameHeader;
    use bytes::Bytes;

    fn caps(width: u32) -> Caps {
        Caps::parse(&format!(
            "video/x-raw, format=I420, width={width}, height=16"
        ))
        .unwrap()
    }

    fn frame(sequence: u32, key: bool) -> Frame {
        Frame {
            header: FrameHeader {
                sequence,
                key,
                ..FrameHeader::default()
            },
            data: Bytes::from_static(b"picture"),
        }
    }

    /// What `subscription` has for us right now, if anything.
    fn now(subscription: &mut Subscription) -> Option<Update> {
        subscription.pick()
    }

    fn number(update: Option<Update>) -> Option<(u32, bool)> {
        match update {
            Some(Update::Frame(f)) => Some((f.header.sequence, f.header.discontinuity)),
            None => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_late_consumer_gets_the_newest_and_learns_what_it_missed() {
        let hub = Hub::new();
        hub.announce(caps(16));
        let mut viewer = hub.subscribe();
        assert!(matches!(now(&mut viewer), Some(Update::Caps(_))));
        hub.publish(frame(0, true));
        assert_eq!(number(now(&mut viewer)), Some((0, false)));
        assert_eq!(number(now(&mut viewer)), None);
        for sequence in 1..=4 {
            hub.publish(frame(sequence, true));
        }
        assert_eq!(number(now(&mut viewer)), Some((4, true)));
        assert_eq!(viewer.skipped(), 3);
    }

    #[test]
    fn a_frame_that_waited_for_the_socket_is_replaced_by_a_newer_one() {
        let hub = Hub::new();
        hub.announce(caps(16));
        let mut viewer = hub.subscribe();
        now(&mut viewer);
        hub.publish(frame(0, true));
        let Some(Update::Frame(held)) = now(&mut viewer) else {
            panic!("no frame");
        };
        let held = viewer.refresh(held);
        assert_eq!(held.header.sequence, 0);
        hub.publish(frame(1, true));
        hub.publish(frame(2, true));
        let held = viewer.refresh(held);
        assert_eq!((held.header.sequence, held.header.discontinuity), (2, true));
        assert_eq!(viewer.skipped(), 2);
        assert_eq!(number(now(&mut viewer)), None);
    }

    #[test]
    fn after_a_gap_a_delta_frame_waits_for_a_key_frame() {
        let hub = Hub::new();
        hub.announce(caps(16));
        let mut viewer = hub.subscribe();
        now(&mut viewer);
        hub.publish(frame(0, false));
        assert_eq!(number(now(&mut viewer)), None, "joined between key frames");
        hub.publish(frame(1, true));
        assert_eq!(number(now(&mut viewer)), Some((1, false)));
        hub.publish(frame(2, false));
        assert_eq!(number(now(&mut viewer)), Some((2, false)));
        hub.publish(frame(4, false));
        assert_eq!(number(now(&mut viewer)), None, "frame 3 is missing");
        hub.publish(frame(5, true));
        assert_eq!(number(now(&mut viewer)), Some((5, true)));
    }

    /// A frame that was captured so many milliseconds after the first.
    fn captured(sequence: u32, key: bool, milliseconds: u64) -> Frame {
        let mut frame = frame(sequence, key);
        frame.header.captured_at = 1_000_000_000 + milliseconds * 1_000_000;
        frame
    }

    #[test]
    fn who_is_a_little_late_gets_every_delta_and_who_is_late_goes_on_at_a_key_frame() {
        let hub = Hub::new();
        hub.announce(caps(16));
        let mut viewer = hub.subscribe();
        viewer.set_patience(Duration::from_millis(100));
        now(&mut viewer);
        hub.publish(captured(0, true, 0));
        assert_eq!(number(now(&mut viewer)), Some((0, false)));
        for sequence in 1..=3 {
            hub.publish(captured(sequence, false, u64::from(sequence) * 33));
        }
        for sequence in 1..=3 {
            assert_eq!(number(now(&mut viewer)), Some((sequence, false)));
        }
        assert_eq!(number(now(&mut viewer)), None);
        for sequence in 4..=10 {
            hub.publish(captured(sequence, false, u64::from(sequence) * 33));
        }
        assert_eq!(number(now(&mut viewer)), None, "the next is 200 ms old");
        hub.publish(captured(11, true, 363));
        hub.publish(captured(12, false, 396));
        assert_eq!(number(now(&mut viewer)), Some((11, true)));
        assert_eq!(number(now(&mut viewer)), Some((12, false)));
        assert_eq!(viewer.skipped(), 7);
    }

    #[test]
    fn who_joins_between_key_frames_has_a_picture_at_once_unless_it_is_old() {
        let hub = Hub::new();
        hub.announce(caps(16));
        hub.publish(captured(0, true, 0));
        hub.publish(captured(1, false, 500));
        let mut early = hub.subscribe();
        now(&mut early);
        assert_eq!(number(now(&mut early)), Some((0, false)));
        assert_eq!(number(now(&mut early)), Some((1, false)));
        hub.publish(captured(2, false, 2000));
        let mut late = hub.subscribe();
        now(&mut late);
        assert_eq!(number(now(&mut late)), None);
    }

    #[test]
    fn what_is_kept_between_key_frames_has_a_bound() {
        let hub = Hub::new();
        hub.announce(caps(16));
        let mut viewer = hub.subscribe();
        now(&mut viewer);
        hub.publish(frame(0, true));
        assert_eq!(number(now(&mut viewer)), Some((0, false)));
        for sequence in 1..3 * KEPT_FRAMES as u32 {
            hub.publish(frame(sequence, false));
            assert_eq!(number(now(&mut viewer)), Some((sequence, false)));
            assert!(hub.scene.borrow().deltas.len() <= KEPT_FRAMES);
        }
        let mut late = hub.subscribe();
        now(&mut late);
        assert_eq!(
            number(now(&mut late)),
            None,
            "there is no key frame any more"
        );
    }

    #[test]
    fn new_caps_come_before_the_frames_that_need_them() {
        let hub = Hub::new();
        hub.announce(caps(16));
        let mut viewer = hub.subscribe();
        now(&mut viewer);
        hub.publish(frame(0, true));
        hub.announce(caps(16));
        assert_eq!(number(now(&mut viewer)), Some((0, false)), "the same caps");
        hub.announce(caps(32));
        assert!(matches!(now(&mut viewer), Some(Update::Caps(_))));
        assert_eq!(number(now(&mut viewer)), None, "the old frame is forgotten");
        hub.publish(frame(1, true));
        assert_eq!(number(now(&mut viewer)), Some((1, false)));
    }

    #[test]
    fn who_comes_after_a_pause_is_not_shown_an_old_picture() {
        let hub = Hub::new();
        hub.announce(caps(16));
        hub.publish(frame(0, true));
        hub.clear();
        let mut viewer = hub.subscribe();
        now(&mut viewer);
        assert_eq!(number(now(&mut viewer)), None);
    }

    #[test]
    fn a_loss_is_told_once_and_to_those_who_come_later() {
        let hub = Hub::new();
        hub.announce(caps(16));
        let mut viewer = hub.subscribe();
        now(&mut viewer);
        hub.publish(frame(0, true));
        assert_eq!(number(now(&mut viewer)), Some((0, false)));
        hub.lose("unplugged");
        let mut late = hub.subscribe();
        for viewer in [&mut viewer, &mut late] {
            assert!(matches!(now(viewer), Some(Update::Lost(why)) if &*why == "unplugged"));
        }
        now(&mut late);
        for viewer in [&mut viewer, &mut late] {
            assert_eq!(number(now(viewer)), None, "told twice, or an old frame");
        }
        hub.publish(frame(1, true));
        for viewer in [&mut viewer, &mut late] {
            assert_eq!(number(now(viewer)), Some((1, false)));
        }
    }

    #[test]
    fn the_last_frame_comes_before_the_end() {
        let hub = Hub::new();
        hub.announce(caps(16));
        let mut viewer = hub.subscribe();
        now(&mut viewer);
        hub.publish(frame(0, true));
        hub.end("done");
        assert_eq!(number(now(&mut viewer)), Some((0, false)));
        assert!(matches!(now(&mut viewer), Some(Update::End(reason)) if &*reason == "done"));
    }

    #[test]
    fn seats_are_counted() {
        let hub = Hub::new();
        let watching = hub.watching();
        let first = hub.seat(2).unwrap();
        let second = hub.seat(2).unwrap();
        assert_eq!(second.watching(), 2);
        assert!(hub.seat(2).is_none());
        drop(first);
        assert_eq!(*watching.borrow(), 1);
        drop(second);
        assert_eq!(*watching.borrow(), 0);
    }
}
