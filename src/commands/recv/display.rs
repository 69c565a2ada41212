//! The receiver's display across connections: its local viewer, and the state of the stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::connector::SenderPlace;
use super::options::RecvOptions;
use crate::commands::local_viewer::{LocalViewer, LocalViewerOptions};
use crate::frame::{FrameHeader, TimeOrigin};
use crate::media::PipelineFile;
use crate::media::display::stage::Place;
use crate::media::playback::events::{PlayerEvent, PlayerOptions};
use crate::net::log_throttle::LogLimit;
use crate::net::{Hub, Losses, StreamStats};
use crate::wire::{Caps, Loss};

/// A stream is frozen when no frame was shown for this long, and for this many usual frame
/// intervals.
const FROZEN_AFTER: Duration = Duration::from_secs(1);
const FROZEN_FRAMES: u32 = 4;
/// The same for a stream whose frame rate nobody knows yet: its source may be slow by nature.
const FROZEN_AFTER_UNKNOWN: Duration = Duration::from_secs(10);

/// The text on the picture is renewed no more often than this, whatever the sender says.
const REFRESH: Duration = Duration::from_millis(250);

/// Why no frames come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The connection is lost, or not there yet.
    Reconnecting(String),
    /// The sender reported that its source gives no frames, with the reason.
    CameraLost(String),
    /// A person at the sender has switched the camera off, or has none.
    CameraOff(String),
}

/// The words for a sender that was open and lets nobody in now.
const MAY_BE_CLOSED: &str = "may have a code or a key now";

/// How far the display may fall behind the newest frame of an inter-coded stream before it skips
/// to a key frame. The key-frame gate, which knows the decoder, is stricter.
const MAX_LATENCY: Duration = Duration::from_secs(1);

/// The local viewer, and the state of its stream.
pub struct VideoDisplay<'a> {
    options: &'a RecvOptions,
    hub: Arc<Hub>,
    events: mpsc::UnboundedSender<PlayerEvent>,
    meter: Arc<StreamStats>,
    /// The number of frames that were shown.
    shown: Arc<AtomicU64>,
    /// The pipeline file, which may be replaced while it runs.
    file: PipelineFile,
    /// The file that is to take its place.
    next_file: Option<PipelineFile>,
    replaceable: bool,
    viewer: Option<LocalViewer>,
    /// The frames' caps, once they are known.
    pub caps: Option<Caps>,
    /// The sender's name.
    pub sender: String,
    /// Where the sender is, for the log.
    pub label: String,
    /// When the connection was made.
    connected: Option<Instant>,
    outage: Option<(Outage, Instant)>,
    /// Whether the sender, since the connection was lost, has closed one before it said anything.
    may_be_closed: bool,
    /// The text that covers the picture.
    covered: Option<String>,
    /// When it was last renewed.
    refreshed: Option<Instant>,
    /// Losses of the connection, and of the sender's camera.
    connection: Losses,
    camera: Losses,
    limits: LogLimits,
}

/// The lines that a sender can cause as often as it likes, by their kinds.
#[derive(Default)]
struct LogLimits {
    /// A connection or a camera is lost.
    lost: LogLimit,
    /// It is back.
    back: LogLimit,
    name: LogLimit,
    caps: LogLimit,
}

impl<'a> VideoDisplay<'a> {
    /// Shows the frames of `hub` once a sender has said hello. A `replaceable` pipeline may be
    /// changed while it runs.
    pub fn new(
        options: &'a RecvOptions,
        replaceable: bool,
        hub: &Arc<Hub>,
        events: mpsc::UnboundedSender<PlayerEvent>,
        meter: &Arc<StreamStats>,
    ) -> Self {
        Self {
            options,
            hub: Arc::clone(hub),
            events,
            meter: Arc::clone(meter),
            shown: Arc::default(),
            file: options.file.clone(),
            next_file: None,
            replaceable,
            viewer: None,
            caps: None,
            sender: String::new(),
            label: options.place.label(None),
            connected: None,
            outage: None,
            may_be_closed: false,
            covered: None,
            refreshed: None,
            connection: Losses::default(),
            camera: Losses::default(),
            limits: LogLimits::default(),
        }
    }

