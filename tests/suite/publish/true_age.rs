//! The age that is shown behind an engine is the age since the camera: the frames carry the time in
//! their pixels too, and both are compared.

use std::process::Command;

use super::{Player, Publisher};
use crate::support::engines::{Nginx, RtspServer, SrtRelay, free_even_port};
#[cfg(target_os = "linux")]
use crate::support::lan::Lan;
use crate::support::stamped_frames::{StampedPlayer, StampedSender};
use crate::support::{Sender, in_one_try, skipped, vidchat, written_pipeline};

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
        let is_true = ages.since == "camera" && ages.younger.abs() <= TOLERANCE;
        is_true.then_some(()).ok_or(format!("{ages:?}"))
    });
}

/// A command that plays what is at `from`.
pub fn recv(from: &str) -> Command {
    let mut command = vidchat();
    command.args(["recv", from]);
    command
}

/// Publishes stamped frames to `to`, and plays them from `from`, each command changed to be run in
/// its place.
fn is_told_behind(
    name: &str,
    [to, from]: [&str; 2],
    [here, there]: [&dyn Fn(Command) -> Command; 2],
) {
    let sender = StampedSender::start(here);
    is_told_of(&sender, name, [to, from], [here, there]);
}

/// The same for the frames of `sender`.
fn is_told_of(
    sender: &StampedSender,
    name: &str,
    [to, from]: [&str; 2],
    [here, there]: [&dyn Fn(Command) -> Command; 2],
) {
    let mut publish = vidchat();
    publish.args(["publish", &sender.target(), "--to", to]);
    let publisher = Publisher::start_as(publish, here);
    publisher.is_live();
    let player = StampedPlayer::start(there(recv(from)));
    tells_the_true_age(name, &player, here(recv(&sender.target())));
    publisher.quit();
}

/// A command in its place where that is this machine.
pub fn on_this_machine(command: Command) -> Command {
    command
}

#[test]
fn the_age_behind_nginx_is_that_since_the_camera() {
    let Some(nginx) = Nginx::start() else { return };
    let url = nginx.url("", "cam");
    is_told_behind("rtmp", [&url; 2], [&on_this_machine; 2]);
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
        let name = format!("rtmp, encoded from {name}");
        is_told_of(&sender, &name, [&url; 2], [&on_this_machine; 2]);
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

#[test]
fn the_age_behind_a_cluster_of_nginx_is_that_since_the_camera() {
    let Some(edge) = Nginx::start() else { return };
    let Some(origin) = Nginx::pushing_to(&edge) else {
        return;
    };
    let urls = [origin.url("", "cam"), edge.url("", "cam")];
    let [to, from] = &urls;
    is_told_behind("rtmp, two servers", [to, from], [&on_this_machine; 2]);
}

#[test]
fn the_age_behind_a_relay_of_srt_is_that_since_the_camera() {
    let Some(relay) = SrtRelay::start() else {
        return;
    };
    let [to, from] = relay.urls();
    is_told_behind("srt", [&to, &from], [&on_this_machine; 2]);
}

#[test]
fn the_age_behind_an_rtsp_server_is_that_since_the_camera() {
    let Some(server) = RtspServer::start() else {
        return;
    };
    let [to, from] = server.urls();
    is_told_behind("rtsp", [&to, &from], [&on_this_machine; 2]);
}

#[test]
fn the_age_behind_srt_without_a_relay_is_that_since_the_camera() {
    if gstreamer::init().is_ok() && gstreamer::ElementFactory::find("srtsink").is_none() {
        return skipped("there is no srtsink");
    }
    let url = format!("srt://127.0.0.1:{}", free_even_port());
    let listening = format!("{url}?mode=listener");
    is_told_behind("srt, no relay", [&listening, &url], [&on_this_machine; 2]);
}

#[test]
fn the_age_behind_rtp_is_that_since_the_camera() {
    let url = format!("rtp://127.0.0.1:{}", free_even_port());
    is_told_behind("rtp", [&url; 2], [&on_this_machine; 2]);
}

#[test]
#[cfg(target_os = "linux")]
fn the_age_behind_multicast_is_that_since_the_camera() {
    let Some(lan) = Lan::start(2) else { return };
    let hosts = [lan.host(0), lan.host(1)];
    for host in hosts {
        host.ip("route add 224.0.0.0/4 dev lan");
    }
    let [here, there] = hosts.map(|host| move |command: Command| host.command(&command));
    is_told_behind("multicast", ["rtp://239.77.1.2:5004"; 2], [&here, &there]);
}
