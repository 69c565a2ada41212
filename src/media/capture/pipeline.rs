//! One capture pipeline from its start to its stop. `source_thread` decides when there is one.

use std::iter::once;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

use crate::failure::{Failure, Outcome};
use crate::wire::Caps;

use super::age::{AgeEstimator, Timing};
use super::appsink::AppsinkReader;
use super::camera::Camera;
use super::decoded_time;
use super::encoder::{self, Encoder};
use super::events::{PipelineEvent, SourceInput};
use super::frame_parser::FrameParser;
use super::handover::Handover;
use super::network_source;
use super::no_video;
use super::placeholders::Filled;
use super::recording::{self, Recordings};
use super::rtp_marks;
use super::stall::{Pace, StallCheck, StallDetector, stall_limit};
use super::stream_time::StreamTime;
use crate::media::gst::bus::{self, ElementError};
use crate::media::gst::stop;
use crate::media::gst::{caps, element};
use crate::media::pipeline::catalog;
use crate::media::pipeline::explanation::NO_FRAME;
use crate::media::pipeline::file::{Directive, PipelineFile};
use crate::media::pipeline::property_check;
use crate::media::pipeline::{build, ends};

/// The time from one repetition of a still picture to the next. A viewer that gets none for two
/// seconds takes the picture for a frozen one.
const REPEAT_INTERVAL: Duration = Duration::from_secs(1);

/// A pipeline that was started.
pub struct CapturePipeline {
    number: u32,
    file: PipelineFile,
    camera: Option<Camera>,
    encoder: Option<Encoder>,
    /// Whether it makes frames at its own pace, as a camera does. A file or a pipe does not.
    live: bool,
    started: Instant,
    progress: Progress,
    /// The time at which its only frame is due once more, where it is a still picture.
    repeat_at: Option<Instant>,
    pipeline: gst::Pipeline,
    frames: gst_app::AppSink,
    handover: Arc<Handover>,
    /// The last warning of an element.
    warning: Arc<Mutex<Option<ElementError>>>,
}

/// The state of a pipeline's frames.
enum Progress {
    /// The first frame has to come by this time.
    Starting { deadline: Instant },
    /// Frames come, or should. The text describes their origin and their caps.
    Flowing {
        stall: StallDetector,
        description: String,
    },
}

impl CapturePipeline {
    /// Starts the pipeline `number`, which has `limit` for its first frame.
    ///
    /// # Errors
    ///
    /// Where the text makes no pipeline, or where the pipeline does not start.
    pub fn start(
        file: &PipelineFile,
        filled: Filled,
        number: u32,
        handover: &Arc<Handover>,
        inputs: &Sender<SourceInput>,
        limit: Duration,
        recordings: &Arc<Recordings>,
    ) -> Outcome<Self> {
        let pipeline = build::build(file, &filled.text)?;
        let frames: gst_app::AppSink = ends::seam(file, &pipeline)?;
        if file.has(Directive::Loop) && recording::is_in(&pipeline) {
            let cause = "it begins again at its end, which empties the file that it records to";
            let failure = Failure::start(format!("the pipeline {} failed", file.place(None)));
            return Err(failure
                .cause(cause)
                .hint("leave out #! loop, or the recording"));
        }
        recordings.keep_earlier(&pipeline);
        frames.set_max_buffers(1);
        frames.set_drop(true);
        FrameParser::watch(&frames);
        decoded_time::watch(&pipeline);
        rtp_marks::watch(&pipeline);
        let ages = AgeEstimator::watch(&pipeline);
        let time = StreamTime::new(network_source::is_in(&pipeline));
        let reader = AppsinkReader::new(Arc::clone(handover), number, Arc::clone(&ages), time);
        frames.set_callbacks(callbacks(reader, number, inputs.clone()));
        let warning = Arc::<Mutex<Option<ElementError>>>::default();
        forward_messages(&pipeline, number, inputs.clone(), Arc::clone(&warning));
        let now = Instant::now();
        let mut started = Self {
            number,
            file: file.clone(),
            camera: filled.camera,
            encoder: Encoder::find(&pipeline),
            live: false,
            started: now,
            progress: Progress::Starting {
                deadline: now + limit,
            },
            repeat_at: None,
            pipeline,
            frames,
            handover: Arc::clone(handover),
            warning,
        };
        handover.admit(number);
        match started.play(&ages) {
            Ok(()) => Ok(started),
            Err(failure) => {
                started.stop();
                Err(failure)
            }
        }
    }

