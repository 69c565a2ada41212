//! Watching one sender until somebody has had enough: over one connection after another, with one
//! window.

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::warn;

use crate::clock::WallNanos;
use crate::console;
use crate::failure::{Failure, Outcome};
use crate::media::playback::player::PlayerEvent;
use crate::net::receiver::stats::StatsInterval;
use crate::net::receiver::{ReceiveError, ReceiveOptions};
use crate::net::{self, Connection, StreamStats};
use crate::wire::AgesMs;

use super::display::{OnScreen, Outage, VideoDisplay};
use super::latency_advice::Advice;
use crate::commands::file_watch;
use crate::commands::recv::{self, RecvOptions};
use crate::commands::stats_writer::rounded;

/// How often the status line and what covers the picture are made anew.
const TICK: Duration = Duration::from_millis(250);
/// So many of them are a second of the statistics.
const TICKS: u32 = 4;
/// The pauses before connecting again: the first, and the longest. Short, since a sender that is
/// back should be seen at once, and a try costs next to nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(600);
/// The pause where somebody answers and turns us away, since all seats are taken perhaps.
const REFUSED_PAUSE: Duration = Duration::from_secs(3);
/// How long to wait for an address when connecting again. A packet that was lost is sent again
/// after a second; after that a new try is the quicker way.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Shows what comes over `connection`, and over those that follow it, until `quit` completes,
/// enough pictures were shown, or no more can come.
pub async fn watch(
    connection: Connection,
    mut options: RecvOptions,
    quit: impl Future<Output = ()>,
) -> Outcome {
    let (events, mut heard) = mpsc::unbounded_channel();
    let meter = Arc::new(StreamStats::default());
    let mut watched = options.watch.take();
    let screen = RefCell::new(VideoDisplay::new(&options, events, &meter));
    if watched.is_some() {
        screen.borrow_mut().expect_changes();
    }
    let ending = {
        let watching = keep_watching(connection, &options, &meter, &screen);
        tokio::pin!(watching, quit);
        let mut board = StatusReporter::new(&options, &meter, &screen);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut quit => break Ok(()),
                failure = &mut watching => break Err(failure),
                Some(event) = heard.recv() => match event {
                    PlayerEvent::Quit | PlayerEvent::Enough | PlayerEvent::Ended => break Ok(()),
                    PlayerEvent::NeedKey => meter.want_key(),
                    PlayerEvent::Failed(failure) => break Err(failure),
                },
                saved = file_watch::saved(&mut watched) => match saved {
                    Ok(file) => screen.borrow_mut().change(file),
                    Err(failure) => warn!("receiver: goes on as it was: {}", failure.line()),
                },
                _ = ticks.tick() => board.tick(),
            }
        }
    };
    let mut screen = screen.into_inner();
    screen.finish();
    // The sender may close right behind the last picture that was asked for.
    match options.frames {
        Some(enough) if screen.count() >= enough => Ok(()),
        _ => ending,
    }
}

/// Watches for ever; what it returns is why it cannot.
async fn keep_watching(
    first: Connection,
    options: &RecvOptions,
    meter: &StreamStats,
    screen: &RefCell<VideoDisplay<'_>>,
) -> Failure {
    let target = &options.target;
    let mut connection = first;
    let mut again = false;
    loop {
        let frames = || {
            meter
                .traffic
                .frames
                .load(std::sync::atomic::Ordering::Relaxed)
        };
        let before = frames();
        let error = net::play(connection, &options.play, meter, &mut OnScreen(screen)).await;
        let showed = frames() > before;
        let greeted = screen.borrow().greeted();
        if !options.reconnect || !greeted || !worth_trying(&error, again && !showed) {
            let started = screen.borrow().form.is_some();
            return recv::lost(options, greeted, started, error);
        }
        // One that is turned away each time says so once.
        let pause = match (again && !showed, error) {
            (true, ReceiveError::Bye(_)) => REFUSED_PAUSE,
            (true, _) => LONGEST_PAUSE,
            (false, error) => {
                warn!("sender {target}: lost: {error}; connecting again");
                screen
                    .borrow_mut()
                    .enter(Outage::Reconnecting(error.to_string()));
                FIRST_PAUSE
            }
        };
        connection = reconnect(options, pause).await;
        again = true;
    }
}

