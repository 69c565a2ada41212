//! One receiving pipeline: how it is built, what listens to it, and how it stops.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, mpsc};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use crate::failure::Outcome;
use crate::wire::Caps;

use super::appsrc::{AppsrcFeed, DecoderMonitor};
use super::buffer_pool::BufferPool;
use super::bus::{self, BusHandler};
use super::frame_counter;
use super::player::{Player, PlayerEvent, PlayerOptions};
use super::replace::Trial;
use crate::media::capture::appsink;
use crate::media::display::terminal::Terminal;
use crate::media::display::window::Window;
use crate::media::gst::stop;
use crate::media::pipeline::build;

/// The pipeline for frames of one form.
pub(super) struct PlaybackPipeline {
    /// The filled file: a change of it means another pipeline.
    pub(super) text: String,
    pub(super) pipeline: gst::Pipeline,
    pub(super) frames: gst_app::AppSrc,
    pub(super) feed: AppsrcFeed,
    pub(super) terminal: Option<Terminal>,
    window: Window,
    /// Hears when the pipeline has come to its end.
    pub(super) ended: mpsc::Receiver<()>,
    /// It was on trial: what covers pictures still works on the one before.
    pub(super) tried: bool,
    /// Another has taken its place: nobody wants to hear of it any more.
    pub(super) retired: Arc<AtomicBool>,
    /// For raw pictures, which all have one size.
    pub(super) pool: Option<BufferPool>,
}

/// What a pipeline is opened for.
pub(super) enum Place {
    /// To go on, with the terminal that is covered already, if one is.
    Kept(Option<Terminal>),
    /// To see whether it works.
    Tried(Trial),
}

impl Player {
    /// Starts a pipeline. What it fails with goes to its trial first, where it is on trial.
    pub(super) fn open(
        &self,
        text: String,
        form: &Caps,
        gst_caps: &gst::Caps,
        place: Place,
    ) -> Outcome<PlaybackPipeline> {
        let file = &self.options.file;
        let pipeline = build::build(file, &text)?;
        let frames: gst_app::AppSrc = build::seam(file, &pipeline)?;
        frames.set_format(gst::Format::Time);
        frames.set_is_live(true);
        frames.set_do_timestamp(true);
        frames.set_max_bytes(0);
        let health = DecoderMonitor::watch(&pipeline, &frames);
        let feed = AppsrcFeed::new(frames.clone(), Arc::clone(&health), self.events.clone());
        // Before anything else goes down the pipeline.
        feed.set_form(form, gst_caps);
        let (terminal, trial) = match place {
            Place::Kept(terminal) => {
                self.cover.attach(&pipeline, form.display_size());
                (terminal, None)
            }
            Place::Tried(trial) => (None, Some(trial)),
        };
        let tried = trial.is_some();
        let terminal = Terminal::of(&pipeline, terminal, &self.cover, form.display_size())?;
        if terminal.is_none() {
            self.window.attach(&pipeline, form.display_size());
        }
        if let Some(outlet) = &self.options.taken {
            appsink::take(&pipeline, outlet);
        }
        self.tell_decoder(health.decoder.as_deref());
        let retired = Arc::default();
        let hearing = BusHandler {
            place: file.place(None),
            events: self.events.clone(),
            window: self.window.clone(),
            trial,
            retired: Arc::clone(&retired),
            health,
        };
        let ended = hearing.listen(&pipeline);
        let stage = PlaybackPipeline {
            text,
            pipeline,
            frames,
            feed,
            terminal,
            pool: None,
            window: self.window.clone(),
            ended,
            tried,
            retired,
        };
        if stage.pipeline.set_state(gst::State::Playing).is_err() {
            return Err(bus::first_failure(&file.place(None), &stage.pipeline));
        }
        Ok(stage)
    }

    /// Counts the pictures that this pipeline shows from here on.
    pub(super) fn count(&self, stage: &PlaybackPipeline) {
        let events = self.events.clone();
        let (marks, pipeline) = (self.marks.as_ref(), &stage.pipeline);
        let PlayerOptions { shown, enough, .. } = &self.options;
        frame_counter::attach(pipeline, shown, marks, *enough, move || {
            let _ = events.send(PlayerEvent::Enough);
        });
    }

    /// Says which decoder it is, once and when it is another.
    fn tell_decoder(&self, kind: Option<&str>) {
        let mut told = self.decoder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kind) = kind
            && *told != kind
        {
            tracing::info!("decoder: {kind}");
            *told = kind.to_owned();
        }
    }
}

impl Drop for PlaybackPipeline {
    fn drop(&mut self) {
        if self.window.is_lost() {
            return std::mem::forget(self.pipeline.clone());
        }
        stop::stop(&self.pipeline);
    }
}
