//! Connects a source with its viewers: the loop that opens the source while there are viewers.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use crate::failure::{Failure, Outcome, Status};
use crate::media::capture::events::SourceEvent;
use crate::media::capture::recording;
use crate::media::display::sink;
use crate::media::pipeline::file::Directive;
use crate::media::playback::events::PlayerEvent;
use crate::media::{FrameSink, Source};
use crate::net::log_throttle::span;
use crate::net::{Hub, Losses, Service};
use crate::wire::{Bye, ByeCode};

use super::camera_switch::{CameraSwitch, Outlet};
use super::key_budget::KeyBudget;
use super::options::SendOptions;
use super::preview::Preview;
use super::tutorial_frames::TutorialFrames;
use super::viewer_monitor::ViewerMonitor;
use crate::commands::engine_link::EngineLink;
use crate::commands::file_watch::{FileWatch, saved};
use crate::commands::or_never::or_never;

/// How long the source stays open after the last viewer has left. A viewer that comes back at once
/// need not wait for the camera.
const LINGER: Duration = Duration::from_secs(1);
/// How long the viewers' goodbye and the windows may take at the end.
pub const CLOSING: Duration = Duration::from_secs(3);
/// What the others hear where there is no camera.
const NO_CAMERA: &str = "no camera";
/// How long the source may take to close, with the files that it writes.
const SOURCE_CLOSING: Duration = recording::LIMIT.saturating_add(CLOSING);

/// The parts that run while the sender sends.
pub struct Broadcast {
    hub: Arc<Hub>,
    source: Source,
    heard: mpsc::UnboundedReceiver<SourceEvent>,
    monitor: ViewerMonitor,
    preview: Option<Preview>,
    converter: Option<TutorialFrames>,
    previewed: Option<mpsc::UnboundedReceiver<PlayerEvent>>,
    /// Whether the source stays open while nobody watches, as a flag or the pipeline file says.
    asked_open: bool,
    keep_open: bool,
    watch: Option<FileWatch>,
    outlet: Arc<Outlet>,
    camera: Option<CameraSwitch>,
    /// The source has given a frame at least once.
    opened: bool,
    /// Since when the source gives no frames.
    lost_since: Option<Instant>,
    losses: Losses,
    /// Since when nobody has watched, while the source is open.
    idle_since: Option<Instant>,
}

impl Broadcast {
    /// Starts with a closed source and without a preview.
    pub fn new(service: &Service, options: SendOptions, converter: Option<TutorialFrames>) -> Self {
        let hub = service.directory().default_hub();
        let (events, heard) = mpsc::unbounded_channel();
        let keep_open = options.keep_open || options.file.has(Directive::KeepOpen);
        let outlet = Arc::new(Outlet::new(hub));
        let sink = Arc::clone(&outlet) as Arc<dyn FrameSink>;
        Self {
            hub: Arc::clone(hub),
            source: Source::spawn(options.file, options.values, sink, events),
            heard,
            monitor: ViewerMonitor::new(hub, service.viewers(), options.stats),
            preview: None,
            converter,
            previewed: None,
            asked_open: options.keep_open,
            keep_open,
            watch: options.watch,
            outlet,
            camera: options.camera,
            opened: false,
            lost_since: None,
            losses: Losses::default(),
            idle_since: None,
        }
    }

    /// Has the encoder follow the link to an engine too, to which the frames go.
    pub fn follow(&mut self, link: Arc<EngineLink>) {
        self.monitor.follow(link);
    }

    /// Shows the frames here where there is a display, or as `wanted` says.
    pub fn open_preview(&mut self, wanted: Option<bool>) -> Outcome {
        if wanted == Some(false) {
            return Ok(());
        }
        let (events, previewed) = mpsc::unbounded_channel();
        match Preview::open(&self.hub, events) {
            Ok(preview) => {
                self.preview = Some(preview);
                self.previewed = Some(previewed);
                Ok(())
            }
            Err(failure) if wanted == Some(true) => {
                Err(failure.hint("leave --preview out to send without a window here"))
            }
            Err(failure) => {
                if sink::display_is_named() {
                    warn!("preview: none: {}", failure.summary());
                }
                Ok(())
            }
        }
    }

