//! Streams that are closed to everybody but those who have the key or the code: right, wrong and missing
//! secrets, somebody who listens in, strangers in crowds, and connections that are lost.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use vidchat::net::receiver::{ReceiveOptions, SenderListener};
use vidchat::net::secure::{Code, Key, KeyText, Secret, Uses};
use vidchat::net::sender::{ServerOptions, dial};
use vidchat::net::{self, Hub, Peer, Service, StreamStats, Target};
use vidchat::wire::Caps;

use crate::support::fault_proxy::{Fault, Proxy};
use crate::support::peers::{
    CAPS, Eye, Log, Seen, Stage, Stranger, Viewer, caps, hello, listener, numbered, test_frame,
    within,
};

fn key() -> Secret {
    let text = KeyText::random().to_string();
    let key: Key = text.parse().expect("a key is read as it is printed");
    Secret::key(&key)
}

fn code(code: Code) -> Secret {
    Secret::code(code, Uses::Many)
}

fn serving(secret: &Secret) -> ServerOptions {
    ServerOptions {
        name: "desk of anna".into(),
        secret: Some(secret.clone()),
        ..ServerOptions::default()
    }
}

fn watching(secret: &Secret) -> ReceiveOptions {
    ReceiveOptions {
        name: "laptop of bert".into(),
        secret: Some(secret.clone()),
        ..ReceiveOptions::default()
    }
}

async fn join(address: SocketAddr, options: ReceiveOptions) -> Viewer {
    let stream = within("a connection", TcpStream::connect(address)).await;
    Viewer::watch(stream.expect("somebody listens"), options, |_| {})
}

/// A key at both ends, and a code at both ends, each end with a value of its own.
fn secrets() -> [(Secret, Secret); 2] {
    let (key, random) = (key(), Code::random());
    [(key.clone(), key), (code(random), code(random))]
}

#[tokio::test]
async fn frames_of_every_size_arrive_encrypted() {
    for (sends, watches) in secrets() {
        let stage = Stage::open(serving(&sends)).await;
        let mut viewer = join(stage.address, watching(&watches)).await;
        assert_eq!(viewer.next().await, Seen::Hello("desk of anna".into()));
        assert_eq!(viewer.next().await, Seen::Caps(caps(CAPS)));
        let sizes = [0, 1, 2000, 16_383, 16_384, 16_385, 115_200, 5_000_000];
        for (sequence, size) in (0..).zip(sizes) {
            let data: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            stage.hub.publish(numbered(sequence, data.clone()));
            let (header, received) = viewer.frame().await;
            assert_eq!(header.sequence, sequence);
            assert!(received == data, "{size} bytes");
        }
        stage.close("done").await;
        let (error, _) = viewer.end().await;
        assert_eq!(error.to_string(), "done");
    }
}

/// With several viewers a frame is sealed once for all of them. They come and go meanwhile.
#[tokio::test]
async fn frames_that_are_sealed_once_for_all_viewers_arrive_at_each() {
    let secret = key();
    let stage = Stage::open(serving(&secret)).await;
    let (mut viewers, mut next) = (Vec::new(), 0);
    let mut pass = async |viewers: &mut Vec<Viewer>| {
        for size in [0, 900, 2300, 115_200, 131_072, 400_000] {
            let data: Vec<u8> = (0..size).map(|i| (i % 251 + next) as u8).collect();
            stage.hub.publish(numbered(next, data.clone()));
            for viewer in viewers.iter_mut() {
                let (header, received) = viewer.frame().await;
                assert_eq!(header.sequence, next);
                assert!(
                    received == data,
                    "{size} bytes for {} viewers",
                    viewers.len()
                );
            }
            next += 1;
        }
    };
    for _ in 0..7 {
        let mut viewer = join(stage.address, watching(&secret)).await;
        assert_eq!(viewer.next().await, Seen::Hello("desk of anna".into()));
        assert_eq!(viewer.next().await, Seen::Caps(caps(CAPS)));
        if !viewers.is_empty() {
            // It begins with the newest frame of before.
            viewer.frame().await;
        }
        viewers.push(viewer);
        stage.watched_by(viewers.len()).await;
        pass(&mut viewers).await;
    }
    while viewers.pop().is_some() {
        stage.watched_by(viewers.len()).await;
        pass(&mut viewers).await;
    }
    stage.close("done").await;
}