/// Connects again, however long it takes.
async fn reconnect(options: &RecvOptions, first: Duration) -> Connection {
    let play = ReceiveOptions {
        connect_limit: CONNECT_LIMIT,
        ..options.play.clone()
    };
    let mut pause = first;
    loop {
        // Many viewers lose one sender at the same moment and must not all come back in one.
        sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        if let Ok(connection) = net::connect(&options.target, &play).await {
            return connection;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether another connection may be better. What somebody else says at that port is, `again`,
/// perhaps the sender's next word but one.
fn worth_trying(error: &ReceiveError, again: bool) -> bool {
    match error {
        ReceiveError::Io(_)
        | ReceiveError::Closed
        | ReceiveError::Dead(_)
        | ReceiveError::Silent(_)
        | ReceiveError::Slow(_) => true,
        ReceiveError::Wire(_) => again,
        ReceiveError::Bye(bye) => !bye.done,
        ReceiveError::Sink(_) => false,
    }
}

/// What a person and other programs are told of the stream.
struct StatusReporter<'s, 'a> {
    options: &'a RecvOptions,
    meter: &'s StreamStats,
    screen: &'s RefCell<VideoDisplay<'a>>,
    advice: Advice,
    ticks: u32,
    last: StatsInterval,
}

/// A second of a viewer, for other programs.
#[derive(Debug, Serialize)]
struct Line<'t> {
    time: f64,
    state: &'t str,
    /// Why it is not live.
    reason: Option<String>,
    sender: &'t str,
    form: String,
    /// Pictures a second on the screen.
    fps: f64,
    received: u64,
    shown: u64,
    skipped: u64,
    mbit_s: f64,
    /// Ages when they left the sender, when they had arrived, and on the screen.
    sent_ms: Option<AgesMs>,
    arrived_ms: Option<AgesMs>,
    age_ms: Option<AgesMs>,
    rtt_ms: Option<f64>,
    carries_mbit_s: Option<f64>,
}

impl<'s, 'a> StatusReporter<'s, 'a> {
    fn new(
        options: &'a RecvOptions,
        meter: &'s StreamStats,
        screen: &'s RefCell<VideoDisplay<'a>>,
    ) -> Self {
        Self {
            options,
            meter,
            screen,
            advice: Advice::new(options.play.max_latency),
            ticks: 0,
            last: StatsInterval::default(),
        }
    }

    fn tick(&mut self) {
        let mut screen = self.screen.borrow_mut();
        screen.refresh();
        self.ticks = (self.ticks + 1) % TICKS;
        if self.ticks == 0 {
            self.last = self.meter.close_second();
            self.tell(&screen);
        }
        let Some(form) = &screen.form else {
            return;
        };
        let text = match screen.matter() {
            Some(matter) => matter,
            None => {
                let seconds = self.last.span.as_secs_f64().max(0.001);
                let age = self.last.age;
                let age = age.map(|age| format!("{} old", readable(age.p50)));
                let rest = [
                    format!("{:.1} frames/s", self.last.shown as f64 / seconds),
                    format!(
                        "{} skipped",
                        self.meter
                            .traffic
                            .skipped
                            .load(std::sync::atomic::Ordering::Relaxed)
                    ),
                    format!("{:.1} Mbit/s", self.last.bytes as f64 * 8.0 / 1e6 / seconds),
                    form.describe(),
                ];
                let parts: Vec<String> = age.into_iter().chain(rest).collect();
                parts.join(console::GAP)
            }
        };
        console::status(&[&text, "(q quits)"].join(console::GAP));
    }

    /// Tells of the second that has just ended.
    fn tell(&mut self, screen: &VideoDisplay<'_>) {
        let second = &self.last;
        if let Some(form) = &screen.form
            && let Some(advice) = self.advice.after(second, form)
        {
            warn!("sender {}: {advice}", self.options.target);
        }
        if let Some(stats) = &self.options.stats {
            let seconds = second.span.as_secs_f64().max(0.001);
            let report = second.report();
            stats.write(&Line {
                time: rounded(WallNanos::now().as_secs_f64()),
                state: screen.state(),
                reason: screen.reason(),
                sender: &screen.sender,
                form: screen
                    .form
                    .as_ref()
                    .map_or(String::new(), |form| form.describe()),
                fps: rounded(second.shown as f64 / seconds),
                received: second.frames,
                shown: second.shown,
                skipped: second.skipped,
                mbit_s: rounded(second.bytes as f64 * 8.0 / 1e6 / seconds),
                sent_ms: second.sent,
                arrived_ms: report.arrived_ms,
                age_ms: report.age_ms,
                rtt_ms: report.rtt_ms,
                carries_mbit_s: report.carries_mbit_s,
            });
        }
    }
}

/// An age as a person reads it.
fn readable(age: Duration) -> String {
    match age.as_secs_f64() {
        short if short < 0.01 => format!("{:.1} ms", short * 1e3),
        short if short < 10.0 => format!("{:.0} ms", short * 1e3),
        long => format!("{long:.0} s"),
    }
}
