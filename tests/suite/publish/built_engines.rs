//! Through engines that no system has a package of: RTSP, Media over QUIC and zenoh.

use super::Publisher;
use super::true_age::{on_this_machine, recv, tells_the_true_age};
use crate::support::built_engines::BuiltEngine;
use crate::support::stamped_frames::{StampedPlayer, StampedSender};

/// A sender's frames go into the engine and come out of it at two players, one of whom comes late.
/// They come out again after all of the engine was killed.
fn passes(name: &str, engine: Option<BuiltEngine>) {
    let Some(mut engine) = engine else { return };
    let sender = StampedSender::start(on_this_machine);
    let publisher = Publisher::start_as(engine.publisher(&sender.target()), on_this_machine);
    publisher.is_live();
    let first = StampedPlayer::start(engine.player());
    let late = StampedPlayer::start(engine.player());
    tells_the_true_age(name, &late, recv(&sender.target()));
    first.shows_new_frames();
    engine.kill();
    engine.run();
    for player in [&first, &late] {
        player.shows_new_frames();
    }
    publisher.quit();
}

#[test]
fn a_stream_passes_an_rtsp_server_and_comes_back_after_its_restart() {
    passes("rtsp, xiu", BuiltEngine::xiu());
}

#[test]
fn a_stream_passes_two_relays_of_media_over_quic_and_comes_back_after_their_restart() {
    passes("moq", BuiltEngine::moq());
}

#[test]
fn a_stream_passes_two_routers_of_zenoh_and_comes_back_after_their_restart() {
    passes("zenoh", BuiltEngine::zenoh());
}
