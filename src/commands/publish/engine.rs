//! The way of frames into an engine that others run: a pipeline, and another one after each failure.
//!
//! It subscribes to a hub as a viewer does. While the engine takes nothing the frames stay in the
//! hub, which keeps the newest, so that no queue grows here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until};
use tracing::{debug, info, warn};

use super::link_meter::{LinkMeter, Sample};
use super::monitor::{EngineMonitor, EngineState};
use crate::clock::{CaptureTime, WallNanos};
use crate::commands::engine_link::EngineLink;
use crate::commands::or_never::or_never;
use crate::commands::send::bitrate::{BitrateControl, Viewer};
use crate::engine_url::EngineUrl;
use crate::failure::{Failure, Outcome, Status};
use crate::frame::{Frame, FrameHeader, TimeOrigin};
use crate::media::capture_time::stamped;
use crate::media::pipeline::build;
use crate::media::pipeline::engine_failure::{self, CUT_OFF, TAKES_NOTHING};
use crate::media::playback::events::{PlayerEvent, PlayerOptions};
use crate::media::playback::placeholders;
use crate::media::playback::published::Published;
use crate::media::{PipelineFile, Player, Values};
use crate::net::backoff::Backoff;
use crate::net::log_throttle::span;
use crate::net::outgoing;
use crate::net::{BitRate, Hub, Losses, Subscription, Update};
use crate::wire::Caps;

/// How often the engine is looked at.
const TICK: Duration = Duration::from_millis(100);
/// How soon an engine that takes nothing is asked again.
const POLL: Duration = Duration::from_millis(5);
/// The longest time without a key frame: most engines keep none for those who come late.
const KEY_INTERVAL: Duration = Duration::from_secs(1);
/// How long an engine that worked may take nothing before another pipeline is tried.
const STALL_LIMIT: Duration = Duration::from_secs(5);
/// The same for one that has yet to take its first frame. One without a connection has the limit above.
const START_LIMIT: Duration = Duration::from_secs(15);
/// How far the engine may fall behind the newest frame before frames are left out.
const MAX_LATENCY: Duration = Duration::from_millis(200);

/// How frames are published.
pub struct EngineOptions {
    pub url: EngineUrl,
    /// The pipeline that speaks with the engine.
    pub file: PipelineFile,
    /// Values for its placeholders.
    pub values: Values,
    /// Where the rate of the engine's link is told.
    pub link: Arc<EngineLink>,
}

/// A task that publishes the frames of a hub. Dropping it does not end it: see [`Engine::finish`].
pub struct Engine {
    finish: oneshot::Sender<()>,
    failed: oneshot::Receiver<Failure>,
    task: JoinHandle<()>,
    monitor: Arc<EngineMonitor>,
}

impl Engine {
    /// Publishes the frames of `hub`, whose times are those of this machine's clock. It asks for a key
    /// frame each second.
    pub fn spawn(hub: &Arc<Hub>, options: EngineOptions) -> Self {
        let monitor = Arc::<EngineMonitor>::default();
        let task = EngineTask {
            hub: Arc::clone(hub),
            subscription: subscribe(hub),
            options,
            monitor: Arc::clone(&monitor),
            caps: None,
            running: None,
            retry_at: None,
            backoff: Backoff::after_loss(),
            losses: Losses::default(),
            has_worked: false,
            key_at: None,
            asked_at: None,
            last_captured: None,
            bytes_before: 0,
            skipped_before: 0,
        };
        let (finish, finished) = oneshot::channel();
        let (fail, failed) = oneshot::channel();
        let task = tokio::spawn(async move {
            if let Err(failure) = task.run(finished).await {
                let _ = fail.send(failure);
            }
        });
        Self {
            finish,
            failed,
            task,
            monitor,
        }
    }

    /// Its state and its numbers.
    pub fn monitor(&self) -> &Arc<EngineMonitor> {
        &self.monitor
    }

    /// Waits for a failure that no other try can mend, such as a missing element. It may be called
    /// again after it was cancelled.
    pub async fn failed(&mut self) -> Failure {
        match (&mut self.failed).await {
            Ok(failure) => failure,
            // The hub's stream has ended.
            Err(_) => std::future::pending().await,
        }
    }

    /// Ends the connection to the engine in an orderly way.
    pub async fn finish(self) {
        let _ = self.finish.send(());
        let _ = self.task.await;
    }
}

