//! Peers that mean ill, or nothing, against a server: each is dropped with its reason, and a
//! viewer who behaves never notices.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::time::sleep;
use vidchat::net::Hub;
use vidchat::net::sender::ServerOptions;
use vidchat::wire::{CONTROL_LIMIT, Control, Dialect};

use crate::support::memory;
use crate::support::peers::{
    Log, Stage, Stranger, Viewer, caps, hello, numbered, test_frame, within,
};

/// A stream with one viewer who behaves.
struct Peace {
    stage: Stage,
    viewer: Viewer,
    sequence: u32,
    log: Log,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Peace {
    async fn begin(options: ServerOptions) -> Self {
        let (log, guard) = Log::listen();
        let stage = Stage::open(options).await;
        let viewer = Viewer::join(stage.address).await;
        stage.watched_by(1).await;
        Self {
            stage,
            viewer,
            sequence: 0,
            log,
            _guard: guard,
        }
    }

    /// With short limits for those who dawdle.
    async fn impatient() -> Self {
        Self::begin(ServerOptions {
            hello_limit: Duration::from_millis(300),
            stall_limit: Duration::from_millis(500),
            ..ServerOptions::default()
        })
        .await
    }

    /// The good viewer gets the very next frame.
    async fn is_kept(&mut self) {
        self.stage.hub.publish(test_frame(self.sequence));
        assert_eq!(self.viewer.frame().await.0.sequence, self.sequence);
        self.sequence += 1;
    }

    /// A stranger who has said a proper hello.
    async fn guest(&self) -> Stranger {
        let joined = self.log.count("joined");
        let mut stranger = Stranger::at(self.stage.address).await;
        stranger.say(&hello("guest")).await;
        self.log.has(joined + 1, "joined").await;
        stranger
    }

    async fn end(mut self) {
        self.is_kept().await;
        self.stage.close("done").await;
    }
}

fn message(length: u64, start: &[u8]) -> Vec<u8> {
    [&length.to_le_bytes()[..], start].concat()
}

fn control(json: &[u8]) -> Vec<u8> {
    message(json.len() as u64, json)
}

#[tokio::test]
async fn a_hello_in_two_pieces_is_a_hello_wherever_it_is_split() {
    let mut peace = Peace::begin(ServerOptions::default()).await;
    let whole = hello("guest");
    for split in 1..whole.len() {
        let (first, second) = whole.split_at(split);
        let mut stranger = Stranger::at(peace.stage.address).await;
        stranger.say(first).await;
        // What makes the split: the first piece is read before the second is there.
        sleep(Duration::from_millis(1)).await;
        stranger.say(second).await;
        peace.log.has(split, "\"guest\": joined").await;
        let _ = stranger.hang_up().await;
        peace.stage.watched_by(1).await;
        peace.is_kept().await;
    }
    assert_eq!(peace.log.count("left before"), 0);
    peace.end().await;
}

#[tokio::test]
async fn a_hello_that_ends_at_any_byte_is_no_viewer() {
    let mut peace = Peace::begin(ServerOptions::default()).await;
    let whole = hello("guest");
    for length in 0..whole.len() {
        let mut stranger = Stranger::at(peace.stage.address).await;
        stranger.say(&whole[..length]).await;
        assert_eq!(stranger.hang_up().await, b"", "after {length} bytes");
        peace.log.has(length + 1, "left before it watched").await;
        peace.is_kept().await;
    }
    assert_eq!(peace.log.count("joined"), 1);
    peace.end().await;
}

#[tokio::test]
async fn other_programs_are_named_by_their_first_bytes() {
    let mut peace = Peace::begin(ServerOptions::default()).await;
    for (first, reason) in [
        (
            &b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n"[..],
            "\"GET / HTTP/1.1\"",
        ),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "\"SSH-2.0-"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "16 03 01"),
        (&[0; 64], "00 00 00 00 00 00 00 00"),
        (&[0xff; 64], "ff ff ff ff ff ff ff ff"),
        (&message(40, &[1; 40]), "28 00 00 00 00 00 00 00 01"),
    ] {
        let mut stranger = Stranger::at(peace.stage.address).await;
        stranger.say(first).await;
        assert_eq!(stranger.hears_the_end().await, b"");
        let line = format!("left before it watched: not a viewer, its first bytes are {reason}");
        peace.log.has(1, line.trim()).await;
        peace.is_kept().await;
    }
    peace.end().await;
}