    /// Changes to another pipeline. The old one stays where that fails.
    pub fn replace(&mut self, file: PipelineFile) {
        match &self.viewer {
            Some(viewer) => {
                viewer.replace(file.clone());
                self.next_file = Some(file);
            }
            None => self.file = file,
        }
    }

    /// The pipeline was changed.
    pub fn replaced(&mut self) {
        if let Some(file) = self.next_file.take() {
            self.file = file;
        }
    }

    /// Closes the display, whose pipeline has failed. The next hello opens it again.
    pub fn close(&mut self) {
        self.viewer = None;
        self.covered = None;
    }

    /// Whether a sender has said hello.
    pub fn greeted(&self) -> bool {
        self.viewer.is_some()
    }

    /// The number of frames that were shown.
    pub fn count(&self) -> u64 {
        self.shown.load(Relaxed)
    }

    /// The connection is lost, and will be made again.
    pub fn disconnected(&mut self, reason: &str) {
        let sender = &self.label;
        let next = if self.options.place.is_listening() {
            "waiting for a sender"
        } else {
            "connecting again"
        };
        let now = Instant::now();
        let times = self.connection.lost(reason, now);
        match times.and_then(|times| Some((times, self.limits.lost.note(now)?))) {
            Some((times, more)) => warn!("sender {sender}: lost: {reason}{times}; {next}{more}"),
            None => debug!("sender {sender}: lost: {reason}; {next}"),
        }
        self.may_be_closed = false;
        self.enter(Outage::Reconnecting(reason.to_owned()));
    }

    /// A connection has ended that brought no frame, and so did not end the loss before it.
    pub fn still_disconnected(&mut self, reason: &str) {
        if !matches!(self.outage, Some((Outage::Reconnecting(_), _))) {
            self.enter(Outage::Reconnecting(reason.to_owned()));
        }
    }

    /// The sender is reached, and has closed the connection before it said anything, as one does that has
    /// a code or a key. Returns whether that is new since the connection was lost.
    pub fn closes_unheard(&mut self) -> bool {
        let is_new = !std::mem::replace(&mut self.may_be_closed, true);
        self.refresh();
        is_new
    }

    /// Logs losses that are over, where some of them were not logged.
    pub fn settle(&mut self) {
        let (sender, now) = (&self.label, Instant::now());
        if let Some(times) = self.connection.steady(now) {
            info!("sender {sender}: the connection holds again, after it was lost{times}");
        }
        if let Some(times) = self.camera.steady(now) {
            info!("sender {sender}: the camera stays again, after it was lost{times}");
        }
    }

    /// No frames come from now on, for the reason in `outage`.
    pub fn enter(&mut self, outage: Outage) {
        let now = Instant::now();
        self.outage = Some((outage, now));
        let due = |at: Instant| now.saturating_duration_since(at) >= REFRESH;
        if self.refreshed.is_none_or(due) {
            self.refresh();
        }
    }

    /// The state of the stream in words, for the picture and the status line; `None` while it is
    /// live.
    pub fn problem(&self) -> Option<String> {
        if let Some((outage, since)) = &self.outage {
            // A narrow window must not break the line inside the time.
            let seconds = since.elapsed().as_secs();
            return Some(match outage {
                Outage::Reconnecting(_) if self.may_be_closed => {
                    format!("{} {MAY_BE_CLOSED} ({seconds}\u{a0}s)", self.label)
                }
                Outage::Reconnecting(_) => self.options.place.outage(seconds),
                Outage::CameraLost(reason) => {
                    let source = self.options.place.source();
                    format!("{source} lost: {reason} ({seconds}\u{a0}s)")
                }
                Outage::CameraOff(reason) => reason.clone(),
            });
        }
        let connected = self.connected.map(|connected| connected.elapsed());
        let still = self.meter.since_shown().or(connected)?;
        let promised = self.caps.as_ref().and_then(Caps::framerate);
        let limit = frozen_limit(promised, self.meter.usual_gap());
        (still > limit).then(|| format!("no picture for {} s", still.as_secs()))
    }

