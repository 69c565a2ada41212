//! The slot's rules, step by step: who gets which frame, and what is kept.

use super::*;
use crate::frame::FrameHeader;
use crate::net::hub::gop::KEPT_FRAMES;
use bytes::Bytes;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

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
        data: Bytes::from_static(b"frame"),
    }
}

/// The update for `subscription` at this moment, if there is one.
fn now(subscription: &mut Subscription) -> Option<Update> {
    subscription.try_next()
}

fn number(update: Option<Update>) -> Option<(u32, bool)> {
    match update {
        Some(Update::Frame(f)) => Some((f.header.sequence, f.header.discontinuity)),
        None => None,
        other => panic!("{other:?}"),
    }
}

/// A hub with known caps, and a subscriber that knows them and has had no frame.
fn begun() -> (Arc<Hub>, Subscription) {
    let hub = Hub::new();
    hub.announce(caps(16));
    let mut viewer = hub.subscribe();
    assert!(matches!(now(&mut viewer), Some(Update::Caps(_))));
    (hub, viewer)
}

#[test]
fn a_late_consumer_gets_the_newest_and_learns_what_it_missed() {
    let (hub, mut viewer) = begun();
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
    let (hub, mut viewer) = begun();
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

#[tokio::test]
async fn who_takes_no_frames_hears_of_changes_and_finds_the_newest_frame_later() {
    let (hub, mut viewer) = begun();
    hub.publish(frame(0, true));
    hub.announce(caps(32));
    let change = viewer.next_change().await;
    assert!(
        matches!(&change, Update::Caps(now) if **now == caps(32)),
        "{change:?}"
    );
    hub.publish(frame(1, true));
    hub.lose(Loss::new("unplugged"));
    let change = viewer.next_change().await;
    assert!(
        matches!(&change, Update::Lost(why) if why.reason == "unplugged"),
        "{change:?}"
    );
    hub.publish(frame(2, true));
    hub.publish(frame(3, true));
    hub.end("done");
    let nothing = tokio::time::timeout(Duration::ZERO, viewer.next_change()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    assert_eq!(number(Some(viewer.next().await)), Some((3, false)));
    assert!(matches!(viewer.next().await, Update::End(_)));
}

#[test]
fn after_a_gap_a_delta_frame_waits_for_a_key_frame() {
    let (hub, mut viewer) = begun();
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

/// A frame that was captured this many milliseconds after the first.
fn captured(sequence: u32, key: bool, milliseconds: u64) -> Frame {
    let mut frame = frame(sequence, key);
    frame.header.captured_at = 1_000_000_000 + milliseconds * 1_000_000;
    frame
}

#[test]
fn who_is_a_little_late_gets_every_delta_and_who_is_late_goes_on_at_a_key_frame() {
    let (hub, mut viewer) = begun();
    viewer.set_max_latency(Duration::from_millis(100));
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
fn who_joins_between_key_frames_has_a_frame_at_once_unless_it_is_old() {
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
    let (hub, mut viewer) = begun();
    hub.publish(frame(0, true));
    assert_eq!(number(now(&mut viewer)), Some((0, false)));
    for sequence in 1..3 * KEPT_FRAMES as u32 {
        hub.publish(frame(sequence, false));
        assert_eq!(number(now(&mut viewer)), Some((sequence, false)));
        let too_old = sequence.wrapping_sub(KEPT_FRAMES as u32);
        assert!(hub.scene.borrow().frames.delta(too_old).is_none());
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
    let (hub, mut viewer) = begun();
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
fn who_comes_after_a_pause_is_not_shown_an_old_frame() {
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
    let (hub, mut viewer) = begun();
    hub.publish(frame(0, true));
    assert_eq!(number(now(&mut viewer)), Some((0, false)));
    hub.lose(Loss::new("unplugged"));
    let mut late = hub.subscribe();
    for viewer in [&mut viewer, &mut late] {
        assert!(matches!(now(viewer), Some(Update::Lost(why)) if why.reason == "unplugged"));
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
    let (hub, mut viewer) = begun();
    hub.publish(frame(0, true));
    hub.end("done");
    assert_eq!(number(now(&mut viewer)), Some((0, false)));
    assert!(matches!(now(&mut viewer), Some(Update::End(reason)) if &*reason == "done"));
}

/// Counts how often it wakes its task.
#[derive(Default)]
struct WakeCounter(AtomicUsize);

impl Wake for WakeCounter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_frame_wakes_nobody_who_waits_for_the_end_alone() {
    let (hub, viewer) = begun();
    let counter = Arc::new(WakeCounter::default());
    let waker = Waker::from(Arc::clone(&counter));
    let mut context = Context::from_waker(&waker);
    let mut ended = pin!(hub.ended());
    let mut viewer_ended = pin!(viewer.hub().ended_for(Duration::ZERO));
    assert!(ended.as_mut().poll(&mut context).is_pending());
    assert!(viewer_ended.as_mut().poll(&mut context).is_pending());
    hub.publish(frame(0, true));
    hub.announce(caps(32));
    hub.lose(Loss::new("no cable"));
    assert_eq!(counter.0.load(Ordering::Relaxed), 0);
    hub.end("over");
    assert_eq!(counter.0.load(Ordering::Relaxed), 2);
    assert!(ended.poll(&mut context).is_ready());
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