    fn play(&mut self, ages: &AgeEstimator) -> Outcome {
        // A live source is its own clock; waiting for a frame's time would only make it older. A
        // file has to be paced, unless it says otherwise.
        let is_clock = match self.pipeline.set_state(gst::State::Paused) {
            Ok(change) => change == gst::StateChangeSuccess::NoPreroll,
            Err(_) => return Err(self.start_failure()),
        };
        // Some elements take the stream of an engine for a file that has to be paced.
        self.live = is_clock || self.file.is_for_engine();
        if self.live && !is_clock {
            self.frames.set_property("sync", false);
            ages.set_timing(Timing::Unpaced);
        } else if self.live {
            self.frames.set_property("sync", false);
            ages.set_timing(Timing::Live);
        } else if self.frames.property("sync") {
            ages.set_timing(Timing::Paced);
        } else {
            ages.set_timing(Timing::Unpaced);
        }
        match self.pipeline.set_state(gst::State::Playing) {
            Ok(_) => Ok(()),
            Err(_) => Err(self.start_failure()),
        }
    }

    /// The number by which its events and frames are known.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The file that it was made of.
    pub fn file(&self) -> &PipelineFile {
        &self.file
    }

    /// The camera, where the file asked for one.
    pub fn camera(&self) -> Option<&Camera> {
        self.camera.as_ref()
    }

    /// The encoder, where there is one.
    pub fn encoder(&self) -> Option<&Encoder> {
        self.encoder.as_ref()
    }

    /// Whether it makes frames at its own pace, as a camera does. A file or a pipe does not.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Whether its first frame has not come yet.
    pub fn is_starting(&self) -> bool {
        self.deadline().is_some()
    }

    /// The time by which its first frame has to come; `None` once it is there.
    pub fn deadline(&self) -> Option<Instant> {
        match self.progress {
            Progress::Starting { deadline } => Some(deadline),
            Progress::Flowing { .. } => None,
        }
    }

    /// The time of the next check for a stall.
    pub fn next_check(&self) -> Option<Instant> {
        match &self.progress {
            Progress::Starting { .. } => None,
            Progress::Flowing { stall, .. } => Some(stall.next()),
        }
    }

    /// Checks for a stall, where a check is due.
    pub fn check_stall(&mut self, now: Instant) -> StallCheck {
        let count = self.handover.count();
        match &mut self.progress {
            Progress::Flowing { stall, .. } if stall.next() <= now => stall.check(count, now),
            _ => StallCheck::Flowing,
        }
    }

    /// The time without a frame that makes a stall.
    pub fn stall_limit(&self) -> Duration {
        match &self.progress {
            Progress::Starting { .. } => Duration::ZERO,
            Progress::Flowing { stall, .. } => stall.limit(),
        }
    }

    /// The origin of its frames and their caps, for a person; empty before the first frame.
    pub fn description(&self) -> &str {
        match &self.progress {
            Progress::Starting { .. } => "",
            Progress::Flowing { description, .. } => description,
        }
    }

    /// The pace of the source, as far as it is known after a stall.
    pub fn pace_after_stall(&self) -> Pace {
        match &self.progress {
            Progress::Starting { .. } => Pace::default(),
            Progress::Flowing { stall, .. } => stall.pace_after_stall(),
        }
    }

    /// Whether the first frame may come later than the deadline, which is then put off: a source
    /// says in its caps that it gives a frame every few seconds.
    pub fn puts_deadline_off(&mut self, now: Instant) -> bool {
        let pad = self.frames.static_pad("sink");
        let caps = pad.and_then(|pad| pad.current_caps());
        let caps = caps.and_then(|caps| caps::from_gst(&caps).ok());
        let limit = stall_limit(caps.and_then(|caps| caps.framerate()), true);
        let later = self.started + limit;
        let is_later = later > now;
        if is_later && let Progress::Starting { deadline } = &mut self.progress {
            *deadline = later;
        }
        is_later
    }

