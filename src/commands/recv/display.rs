//! What a viewer sees, across connections: the player, and what is the matter while no pictures
//! come.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use crate::failure::{Failure, Outcome};
use crate::frame::FrameHeader;
use crate::media::playback::player::{Picture, PlayerEvent, PlayerOptions};
use crate::media::{PipelineFile, Player};
use crate::net::{Losses, Sink, StreamStats};
use crate::wire::Caps;

use super::RecvOptions;

/// A stream stands still when nothing was shown for this long, or for so many times the usual.
const FROZEN_AFTER: Duration = Duration::from_secs(1);
const FROZEN_FRAMES: u32 = 4;

/// Why no pictures come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The connection is lost, or not there yet.
    Reconnecting(String),
    /// The sender says that its source gives no pictures, and why.
    CameraLost(String),
}

/// The player, and what is the matter with its stream.
pub struct VideoDisplay<'a> {
    options: &'a RecvOptions,
    events: mpsc::UnboundedSender<PlayerEvent>,
    meter: Arc<StreamStats>,
    /// The pictures that were shown.
    shown: Arc<AtomicU64>,
    player: Option<Player>,
    /// The form of the pictures, once it is known.
    pub form: Option<Caps>,
    /// What the sender calls itself.
    pub sender: String,
    trouble: Option<(Outage, Instant)>,
    /// The pipeline may be changed while it runs.
    changes: bool,
    /// What covers the picture.
    covered: Option<String>,
    /// Losses of the connection, and of the sender's camera.
    connection: Losses,
    camera: Losses,
}

impl<'a> VideoDisplay<'a> {
    /// Nothing to be seen yet.
    pub fn new(
        options: &'a RecvOptions,
        events: mpsc::UnboundedSender<PlayerEvent>,
        meter: &Arc<StreamStats>,
    ) -> Self {
        Self {
            options,
            events,
            meter: Arc::clone(meter),
            shown: Arc::default(),
            player: None,
            form: None,
            sender: String::new(),
            trouble: None,
            changes: false,
            covered: None,
            connection: Losses::default(),
            camera: Losses::default(),
        }
    }

    /// The pipeline may be changed while it runs: to be said before anything comes.
    pub fn expect_changes(&mut self) {
        self.changes = true;
    }

    /// Changes over to another pipeline; the old one goes on where that fails.
    pub fn change(&mut self, file: PipelineFile) {
        let Some(player) = &mut self.player else {
            return;
        };
        let place = file.place(None);
        match player.replace(file) {
            Ok(()) => info!("receiver: changed over to {place}"),
            Err(failure) => warn!("receiver: goes on as it was: {}", failure.line()),
        }
    }

    /// Whether a sender has introduced itself.
    pub fn greeted(&self) -> bool {
        self.player.is_some()
    }

    /// How many pictures were shown.
    pub fn count(&self) -> u64 {
        self.shown.load(Relaxed)
    }

    /// The connection is lost, and is made again.
    pub fn disconnected(&mut self, reason: &str) {
        let target = &self.options.target;
        match self.connection.lost(reason, Instant::now()) {
            Some(times) => warn!("sender {target}: lost: {reason}{times}; connecting again"),
            None => debug!("sender {target}: lost: {reason}; connecting again"),
        }
        self.enter(Outage::Reconnecting(reason.to_owned()));
    }

    /// Tells of losses that are over, where there were many.
    pub fn settle(&mut self) {
        let (target, now) = (&self.options.target, Instant::now());
        if let Some(times) = self.connection.steady(now) {
            info!("sender {target}: the connection holds again, after it was lost{times}");
        }
        if let Some(times) = self.camera.steady(now) {
            info!("sender {target}: the camera stays again, after it was lost{times}");
        }
    }

    /// From now on no pictures come, for this reason.
    fn enter(&mut self, trouble: Outage) {
        self.trouble = Some((trouble, Instant::now()));
    }

    /// What is the matter, in words for the picture and the status line; `None` while pictures come.
    pub fn matter(&self) -> Option<String> {
        let target = &self.options.target;
        if let Some((trouble, since)) = &self.trouble {
            // In a narrow window the line must not break within the time.
            let seconds = since.elapsed().as_secs();
            return Some(match trouble {
                Outage::Reconnecting(_) => format!("reconnecting to {target} ({seconds}\u{a0}s)"),
                Outage::CameraLost(reason) => format!("camera lost: {reason} ({seconds}\u{a0}s)"),
            });
        }
        let still = self.meter.since_shown()?;
        let promised = self.form.as_ref().and_then(Caps::framerate);
        let promised = promised.map_or(Duration::ZERO, |fps| Duration::from_secs_f64(1.0 / fps));
        let usual = self.meter.usual_gap().max(promised);
        let limit = FROZEN_AFTER.max(usual * FROZEN_FRAMES);
        (still > limit).then(|| format!("no picture for {} s", still.as_secs()))
    }

