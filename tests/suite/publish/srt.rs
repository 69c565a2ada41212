//! Through SRT's own relay.

use super::{Player, Publisher, plays, sender};
use crate::support::engines::{SrtRelay, free_even_port};

/// Each relay of SRT serves one player, so there are two. Both call the publisher, which listens.
#[test]
fn players_of_a_publisher_that_listens_come_and_go_and_so_does_the_publisher() {
    let url = format!("srt://127.0.0.1:{}", free_even_port());
    let Some(mut relays) = SrtRelay::calling(&url).zip(SrtRelay::calling(&url)) else {
        return;
    };
    let sender = sender();
    let listening = format!("{url}?mode=listener");
    let publisher = Publisher::start(&[&sender.target()], &listening);
    publisher.is_live();
    let [direct, second] = [(); 2].map(|()| Player::start(&url, &[]));
    let behind = [&relays.0, &relays.1].map(|relay| Player::start(&relay.urls()[1], &[]));
    let [first_relayed, second_relayed] = &behind;
    for player in [&direct, &second, first_relayed, second_relayed] {
        player.shows_frames();
    }

    second.process.signal("KILL");
    relays.0.kill();
    first_relayed.shows_nothing();
    for player in [&direct, second_relayed] {
        player.shows_frames();
    }
    relays.0.run();
    let third = Player::start(&url, &[]);
    for player in [&direct, &third, first_relayed, second_relayed] {
        player.shows_frames();
    }

    publisher.process.signal("KILL");
    publisher.process.wait();
    direct.shows_nothing();
    let publisher = Publisher::start(&[&sender.target()], &listening);
    // A relay does not always come back by itself.
    for player in [&direct, &third] {
        player.shows_frames();
    }
    publisher.quit();
}

#[test]
fn a_relay_serves_one_player_after_another() {
    let Some(relay) = SrtRelay::start() else {
        return;
    };
    let [to, from] = relay.urls();
    let publisher = Publisher::start(&["--pipeline", "test-h264"], &to);
    publisher.is_live();
    let first = Player::start(&from, &[]);
    first.shows_frames();
    first.process.signal("KILL");
    let next = Player::start(&from, &[]);
    next.shows_frames();
    next.quit();
    publisher.quit();
}

#[test]
fn mpeg_ts_passes_a_relay_too_with_h264_and_with_h265() {
    for source in ["test-h264", "test-h265"] {
        let Some(relay) = SrtRelay::start() else {
            return;
        };
        let [to, from] = relay.urls();
        let publisher = Publisher::start(&["--pipeline", source, "--file", "srt-ts"], &to);
        publisher.is_live();
        let said = plays(&from, &["--file", "srt-ts"]);
        let codec = source.trim_start_matches("test-").to_uppercase();
        assert!(said.contains(&format!("sends 320x240 {codec}")), "{said}");
        publisher.quit();
    }
}