    /// Runs until the person or a failure ends it, and returns the goodbye to the viewers. `opened`
    /// is called when the first frame is there.
    pub async fn run(
        &mut self,
        quit: impl Future<Output = ()>,
        opened: impl FnOnce(),
    ) -> Outcome<Bye> {
        tokio::pin!(quit);
        let mut opened = Some(opened);
        let mut watching = self.hub.watching();
        let mut keys = KeyBudget::default();
        match &self.camera {
            Some(camera) if !camera.is_on() => self.outlet.shut(NO_CAMERA),
            _ => self.source.open(),
        }
        loop {
            let close_at = self.idle_since.map(|since| since + LINGER);
            let key_at = keys.due(std::time::Instant::now()).map(Instant::from_std);
            let steady_at = self.losses.steady_at().map(Instant::from_std);
            let previewed = self.previewed.as_mut().map(|events| events.recv());
            tokio::select! {
                () = &mut quit => return Ok(stopped()),
                Some(event) = self.heard.recv() => {
                    let is_open = matches!(event, SourceEvent::Opened(_));
                    if let Some(ending) = self.hear(event, *watching.borrow()) {
                        return ending;
                    }
                    if is_open && let Some(opened) = opened.take() {
                        opened();
                    }
                }
                is_on = or_never(self.camera.as_mut().map(CameraSwitch::turned)) => {
                    self.turn_camera(is_on);
                }
                saved = saved(&mut self.watch) => match saved {
                    Ok(file) => self.source.replace(file),
                    Err(failure) => keep(&failure),
                },
                Some(event) = or_never(previewed) => match event {
                    PlayerEvent::Quit => return Ok(stopped()),
                    PlayerEvent::Failed(failure) => {
                        warn!("preview: closed: {}", failure.summary());
                        self.previewed = None;
                        self.note_watching(*watching.borrow());
                    }
                    PlayerEvent::NeedKey => self.hub.want_key(),
                    PlayerEvent::Enough
                    | PlayerEvent::Encodes(_)
                    | PlayerEvent::Ended
                    | PlayerEvent::Replaced(_)
                    | PlayerEvent::Kept(_) => {}
                },
                Ok(()) = watching.changed() => {
                    let count = *watching.borrow_and_update();
                    self.note_watching(count);
                }
                () = self.hub.key_wanted() => keys.want(),
                () = or_never(key_at.map(sleep_until)) => {
                    keys.spend(std::time::Instant::now());
                    self.source.want_key();
                }
                () = or_never(steady_at.map(sleep_until)) => {
                    if let Some(times) = self.losses.steady(std::time::Instant::now()) {
                        info!("source: stays again, after it was lost{times}");
                    }
                }
                rate = self.monitor.bitrate() => self.source.set_bitrate(rate),
                () = or_never(close_at.map(sleep_until)) => {
                    self.idle_since = None;
                    self.source.close();
                }
            }
        }
    }

    /// Handles an event of the source. Returns the ending where the event is one.
    fn hear(&mut self, event: SourceEvent, watching: usize) -> Option<Outcome<Bye>> {
        match event {
            SourceEvent::Opened(from) => {
                match self.lost_since.take() {
                    Some(since) => {
                        self.losses.back(std::time::Instant::now());
                        info!("source: back after {}: {from}", span(since.elapsed()));
                    }
                    None => info!("source: open: {from}"),
                }
                self.opened = true;
                self.note_watching(watching);
            }
            SourceEvent::Closed if self.camera.is_some() => info!("source: closed"),
            SourceEvent::Closed => info!("source: closed, as nobody watches"),
            SourceEvent::Lost(failure) => {
                let line = failure.line();
                self.losses.lost(&line, std::time::Instant::now());
                warn!("source: {line}");
                self.lost_since = Some(Instant::now());
            }
            SourceEvent::StillLost(failure) => {
                let why = failure.why_exactly();
                self.losses.lost(&why, std::time::Instant::now());
                warn!("source: not back yet: {why}");
            }
            SourceEvent::Changed(words) => {
                if let Some(watch) = &self.watch {
                    let file = watch.file();
                    info!("source: changed over to {}: {words}", file.place(None));
                    self.keep_open = self.asked_open || file.has(Directive::KeepOpen);
                    self.note_watching(watching);
                }
            }
            SourceEvent::Kept(failure) => keep(&failure),
            SourceEvent::Encoding { bitrate } => self.monitor.encodes(bitrate),
            SourceEvent::Ended if self.camera.is_some() => {
                self.source.close();
                self.outlet.shut("the video has ended");
            }
            SourceEvent::Ended => {
                // The source is not waited for: it would start again.
                self.hub.finish();
                return Some(Ok(Bye::new(ByeCode::Ended, "the video has ended")));
            }
            // The others are heard and seen without it.
            SourceEvent::Failed(failure) if self.camera.is_some() => {
                warn!("source: none: {}", failure.line());
                self.outlet.shut(NO_CAMERA);
            }
            SourceEvent::Failed(failure) => return Some(Err(failure.with_status(self.stage()))),
        }
        None
    }

    /// Opens or closes the camera of a call.
    fn turn_camera(&mut self, is_on: bool) {
        if is_on {
            self.outlet.open();
            self.source.open();
        } else {
            self.source.close();
            self.outlet.shut("camera off");
        }
    }

    /// Opens the source when it is needed, and notes the time when it is not.
    fn note_watching(&mut self, count: usize) {
        if self.camera.is_some() {
            // It is on or off as the person says.
            return;
        }
        let needed = count > 0 || self.keep_open || self.previewed.is_some();
        if needed {
            self.idle_since = None;
            self.source.open();
        } else if self.opened {
            self.idle_since.get_or_insert_with(Instant::now);
        }
    }

    /// The exit status of a failure at this moment.
    fn stage(&self) -> Status {
        if self.opened {
            Status::Lost
        } else {
            Status::Start
        }
    }

    /// Closes window and source. The hub's stream has ended before, which ends the preview.
    pub async fn close(self) {
        let source = self.source;
        let source = tokio::task::spawn_blocking(move || drop(source));
        let closing = async {
            if let Some(preview) = self.preview {
                preview.close().await;
            }
            if let Some(converter) = self.converter {
                converter.close().await;
            }
        };
        let (_, _) = tokio::join!(timeout(CLOSING, closing), timeout(SOURCE_CLOSING, source));
    }
}

/// The goodbye when a person stops the sender.
fn stopped() -> Bye {
    Bye::new(ByeCode::Stopped, "the sender was stopped")
}

/// Logs that a saved pipeline file cannot be used.
fn keep(failure: &Failure) {
    warn!("source: goes on as it was: {}", failure.line());
}
