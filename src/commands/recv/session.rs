//! Watches one sender, over one connection after another and with one window, until the video ends
//! or the person ends the program.

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::connector::Connector;
use super::display::{Outage, VideoDisplay};
use super::failure;
use super::options::RecvOptions;
use super::publisher::Publisher;
use super::status::{StatusReporter, TICK};
use crate::commands::file_watch;
use crate::failure::{Failure, Outcome};
use crate::media::playback::events::PlayerEvent;
use crate::net::backoff::Backoff;
use crate::net::receiver::ReceiveError;
use crate::net::{self, Connection, Hub, StreamStats};

/// How long the last frames wait for a pipeline that is still being built.
const LAST_FRAMES: Duration = Duration::from_secs(3);

/// Shows the frames of `connection`, and of the connections that `connector` makes after it. Ends
/// when `quit` completes, enough frames were shown, or no more can come.
///
/// # Errors
/// No more frames can come, or they cannot be shown.
pub async fn run(
    connection: Option<Connection>,
    mut connector: Connector,
    mut options: RecvOptions,
    quit: impl Future<Output = ()>,
) -> Outcome {
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
        let receiving = receive(connection, &mut connector, watched);
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
                failure = &mut receiving => break Err(failure),
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
                    PlayerEvent::Failed(failure) => break Err(failure),
                    PlayerEvent::Replaced(place) => {
                        display.borrow_mut().replaced();
                        info!("receiver: changed over to {place}");
                    }
                    PlayerEvent::Kept(failure) => log_kept(&failure),
                },
                // A local viewer needs a key frame, so the sender is asked for one.
                () = hub.key_wanted() => meter.want_key(),
                saved = file_watch::saved(&mut file_watch) => match saved {
                    Ok(file) => display.borrow_mut().replace(file),
                    Err(failure) => log_kept(&failure),
                },
                _ = ticks.tick() => status.tick(),
            }
        }
    };
    hub.end(&match &ending {
        Ok(()) => "the receiver was stopped".to_owned(),
        Err(failure) => failure.summary(),
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
    meter: &'r StreamStats,
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
) -> Failure {
    let Watched {
        options,
        meter,
        hub,
        display,
        mut refused,
    } = watched;
    let mut publisher = Publisher::new(hub, display);
    let mut connection = match first {
        Some(connection) => connection,
        None => {
            let outage = Outage::Reconnecting("no sender has connected".into());
            display.borrow_mut().enter(outage);
            connector.next(Backoff::after_loss()).await
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
            return failure::lost(options, &sender, greeted, started, error);
        }
        // Local viewers take the last frame before it is dropped.
        tokio::task::yield_now().await;
        hub.lose(&error.to_string());
        // Only the first of several refusals is logged.
        let is_listening = options.place.is_listening();
        let backoff = match (brought_nothing && !is_listening, error) {
            (true, error) => {
                display.borrow_mut().still_disconnected(&error.to_string());
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
        connection = connector.next(backoff).await;
        is_reconnect = true;
    }
}

/// Whether another connection may succeed. `brought_nothing` says that this one was made after a
/// loss and brought no frame: another program may have the port then, whose words break the
/// protocol, and it may still make way for the sender.
fn is_worth_retrying(error: &ReceiveError, brought_nothing: bool) -> bool {
    match error {
        ReceiveError::Io(_)
        | ReceiveError::Closed
        | ReceiveError::TimedOut(_)
        | ReceiveError::NoFirstBytes(_)
        | ReceiveError::Slow(_) => true,
        ReceiveError::Wire(_) => brought_nothing,
        ReceiveError::Bye(bye) => !bye.done,
        ReceiveError::Sink(_) => false,
    }
}