/// A connection that was lost is made again: with the key, and without another use of the code.
#[tokio::test]
async fn a_viewer_comes_back() {
    for (sends, watches) in secrets() {
        let stage = Stage::open(serving(&sends)).await;
        for sequence in 0..4 {
            let mut viewer = join(stage.address, watching(&watches)).await;
            stage.hub.publish(test_frame(sequence));
            assert_eq!(viewer.frame().await.0.sequence, sequence);
            drop(viewer);
            stage.watched_by(0).await;
        }
        stage.close("done").await;
    }
}

/// Something on the path closes openings, and the code that the viewer has was replaced meanwhile.
#[tokio::test]
async fn a_viewer_comes_back_past_openings_that_are_closed() {
    let right = Code::random();
    let (sends, watches) = (code(right), code(right));
    let stage = Stage::open(serving(&sends)).await;
    let line = Proxy::to(stage.address.port(), Fault::default());
    let target: SocketAddr = line.target().parse().expect("it is an address");
    for (sequence, closed) in (0..).zip([0, 1, 2, 5_usize]) {
        line.close_openings(closed);
        // One that was not closed may have tried the code.
        for tries_left in (0..closed + 2).rev() {
            let mut viewer = join(target, watching(&watches)).await;
            if viewer.first().await.is_some() {
                stage.hub.publish(test_frame(sequence));
                viewer.frame().await;
                break;
            }
            assert!(tries_left > 0, "{}", viewer.end().await.0);
        }
        assert_eq!(line.openings_to_close(), 0);
        stage.watched_by(0).await;
        sends.renew(Code::random());
    }
    stage.close("done").await;
}

/// A camera that connects to a receiver: here the receiver waits, and is silent.
#[tokio::test]
async fn a_sender_that_connects_proves_the_secret_too() {
    for (sends, watches) in secrets() {
        let (socket, address) = listener().await;
        let mut senders = SenderListener::spawn(socket, watching(&watches));
        let hub = Hub::new();
        hub.announce(caps(CAPS));
        let service = Service::new(Arc::clone(&hub), serving(&sends));
        let target: Target = address.to_string().parse().expect("it is an address");
        let target = Peer::from(target);
        let sending = async {
            let receiver = dial::dial(&target, &service).await;
            let receiver = receiver.expect("it has the secret");
            dial::serve(
                &target,
                Ok(receiver),
                Arc::clone(&service),
                std::future::pending(),
            )
            .await;
        };
        let (mut eye, mut seen) = Eye::new();
        let options = watching(&watches);
        let receiving = async {
            let stats = StreamStats::default();
            let connection = within("a sender", senders.accept()).await;
            net::play(connection, &options, &stats, &mut eye).await
        };
        hub.publish(test_frame(7));
        let shown = async {
            loop {
                if let Some(Seen::Frame(header, _)) = seen.recv().await {
                    return header.sequence;
                }
            }
        };
        tokio::select! {
            () = sending => panic!("it sends for ever"),
            error = receiving => panic!("{error}"),
            sequence = within("a frame", shown) => assert_eq!(sequence, 7),
        }
    }
}

/// Somebody who connects to a receiver with a key and leaves.
#[tokio::test]
async fn a_stranger_that_leaves_in_the_middle_of_a_handshake_is_named_so() {
    let (log, _guard) = Log::listen();
    let (socket, address) = listener().await;
    let _senders = SenderListener::spawn(socket, watching(&key()));
    let mut stranger = Stranger::at(address).await;
    stranger.say(b"vidsec1\x01").await;
    drop(stranger);
    log.has(
        1,
        "is no sender: it closed the connection before it had proved the key or code",
    )
    .await;
}

