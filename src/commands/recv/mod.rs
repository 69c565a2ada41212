//! `vidchat recv`: what to watch, where to show it, and what a failure means. Watching itself, over
//! one connection after another, is in `session`.

pub(crate) mod display;
pub(crate) mod latency_advice;
pub(crate) mod session;

use std::time::Duration;

use crate::cli::{Display, LONGEST_FRAME, RecvArgs};
use crate::console;
use crate::failure::{Failure, Outcome, Status};
use crate::media::display::terminal;
use crate::media::display::window;
use crate::media::{self, Direction, PipelineFile, Values};
use crate::net::receiver::{ReceiveError, ReceiveOptions};
use crate::net::{self, Target};
use crate::wire::{Bye, ByeCode, Dialect, WireError};

use super::connect_failure::cannot_connect;
use super::file_watch::FileWatch;
use super::quit::Quit;
use super::stats_writer::StatsWriter;

/// What to watch, and how.
pub struct RecvOptions {
    pub target: Target,
    pub file: PipelineFile,
    pub values: Values,
    pub play: ReceiveOptions,
    /// After how many pictures to end.
    pub frames: Option<u64>,
    /// Connect again when the connection is lost.
    pub reconnect: bool,
    /// Where to write what is measured.
    pub stats: Option<StatsWriter>,
    /// Looks after the pipeline file: the window changes over to it when it is saved.
    pub watch: Option<FileWatch>,
}

/// Shows a sender's video until the person asks for the end or the video is lost.
pub async fn run(args: RecvArgs) -> Outcome {
    let target = args.target.with_port(args.port);
    let play = ReceiveOptions {
        dialect: args.wire.dialect(),
        bare_caps: args.caps,
        max_frame: args.max_frame,
        name: super::own_name(),
        max_latency: Duration::from_millis(u64::from(args.max_latency)),
        ..ReceiveOptions::default()
    };
    let stats = StatsWriter::open(&args.stats)?;
    // GStreamer starts while the connection is made.
    let (started, connection) = tokio::join!(
        tokio::task::spawn_blocking(media::init),
        net::connect(&target, &play)
    );
    let connection = connection.map_err(|e| cannot_connect(&target, "vidchat send", &e))?;
    started.unwrap_or_else(|e| Err(Failure::start("cannot start GStreamer").cause(e)))?;
    let file = file(args.pipeline.pipeline.as_deref(), args.display)?;
    let values = super::values(args.pipeline.settings);
    values.check(&file)?;
    let watched = args.watch.then(|| FileWatch::open(&file)).transpose()?;
    let options = RecvOptions {
        watch: watched,
        target,
        file,
        values,
        play,
        frames: args.frames,
        reconnect: !args.no_reconnect,
        stats,
    };
    let mut quit = Quit::listen()?;
    session::watch(connection, options, async move { quit.asked().await }).await
}

/// The receiving pipeline that was asked for, or that fits this machine.
pub fn file(name: Option<&str>, display: Display) -> Outcome<PipelineFile> {
    let name = match (name, display) {
        (Some(name), _) => name,
        (None, Display::Window) => {
            window::sink()?;
            "window"
        }
        (None, Display::Terminal) => {
            terminal::check()?;
            "terminal"
        }
        (None, Display::None) => "none",
        (None, Display::Auto) => match window::sink() {
            Ok(_) => "window",
            Err(_) if console::can_draw() => "terminal",
            Err(failure) => {
                return Err(failure
                    .hint("run it in a terminal to see the video there, or give --display none"));
            }
        },
    };
    PipelineFile::find(Direction::Recv, name)
}

/// What it means that no more frames come. `greeted`: a sender has introduced itself; `started`: the
/// form of its frames was known.
pub fn lost(options: &RecvOptions, greeted: bool, started: bool, error: ReceiveError) -> Failure {
    let target = &options.target;
    let status = if started { Status::Lost } else { Status::Start };
    let (host, _) = target.parts();
    let ask_there = format!("vidchat send on {host:?} prints what to type here");
    match error {
        ReceiveError::Sink(failure) => failure.with_status(status),
        ReceiveError::Bye(ref bye) => {
            Failure::new(status, format!("the video from \"{target}\" ended"))
                .hint(after(bye, host, options.reconnect))
                .cause(&bye.reason)
        }
        ReceiveError::Wire(WireError::Foreign(_)) | ReceiveError::Silent(_) => {
            Failure::new(status, format!("\"{target}\" is not a vidchat sender"))
                .cause(error)
                .hint(ask_there)
        }
        ReceiveError::Wire(WireError::Pickle(e)) => {
            Failure::new(status, format!("\"{target}\" sent a pickle that {e}"))
                .cause("refused")
                .hint("Python's pickle.loads would run what such a message names; vidchat does not")
        }
        ReceiveError::Wire(WireError::FrameBeforeCaps) => {
            Failure::new(status, format!("cannot show the video from \"{target}\""))
                .cause("it does not say what form its frames have")
                .hint("give the --caps that the sender prints, beside --wire bare")
        }
        ReceiveError::Wire(_) | ReceiveError::Slow(_) => {
            Failure::new(status, format!("the video from \"{target}\" is not valid"))
                .hint(against(&error, host, options.play.dialect))
                .cause(error)
        }
        ReceiveError::Io(_) | ReceiveError::Closed | ReceiveError::Dead(_) if greeted => {
            Failure::new(status, format!("lost the connection to \"{target}\""))
                .cause(error)
                .hint(format!("vidchat recv {target} connects again"))
        }
        // Whoever accepts a connection and then drops it at our first word is seldom a sender.
        ReceiveError::Io(_) | ReceiveError::Closed | ReceiveError::Dead(_) => Failure::new(
            status,
            format!("no vidchat sender answered at \"{target}\""),
        )
        .cause(error)
        .hint(format!("another service may be at that port: {ask_there}")),
    }
}

/// What to do after a sender has said goodbye.
fn after(bye: &Bye, host: &str, reconnect: bool) -> String {
    match bye.code {
        Some(ByeCode::Full) => {
            format!("vidchat send --max-viewers 500 on {host:?} has room for more")
        }
        Some(ByeCode::Failed) => format!("look at what vidchat send says on {host:?}"),
        _ if !bye.done && !reconnect => {
            "without --no-reconnect, vidchat recv waits until it is back".into()
        }
        _ => format!("start vidchat send on {host:?} again"),
    }
}

/// What to do where a sender does not keep to the protocol.
fn against(error: &ReceiveError, host: &str, dialect: Option<Dialect>) -> String {
    match error {
        ReceiveError::Wire(WireError::TooLong { length, .. }) if *length <= LONGEST_FRAME => {
            format!("where its pictures are that large: --max-frame {length}")
        }
        ReceiveError::Wire(WireError::NoHello) if dialect == Some(Dialect::Native) => {
            "leave --wire native out to have it found out what the sender speaks".into()
        }
        ReceiveError::Slow(_) => format!("vidchat send --width 160 --fps 5 on {host:?} sends less"),
        _ => format!("compare vidchat --version here and on {host:?}"),
    }
}
