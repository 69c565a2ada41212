//! The receiver's display across connections: its local viewer, and the state of the stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::options::RecvOptions;
use crate::commands::local_viewer::{LocalViewer, LocalViewerOptions};
use crate::frame::FrameHeader;
use crate::media::PipelineFile;
use crate::media::playback::events::{PlayerEvent, PlayerOptions};
use crate::net::{Hub, Losses, StreamStats};
use crate::wire::Caps;

/// A stream is frozen when nothing was shown for this long, or for so many times the usual.
const FROZEN_AFTER: Duration = Duration::from_secs(1);
const FROZEN_FRAMES: u32 = 4;

/// Why no frames come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The connection is lost, or not there yet.
    Reconnecting(String),
    /// The sender says that its source gives no frames, and why.
    CameraLost(String),
}

/// How far the display may fall behind the newest frame of an inter-coded stream before it skips
/// to a key frame. The key-frame gate, which knows the decoder, is stricter.
const MAX_LATENCY: Duration = Duration::from_secs(1);

/// The local viewer, and the state of its stream.
pub struct VideoDisplay<'a> {
    options: &'a RecvOptions,
    hub: Arc<Hub>,
    events: mpsc::UnboundedSender<PlayerEvent>,
    meter: Arc<StreamStats>,
    /// Counts the frames that were shown.
    shown: Arc<AtomicU64>,
    /// The pipeline file, which may be replaced while it runs.
    file: PipelineFile,
    replaceable: bool,
    viewer: Option<LocalViewer>,
    /// The frames' caps, once they are known.
    pub caps: Option<Caps>,
    /// The sender's name.
    pub sender: String,
    /// Where the sender is, for the log.
    pub label: String,
    outage: Option<(Outage, Instant)>,
    /// The text that covers the picture.
    covered: Option<String>,
    /// Losses of the connection, and of the sender's camera.
    connection: Losses,
    camera: Losses,
}