#[tokio::test]
async fn a_wrong_or_missing_secret_is_told_on_both_sides() {
    let (log, _guard) = Log::listen();
    let (right, other) = (key(), key());
    let closed = Stage::open(serving(&right)).await;
    let open = Stage::open(ServerOptions::default()).await;
    let plain = ReceiveOptions::default();
    let (wrong, missing, needless) = tokio::join!(
        async { join(closed.address, watching(&other)).await.end().await.0 },
        async { join(closed.address, plain).await.end().await.0 },
        async { join(open.address, watching(&right)).await.end().await.0 },
    );
    assert_eq!(
        wrong.to_string(),
        "it answers nothing: it has another key, or a code"
    );
    assert_eq!(
        missing.to_string(),
        "the sender closed the connection before it said anything"
    );
    assert_eq!(
        needless.to_string(),
        "it is open: it answers in clear, without a key or a code"
    );
    log.has(
        1,
        "left before it watched: refused, it does not have the key",
    )
    .await;
    log.has(1, "left before it watched: refused, it does not encrypt")
        .await;
    log.has(
        1,
        "left before it watched: it has a key or a code and this side is open: both need the same \
         --key-file or --code, or none (in a call --open)",
    )
    .await;
    closed.close("done").await;
    open.close("done").await;
}

#[tokio::test]
async fn a_wrong_code_is_told_on_both_sides_and_the_fourth_is_not_even_heard() {
    let (log, _guard) = Log::listen();
    let right: Code = "4-maple-otter".parse().expect("it is a code");
    let stage = Stage::open(serving(&code(right))).await;
    for (word, left) in [
        ("badger", "2 more guesses"),
        ("falcon", "1 more guess"),
        ("gecko", "that was the last guess, the code is dead"),
    ] {
        let wrong = format!("4-maple-{word}").parse().expect("it is a code");
        let viewer = join(stage.address, watching(&code(wrong))).await;
        let (error, seen) = viewer.end().await;
        assert_eq!(error.to_string(), "the code is wrong");
        assert_eq!(seen, []);
        log.has(1, &format!("refused, its code is wrong ({left})"))
            .await;
    }
    let address = (Ipv4Addr::new(127, 0, 0, 9), 0).into();
    let stranger = Stranger::from(address, stage.address).await;
    let viewer = Viewer::watch(stranger.0, watching(&code(right)), |_| {});
    let (error, seen) = viewer.end().await;
    assert_eq!(
        error.to_string(),
        "it answers nothing: it has no code with the number 4, or has none any more"
    );
    assert_eq!(seen, []);
    stage.close("done").await;
}

#[tokio::test]
async fn a_viewer_for_whom_no_seat_is_left_is_told_so_and_a_stranger_is_not() {
    let secret = key();
    let stage = Stage::open(ServerOptions {
        max_viewers: 1,
        ..serving(&secret)
    })
    .await;
    let _first = join(stage.address, watching(&secret)).await;
    stage.watched_by(1).await;
    let second = join(stage.address, watching(&secret)).await;
    let (error, _) = second.end().await;
    assert_eq!(
        error.to_string(),
        "the sender has no seat left (1 watching)"
    );
    let mut stranger = Stranger::at(stage.address).await;
    stranger.say(&hello("stranger")).await;
    assert_eq!(stranger.hears_the_end().await, b"");
    stage.close("done").await;
}

/// A scanner cannot tell from the time of the end whether something reads its bytes: the least time is
/// the same for all.
#[tokio::test]
async fn strangers_hear_nothing_and_are_left_waiting() {
    let stage = Stage::open(serving(&key())).await;
    let mut waiting = Vec::new();
    for (last, said) in [
        (1, &b""[..]),
        (2, b"GET / HTTP/1.1\r\n\r\n"),
        (
            3,
            b"vidsec1\x01123456789012345678901234567890123456789012345678",
        ),
        (4, &[0; 100]),
    ] {
        let source = (Ipv4Addr::new(127, 0, 0, last), 0).into();
        let mut stranger = Stranger::from(source, stage.address).await;
        let began = Instant::now();
        stranger.say(said).await;
        waiting.push(async move {
            let heard = stranger.hears_the_end().await;
            assert_eq!(heard, b"");
            assert!(began.elapsed() >= Duration::from_millis(2900), "{said:?}");
        });
    }
    for waiting in waiting {
        waiting.await;
    }
    stage.close("done").await;
}

