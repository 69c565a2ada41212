//! One receiving pipeline: how it is built, started, fed and stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use tokio::sync::mpsc::UnboundedSender;

use crate::failure::Outcome;
use crate::media::capture::encoder::Encoder;
use crate::media::display::canvas::Seat;
use crate::media::display::freeze_frame::FreezeFrame;
use crate::media::display::stage::{Shown, Stage};
use crate::media::display::{sink, terminal};
use crate::media::frame_sink::FrameSink;
use crate::media::gst::stop;
use crate::media::pipeline::file::PipelineFile;
use crate::media::pipeline::{build, ends};
use crate::wire::Caps;

use super::appsrc::AppsrcFeed;
use super::bus::{self, PipelineEvent, Tell};
use super::decoder_monitor::DecoderMonitor;
use super::encoded_time::{self, CapturedAt};
use super::events::PlayerEvent;
use super::frame_counter;
use super::frame_tracker::FrameTracker;
use super::published::{self, Published};
use super::transcode;

/// The things that all pipelines of one player share.
pub(super) struct Context {
    /// The player's owner.
    pub events: UnboundedSender<PlayerEvent>,
    /// The canvas with the window or the terminal that shows it.
    pub stage: Stage,
    /// The place of the frames on the canvas.
    pub seat: Arc<Seat>,
    /// Stands for the canvas where the pipeline's own sink opens a window.
    pub freeze_frame: FreezeFrame,
    /// Recognises the frames at the sink, where somebody wants to know.
    pub tracker: Option<Arc<FrameTracker>>,
    /// Counts the frames that are shown.
    pub shown: Arc<AtomicU64>,
    /// The number of frames after which no more pass.
    pub enough: Option<u64>,
    /// Receives the frames of an `appsink name=taken`.
    pub taken: Option<Arc<dyn FrameSink>>,
    /// Counts what an engine was given, where the pipeline publishes.
    pub published: Option<Arc<Published>>,
    /// Tells when a frame was captured, where the pipeline publishes.
    pub captured: Option<CapturedAt>,
}

/// A pipeline to be opened.
pub(super) struct Plan<'a> {
    pub file: &'a PipelineFile,
    /// The file's text with its placeholders filled.
    pub text: String,
    pub caps: &'a Caps,
    pub gst_caps: &'a gst::Caps,
}

/// The purpose of a pipeline that is opened.
pub(super) enum Purpose {
    /// To show the frames from here on.
    Show,
    /// To see whether it works, beside the one that shows the frames.
    Trial,
}

/// How far a pipeline has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// The thread "start" changes its state.
    Starting,
    Running,
    Failed,
}

/// A pipeline. Dropping it stops it, which takes [`stop::LIMIT`] at the most.
pub(super) struct PlaybackPipeline {
    text: String,
    /// Where its file is, for a person.
    place: String,
    pipeline: gst::Pipeline,
    feed: Arc<AppsrcFeed>,
    encoder: Option<Encoder>,
    /// The display of its frames, until the stage keeps it open.
    shown: Option<Shown>,
    /// Its sink opens a window of its own, if any.
    is_foreign: bool,
    stage: Stage,
    seat: Arc<Seat>,
    progress: Progress,
    /// It was stopped, perhaps before the thread "start" came to its change of state.
    stopped: Arc<AtomicBool>,
    tell: Tell,
}

