//! The thread "player": which pipeline shows the frames, and the order in which one follows
//! another.
//!
//! A pipeline is built here. Its change of state and its flush have threads of their own, since
//! either may hang, so this thread goes on to listen: a pipeline that hangs is left behind when
//! another is to take its place.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use gstreamer as gst;
use tokio::sync::watch;

use crate::failure::{Failure, Outcome, Status};
use crate::media::display::stage::StageEvent;
use crate::media::gst::{caps, stop};
use crate::media::pipeline::build;
use crate::media::pipeline::file::PipelineFile;
use crate::media::pipeline::placeholders::Values;
use crate::wire::Caps;

use super::appsrc::AppsrcFeed;
use super::bus::{self, PipelineEvent};
use super::events::PlayerEvent;
use super::frame_memory::not_shown;
use super::pipeline::{Context, Plan, PlaybackPipeline, Purpose};
use super::placeholders;
use super::sample::Sample;

/// How long a new pipeline may take to start before the old one is kept.
const START_LIMIT: Duration = Duration::from_secs(5);
/// How long it has then to show a frame or to fail. One that does neither is taken: it may well
/// show only some of the frames.
const TRIAL: Duration = Duration::from_secs(1);

/// An input of the thread.
pub(super) enum Input {
    /// The frames have these caps from here on.
    Caps(u64, Caps),
    /// Freezes the last frame with this text on it.
    Cover(u64, String),
    /// Forgets the last frame, and shows this text alone.
    Blank(u64, String),
    /// Says where the frames are from.
    Title(String),
    /// The encoder is to make so many kbit/s.
    Bitrate(u32),
    /// The decoder has to be emptied before this frame.
    Flush(u64, gst::Buffer),
    /// Another pipeline is to take over.
    Replace(Box<PipelineFile>),
    /// An event of the pipeline of this number. Events of others are old news.
    Pipeline(u32, PipelineEvent),
    /// Brings the stream to its end.
    Finish,
    /// Stops.
    Quit,
}

/// Where frames go.
#[derive(Default)]
pub(super) struct Entry {
    /// The last numbered input that was carried out. A frame waits for those before it.
    pub answered: u64,
    /// `None` while no pipeline takes frames.
    pub feed: Option<Arc<AppsrcFeed>>,
}

/// The state of the thread.
pub(super) struct PlayerThread {
    context: Context,
    file: PipelineFile,
    values: Values,
    inputs: Receiver<Input>,
    /// Inputs that came while one kind of them was awaited.
    deferred: VecDeque<Input>,
    /// For the pipelines' events.
    own_inputs: Sender<Input>,
    entry: watch::Sender<Entry>,
    answered: u64,
    /// The frames' caps, once they are known.
    caps: Option<Caps>,
    /// The newest key frame, where pipelines may be replaced.
    sample: Option<Arc<Sample>>,
    /// The number of the pipeline that was opened last.
    number: u32,
    current: Option<Numbered>,
    candidate: Option<Candidate>,
    /// Another pipeline to be tried, after the candidate.
    next: Option<PipelineFile>,
    /// The decoder of the current pipeline is being emptied.
    flushing: bool,
    /// The current pipeline begins with the sample.
    resample: bool,
    /// The current pipeline was asked for by a replacement that is to be told of.
    announced: bool,
    /// Some pipeline has run.
    has_run: bool,
    /// The kind of decoder that was last told of.
    decoder: String,
}

struct Numbered {
    number: u32,
    pipeline: PlaybackPipeline,
}

/// A pipeline on trial.
struct Candidate {
    number: u32,
    pipeline: PlaybackPipeline,
    file: PipelineFile,
    until: Instant,
    /// The old pipeline was stopped for it, as there was room for one.
    in_place: bool,
}

impl PlayerThread {
    /// Without a pipeline, until the caps are known.
    pub fn new(
        context: Context,
        file: PipelineFile,
        values: Values,
        sample: Option<Arc<Sample>>,
        (own_inputs, inputs): (Sender<Input>, Receiver<Input>),
        entry: watch::Sender<Entry>,
    ) -> Self {
        Self {
            context,
            file,
            values,
            inputs,
            deferred: VecDeque::new(),
            own_inputs,
            entry,
            answered: 0,
            caps: None,
            sample,
            number: 0,
            current: None,
            candidate: None,
            next: None,
            flushing: false,
            resample: false,
            announced: false,
            has_run: false,
            decoder: String::new(),
        }
    }

