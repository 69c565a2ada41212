//! `vidchat send`: what to send, to whom, and who is told of the end. What happens until then is
//! in `broadcast`.

pub(crate) mod bgr_converter;
pub(crate) mod bitrate;
pub(crate) mod broadcast;
pub(crate) mod invitation;
pub(crate) mod preview;
pub(crate) mod viewer_monitor;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::cli::SendArgs;
use crate::console;
use crate::failure::{Failure, Outcome, describe};
use crate::media::{self, Direction, PipelineFile, Values};
use crate::net::sender::ServerOptions;
use crate::net::{self, Hub, TcpListener};
use crate::wire::Wire;

use self::bgr_converter::BgrConverter;
use self::broadcast::{Broadcast, CLOSING};
use self::invitation::{invitation, listen};
use super::file_watch::FileWatch;
use super::host_name::host_name;
use super::quit::Quit;
use super::settings;
use super::stats_writer::StatsWriter;

/// What to send, to whom.
pub struct SendOptions {
    pub file: PipelineFile,
    pub values: Values,
    pub server: ServerOptions,
    /// `None`: where there is a display.
    pub preview: Option<bool>,
    /// The source stays open while nobody watches.
    pub keep_open: bool,
    /// Where to write what is measured.
    pub stats: Option<StatsWriter>,
    /// Looks after the pipeline file: the source changes over to it when it is saved.
    pub watch: Option<FileWatch>,
}

/// Sends until the person asks for the end or the source is lost.
pub async fn run(args: SendArgs) -> Outcome {
    let bind = args.bind;
    let port = args.port;
    let preview = match (args.preview, args.no_preview) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let options = options(args, preview)?;
    let listener = listen(bind, port)?;
    media::init()?;
    let mut quit = Quit::listen()?;
    serve(listener, options, Banner::OtherMachine, async move {
        quit.asked().await;
    })
    .await
}

/// Which hint the sender gives once it runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Banner {
    /// What to type on the other machine.
    OtherMachine,
    /// None: the receiver runs already.
    Nothing,
}

/// Sends to those who connect to `listener`, until `quit` completes.
pub async fn serve(
    listener: TcpListener,
    mut options: SendOptions,
    banner: Banner,
    quit: impl Future<Output = ()>,
) -> Outcome {
    let bound = listener
        .local_addr()
        .map_err(|e| Failure::start("cannot listen").cause(describe(&e)))?;
    let wire = options.server.wire;
    let hub = Hub::new();
    let (server_options, translator) = with_tutorial(std::mem::take(&mut options.server), &hub);
    let (stop, stopped) = oneshot::channel::<String>();
    let server = tokio::spawn(net::serve(
        listener,
        Arc::clone(&hub),
        server_options,
        async { stopped.await.unwrap_or_default() },
    ));
    let preview = options.preview;
    let mut broadcast = Broadcast::new(&hub, options, translator);
    let ending = match broadcast.open_preview(preview) {
        Ok(()) => {
            let invite = || {
                if banner == Banner::OtherMachine {
                    console::line(&invitation(bound, wire, hub.caps().as_deref()));
                }
            };
            broadcast.run(quit, invite).await
        }
        Err(failure) => Err(failure),
    };
    // Viewers are told before the source is closed, which may take a while.
    let _ = stop.send(reason(&ending));
    let _ = timeout(CLOSING, server).await;
    broadcast.close().await;
    ending.map(drop)
}

/// What viewers are told of an ending.
fn reason(ending: &Outcome<&'static str>) -> String {
    match ending {
        Ok(reason) => (*reason).to_owned(),
        Err(failure) => format!("the sender failed: {}", failure.summary()),
    }
}

/// Adds what the programs of the tutorial need, where they are to be served.
fn with_tutorial(
    mut options: ServerOptions,
    hub: &Arc<Hub>,
) -> (ServerOptions, Option<BgrConverter>) {
    if options.wire != Wire::Auto {
        return (options, None);
    }
    let bgr = Hub::new();
    let translator = BgrConverter::spawn(hub, &bgr);
    options.tutorial = Some(bgr);
    (options, Some(translator))
}

fn options(args: SendArgs, preview: Option<bool>) -> Outcome<SendOptions> {
    let name = args.pipeline.pipeline.as_deref().unwrap_or("camera");
    let file = PipelineFile::find(Direction::Send, name)?;
    let mut values = settings::values(args.pipeline.settings);
    let short = [
        ("width", args.width.map(|width| width.to_string())),
        ("fps", args.fps.map(|fps| fps.to_string())),
        ("device", args.device),
    ];
    for (name, value) in short {
        if let Some(value) = value {
            values.set(name, value);
        }
    }
    values.check(&file)?;
    let watch = args.watch.then(|| FileWatch::open(&file)).transpose()?;
    Ok(SendOptions {
        watch,
        file,
        values,
        server: ServerOptions {
            max_viewers: args.max_viewers,
            wire: args.wire,
            name: host_name(),
            max_latency: args.max_latency.map_or(Duration::MAX, |milliseconds| {
                Duration::from_millis(u64::from(milliseconds))
            }),
            ..ServerOptions::default()
        },
        preview,
        keep_open: args.keep_open,
        stats: StatsWriter::open(&args.stats)?,
    })
}
