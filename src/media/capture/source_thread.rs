//! The thread "source": which pipeline there is, and what follows from what happens to it.
//!
//! `recovery` has the policy of failures, `opening` the pipeline; what is left here is the order
//! of things.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::failure::{Failure, Outcome};
use crate::wire::Caps;

use super::appsink::Handover;
use super::camera::{self, Camera};
use super::encoder::Encoder;
use super::pipeline::{CapturePipeline, PipelineEvent};
use super::recovery::{Decision, Recovery, StallCheck};
use super::source::{Outlet, SourceEvent};
use crate::media::pipeline::file::{Directive, PipelineFile};
use crate::media::pipeline::placeholders::Values;

/// How long a source may take for its first picture.
const FIRST_FRAME_LIMIT: Duration = Duration::from_secs(10);
/// How long another pipeline may take for it before the old one goes on.
pub(super) const CHANGE_LIMIT: Duration = Duration::from_secs(5);

/// What the thread is told.
pub enum Input {
    Open,
    Close,
    Key,
    Bitrate(u32),
    Replace(Box<PipelineFile>),
    Quit,
    /// From the pipeline of this number; what came from others is old news.
    Pipeline(u32, PipelineEvent),
}

/// What the thread knows.
pub struct SourceThread {
    /// The file that is in use.
    pub(super) file: PipelineFile,
    /// The one that takes its place if it works, at the next opening.
    pub(super) next: Option<PipelineFile>,
    pub(super) values: Values,
    pub(super) outlet: Arc<dyn Outlet>,
    pub(super) gate: Arc<Handover>,
    pub(super) events: UnboundedSender<SourceEvent>,
    pub(super) inputs: Sender<Input>,
    /// The number of the pipeline that was started last.
    pub(super) number: u32,
    /// Somebody wants pictures.
    pub(super) wanted: bool,
    pub(super) running: Option<CapturePipeline>,
    /// A pipeline that takes the running one's place with its first picture.
    pub(super) candidate: Option<CapturePipeline>,
    /// The camera that was used last, by which it is known again.
    pub(super) camera: Option<Camera>,
    pub(super) recovery: Recovery,
    /// The kind of encoder that was last told of.
    encoder: Option<String>,
}

impl SourceThread {
    /// With the pipeline closed.
    pub fn new(
        file: PipelineFile,
        values: Values,
        outlet: Arc<dyn Outlet>,
        events: UnboundedSender<SourceEvent>,
        inputs: Sender<Input>,
    ) -> Self {
        Self {
            file,
            next: None,
            values,
            gate: Handover::new(Arc::clone(&outlet)),
            outlet,
            events,
            inputs,
            number: 0,
            wanted: false,
            running: None,
            candidate: None,
            camera: None,
            recovery: Recovery::default(),
            encoder: None,
        }
    }

    /// Runs until it is told to quit.
    pub fn run(mut self, inputs: &Receiver<Input>) {
        loop {
            let input = match self.wake_at() {
                None => inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => inputs.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match input {
                Ok(Input::Open) => self.open(),
                Ok(Input::Close) => self.close(),
                Ok(Input::Key) => {
                    if let Some(running) = &self.running {
                        running.want_key();
                    }
                }
                Ok(Input::Bitrate(kbit)) => {
                    if let Some(running) = &self.running {
                        running.set_bitrate(kbit);
                    }
                }
                Ok(Input::Replace(file)) => self.replace(*file),
                Ok(Input::Pipeline(number, notice)) => self.hear(number, notice),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Input::Quit) | Err(RecvTimeoutError::Disconnected) => break,
            }
            self.look(Instant::now());
        }
        for opening in [self.candidate.take(), self.running.take()] {
            opening.into_iter().for_each(CapturePipeline::stop);
        }
        self.outlet.clear();
    }

    /// When there is something to do, even if nobody says anything.
    fn wake_at(&self) -> Option<Instant> {
        let running = self.running.as_ref();
        let times = [
            self.recovery.due(),
            running.and_then(|running| running.deadline),
            running.and_then(|running| Some(running.stall.as_ref()?.next())),
            self.candidate.as_ref().and_then(|new| new.deadline),
        ];
        times.into_iter().flatten().min()
    }