    /// The first frame is there, with these caps, from a source of this pace.
    pub fn has_begun(&mut self, caps: &Caps, pace: Pace) {
        let rate = caps.framerate();
        let limit = stall_limit(rate, self.camera.is_some());
        let origin = match &self.camera {
            Some(camera) => camera.description().to_owned(),
            None => self.file.place(None),
        };
        let rate = rate.map_or(String::new(), |fps| {
            format!(" at {} fps", (fps * 100.0).round() / 100.0)
        });
        self.progress = Progress::Flowing {
            stall: StallDetector::new(limit, pace, self.handover.count(), Instant::now()),
            description: format!("{origin}, sent as {}{rate}", caps.describe()),
        };
    }

    /// Begins again from the start, where the file asks for that and the pipeline can.
    pub fn rewind(&self) -> bool {
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT;
        let rewinds = || self.pipeline.seek_simple(flags, gst::ClockTime::ZERO);
        self.file.has(Directive::Loop) && rewinds().is_ok()
    }

    /// At its end: whether it is a still picture that is to be shown over and over. From now on its
    /// only frame is repeated.
    pub fn stands_still(&mut self, now: Instant) -> bool {
        let is_still = self.file.has(Directive::Loop) && self.handover.has_one_frame(self.number);
        self.repeat_at = is_still.then(|| now + REPEAT_INTERVAL);
        is_still
    }

    /// The time of the next repetition of a still picture.
    pub fn next_repetition(&self) -> Option<Instant> {
        self.repeat_at
    }

    /// Repeats a still picture where that is due.
    pub fn repeat(&mut self, now: Instant) {
        if self.repeat_at.is_some_and(|at| at <= now) {
            self.repeat_at = Some(now + REPEAT_INTERVAL);
            self.handover.repeat(self.number);
        }
    }

    /// Asks the encoder for a key frame. A still picture is one, and its encoder is at its end.
    pub fn want_key(&self) {
        if self.repeat_at.is_some() {
            return self.handover.repeat(self.number);
        }
        encoder::ask_for_key(self.encoder.as_ref(), &self.frames);
    }

    /// Changes the bit rate of the encoder, in kbit/s.
    pub fn set_bitrate(&self, kbit: u32) {
        if let Some(encoder) = &self.encoder {
            encoder.set_bitrate(kbit);
        }
    }

    /// Whether its end was asked for. A live source has no end by itself, unless it was told how
    /// many frames to make.
    pub fn may_end(&self) -> bool {
        let counts = |element: gst::Element| {
            element.has_property_with_type("num-buffers", i32::static_type())
                && element.property::<i32>("num-buffers") >= 0
        };
        let mut sources = self.pipeline.iterate_sources().into_iter().flatten();
        // The stream of an engine ends where its publisher is gone, who may come back.
        !self.live || (sources.any(counts) && !self.file.is_for_engine())
    }

    /// Whether a pipeline of `text` would need a device that this one holds.
    pub fn holds_device_for(&self, text: &str) -> bool {
        let Ok(other) = build::build(&self.file, text) else {
            return false;
        };
        let held = devices(&self.pipeline);
        devices(&other).iter().any(|device| held.contains(device))
    }

    /// Stops it, with the files that it writes whole. No frame of it passes the hand-over after
    /// that, even if it hangs.
    pub fn stop(self) {
        self.handover.shut(self.number);
        if !self.is_starting() {
            recording::finish(&self.pipeline);
        }
        if !stop::stop(&self.pipeline) {
            let limit = stop::LIMIT.as_secs();
            tracing::warn!("source: does not stop within {limit} s, is left behind");
        }
    }

    /// The failure for an error of the pipeline.
    pub fn explain(&self, error: &ElementError) -> Failure {
        let failure = self.explain_all(error);
        failure.shown_as(|text| self.file.hide_in(text))
    }