#[tokio::test]
async fn the_first_message_has_to_be_a_good_hello() {
    let mut peace = Peace::begin(ServerOptions::default()).await;
    let deep = [&b"{\"x\":"[..], &b"[".repeat(60_000)].concat();
    let chatter = format!(
        "{{\"type\":\"hello\",\"vidchat\":{:?}}}",
        "y".repeat(60_000)
    );
    for (first, reason) in [
        (message(50, b"\x80\x04\x95"), "it sent no hello"),
        (message(50, b"\xff\xd8\xff"), "it sent no hello"),
        (Control::Key.encode(), "it sent no hello"),
        (control(br#"{"type":"zoom"}"#), "it sent no hello"),
        (
            control(br#"{"type":"hello","vidchat":0}"#),
            "it sent version 0",
        ),
        (control(b"{"), "a control message that is not valid"),
        (control(b"{}"), "a control message that is not valid"),
        (control(b"{\"type\":\"\xff\xfe\"}"), "is not valid"),
        (control(&deep), "recursion limit"),
        (control(chatter.as_bytes()), "invalid type: string \"yyy"),
        (
            message(CONTROL_LIMIT + 1, b"{\"type\""),
            "65537 bytes (the limit is 65536)",
        ),
        (message(1 << 32, b"{\"type\""), "(the limit is 65536)"),
    ] {
        let seen = peace.log.count(reason);
        let mut stranger = Stranger::at(peace.stage.address).await;
        stranger.say(&first).await;
        assert_eq!(stranger.hears_the_end().await, b"", "{reason}");
        peace.log.has(seen + 1, reason).await;
        peace.is_kept().await;
    }
    assert_eq!(peace.log.count("joined"), 1);
    let longest = peace.log.text().lines().map(str::len).max();
    assert!(longest < Some(400), "a line of log has {longest:?} bytes");
    peace.end().await;
}

#[tokio::test]
async fn a_viewer_who_turns_bad_is_dropped_with_its_reason() {
    let mut peace = Peace::begin(ServerOptions::default()).await;
    let long = [&b"{\"type\":\"zoom\",\"x\":\""[..], &b"y".repeat(1 << 20)].concat();
    for (bytes, reason) in [
        (message(u64::MAX, b"{"), "18446744073709551615 bytes"),
        (message(0, b""), "an empty message"),
        (message(24, &[1; 24]), "a frame"),
        (message(1 << 20, &[1; 24]), "1048576 bytes"),
        (message(9, b"\x02"), "a message of unknown kind 0x02"),
        (message(9, b"\x80\x04"), "a message of unknown kind 0x80"),
        (control(&long), "(the limit is 65536)"),
        (control(b"{\"type\":\"key\""), "EOF while parsing"),
        (control(br#"{"type":"bye"}"#), "missing field `reason`"),
        (control(b"{\"type\":\"key\",\"\xc0\":1}"), "not valid"),
    ] {
        let seen = peace.log.count("left: refused");
        let mut stranger = peace.guest().await;
        stranger.say(&bytes).await;
        let _ = stranger.hears_the_end().await;
        peace.log.has(seen + 1, "left: refused").await;
        let text = peace.log.text();
        let last = text.lines().last().unwrap_or_default();
        assert!(last.contains(reason), "{reason:?} is not in {last}");
        peace.is_kept().await;
    }
    peace.end().await;
}

#[tokio::test]
async fn what_a_later_version_may_say_is_let_pass() {
    let mut peace = Peace::begin(ServerOptions::default()).await;
    let mut guest = peace.guest().await;
    let padding = "y".repeat(CONTROL_LIMIT as usize - 26);
    let longest = format!("{{\"type\":\"zoom\",\"level\":\"{padding}\"}}");
    guest.say(&control(longest.as_bytes())).await;
    guest.say(&hello("again")).await;
    guest
        .say(&control(br#"{"type":"key","why":[{"deep":1}]}"#))
        .await;
    peace.is_kept().await;
    let reason = "all is well".to_owned();
    guest.say(&Control::bye(reason).encode()).await;
    peace.log.has(1, "left: all is well").await;
    peace.end().await;
}

#[tokio::test]
async fn who_sends_a_byte_now_and_then_is_given_up() {
    let mut peace = Peace::impatient().await;
    let mut dawdler = Stranger::at(peace.stage.address).await;
    let whole = hello("a name that takes a long time to say");
    dawdler.say(&whole[..12]).await;
    for byte in &whole[12..] {
        dawdler.say(&[*byte]).await;
        sleep(Duration::from_millis(20)).await;
        peace.is_kept().await;
    }
    assert_eq!(dawdler.hears_the_end().await, b"");
    peace.log.has(1, "watched: no hello within 0.3 s").await;
    let mut guest = peace.guest().await;
    let slow = control(br#"{"type":"bye","reason":"I have all the time of the world"}"#);
    for byte in slow {
        guest.say(&[byte]).await;
        sleep(Duration::from_millis(20)).await;
        peace.is_kept().await;
    }
    peace.log.has(1, "left: a message took over 0.3 s").await;
    peace.end().await;
}

#[tokio::test]
async fn a_flood_of_control_messages_ends_the_viewer() {
    let mut peace = Peace::begin(ServerOptions::default()).await;
    let some = Control::Key.encode().repeat(100);
    let mut guest = peace.guest().await;
    for _ in 0..100 {
        guest.say(&some).await;
        peace.is_kept().await;
    }
    peace
        .log
        .has(1, "left: more than 500 control messages in a second")
        .await;
    peace.end().await;
}

#[tokio::test]
async fn hundreds_who_say_nothing_are_let_go_and_keep_nobody_out() {
    let mut peace = Peace::impatient().await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(Stranger::at(peace.stage.address).await);
        peace.is_kept().await;
    }
    peace.log.has(300, "no hello within 0.3 s").await;
    for stranger in silent {
        assert_eq!(stranger.hears_the_end().await, b"");
    }
    let _guest = peace.guest().await;
    peace.end().await;
}

#[tokio::test]
async fn who_neither_speaks_nor_reads_is_taken_for_a_tutorial_program_and_let_go() {
    let bgr = Hub::new();
    bgr.announce(caps("video/x-raw, format=BGR, width=512, height=512"));
    let mut peace = Peace::begin(ServerOptions {
        tutorial: Some(Arc::clone(&bgr)),
        stall_limit: Duration::from_millis(500),
        max_viewers: 11,
        ..ServerOptions::default()
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(Stranger::at(peace.stage.address).await);
    }
    peace.log.has(10, "a program of the tutorial").await;
    peace.log.has(10, "no seat left (11 watching)").await;
    for sequence in 0..50 {
        bgr.publish(numbered(sequence, vec![7; 512 * 512 * 3]));
        peace.is_kept().await;
    }
    peace.log.has(10, "left: took nothing for 0.5 s").await;
    peace.stage.watched_by(1).await;
    assert_eq!(*bgr.watching().borrow(), 0);
    peace.end().await;
    drop(silent);
}

#[tokio::test]
async fn who_comes_and_goes_thousands_of_times_leaves_nothing_behind() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let mut peace = Peace::begin(ServerOptions::default()).await;
    let before = tasks();
    for _ in 0..200 {
        for _ in 0..10 {
            drop(Stranger::at(peace.stage.address).await);
        }
        peace.is_kept().await;
    }
    peace.log.has(2000, "left before it watched: c").await;
    // The server forgets a task when it next looks; a last viewer makes it look.
    let guest = peace.guest().await;
    guest.hang_up().await;
    peace.stage.watched_by(1).await;
    assert_eq!(tasks(), before);
    peace.end().await;
}

#[tokio::test]
async fn memory_stays_flat_while_gigabytes_pass_a_stalled_viewer() {
    const FRAME_BYTES: usize = 1 << 20;
    let mut peace = Peace::begin(ServerOptions::default()).await;
    let mut stalled = Vec::new();
    for _ in 0..5 {
        stalled.push(peace.guest().await);
    }
    let mut before = 0;
    for sequence in 0..3000 {
        let mut data = vec![0; FRAME_BYTES];
        data.fill(sequence as u8);
        peace.stage.hub.publish(numbered(sequence, data));
        if sequence % 10 == 0 {
            assert_eq!(peace.viewer.frame().await.0.sequence, sequence);
        }
        if sequence == 100 {
            before = resident();
        }
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "grown by {} MiB", grown >> 20);
    peace.sequence = 3000;
    peace.end().await;
    drop(stalled);
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    memory(std::process::id(), "VmRSS:").unwrap_or_default()
}

/// The addresses of several machines, all of which are this one.
fn machine(number: u8) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(127, 0, 0, number), 0))
}

#[tokio::test]
async fn a_crowd_from_one_machine_keeps_no_other_machine_out_of_the_seats() {
    let peace = Peace::begin(ServerOptions {
        max_viewers: 4,
        ..ServerOptions::default()
    })
    .await;
    let mut crowd = Vec::new();
    for _ in 0..3 {
        let mut stranger = Stranger::from(machine(2), peace.stage.address).await;
        stranger.say(&hello("crowd")).await;
        crowd.push(stranger);
    }
    peace.stage.watched_by(4).await;
    let mut refused = Stranger::from(machine(2), peace.stage.address).await;
    refused.say(&hello("crowd")).await;
    let told = String::from_utf8_lossy(&refused.hears_the_end().await).into_owned();
    assert!(told.contains("no seat left (4 watching)"), "{told}");
    let mut guest = Stranger::from(machine(3), peace.stage.address).await;
    guest.say(&hello("guest")).await;
    peace.log.has(1, "\"guest\": joined (4 watching)").await;
    let last = crowd.pop().expect("there are three");
    let told = String::from_utf8_lossy(&last.hears_the_end().await).into_owned();
    assert!(told.contains("its seat went to another network"), "{told}");
    peace
        .log
        .has(
            1,
            "left: the sender has no seat left: its seat went to another",
        )
        .await;
    peace.stage.watched_by(4).await;
    drop((crowd, guest));
    peace.stage.watched_by(1).await;
    peace.end().await;
}

#[tokio::test]
async fn a_crowd_that_says_nothing_keeps_no_other_machine_out() {
    let mut peace = Peace::begin(ServerOptions {
        max_viewers: 2,
        ..ServerOptions::default()
    })
    .await;
    // More than a sender keeps open, and their time for a hello is longer than this test.
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(Stranger::from(machine(2), peace.stage.address).await);
        peace.is_kept().await;
    }
    let mut guest = Stranger::from(machine(3), peace.stage.address).await;
    guest.say(&hello("guest")).await;
    peace.log.has(1, "\"guest\": joined (2 watching)").await;
    drop(guest);
    peace.stage.watched_by(1).await;
    peace.end().await;
}

#[tokio::test]
async fn a_viewer_whose_messages_are_too_large_together_is_dropped() {
    let mut peace = Peace::begin(ServerOptions::default()).await;
    let mut guest = peace.guest().await;
    let json = format!("{{\"type\":\"later\",\"x\":\"{}\"}}", "x".repeat(60_000));
    for _ in 0..20 {
        guest.say(&control(json.as_bytes())).await;
        peace.is_kept().await;
    }
    peace
        .log
        .has(1, "left: more than 256 KiB of control messages in a second")
        .await;
    peace.end().await;
}

#[tokio::test]
async fn a_viewer_that_uploads_is_cut_off() {
    for dialect in [Dialect::Bare, Dialect::Pickle] {
        let bgr = Hub::new();
        bgr.announce(caps("video/x-raw, format=BGR, width=8, height=8"));
        let (log, _guard) = Log::listen();
        let stage = Stage::open(ServerOptions {
            dialect: Some(dialect),
            tutorial: Some(bgr),
            ..ServerOptions::default()
        })
        .await;
        let mut stranger = Stranger::at(stage.address).await;
        log.has(1, "joined (1 watching)").await;
        let large = vec![7; 1 << 20];
        while log.count("left: sends more than 4096 KiB in a second") == 0 {
            stranger.say(&large).await;
        }
        stage.watched_by(0).await;
        stage.close("done").await;
    }
}

#[tokio::test]
async fn a_crowd_that_comes_and_goes_does_not_fill_the_log() {
    let mut peace = Peace::begin(ServerOptions::default()).await;
    let (begun, before) = (Instant::now(), peace.log.count("INFO"));
    for number in 0..200 {
        let mut stranger = Stranger::at(peace.stage.address).await;
        stranger.say(&hello(&format!("guest {number}"))).await;
        stranger
            .say(&Control::bye(format!("bye {number}")).encode())
            .await;
        stranger.hears_the_end().await;
        let mut stranger = Stranger::at(peace.stage.address).await;
        stranger
            .say(&Control::bye(format!("no {number}")).encode())
            .await;
        stranger.hears_the_end().await;
    }
    peace.is_kept().await;
    let lines = peace.log.count("INFO") - before;
    // Fifty of each of two kinds at once, one of the third, and one of each a second.
    let allowed = 2 * 51 + 2 + 3 * begun.elapsed().as_secs() as usize;
    assert!((100..=allowed).contains(&lines), "{lines} lines");
    peace.end().await;
}

#[tokio::test]
async fn viewers_that_stop_in_the_middle_of_a_frame_hold_no_more_memory_than_a_budget() {
    const FRAME: usize = 16 << 20;
    let mut peace = Peace::begin(ServerOptions::default()).await;
    peace
        .stage
        .hub
        .announce(caps("video/x-raw, format=GRAY8, width=4096, height=4096"));
    let mut stalled = Vec::new();
    for number in 0..24 {
        let mut guest = peace.guest().await;
        peace.stage.hub.publish(numbered(number, vec![7; FRAME]));
        assert_eq!(peace.viewer.frame().await.0.sequence, number);
        // It has taken the first bytes of its frame.
        let mut start = [0; 4096];
        let begun = within("a frame's first bytes", guest.0.read_exact(&mut start));
        begun.await.expect("it is sent a frame");
        stalled.push(guest);
    }
    let removed = "left: takes its frames too slowly, and the memory for slow viewers is used up";
    peace.log.has(24 - 16, removed).await;
    assert!(peace.log.count(removed) <= 24 - 14, "{}", peace.log.text());
    drop(stalled);
    peace.stage.watched_by(1).await;
    peace.stage.close("done").await;
}