/// An end at once tells nothing of what was said either.
#[tokio::test]
async fn where_an_address_pauses_all_that_it_says_is_cut_off_alike() {
    const PAUSES: &str = "closed at once, as its network has failed too often";
    let (log, _guard) = Log::listen();
    let stage = Stage::open(serving(&key())).await;
    for said in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", &[0; 100]] {
        // Each that fails makes the pause longer.
        let before = log.count(PAUSES);
        while log.count(PAUSES) == before {
            let source = (Ipv4Addr::new(127, 0, 0, 9), 0).into();
            let mut stranger = Stranger::from(source, stage.address).await;
            stranger.say(said).await;
            assert_eq!(stranger.hang_up().await, b"");
        }
    }
    stage.close("done").await;
}

/// Whoever never finishes takes no seat and keeps nobody out.
#[tokio::test]
async fn a_thousand_silent_strangers_disturb_nobody() {
    let secret = key();
    let stage = Stage::open(serving(&secret)).await;
    let mut viewer = join(stage.address, watching(&secret)).await;
    stage.watched_by(1).await;
    let mut strangers = Vec::new();
    for number in 0..1000 {
        let source = Ipv4Addr::new(127, 0, 1, (number % 250) as u8 + 1);
        let mut stranger = Stranger::from((source, 0).into(), stage.address).await;
        stranger.say(&b"vidsec1\x01"[..number % 9]).await;
        strangers.push(stranger);
        if number % 50 == 0 {
            let sequence = number as u32;
            stage.hub.publish(test_frame(sequence));
            assert_eq!(viewer.frame().await.0.sequence, sequence);
        }
    }
    let mut newcomer = join(stage.address, watching(&secret)).await;
    stage.hub.publish(test_frame(5000));
    assert_eq!(newcomer.frame().await.0.sequence, 5000);
    assert_eq!(viewer.frame().await.0.sequence, 5000);
    assert_eq!(stage.service.viewers().count(), 2);
    stage.close("done").await;
}

