//! Watches one sender, over one connection after another and with one window, until the video ends
//! or the person ends the program.

use std::cell::RefCell;
use std::future::Future;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use super::connector::{Connector, SenderPlace};
use super::display::{Outage, VideoDisplay};
use super::failure;
use super::options::RecvOptions;
use super::publisher::Publisher;
use super::status::{StatusReporter, TICK};
use crate::commands::engine_link::EngineLink;
use crate::commands::file_watch;
use crate::commands::or_never::or_never;
use crate::failure::Failure;
use crate::media::playback::events::PlayerEvent;
use crate::net::backoff::Backoff;
use crate::net::receiver::ReceiveError;
use crate::net::{self, Connection, Hub, Sink, StreamStats, Update};
use crate::wire::{Bye, Loss};

/// How long the last frames wait for a pipeline that is still being built.
const LAST_FRAMES: Duration = Duration::from_secs(3);
/// How often the clock of this machine is looked at, whose times the frames of its sources have.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);

/// Why watching has ended, where no person at this machine has ended it.
#[derive(Debug)]
pub struct SessionEnd {
    /// The failure to be printed.
    pub failure: Failure,
    /// The sender's goodbye, where it said one.
    pub bye: Option<Bye>,
}

impl From<Failure> for SessionEnd {
    fn from(failure: Failure) -> Self {
        Self { failure, bye: None }
    }
}

impl From<SessionEnd> for Failure {
    fn from(end: SessionEnd) -> Self {
        end.failure
    }
}

/// Where the frames are from.
pub enum Frames {
    /// This connection, and those that are made after it.
    OfSender(Box<(Option<Connection>, Connector)>),
    /// A source of this machine, which puts them into this hub.
    OfSource(Arc<Hub>),
}

/// Shows the frames of `connection`, and of the connections that `connector` makes after it. Ends
/// when `quit` completes, enough frames were shown, or no more can come.
///
/// # Errors
/// No more frames can come, or they cannot be shown.
pub async fn run(
    connection: Option<Connection>,
    connector: Connector,
    options: RecvOptions,
    quit: impl Future<Output = ()>,
) -> Result<(), SessionEnd> {
    let frames = Frames::OfSender(Box::new((connection, connector)));
    show(frames, options, None, quit).await
}