    /// What state the stream is in, in a word for other programs.
    pub fn state(&self) -> &'static str {
        match &self.trouble {
            Some((Outage::Reconnecting(_), _)) => "reconnecting",
            Some((Outage::CameraLost(_), _)) => "camera lost",
            None if self.matter().is_some() => "frozen",
            None => "live",
        }
    }

    /// Why the stream is in a state that is not live, for other programs.
    pub fn reason(&self) -> Option<String> {
        match &self.trouble {
            Some((Outage::Reconnecting(reason) | Outage::CameraLost(reason), _)) => {
                Some(reason.clone())
            }
            None => self.matter(),
        }
    }

    /// Covers the picture with what is the matter, so that it is not taken for a live one.
    pub fn refresh(&mut self) {
        let matter = self.matter();
        if matter == self.covered {
            return;
        }
        // The next live picture uncovers it; before that there is none to be seen.
        if let (Some(player), Some(text)) = (&mut self.player, &matter) {
            player.cover(text);
        }
        self.covered = matter;
    }

    /// Takes leave of the pictures.
    pub fn finish(&mut self) {
        if let Some(player) = &mut self.player {
            player.finish();
        }
    }

    fn hello(&mut self, name: &str) {
        let target = &self.options.target;
        let from = match name {
            "" => target.to_string(),
            name => name.to_owned(),
        };
        if self.player.is_some() {
            // That it is there again is only known from its first word; the window stays.
            if let Some((Outage::Reconnecting(_), since)) = self.trouble.take() {
                let seconds = since.elapsed().as_secs_f32();
                if self.connection.back(Instant::now()) {
                    info!("sender {target}: connected again after {seconds:.1} s");
                }
            }
            // One that was taken for a program of the tutorial before has no name until now.
            if self.sender != from && !name.is_empty() {
                info!("sender {target}: connected to {from:?}");
                self.sender = from;
            }
            return;
        }
        info!("sender {target}: connected to {from:?}");
        let meter = Arc::clone(&self.meter);
        let options = PlayerOptions {
            file: self.options.file.clone(),
            values: self.options.values.clone(),
            title: format!("RECEIVING VIDEO from {from}"),
            enough: self.options.frames,
            shown: Arc::clone(&self.shown),
            seen: Some(Arc::new(move |header: &FrameHeader| meter.shown(header))),
            taken: None,
        };
        self.sender = from;
        let mut player = Player::new(options, self.events.clone());
        if self.changes {
            player.remember();
        }
        self.player = Some(player);
    }

    fn caps(&mut self, caps: &Caps) -> Outcome {
        let Some(player) = &mut self.player else {
            return Ok(());
        };
        player.set_caps(caps)?;
        if self.form.as_ref() != Some(caps) {
            info!("sender {}: sends {}", self.options.target, caps.describe());
            self.form = Some(caps.clone());
        }
        Ok(())
    }

    fn lost(&mut self, reason: &str) {
        let target = &self.options.target;
        match self.camera.lost(reason, Instant::now()) {
            Some(times) => warn!("sender {target}: camera lost: {reason}{times}"),
            None => debug!("sender {target}: camera lost: {reason}"),
        }
        self.enter(Outage::CameraLost(reason.to_owned()));
    }

    fn frame(&mut self, header: &FrameHeader, picture: Picture) {
        if let Some((Outage::CameraLost(_), since)) = &self.trouble {
            let (target, seconds) = (&self.options.target, since.elapsed().as_secs());
            if self.camera.back(Instant::now()) {
                info!("sender {target}: the camera is back after {seconds} s");
            }
        }
        self.trouble = None;
        if let Some(player) = &self.player {
            player.show(header, picture);
        }
    }
}

/// What the network hands its frames to. Nothing here waits, so nobody meets a screen that is
/// borrowed.
pub struct OnScreen<'s, 'a>(pub &'s RefCell<VideoDisplay<'a>>);

impl Sink for OnScreen<'_, '_> {
    type Buffer = Picture;

    fn hello(&mut self, name: &str) {
        self.0.borrow_mut().hello(name);
    }

    fn caps(&mut self, caps: &Caps) -> Outcome {
        self.0.borrow_mut().caps(caps)
    }

    fn buffer(&mut self, length: usize) -> Outcome<Picture> {
        match &self.0.borrow().player {
            Some(player) => player.buffer(length),
            None => Err(Failure::lost("cannot show a picture").cause("there was no hello")),
        }
    }

    fn lost(&mut self, reason: &str) {
        self.0.borrow_mut().lost(reason);
    }

    fn frame(&mut self, header: &FrameHeader, picture: Picture) -> Outcome {
        self.0.borrow_mut().frame(header, picture);
        Ok(())
    }
}
