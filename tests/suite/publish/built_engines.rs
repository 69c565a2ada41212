//! Through engines that no system has a package of: RTSP, Media over QUIC and zenoh.

use super::Publisher;
use super::true_age::on_this_machine;
use crate::cli::statistics::Stats;
use crate::support::built_engines::BuiltEngine;
use crate::support::{Running, Sender, vidchat};

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
