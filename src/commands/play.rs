//! `vidchat recv URL`: shows what an engine gives. The source, the hub and the display are those of
//! `send` and `recv`, in one process and without a socket between them.

use std::future::pending;
use std::sync::Arc;

use super::file_watch::FileWatch;
use super::publish::source_options;
use super::quit::Quit;
use super::recv;
use super::recv::connector::SenderPlace;
use super::recv::options::RecvOptions;
use super::recv::session::{self, Frames};
use super::send::broadcast::Broadcast;
use super::settings;
use super::stats_writer::StatsWriter;
use crate::cli::{RecvArgs, WireChoice};
use crate::engine_url::EngineUrl;
use crate::failure::{Failure, Outcome};
use crate::media::pipeline::catalog;
use crate::media::{self, Direction};
use crate::net::receiver::ReceiveOptions;
use crate::net::sender::ServerOptions;
use crate::net::{Hub, Service};

/// Shows the video of the engine at `url` until the person ends it or the video ends.
///
/// # Errors
/// The failure to be printed: it could not start, or the video was lost.
pub async fn run(url: EngineUrl, args: RecvArgs) -> Outcome {
    check_flags(&args)?;
    let label = url.to_string();
    let source = catalog::find_for_engine(Direction::Send, url, args.file.as_deref())?;
    let (for_source, for_display) = settings::split(args.pipeline.settings, &source)?;
    let source_values = settings::values(for_source);
    source_values.check(&source)?;
    media::init()?;
    let file = recv::file(args.pipeline.pipeline.as_deref(), args.display)?;
    let values = settings::values(for_display);
    values.check(&file)?;
    let options = RecvOptions {
        watch: args.watch.then(|| FileWatch::open(&file)).transpose()?,
        place: SenderPlace::Engine(label),
        file,
        values,
        play: ReceiveOptions {
            max_latency: args.max_latency,
            ..ReceiveOptions::default()
        },
        frames: args.frames,
        reconnect: true,
        give_up: None,
        has_status_line: true,
        seat: None,
        participants: None,
        forward: None,
        stats: StatsWriter::open(&args.stats)?,
    };
    let mut quit = Quit::listen()?;
    let hub = Hub::new();
    let service = Service::new(Arc::clone(&hub), ServerOptions::default());
    let mut broadcast = Broadcast::new(&service, source_options(source, source_values), None);
    let showing = session::show(
        Frames::OfSource(Arc::clone(&hub)),
        options,
        None,
        async move {
            quit.asked().await;
        },
    );
    let playing = async {
        let ended = broadcast.run(pending(), || {}).await?;
        // The last frame is shown before the end.
        hub.end(&ended.reason);
        pending::<Outcome>().await
    };
    let ending = tokio::select! {
        ending = showing => ending.map_err(Failure::from),
        failed = playing => failed,
    };
    hub.end("the receiver was stopped");
    broadcast.close().await;
    ending
}

/// Refuses flags that are about the connection to a sender.
fn check_flags(args: &RecvArgs) -> Outcome {
    let flags = [
        ("--port", args.port.is_some()),
        ("--wire", args.wire != WireChoice::Auto),
        ("--caps", args.caps.is_some()),
        ("--length", args.length.is_some()),
        ("--no-reconnect", args.no_reconnect),
        ("--key-file", args.key.key_file.is_some()),
        ("--code", args.code.is_some()),
    ];
    let Some((flag, _)) = flags.into_iter().find(|(_, is_given)| *is_given) else {
        return Ok(());
    };
    Err(Failure::usage(format!(
        "{flag} and the URL of an engine contradict each other"
    ))
    .cause("it is for the connection to a vidchat sender")
    .hint(format!("leave {flag} out")))
}
