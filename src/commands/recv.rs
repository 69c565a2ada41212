//! `vidchat recv`: a connection on one side, a window on the other.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::info;

use crate::cli::{Display, RecvArgs};
use crate::console;
use crate::frame::FrameHeader;
use crate::media::player::{Picture, PlayerEvent, PlayerOptions};
use crate::media::{self, Direction, Player, Recipe, Values, terminal, window};
use crate::net::client::{PlayError, PlayOptions, Traffic};
use crate::net::{self, Connection, Sink, Target};
use crate::report::{Failure, Outcome, Status, describe};
use crate::wire::{Caps, WireError};

use super::quit::Quit;

/// How often the status line is written anew.
const STATUS_INTERVAL: Duration = Duration::from_millis(500);

/// What to watch, and how.
pub struct RecvOptions {
    pub target: Target,
    pub recipe: Recipe,
    pub values: Values,
    pub play: PlayOptions,
    /// After how many pictures to end.
    pub frames: Option<u64>,
}

/// Shows a sender's video until the person asks for the end or the video is lost.
pub async fn run(args: RecvArgs) -> Outcome {
    let target = args.target.with_port(args.port);
    let play = PlayOptions {
        wire: args.wire,
        bare_caps: args.caps,
        max_frame: args.max_frame,
        name: super::own_name(),
    };
    // GStreamer starts while the connection is made.
    let (started, connection) = tokio::join!(
        tokio::task::spawn_blocking(media::init),
        net::connect(&target, &play)
    );
    let connection = connection.map_err(|e| cannot_connect(&target, &e))?;
    started.unwrap_or_else(|e| Err(Failure::start("cannot start GStreamer").cause(e)))?;
    let recipe = recipe(args.pipeline.pipeline.as_deref(), args.display)?;
    let values = super::values(args.pipeline.settings);
    values.check(&recipe)?;
    let options = RecvOptions {
        target,
        recipe,
        values,
        play,
        frames: args.frames,
    };
    let mut quit = Quit::listen()?;
    watch(connection, options, async move { quit.asked().await }).await
}

/// The receiving pipeline that was asked for, or that fits this machine.
pub fn recipe(name: Option<&str>, display: Display) -> Outcome<Recipe> {
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
    Recipe::find(Direction::Recv, name)
}

/// Shows what comes over `connection` until `quit` completes, enough pictures were shown, or no more
/// come.
pub async fn watch(
    connection: Connection,
    options: RecvOptions,
    quit: impl Future<Output = ()>,
) -> Outcome {
    let (events, mut heard) = mpsc::unbounded_channel();
    let (form, shown_form) = watch::channel(None);
    let traffic = Traffic::default();
    let mut screen = Screen {
        options: &options,
        events,
        form,
        player: None,
        shown: Arc::default(),
    };
    let shown = Arc::clone(&screen.shown);
    let ending = {
        let playing = net::play(connection, &options.play, &traffic, &mut screen);
        tokio::pin!(playing, quit);
        let mut meter = Meter::new();
        let mut ticks = interval(STATUS_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut quit => break Ok(()),
                error = &mut playing => {
                    let started = shown_form.borrow().is_some();
                    break Err(lost(&options.target, started, error));
                }
                Some(event) = heard.recv() => break match event {
                    PlayerEvent::Quit | PlayerEvent::Enough | PlayerEvent::Ended => Ok(()),
                    PlayerEvent::Failed(failure) => Err(failure),
                },
                _ = ticks.tick() => {
                    let form = shown_form.borrow().clone();
                    if let Some(form) = form {
                        console::status(&meter.line(&form, &traffic, &shown));
                    }
                }
            }
        }
    };
    if let Some(player) = &mut screen.player {
        player.finish();
    }
    // The sender may close right behind the last picture that was asked for.
    match options.frames {
        Some(enough) if shown.load(Relaxed) >= enough => Ok(()),
        _ => ending,
    }
}

/// Takes frames from the network to a player, which is made when the sender has said its name.
struct Screen<'a> {
    options: &'a RecvOptions,
    events: mpsc::UnboundedSender<PlayerEvent>,
    form: watch::Sender<Option<Caps>>,
    shown: Arc<AtomicU64>,
    player: Option<Player>,
}