    /// Does what is due by now.
    fn look(&mut self, now: Instant) {
        if self.recovery.due().is_some_and(|at| at <= now) && self.running.is_none() {
            self.attempt();
        }
        let late = |opening: &CapturePipeline| opening.deadline.is_some_and(|at| at <= now);
        if let Some(new) = self.candidate.take_if(|new| late(new)) {
            self.keep(new, &too_late(CHANGE_LIMIT), None);
        }
        if self.running.as_ref().is_some_and(late) {
            let limit = match self.on_trial() {
                true => CHANGE_LIMIT,
                false => FIRST_FRAME_LIMIT,
            };
            self.fail_for(&too_late(limit), None);
        }
        let count = self.gate.count();
        let stall = self.running.as_mut().and_then(|r| r.stall.as_mut());
        match stall
            .filter(|stall| stall.next() <= now)
            .map(|stall| stall.look(count, now))
        {
            Some(StallCheck::Stopped) => self.stalled(),
            Some(StallCheck::Returns) => self.works(now),
            Some(StallCheck::Beats) | None => {}
        }
    }

    fn open(&mut self) {
        self.wanted = true;
        if self.running.is_none() && self.recovery.due().is_none() {
            self.attempt();
        }
    }

    /// Starts a pipeline: the next one if there is one, which may fail without harm.
    pub(super) fn attempt(&mut self) {
        self.recovery.settle();
        if let Some(next) = self.next.clone() {
            match self.start(&next, CHANGE_LIMIT) {
                Ok(opening) => {
                    self.running = Some(opening);
                    return;
                }
                Err(failure) => {
                    self.next = None;
                    self.say(SourceEvent::Kept(failure));
                }
            }
        }
        match self.start(&self.file.clone(), FIRST_FRAME_LIMIT) {
            Ok(opening) => self.running = Some(opening),
            Err(failure) => self.fail(failure),
        }
    }

    pub(super) fn start(
        &mut self,
        file: &PipelineFile,
        limit: Duration,
    ) -> Outcome<CapturePipeline> {
        self.number = self.number.checked_add(1).unwrap_or(1);
        let known = self.camera.as_ref();
        let filled = self
            .values
            .fill_send_with(file, &mut |request| match known {
                Some(known) => camera::choose_again(known, request),
                None => camera::choose(request),
            })?;
        CapturePipeline::start(file, filled, self.number, &self.gate, &self.inputs, limit)
    }

    fn close(&mut self) {
        self.wanted = false;
        // One that was on its way is tried when it is needed.
        if let Some(new) = self.candidate.take() {
            self.next = Some(new.file.clone());
            new.stop();
        }
        let was_tried = self.recovery.due().is_some();
        self.recovery.settle();
        let running = self.running.take();
        if running.is_some() || was_tried {
            running.into_iter().for_each(CapturePipeline::stop);
            self.outlet.clear();
            self.say(SourceEvent::Closed);
        }
    }

    fn hear(&mut self, number: u32, notice: PipelineEvent) {
        let has_number = |opening: &&mut CapturePipeline| opening.number == number;
        if let Some(new) = self.candidate.take_if(|new| new.number == number) {
            return self.hear_candidate(new, notice);
        }
        let Some(running) = self.running.as_mut().filter(has_number) else {
            return;
        };
        match notice {
            PipelineEvent::FirstFrame(form) => self.begin(&form),
            PipelineEvent::End if running.deadline.is_some() => {
                self.fail_for("it came to its end before its first picture", None);
            }
            PipelineEvent::End if running.file.has(Directive::Loop) && running.rewind() => {}
            PipelineEvent::End if running.may_end() => {
                if let Some(running) = self.running.take() {
                    running.stop();
                }
                self.outlet.clear();
                self.say(SourceEvent::Ended);
            }
            PipelineEvent::End => self.fail_for("it came to its end", None),
            PipelineEvent::Error { message, debug } => {
                if let Some(camera) = running.camera.as_ref().filter(|_| running.stall.is_some()) {
                    camera::await_unplugged(camera);
                }
                self.fail_for(&message, debug.as_deref());
            }
        }
    }

