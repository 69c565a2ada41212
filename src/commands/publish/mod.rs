//! `vidchat publish`: into an engine that others run, the frames of a sender or of a source of this
//! machine.
//!
//! The frames of a sender come over `recv`, those of a source over `send` without its sockets. Either
//! way they reach one hub, and `engine` takes them from there.

pub mod engine;
pub mod link_meter;
pub mod monitor;
pub mod status;

use std::sync::Arc;

use tokio::time::timeout;

use self::engine::{Engine, EngineOptions};
use self::status::Reporter;
use super::engine_link::EngineLink;
use super::host_name::host_name;
use super::quit::Quit;
use super::recv::connector::{Connector, SenderPlace};
use super::recv::first::first_connection;
use super::recv::options::RecvOptions;
use super::recv::session::{self, Frames};
use super::recv::{self, Sender};
use super::secrets::{self, CodeOf};
use super::send::broadcast::{Broadcast, CLOSING};
use super::send::{PickleContent, SendOptions};
use super::settings;
use super::stats_writer::StatsWriter;
use crate::cli::PublishArgs;
use crate::engine_url::EngineUrl;
use crate::failure::{Failure, Invalid, Outcome};
use crate::media::pipeline::catalog;
use crate::media::{self, Direction, PipelineFile, Values};
use crate::net::receiver::ReceiveOptions;
use crate::net::sender::ServerOptions;
use crate::net::{Connection, Hub, Service};
use crate::wire::Caps;

/// Caps with which a publishing pipeline is tried before the first frame.
const SAMPLE: &str = "video/x-h264, stream-format=byte-stream, alignment=au, width=320, \
    height=240, framerate=30/1";

/// Publishes until the person ends it, or the frames end.
///
/// # Errors
/// The failure to be printed: it could not start, or the frames were lost.
pub async fn run(args: PublishArgs) -> Outcome {
    let url: EngineUrl = args.to.parse().map_err(|invalid: Invalid| {
        let failure = Failure::usage("the URL of --to is not valid");
        invalid.explain(failure, "--to ")
    })?;
    check_flags(&args)?;
    let file = catalog::find_for_engine(Direction::Recv, url.clone(), args.file.as_deref())?;
    let source = args.pipeline.pipeline.as_deref();
    let source = source
        .map(|name| catalog::find(Direction::Send, name))
        .transpose()?;
    let (for_source, for_engine) = match &source {
        Some(source) => settings::split(args.pipeline.settings, source)?,
        None => (Vec::new(), args.pipeline.settings),
    };
    let values = settings::values(for_engine);
    values.check(&file)?;
    let stats = StatsWriter::open(&args.stats)?;
    let mut secret = secrets::secret(&args.key, args.code.map(Some), CodeOf::There)?;
    let source = match source {
        Some(file) => {
            let values = settings::of_source(for_source, args.width, args.camera)?;
            values.check(&file)?;
            Some((file, values))
        }
        None => None,
    };
    // A missing element is told before anybody is connected to.
    let sample = Caps::parse(SAMPLE).map_err(|e| Failure::start("cannot check").cause(e))?;
    media::init()?;
    engine::check(&file, &values, &sample)?;
    let link = Arc::<EngineLink>::default();
    let engine = EngineOptions {
        url,
        file,
        values,
        link,
    };
    if let Some((file, values)) = source {
        return publish_source(file, values, engine, stats).await;
    }
    let sender = recv::sender(args.target, false, args.port, &mut secret).await?;
    let Sender::At(sender) = sender else {
        return Ok(());
    };
    let mut play = ReceiveOptions {
        secret,
        name: host_name(),
        max_latency: args.max_latency,
        ..ReceiveOptions::default()
    };
    let place = SenderPlace::Target(sender.target().clone());
    let mut connector = Connector::dial(sender, &play);
    let connection = first_connection(&place, &mut connector, &mut play).await?;
    let receiving = receiving(place, play)?;
    publish_sender(connection, connector, receiving, engine, stats).await
}

