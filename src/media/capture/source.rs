//! The handle of a source: a capture pipeline that is open while somebody watches.
//!
//! Opening and closing a camera can take seconds, so a thread of its own does both: see
//! `source_thread`.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use tokio::sync::mpsc::UnboundedSender;

use super::events::{SourceEvent, SourceInput};
use super::source_thread::SourceThread;
use crate::media::frame_sink::FrameSink;
use crate::media::gst::thread_room::no_thread;
use crate::media::pipeline::file::PipelineFile;
use crate::media::pipeline::placeholders::Values;

/// A capture pipeline and the thread that runs it. Dropping it stops both.
#[derive(Debug)]
pub struct Source {
    inputs: Sender<SourceInput>,
    thread: Option<JoinHandle<()>>,
}

impl Source {
    /// Starts the thread, with the pipeline closed.
    pub fn spawn(
        file: PipelineFile,
        values: Values,
        sink: Arc<dyn FrameSink>,
        events: UnboundedSender<SourceEvent>,
    ) -> Self {
        let failed = events.clone();
        let (inputs, received) = mpsc::channel();
        let source = SourceThread::new(file, values, sink, events, inputs.clone());
        let thread = std::thread::Builder::new()
            .name("source".into())
            .spawn(move || source.run(&received));
        if let Err(e) = &thread {
            let _ = failed.send(SourceEvent::Failed(no_thread(e)));
        }
        Self {
            inputs,
            thread: thread.ok(),
        }
    }

    /// Opens the pipeline, unless it is open or being tried.
    pub fn open(&self) {
        self.tell(SourceInput::Open);
    }

    /// Closes the pipeline, and ends its tries.
    pub fn close(&self) {
        self.tell(SourceInput::Close);
    }

    /// Asks the encoder for a key frame.
    pub fn want_key(&self) {
        self.tell(SourceInput::KeyFrame);
    }

    /// Changes the bit rate of the encoder, in kbit/s, until the pipeline is opened anew.
    pub fn set_bitrate(&self, kbit: u32) {
        self.tell(SourceInput::Bitrate(kbit));
    }

    /// Replaces the pipeline by another one, if that one works. [`SourceEvent::Changed`] or
    /// [`SourceEvent::Kept`] is the answer. Viewers stay.
    pub fn replace(&self, file: PipelineFile) {
        self.tell(SourceInput::Replace(Box::new(file)));
    }

    fn tell(&self, input: SourceInput) {
        // The thread ends only after the `Quit` of `drop`, so it is there.
        let _ = self.inputs.send(input);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.tell(SourceInput::Quit);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