    /// As [`Self::explain`], with the words of elements as they are.
    fn explain_all(&self, error: &ElementError) -> Failure {
        let place = self.file.place(None);
        if let Some(encoder) = &self.encoder
            && let Some((width, height)) = encoder.short_input()
        {
            let kind = encoder.kind();
            return Failure::start(format!("the pipeline {place} failed"))
                .cause(format!("{kind} takes no frames of {width}x{height} pixels"))
                .hint(match catalog::source_of(&self.file.name) {
                    Some(source) => format!("--pipeline {source}-jpeg takes frames of any size"),
                    None => "jpegenc and vp8enc take frames of any size".to_owned(),
                });
        }
        if let Some(camera) = &self.camera {
            return camera.explain(error);
        }
        let explained = self
            .file
            .explain_engine(&self.words(error))
            .or_else(|| no_video::explain(&self.file, &self.pipeline, error));
        if let Some(explained) = explained {
            let failure = Failure::start(format!("the pipeline {place} failed"));
            let failure = match explained.cause {
                Some(cause) => failure.cause(cause),
                None => failure.cause(error.message()).found(error.details()),
            };
            return failure.hint(explained.hint);
        }
        let failure = build::failed(&place, error);
        let message = error.message();
        match property_check::placeholder_of(&self.file.text, "location") {
            Some(name) if message.contains("not found") => {
                let remedy = build::remedy_of_failure(message);
                failure.hint(format!(
                    "--set {name}=PATH takes a file that is there; {remedy}"
                ))
            }
            _ => failure,
        }
    }

    /// The words of an element in an error, and its details. One that tries again for ever only warns of
    /// the cause.
    fn words(&self, error: &ElementError) -> String {
        let is_silence = error.message().starts_with(NO_FRAME);
        let warning = self.warning.lock();
        let warning = warning.as_ref().filter(|_| is_silence);
        let errors = [Some(error), warning].into_iter().flatten();
        let words =
            errors.flat_map(|error| once(error.message().to_owned()).chain(error.details()));
        words.collect::<Vec<_>>().join("\n")
    }

    fn start_failure(&self) -> Failure {
        self.explain(&bus::start_error(&self.pipeline))
    }
}

/// Forwards the messages of a pipeline. Errors stay on the bus too, for [`bus::start_error`]. The last
/// warning is kept in `warning`.
fn forward_messages(
    pipeline: &gst::Pipeline,
    number: u32,
    inputs: Sender<SourceInput>,
    warning: Arc<Mutex<Option<ElementError>>>,
) {
    let Some(bus) = pipeline.bus() else {
        return;
    };
    bus.set_sync_handler(move |_, message| {
        let event = match message.view() {
            gst::MessageView::Eos(_) => PipelineEvent::End,
            gst::MessageView::Error(error) => PipelineEvent::Error(ElementError::of(error)),
            gst::MessageView::Warning(heard) => {
                *warning.lock() = Some(ElementError::new(heard.error().message()));
                return gst::BusSyncReply::Drop;
            }
            _ => return gst::BusSyncReply::Drop,
        };
        let _ = inputs.send(SourceInput::Pipeline(number, event));
        gst::BusSyncReply::Pass
    });
}

fn callbacks(
    mut reader: AppsinkReader,
    number: u32,
    inputs: Sender<SourceInput>,
) -> gst_app::AppSinkCallbacks {
    let notify = move |event| {
        let _ = inputs.send(SourceInput::Pipeline(number, event));
    };
    gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            match reader.take(sink, &sample) {
                Ok(Some(first)) => notify(PipelineEvent::FirstFrame(first)),
                Ok(None) => {}
                Err(e) => {
                    notify(PipelineEvent::Error(ElementError::new(&e.to_string())));
                    return Err(gst::FlowError::Error);
                }
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .build()
}

/// The devices, ports and descriptors that a pipeline's sources hold for themselves alone.
fn devices(pipeline: &gst::Pipeline) -> Vec<(String, String)> {
    const NAMES: [&str; 6] = [
        "device",
        "device-path",
        "device-index",
        "camera-name",
        "fd",
        "port",
    ];
    let sources = pipeline.iterate_sources().into_iter().flatten();
    let of_source = |source: gst::Element| {
        let kind = element::kind(&source);
        let named = |name: &&str| source.has_property(name);
        let values: Vec<_> = NAMES
            .into_iter()
            .filter(named)
            .map(|name| (kind.clone(), format!("{:?}", source.property_value(name))))
            .collect();
        values
    };
    sources.flat_map(of_source).collect()
}