impl PlaybackPipeline {
    /// Builds a pipeline, whose events go to `tell`. It takes no frames before
    /// [`PlaybackPipeline::start`].
    ///
    /// # Errors
    /// The text makes no pipeline, or there is no terminal for it.
    pub fn open(context: &Context, plan: Plan<'_>, purpose: Purpose, tell: Tell) -> Outcome<Self> {
        let Plan {
            file,
            text,
            caps,
            gst_caps,
        } = plan;
        let pipeline = build::build(file, &text)?;
        let frames: gst_app::AppSrc = ends::seam(file, &pipeline)?;
        let decoder = DecoderMonitor::watch(&pipeline, &frames);
        let feed = AppsrcFeed::new(frames, Arc::clone(&decoder), context.events.clone());
        // Before anything else goes down the pipeline.
        feed.set_caps(caps, gst_caps);
        let size = caps.display_size();
        let is_trial = matches!(purpose, Purpose::Trial);
        if !is_trial {
            context.freeze_frame.attach(&pipeline, size);
        }
        let (stage, seat) = (&context.stage, &context.seat);
        let shown = stage.attach(&pipeline, seat, size)?;
        if let Some(frame_sink) = &context.taken {
            transcode::attach(&pipeline, frame_sink);
        }
        let place = file.place(None);
        bus::listen(&pipeline, place.clone(), stage, decoder, Arc::clone(&tell));
        let mut opened = Self {
            text,
            place,
            encoder: Encoder::find(&pipeline),
            pipeline,
            feed: Arc::new(feed),
            is_foreign: shown.is_none(),
            shown,
            stage: stage.clone(),
            seat: Arc::clone(seat),
            progress: Progress::Starting,
            stopped: Arc::default(),
            tell,
        };
        if is_trial {
            opened.watch_first_frame();
        } else {
            opened.keep_display();
            opened.count(context);
        }
        Ok(opened)
    }

    /// Starts it, on a thread of its own: [`PipelineEvent::Started`] tells when that is done,
    /// which may take seconds, or never be.
    pub fn start(&self) {
        let (pipeline, tell) = (self.pipeline.clone(), Arc::clone(&self.tell));
        let stopped = Arc::clone(&self.stopped);
        let start = move || {
            let started = pipeline.set_state(gst::State::Playing).is_ok();
            if stopped.load(SeqCst) {
                // Otherwise it would run for ever, and nobody would know of it.
                let _ = pipeline.set_state(gst::State::Null);
            }
            tell(PipelineEvent::Started(started));
        };
        let spawned = std::thread::Builder::new()
            .name("start".into())
            .spawn(start);
        if spawned.is_err() {
            (self.tell)(PipelineEvent::Started(false));
        }
    }

    /// The bit rate of its own encoder, in kbit/s; `None` where it has none that can be changed.
    pub fn bitrate(&self) -> Option<u32> {
        self.encoder.as_ref().and_then(Encoder::bitrate)
    }

    /// Changes the bit rate of its own encoder, in kbit/s.
    pub fn set_bitrate(&self, kbit: u32) {
        if let Some(encoder) = &self.encoder {
            encoder.set_bitrate(kbit);
        }
    }

    /// It was started.
    pub fn has_started(&mut self) {
        if self.progress == Progress::Starting {
            self.progress = Progress::Running;
        }
    }

    /// It has failed; true the first time.
    pub fn has_failed(&mut self) -> bool {
        std::mem::replace(&mut self.progress, Progress::Failed) != Progress::Failed
    }

    /// Whether it is still being started.
    pub fn is_starting(&self) -> bool {
        self.progress == Progress::Starting
    }

    /// Whether it takes frames.
    pub fn is_running(&self) -> bool {
        self.progress == Progress::Running
    }

    /// The filled text that it was made of.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where its file is, for a person.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Its entry.
    pub fn feed(&self) -> &Arc<AppsrcFeed> {
        &self.feed
    }

    /// Prepares for frames of these caps, for which its text is the same.
    pub fn set_caps(&self, caps: &Caps, gst_caps: &gst::Caps) {
        self.stage.resize(&self.seat, caps.display_size());
        self.feed.set_caps(caps, gst_caps);
    }

    /// Goes on after its trial, with frames of the caps that it was tried with.
    pub fn take_over(&mut self, context: &Context, caps: &Caps) {
        context
            .freeze_frame
            .attach(&self.pipeline, caps.display_size());
        self.keep_display();
        self.count(context);
    }

