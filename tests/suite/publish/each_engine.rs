//! Each engine from end to end: the age that is shown behind it is the true one, a player that comes
//! late has a frame soon, and each part of the way may be restarted.

use std::process::Command;
use std::time::Duration;

use super::Publisher;
use super::true_age::{recv, still_tells_the_true_age, tells_the_true_age};
use crate::support::built_engines::BuiltEngine;
use crate::support::engines::{Nginx, RtspServer, SrtRelay, free_even_port};
#[cfg(target_os = "linux")]
use crate::support::lan::Lan;
use crate::support::stamped_frames::{StampedPlayer, StampedSender};
use crate::support::{in_one_try, skipped, vidchat};

/// How long a player may be without a frame, from the start of its process.
const SOON: Duration = Duration::from_millis(1_500);
/// Players that come late, one after the other: one alone may be lucky, and come right before a key
/// frame.
const LATE: usize = 3;
/// The signals of a crash, and of a person who ends a program.
const ENDINGS: [&str; 2] = ["KILL", "INT"];

/// The part of the way that is between a publisher and its players.
trait Engine {
    /// How many players it serves at the same time.
    const PLAYERS: usize = 2;
    /// Whether the publisher says that it was killed, and that it is back.
    const IS_MISSED: bool = false;

    /// A command that publishes the frames of the sender at `target`.
    fn publisher(&self, target: &str) -> Command;

    /// A command that plays them.
    fn player(&self) -> Command;

    /// A command of the sender's side, on its machine.
    fn here(&self, command: Command) -> Command {
        command
    }

    /// A command of the player of this number, on its machine.
    fn there(&self, _number: usize, command: Command) -> Command {
        command
    }

    /// Kills it, as a crash would. Some are no process.
    fn kill(&mut self) {}

    /// Runs it again.
    fn run(&mut self) {}
}

/// Takes stamped frames through `engine` to its players, of whom the last comes late, and restarts each
/// part of the way in turn.
fn passes<E: Engine>(name: &str, mut engine: E) {
    let play = |engine: &E, number| {
        let command = engine.player();
        StampedPlayer::start(engine.there(number, command))
    };
    let publish = |engine: &E, target: &str| {
        let command = engine.publisher(target);
        let publisher = Publisher::start_as(command, |command| engine.here(command));
        publisher.is_live();
        publisher
    };
    let mut sender = StampedSender::start(|command| engine.here(command));
    let target = sender.target();
    let mut publisher = publish(&engine, &target);
    let last = E::PLAYERS - 1;
    let mut players: Vec<_> = (0..last).map(|number| play(&engine, number)).collect();
    let comes_late = |_| {
        let late = play(&engine, last);
        let first = late.first;
        late.end("INT");
        first
    };
    in_one_try(|| {
        let longest = (0..LATE).map(comes_late).max();
        let is_soon = longest <= Some(SOON);
        is_soon.then_some(()).ok_or(format!("{longest:?}"))
    });
    players.push(play(&engine, last));
    tells_the_true_age(name, &players[last], engine.here(recv(&target)));
    let goes_on = |restarted: &str, publisher: &Publisher, players: &[StampedPlayer]| {
        eprintln!("{name}: started again: {restarted}");
        publisher.is_live();
        for player in players {
            player.shows_new_frames();
        }
        still_tells_the_true_age(&players[last]);
    };

    engine.kill();
    if E::IS_MISSED {
        publisher.process.line_with("; connecting again");
    }
    engine.run();
    if E::IS_MISSED {
        publisher.process.line_with("back after");
    }
    goes_on("the engine", &publisher, &players);
    for ending in ENDINGS {
        sender = sender.restarted(ending, |command| engine.here(command));
        goes_on("the sender", &publisher, &players);
    }
    for ending in ENDINGS {
        publisher.end(ending);
        publisher = publish(&engine, &target);
        goes_on("the publisher", &publisher, &players);
    }
    for ending in ENDINGS {
        for number in 0..E::PLAYERS {
            players.remove(0).end(ending);
            players.push(play(&engine, number));
        }
        goes_on("each player", &publisher, &players);
    }
    publisher.quit();
}

/// A `vidchat publish` to `url` of the frames at `target`.
fn publish(target: &str, url: &str) -> Command {
    let mut command = vidchat();
    command.args(["publish", target, "--to", url]);
    command
}

impl Engine for Nginx {
    const IS_MISSED: bool = true;

    fn publisher(&self, target: &str) -> Command {
        publish(target, &self.url("", "cam"))
    }

    fn player(&self) -> Command {
        recv(&self.url("", "cam"))
    }

    fn kill(&mut self) {
        Nginx::kill(self);
    }

    fn run(&mut self) {
        self.run_again();
    }
}

/// Two servers, of which the first pushes each stream to the second.
struct Cluster {
    origin: Nginx,
    edge: Nginx,
}

impl Engine for Cluster {
    const IS_MISSED: bool = true;

    fn publisher(&self, target: &str) -> Command {
        self.origin.publisher(target)
    }

    fn player(&self) -> Command {
        self.edge.player()
    }

    fn kill(&mut self) {
        self.origin.kill();
        self.edge.kill();
    }

