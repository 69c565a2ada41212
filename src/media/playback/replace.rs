//! The receiving end changes over to another pipeline: it is tried with a picture, and the old
//! one stays, or comes back, where that fails.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_video as gst_video;

use crate::failure::Outcome;
use crate::frame::FrameHeader;
use crate::wire::Caps;

use super::pipeline::{Place, PlaybackPipeline};
use super::placeholders;
use super::player::{Player, PlayerEvent, not_shown};
use crate::media::gst::caps;
use crate::media::gst::element;
use crate::media::pipeline::build;
use crate::media::pipeline::file::PipelineFile;

/// How long a new pipeline has to show a picture or to fail. One that does neither is taken: it
/// may well show only some of the pictures.
const LIMIT: Duration = Duration::from_secs(1);

/// What another pipeline is tried with: the form of the pictures, and the newest one.
pub struct Sample {
    form: Option<Caps>,
    picture: Mutex<Option<gst::Buffer>>,
}

impl Sample {
    pub(super) fn of(form: &Caps) -> Self {
        Self {
            form: Some(form.clone()),
            picture: Mutex::default(),
        }
    }

    /// Remembers a picture that can be decoded by itself.
    pub(super) fn note(&self, header: &FrameHeader, buffer: &gst::Buffer) {
        if header.key {
            let newest = Some(buffer.clone());
            *self.picture.lock().unwrap_or_else(PoisonError::into_inner) = newest;
        }
    }
}

/// Hears what a new pipeline says until it is taken.
#[derive(Clone)]
pub struct Trial {
    verdict: SyncSender<Outcome>,
    over: Arc<AtomicBool>,
}

impl Trial {
    fn new() -> (Self, Receiver<Outcome>) {
        let (verdict, heard) = mpsc::sync_channel(1);
        let over = Arc::default();
        (Self { verdict, over }, heard)
    }

    /// What the owner is to be told of `event`. Called on GStreamer's threads.
    pub(super) fn judge(&self, event: PlayerEvent) -> Option<PlayerEvent> {
        if self.over.load(Relaxed) {
            return Some(event);
        }
        match event {
            // The first word counts; what follows an error is more of the same.
            PlayerEvent::Failed(failure) => {
                let _ = self.verdict.try_send(Err(failure));
                None
            }
            PlayerEvent::Ended | PlayerEvent::NeedKey => None,
            event => Some(event),
        }
    }

    /// Notices the first picture at the sink.
    fn watch(&self, pipeline: &gst::Pipeline) {
        let Ok(Some(sink)) = pipeline.iterate_sinks().next() else {
            return;
        };
        let Some(pad) = sink.static_pad("sink") else {
            return;
        };
        let verdict = self.verdict.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            let _ = verdict.try_send(Ok(()));
            gst::PadProbeReturn::Remove
        });
    }
}

impl Player {
    /// Remembers the newest picture from here on, so that [`Player::replace`] can try another
    /// pipeline with it. It is for those who may call that: the pool has one picture less.
    pub fn remember(&mut self) {
        self.sample = Some(Sample {
            form: None,
            picture: Mutex::default(),
        });
    }

    /// Changes over to another pipeline, within a second or so. The window stays. Where the new
    /// one fails the old one goes on, and the failure is returned.
    pub fn replace(&mut self, file: PipelineFile) -> Outcome {
        self.options.values.check(&file)?;
        let form = self.sample.as_ref().and_then(|sample| sample.form.clone());
        let (Some(form), Some(old)) = (form, &self.stage) else {
            // Nothing is shown yet.
            self.options.file = file;
            return Ok(());
        };
        let gst_caps = caps::to_gst(&form).map_err(|e| not_shown(&form, &e))?;
        let text = placeholders::fill(&self.options.values, &file, &form)?;
        build::check(&file, &text)?;
        let old_text = old.text.clone();
        let in_place = shares(&old.pipeline, &build::build(&file, &text)?);
        let old_recipe = std::mem::replace(&mut self.options.file, file);
        if in_place {
            self.retire();
        }
        let failure = match self.try_out(text, &form, &gst_caps) {
            Ok(stage) => {
                self.retire();
                self.settle(stage, &form);
                return self.fit(&form, &gst_caps);
            }
            Err(failure) => failure,
        };
        self.options.file = old_recipe;
        if in_place {
            // Where the old one does not work any more either, nothing does.
            if let Err(failure) = self.reopen(old_text, &form, &gst_caps) {
                let _ = self.events.send(PlayerEvent::Failed(failure));
            }
        }
        Err(failure)
    }

    /// Brings the running pipeline to its end, so that a file is whole.
    fn retire(&mut self) {
        if let Some(stage) = &self.stage {
            stage.retired.store(true, Relaxed);
        }
        self.finish();
    }

    fn reopen(&mut self, text: String, form: &Caps, gst_caps: &gst::Caps) -> Outcome {
        let stage = self.open(text, form, gst_caps, Place::Kept(None))?;
        self.show_sample(&stage);
        self.settle(stage, form);
        self.fit(form, gst_caps)
    }

    /// Starts a pipeline and gives it a picture, if there was one.
    fn try_out(
        &self,
        text: String,
        form: &Caps,
        gst_caps: &gst::Caps,
    ) -> Outcome<PlaybackPipeline> {
        let (trial, verdict) = Trial::new();
        let stage = self.open(text, form, gst_caps, Place::Tried(trial.clone()))?;
        trial.watch(&stage.pipeline);
        self.show_sample(&stage);
        match verdict.recv_timeout(LIMIT) {
            Ok(Err(failure)) => Err(failure),
            Ok(Ok(())) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                trial.over.store(true, Relaxed);
                Ok(stage)
            }
        }
    }

    fn show_sample(&self, stage: &PlaybackPipeline) {
        let sample = self.sample.as_ref();
        let newest = sample.and_then(|sample| {
            let picture = sample.picture.lock();
            picture.unwrap_or_else(PoisonError::into_inner).clone()
        });
        if let Some(picture) = newest {
            let _ = stage.frames.push_buffer(picture);
        }
    }
}

/// Whether two pipelines end in the same place, where there is room for one: the window, the
/// terminal, a file.
fn shares(one: &gst::Pipeline, other: &gst::Pipeline) -> bool {
    let taken = ends(one);
    ends(other).iter().any(|end| taken.contains(end))
}

fn ends(pipeline: &gst::Pipeline) -> Vec<String> {
    let sinks = pipeline.iterate_sinks().into_iter().flatten();
    let end = |sink: gst::Element| {
        if sink.is::<gst_video::VideoOverlay>() || element::kind(&sink) == "autovideosink" {
            return Some("the window".to_owned());
        }
        if sink.name() == "blocks" {
            return Some("the terminal".to_owned());
        }
        ["location", "device", "fd", "port"]
            .into_iter()
            .find(|name| sink.has_property(name))
            .map(|name| format!("{name} {:?}", sink.property_value(name)))
    };
    sinks.filter_map(end).collect()
}