/// As [`run`], with frames from anywhere. The sender is told of the link `onward` to an engine, over
/// which they are passed on.
///
/// # Errors
/// As [`run`].
pub async fn show(
    frames: Frames,
    mut options: RecvOptions,
    onward: Option<Arc<EngineLink>>,
    quit: impl Future<Output = ()>,
) -> Result<(), SessionEnd> {
    let (events, mut heard) = mpsc::unbounded_channel();
    let meter = Arc::new(StreamStats::default());
    let mut file_watch = options.watch.take();
    let hub = Hub::new();
    let display = VideoDisplay::new(&options, file_watch.is_some(), &hub, events, &meter);
    let display = RefCell::new(display);
    let mut limit = LAST_FRAMES;
    let (refuse, refused) = mpsc::unbounded_channel();
    let ending = {
        let watched = Watched {
            options: &options,
            meter: &meter,
            hub: &hub,
            display: &display,
            refused,
        };
        let receiving = async {
            match frames {
                Frames::OfSender(connections) => {
                    let (first, mut connector) = *connections;
                    receive(first, &mut connector, watched).await
                }
                Frames::OfSource(source) => take(&source, watched).await,
            }
        };
        tokio::pin!(receiving, quit);
        let mut status = StatusReporter::new(&options, &meter, &display);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut quit => {
                    limit = Duration::ZERO;
                    break Ok(());
                }
                end = &mut receiving => break Err(end),
                Some(event) = heard.recv() => match event {
                    PlayerEvent::Quit => {
                        limit = Duration::ZERO;
                        break Ok(());
                    }
                    PlayerEvent::Enough | PlayerEvent::Ended => break Ok(()),
                    PlayerEvent::NeedKey => hub.want_key(),
                    // The frames of the next sender may do.
                    PlayerEvent::Failed(failure)
                        if failure.is_by_peer() && options.place.is_listening() =>
                    {
                        display.borrow_mut().close();
                        let _ = refuse.send(failure);
                    }
                    PlayerEvent::Failed(failure) => break Err(failure.into()),
                    PlayerEvent::Replaced(place) => {
                        display.borrow_mut().replaced();
                        info!("receiver: changed over to {place}");
                    }
                    PlayerEvent::Kept(failure) => log_kept(&failure),
                    PlayerEvent::Encodes(_) => {}
                },
                // A local viewer needs a key frame, so the sender is asked for one.
                () = hub.key_wanted() => meter.want_key(),
                () = or_never(options.forward.as_ref().map(|hub| hub.key_wanted())) => {
                    meter.want_key();
                }
                saved = file_watch::saved(&mut file_watch) => match saved {
                    Ok(file) => display.borrow_mut().replace(file),
                    Err(failure) => log_kept(&failure),
                },
                _ = ticks.tick() => {
                    if let Some(onward) = &onward {
                        meter.set_onward(onward.carries());
                        if let Some(clock) = meter.sender_clock() {
                            onward.set_clock(clock);
                        }
                    }
                    status.tick();
                }
            }
        }
    };
    hub.end(&match &ending {
        Ok(()) => "the receiver was stopped".to_owned(),
        Err(end) => end.failure.summary(),
    });
    let mut display = display.into_inner();
    if meter.traffic.frames.load(Relaxed) == 0 {
        // No frame waits for the pipeline.
        limit = Duration::ZERO;
    }
    display.finish(limit).await;
    // The sender may close right after the last frame that was wanted.
    match options.frames {
        Some(enough) if display.count() >= enough => Ok(()),
        _ => ending,
    }
}

/// Logs why the pipeline was not replaced.
fn log_kept(failure: &Failure) {
    warn!("receiver: goes on as it was: {}", failure.line());
}

/// The stream of one sender after another, and where it goes.
struct Watched<'r, 'a> {
    options: &'r RecvOptions,
    meter: &'r Arc<StreamStats>,
    hub: &'r Arc<Hub>,
    display: &'r RefCell<VideoDisplay<'a>>,
    /// Failures to show the frames of the connection that there is.
    refused: UnboundedReceiver<Failure>,
}

/// Receives from one connection after another, for ever. Returns only the failure that ended it.
async fn receive(
    first: Option<Connection>,
    connector: &mut Connector,
    watched: Watched<'_, '_>,
) -> SessionEnd {
    let Watched {
        options,
        meter,
        hub,
        display,
        mut refused,
    } = watched;
    let mut publisher = Publisher::new(hub, display, options, meter);
    let mut connection = match first {
        Some(connection) => connection,
        None => {
            let outage = Outage::Reconnecting("no sender has connected".into());
            display.borrow_mut().enter(outage);
            match next(connector, Backoff::after_loss(), options).await {
                Ok(connection) => connection,
                Err(failure) => return failure.into(),
            }
        }
    };
    let mut is_reconnect = false;
    loop {
        let sender = options.place.label(Some(&connection));
        display.borrow_mut().connects(&sender);
        let frames = || meter.traffic.frames.load(Relaxed);
        let before = frames();
        publisher.connected();
        let error = tokio::select! {
            error = net::play(connection, &options.play, meter, &mut publisher) => error,
            // The sender has noticed a loss before this side did.
            () = connector.superseded() => ReceiveError::Closed,
            Some(failure) = refused.recv() => failure.into(),
        };
        // A connection after a loss that brings no frame does not end the loss.
        let brought_nothing = is_reconnect && frames() == before;
        let greeted = display.borrow().greeted();
        // A receiver that listens goes on after any failure of one sender.
        let goes_on =
            options.place.is_listening() || (greeted && is_worth_retrying(&error, brought_nothing));
        if !options.reconnect || !goes_on {
            let started = display.borrow().caps.is_some();
            let bye = match &error {
                ReceiveError::Bye(bye) => Some(bye.clone()),
                _ => None,
            };
            let failure = failure::lost(options, &sender, greeted, started, error);
            return SessionEnd { failure, bye };
        }
        // Local viewers take the last frame before it is dropped.
        tokio::task::yield_now().await;
        for hub in iter::once(hub).chain(&options.forward) {
            hub.lose(Loss::new(error.to_string()));
        }
        // Only the first of several refusals is logged.
        let is_listening = options.place.is_listening();
        let backoff = match (brought_nothing && !is_listening, error) {
            (true, error) => {
                display.borrow_mut().still_disconnected(&error.to_string());
                if let (ReceiveError::Unheard, SenderPlace::Target(target), None) =
                    (&error, &options.place, &options.play.secret)
                    && display.borrow_mut().closes_unheard()
                {
                    warn!("{}", failure::maybe_closed(target));
                }
                match error {
                    ReceiveError::Bye(_) => Backoff::after_refusal(),
                    _ => Backoff::after_failure(),
                }
            }
            (false, error) => {
                display.borrow_mut().disconnected(&error.to_string());
                Backoff::after_loss()
            }
        };
        connection = match next(connector, backoff, options).await {
            Ok(connection) => connection,
            Err(failure) => return failure.into(),
        };
        is_reconnect = true;
    }
}