    fn run(&mut self) {
        self.edge.run_again();
        self.origin.run_again();
    }
}

impl Engine for SrtRelay {
    const PLAYERS: usize = 1;
    const IS_MISSED: bool = true;

    fn publisher(&self, target: &str) -> Command {
        publish(target, &self.urls()[0])
    }

    fn player(&self) -> Command {
        recv(&self.urls()[1])
    }

    fn kill(&mut self) {
        SrtRelay::kill(self);
    }

    fn run(&mut self) {
        SrtRelay::run(self);
    }
}

impl Engine for RtspServer {
    const IS_MISSED: bool = true;

    fn publisher(&self, target: &str) -> Command {
        publish(target, &self.urls()[0])
    }

    fn player(&self) -> Command {
        recv(&self.urls()[1])
    }

    fn kill(&mut self) {
        RtspServer::kill(self);
    }

    fn run(&mut self) {
        RtspServer::run(self);
    }
}

impl Engine for BuiltEngine {
    fn publisher(&self, target: &str) -> Command {
        BuiltEngine::publisher(self, target)
    }

    fn player(&self) -> Command {
        BuiltEngine::player(self)
    }

    fn kill(&mut self) {
        BuiltEngine::kill(self);
    }

    fn run(&mut self) {
        BuiltEngine::run(self);
    }
}

/// No server: players connect to the publisher, which listens at this URL.
struct SrtAlone(String);

impl Engine for SrtAlone {
    fn publisher(&self, target: &str) -> Command {
        publish(target, &format!("{}?mode=listener", self.0))
    }

    fn player(&self) -> Command {
        recv(&self.0)
    }
}

/// No server: the packets go to one player at this URL.
struct Unicast(String);

impl Engine for Unicast {
    const PLAYERS: usize = 1;

    fn publisher(&self, target: &str) -> Command {
        publish(target, &self.0)
    }

    fn player(&self) -> Command {
        recv(&self.0)
    }
}

/// No server: the packets go to a group, of which two other machines are members.
#[cfg(target_os = "linux")]
struct Multicast(Lan);

#[cfg(target_os = "linux")]
impl Multicast {
    const URL: &'static str = "rtp://239.77.1.2:5004";
}

#[cfg(target_os = "linux")]
impl Engine for Multicast {
    fn publisher(&self, target: &str) -> Command {
        publish(target, Self::URL)
    }

    fn player(&self) -> Command {
        recv(Self::URL)
    }

    fn here(&self, command: Command) -> Command {
        self.0.host(0).command(&command)
    }

    fn there(&self, number: usize, command: Command) -> Command {
        self.0.host(number + 1).command(&command)
    }
}

#[test]
fn each_part_of_a_way_through_nginx_may_be_restarted() {
    let Some(nginx) = Nginx::start() else { return };
    passes("rtmp", nginx);
}

#[test]
fn each_part_of_a_way_through_a_cluster_of_nginx_may_be_restarted() {
    let Some(edge) = Nginx::start() else { return };
    let Some(origin) = Nginx::pushing_to(&edge) else {
        return;
    };
    passes("rtmp, two servers", Cluster { origin, edge });
}

#[test]
fn each_part_of_a_way_through_a_relay_of_srt_may_be_restarted() {
    let Some(relay) = SrtRelay::start() else {
        return;
    };
    passes("srt", relay);
}

#[test]
fn each_part_of_a_way_by_srt_without_a_relay_may_be_restarted() {
    if gstreamer::init().is_ok() && gstreamer::ElementFactory::find("srtsink").is_none() {
        return skipped("there is no srtsink");
    }
    let url = format!("srt://127.0.0.1:{}", free_even_port());
    passes("srt, no relay", SrtAlone(url));
}

#[test]
fn each_part_of_a_way_through_an_rtsp_server_may_be_restarted() {
    let Some(server) = RtspServer::start() else {
        return;
    };
    passes("rtsp", server);
}

#[test]
fn each_part_of_a_way_through_xiu_may_be_restarted() {
    let Some(xiu) = BuiltEngine::xiu() else {
        return;
    };
    passes("rtsp, xiu", xiu);
}

#[test]
fn each_part_of_a_way_through_two_relays_of_media_over_quic_may_be_restarted() {
    let Some(relays) = BuiltEngine::moq() else {
        return;
    };
    passes("moq", relays);
}

#[test]
fn each_part_of_a_way_through_two_routers_of_zenoh_may_be_restarted() {
    let Some(routers) = BuiltEngine::zenoh() else {
        return;
    };
    passes("zenoh", routers);
}

#[test]
fn each_part_of_a_way_by_rtp_may_be_restarted() {
    let url = format!("rtp://127.0.0.1:{}", free_even_port());
    passes("rtp", Unicast(url));
}

#[test]
#[cfg(target_os = "linux")]
fn each_part_of_a_way_by_multicast_may_be_restarted() {
    let Some(lan) = Lan::start(3) else { return };
    for number in 0..3 {
        lan.host(number).ip("route add 224.0.0.0/4 dev lan");
    }
    passes("multicast", Multicast(lan));
}
