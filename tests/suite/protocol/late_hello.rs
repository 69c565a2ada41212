//! Viewers that say hello late, after they were taken for programs of the tutorial: the sender goes
//! on in its own protocol with those, and with nobody else.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::sleep;
use vidchat::frame::FrameHeader;
use vidchat::net::Hub;
use vidchat::net::sender::ServerOptions;
use vidchat::wire::head::encode_frame_head;
use vidchat::wire::pickle::Envelope;
use vidchat::wire::{Ack, CONTROL_LIMIT, Control, Hello, text};

use crate::support::peers::{
    CAPS, Log, Stage, Stranger, caps, hello, numbered, test_frame, within,
};

/// A sender that serves the tutorial's programs too.
struct Scene {
    stage: Stage,
    /// Where their frames come from.
    bgr: Arc<Hub>,
    width: u32,
    height: u32,
    sequence: u32,
    log: Log,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Scene {
    async fn open() -> Self {
        Self::of(16, 4, ServerOptions::default()).await
    }

    /// With frames of this size for the tutorial's programs.
    async fn of(width: u32, height: u32, options: ServerOptions) -> Self {
        let (log, guard) = Log::listen();
        let bgr = Hub::new();
        bgr.announce(caps(&format!(
            "video/x-raw, format=BGR, width={width}, height={height}"
        )));
        let stage = Stage::open(ServerOptions {
            tutorial: Some(Arc::clone(&bgr)),
            ..options
        })
        .await;
        Self {
            stage,
            bgr,
            width,
            height,
            sequence: 0,
            log,
            _guard: guard,
        }
    }

    /// Somebody who said nothing for so long that pickles come.
    async fn silent(&self) -> Stranger {
        // Who joins is shown the newest frame at once, which is none of this one's.
        self.bgr.clear();
        let line = "a program of the tutorial): joined";
        let joined = self.log.count(line);
        let stranger = Stranger::at(self.stage.address).await;
        self.log.has(joined + 1, line).await;
        stranger
    }

    /// A frame for the tutorial's programs; returns the message that it is to them.
    fn show(&mut self) -> Vec<u8> {
        let size = self.width as usize * self.height as usize * 3;
        let data = vec![self.sequence as u8; size];
        let envelope = Envelope::new(self.width, self.height);
        let message = [&envelope.head[..], &data, envelope.tail].concat();
        self.bgr.publish(numbered(self.sequence, data));
        self.sequence += 1;
        message
    }

    /// The very next that `stranger` gets is a pickle, whole.
    async fn serves(&mut self, stranger: &mut Stranger, what: &str) {
        let expected = self.show();
        assert!(heard(stranger).await == expected, "no pickle: {what}");
    }

    /// How many were taken for viewers that say hello late.
    fn late(&self) -> usize {
        self.log.count("says hello late")
    }
}

/// The next message, with its length.
async fn heard(stranger: &mut Stranger) -> Vec<u8> {
    let mut message = vec![0; 8];
    let head = within("a message", stranger.0.read_exact(&mut message)).await;
    head.expect("it is not over");
    let length = u64::from_le_bytes(message[..8].try_into().expect("these are eight"));
    assert!(length < 1 << 24, "no length: {message:02x?}");
    message.resize(8 + length as usize, 0);
    let body = within("its rest", stranger.0.read_exact(&mut message[8..])).await;
    body.expect("it comes whole");
    message
}

/// The next message, which is one of control.
async fn told(stranger: &mut Stranger) -> Control {
    let message = heard(stranger).await;
    Control::decode(&message[8..]).expect("it is a control message")
}

/// What the sender says in the protocol before any frame.
fn introduction() -> Control {
    Control::Hello(Hello {
        vidchat: 1,
        caps: Some(caps(CAPS).to_string()),
        ..Hello::default()
    })
}

/// A hello of a viewer that acknowledges, and pings.
fn lively(name: &str) -> Vec<u8> {
    let hello = Control::Hello(Hello {
        vidchat: 1,
        name: name.into(),
        acks: true,
        ..Hello::default()
    });
    [hello.encode(), Control::Ping { sent: 5 }.encode()].concat()
}

fn message(length: u64, start: &[u8]) -> Vec<u8> {
    [&length.to_le_bytes()[..], start].concat()
}

fn control_of(json: &[u8]) -> Vec<u8> {
    message(json.len() as u64, json)
}

#[tokio::test]
async fn a_late_hello_is_answered_between_two_pickles_and_all_goes_on_in_the_protocol() {
    let mut scene = Scene::open().await;
    let mut late = scene.silent().await;
    scene.serves(&mut late, "while it is silent").await;
    scene.sequence += 3;
    scene.serves(&mut late, "while it is silent").await;
    late.say(&lively("kitchen")).await;
    assert_eq!(told(&mut late).await, introduction());
    let Control::Pong(pong) = told(&mut late).await else {
        panic!("its ping was not answered");
    };
    assert_eq!(pong.sent, 5);
    let frame = test_frame(70);
    scene.stage.hub.publish(frame.clone());
    let asking = FrameHeader {
        ack: true,
        ..frame.header
    };
    let head = encode_frame_head(&asking, frame.data.len());
    assert_eq!(heard(&mut late).await, [&head[..], &frame.data].concat());

    let who = "\"kitchen\": says hello late, goes on as a viewer of vidchat's own";
    assert_eq!((scene.log.count(who), scene.log.count("joined")), (1, 1));
    assert_eq!(*scene.stage.hub.watching().borrow(), 1, "it keeps its seat");
    assert_eq!(*scene.bgr.watching().borrow(), 0, "nobody needs pickles");
    let viewers = scene.stage.service.viewers().list();
    let names: Vec<&str> = viewers.iter().map(|link| &link.name[..]).collect();
    assert_eq!(names, ["kitchen"]);
    let progress = viewers[0].progress();
    assert_eq!((progress.frames, progress.skipped), (3, 3), "they count on");
    assert!(progress.round_trip.is_none(), "nobody knows it yet");
    let ack = Ack {
        sequence: 70,
        took: 9,
    };
    late.say(&Control::Ack(ack).encode()).await;
    late.say(&Control::bye("dinner").encode()).await;
    scene.log.has(1, "left: dinner (0 watching)").await;
    assert!(viewers[0].progress().round_trip.is_some(), "it is known");
    scene.stage.close("done").await;
}

#[tokio::test]
async fn who_said_hello_late_is_told_of_the_end() {
    let scene = Scene::open().await;
    let mut late = scene.silent().await;
    late.say(&hello("kitchen")).await;
    assert_eq!(told(&mut late).await, introduction());
    scene.stage.close("the camera was unplugged").await;
    let bye = Control::bye("the camera was unplugged").encode();
    assert_eq!(late.hears_the_end().await, bye);
}

#[tokio::test]
async fn pickles_come_until_the_last_byte_of_a_hello() {
    let mut scene = Scene::open().await;
    let mut late = scene.silent().await;
    let whole = hello("kitchen");
    let (last, first) = whole.split_last().expect("it has some");
    for byte in first {
        late.say(&[*byte]).await;
        scene.serves(&mut late, "before the hello is whole").await;
    }
    late.say(&[*last]).await;
    assert_eq!(told(&mut late).await, introduction());
    scene.stage.close("done").await;
}

#[tokio::test]
async fn a_pickle_that_has_begun_ends_before_the_protocol_begins() {
    // More than the buffers of a connection take.
    let mut scene = Scene::of(2048, 1024, ServerOptions::default()).await;
    let mut late = scene.silent().await;
    let mut shown = vec![scene.show()];
    // It has begun when its first byte is here.
    let mut first = [0];
    within("a pickle", late.0.peek(&mut first)).await.unwrap();
    late.say(&hello("kitchen")).await;
    for _ in 0..10 {
        // Time to hear the hello; without it this test shows less, and is right all the same.
        sleep(Duration::from_millis(10)).await;
        shown.push(scene.show());
    }
    assert_eq!(scene.late(), 0, "in the middle of a pickle");
    let mut pickles = 0;
    let introduced = loop {
        let message = heard(&mut late).await;
        if message[8] == b'{' {
            break message;
        }
        assert!(shown.contains(&message), "a pickle that was never made");
        pickles += 1;
    };
    assert_eq!(introduced, introduction().encode());
    assert!(pickles >= 1, "what had begun has to end");
    scene.stage.close("done").await;
}

#[tokio::test]
async fn what_is_no_hello_is_ignored_and_so_is_all_that_follows() {
    let mut scene = Scene::open().await;
    let deep = [&b"{\"x\":"[..], &b"[".repeat(60_000)].concat();
    for said in [
        &b"q"[..],
        b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n",
        &[0; 100],
        &[0xff; 100],
        &[7; 1 << 20],
        &message(1 << 40, b"{\"type\":\"hello\""),
        &message(CONTROL_LIMIT + 1, b"{\"type\":\"hello\""),
        &message(50, b"\x80\x04\x95"),
        &encode_frame_head(&test_frame(0).header, 64),
        &control_of(b"{"),
        &control_of(b"{}"),
        &control_of(&deep),
        &Control::Key.encode(),
        &Control::bye("dinner").encode(),
        &hello("kitchen")[..20],
    ] {
        let start = text::printable(&String::from_utf8_lossy(said), 20);
        let mut talker = scene.silent().await;
        scene.serves(&mut talker, &start).await;
        talker.say(said).await;
        for word in [&b""[..], &hello("kitchen"), &hello("kitchen")] {
            talker.say(word).await;
            for _ in 0..3 {
                scene.serves(&mut talker, &start).await;
            }
        }
        assert_eq!(talker.hang_up().await, b"", "{start}");
        scene.stage.watched_by(0).await;
    }
    assert_eq!(scene.late(), 0);
    assert_eq!(
        scene.log.count("left: closed by the viewer"),
        scene.log.count("joined")
    );
    scene.stage.close("done").await;
}

#[tokio::test]
async fn a_hello_that_takes_too_long_is_ignored() {
    let options = ServerOptions {
        hello_limit: Duration::from_millis(300),
        ..ServerOptions::default()
    };
    let mut scene = Scene::of(16, 4, options).await;
    let mut late = scene.silent().await;
    for byte in hello("a name that takes a long time to say") {
        late.say(&[byte]).await;
        sleep(Duration::from_millis(20)).await;
        scene.serves(&mut late, "it takes its time").await;
    }
    scene.serves(&mut late, "it has taken its time").await;
    assert_eq!(scene.late(), 0);
    scene.stage.close("done").await;
}

#[tokio::test]
async fn a_late_hello_of_a_later_version_is_welcome_and_one_of_none_is_refused() {
    let mut scene = Scene::open().await;
    let mut newer = scene.silent().await;
    scene.serves(&mut newer, "while it is silent").await;
    let later = br#"{"type":"hello","vidchat":9,"name":"new","smell":[{"strong":true}]}"#;
    newer.say(&control_of(later)).await;
    assert_eq!(told(&mut newer).await, introduction());
    assert_eq!(scene.log.count("\"new\": says hello late"), 1);
    let mut older = scene.silent().await;
    older
        .say(&control_of(br#"{"type":"hello","vidchat":0}"#))
        .await;
    assert_eq!(older.hears_the_end().await, b"");
    scene.log.has(1, "left: refused, it sent version 0").await;
    assert_eq!(scene.late(), 1);
    scene.stage.close("done").await;
}

#[tokio::test]
async fn who_stays_silent_keeps_its_pickles_when_another_says_hello() {
    let mut scene = Scene::open().await;
    let mut silent = scene.silent().await;
    let mut late = scene.silent().await;
    scene.serves(&mut silent, "both are silent").await;
    late.say(&hello("kitchen")).await;
    scene.log.has(1, "says hello late").await;
    for _ in 0..20 {
        scene.serves(&mut silent, "it is still silent").await;
    }
    assert_eq!(*scene.bgr.watching().borrow(), 1);
    assert_eq!(silent.hang_up().await, b"");
    scene.stage.watched_by(1).await;
    assert_eq!(*scene.bgr.watching().borrow(), 0);
    scene.stage.close("done").await;
}

#[tokio::test]
async fn who_said_hello_late_may_be_silent_until_its_first_frame_is_through() {
    let scene = Scene::open().await;
    let mut late = scene.silent().await;
    late.say(&lively("kitchen")).await;
    // Longer than any other viewer may be silent that promised not to be.
    sleep(Duration::from_millis(3500)).await;
    scene.stage.hub.publish(test_frame(0));
    while heard(&mut late).await[8] != 1 {}
    assert_eq!(scene.log.count("left"), 0, "{}", scene.log.text());
    let ack = Ack {
        sequence: 0,
        took: 9,
    };
    late.say(&Control::Ack(ack).encode()).await;
    scene.log.has(1, "left: no sign of life for 3 s").await;
    scene.stage.close("done").await;
}

#[tokio::test]
async fn where_no_pickles_can_be_made_a_hello_is_waited_for() {
    let scene = Scene::open().await;
    scene.bgr.end("nothing decodes it");
    let mut late = Stranger::at(scene.stage.address).await;
    // Longer than a viewer may be silent that is not taken for one of the tutorial.
    sleep(Duration::from_millis(400)).await;
    late.say(&hello("kitchen")).await;
    assert_eq!(told(&mut late).await, introduction());
    assert_eq!(scene.log.count("a program of the tutorial"), 0);
    scene.stage.close("done").await;
}