/// The state of the task.
struct EngineTask {
    hub: Arc<Hub>,
    subscription: Subscription,
    options: EngineOptions,
    monitor: Arc<EngineMonitor>,
    caps: Option<Arc<Caps>>,
    running: Option<Running>,
    /// When another pipeline is to be tried.
    retry_at: Option<Instant>,
    backoff: Backoff,
    losses: Losses,
    /// The engine has taken a frame at some time.
    has_worked: bool,
    /// When the last key frame was given to the pipeline, and when one was last asked for.
    key_at: Option<Instant>,
    asked_at: Option<Instant>,
    /// When the last frame was captured, by the wall clock.
    last_captured: Option<u64>,
    /// Bytes that earlier pipelines were given, and frames that were left out for them.
    bytes_before: u64,
    skipped_before: u64,
}

/// A pipeline that publishes.
struct Running {
    player: Player,
    heard: UnboundedReceiver<PlayerEvent>,
    published: Arc<Published>,
    meter: LinkMeter,
    /// The bit rate of the pipeline's own encoder, where it has one.
    bitrate: Option<BitrateControl>,
    began: Instant,
    /// The engine has taken something from it.
    works: bool,
    /// Since when it takes no frame, and how long it took none before that.
    full_since: Option<Instant>,
    busy: Duration,
}

