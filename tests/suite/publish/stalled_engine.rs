//! An engine that stands still, and one that takes connections and never answers.

use std::net::{TcpListener, UdpSocket};

use super::true_age::{on_this_machine, recv};
use super::{Publisher, sender};
use crate::support::engines::{Nginx, free_even_port};
use crate::support::stamped_frames::{StampedPlayer, StampedSender, seconds};

/// The most frames that were made while an engine stood still and come out of it afterwards: those of
/// the second that its connection holds, in the memory of the system.
const HELD: usize = 45;
/// What a viewer gets of a second at the least, on a machine that has other work.
const FEW: f64 = 15.0;

#[test]
fn an_engine_that_stood_still_gets_new_frames_and_the_other_viewers_notice_nothing() {
    let Some(nginx) = Nginx::start() else { return };
    let url = nginx.url("", "cam");
    let sender = StampedSender::start(on_this_machine);
    let mut publisher = Publisher::start(&[&sender.target()], &url);
    publisher.is_live();
    let player = StampedPlayer::start(recv(&url));
    let viewer = StampedPlayer::start(recv(&sender.target()));
    player.shows_new_frames();

    nginx.signal("STOP");
    let stopped = seconds();
    publisher.process.line_with("; connecting again");
    publisher.stats.line("frames left out", |line| {
        line["state"] == "engine lost" && line["published"] == 0
    });
    let goes_on = seconds();
    nginx.signal("CONT");
    publisher.process.line_with("back after");
    publisher.is_live();
    let old = player.count_made(stopped, goes_on);
    eprintln!("STALL {:.1} s, {old} frames of it came", goes_on - stopped);
    assert!(old <= HELD, "{old} frames waited");
    let others = viewer.count_made(stopped, goes_on);
    assert!(
        others as f64 >= (goes_on - stopped) * FEW,
        "{others} frames"
    );
    let said = publisher.quit();
    let lines = said.matches("engine rtmp").count();
    assert_eq!(lines, 3, "begun, lost, back: {said}");
}

#[test]
fn an_engine_that_takes_connections_and_never_answers_is_not_there() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let port = silent.local_addr().unwrap().port();
    let deaf = UdpSocket::bind(("127.0.0.1", free_even_port())).expect("it is free");
    let sender = sender();
    for (url, tries) in [
        (format!("rtmp://127.0.0.1:{port}/live/cam"), 3),
        (format!("rtsp://127.0.0.1:{port}/cam"), 2),
        (format!("srt://{}", deaf.local_addr().unwrap()), 0),
    ] {
        let mut publisher = Publisher::start(&[&sender.target()], &url);
        let mut accepted = Vec::new();
        let said = publisher.process.line_with("not there: ");
        assert!(said.ends_with("; tried again until it is"), "{said}");
        // Each try is a connection.
        while accepted.len() < tries {
            accepted.push(silent.accept().expect("it is tried again"));
        }
        let line = publisher
            .stats
            .line("its state", |line| line["state"] == "engine lost");
        assert!(line["reason"].is_string(), "{line}");
        let said = publisher.quit();
        assert_eq!(said.matches("engine ").count(), 1, "{url}: {said}");
    }
}