    /// The running pipeline has given its first picture.
    pub(super) fn begin(&mut self, form: &Caps) {
        let Some(running) = &mut self.running else {
            return;
        };
        running.has_begun(form);
        if let Some(camera) = &running.camera {
            self.camera = Some(camera.clone());
        }
        self.tell_encoder();
        let Some(next) = self.next.take() else {
            return self.works(Instant::now());
        };
        self.file = next;
        let words = self.words();
        let place = format!("{}, ", self.file.place(None));
        let words = words.strip_prefix(&place).unwrap_or(&words).to_owned();
        self.say(SourceEvent::Changed(words));
        match self.recovery.is_new() || self.recovery.is_lost() {
            true => self.works(Instant::now()),
            false => self.recovery.works(Instant::now()),
        }
    }

    /// Says which encoder it is, once and when it is another, and what its bit rate is.
    fn tell_encoder(&mut self) {
        let running = self.running.as_ref();
        let encoder = running.and_then(|running| running.encoder.as_ref());
        let bitrate = encoder.and_then(Encoder::bitrate);
        let kind = encoder.map(|encoder| encoder.kind.clone());
        if let Some(kind) = &kind
            && self.encoder.as_ref() != Some(kind)
        {
            tracing::info!("encoder: {kind}");
        }
        // Where there is none, and was none, there is nothing to say.
        if kind.is_some() || self.encoder.is_some() {
            self.say(SourceEvent::Encoding { bitrate });
        }
        self.encoder = kind;
    }

    fn works(&mut self, now: Instant) {
        self.recovery.works(now);
        self.say(SourceEvent::Opened(self.words()));
    }

    fn words(&self) -> String {
        let running = self.running.as_ref();
        running.map_or(String::new(), |running| running.words.clone())
    }

    /// Whether the running pipeline is a new one that has not given a picture yet.
    fn on_trial(&self) -> bool {
        let awaited = |running: &CapturePipeline| running.deadline.is_some();
        self.next.is_some() && self.running.as_ref().is_some_and(awaited)
    }

    /// No picture for too long.
    fn stalled(&mut self) {
        let Some(running) = &self.running else {
            return;
        };
        let reason = format!("no picture for {} s", running.patience.as_secs());
        if running.live {
            return self.fail_for(&reason, None);
        }
        // A pipe would go on in the middle of a picture, and a file begin anew: left as it is.
        let failure = running.explain(&reason, None);
        let running_camera = running.camera.is_some();
        let verdict = self.recovery.pauses(&reason);
        self.tell(verdict, failure, running_camera);
    }

    fn fail_for(&mut self, message: &str, debug: Option<&str>) {
        if let Some(running) = &self.running {
            if let Some(details) = debug {
                tracing::debug!("source: {details}");
            }
            let failure = running.explain(message, debug);
            self.fail(failure);
        }
    }

    /// The pipeline has failed, or could not be started.
    fn fail(&mut self, failure: Failure) {
        if self.on_trial() {
            self.next = None;
            self.running
                .take()
                .into_iter()
                .for_each(CapturePipeline::stop);
            self.say(SourceEvent::Kept(failure));
            return self.attempt();
        }
        let running = self.running.take();
        if let Some(running) = &running {
            self.gate.shut(running.number);
        }
        let is_camera = self.values.wants_camera(&self.file);
        let verdict = self
            .recovery
            .fails(failure.why(), is_camera, Instant::now());
        // Viewers need not wait until it has stopped.
        self.tell(verdict, failure, is_camera);
        running.into_iter().for_each(CapturePipeline::stop);
    }

    /// Tells the owner and the viewers what a failure means.
    fn tell(&mut self, verdict: Decision, failure: Failure, is_camera: bool) {
        if matches!(verdict, Decision::Lost | Decision::News) {
            self.outlet.lost(failure.why());
        }
        self.say(match verdict {
            Decision::Known => return,
            Decision::Fatal => {
                self.outlet.clear();
                SourceEvent::Failed(failure)
            }
            Decision::Lost if is_camera => SourceEvent::Lost(
                Failure::lost("camera lost")
                    .because_of(failure)
                    .hint("it is taken up again when it is back"),
            ),
            Decision::Lost => SourceEvent::Lost(failure.hint("it is tried again until it works")),
            Decision::News => SourceEvent::StillLost(failure),
        });
    }

    pub(super) fn say(&self, event: SourceEvent) {
        // Whoever owned us may be gone, which is the end of us too.
        let _ = self.events.send(event);
    }
}

pub(super) fn too_late(limit: Duration) -> String {
    format!("no picture came within {} s", limit.as_secs())
}
