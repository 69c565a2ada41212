//! The sending end: a pipeline that is opened when somebody watches, and its frames.
//!
//! Opening and closing a camera can take seconds, so all of it happens on a thread of its own,
//! "source", which `runner` is. Here is the handle of it, and what it says.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use tokio::sync::mpsc::UnboundedSender;

use crate::failure::Failure;
use crate::frame::Frame;
use crate::wire::Caps;

use super::source_thread::{Input, SourceThread};
use crate::media::pipeline::file::PipelineFile;
use crate::media::pipeline::placeholders::Values;

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
    /// Pictures come, for the first time, after a pause or after a loss; what they come from, in
    /// words.
    Opened(String),
    /// The bit rate in kbit/s of what is opened; `None` where there is no encoder, or none that
    /// can be changed. It comes before `Opened` and `Changed`.
    Encoding { bitrate: Option<u32> },
    /// The pipeline is stopped, and the camera's light is off.
    Closed,
    /// The pipeline came to its end.
    Ended,
    /// The pipeline failed before its first picture ever. It is closed.
    Failed(Failure),
    /// It worked and does no more. It is tried again for as long as it is to be open; said once,
    /// until it works again.
    Lost(Failure),
    /// It is still lost, now for another reason.
    StillLost(Failure),
    /// The pipeline that [`Source::replace`] was given is in use; what it sends, in words. Where
    /// the source is closed it is used when it is opened.
    Changed(String),
    /// The pipeline that [`Source::replace`] was given does not work; the one before goes on.
    Kept(Failure),
}

/// A sending pipeline and the thread that runs it. Dropping it stops both.
#[derive(Debug)]
pub struct Source {
    inputs: Sender<Input>,
    thread: Option<JoinHandle<()>>,
}

impl Source {
    /// Starts the thread, with the pipeline closed.
    pub fn spawn(
        file: PipelineFile,
        values: Values,
        outlet: Arc<dyn Outlet>,
        events: UnboundedSender<SourceEvent>,
    ) -> Self {
        let (inputs, received) = mpsc::channel();
        let runner = SourceThread::new(file, values, outlet, events, inputs.clone());
        let thread = std::thread::Builder::new()
            .name("source".into())
            .spawn(move || runner.run(&received))
            .expect("the system has room for a thread at the start of the program");
        Self {
            inputs,
            thread: Some(thread),
        }
    }

    /// Opens the pipeline; nothing happens where it is open or being tried.
    pub fn open(&self) {
        self.tell(Input::Open);
    }

    /// Closes the pipeline, and no more tries; nothing happens where it is closed.
    pub fn close(&self) {
        self.tell(Input::Close);
    }

    /// Asks the encoder for a picture that can be decoded by itself.
    pub fn want_key(&self) {
        self.tell(Input::Key);
    }

    /// Has the encoder make so many kbit/s, until the pipeline is opened anew.
    pub fn set_bitrate(&self, kbit: u32) {
        self.tell(Input::Bitrate(kbit));
    }

    /// Changes over to another pipeline, if that works: [`SourceEvent::Changed`] or
    /// [`SourceEvent::Kept`] tells. Viewers stay.
    pub fn replace(&self, file: PipelineFile) {
        self.tell(Input::Replace(Box::new(file)));
    }

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
