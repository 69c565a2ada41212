//! Frames over real TCP on this machine, through the library: who gets which, when, and how it
//! ends.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use vidchat::net::message_reader::MessageReader;
use vidchat::net::receiver::{ReceiveError, ReceiveOptions};
use vidchat::net::sender::ServerOptions;
use vidchat::wire::{Control, Dialect, FRAME_LIMIT, Head};

use crate::support::peers::{
    CAPS, Log, Seen, Stage, Stranger, Viewer, caps, hello, numbered, test_frame, within,
};

/// A frame that fills the buffers of a connection after a few.
const LARGE: usize = 256 * 1024;

fn short_stall() -> ServerOptions {
    ServerOptions {
        stall_limit: Duration::from_millis(500),
        ..ServerOptions::default()
    }
}

#[tokio::test]
async fn every_frame_arrives_once_in_order_and_unchanged() {
    let stage = Stage::open(ServerOptions {
        name: "desk".into(),
        ..ServerOptions::default()
    })
    .await;
    let mut viewer = Viewer::join(stage.address).await;
    assert_eq!(viewer.next().await, Seen::Hello("desk".into()));
    assert_eq!(viewer.next().await, Seen::Caps(caps(CAPS)));
    for sequence in 0..200 {
        let sent = test_frame(sequence);
        stage.hub.publish(sent.clone());
        let expected = Seen::Frame(sent.header, sent.data.to_vec());
        assert_eq!(viewer.next().await, expected);
    }
    assert_eq!(viewer.meter.traffic.frames.load(Relaxed), 200);
    assert_eq!(viewer.meter.traffic.bytes.load(Relaxed), 200 * 64);
    assert_eq!(viewer.meter.traffic.skipped.load(Relaxed), 0);
    stage.close("done").await;
    let (_, rest) = viewer.end().await;
    assert_eq!(rest, [], "something came twice");
}

#[tokio::test]
async fn frames_of_every_size_arrive_whole() {
    let stage = Stage::open(ServerOptions::default()).await;
    let mut viewer = Viewer::join(stage.address).await;
    for (sequence, size) in (0..).zip([0, 1, 23, 24, 25, 4095, 65_535, 65_536, LARGE, 5_000_000]) {
        let data: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        stage.hub.publish(numbered(sequence, data.clone()));
        let (header, received) = viewer.frame().await;
        assert_eq!(header.sequence, sequence);
        assert!(received == data, "{size} bytes");
    }
    stage.close("done").await;
}

#[tokio::test]
async fn who_comes_late_gets_the_newest_frame_at_once_and_nothing_old() {
    let stage = Stage::open(ServerOptions::default()).await;
    for sequence in 0..10 {
        stage.hub.publish(test_frame(sequence));
    }
    let mut late = Viewer::join(stage.address).await;
    assert_eq!(late.frame().await.0.sequence, 9);
    stage.hub.publish(test_frame(10));
    assert_eq!(late.frame().await.0.sequence, 10);
    assert_eq!(
        late.meter.traffic.skipped.load(Relaxed),
        0,
        "it missed none"
    );
    stage.close("done").await;
}

#[tokio::test]
async fn who_comes_before_the_caps_are_known_gets_them_before_the_first_frame() {
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let mut early = Viewer::join(stage.address).await;
    assert_eq!(early.next().await, Seen::Hello(String::new()));
    stage.hub.announce(caps(CAPS));
    stage.hub.publish(test_frame(0));
    assert_eq!(early.next().await, Seen::Caps(caps(CAPS)));
    assert_eq!(early.frame().await.0.sequence, 0);
    stage.close("done").await;
}

#[tokio::test]
async fn three_viewers_get_the_same() {
    let stage = Stage::open(ServerOptions::default()).await;
    let mut viewers = Vec::new();
    for _ in 0..3 {
        viewers.push(Viewer::join(stage.address).await);
    }
    stage.watched_by(3).await;
    for sequence in 0..50 {
        let sent = test_frame(sequence);
        stage.hub.publish(sent.clone());
        for viewer in &mut viewers {
            let (header, data) = viewer.frame().await;
            assert_eq!((header, &data[..]), (sent.header, &sent.data[..]));
        }
    }
    stage.close("done").await;
}