impl Sink for Screen<'_> {
    type Buffer = Picture;

    fn hello(&mut self, name: &str) {
        let from = match name {
            "" => self.options.target.to_string(),
            name => name.to_owned(),
        };
        info!("sender {}: connected to {from:?}", self.options.target);
        let options = PlayerOptions {
            recipe: self.options.recipe.clone(),
            values: self.options.values.clone(),
            title: format!("RECEIVING VIDEO from {from}"),
            enough: self.options.frames,
            shown: Arc::clone(&self.shown),
            taken: None,
        };
        self.player = Some(Player::new(options, self.events.clone()));
    }

    fn caps(&mut self, caps: &Caps) -> Outcome {
        if let Some(player) = &mut self.player {
            info!("sender {}: sends {}", self.options.target, caps.describe());
            player.set_caps(caps)?;
            self.form.send_replace(Some(caps.clone()));
        }
        Ok(())
    }

    fn buffer(&mut self, length: usize) -> Outcome<Picture> {
        match &self.player {
            Some(player) => player.buffer(length),
            None => Err(Failure::lost("cannot show a picture").cause("there was no hello")),
        }
    }

    fn frame(&mut self, header: &FrameHeader, picture: Picture) -> Outcome {
        if let Some(player) = &self.player {
            player.show(header, picture);
        }
        Ok(())
    }
}

/// What the status line says, from what was counted since it last did.
struct Meter {
    since: Instant,
    bytes: u64,
    shown: u64,
}

impl Meter {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            bytes: 0,
            shown: 0,
        }
    }

    fn line(&mut self, form: &Caps, traffic: &Traffic, shown: &AtomicU64) -> String {
        let seconds = self.since.elapsed().as_secs_f64().max(0.001);
        let (bytes, shown) = (traffic.bytes.load(Relaxed), shown.load(Relaxed));
        let megabits = (bytes - self.bytes) as f64 * 8.0 / 1e6 / seconds;
        let fps = (shown - self.shown) as f64 / seconds;
        (self.since, self.bytes, self.shown) = (Instant::now(), bytes, shown);
        format!(
            "{}  {fps:.1} frames/s  {megabits:.1} Mbit/s  {} skipped  (q quits)",
            form.describe(),
            traffic.skipped.load(Relaxed)
        )
    }
}

/// Why there is no connection, and what to do about it.
fn cannot_connect(target: &Target, error: &io::Error) -> Failure {
    let (host, port) = target.parts();
    let failure = Failure::start(format!("cannot connect to \"{target}\""));
    match error.kind() {
        io::ErrorKind::ConnectionRefused => failure
            .cause(format!("nothing listens at port {port} there"))
            .hint(format!(
                "start vidchat send on {host:?}, or give the port that it prints"
            )),
        io::ErrorKind::TimedOut => failure.cause("no answer").hint(format!(
            "is {host:?} on, and does its firewall let port {port} through?"
        )),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => failure
            .cause(describe(error))
            .hint("are both machines on the same network? vidchat send prints its addresses"),
        // What the resolver says differs from system to system, and so does its error's kind.
        _ if error.raw_os_error().is_none() => failure
            .cause("there is no machine of that name")
            .hint("vidchat send prints its addresses: type one of those"),
        _ => failure.cause(describe(error)),
    }
}

/// What it means that no more frames come.
fn lost(target: &Target, started: bool, error: PlayError) -> Failure {
    let status = if started { Status::Lost } else { Status::Start };
    let (host, _) = target.parts();
    match error {
        PlayError::Sink(failure) => failure.with_status(status),
        PlayError::Bye(reason) => {
            Failure::new(status, format!("the video from \"{target}\" ended")).cause(reason)
        }
        PlayError::Wire(WireError::Foreign(_)) | PlayError::Silent(_) => {
            Failure::new(status, format!("\"{target}\" is not a vidchat sender"))
                .cause(error)
                .hint(format!("vidchat send on {host:?} prints what to type here"))
        }
        PlayError::Wire(WireError::Pickle(e)) => {
            Failure::new(status, format!("\"{target}\" sent a pickle that {e}"))
                .cause("refused")
                .hint("Python's pickle.loads would run what such a message names; vidchat does not")
        }
        PlayError::Wire(WireError::FrameBeforeCaps) => {
            Failure::new(status, format!("cannot show the video from \"{target}\""))
                .cause("it does not say what form its frames have")
                .hint("give the --caps that the sender prints, beside --wire bare")
        }
        PlayError::Wire(_) | PlayError::Slow(_) => {
            Failure::new(status, format!("the video from \"{target}\" is not valid")).cause(error)
        }
        PlayError::Io(_) | PlayError::Closed => {
            Failure::new(status, format!("lost the connection to \"{target}\""))
                .cause(error)
                .hint(format!("vidchat recv {target} connects again"))
        }
    }
}
