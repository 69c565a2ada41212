//! `vidchat recv`: chooses the sender and the display. The loop over connections is in `session`.

pub(crate) mod connector;
pub(crate) mod display;
pub(crate) mod failure;
pub(crate) mod first;
pub(crate) mod latency_advice;
pub(crate) mod options;
pub(crate) mod publisher;
pub(crate) mod session;
pub(crate) mod stats_line;
pub(crate) mod status;

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::cli::{Display, RecvArgs, RecvTarget, WireChoice};
use crate::console;
use crate::failure::{Failure, Outcome, describe};
use crate::media::display::{sink, terminal};
use crate::media::pipeline::catalog;
use crate::media::{self, Direction, PipelineFile};
use crate::net::discovery::{Access, Found, Offers};
use crate::net::receiver::ReceiveOptions;
use crate::net::secure::{Secret, Uses};
use crate::net::{DEFAULT_PORT, Peer, Target};

use self::connector::{Connector, SenderPlace};
use self::first::first_connection;
use self::options::RecvOptions;
use super::file_watch::FileWatch;
use super::find::{self, Choice};
use super::host_name::host_name;
use super::invitation::{exposure, invitation, listen};
use super::quit::Quit;
use super::secrets::{self, CodeOf};
use super::settings;
use super::stats_writer::StatsWriter;

/// How long a connection may wait for GStreamer to start. After three seconds of silence a sender
/// drops a receiver.
const PREPARATION: Duration = Duration::from_millis(2500);

/// Shows a sender's video until the person ends it or the video is lost.
///
/// # Errors
/// The failure to be printed: the receiver could not start, or the video was lost.
pub async fn run(args: RecvArgs) -> Outcome {
    if args.caps.is_some() && args.wire != WireChoice::Bare {
        return Err(Failure::usage("--caps is for --wire bare alone")
            .cause("any other sender says which caps its frames have")
            .hint("leave --caps out"));
    }
    if args.length.is_some() && args.wire != WireChoice::Bare {
        return Err(Failure::usage("--length is for --wire bare alone")
            .cause("any other sender's lengths are found out by its first bytes")
            .hint("leave --length out"));
    }
    if args.file.is_some() {
        return Err(Failure::usage("--file is for the URL of an engine alone")
            .cause("a sender needs no file")
            .hint("leave --file out; --pipeline ./mine.gst says where the frames go"));
    }
    let name = args.pipeline.pipeline.clone();
    let values = settings::values(args.pipeline.settings);
    // Faults on this machine are reported before anything else is tried. A display needs GStreamer.
    if name.is_some() || matches!(args.display, Display::Terminal | Display::None) {
        values.check(&file(name.as_deref(), args.display)?)?;
    }
    let code_of = if args.listen {
        CodeOf::Here(Uses::Many)
    } else {
        CodeOf::There
    };
    let secret = secrets::secret(&args.key, args.code, code_of)?;
    secrets::check_dialect(secret.as_ref(), args.wire)?;
    let mut play = ReceiveOptions {
        secret,
        allowed: args.allow.into(),
        dialect: args.wire.dialect(),
        bare_caps: args.caps,
        bare_length: args.length.unwrap_or_default(),
        max_frame: args.max_frame,
        name: host_name(),
        max_latency: args.max_latency,
        ..ReceiveOptions::default()
    };
    // GStreamer starts while the sender is looked for and connected to.
    let mut prepared = spawn_blocking(move || {
        media::init()?;
        file(name.as_deref(), args.display)
    });
    let sender = sender(
        args.target.and_then(RecvTarget::sender),
        args.listen,
        args.port,
        &mut play.secret,
    )
    .await?;
    secrets::check_dialect(play.secret.as_ref(), args.wire)?;
    let (place, mut connector) = match sender {
        Sender::At(sender) => (
            SenderPlace::Target(sender.target().clone()),
            Connector::dial(sender, &play),
        ),
        Sender::NotWanted => return Ok(()),
        Sender::ToCome => {
            let port = args.port.unwrap_or(DEFAULT_PORT);
            let socket = listen(args.bind, port, "vidchat recv --listen")?;
            let bound = socket
                .local_addr()
                .map_err(|e| Failure::start("cannot listen").cause(describe(&e)))?;
            (
                SenderPlace::Listening(bound),
                Connector::listen(socket, &play),
            )
        }
    };
    let stats = StatsWriter::open(&args.stats)?;
    let mut connection = first_connection(&place, &mut connector, &mut play).await?;
    let in_time = timeout(PREPARATION, &mut prepared).await;
    let file = match in_time {
        Ok(prepared) => prepared,
        Err(_) => {
            // Starting takes many times as long where GStreamer scans its plug-ins again. The
            // sender hears nothing meanwhile, and would take this receiver for dead.
            drop(connection);
            let prepared = prepared.await;
            connection = first_connection(&place, &mut connector, &mut play).await?;
            prepared
        }
    };
    let file = file.unwrap_or_else(|e| Err(Failure::start("cannot start GStreamer").cause(e)))?;
    values.check(&file)?;
    let watched = args.watch.then(|| FileWatch::open(&file)).transpose()?;
    let options = RecvOptions {
        watch: watched,
        place,
        file,
        values,
        play,
        frames: args.frames,
        reconnect: !args.no_reconnect,
        give_up: None,
        has_status_line: true,
        seat: None,
        participants: None,
        forward: None,
        stats,
    };
    let bound = match options.place {
        SenderPlace::Listening(bound) => Some(bound),
        _ => None,
    };
    let secret = options.play.secret.clone().filter(|_| bound.is_some());
    let allowed = options.play.allowed.clone();
    let invite = || {
        if let Some(bound) = bound {
            let flags = secrets::flags(secret.as_ref());
            console::line(&invitation(
                "vidchat send --to",
                "vidchat recv --listen",
                bound,
                &flags,
                exposure("send to it", bound, &allowed, secret.as_ref()),
            ));
        }
    };
    invite();
    let mut quit = Quit::listen()?;
    let watching = session::run(connection, connector, options, async move {
        quit.asked().await;
    });
    tokio::select! {
        ending = watching => ending.map_err(Failure::from),
        never = secrets::keep_code(secret.as_ref(), invite) => match never {},
    }
}