#[tokio::test]
async fn a_stalled_viewer_delays_nobody_and_is_dropped_with_its_reason() {
    let (log, _guard) = Log::listen();
    let stage = Stage::open(short_stall()).await;
    let mut stalled = Stranger::at(stage.address).await;
    stalled.say(&hello("asleep")).await;
    let mut viewer = Viewer::join(stage.address).await;
    stage.watched_by(2).await;
    for sequence in 0..100 {
        stage.hub.publish(numbered(sequence, vec![7; LARGE]));
        assert_eq!(viewer.frame().await.0.sequence, sequence);
    }
    log.has(1, "left: took nothing for 0.5 s (1 watching)")
        .await;
    stage.watched_by(1).await;
    stage.hub.publish(test_frame(100));
    assert_eq!(viewer.frame().await.0.sequence, 100);
    stage.close("done").await;
}

#[tokio::test]
async fn a_slow_viewer_skips_to_the_newest_frame() {
    let stage = Stage::open(ServerOptions::default()).await;
    let mut slow = Stranger::at(stage.address).await;
    slow.say(&hello("slow")).await;
    let mut viewer = Viewer::join(stage.address).await;
    stage.watched_by(2).await;
    for sequence in 0..100 {
        stage.hub.publish(numbered(sequence, vec![7; LARGE]));
        assert_eq!(viewer.frame().await.0.sequence, sequence);
    }
    let mut reader = MessageReader::new(slow.0, FRAME_LIMIT);
    let mut numbers = Vec::new();
    while numbers.last() != Some(&99) {
        match within("a message", reader.head())
            .await
            .expect("it is valid")
        {
            Some(Head::Control { length }) => {
                reader.control(length).await.expect("it is valid");
            }
            Some(Head::Frame { header, length }) => {
                let gap = numbers.last().map_or(0, |last| header.sequence - last - 1);
                assert_eq!(header.discontinuity, gap > 0, "after {numbers:?}");
                numbers.push(header.sequence);
                let mut data = vec![0; length];
                reader.body(&mut data).await.expect("it is whole");
            }
            None => panic!("closed after {numbers:?}"),
        }
    }
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert!(numbers.len() < 60, "these had queued up: {numbers:?}");
    stage.close("done").await;
}

#[tokio::test]
async fn caps_may_change_in_mid_stream() {
    let other = caps("image/jpeg, width=(int)32, height=(int)32");
    let stage = Stage::open(ServerOptions::default()).await;
    let mut viewer = Viewer::join(stage.address).await;
    let mut other_viewer = Viewer::join(stage.address).await;
    stage.hub.publish(test_frame(0));
    for viewer in [&mut viewer, &mut other_viewer] {
        assert_eq!(viewer.frame().await.0.sequence, 0);
    }
    stage.hub.announce(other.clone());
    let mut late = Viewer::join(stage.address).await;
    assert_eq!(late.next().await, Seen::Hello(String::new()));
    for viewer in [&mut viewer, &mut other_viewer, &mut late] {
        assert_eq!(viewer.next().await, Seen::Caps(other.clone()));
    }
    stage.hub.publish(numbered(1, &b"\xff\xd8 a jpeg"[..]));
    for viewer in [&mut viewer, &mut other_viewer, &mut late] {
        match viewer.next().await {
            Seen::Frame(_, data) => assert_eq!(data, b"\xff\xd8 a jpeg"),
            other => panic!("{other:?}"),
        }
    }
    stage.close("done").await;
}

#[tokio::test]
async fn the_viewer_who_is_one_too_many_is_told_why() {
    let (log, _guard) = Log::listen();
    let stage = Stage::open(ServerOptions {
        max_viewers: 2,
        ..ServerOptions::default()
    })
    .await;
    let mut first = Viewer::join(stage.address).await;
    let second = Viewer::join(stage.address).await;
    stage.watched_by(2).await;
    let (error, _) = Viewer::join(stage.address).await.end().await;
    assert_eq!(
        error.to_string(),
        "the sender has no seat left (2 watching)"
    );
    log.has(
        1,
        "turned away a viewer: 2 watching of 2 connected; vidchat send --max-viewers 4 has room",
    )
    .await;
    stage.hub.publish(test_frame(0));
    first.frame().await;
    drop(second);
    stage.watched_by(1).await;
    let mut third = Viewer::join(stage.address).await;
    assert_eq!(third.frame().await.0.sequence, 0, "a seat is free again");
    stage.close("done").await;
}

#[tokio::test]
async fn a_crowd_that_says_hello_at_once_gets_no_more_seats_than_there_are() {
    for dialect in [Dialect::Native, Dialect::Bare] {
        let stage = Stage::open(ServerOptions {
            max_viewers: 2,
            dialect: Some(dialect),
            ..ServerOptions::default()
        })
        .await;
        let watching = stage.hub.watching();
        let mut crowd = Vec::new();
        for _ in 0..10 {
            crowd.push(Stranger::at(stage.address).await);
        }
        for stranger in &mut crowd {
            stranger.say(&hello("crowd")).await;
        }
        let mut refused = 0;
        for stranger in crowd.drain(2..) {
            let heard = stranger.hears_the_end().await;
            let told = String::from_utf8_lossy(&heard).contains("no seat left (2 watching)");
            assert!(told || dialect == Dialect::Bare, "told {heard:?}");
            refused += 1;
        }
        assert_eq!((refused, *watching.borrow()), (8, 2), "{dialect:?}");
        stage.close("done").await;
    }
}

