//! Key frames for those who come late to an engine that keeps none.

use std::net::{Ipv4Addr, UdpSocket};

use vidchat::wire::Control;

use super::{Publisher, sender};
use crate::media::frame_identity::encoded;
use crate::support::engines::{free_even_port, free_port};
use crate::support::peers::Viewer;
use crate::support::played_sender::PlayedPort;
use crate::support::{PATIENCE, Running, vidchat};

#[tokio::test]
async fn a_publisher_has_the_sender_make_a_key_frame_each_second() {
    let sender = sender();
    let url = format!("rtp://127.0.0.1:{}", free_even_port());
    let publisher = Publisher::start(&[&sender.target()], &url);
    publisher.is_live();
    let mut viewer = Viewer::join(([127, 0, 0, 1], sender.port).into()).await;
    let mut keys = Vec::new();
    // Those of four seconds and more, of a group of thirty.
    while keys.len() < 5 {
        let (header, _) = viewer.frame().await;
        if header.key {
            keys.push(header.sequence);
        }
    }
    let longest = keys.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert!(longest < Some(100), "{keys:?}");
    publisher.quit();
}

/// Every other frame of this sender is a key frame, so that only the request of a player asks for one.
#[test]
fn a_players_request_by_rtcp_reaches_the_sender() {
    let encoder = "x264enc tune=zerolatency key-int-max=2 ! h264parse config-interval=-1 \
                   ! video/x-h264,stream-format=byte-stream,alignment=au";
    let Some((caps, frames)) = encoded(encoder) else {
        return;
    };
    let port = free_even_port();
    let bind = |port| {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).expect("it is free");
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    };
    let (rtp, rtcp) = (bind(port), bind(port + 1));
    let played = PlayedPort::open();
    let mut publish = vidchat();
    publish.args(["publish", &played.target(), "--to"]);
    let publisher = Running::start(publish.arg(format!("rtp://127.0.0.1:{port}")));
    let mut sender = played.accept(&caps.to_string());
    let mut frames = frames.iter().cycle().zip(1..);
    // Until the first report of the publisher says where it hears those of players.
    let mut next = || {
        let (frame, number) = frames.next().expect("it is a circle");
        sender.send(number, frame.key, &frame.bytes);
        sender.keys()
    };
    let mut packet = [0; 2048];
    rtcp.set_nonblocking(true).unwrap();
    let publisher_at = loop {
        next();
        if let Ok((_, from)) = rtcp.recv_from(&mut packet) {
            break from;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    rtp.recv(&mut packet).expect("there are packets");
    let source: [u8; 4] = packet[8..12].try_into().unwrap();
    let before = next();
    // An empty receiver report, then a picture loss indication (RFC 4585, 6.3.1).
    let own = [0, 0, 0, 7];
    let report = [&[0x80, 201, 0, 1][..], &own].concat();
    let request = [&[0x81, 206, 0, 2][..], &own, &source].concat();
    let asked = [report, request].concat();
    for _ in 0..PATIENCE.as_millis() / 20 {
        rtcp.send_to(&asked, publisher_at).unwrap();
        if next() > before {
            drop(publisher);
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("no {:?} came", Control::Key);
}

#[test]
fn an_engine_that_is_not_there_costs_the_sender_nothing() {
    let sender = sender();
    let url = format!("rtmp://127.0.0.1:{}/live/cam", free_port());
    let mut publisher = Publisher::start(&[&sender.target()], &url);
    let said = publisher.process.line_with("not there: ");
    assert!(said.ends_with("; tried again until it is"), "{said}");
    let line = publisher
        .stats
        .line("its state", |line| line["state"] == "engine lost");
    assert!(
        line["reason"]
            .as_str()
            .is_some_and(|why| why.contains("nothing listens")),
        "{line}"
    );
    let ended = crate::support::run_vidchat([
        "recv",
        &sender.target(),
        "--display",
        "none",
        "--frames",
        "60",
    ]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let said = publisher.quit();
    assert_eq!(
        said.matches("engine rtmp").count(),
        1,
        "it is said once: {said}"
    );
}
