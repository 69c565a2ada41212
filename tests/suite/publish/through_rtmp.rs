//! Through nginx with its RTMP module.

use std::fs;

use super::{Player, Publisher, plays, sender, sender_on};
use crate::support::engines::Nginx;
use crate::support::{Running, Sender, run_vidchat, vidchat, written_pipeline};

#[test]
fn a_stream_reaches_players_who_come_at_any_time_and_no_password_is_printed() {
    let Some(nginx) = Nginx::start() else { return };
    let sender = sender();
    let url = nginx.url("anna:pa55word@", "s3cr3t");
    let publisher = Publisher::start(&[&sender.target(), "-vv"], &url);
    publisher.is_live();
    let plain = nginx.url("", "s3cr3t");
    let first = Player::start(&plain, &["-vv"]);
    first.shows_frames();
    let late = plays(&plain, &["-vv"]);
    assert!(late.contains("sends 320x240 H264"), "{late}");
    first.shows_frames();
    let live = publisher
        .stats
        .line("an age", |line| line["age_ms"].is_object());
    for (key, expected) in [("form", "320x240 H264"), ("engine", "rtmp://anna:…@")] {
        let told = live[key].as_str().unwrap_or_default();
        assert!(told.starts_with(expected), "{live}");
    }
    let said = [publisher.quit(), first.quit(), late].concat();
    for secret in ["pa55word", "s3cr3t"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn a_source_of_this_machine_is_published_and_played_by_a_sender() {
    let Some(nginx) = Nginx::start() else { return };
    let url = nginx.url("", "cam");
    let publisher = Publisher::start(&["--pipeline", "test-h264"], &url);
    publisher.is_live();
    let mut command = vidchat();
    command.args(["send", "--bind", "127.0.0.1", "--port", "0"]);
    let sender = Sender::start_as(command.args(["--pipeline", &url, "--no-preview"]));
    let ended = run_vidchat([
        "recv",
        &sender.target(),
        "--display",
        "none",
        "--frames",
        "20",
    ]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    publisher.quit();
}

#[test]
fn raw_frames_and_those_of_other_codecs_are_encoded() {
    let Some(nginx) = Nginx::start() else { return };
    for source in ["test", "test-jpeg", "test-vp8"] {
        let url = nginx.url("", source);
        let publisher = Publisher::start(&["--pipeline", source], &url);
        publisher.is_live();
        let said = plays(&url, &[]);
        assert!(said.contains("sends 320x240 H264"), "{source}: {said}");
        publisher.quit();
    }
}

#[test]
fn a_player_sees_a_sender_that_comes_back_with_another_size_and_codec() {
    let Some(nginx) = Nginx::start() else { return };
    let first = sender();
    let (port, url) = (first.port, nginx.url("", "cam"));
    let mut publisher = Publisher::start(&[&first.target()], &url);
    publisher.is_live();
    first.process.signal("KILL");
    first.process.wait();
    publisher.process.line_with("connecting again");
    let comes_back = |arguments: &[&str]| {
        let mut command = vidchat();
        command.args(["send", "--bind", "127.0.0.1", "--port", &port.to_string()]);
        Sender::start_as(
            command
                .args(["--no-preview", "--no-announce"])
                .args(arguments),
        )
    };
    let second = comes_back(&[
        "--pipeline",
        "test-h264",
        "--width",
        "160",
        "--set",
        "height=120",
    ]);
    publisher.process.line_with("sends 160x120 H264");
    publisher.stats.line("the new size", |line| {
        line["form"] == "160x120 H264" && line["published"].as_u64() > Some(0)
    });
    let said = plays(&url, &[]);
    assert!(said.contains("sends 160x120 H264"), "{said}");
    second.process.signal("KILL");
    second.process.wait();
    publisher.process.line_with("connecting again");
    let _third = comes_back(&["--pipeline", "test-jpeg"]);
    publisher.process.line_with("sends 320x240 JPEG");
    publisher.stats.line("the new codec", |line| {
        line["form"] == "320x240 JPEG" && line["published"].as_u64() > Some(0)
    });
    let said = plays(&url, &[]);
    assert!(said.contains("sends 320x240 H264"), "{said}");
    let said = publisher.quit();
    assert!(
        !said.contains("engine rtmp") || !said.contains("not there"),
        "{said}"
    );
}

#[test]
fn other_viewers_of_a_sender_notice_nothing_of_an_engine_that_was_restarted() {
    let Some(mut nginx) = Nginx::start() else {
        return;
    };
    let first = sender();
    let (target, url) = (first.target(), nginx.url("", "cam"));
    let mut viewer = Running::start(vidchat().args(["recv", &target, "--display", "none"]));
    viewer.line_with("sends 320x240");
    let mut publisher = Publisher::start(&[&target], &url);
    publisher.is_live();
    let player = Player::start(&url, &[]);
    player.shows_frames();

    nginx.kill();
    publisher.process.line_with("; connecting again");
    player.shows_nothing();
    nginx.run_again();
    publisher.process.line_with("back after");
    publisher.is_live();
    player.shows_frames();

    let port = first.port;
    first.process.signal("INT");
    first.process.wait();
    publisher.process.line_with("sender 127.0.0.1");
    let _second = sender_on(port);
    publisher.process.line_with("connected again after");
    publisher.is_live();
    player.shows_frames();
    player.quit();
    let said = publisher.quit();
    assert_eq!(
        said.matches("engine rtmp").count(),
        3,
        "begun, lost, back: {said}"
    );
    viewer.signal("INT");
    let ended = viewer.wait();
    let losses = ended.stderr.matches("lost:").count();
    assert_eq!(losses, 1, "that of the sender alone: {}", ended.stderr);
}

#[test]
fn an_own_file_publishes_and_plays() {
    let Some(nginx) = Nginx::start() else { return };
    let url = nginx.url("", "cam");
    let (_out, out) = written_pipeline(
        "# Mine.\nappsrc name=frames ! ${h264} ! flvmux streamable=true ! rtmp2sink location=${url}\n",
    );
    let (_in, back) = written_pipeline(
        "# Mine.\nrtmp2src location=${url} ! flvdemux ! h264parse ! appsink name=frames\n",
    );
    let publisher = Publisher::start(&["--pipeline", "test-h264", "--file", &out], &url);
    publisher.is_live();
    let folder = tempfile::tempdir().unwrap();
    let shown = folder.path().join("frames");
    let sink = format!(
        "# Keeps.\nappsrc name=frames ! ${{decode}} ! videoconvert ! video/x-raw,format=GRAY8 \
         ! filesink location={}\n",
        shown.display()
    );
    let (_sink, sink) = written_pipeline(&sink);
    let args = [
        "recv",
        &url,
        "--file",
        &back,
        "--pipeline",
        &sink,
        "--frames",
        "10",
    ];
    let ended = run_vidchat(args);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let pixels = fs::read(shown).unwrap();
    assert!(pixels.len() >= 9 * 320 * 240, "{} bytes", pixels.len());
    // The bars of the test picture.
    let levels: std::collections::BTreeSet<u8> =
        pixels[..320].iter().map(|level| level / 16).collect();
    assert!(levels.len() >= 5, "{levels:?}");
    publisher.quit();
}
