//! Watching one sender until its video or the person's patience ends: over one connection after
//! another, with one window.

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::connector::{Connector, LONGEST_PAUSE};
use super::display::{Outage, VideoDisplay};
use super::failure;
use super::options::RecvOptions;
use super::publisher::Publisher;
use super::status::{StatusReporter, TICK};
use crate::commands::file_watch;
use crate::failure::{Failure, Outcome};
use crate::media::playback::events::PlayerEvent;
use crate::net::receiver::ReceiveError;
use crate::net::{self, Connection, Hub, StreamStats};

/// The first pause before connecting again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The pause where a sender answers and turns the viewer away, perhaps since all seats are taken.
const REFUSED_PAUSE: Duration = Duration::from_secs(3);
/// How long the last frames wait for a pipeline that is still being built.
const LAST_FRAMES: Duration = Duration::from_secs(3);

/// Shows the frames that come over `connection`, and over those that `connector` gives after it,
/// until `quit` completes, enough frames were shown, or no more can come.
///
/// # Errors
/// No more frames can come, or they cannot be shown.
pub async fn watch(
    connection: Connection,
    connector: Connector,
    mut options: RecvOptions,
    quit: impl Future<Output = ()>,
) -> Outcome {
    let (events, mut heard) = mpsc::unbounded_channel();
    let meter = Arc::new(StreamStats::default());
    let mut watched = options.watch.take();
    let hub = Hub::new();
    let display = VideoDisplay::new(&options, watched.is_some(), &hub, events, &meter);
    let display = RefCell::new(display);
    let mut patience = LAST_FRAMES;
    let ending = {
        let watching = keep_watching(connection, &connector, &options, &meter, &hub, &display);
        tokio::pin!(watching, quit);
        let mut status = StatusReporter::new(&options, &meter, &display);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut quit => {
                    patience = Duration::ZERO;
                    break Ok(());
                }
                failure = &mut watching => break Err(failure),
                Some(event) = heard.recv() => match event {
                    PlayerEvent::Quit => {
                        patience = Duration::ZERO;
                        break Ok(());
                    }
                    PlayerEvent::Enough | PlayerEvent::Ended => break Ok(()),
                    PlayerEvent::NeedKey => hub.want_key(),
                    PlayerEvent::Failed(failure) => break Err(failure),
                    PlayerEvent::Replaced(place) => info!("receiver: changed over to {place}"),
                    PlayerEvent::Kept(failure) => keep(&failure),
                },
                // A local viewer needs it, so the sender is asked.
                () = hub.key_wanted() => meter.want_key(),
                saved = file_watch::saved(&mut watched) => match saved {
                    Ok(file) => display.borrow_mut().replace(file),
                    Err(failure) => keep(&failure),
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
    display.finish(patience).await;
    // The sender may close right behind the last frame that was asked for.
    match options.frames {
        Some(enough) if display.count() >= enough => Ok(()),
        _ => ending,
    }
}

fn keep(failure: &Failure) {
    warn!("receiver: goes on as it was: {}", failure.line());
}

/// Watches for ever. It returns the reason why it cannot.
async fn keep_watching(
    first: Connection,
    connector: &Connector,
    options: &RecvOptions,
    meter: &StreamStats,
    hub: &Arc<Hub>,
    display: &RefCell<VideoDisplay<'_>>,
) -> Failure {
    let target = &options.target;
    let mut publisher = Publisher::new(hub, display);
    let mut connection = first;
    let mut again = false;
    loop {
        let frames = || meter.traffic.frames.load(Relaxed);
        let before = frames();
        publisher.connected();
        let error = net::play(connection, &options.play, meter, &mut publisher).await;
        let showed = frames() > before;
        let greeted = display.borrow().greeted();
        if !options.reconnect || !greeted || !worth_trying(&error, again && !showed) {
            let started = display.borrow().caps.is_some();
            return failure::lost(options, greeted, started, error);
        }
        // Local viewers take the last frame before it is forgotten.
        tokio::task::yield_now().await;
        hub.lose(&error.to_string());
        // Of several refusals only the first is told.
        let pause = match (again && !showed, error) {
            (true, ReceiveError::Bye(_)) => REFUSED_PAUSE,
            (true, _) => LONGEST_PAUSE,
            (false, error) => {
                warn!("sender {target}: lost: {error}; connecting again");
                display
                    .borrow_mut()
                    .enter(Outage::Reconnecting(error.to_string()));
                FIRST_PAUSE
            }
        };
        connection = connector.again(pause).await;
        again = true;
    }
}

/// Whether another connection may be better. A protocol error may come from another program at
/// that port, which, while connecting `again`, may yet make way for the sender.
fn worth_trying(error: &ReceiveError, again: bool) -> bool {
    match error {
        ReceiveError::Io(_)
        | ReceiveError::Closed
        | ReceiveError::Bye(_)
        | ReceiveError::Dead(_)
        | ReceiveError::Silent(_)
        | ReceiveError::Slow(_) => true,
        ReceiveError::Wire(_) => again,
        ReceiveError::Done(_) | ReceiveError::Sink(_) => false,
    }
}