    /// Runs until it is told to finish or to quit.
    pub fn run(mut self) {
        loop {
            match self.next_input() {
                Some(Input::Caps(ticket, caps)) => {
                    self.answered = ticket;
                    if let Err(failure) = self.set_caps(caps) {
                        self.fail_to_start(failure);
                    }
                }
                Some(Input::Cover(ticket, text)) => {
                    self.answered = ticket;
                    self.context.seat.freeze(&text);
                    self.context.freeze_frame.freeze(&text);
                }
                Some(Input::Blank(ticket, text)) => {
                    self.answered = ticket;
                    self.blank(&text);
                }
                Some(Input::Title(title)) => self.set_title(&title),
                Some(Input::Bitrate(kbit)) => {
                    if let Some(current) = &self.current {
                        current.pipeline.set_bitrate(kbit);
                    }
                }
                Some(Input::Flush(ticket, buffer)) => {
                    self.answered = ticket;
                    self.flush(buffer);
                }
                Some(Input::Replace(file)) => self.replace(*file),
                Some(Input::Pipeline(number, event)) => self.hear(number, event),
                Some(Input::Finish) => {
                    self.candidate = None;
                    self.retire();
                    return;
                }
                Some(Input::Quit) => return,
                None => {}
            }
            self.look(Instant::now());
            self.publish();
        }
    }