impl EngineTask {
    async fn run(mut self, mut finish: oneshot::Receiver<()>) -> Outcome {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let takes = self.takes_frames();
            let retry_at = self.retry_at.map(tokio::time::Instant::from_std);
            let (player, heard) = match &mut self.running {
                Some(running) => (Some(&mut running.player), Some(&mut running.heard)),
                None => (None, None),
            };
            let has_answered = player.as_ref().is_none_or(|player| player.has_answered());
            tokio::select! {
                update = next(&mut self.subscription, takes), if has_answered => match update {
                    Update::Caps(caps) => self.set_caps(caps).await?,
                    Update::Frame(frame) => self.publish(frame),
                    Update::Lost(_) | Update::Participants(_) => {}
                    Update::End(_) => break,
                },
                () = or_never(player.map(room)), if !takes => {}
                Some(event) = or_never(heard.map(|heard| heard.recv())) => self.hear(event).await,
                () = or_never(retry_at.map(sleep_until)) => self.open(),
                _ = ticks.tick() => self.look().await,
                _ = &mut finish => break,
            }
        }
        self.close().await;
        Ok(())
    }

    /// Whether the next frame goes to the engine at once.
    fn takes_frames(&mut self) -> bool {
        let Some(running) = &mut self.running else {
            return false;
        };
        let has_room = running.player.is_ready() && !running.player.has_waiting();
        let takes = has_room && !running.published.is_cut_off();
        let now = Instant::now();
        if !takes {
            running.full_since.get_or_insert(now);
        } else if let Some(since) = running.full_since.take() {
            running.busy += now.saturating_duration_since(since);
        }
        takes
    }

    /// Passes a frame to the pipeline. This is the one place where a frame enters it.
    fn publish(&mut self, frame: Frame) {
        let Some(running) = &mut self.running else {
            return;
        };
        if frame.header.key {
            self.key_at = Some(Instant::now());
        }
        self.last_captured = Some(frame.header.captured_at);
        let time = captured(&frame.header, &self.options.link);
        let frame = match (&self.caps, time) {
            (Some(caps), Some(time)) => stamped(caps, frame, &time),
            _ => frame,
        };
        running.player.show(&frame.header, frame.data);
    }

    /// Begins anew for frames of other caps: a container has the size and the codec in its head.
    ///
    /// # Errors
    /// No pipeline can be made for them here, however often it is tried.
    async fn set_caps(&mut self, caps: Arc<Caps>) -> Outcome {
        // Each subscription tells them anew.
        if self.caps.as_ref() == Some(&caps) {
            return Ok(());
        }
        self.close().await;
        self.monitor.set_caps(Arc::clone(&caps));
        let EngineOptions { file, values, .. } = &self.options;
        let (file, values, wanted) = (file.clone(), values.clone(), Arc::clone(&caps));
        let checked = spawn_blocking(move || check(&file, &values, &wanted)).await;
        checked.unwrap_or_else(|e| Err(Failure::start("cannot start a thread").cause(e)))?;
        self.caps = Some(caps);
        self.backoff = Backoff::after_loss();
        self.open();
        Ok(())
    }

    /// Starts a pipeline.
    fn open(&mut self) {
        self.retry_at = None;
        let Some(caps) = &self.caps else {
            return;
        };
        let (events, heard) = mpsc::unbounded_channel();
        let published = Arc::<Published>::default();
        let (monitor, link) = (Arc::clone(&self.monitor), Arc::clone(&self.options.link));
        let options = PlayerOptions {
            values: self.options.values.clone(),
            seen: Some(Arc::new(move |header: &FrameHeader| {
                monitor.reached(header)
            })),
            published: Some(Arc::clone(&published)),
            captured: Some(Arc::new(move |header: &FrameHeader| {
                captured(header, &link)
            })),
            ..PlayerOptions::new(self.options.file.clone())
        };
        let mut player = Player::spawn(options, events);
        player.set_caps(caps);
        // It begins with the newest key frame, which the one before may have had.
        self.skipped_before += self.subscription.skipped();
        self.subscription = subscribe(&self.hub);
        self.running = Some(Running {
            player,
            heard,
            published,
            meter: LinkMeter::default(),
            bitrate: None,
            began: Instant::now(),
            works: false,
            full_since: None,
            busy: Duration::ZERO,
        });
    }

    /// Ends the pipeline. The connection has to be closed before the next one is made, as an engine
    /// takes a stream once.
    async fn close(&mut self) {
        self.options.link.set(None);
        if let Some(running) = self.running.take() {
            self.bytes_before += running.published.bytes();
            let player = running.player;
            // It has a time-out of its own.
            let _ = spawn_blocking(move || player.finish()).await;
        }
    }

    async fn hear(&mut self, event: PlayerEvent) {
        match event {
            PlayerEvent::NeedKey => self.hub.want_key(),
            PlayerEvent::Failed(failure) => self.fail(&failure.why_exactly()).await,
            PlayerEvent::Ended => self.fail("it came to its end").await,
            PlayerEvent::Encodes(kbit) => {
                if let Some(running) = &mut self.running {
                    running.bitrate = Some(BitrateControl::new(kbit, Instant::now()));
                }
            }
            PlayerEvent::Quit
            | PlayerEvent::Enough
            | PlayerEvent::Replaced(_)
            | PlayerEvent::Kept(_) => {}
        }
    }

    /// The pipeline has failed. Another one is tried, for ever.
    async fn fail(&mut self, words: &str) {
        let url = &self.options.url;
        debug!("engine {url}: {}", url.hide_in(words));
        let explained = engine_failure::explain(url, words);
        let hint = explained
            .as_ref()
            .map(|explained| format!(" ({})", explained.hint));
        let hint = url.hide_in(&hint.unwrap_or_default());
        let cause = explained.and_then(|explained| explained.cause);
        let reason = url.hide_in(cause.as_deref().unwrap_or(plain(words)));
        let works = self.running.as_ref().is_some_and(|running| running.works);
        let is_first = works || matches!(self.monitor.state(), EngineState::Connecting);
        let now = Instant::now();
        let times = is_first.then(|| self.losses.lost(&reason, now)).flatten();
        match times {
            Some(times) if self.has_worked => {
                warn!("engine {url}: lost: {reason}{hint}{times}; connecting again");
            }
            Some(_) => warn!("engine {url}: not there: {reason}{hint}; tried again until it is"),
            None => {}
        }
        if is_first {
            self.monitor.set_state(EngineState::Lost(reason, now));
            self.backoff = Backoff::after_loss();
        }
        self.close().await;
        self.retry_at = Some(Instant::now() + self.backoff.pause());
    }

    /// Looks whether the engine works, and what its link carries.
    async fn look(&mut self) {
        let now = Instant::now();
        if let Some(times) = self.losses.steady(now) {
            let url = &self.options.url;
            info!("engine {url}: stays again, after it was lost{times}");
        }
        self.measure(now);
        let Some(running) = &mut self.running else {
            return;
        };
        let is_new = !running.works && running.published.works();
        running.works |= is_new;
        let is_cut_off = running.published.is_cut_off();
        let limit = if running.works || is_cut_off {
            STALL_LIMIT
        } else {
            START_LIMIT
        };
        let full_for = running
            .full_since
            .map(|since| now.saturating_duration_since(since));
        let seconds = limit.as_secs();
        let words = match (is_cut_off, running.works) {
            (true, _) => CUT_OFF.to_owned(),
            (false, true) => format!("it takes nothing for {seconds} s"),
            (false, false) => format!("{TAKES_NOTHING}{seconds} s"),
        };
        if is_new {
            self.works(now);
        }
        if full_for.is_some_and(|passed| passed > limit) {
            return self.fail(&words).await;
        }
        self.ask_for_key(now);
    }

    /// The engine has taken the first frame of a pipeline.
    fn works(&mut self, now: Instant) {
        let url = &self.options.url;
        if let Some(port) = url.tcp_port() {
            outgoing::bound_unsent(port);
        }
        let before = self.monitor.state();
        self.monitor.set_state(EngineState::Live);
        match before {
            EngineState::Lost(_, since) => {
                let seconds = span(now.saturating_duration_since(since));
                if self.losses.back(now) {
                    let words = if self.has_worked { "back" } else { "there" };
                    info!("engine {url}: {words} after {seconds}");
                }
            }
            EngineState::Connecting => info!("engine {url}: takes the frames"),
            EngineState::Live => {}
        }
        self.has_worked = true;
        self.backoff = Backoff::after_loss();
    }

    /// Asks for a key frame where none has come for a second.
    fn ask_for_key(&mut self, now: Instant) {
        let is_due = |at: Option<Instant>, limit| {
            at.is_none_or(|at| now.saturating_duration_since(at) >= limit)
        };
        if is_due(self.key_at, KEY_INTERVAL - TICK) && is_due(self.asked_at, KEY_INTERVAL) {
            self.asked_at = Some(now);
            self.hub.want_key();
        }
    }

    /// Measures the link to the engine.
    fn measure(&mut self, now: Instant) {
        let newest = self.hub.newest_captured();
        let Some(running) = &mut self.running else {
            return;
        };
        let behind = match (newest, self.last_captured) {
            (Some(newest), Some(last)) => WallNanos(newest).since(WallNanos(last)),
            _ => Duration::ZERO,
        };
        let given = running.published.bytes();
        let full_for = running
            .full_since
            .map(|since| now.saturating_duration_since(since));
        let skipped = self.subscription.skipped();
        running.meter.note(
            now,
            Sample {
                given,
                busy: running.busy + full_for.unwrap_or_default(),
                skipped,
                packets: running.published.packets(),
                behind,
            },
        );
        let carries = running.meter.carries().filter(|_| running.works);
        // A sender's encoder cannot help where its frames are encoded once more.
        self.options
            .link
            .set(carries.filter(|_| running.bitrate.is_none()));
        running.follow(now, carries);
        let skipped = self.skipped_before + skipped;
        self.monitor.set_counts(self.bytes_before + given, skipped);
    }
}

