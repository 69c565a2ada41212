//! The options of a sender.

use std::time::Duration;

use crate::cli::{SendArgs, WireChoice};
use crate::commands::file_watch::FileWatch;
use crate::commands::host_name::host_name;
use crate::commands::secrets::{self, CodeOf};
use crate::commands::settings;
use crate::commands::stats_writer::StatsWriter;
use crate::failure::{Failure, Outcome};
use crate::media::pipeline::catalog;
use crate::media::{Direction, PipelineFile, Values};
use crate::net::discovery::name;
use crate::net::secure::Uses;
use crate::net::sender::ServerOptions;
use crate::wire::Dialect;

use super::camera_switch::CameraSwitch;
use super::tutorial_frames::PickleContent;

/// The options of a sender.
pub struct SendOptions {
    pub file: PipelineFile,
    pub values: Values,
    pub server: ServerOptions,
    /// The contents of pickles.
    pub pickles: PickleContent,
    /// Whether to show a preview; `None` where the display decides.
    pub preview: Option<bool>,
    /// Whether the source stays open while nobody watches.
    pub keep_open: bool,
    /// Where statistics go.
    pub stats: Option<StatsWriter>,
    /// The name under which the sender is announced on the local network, if it is.
    pub announced_as: Option<String>,
    /// In a call: whether the camera is to be on.
    pub camera: Option<CameraSwitch>,
    /// Watches the pipeline file: the source changes over to it when it is saved.
    pub watch: Option<FileWatch>,
}

impl SendOptions {
    /// The options that the flags give.
    ///
    /// # Errors
    /// There is no such pipeline, it does not take these values, or a file cannot be used.
    pub fn new(args: SendArgs) -> Outcome<Self> {
        if args.length.is_some() && args.wire.dialect().is_none_or(|d| d == Dialect::Native) {
            return Err(Failure::usage(
                "--length is for --wire pickle, pickle-jpeg and bare alone",
            )
            .cause("vidchat's own protocol has lengths of one kind")
            .hint("leave --length out, or give --wire pickle"));
        }
        let code_of = match args.to {
            Some(_) => CodeOf::There,
            None => CodeOf::Here(Uses::Many),
        };
        let secret = secrets::secret(&args.key, args.code, code_of)?;
        secrets::check_dialect(secret.as_ref(), args.wire)?;
        let pipeline = args.pipeline.pipeline.as_deref().unwrap_or("camera");
        let file = catalog::find(Direction::Send, pipeline)?;
        let values = settings::of_source(args.pipeline.settings, args.width, args.camera)?;
        values.check(&file)?;
        let watch = args.watch.then(|| FileWatch::open(&file)).transpose()?;
        let max_latency = args.max_latency.unwrap_or(Duration::MAX);
        let announced_as = (!args.no_announce).then(|| match args.name {
            Some(name) => name,
            None => name::of_machine(&host_name()),
        });
        Ok(Self {
            announced_as,
            watch,
            file,
            values,
            server: ServerOptions {
                max_viewers: args.max_viewers,
                dialect: args.wire.dialect(),
                length: args.length.unwrap_or_default(),
                name: host_name(),
                secret,
                allowed: args.allow.into(),
                max_latency,
                ..ServerOptions::default()
            },
            pickles: match args.wire {
                WireChoice::PickleJpeg => PickleContent::Jpeg,
                _ => PickleContent::Pixels,
            },
            preview: match (args.preview, args.no_preview) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            },
            keep_open: args.keep_open,
            stats: StatsWriter::open(&args.stats)?,
            camera: None,
        })
    }
}