    /// The title has changed.
    pub fn rename(&self) {
        if self.is_foreign {
            self.stage.name(&self.pipeline);
        }
    }

    /// Empties the decoder, which begins anew with `buffer`: on a thread of its own, as it may
    /// hang. [`PipelineEvent::Flushed`] tells when it is done.
    pub fn flush(&self, buffer: gst::Buffer) {
        let (feed, tell) = (Arc::clone(&self.feed), Arc::clone(&self.tell));
        let flush = move || {
            feed.flush(buffer);
            tell(PipelineEvent::Flushed);
        };
        // Without a thread the frames stay out, as they do where it hangs.
        let _ = std::thread::Builder::new()
            .name("flush".into())
            .spawn(flush);
    }

    /// Asks it to bring the frames that it has to their end. False where it does not, and so will
    /// not say [`PipelineEvent::Ended`].
    pub fn end(&self) -> bool {
        self.is_running() && !self.stage.loss().load(SeqCst) && self.feed.end()
    }

    /// Whether a pipeline of `text` would end in the same place, such as the window, the terminal
    /// or a file, where there is room for one.
    ///
    /// # Errors
    /// The text makes no pipeline.
    pub fn shares_its_end_with(&self, file: &PipelineFile, text: &str) -> Outcome<bool> {
        let taken = ends(&self.pipeline);
        let other = build::build(file, text)?;
        Ok(ends(&other).iter().any(|end| taken.contains(end)))
    }

    /// The display of its frames stays from here on until another pipeline has one.
    fn keep_display(&mut self) {
        self.stage.keep(&self.seat, self.shown.take());
    }

    /// Counts the frames that it shows from here on.
    fn count(&self, context: &Context) {
        let events = context.events.clone();
        let tracker = context.tracker.as_ref();
        if let Some(published) = &context.published {
            if let (Some(tracker), Some(captured)) = (tracker, &context.captured) {
                encoded_time::attach(&self.pipeline, tracker, captured);
            }
            return published::attach(&self.pipeline, published, tracker);
        }
        let (shown, enough) = (&context.shown, context.enough);
        frame_counter::attach(&self.pipeline, shown, tracker, enough, move || {
            let _ = events.send(PlayerEvent::Enough);
        });
    }

    fn watch_first_frame(&self) {
        let sink = self.pipeline.iterate_sinks().next().ok().flatten();
        let Some(pad) = sink.and_then(|sink| sink.static_pad("sink")) else {
            return;
        };
        let tell = Arc::clone(&self.tell);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            tell(PipelineEvent::FirstFrame);
            gst::PadProbeReturn::Remove
        });
    }
}

impl Drop for PlaybackPipeline {
    fn drop(&mut self) {
        if self.stage.is_stuck() {
            // A thread that speaks to a lost X display waits for ever, so this pipeline is never
            // stopped nor freed.
            return std::mem::forget(self.pipeline.clone());
        }
        self.stopped.store(true, SeqCst);
        if !stop::stop(&self.pipeline) {
            let limit = stop::LIMIT.as_secs();
            let place = &self.place;
            tracing::warn!("pipeline {place}: does not stop within {limit} s, is left behind");
        }
    }
}

/// The places in which a pipeline ends.
fn ends(pipeline: &gst::Pipeline) -> Vec<String> {
    let sinks = pipeline.iterate_sinks().into_iter().flatten();
    let end = |sink: gst::Element| {
        let is_own = sink.is::<gst_app::AppSink>();
        if is_own && sink.name() == sink::WINDOW {
            return Some("the window".to_owned());
        }
        if is_own && sink.name() == terminal::BLOCKS {
            return Some("the terminal".to_owned());
        }
        ["location", "device", "fd", "port"]
            .into_iter()
            .find(|name| sink.has_property(name))
            .map(|name| format!("{name} {:?}", sink.property_value(name)))
    };
    sinks.filter_map(end).collect()
}
