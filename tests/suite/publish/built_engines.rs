//! Through engines that no system has a package of: RTSP, Media over QUIC and zenoh.

use super::Publisher;
use super::true_age::{on_this_machine, recv, tells_the_true_age};
use crate::cli::statistics::Stats;
use crate::support::built_engines::BuiltEngine;
use crate::support::stamped_frames::{StampedPlayer, StampedSender};
use crate::support::{Running, Sender, vidchat};

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

/// The codecs that no other test takes through it. Those without a place for the time of capture say so.
#[test]
fn each_codec_passes_two_relays_of_media_over_quic() {
    for (codec, name, since) in [
        ("h265", "H265", "camera"),
        ("av1", "AV1", "camera"),
        ("vp8", "VP8", "engine"),
        ("vp9", "VP9", "engine"),
    ] {
        let Some(engine) = BuiltEngine::moq() else {
            return;
        };
        let mut send = vidchat();
        send.args(["send", "--bind", "127.0.0.1", "--port", "0", "--no-preview"]);
        send.args(["--no-announce", "--pipeline", &format!("test-{codec}")]);
        let sender = Sender::start_as(&mut send);
        let publisher = Publisher::start_as(engine.publisher(&sender.target()), on_this_machine);
        publisher.is_live();
        let mut play = engine.player();
        let shown = Stats::of(play.args(["--display", "none"]));
        let mut player = Running::start(&mut play);
        player.line_with(&format!(" {name}"));
        shown.line("where its age counts from", |line| {
            line["shown"].as_u64() > Some(0) && line["age_since"] == since
        });
        publisher.quit();
    }
}

#[test]
fn a_stream_passes_two_routers_of_zenoh_and_comes_back_after_their_restart() {
    passes("zenoh", BuiltEngine::zenoh());
}
