//! The newest-frame slot: one picture for everybody, replaced by the next.
//!
//! Nothing ever queues here. A consumer that comes back late finds the newest frame and learns
//! from its number how many it missed; one that never comes back costs nobody anything.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use crate::frame::Frame;
use crate::wire::Caps;

/// What is to be seen right now.
#[derive(Clone, Debug, Default)]
struct Scene {
    caps: Option<Arc<Caps>>,
    frame: Option<Frame>,
    /// Why no pictures come; forgotten with the next one.
    lost: Option<Arc<str>>,
    ended: Option<Arc<str>>,
}

/// Where the source leaves its frames and viewers pick them up.
#[derive(Debug, Default)]
pub struct Hub {
    scene: watch::Sender<Scene>,
    watching: watch::Sender<usize>,
    key_wanted: Notify,
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
                scene.frame = None;
            }
        });
    }

    /// Replaces the newest frame. Never blocks; may be called from any thread.
    pub fn publish(&self, frame: Frame) {
        // The old frame is dropped after the lock: giving a buffer back may take a while.
        let mut old = Some(frame);
        self.scene.send_modify(|scene| {
            std::mem::swap(&mut scene.frame, &mut old);
            scene.lost = None;
        });
    }

    /// Says that no frames come for now, and why. The newest is forgotten: it is old.
    pub fn lose(&self, reason: &str) {
        self.scene.send_modify(|scene| {
            scene.frame = None;
            scene.lost = Some(reason.into());
        });
    }

    /// Forgets the newest frame, so that a viewer who comes later is not shown an old picture.
    pub fn clear(&self) {
        self.scene.send_modify(|scene| scene.frame = None);
    }

    /// Ends the stream for everybody.
    pub fn end(&self, reason: &str) {
        self.scene
            .send_modify(|scene| scene.ended = Some(reason.into()));
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

    /// Follows the stream from the newest frame on.
    pub fn subscribe(self: &Arc<Self>) -> Subscription {
        Subscription {
            hub: Arc::clone(self),
            scene: self.scene.subscribe(),
            caps: None,
            lost: None,
            last: None,
            skipped: 0,
        }
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
                return Update::End("the sender stopped".into());
            }
        }
    }

    /// The newest frame instead of `frame`, which was handed out but not used.
    pub fn refresh(&mut self, frame: Frame) -> Frame {
        let scene = self.scene.borrow_and_update();
        let same_form = match (&scene.caps, &self.caps) {
            (Some(now), Some(then)) => Arc::ptr_eq(now, then),
            _ => false,
        };
        match &scene.frame {
            Some(newer)
                if same_form
                    && newer.header.key
                    && newer.header.is_after(frame.header.sequence) =>
            {
                let passed = newer.header.sequence.wrapping_sub(frame.header.sequence);
                self.skipped += u64::from(passed);
                self.last = Some(newer.header.sequence);
                marked(newer.clone(), true)
            }
            _ => frame,
        }
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
        let frame = scene.frame.as_ref()?;
        let skipped = match self.last {
            Some(last) if !frame.header.is_after(last) => return None,
            Some(last) => frame.header.skipped_since(last),
            None => 0,
        };
        if !frame.header.key && (self.last.is_none() || skipped > 0) {
            self.hub.want_key();
            return None;
        }
        self.skipped += u64::from(skipped);
        self.last = Some(frame.header.sequence);
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
