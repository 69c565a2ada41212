//! The thread "source": which capture pipeline runs, and what follows from its events.
//!
//! `recovery` has the policy of failures, `pipeline` has one pipeline. This file decides their
//! order. It also replaces one pipeline by another while viewers stay: everything that can go wrong
//! with the new pipeline goes wrong while the old one still runs, or can be started again.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::failure::{Failure, Outcome};
use crate::wire::Caps;

use super::camera::{self, Camera};
use super::encoder::Encoder;
use super::events::{PipelineEvent, SourceEvent, SourceInput};
use super::handover::Handover;
use super::pipeline::CapturePipeline;
use super::placeholders::{self, Filled};
use super::recording::Recordings;
use super::recovery::{Decision, Recovery};
use super::stall::{Pace, StallCheck};
use crate::media::frame_sink::FrameSink;
use crate::media::gst::bus::ElementError;
use crate::media::pipeline::build;
use crate::media::pipeline::explanation::NO_FRAME;
use crate::media::pipeline::file::PipelineFile;
use crate::media::pipeline::placeholders::Values;

/// The time that a source has for its first frame.
const FIRST_FRAME_LIMIT: Duration = Duration::from_secs(10);
/// The time that a replacement has for its first frame before the old pipeline goes on.
const REPLACE_LIMIT: Duration = Duration::from_secs(5);

/// The state of the thread.
pub struct SourceThread {
    /// The file in use.
    file: PipelineFile,
    /// The file that takes its place at the next opening, if it works.
    next: Option<PipelineFile>,
    values: Values,
    sink: Arc<dyn FrameSink>,
    handover: Arc<Handover>,
    events: UnboundedSender<SourceEvent>,
    inputs: Sender<SourceInput>,
    /// The number of the pipeline that was started last.
    number: u32,
    /// Whether the owner wants frames.
    wanted: bool,
    running: Option<CapturePipeline>,
    /// A pipeline that takes the place of the running one with its first frame.
    candidate: Option<CapturePipeline>,
    /// The camera that was used last.
    camera: Option<Camera>,
    recovery: Recovery,
    recordings: Arc<Recordings>,
    /// The pace of a source that is opened again after a stall.
    pace: Pace,
    /// The kind of encoder that was told last.
    encoder: Option<String>,
}

impl SourceThread {
    /// The thread's state with the pipeline closed.
    pub fn new(
        file: PipelineFile,
        values: Values,
        sink: Arc<dyn FrameSink>,
        events: UnboundedSender<SourceEvent>,
        inputs: Sender<SourceInput>,
    ) -> Self {
        Self {
            file,
            next: None,
            values,
            handover: Handover::new(Arc::clone(&sink)),
            sink,
            events,
            inputs,
            number: 0,
            wanted: false,
            running: None,
            candidate: None,
            camera: None,
            recovery: Recovery::default(),
            recordings: Arc::default(),
            pace: Pace::default(),
            encoder: None,
        }
    }