    /// The next input; `None` when there is something to do without one.
    fn next_input(&mut self) -> Option<Input> {
        if let Some(input) = self.deferred.pop_front() {
            return Some(input);
        }
        let received = match &self.candidate {
            Some(candidate) => self
                .inputs
                .recv_timeout(candidate.until.saturating_duration_since(Instant::now())),
            None => self
                .inputs
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(input) => Some(input),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Input::Quit),
        }
    }

    /// Says where frames go.
    fn publish(&self) {
        let running = self.current.as_ref().map(|current| &current.pipeline);
        let takes = running.filter(|pipeline| pipeline.is_running() && !self.flushing);
        let feed = takes.map(|pipeline| Arc::clone(pipeline.feed()));
        self.entry.send_if_modified(|entry| {
            let same = match (&entry.feed, &feed) {
                (Some(old), Some(new)) => Arc::ptr_eq(old, new),
                (None, None) => true,
                _ => false,
            };
            let changed = !same || entry.answered != self.answered;
            if changed {
                entry.answered = self.answered;
                entry.feed = feed;
            }
            changed
        });
    }

    /// Prepares for frames of `caps`. The pipeline goes on where it can take them.
    fn set_caps(&mut self, caps: Caps) -> Outcome {
        let gst_caps = caps::to_gst(&caps).map_err(|e| not_shown(&caps, &e))?;
        let text = placeholders::fill(&self.values, &self.file, &caps)?;
        // It was built for other frames, and is tried again with these.
        if let Some(candidate) = self.candidate.take() {
            self.next.get_or_insert(candidate.file);
        }
        if let Some(sample) = &self.sample {
            sample.clear();
        }
        match &self.current {
            Some(current) if current.pipeline.text() == text => {
                current.pipeline.set_caps(&caps, &gst_caps);
            }
            _ => {
                self.current = None;
                self.open(text, &caps, &gst_caps)?;
            }
        }
        self.caps = Some(caps);
        if let Some(file) = self.next.take() {
            self.replace(file);
        }
        Ok(())
    }

    /// Opens the pipeline of `self.file`, which shows the frames from here on.
    fn open(&mut self, text: String, caps: &Caps, gst_caps: &gst::Caps) -> Outcome {
        let file = self.file.clone();
        let plan = Plan {
            file: &file,
            text,
            caps,
            gst_caps,
        };
        let (number, pipeline) = self.build(plan, Purpose::Show)?;
        self.flushing = false;
        self.resample = false;
        pipeline.set_caps(caps, gst_caps);
        pipeline.start();
        self.current = Some(Numbered { number, pipeline });
        Ok(())
    }

    fn build(&mut self, plan: Plan<'_>, purpose: Purpose) -> Outcome<(u32, PlaybackPipeline)> {
        self.number = self.number.wrapping_add(1);
        let (number, inputs) = (self.number, self.own_inputs.clone());
        let tell = Arc::new(move |event| {
            // The thread may have ended.
            let _ = inputs.send(Input::Pipeline(number, event));
        });
        let pipeline = PlaybackPipeline::open(&self.context, plan, purpose, tell)?;
        self.tell_decoder(&pipeline);
        Ok((number, pipeline))
    }

    /// Says which decoder it is, once and when it is another.
    fn tell_decoder(&mut self, pipeline: &PlaybackPipeline) {
        if let Some(kind) = pipeline.feed().decoder()
            && self.decoder != kind
        {
            tracing::info!("decoder: {kind}");
            kind.clone_into(&mut self.decoder);
        }
    }

    fn blank(&mut self, text: &str) {
        // No pipeline begins with a frame from before.
        if let Some(sample) = &self.sample {
            sample.clear();
        }
        self.context.seat.blank(text);
        self.context.freeze_frame.blank(text);
    }

    fn set_title(&self, title: &str) {
        self.context.stage.set_title(title);
        if let Some(current) = &self.current {
            current.pipeline.rename();
        }
    }

    fn flush(&mut self, buffer: gst::Buffer) {
        let running = self.current.as_ref().map(|current| &current.pipeline);
        if let Some(pipeline) = running.filter(|pipeline| pipeline.is_running()) {
            pipeline.flush(buffer);
            self.flushing = true;
        }
    }

    fn hear(&mut self, number: u32, event: PipelineEvent) {
        if self.candidate.as_ref().is_some_and(|c| c.number == number) {
            return self.hear_candidate(event);
        }
        let Some(current) = self.current.as_mut().filter(|c| c.number == number) else {
            return;
        };
        match event {
            PipelineEvent::Started(true) => self.begin(),
            PipelineEvent::Started(false) => {
                if current.pipeline.has_failed() {
                    let failure = bus::failed(current.pipeline.place(), "it does not start");
                    self.fail_to_start(failure);
                }
            }
            PipelineEvent::Failed(failure) => {
                let was_starting = current.pipeline.is_starting();
                let is_new = current.pipeline.has_failed();
                if was_starting {
                    self.fail_to_start(failure);
                } else if is_new {
                    self.say(PlayerEvent::Failed(failure));
                }
            }
            PipelineEvent::NoDisplay(failure) => self.say(PlayerEvent::Failed(failure)),
            PipelineEvent::Ended => self.say(PlayerEvent::Ended),
            PipelineEvent::Closed => self.context.stage.tell(StageEvent::Quit),
            PipelineEvent::Flushed => self.flushing = false,
            PipelineEvent::FirstFrame | PipelineEvent::Undecodable => {}
        }
    }

    /// The current pipeline takes frames from here on.
    fn begin(&mut self) {
        let Some(current) = &mut self.current else {
            return;
        };
        current.pipeline.has_started();
        self.has_run = true;
        if std::mem::take(&mut self.resample) {
            show_sample(self.sample.as_deref(), &current.pipeline);
        }
        let place = current.pipeline.place().to_owned();
        let bitrate = current.pipeline.bitrate();
        if let Some(bitrate) = bitrate.filter(|_| self.context.published.is_some()) {
            self.say(PlayerEvent::Encodes(bitrate));
        }
        self.context.freeze_frame.resume();
        if std::mem::take(&mut self.announced) {
            self.say(PlayerEvent::Replaced(place));
        }
    }

    /// A pipeline that should show the frames cannot.
    fn fail_to_start(&self, failure: Failure) {
        let status = if self.has_run {
            Status::Lost
        } else {
            Status::Start
        };
        self.say(PlayerEvent::Failed(failure.with_status(status)));
    }

    fn say(&self, event: PlayerEvent) {
        // The owner may have ended.
        let _ = self.context.events.send(event);
    }

    /// Changes to the pipeline of `file`: it is tried with the newest key frame, and the old one
    /// goes on where it fails.
    fn replace(&mut self, file: PipelineFile) {
        if self.candidate.is_some() {
            self.next = Some(file);
        } else if let Err(failure) = self.begin_trial(file) {
            self.say(PlayerEvent::Kept(failure));
        }
    }

    fn begin_trial(&mut self, file: PipelineFile) -> Outcome {
        self.values.check(&file)?;
        let (Some(caps), Some(current)) = (self.caps.clone(), &self.current) else {
            // Nothing is shown yet.
            let place = file.place(None);
            self.file = file;
            self.say(PlayerEvent::Replaced(place));
            return Ok(());
        };
        let gst_caps = caps::to_gst(&caps).map_err(|e| not_shown(&caps, &e))?;
        let text = placeholders::fill(&self.values, &file, &caps)?;
        build::check(&file, &text)?;
        if !current.pipeline.is_running() {
            // There is nothing that could go on meanwhile, and the old one may hang.
            self.file = file;
            self.current = None;
            self.announced = true;
            if let Err(failure) = self.open(text, &caps, &gst_caps) {
                self.fail_to_start(failure);
            }
            return Ok(());
        }
        let in_place = current.pipeline.shares_its_end_with(&file, &text)?;
        if in_place {
            self.retire();
        }
        let plan = Plan {
            file: &file,
            text,
            caps: &caps,
            gst_caps: &gst_caps,
        };
        match self.build(plan, Purpose::Trial) {
            Ok((number, pipeline)) => {
                pipeline.start();
                self.candidate = Some(Candidate {
                    number,
                    pipeline,
                    file,
                    until: Instant::now() + START_LIMIT,
                    in_place,
                });
                Ok(())
            }
            Err(failure) => {
                self.bring_back(in_place);
                Err(failure)
            }
        }
    }

    fn hear_candidate(&mut self, event: PipelineEvent) {
        let Some(candidate) = &mut self.candidate else {
            return;
        };
        match event {
            PipelineEvent::Started(true) => {
                candidate.pipeline.has_started();
                candidate.until = Instant::now() + TRIAL;
                show_sample(self.sample.as_deref(), &candidate.pipeline);
            }
            PipelineEvent::Started(false) => {
                let failure = bus::failed(candidate.pipeline.place(), "it does not start");
                self.keep(failure);
            }
            PipelineEvent::Failed(failure) | PipelineEvent::NoDisplay(failure) => {
                self.keep(failure);
            }
            PipelineEvent::FirstFrame => self.accept(),
            PipelineEvent::Closed => self.context.stage.tell(StageEvent::Quit),
            PipelineEvent::Ended | PipelineEvent::Flushed | PipelineEvent::Undecodable => {}
        }
    }

    /// Ends a trial whose time is over.
    fn look(&mut self, now: Instant) {
        let Some(candidate) = self.candidate.as_ref().filter(|c| c.until <= now) else {
            return;
        };
        if candidate.pipeline.is_running() {
            self.accept();
        } else {
            let cause = format!("it does not start within {} s", START_LIMIT.as_secs());
            let failure = bus::failed(candidate.pipeline.place(), &cause);
            self.keep(failure);
        }
    }

    /// The candidate takes over.
    fn accept(&mut self) {
        let Some(mut candidate) = self.candidate.take() else {
            return;
        };
        self.retire();
        self.file = candidate.file;
        self.flushing = false;
        if let Some(caps) = &self.caps {
            candidate.pipeline.take_over(&self.context, caps);
            if let Ok(gst_caps) = caps::to_gst(caps) {
                candidate.pipeline.set_caps(caps, &gst_caps);
            }
        }
        self.current = Some(Numbered {
            number: candidate.number,
            pipeline: candidate.pipeline,
        });
        self.announced = true;
        self.begin();
        self.try_next();
    }

    /// The old pipeline goes on.
    fn keep(&mut self, failure: Failure) {
        let Some(candidate) = self.candidate.take() else {
            return;
        };
        drop(candidate.pipeline);
        self.bring_back(candidate.in_place);
        self.say(PlayerEvent::Kept(failure));
        self.try_next();
    }

    fn try_next(&mut self) {
        if let Some(file) = self.next.take() {
            self.replace(file);
        }
    }

    /// Opens the old pipeline again, where it was stopped for a candidate.
    fn bring_back(&mut self, stopped: bool) {
        let Some(caps) = self.caps.clone().filter(|_| stopped) else {
            return;
        };
        let reopened = caps::to_gst(&caps)
            .map_err(|e| not_shown(&caps, &e))
            .and_then(|gst_caps| {
                let text = placeholders::fill(&self.values, &self.file, &caps)?;
                self.open(text, &caps, &gst_caps)
            });
        match reopened {
            Ok(()) => self.resample = true,
            // Where the old one does not work any more either, nothing does.
            Err(failure) => self.fail_to_start(failure),
        }
    }

    /// Brings the current pipeline to its end: the last frame is shown, and a file is whole.
    fn retire(&mut self) {
        let Some(current) = self.current.take() else {
            return;
        };
        // No more frames go there.
        self.publish();
        // Earlier events of it are no answer.
        let earlier: Vec<Input> = self.inputs.try_iter().collect();
        self.deferred.extend(earlier);
        if current.pipeline.end() {
            self.await_end(current.number);
        }
    }

    fn await_end(&mut self, number: u32) {
        let until = Instant::now() + stop::LIMIT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.inputs.recv_timeout(left) {
                Ok(Input::Pipeline(
                    ender,
                    PipelineEvent::Ended
                    | PipelineEvent::Failed(_)
                    | PipelineEvent::Closed
                    | PipelineEvent::Undecodable,
                )) if ender == number => return,
                Ok(input) => self.deferred.push_back(input),
                Err(_) => return,
            }
        }
    }
}

/// Gives a pipeline the newest key frame, where there is one.
fn show_sample(sample: Option<&Sample>, pipeline: &PlaybackPipeline) {
    if let Some(buffer) = sample.and_then(Sample::newest) {
        pipeline.feed().push_past_the_gate(buffer);
    }
}