impl Running {
    /// Has the pipeline's own encoder follow the link, which `carries` so much while it is full.
    fn follow(&mut self, now: Instant, carries: Option<BitRate>) {
        let link = Viewer {
            id: 0,
            watched: now.saturating_duration_since(self.began),
            congested: carries.is_some(),
            carries,
        };
        let control = self.bitrate.as_mut();
        if let Some(kbit) = control.and_then(|control| control.look(now, &[link])) {
            self.player.set_bitrate(kbit);
        }
    }
}

/// Follows `hub` as a viewer with little patience does.
fn subscribe(hub: &Arc<Hub>) -> Subscription {
    let mut subscription = hub.subscribe();
    subscription.set_max_latency(MAX_LATENCY);
    subscription
}

/// When a frame was captured, by the clock of this machine; `None` where nobody knows.
fn captured(header: &FrameHeader, link: &EngineLink) -> Option<CaptureTime> {
    let is_known = header.captured_at != 0 && header.origin != TimeOrigin::Arrival;
    is_known.then(|| link.clock().captured_at(WallNanos(header.captured_at)))
}

/// A reason in GStreamer's words without what only a programmer reads.
fn plain(reason: &str) -> &str {
    let words = reason.split(" (domain ").next().unwrap_or(reason);
    words.strip_prefix("Connection error: ").unwrap_or(words)
}

/// Checks that a pipeline can be made for frames of these caps.
///
/// # Errors
/// The file is not valid, or an element is missing.
pub fn check(file: &PipelineFile, values: &Values, caps: &Caps) -> Outcome {
    let text = placeholders::fill(values, file, caps)?;
    build::check(file, &text).map_err(|failure| failure.with_status(Status::Start))
}

/// The next update that can be handled. Frames are left in the hub while the engine takes none.
async fn next(subscription: &mut Subscription, takes_frames: bool) -> Update {
    if takes_frames {
        subscription.next().await
    } else {
        subscription.next_change().await
    }
}

/// Waits until it is worth to look again whether a frame is taken.
async fn room(player: &mut Player) {
    if player.is_ready() {
        sleep(POLL).await;
    } else {
        player.progress().await;
    }
}
