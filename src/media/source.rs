//! The sending end: a pipeline that is opened when somebody watches, and its frames.
//!
//! Opening and closing a camera can take seconds, so all of it happens on a thread of its own,
//! "source", which also hears what the pipeline has to say.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use tokio::sync::mpsc::UnboundedSender;

use crate::frame::Frame;
use crate::report::{Failure, Outcome};
use crate::wire::Caps;

use super::recipe::{Directive, Recipe};
use super::tap::Tap;
use super::values::Values;
use super::{build, camera};

/// How long a source may take for its first picture.
const FIRST_FRAME_LIMIT: Duration = Duration::from_secs(10);

/// Where frames go. Called from GStreamer's threads: it must not wait for anything.
pub trait Outlet: Send + Sync {
    /// The form of the frames from here on.
    fn caps(&self, caps: Caps);
    /// The newest picture.
    fn frame(&self, frame: Frame);
    /// No picture is the newest any more: the source is closed.
    fn clear(&self);
    /// No pictures come for now, and why. The next one says that they do again.
    fn lost(&self, reason: &str);
}

/// What a source tells its owner.
#[derive(Debug)]
pub enum SourceEvent {
    /// The first picture is there; what it comes from, in words.
    Opened(String),
    /// The pipeline is stopped, and the camera's light is off.
    Closed,
    /// The pipeline came to its end.
    Ended,
    /// The pipeline failed. It is closed; it may be opened again.
    Failed(Failure),
}

/// A sending pipeline and the thread that runs it. Dropping it stops both.
#[derive(Debug)]
pub struct Source {
    inputs: Sender<Input>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is told.
enum Input {
    Open,
    Close,
    Key,
    Quit,
    /// From the pipeline of this generation; what came before it is old news.
    Pipeline(u32, Notice),
}

enum Notice {
    FirstFrame(Caps),
    End,
    Error {
        message: String,
        debug: Option<String>,
    },
}

impl Source {
    /// Starts the thread, with the pipeline closed.
    pub fn spawn(
        recipe: Recipe,
        values: Values,
        outlet: Arc<dyn Outlet>,
        events: UnboundedSender<SourceEvent>,
    ) -> Self {
        let (inputs, received) = mpsc::channel();
        let runner = Runner {
            recipe,
            values,
            outlet,
            events,
            inputs: inputs.clone(),
            generation: 0,
            sequence: Arc::default(),
            running: None,
        };
        let thread = std::thread::Builder::new()
            .name("source".into())
            .spawn(move || runner.run(&received))
            .expect("the system has room for a thread at the start of the program");
        Self {
            inputs,
            thread: Some(thread),
        }
    }

    /// Opens the pipeline; nothing happens where it is open.
    pub fn open(&self) {
        self.tell(Input::Open);
    }

    /// Closes the pipeline; nothing happens where it is closed.
    pub fn close(&self) {
        self.tell(Input::Close);
    }

    /// Asks the encoder for a picture that can be decoded by itself.
    pub fn want_key(&self) {
        self.tell(Input::Key);
    }

    pub fn set_bitrate(&self, _kbit: u32) {}

