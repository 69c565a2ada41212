//! RTP without a server: to one machine, and to many by multicast.

use super::{Publisher, plays, sender};
use crate::support::engines::free_even_port;
use crate::support::written_pipeline;
#[cfg(target_os = "linux")]
use crate::support::{Running, lan::Lan, vidchat};

#[test]
fn a_stream_reaches_one_player_after_another_by_unicast() {
    let sender = sender();
    let url = format!("rtp://127.0.0.1:{}", free_even_port());
    let publisher = Publisher::start(&[&sender.target()], &url);
    publisher.is_live();
    for _ in 0..2 {
        plays(&url, &[]);
    }
    publisher.quit();
}

/// As with zenoh and Media over QUIC: no container changes them. The time in each of them makes it look
/// like the head of one.
#[test]
fn frames_that_reach_an_engine_as_they_are_are_counted() {
    let url = format!("rtp://127.0.0.1:{}", free_even_port());
    let (_folder, file) = written_pipeline("# Nowhere.\nappsrc name=frames ! ${h264} ! fakesink\n");
    let publisher = Publisher::start(&["--pipeline", "test-h264", "--file", &file], &url);
    let line = publisher
        .stats
        .line("frames", |line| line["published"].as_u64() > Some(20));
    assert!(line["age_ms"].is_object(), "{line}");
    publisher.quit();
}

#[test]
#[cfg(target_os = "linux")]
fn a_stream_reaches_two_machines_by_multicast() {
    let Some(lan) = Lan::start(3) else { return };
    let url = "rtp://239.77.1.2:5004";
    for number in 0..3 {
        lan.host(number).ip("route add 224.0.0.0/4 dev lan");
    }
    let mut publish = vidchat();
    publish.args(["publish", "--pipeline", "test-h264", "--to", url]);
    publish.args(["--set", "gop=900"]);
    let mut publisher = Running::start(&mut lan.host(0).command(&publish));
    publisher.line_with("takes the frames");
    let mut play = vidchat();
    play.args(["recv", url, "--display", "none", "--frames", "60"]);
    let mut players = [1, 2].map(|number| Running::start(&mut lan.host(number).command(&play)));
    for player in &mut players {
        player.line_with("sends 320x240 H264");
    }
    for player in players {
        let ended = player.wait();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
    }
    publisher.signal("INT");
    assert_eq!(publisher.wait().code(), 0);
}
