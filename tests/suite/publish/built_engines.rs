//! Engines that no system has a package of: their codecs, and their absence.

use super::true_age::on_this_machine;
use super::{Publisher, sender};
use crate::cli::statistics::Stats;
use crate::support::built_engines::BuiltEngine;
use crate::support::{Running, Sender, run, vidchat};

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

/// Its sink takes frames without a connection too, and connects again by itself.
#[test]
fn relays_of_media_over_quic_that_are_away_are_told() {
    let Some(mut engine) = BuiltEngine::moq() else {
        return;
    };
    engine.kill();
    let sender = sender();
    let publish = engine.publisher(&sender.target());
    let mut publisher = Publisher::start_as(publish, on_this_machine);
    let away = "not there: no relay answers at 127.0.0.1:";
    publisher.process.line_with(away);
    engine.run();
    publisher.process.line_with("there after");
    publisher.is_live();
    engine.kill();
    publisher.process.line_with("lost: no relay answers at ");
    publisher.stats.line("its state", |line| {
        line["state"] == "engine lost" && line["published"] == 0
    });
    engine.run();
    publisher.process.line_with("back after");
    publisher.is_live();
    publisher.quit();
    engine.kill();
    let mut play = engine.player();
    let ended = run(play.args(["--display", "none"]));
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("failed: nothing listens at 127"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("backtrace"), "{}", ended.stderr);
}

#[test]
fn a_router_of_zenoh_that_is_away_is_told_as_is_a_wrong_configuration() {
    let Some(mut engine) = BuiltEngine::zenoh() else {
        return;
    };
    engine.kill();
    let sender = sender();
    let publish = engine.publisher(&sender.target());
    let mut publisher = Publisher::start_as(publish, on_this_machine);
    let said = publisher
        .process
        .line_with("not there: no router of zenoh answers at tcp/127");
    assert!(!said.contains("orchestrator"), "{said}");
    engine.run();
    publisher.process.line_with("there after");
    publisher.quit();
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let wrong = written("wrong.json5", "{ mode: \"nope\" }\n");
    let broken = written("broken.json5", "{ mode: \"client\",\n  connect: [ }\n");
    let other = written("mine.txt", "{ mode: \"client\" }\n");
    for (file, cause) in [
        (
            wrong.as_str(),
            "the file of its configuration is not valid: unknown variant `nope`",
        ),
        (&broken, "is not valid at line 2, column "),
        (&other, "its name has to end in .json5"),
        ("./nope.json5", "the file of its configuration is not there"),
    ] {
        let mut play = engine.player();
        play.args(["--set", &format!("config={file}"), "--display", "none"]);
        let ended = run(&mut play);
        assert_eq!(ended.code(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains(cause), "{file}: {}", ended.stderr);
    }
}