/// Takes the frames of a source of this machine, until it ends. Returns only the failure that ended
/// it.
async fn take(source: &Arc<Hub>, watched: Watched<'_, '_>) -> SessionEnd {
    let Watched {
        options,
        meter,
        hub,
        display,
        ..
    } = watched;
    let mut publisher = Publisher::new(hub, display, options, meter);
    let mut frames = source.subscribe();
    meter.keep_own_clock();
    let label = options.place.label(None);
    display.borrow_mut().connects(&label);
    let mut seconds = interval(CLOCK_INTERVAL);
    loop {
        let update = tokio::select! {
            update = frames.next() => update,
            () = meter.key_wanted() => {
                source.want_key();
                continue;
            }
            _ = seconds.tick() => {
                meter.keep_own_clock();
                continue;
            }
        };
        let taken = match update {
            Update::Caps(caps) => {
                // The source works, so the window may open.
                publisher.hello(&label);
                publisher.caps(&caps)
            }
            Update::Frame(frame) => {
                meter.arrived_here(&frame.header, frame.data.len());
                publisher.pass(&frame.header, frame.data)
            }
            Update::Lost(loss) => {
                publisher.lost(&loss);
                Ok(())
            }
            Update::Participants(_) => Ok(()),
            Update::End(reason) => {
                Err(Failure::lost(format!("the video from {label:?} ended")).cause(reason))
            }
        };
        if let Err(failure) = taken {
            return failure.into();
        }
    }
}

/// The next connection.
///
/// # Errors
/// It was not made in the time that `options` give.
async fn next(
    connector: &mut Connector,
    backoff: Backoff,
    options: &RecvOptions,
) -> Result<Connection, Failure> {
    let label = options.place.label(None);
    let next = connector.next(backoff, &label);
    let Some(limit) = options.give_up else {
        return Ok(next.await);
    };
    let next = timeout(limit, next).await;
    next.map_err(|_| failure::gone(&label, limit, connector.refusal()))
}

/// Whether another connection may succeed. `brought_nothing` says that this one was made after a
/// loss and brought no frame: another program may have the port then, whose words break the
/// protocol, and it may still make way for the sender.
fn is_worth_retrying(error: &ReceiveError, brought_nothing: bool) -> bool {
    match error {
        ReceiveError::Io(_)
        | ReceiveError::Closed
        | ReceiveError::Unheard
        | ReceiveError::TimedOut(_)
        | ReceiveError::NoFirstBytes(_)
        | ReceiveError::Slow(_) => true,
        ReceiveError::Wire(_) => brought_nothing,
        ReceiveError::Bye(bye) => !bye.done,
        ReceiveError::Sink(_) => false,
    }
}
