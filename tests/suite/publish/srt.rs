//! Through SRT's own relay.

use super::{Player, Publisher, plays, sender};
use crate::support::engines::SrtRelay;

#[test]
fn a_stream_passes_a_relay_and_comes_back_after_its_restart() {
    let Some(mut relay) = SrtRelay::start() else {
        return;
    };
    let sender = sender();
    let [to, from] = relay.urls();
    let mut publisher = Publisher::start(&[&sender.target()], &to);
    publisher.is_live();
    plays(&from, &[]);
    let late = Player::start(&from, &[]);
    late.shows_frames();
    relay.kill();
    publisher.process.line_with("; connecting again");
    relay.run();
    publisher.process.line_with("back after");
    publisher.is_live();
    late.shows_frames();
    late.quit();
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