    /// Runs until `Quit`.
    pub fn run(mut self, inputs: &Receiver<SourceInput>) {
        loop {
            let input = match self.wake_at() {
                None => inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => inputs.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match input {
                Ok(SourceInput::Open) => self.open(),
                Ok(SourceInput::Close) => self.close(),
                Ok(SourceInput::KeyFrame) => {
                    if let Some(running) = &self.running {
                        running.want_key();
                    }
                }
                Ok(SourceInput::Bitrate(kbit)) => {
                    if let Some(running) = &self.running {
                        running.set_bitrate(kbit);
                    }
                }
                Ok(SourceInput::Replace(file)) => self.replace(*file),
                Ok(SourceInput::Pipeline(number, event)) => self.handle(number, event),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(SourceInput::Quit) | Err(RecvTimeoutError::Disconnected) => break,
            }
            self.do_due(Instant::now());
        }
        if let Some(candidate) = self.candidate.take() {
            candidate.stop();
        }
        self.stop_running();
        self.sink.clear();
    }

    /// The time at which something is due, even without an input.
    fn wake_at(&self) -> Option<Instant> {
        let running = self.running.as_ref();
        let times = [
            self.recovery.retry_at(),
            running.and_then(CapturePipeline::deadline),
            running.and_then(CapturePipeline::next_check),
            running.and_then(CapturePipeline::next_repetition),
            self.candidate.as_ref().and_then(CapturePipeline::deadline),
        ];
        times.into_iter().flatten().min()
    }

    /// Does everything that is due by now.
    fn do_due(&mut self, now: Instant) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.recovery.retry_at()) && self.running.is_none() {
            self.attempt();
        }
        let is_late =
            |new: &mut CapturePipeline| is_due(new.deadline()) && !new.puts_deadline_off(now);
        if let Some(new) = self.candidate.take_if(is_late) {
            self.reject(new, &too_late(REPLACE_LIMIT));
        }
        if self.running.as_mut().is_some_and(is_late) {
            let limit = if self.is_on_trial() {
                REPLACE_LIMIT
            } else {
                FIRST_FRAME_LIMIT
            };
            self.fail_for(&too_late(limit));
        }
        let check = self.running.as_mut().map(|running| {
            running.repeat(now);
            running.check_stall(now)
        });
        match check {
            Some(StallCheck::Stalled) => self.stalled(),
            Some(StallCheck::Resumed) => self.works(now),
            Some(StallCheck::Flowing) | None => {}
        }
    }

    fn open(&mut self) {
        self.wanted = true;
        if self.running.is_none() && self.recovery.retry_at().is_none() {
            self.attempt();
        }
    }

    /// Starts a pipeline: of the next file if there is one, whose failure does no harm.
    fn attempt(&mut self) {
        self.recovery.cancel_retry();
        if let Some(next) = self.next.clone() {
            match self.start(&next, REPLACE_LIMIT) {
                Ok(started) => {
                    self.running = Some(started);
                    return;
                }
                Err(failure) => {
                    self.next = None;
                    self.send(SourceEvent::Kept(failure));
                }
            }
        }
        match self.start(&self.file.clone(), FIRST_FRAME_LIMIT) {
            Ok(started) => self.running = Some(started),
            Err(failure) => self.fail(failure),
        }
    }

    fn start(&mut self, file: &PipelineFile, limit: Duration) -> Outcome<CapturePipeline> {
        self.number = self.number.checked_add(1).unwrap_or(1);
        let known = self.camera.as_ref();
        let mut choose = |request: &_| match known {
            Some(known) => known.choose_again(request),
            None => camera::choose(request),
        };
        let filled = placeholders::fill_with(&self.values, file, &mut choose)?;
        CapturePipeline::start(
            file,
            filled,
            self.number,
            &self.handover,
            &self.inputs,
            limit,
            &self.recordings,
        )
    }

    fn close(&mut self) {
        self.wanted = false;
        // A candidate on its way is used at the next opening.
        if let Some(new) = self.candidate.take() {
            self.next = Some(new.file().clone());
            new.stop();
        }
        let was_tried = self.recovery.retry_at().is_some();
        self.recovery.cancel_retry();
        if self.stop_running() || was_tried {
            self.sink.clear();
            self.send(SourceEvent::Closed);
        }
    }

    /// Stops the running pipeline; false where there is none.
    fn stop_running(&mut self) -> bool {
        let running = self.running.take();
        running.map(CapturePipeline::stop).is_some()
    }

    fn handle(&mut self, number: u32, event: PipelineEvent) {
        let has_number = |pipeline: &&mut CapturePipeline| pipeline.number() == number;
        if let Some(new) = self.candidate.take_if(|new| new.number() == number) {
            return self.handle_candidate(new, event);
        }
        let Some(running) = self.running.as_mut().filter(has_number) else {
            return;
        };
        match event {
            PipelineEvent::FirstFrame(caps) => self.begin(&caps),
            PipelineEvent::End if running.is_starting() => {
                self.fail_for(&end_before_first_frame());
            }
            PipelineEvent::End if running.stands_still(Instant::now()) => {}
            PipelineEvent::End if running.rewind() => {}
            PipelineEvent::End if running.may_end() => {
                self.stop_running();
                self.sink.clear();
                self.send(SourceEvent::Ended);
            }
            PipelineEvent::End => self.fail_for(&ElementError::new("it came to its end")),
            PipelineEvent::Error(error) => {
                if let Some(camera) = running.camera()
                    && !running.is_starting()
                {
                    camera.await_unplugged();
                }
                self.fail_for(&error);
            }
        }
    }

    /// The running pipeline has given its first frame.
    fn begin(&mut self, caps: &Caps) {
        let Some(running) = &mut self.running else {
            return;
        };
        running.has_begun(caps, std::mem::take(&mut self.pace));
        if let Some(camera) = running.camera() {
            self.camera = Some(camera.clone());
        }
        self.tell_encoder();
        let Some(next) = self.next.take() else {
            return self.works(Instant::now());
        };
        self.file = next;
        let description = self.description();
        let place = format!("{}, ", self.file.place(None));
        let short = description.strip_prefix(&place).unwrap_or(&description);
        self.send(SourceEvent::Changed(short.to_owned()));
        if self.recovery.is_new() || self.recovery.is_lost() {
            self.works(Instant::now());
        } else {
            self.recovery.works(Instant::now());
        }
    }

    /// Tells the kind of the encoder where it is a new one, and the bit rate.
    fn tell_encoder(&mut self) {
        let running = self.running.as_ref();
        let encoder = running.and_then(CapturePipeline::encoder);
        let bitrate = encoder.and_then(Encoder::bitrate);
        let kind = encoder.map(|encoder| encoder.kind().to_owned());
        if let Some(kind) = &kind
            && self.encoder.as_ref() != Some(kind)
        {
            tracing::info!("encoder: {kind}");
        }
        // Raw frames after raw frames change nothing.
        if kind.is_some() || self.encoder.is_some() {
            self.send(SourceEvent::Encoding { bitrate });
        }
        self.encoder = kind;
    }

    fn works(&mut self, now: Instant) {
        self.recovery.works(now);
        self.send(SourceEvent::Opened(self.description()));
    }

    fn description(&self) -> String {
        let running = self.running.as_ref();
        running.map_or(String::new(), |running| running.description().to_owned())
    }

    /// Whether the running pipeline is a replacement that has not given a frame yet.
    fn is_on_trial(&self) -> bool {
        let is_starting = self
            .running
            .as_ref()
            .is_some_and(CapturePipeline::is_starting);
        self.next.is_some() && is_starting
    }

    /// No frame came for too long.
    fn stalled(&mut self) {
        let Some(running) = &self.running else {
            return;
        };
        let reason = format!("no frame for {} s", running.stall_limit().as_secs());
        let error = ElementError::new(&reason);
        if running.is_live() {
            self.pace = running.pace_after_stall();
            return self.fail_for(&error);
        }
        // A pipe would go on in the middle of a frame, and a file would begin anew, so the pipeline
        // stays as it is.
        let failure = running.explain(&error);
        let is_camera = running.camera().is_some();
        let decision = self.recovery.pauses(&reason);
        self.report(decision, failure, is_camera);
    }

    fn fail_for(&mut self, error: &ElementError) {
        if let Some(running) = &self.running {
            if let Some(details) = error.debug() {
                tracing::debug!("source: {}", self.file.hide_in(details));
            }
            let failure = running.explain(error);
            self.fail(failure);
        }
    }

    /// The pipeline has failed, or could not be started.
    fn fail(&mut self, failure: Failure) {
        if self.is_on_trial() {
            self.next = None;
            self.stop_running();
            self.send(SourceEvent::Kept(failure));
            return self.attempt();
        }
        let running = self.running.take();
        if let Some(running) = &running {
            self.handover.shut(running.number());
        }
        let is_camera = placeholders::uses_camera(&self.values, &self.file);
        let now = Instant::now();
        let decision = self.recovery.fails(failure.why(), is_camera, now);
        // Viewers hear of it before the pipeline has stopped, which may take a while.
        self.report(decision, failure, is_camera);
        if let Some(running) = running {
            running.stop();
        }
    }

    /// Tells the owner and the viewers of a failure.
    fn report(&mut self, decision: Decision, failure: Failure, is_camera: bool) {
        if matches!(decision, Decision::Lost | Decision::NewReason) {
            self.sink.lose(failure.why());
        }
        self.send(match decision {
            Decision::Known => return,
            Decision::Fatal => {
                self.sink.clear();
                SourceEvent::Failed(failure)
            }
            Decision::Lost if is_camera => SourceEvent::Lost(
                Failure::lost("camera lost")
                    .because_of(failure)
                    .hint("it is taken up again when it is back"),
            ),
            Decision::Lost => SourceEvent::Lost(failure.hint("it is tried again until it works")),
            Decision::NewReason => SourceEvent::StillLost(failure),
        });
    }

    fn send(&self, event: SourceEvent) {
        // While the owner shuts down, nobody receives events.
        let _ = self.events.send(event);
    }

    /// Replaces the pipeline: beside the running one where that is possible, otherwise in its
    /// place, and at the next opening where none runs.
    fn replace(&mut self, file: PipelineFile) {
        self.pace = Pace::default();
        if let Some(earlier) = self.candidate.take() {
            earlier.stop();
        }
        let text = match self.check(&file) {
            Ok(text) => text,
            Err(failure) => return self.send(SourceEvent::Kept(failure)),
        };
        let Some(running) = &self.running else {
            return self.replace_closed(file);
        };
        if running.holds_device_for(&text) {
            self.stop_running();
            self.next = Some(file);
            return self.attempt();
        }
        match self.start(&file, REPLACE_LIMIT) {
            Ok(started) => self.candidate = Some(started),
            Err(failure) => self.send(SourceEvent::Kept(failure)),
        }
    }

    /// Replaces the file of a pipeline that does not run.
    fn replace_closed(&mut self, file: PipelineFile) {
        if !self.recovery.is_lost() {
            self.next = Some(file);
            return self.send(SourceEvent::Changed("from the next opening on".into()));
        }
        // The old pipeline does not work, so it need not be kept.
        self.file = file;
        self.send(SourceEvent::Changed("from the next try on".into()));
        if self.wanted {
            self.attempt();
        }
    }

    /// The filled text of a file that makes a pipeline. A known camera is not touched.
    fn check(&self, file: &PipelineFile) -> Outcome<String> {
        self.values.check(file)?;
        let known = self.camera.as_ref();
        let mut choose = |request: &_| match known {
            Some(known) => Ok(known.clone()),
            None => camera::choose(request),
        };
        let Filled { text, .. } = placeholders::fill_with(&self.values, file, &mut choose)?;
        build::check(file, &text)?;
        Ok(text)
    }

    /// An event of the new pipeline beside the old one.
    fn handle_candidate(&mut self, new: CapturePipeline, event: PipelineEvent) {
        match event {
            PipelineEvent::FirstFrame(caps) => {
                self.next = Some(new.file().clone());
                // No frame of the old one passes the hand-over any more.
                if let Some(old) = self.running.replace(new) {
                    old.stop();
                }
                self.begin(&caps);
            }
            PipelineEvent::End => self.reject(new, &end_before_first_frame()),
            PipelineEvent::Error(error) => self.reject(new, &error),
        }
    }

    /// A new pipeline does not work. The one before it goes on.
    fn reject(&mut self, new: CapturePipeline, error: &ElementError) {
        let failure = new.explain(error);
        new.stop();
        self.send(SourceEvent::Kept(failure));
    }
}

fn too_late(limit: Duration) -> ElementError {
    ElementError::new(&format!("{NO_FRAME} {} s", limit.as_secs()))
}

fn end_before_first_frame() -> ElementError {
    ElementError::new("it came to its end before its first frame")
}