/// The sender that was asked for.
pub(super) enum Sender {
    /// This one.
    At(Peer),
    /// One that connects to this receiver.
    ToCome,
    /// None of those on the network.
    NotWanted,
}

/// The sender at `target`, at `port` where the target names none, or one of those on the network
/// where there is no target. A person is asked for the code that such a one shows.
pub(super) async fn sender(
    target: Option<Target>,
    listens: bool,
    port: Option<u16>,
    secret: &mut Option<Secret>,
) -> Outcome<Sender> {
    if listens {
        return Ok(Sender::ToCome);
    }
    if port == Some(0) {
        let (flag, value) = ("--port", "0");
        return Err(Failure::usage(format!("{flag} {value:?} is not valid"))
            .cause("it takes a whole number from 1 to 65535")
            .hint(format!("--port {DEFAULT_PORT}")));
    }
    if let Some(mut target) = target {
        target.port = target.port.or(port);
        return Ok(Sender::At(Peer::typed(target, Offers::Video)));
    }
    // Without a secret, the person can still get one.
    let own = secret.as_ref().map(|secret| secrets::access(Some(secret)));
    let suits = |theirs: Access| own.is_none_or(|own| theirs.is_like(own));
    match find::choose(Offers::Video, port, &[], suits).await? {
        Choice::One(found) => {
            let peer = Peer::chosen(&found, Offers::Video);
            if secret.is_some() || found.access == Access::Open {
                return Ok(Sender::At(peer));
            }
            *secret = Some(missing_secret(found).await?);
            Ok(Sender::At(peer))
        }
        Choice::Others(others) => Err(find::others(&others)),
        Choice::Nobody(failure) => Err(failure),
        Choice::Quit => Ok(Sender::NotWanted),
    }
}

/// The code of a sender that lets in nobody without its key or code, as the person types it.
///
/// # Errors
/// It has a key, or no code is typed.
async fn missing_secret(sender: Found) -> Outcome<Secret> {
    let needs = match sender.access {
        Access::Key => "the key that it has",
        Access::Code(_) | Access::Open => "the code that it shows",
    };
    let failure = Failure::usage(format!("cannot watch {:?}", sender.name))
        .cause(format!("it lets in nobody without {needs}"))
        .hint(find::command(&sender));
    if sender.access == Access::Key || !console::can_ask() {
        return Err(failure);
    }
    let asked = spawn_blocking(move || secrets::ask_code(&sender.name, "")).await;
    let code = asked.ok().flatten();
    code.map(|code| Secret::code(code, Uses::Many))
        .ok_or(failure)
}

/// The receiving pipeline that was asked for, or the one that fits this machine.
///
/// # Errors
/// There is no such pipeline, or this machine has no display for it.
pub fn file(name: Option<&str>, display: Display) -> Outcome<PipelineFile> {
    let name = match (name, display) {
        (Some(name), _) => name,
        (None, Display::Window) => {
            sink::window()?;
            "window"
        }
        (None, Display::Terminal) => {
            terminal::check()?;
            "terminal"
        }
        (None, Display::None) => "none",
        (None, Display::Auto) => match sink::window() {
            Ok(_) => "window",
            Err(_) if console::can_draw() => "terminal",
            Err(_) if console::is_dumb() => {
                terminal::check()?;
                "terminal"
            }
            Err(failure) => {
                return Err(failure
                    .hint("run it in a terminal to see the video there, or give --display none"));
            }
        },
    };
    catalog::find(Direction::Recv, name)
}