/// Refuses flags of a source where the frames are those of a sender.
fn check_flags(args: &PublishArgs) -> Outcome {
    let flags = [
        ("--width", args.width.is_some()),
        ("--fps", args.camera.fps.is_some()),
        ("--device", args.camera.device.is_some()),
    ];
    let given = flags.into_iter().find(|(_, is_given)| *is_given);
    match given {
        Some((flag, _)) if args.pipeline.pipeline.is_none() => Err(Failure::usage(format!(
            "{flag} is for a source of this machine alone"
        ))
        .cause("the sender has chosen its camera")
        .hint(format!(
            "--pipeline camera-h264 {flag} publishes the camera of this machine"
        ))),
        _ => Ok(()),
    }
}

/// A receiver that shows nothing, and passes all frames on.
fn receiving(place: SenderPlace, play: ReceiveOptions) -> Outcome<RecvOptions> {
    Ok(RecvOptions {
        place,
        file: catalog::find(Direction::Recv, "none")?,
        values: Values::default(),
        play,
        frames: None,
        reconnect: true,
        give_up: None,
        has_status_line: false,
        seat: None,
        participants: None,
        forward: None,
        stats: None,
        watch: None,
    })
}

/// Publishes the frames of a sender.
async fn publish_sender(
    connection: Option<Connection>,
    connector: Connector,
    receiving: RecvOptions,
    engine: EngineOptions,
    stats: Option<StatsWriter>,
) -> Outcome {
    let hub = Hub::new();
    let receiving = RecvOptions {
        forward: Some(Arc::clone(&hub)),
        ..receiving
    };
    let onward = Arc::clone(&engine.link);
    let mut quit = Quit::listen()?;
    publish(&hub, engine, stats, async move {
        let quit = async move { quit.asked().await };
        let frames = Frames::OfSender(Box::new((connection, connector)));
        let ending = session::show(frames, receiving, Some(onward), quit).await;
        ending.map_err(Failure::from)
    })
    .await
}

/// Publishes the frames of a source of this machine.
async fn publish_source(
    file: PipelineFile,
    values: Values,
    engine: EngineOptions,
    stats: Option<StatsWriter>,
) -> Outcome {
    let hub = Hub::new();
    let service = Service::new(Arc::clone(&hub), ServerOptions::default());
    let link = Arc::clone(&engine.link);
    let mut broadcast = Broadcast::new(&service, source_options(file, values), None);
    broadcast.follow(link);
    let mut quit = Quit::listen()?;
    let ending = publish(&hub, engine, stats, async {
        let quit = async move { quit.asked().await };
        broadcast.run(quit, || {}).await.map(drop)
    })
    .await;
    broadcast.close().await;
    ending
}

/// The options of a source that is always open, without viewers.
pub(super) fn source_options(file: PipelineFile, values: Values) -> SendOptions {
    SendOptions {
        file,
        values,
        server: ServerOptions::default(),
        pickles: PickleContent::default(),
        preview: Some(false),
        keep_open: true,
        stats: None,
        announced_as: None,
        camera: None,
        watch: None,
    }
}

/// Publishes the frames of `hub`, while `source` puts them there.
async fn publish(
    hub: &Arc<Hub>,
    options: EngineOptions,
    stats: Option<StatsWriter>,
    source: impl Future<Output = Outcome>,
) -> Outcome {
    let (url, link) = (options.url.to_string(), Arc::clone(&options.link));
    let mut engine = Engine::spawn(hub, options);
    let reporter = Reporter {
        engine: url,
        hub: Arc::clone(hub),
        monitor: Arc::clone(engine.monitor()),
        link,
        stats,
    };
    let ending = tokio::select! {
        ending = source => ending,
        failure = engine.failed() => Err(failure),
        () = reporter.run() => Ok(()),
    };
    hub.end("the publisher was stopped");
    // A connection that hangs is left behind.
    let _ = timeout(CLOSING, engine.finish()).await;
    ending
}