    fn tell(&self, input: Input) {
        // The thread ends only when it is told to by our own drop.
        let _ = self.inputs.send(input);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.tell(Input::Quit);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Runner {
    recipe: Recipe,
    values: Values,
    outlet: Arc<dyn Outlet>,
    events: UnboundedSender<SourceEvent>,
    inputs: Sender<Input>,
    generation: u32,
    /// The number of the next frame. It goes on when the pipeline is opened again, so that no
    /// viewer takes a new frame for an old one.
    sequence: Arc<AtomicU32>,
    running: Option<Running>,
}

/// A pipeline that was started.
struct Running {
    pipeline: gst::Pipeline,
    frames: gst_app::AppSink,
    camera: Option<camera::Camera>,
    /// Until when the first picture has to be there; `None` once it is.
    deadline: Option<Instant>,
}

impl Runner {
    fn run(mut self, inputs: &Receiver<Input>) {
        loop {
            let deadline = self.running.as_ref().and_then(|running| running.deadline);
            let input = match deadline {
                None => inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => inputs.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match input {
                Ok(Input::Open) => self.open(),
                Ok(Input::Close) => {
                    if self.close() {
                        self.say(SourceEvent::Closed);
                    }
                }
                Ok(Input::Key) => self.ask_for_key(),
                Ok(Input::Pipeline(generation, notice)) if generation == self.generation => {
                    self.hear(notice);
                }
                Ok(Input::Pipeline(..)) => {}
                Err(RecvTimeoutError::Timeout) => {
                    let limit = FIRST_FRAME_LIMIT.as_secs();
                    self.fail_for(&format!("no picture came within {limit} s"), None);
                }
                Ok(Input::Quit) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.close();
    }

    fn open(&mut self) {
        if self.running.is_some() {
            return;
        }
        if let Err(failure) = self.start() {
            self.close();
            self.say(SourceEvent::Failed(failure));
        }
    }

    fn start(&mut self) -> Outcome {
        self.generation += 1;
        let filled = self.values.fill_send(&self.recipe)?;
        let pipeline = build::build(&self.recipe, &filled.text)?;
        let frames: gst_app::AppSink = build::seam(&self.recipe, &pipeline)?;
        frames.set_max_buffers(1);
        frames.set_drop(true);
        frames.set_callbacks(self.callbacks());
        self.listen(&pipeline);
        self.running = Some(Running {
            pipeline: pipeline.clone(),
            frames: frames.clone(),
            camera: filled.camera,
            deadline: Some(Instant::now() + FIRST_FRAME_LIMIT),
        });
        // A live source is its own clock; waiting for a picture's time would only make it older.
        // A file has to be paced, unless it says otherwise.
        let live = match pipeline.set_state(gst::State::Paused) {
            Ok(change) => change == gst::StateChangeSuccess::NoPreroll,
            Err(_) => return Err(self.first_failure(&pipeline)),
        };
        if live {
            frames.set_property("sync", false);
        }
        if pipeline.set_state(gst::State::Playing).is_err() {
            return Err(self.first_failure(&pipeline));
        }
        Ok(())
    }

    /// Stops the pipeline; true if there was one.
    fn close(&mut self) -> bool {
        let Some(running) = self.running.take() else {
            return false;
        };
        self.generation += 1;
        let _ = running.pipeline.set_state(gst::State::Null);
        if let Some(bus) = running.pipeline.bus() {
            bus.unset_sync_handler();
        }
        self.outlet.clear();
        true
    }

    fn hear(&mut self, notice: Notice) {
        match notice {
            Notice::FirstFrame(caps) => {
                let Some(running) = &mut self.running else {
                    return;
                };
                running.deadline = None;
                let from = match &running.camera {
                    Some(camera) => camera.description.clone(),
                    None => self.recipe.place(None),
                };
                let rate = caps.framerate().map_or(String::new(), |fps| {
                    format!(" at {} fps", (fps * 100.0).round() / 100.0)
                });
                self.say(SourceEvent::Opened(format!(
                    "{from}, sent as {}{rate}",
                    caps.describe()
                )));
            }
            Notice::End if self.awaits_first() => {
                self.fail_for("it came to its end before its first picture", None);
            }
            Notice::End => {
                if !(self.recipe.has(Directive::Loop) && self.rewind()) {
                    self.close();
                    self.say(SourceEvent::Ended);
                }
            }
            Notice::Error { message, debug } => {
                if let Some(details) = &debug {
                    tracing::debug!("source: {details}");
                }
                self.fail_for(&message, debug.as_deref());
            }
        }
    }

    /// Whether there was no picture yet.
    fn awaits_first(&self) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|running| running.deadline.is_some())
    }

    fn rewind(&self) -> bool {
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT;
        self.running
            .as_ref()
            .is_some_and(|r| r.pipeline.seek_simple(flags, gst::ClockTime::ZERO).is_ok())
    }

    fn ask_for_key(&self) {
        if let Some(running) = &self.running {
            let event = gst_video::UpstreamForceKeyUnitEvent::builder()
                .all_headers(true)
                .build();
            running.frames.send_event(event);
        }
    }

    fn fail_for(&mut self, message: &str, debug: Option<&str>) {
        let failure = self.explain(message, debug);
        self.close();
        self.say(SourceEvent::Failed(failure));
    }

    fn explain(&self, message: &str, debug: Option<&str>) -> Failure {
        match self
            .running
            .as_ref()
            .and_then(|running| running.camera.as_ref())
        {
            Some(camera) => camera::explain(camera, message),
            None => Failure::start(format!("the pipeline {} failed", self.recipe.place(None)))
                .cause(message.trim_end_matches('.'))
                .found(build::details(debug)),
        }
    }

    /// Why a pipeline did not start: the error that it has left on its bus.
    fn first_failure(&self, pipeline: &gst::Pipeline) -> Failure {
        let bus = pipeline.bus();
        let message = bus.and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => {
                self.explain(error.error().message(), error.debug().as_deref())
            }
            _ => self.explain("it does not start", None),
        }
    }

    fn say(&self, event: SourceEvent) {
        // Whoever owned us may be gone, which is the end of us too.
        let _ = self.events.send(event);
    }

    /// Passes on what the pipeline says. Errors stay on the bus too, for `first_failure`.
    fn listen(&self, pipeline: &gst::Pipeline) {
        let Some(bus) = pipeline.bus() else {
            return;
        };
        let (inputs, generation) = (self.inputs.clone(), self.generation);
        bus.set_sync_handler(move |_, message| {
            let notice = match message.view() {
                gst::MessageView::Eos(_) => Notice::End,
                gst::MessageView::Error(error) => Notice::Error {
                    message: error.error().message().to_owned(),
                    debug: error.debug().map(Into::into),
                },
                _ => return gst::BusSyncReply::Drop,
            };
            let _ = inputs.send(Input::Pipeline(generation, notice));
            gst::BusSyncReply::Pass
        });
    }

    fn callbacks(&self) -> gst_app::AppSinkCallbacks {
        let mut tap = Tap::new(Arc::clone(&self.outlet), Arc::clone(&self.sequence));
        let (inputs, generation) = (self.inputs.clone(), self.generation);
        let notify = move |notice| {
            let _ = inputs.send(Input::Pipeline(generation, notice));
        };
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                match tap.take(sink, &sample) {
                    Ok(Some(first)) => notify(Notice::FirstFrame(first)),
                    Ok(None) => {}
                    Err(e) => {
                        notify(Notice::Error {
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
}