#[tokio::test]
async fn it_is_noticed_how_a_viewer_leaves() {
    let (log, _guard) = Log::listen();
    let stage = Stage::open(ServerOptions::default()).await;
    let mut polite = Stranger::at(stage.address).await;
    polite.say(&hello("kitchen")).await;
    log.has(1, "\"kitchen\": joined (1 watching)").await;
    let reason = "dinner\n\u{1b}[2Jis ready".to_owned();
    polite.say(&Control::bye(reason).encode()).await;
    log.has(1, "left: dinner[2Jis ready (0 watching)").await;
    let mut curt = Stranger::at(stage.address).await;
    curt.say(&hello("")).await;
    log.has(2, "joined (1 watching)").await;
    curt.hang_up().await;
    log.has(1, "left: closed by the viewer (0 watching)").await;
    let mut broken = Stranger::at(stage.address).await;
    broken.say(&hello("")).await;
    log.has(3, "joined (1 watching)").await;
    socket2::SockRef::from(&broken.0)
        .set_linger(Some(Duration::ZERO))
        .expect("it is connected");
    drop(broken);
    log.has(1, "left: connection reset (0 watching)").await;
    stage.close("done").await;
}

#[tokio::test]
async fn the_end_reaches_every_viewer_with_its_reason() {
    let stage = Stage::open(ServerOptions::default()).await;
    let mut viewers = Vec::new();
    for _ in 0..3 {
        viewers.push(Viewer::join(stage.address).await);
    }
    stage.watched_by(3).await;
    stage.hub.publish(test_frame(0));
    for viewer in &mut viewers {
        viewer.frame().await;
    }
    stage.close("the camera was unplugged").await;
    for viewer in viewers {
        match viewer.end().await {
            (ReceiveError::Bye(bye), rest) => {
                assert_eq!(bye.reason, "the camera was unplugged");
                assert_eq!(rest, []);
            }
            (other, _) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_server_leaves_no_task_behind() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let stage = Stage::open(ServerOptions::default()).await;
    let mut viewers = Vec::new();
    let mut silent = Vec::new();
    let mut stalled = Vec::new();
    for _ in 0..5 {
        viewers.push(Viewer::join(stage.address).await);
        silent.push(Stranger::at(stage.address).await);
        let mut stranger = Stranger::at(stage.address).await;
        stranger.say(&hello("asleep")).await;
        stalled.push(stranger);
    }
    stage.watched_by(10).await;
    for sequence in 0..40 {
        stage.hub.publish(numbered(sequence, vec![7; LARGE]));
        for viewer in &mut viewers {
            viewer.frame().await;
        }
    }
    let watching = stage.hub.watching();
    stage.close("done").await;
    for viewer in viewers {
        viewer.end().await;
    }
    assert_eq!(tasks(), before);
    assert_eq!(*watching.borrow(), 0);
    drop((silent, stalled));
}

#[tokio::test]
async fn a_bare_viewer_gets_lengths_and_frames_and_nothing_else() {
    let stage = Stage::open(ServerOptions {
        dialect: Some(Dialect::Bare),
        ..ServerOptions::default()
    })
    .await;
    let stream = TcpStream::connect(stage.address).await.expect("it listens");
    let options = ReceiveOptions {
        dialect: Some(Dialect::Bare),
        bare_caps: Some(caps(CAPS)),
        ..ReceiveOptions::default()
    };
    let mut viewer = Viewer::watch(stream, options, |_| {});
    let mut raw = Stranger::at(stage.address).await;
    stage.watched_by(2).await;
    for sequence in 0..20 {
        let sent = test_frame(sequence);
        stage.hub.publish(sent.clone());
        assert_eq!(viewer.frame().await.1, sent.data);
        let mut heard = [0; 8 + 64];
        within("a message", raw.0.read_exact(&mut heard))
            .await
            .expect("it comes whole");
        let (length, data) = heard.split_at(8);
        assert_eq!((length, data), (&64u64.to_le_bytes()[..], &sent.data[..]));
    }
    stage.close("done").await;
    assert_eq!(raw.hears_the_end().await, b"");
}