/// While a connection takes nothing, newer frames take the place of older ones, as over plain TCP.
#[tokio::test]
async fn a_slow_viewer_skips_to_the_newest_frame() {
    let secret = key();
    let stage = Stage::open(serving(&secret)).await;
    let proxy = Proxy::to(stage.address.port(), Fault::default());
    let address = proxy.target().parse().expect("it is an address");
    let mut viewer = join(address, watching(&secret)).await;
    stage.hub.publish(test_frame(0));
    assert_eq!(viewer.frame().await.0.sequence, 0);
    proxy.stall(true);
    for sequence in 1..200 {
        stage
            .hub
            .publish(numbered(sequence, vec![sequence as u8; 300_000]));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    proxy.stall(false);
    let mut frames = 0;
    loop {
        let (header, data) = viewer.frame().await;
        let sequence = header.sequence;
        assert!(
            data.iter().all(|byte| *byte == sequence as u8),
            "{sequence} is whole"
        );
        frames += 1;
        if sequence == 199 {
            break;
        }
    }
    assert!(frames < 150, "{frames} of 199 frames came");
    stage.close("done").await;
}

/// Passes everything on between a viewer and a sender, and may alter bytes from the sender. It keeps all
/// that passed.
struct Wire {
    address: SocketAddr,
    passed: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Wire {
    async fn to(sender: SocketAddr, alter: fn(usize, &mut [u8])) -> Self {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let socket = socket.expect("there is a port");
        let address = socket.local_addr().expect("it is bound");
        let passed = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&passed);
        let task = tokio::spawn(async move {
            let (near, _) = socket.accept().await.expect("a viewer connects");
            let far = TcpStream::connect(sender).await.expect("a sender listens");
            let ((near_read, near_write), (far_read, far_write)) =
                (near.into_split(), far.into_split());
            tokio::join!(
                pass(near_read, far_write, &kept, |_, _| {}),
                pass(far_read, near_write, &kept, alter),
            );
        });
        Self {
            address,
            passed,
            task,
        }
    }

    fn has(&self, bytes: &[u8]) -> bool {
        let passed = self.passed.lock().expect("nobody panics with it");
        passed.windows(bytes.len()).any(|window| window == bytes)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    kept: &Mutex<Vec<u8>>,
    alter: fn(usize, &mut [u8]),
) {
    let (mut bytes, mut count) = (vec![0; 65_536], 0);
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        kept.lock()
            .expect("nobody panics with it")
            .extend_from_slice(&bytes[..read]);
        alter(count, &mut bytes[..read]);
        count += read;
        if to.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
}

#[tokio::test]
async fn somebody_who_listens_in_finds_no_frame_no_caps_no_name_and_no_code() {
    let code_text: Code = "4-maple-otter".parse().expect("it is a code");
    let private = Some((code(code_text), code(code_text)));
    for secret in [None, private] {
        let is_private = secret.is_some();
        let (serving, watching) = match secret {
            Some((sends, watches)) => (serving(&sends), watching(&watches)),
            None => (
                ServerOptions {
                    name: "desk of anna".into(),
                    ..ServerOptions::default()
                },
                ReceiveOptions {
                    name: "laptop of bert".into(),
                    ..ReceiveOptions::default()
                },
            ),
        };
        let stage = Stage::open(serving).await;
        let wire = Wire::to(stage.address, |_, _| {}).await;
        let mut viewer = join(wire.address, watching).await;
        let frame = b"the bytes of a frame that nobody else should see".repeat(100);
        for sequence in 0..20 {
            stage.hub.publish(numbered(sequence, frame.clone()));
            assert_eq!(viewer.frame().await.1, frame);
        }
        let known = Caps::parse(CAPS).expect("it is good").to_string();
        for bytes in [
            &frame[..16],
            &frame[20..30],
            known.as_bytes(),
            b"video/x-raw",
            b"desk of anna",
            b"laptop of bert",
            b"hello",
            b"\"type\"",
        ] {
            let what = String::from_utf8_lossy(bytes);
            assert_eq!(wire.has(bytes), !is_private, "{what}");
        }
        for word in [&b"maple"[..], b"otter"] {
            assert!(!wire.has(word));
        }
        drop(viewer);
        stage.close("done").await;
    }
}

/// One bit of a frame, far behind the handshake: the frame is not shown, nor any after it.
#[tokio::test]
async fn an_altered_frame_ends_the_connection_and_is_never_shown() {
    for others in [0, 5] {
        altered_among(others).await;
    }
}

/// A viewer with an altered byte on its way, beside so many others.
async fn altered_among(others: usize) {
    let secret = key();
    let stage = Stage::open(serving(&secret)).await;
    let mut beside = Vec::new();
    for _ in 0..others {
        beside.push(join(stage.address, watching(&secret)).await);
    }
    stage.watched_by(others).await;
    let wire = Wire::to(stage.address, |before, bytes| {
        const PLACE: usize = 200_000;
        if let Some(byte) = PLACE.checked_sub(before).and_then(|at| bytes.get_mut(at)) {
            *byte ^= 1;
        }
    })
    .await;
    let mut viewer = join(wire.address, watching(&secret)).await;
    stage.watched_by(others + 1).await;
    // The first frame ends before that place, and the second does not.
    stage.hub.publish(numbered(0, vec![1; 100_000]));
    assert_eq!(viewer.frame().await.1, vec![1; 100_000]);
    stage.hub.publish(numbered(1, vec![2; 150_000]));
    let (error, seen) = viewer.end().await;
    assert_eq!(
        error.to_string(),
        "the encrypted bytes were altered on their way"
    );
    assert!(
        !seen.iter().any(|seen| matches!(seen, Seen::Frame(..))),
        "{seen:?}"
    );
    for viewer in &mut beside {
        assert_eq!(viewer.frame().await.1, vec![1; 100_000]);
        assert_eq!(viewer.frame().await.1, vec![2; 150_000]);
    }
    stage.close("done").await;
}
