//! One sending pipeline from its start to its stop. `runner` decides when there is one.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use crate::failure::{Failure, Outcome};
use crate::wire::Caps;

use super::age::{AgeEstimator, Timing};
use super::appsink::{AppsinkReader, Handover};
use super::camera;
use super::camera::Camera;
use super::encoder::{self, Encoder};
use super::recovery::{Stall, patience};
use super::source_thread::Input;
use crate::media::gst::stop;
use crate::media::pipeline::build;
use crate::media::pipeline::file::PipelineFile;
use crate::media::pipeline::placeholders::Filled;

/// What a pipeline has to say.
pub enum PipelineEvent {
    /// The first frame got through the gate, and has this form.
    FirstFrame(Caps),
    /// It came to its end.
    End,
    /// It failed.
    Error {
        message: String,
        debug: Option<String>,
    },
}

/// A pipeline that was started.
pub struct CapturePipeline {
    /// By which its notices and frames are known.
    pub number: u32,
    /// The file that it was made of.
    pub file: PipelineFile,
    /// The camera, where the file asked for one.
    pub camera: Option<Camera>,
    /// What encodes, where something does.
    pub encoder: Option<Encoder>,
    /// It makes pictures at its own pace, as a camera does; a file or a pipe does not.
    pub live: bool,
    /// Until when the first picture has to be there; `None` once it is.
    pub deadline: Option<Instant>,
    /// Looks whether pictures come, once there was one.
    pub stall: Option<Stall>,
    /// How long no picture is too long.
    pub patience: Duration,
    /// What is sent, in words, once it is known.
    pub words: String,
    pipeline: gst::Pipeline,
    frames: gst_app::AppSink,
    gate: Arc<Handover>,
}

impl CapturePipeline {
    /// Starts the pipeline `number`, which has `limit` for its first picture.
    pub fn start(
        file: &PipelineFile,
        filled: Filled,
        number: u32,
        gate: &Arc<Handover>,
        inputs: &Sender<Input>,
        limit: Duration,
    ) -> Outcome<Self> {
        let pipeline = build::build(file, &filled.text)?;
        let frames: gst_app::AppSink = build::seam(file, &pipeline)?;
        frames.set_max_buffers(1);
        frames.set_drop(true);
        let capture = AgeEstimator::watch(&pipeline);
        let tap = AppsinkReader::new(Arc::clone(gate), number, Arc::clone(&capture));
        frames.set_callbacks(callbacks(tap, inputs.clone()));
        listen(&pipeline, number, inputs.clone());
        let mut opening = Self {
            number,
            file: file.clone(),
            camera: filled.camera,
            encoder: Encoder::find(&pipeline),
            live: false,
            deadline: Some(Instant::now() + limit),
            stall: None,
            patience: limit,
            words: String::new(),
            pipeline,
            frames,
            gate: Arc::clone(gate),
        };
        gate.admit(number);
        match opening.play(&capture) {
            Ok(()) => Ok(opening),
            Err(failure) => {
                opening.stop();
                Err(failure)
            }
        }
    }

    fn play(&mut self, capture: &AgeEstimator) -> Outcome {
        // A live source is its own clock; waiting for a picture's time would only make it older.
        // A file has to be paced, unless it says otherwise.
        self.live = match self.pipeline.set_state(gst::State::Paused) {
            Ok(change) => change == gst::StateChangeSuccess::NoPreroll,
            Err(_) => return Err(self.first_failure()),
        };
        if self.live {
            self.frames.set_property("sync", false);
        }
        capture.is(match self.live {
            true => Timing::Live,
            false if self.frames.property("sync") => Timing::Paced,
            false => Timing::Unpaced,
        });
        match self.pipeline.set_state(gst::State::Playing) {
            Ok(_) => Ok(()),
            Err(_) => Err(self.first_failure()),
        }
    }

    /// The first picture is there.
    pub fn has_begun(&mut self, form: &Caps) {
        let rate = form.framerate();
        self.deadline = None;
        self.patience = patience(rate, self.camera.is_some());
        self.stall = Some(Stall::after(
            self.patience,
            self.gate.count(),
            Instant::now(),
        ));
        let from = match &self.camera {
            Some(camera) => camera.description.clone(),
            None => self.file.place(None),
        };
        let rate = rate.map_or(String::new(), |fps| {
            format!(" at {} fps", (fps * 100.0).round() / 100.0)
        });
        self.words = format!("{from}, sent as {}{rate}", form.describe());
    }

