//! RTP without a server: to one machine, and to many by multicast.

use super::{Publisher, plays, sender};
use crate::support::engines::free_even_port;
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
