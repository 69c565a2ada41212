//! The age that is shown behind an engine is the age since the camera: the frames carry the time in
//! their pixels too, and both are compared.

use std::process::Command;

use super::{Player, Publisher};
use crate::support::engines::Nginx;
use crate::support::stamped_frames::{Ages, StampedPlayer, StampedSender};
use crate::support::{Sender, in_one_try, vidchat, written_pipeline};

/// What the shown age may differ by from the true one, in milliseconds. The pipes between the test
/// and the program are in the true one alone.
const TOLERANCE: f64 = 5.0;
/// How many seconds are compared.
const WATCHED: usize = 5;

/// The player's receiver tells the age since the camera, and it is the true one. Prints both, beside
/// those of `plain`, a receiver that the same sender has without an engine.
pub fn tells_the_true_age(name: &str, player: &StampedPlayer, plain: Command) {
    let plain = StampedPlayer::start(plain);
    in_one_try(|| {
        let ages = player.watch(WATCHED);
        let beside = plain.watch(1);
        eprintln!(
            "AGE {name}: p50 {:.1} p95 {:.1} ms, told {:.1} ms less, first frame after {:.0} ms; \
             without an engine: p50 {:.1} p95 {:.1} ms",
            ages.p50,
            ages.p95,
            ages.younger,
            player.first.as_secs_f64() * 1e3,
            beside.p50,
            beside.p95
        );
        is_true(&ages)
    });
}

/// It tells that age after something on the way was restarted too.
pub fn still_tells_the_true_age(player: &StampedPlayer) {
    in_one_try(|| is_true(&player.watch(1)));
}

fn is_true(ages: &Ages) -> Result<(), String> {
    let is_true = ages.since == "camera" && ages.younger.abs() <= TOLERANCE;
    is_true.then_some(()).ok_or(format!("{ages:?}"))
}

/// A command that plays what is at `from`.
pub fn recv(from: &str) -> Command {
    let mut command = vidchat();
    command.args(["recv", from]);
    command
}

/// A command in its place where that is this machine.
pub fn on_this_machine(command: Command) -> Command {
    command
}

#[test]
fn the_age_of_frames_that_the_publisher_encodes_is_that_since_the_camera() {
    let Some(nginx) = Nginx::start() else { return };
    for (name, encoder) in [
        ("raw", ""),
        ("jpeg", "! jpegenc\n"),
        (
            "vp8",
            "! vp8enc deadline=1 cpu-used=8 target-bitrate=600000\n",
        ),
    ] {
        let sender = StampedSender::start_with(encoder, on_this_machine);
        let url = nginx.url("", name);
        let publisher = Publisher::start(&[&sender.target()], &url);
        publisher.is_live();
        let player = StampedPlayer::start(recv(&url));
        let name = format!("rtmp, encoded from {name}");
        tells_the_true_age(&name, &player, recv(&sender.target()));
        publisher.quit();
    }
}

#[test]
fn the_age_of_frames_that_a_sender_has_decoded_is_that_since_the_camera() {
    let Some(nginx) = Nginx::start() else { return };
    let url = nginx.url("", "cam");
    let sender = StampedSender::start(on_this_machine);
    let publisher = Publisher::start(&[&sender.target()], &url);
    publisher.is_live();
    let decoding = |elements: &str| {
        let text = format!("# Decodes.\n{elements} ! videoconvert ! appsink name=frames\n");
        let (folder, file) = written_pipeline(&text);
        let mut send = vidchat();
        send.args(["send", "--bind", "127.0.0.1", "--port", "0", "--no-preview"]);
        send.args(["--no-announce", "--pipeline", &file]);
        (Sender::start_as(&mut send), folder)
    };
    let elements = format!("rtmp2src location={url} ! flvdemux ! h264parse ! avdec_h264");
    let (again, _folder) = decoding(&elements);
    let player = StampedPlayer::start(recv(&again.target()));
    let plain = recv(&sender.target());
    tells_the_true_age("rtmp, decoded by a sender", &player, plain);
    // Its decoder comes once it knows the codec.
    let (again, _folder) = decoding(&format!("uridecodebin uri={url}"));
    let player = Player::start(&again.target(), &[]);
    player.stats.line("the age since the camera", |line| {
        line["shown"].as_u64() > Some(0) && line["age_since"] == "camera"
    });
    publisher.quit();
}
