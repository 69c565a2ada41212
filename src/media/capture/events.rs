//! The messages around the thread "source": from its owner, from its pipelines, and to its owner.

use crate::failure::Failure;
use crate::media::gst::bus::ElementError;
use crate::media::pipeline::file::PipelineFile;
use crate::wire::Caps;

/// A message from a source to its owner.
#[derive(Debug)]
pub enum SourceEvent {
    /// Frames come, for the first time, after a pause or after a loss. The text describes their
    /// origin.
    Opened(String),
    /// The bit rate in kbit/s of the pipeline that opens; `None` where it has no encoder, or none
    /// whose bit rate can be changed. It comes before `Opened` and `Changed`.
    Encoding { bitrate: Option<u32> },
    /// The pipeline is stopped, and the camera's light is off.
    Closed,
    /// The pipeline came to its end.
    Ended,
    /// The pipeline failed before its first frame ever. It is closed.
    Failed(Failure),
    /// The pipeline worked, and is lost from now on. It is tried again while it is to be open. Told
    /// once, until it works again.
    Lost(Failure),
    /// The pipeline is still lost, now for another reason.
    StillLost(Failure),
    /// The source uses the pipeline that it was given as a replacement. The text describes its
    /// frames. A closed source uses it when it is opened.
    Changed(String),
    /// The replacement does not work. The pipeline before it goes on.
    Kept(Failure),
}

/// A message to the thread.
pub enum SourceInput {
    Open,
    Close,
    /// Make a key frame.
    KeyFrame,
    /// Encode with this bit rate, in kbit/s.
    Bitrate(u32),
    /// Use this file from now on, if it works.
    Replace(Box<PipelineFile>),
    Quit,
    /// From the pipeline of this number. An event of an earlier pipeline means nothing any more.
    Pipeline(u32, PipelineEvent),
}

/// A message from a capture pipeline.
pub enum PipelineEvent {
    /// The first frame got through the hand-over, with these caps.
    FirstFrame(Caps),
    /// The pipeline came to its end.
    End,
    /// The pipeline failed.
    Error(ElementError),
}