    /// The state of the stream in one word, for other programs.
    pub fn state(&self) -> &'static str {
        match &self.outage {
            Some((Outage::Reconnecting(_), _)) => "reconnecting",
            Some((Outage::CameraLost(_), _)) => "camera lost",
            Some((Outage::CameraOff(_), _)) => "camera off",
            None if self.problem().is_some() => "frozen",
            None => "live",
        }
    }

    /// Why the stream is not live, for other programs.
    pub fn reason(&self) -> Option<String> {
        match &self.outage {
            Some((Outage::Reconnecting(_), _)) if self.may_be_closed => {
                Some(format!("the sender {MAY_BE_CLOSED}"))
            }
            Some((
                Outage::Reconnecting(reason)
                | Outage::CameraLost(reason)
                | Outage::CameraOff(reason),
                _,
            )) => Some(reason.clone()),
            None => self.problem(),
        }
    }

    /// Covers the picture with the state of the stream, so that it is not taken for a live one.
    pub fn refresh(&mut self) {
        // Before the first frame a slow pipeline has no picture to cover.
        let has_picture = self.outage.is_some() || self.meter.since_shown().is_some();
        let problem = self.problem().filter(|_| has_picture);
        if problem == self.covered {
            return;
        }
        self.refreshed = Some(Instant::now());
        // The next live frame uncovers it.
        if let (Some(viewer), Some(text)) = (&self.viewer, &problem) {
            match &self.outage {
                Some((Outage::CameraOff(_), _)) => viewer.blank(text),
                _ => viewer.cover(text),
            }
        }
        self.covered = problem;
    }

    /// Shows the last frames and closes. A pipeline that is still being built has `limit` for them.
    pub async fn finish(&mut self, limit: Duration) {
        if let Some(viewer) = self.viewer.take() {
            viewer.finish(limit).await;
        }
    }

    /// A connection to a sender with this label begins.
    pub fn connects(&mut self, label: &str) {
        label.clone_into(&mut self.label);
        self.connected = Some(Instant::now());
    }

    /// The sender has said hello.
    pub fn hello(&mut self, name: &str) {
        let target = &self.label;
        let now = Instant::now();
        let from = match (&self.options.place, name) {
            // In a room, the host says hello for all.
            (SenderPlace::Party { name }, _) => name.clone(),
            (_, "") => target.clone(),
            (_, name) => name.to_owned(),
        };
        if self.greeted() {
            // The sender counts as back only after its hello. The window stays open.
            if let Some((Outage::Reconnecting(_), since)) = self.outage.take() {
                let seconds = since.elapsed().as_secs_f32();
                if self.connection.back(now)
                    && let Some(more) = self.limits.back.note(now)
                {
                    info!("sender {target}: connected again after {seconds:.1} s{more}");
                }
            }
            // A sender that was first taken for a program of the tutorial had no name until now.
            if self.sender != from && !name.is_empty() {
                if let Some(more) = self.limits.name.note(now) {
                    info!("sender {target}: connected to {from:?}{more}");
                }
                if let Some(viewer) = &self.viewer {
                    viewer.set_title(&title(&from));
                }
                self.sender = from;
            }
            return;
        }
        // An engine says no hello, so there is no news in its name.
        if !self.logs_itself() {
            info!("sender {target}: connected to {from:?}");
        }
        let meter = Arc::clone(&self.meter);
        let options = LocalViewerOptions {
            player: PlayerOptions {
                values: self.options.values.clone(),
                title: title(&from),
                enough: self.options.frames,
                shown: Arc::clone(&self.shown),
                seen: Some(Arc::new(move |header: &FrameHeader| meter.shown(header))),
                replaceable: self.replaceable,
                place: self.options.seat.clone(),
                ..PlayerOptions::new(self.file.clone())
            },
            max_latency: Some(MAX_LATENCY),
            // The text has the time in it, so this struct renews it.
            covers_losses: false,
        };
        self.sender = from;
        let events = self.events.clone();
        self.viewer = Some(LocalViewer::spawn(&self.hub, options, events));
    }

    /// Writes the sender's name and the age of its frames onto the picture, where others are shown
    /// beside it.
    pub fn name_seat(&self, age: Option<Duration>, origin: TimeOrigin) {
        if let Some(Place { seat, .. }) = &self.options.seat {
            let name = &self.sender;
            match age.filter(|_| self.outage.is_none()) {
                Some(age) => {
                    let since = match origin {
                        TimeOrigin::Source | TimeOrigin::Stream => "",
                        TimeOrigin::Arrival => " since the engine",
                    };
                    seat.set_name(&format!("{name}  {} ms{since}", age.as_millis()));
                }
                None => seat.set_name(name),
            }
        }
    }

    /// The frames have these caps from now on.
    pub fn caps(&mut self, caps: &Caps) {
        if self.caps.as_ref() != Some(caps) {
            if let Some(more) = self.limits.caps.note(Instant::now()) {
                info!("sender {}: sends {}{more}", self.label, caps.describe());
            }
            self.caps = Some(caps.clone());
        }
    }

    /// The sender's source gives no frames, for this reason.
    pub fn lost(&mut self, loss: &Loss) {
        let (sender, reason) = (&self.label, &loss.reason);
        let now = Instant::now();
        if loss.off {
            if let Some(more) = self.limits.lost.note(now) {
                info!("sender {sender}: {reason}{more}");
            }
            return self.enter(Outage::CameraOff(reason.clone()));
        }
        let source = self.options.place.source();
        let times = self.camera.lost(reason, now);
        let times = times.filter(|_| !self.logs_itself());
        match times.and_then(|times| Some((times, self.limits.lost.note(now)?))) {
            Some((times, more)) => warn!("sender {sender}: {source} lost: {reason}{times}{more}"),
            None => debug!("sender {sender}: {source} lost: {reason}"),
        }
        self.enter(Outage::CameraLost(reason.clone()));
    }

    /// Whether the source is one of this program, which logs its losses itself.
    fn logs_itself(&self) -> bool {
        matches!(self.options.place, SenderPlace::Engine(_))
    }

    /// A frame has arrived.
    pub fn frame(&mut self) {
        if let Some((Outage::CameraLost(_), since)) = &self.outage {
            let (target, seconds) = (&self.label, since.elapsed().as_secs());
            let now = Instant::now();
            if self.camera.back(now)
                && !self.logs_itself()
                && let Some(more) = self.limits.back.note(now)
            {
                let source = self.options.place.source();
                info!("sender {target}: the {source} is back after {seconds} s{more}");
            }
        }
        self.outage = None;
    }
}