impl<'a> VideoDisplay<'a> {
    /// Shows the frames of `hub` from the first hello on. Where it is `replaceable`, the pipeline
    /// may be changed while it runs.
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
            replaceable,
            viewer: None,
            caps: None,
            sender: String::new(),
            label: options.place.label(None),
            outage: None,
            covered: None,
            connection: Losses::default(),
            camera: Losses::default(),
        }
    }

    /// Changes to another pipeline. The old one goes on where that fails.
    pub fn replace(&mut self, file: PipelineFile) {
        match &self.viewer {
            Some(viewer) => viewer.replace(file),
            None => self.file = file,
        }
    }

    /// Whether a sender has introduced itself.
    pub fn greeted(&self) -> bool {
        self.viewer.is_some()
    }

    /// How many frames were shown.
    pub fn count(&self) -> u64 {
        self.shown.load(Relaxed)
    }

    /// The connection is lost, and is made again.
    pub fn disconnected(&mut self, reason: &str) {
        let sender = &self.label;
        let next = if self.options.place.is_listening() {
            "waiting for a sender"
        } else {
            "connecting again"
        };
        match self.connection.lost(reason, Instant::now()) {
            Some(times) => warn!("sender {sender}: lost: {reason}{times}; {next}"),
            None => debug!("sender {sender}: lost: {reason}; {next}"),
        }
        self.enter(Outage::Reconnecting(reason.to_owned()));
    }

    /// Tells of losses that are over, where there were many.
    pub fn settle(&mut self) {
        let (sender, now) = (&self.label, Instant::now());
        if let Some(times) = self.connection.steady(now) {
            info!("sender {sender}: the connection holds again, after it was lost{times}");
        }
        if let Some(times) = self.camera.steady(now) {
            info!("sender {sender}: the camera stays again, after it was lost{times}");
        }
    }

    /// No frames come from now on, for this reason.
    pub fn enter(&mut self, outage: Outage) {
        self.outage = Some((outage, Instant::now()));
        self.refresh();
    }

    /// The state of the stream in words for the picture and the status line; `None` while it is
    /// live.
    pub fn matter(&self) -> Option<String> {
        if let Some((outage, since)) = &self.outage {
            // In a narrow window the line must not break within the time.
            let seconds = since.elapsed().as_secs();
            return Some(match outage {
                Outage::Reconnecting(_) => self.options.place.outage(seconds),
                Outage::CameraLost(reason) => format!("camera lost: {reason} ({seconds}\u{a0}s)"),
            });
        }
        let still = self.meter.since_shown()?;
        let promised = self.caps.as_ref().and_then(Caps::framerate);
        let promised = promised.map_or(Duration::ZERO, |fps| Duration::from_secs_f64(1.0 / fps));
        let usual = self.meter.usual_gap().max(promised);
        let limit = FROZEN_AFTER.max(usual * FROZEN_FRAMES);
        (still > limit).then(|| format!("no picture for {} s", still.as_secs()))
    }

    /// The state of the stream, in a word for other programs.
    pub fn state(&self) -> &'static str {
        match &self.outage {
            Some((Outage::Reconnecting(_), _)) => "reconnecting",
            Some((Outage::CameraLost(_), _)) => "camera lost",
            None if self.matter().is_some() => "frozen",
            None => "live",
        }
    }

    /// Why the stream is not live, for other programs.
    pub fn reason(&self) -> Option<String> {
        match &self.outage {
            Some((Outage::Reconnecting(reason) | Outage::CameraLost(reason), _)) => {
                Some(reason.clone())
            }
            None => self.matter(),
        }
    }

    /// Covers the picture with the state of the stream, so that it is not taken for a live one.
    pub fn refresh(&mut self) {
        let matter = self.matter();
        if matter == self.covered {
            return;
        }
        // The next live frame uncovers it. Before the first there is nothing to be seen.
        if let (Some(viewer), Some(text)) = (&self.viewer, &matter) {
            viewer.cover(text);
        }
        self.covered = matter;
    }

    /// Shows the last frames, for which a pipeline that is being built has `patience`, and closes.
    pub async fn finish(&mut self, patience: Duration) {
        if let Some(viewer) = self.viewer.take() {
            viewer.finish(patience).await;
        }
    }

    /// A connection begins, to a sender of this label.
    pub fn connects(&mut self, label: &str) {
        label.clone_into(&mut self.label);
    }

    /// The sender has introduced itself.
    pub fn hello(&mut self, name: &str) {
        let target = &self.label;
        let from = match name {
            "" => target.clone(),
            name => name.to_owned(),
        };
        if self.greeted() {
            // Only its first word tells that the sender is there again. The window stays.
            if let Some((Outage::Reconnecting(_), since)) = self.outage.take() {
                let seconds = since.elapsed().as_secs_f32();
                if self.connection.back(Instant::now()) {
                    info!("sender {target}: connected again after {seconds:.1} s");
                }
            }
            // A sender that was taken for a program of the tutorial had no name until now.
            if self.sender != from && !name.is_empty() {
                info!("sender {target}: connected to {from:?}");
                self.sender = from;
            }
            return;
        }
        info!("sender {target}: connected to {from:?}");
        let meter = Arc::clone(&self.meter);
        let options = LocalViewerOptions {
            player: PlayerOptions {
                values: self.options.values.clone(),
                title: format!("RECEIVING VIDEO from {from}"),
                enough: self.options.frames,
                shown: Arc::clone(&self.shown),
                seen: Some(Arc::new(move |header: &FrameHeader| meter.shown(header))),
                replaceable: self.replaceable,
                ..PlayerOptions::new(self.file.clone())
            },
            max_latency: Some(MAX_LATENCY),
            // The text has the time in it, and is renewed here.
            covers_losses: false,
        };
        self.sender = from;
        let events = self.events.clone();
        self.viewer = Some(LocalViewer::spawn(&self.hub, options, events));
    }

    /// The frames have these caps from here on.
    pub fn caps(&mut self, caps: &Caps) {
        if self.caps.as_ref() != Some(caps) {
            info!("sender {}: sends {}", self.label, caps.describe());
            self.caps = Some(caps.clone());
        }
    }

    /// The sender's source gives no frames, for this reason.
    pub fn lost(&mut self, reason: &str) {
        let sender = &self.label;
        match self.camera.lost(reason, Instant::now()) {
            Some(times) => warn!("sender {sender}: camera lost: {reason}{times}"),
            None => debug!("sender {sender}: camera lost: {reason}"),
        }
        self.enter(Outage::CameraLost(reason.to_owned()));
    }

    /// A frame has arrived.
    pub fn frame(&mut self) {
        if let Some((Outage::CameraLost(_), since)) = &self.outage {
            let (target, seconds) = (&self.label, since.elapsed().as_secs());
            if self.camera.back(Instant::now()) {
                info!("sender {target}: the camera is back after {seconds} s");
            }
        }
        self.outage = None;
    }
}