    /// Begins again from the start, if it can.
    pub fn rewind(&self) -> bool {
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT;
        self.pipeline
            .seek_simple(flags, gst::ClockTime::ZERO)
            .is_ok()
    }

    /// Asks the encoder for a picture that can be decoded by itself.
    pub fn want_key(&self) {
        encoder::ask_for_key(self.encoder.as_ref(), &self.frames);
    }

    /// Has the encoder make so many kbit/s.
    pub fn set_bitrate(&self, kbit: u32) {
        if let Some(encoder) = &self.encoder {
            encoder.set_bitrate(kbit);
        }
    }

    /// Whether its end is one that was asked for. What is live has no end by itself, unless it
    /// was told how many pictures to make.
    pub fn may_end(&self) -> bool {
        let counts = |element: gst::Element| {
            element.has_property_with_type("num-buffers", i32::static_type())
                && element.property::<i32>("num-buffers") >= 0
        };
        !self.live
            || self
                .pipeline
                .iterate_sources()
                .into_iter()
                .flatten()
                .any(counts)
    }

    /// Whether a pipeline of `text` would need a device that this one holds.
    pub fn holds_what_is_needed_by(&self, text: &str) -> bool {
        let Ok(other) = build::build(&self.file, text) else {
            return false;
        };
        let held = devices(&self.pipeline);
        devices(&other).iter().any(|device| held.contains(device))
    }

    /// Stops it. No frame of it gets through after that, even if it hangs.
    pub fn stop(self) {
        self.gate.shut(self.number);
        if !stop::stop(&self.pipeline) {
            let limit = stop::LIMIT.as_secs();
            tracing::warn!("source: does not stop within {limit} s, is left behind");
        }
    }

    /// What an error of the pipeline means.
    pub fn explain(&self, message: &str, debug: Option<&str>) -> Failure {
        match &self.camera {
            Some(camera) => camera::explain(camera, message),
            None => Failure::start(format!("the pipeline {} failed", self.file.place(None)))
                .cause(message.trim_end_matches('.'))
                .found(build::details(debug))
                .hint(self.remedy(message)),
        }
    }

    /// What helps against an error of a pipeline without a camera.
    fn remedy(&self, message: &str) -> String {
        let remedy = build::remedy_of_failure(message);
        match self.file.placeholder_of("location") {
            Some(name) if message.contains("not found") => {
                format!("--set {name}=PATH takes a file that is there; {remedy}")
            }
            _ => remedy,
        }
    }

    /// Why a pipeline did not start: the error that it has left on its bus.
    fn first_failure(&self) -> Failure {
        let bus = self.pipeline.bus();
        let message = bus.and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => {
                self.explain(error.error().message(), error.debug().as_deref())
            }
            _ => self.explain("it does not start", None),
        }
    }
}

/// Passes on what the pipeline says. Errors stay on the bus too, for `first_failure`.
fn listen(pipeline: &gst::Pipeline, number: u32, inputs: Sender<Input>) {
    let Some(bus) = pipeline.bus() else {
        return;
    };
    bus.set_sync_handler(move |_, message| {
        let notice = match message.view() {
            gst::MessageView::Eos(_) => PipelineEvent::End,
            gst::MessageView::Error(error) => PipelineEvent::Error {
                message: error.error().message().to_owned(),
                debug: error.debug().map(Into::into),
            },
            _ => return gst::BusSyncReply::Drop,
        };
        let _ = inputs.send(Input::Pipeline(number, notice));
        gst::BusSyncReply::Pass
    });
}

fn callbacks(mut tap: AppsinkReader, inputs: Sender<Input>) -> gst_app::AppSinkCallbacks {
    let number = tap.number;
    let notify = move |notice| {
        let _ = inputs.send(Input::Pipeline(number, notice));
    };
    gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            match tap.take(sink, &sample) {
                Ok(Some(first)) => notify(PipelineEvent::FirstFrame(first)),
                Ok(None) => {}
                Err(e) => {
                    notify(PipelineEvent::Error {
                        message: e.to_string(),
                        debug: None,
                    });
                    return Err(gst::FlowError::Error);
                }
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .build()
}

/// What a pipeline's sources take for themselves alone: devices, ports, descriptors.
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
        let kind = build::kind(&source);
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