/// The title of the window for frames of a sender of this name.
fn title(sender: &str) -> String {
    format!("RECEIVING VIDEO from {sender}")
}

/// How long no frame is shown before a stream is frozen, for the frames a second that its caps
/// promise and the interval that was seen.
fn frozen_limit(promised: Option<f64>, usual: Option<Duration>) -> Duration {
    let interval = |fps: f64| Duration::try_from_secs_f64(1.0 / fps).unwrap_or(Duration::MAX);
    match promised.map(interval).max(usual) {
        Some(interval) => FROZEN_AFTER.max(interval.saturating_mul(FROZEN_FRAMES)),
        None => FROZEN_AFTER_UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_is_slow_by_nature_is_not_frozen() {
        let seconds = Duration::from_secs;
        for (promised, usual, limit) in [
            (Some(30.0), None, 1),
            (Some(30.0), Some(seconds(5)), 20),
            (Some(0.2), None, 20),
            (Some(0.2), Some(Duration::ZERO), 20),
            (None, Some(Duration::from_millis(33)), 1),
            (None, Some(seconds(5)), 20),
            (None, None, 10),
        ] {
            assert_eq!(
                frozen_limit(promised, usual),
                seconds(limit),
                "{promised:?} {usual:?}"
            );
        }
        assert_eq!(frozen_limit(Some(1e-300), None), Duration::MAX);
    }
}
