//! Turns the bus messages of a receiving pipeline into [`PipelineEvent`]s.

use std::sync::Arc;

use gst::prelude::*;
use gstreamer as gst;

use crate::failure::{Failure, Status};
use crate::media::display::stage::Stage;
use crate::media::gst::bus::ElementError;
use crate::media::gst::element;
use crate::media::pipeline::build;

use super::decoder_monitor::DecoderMonitor;

/// An event of one receiving pipeline.
#[derive(Debug)]
pub(super) enum PipelineEvent {
    /// The change to the state PLAYING returned, with success or without.
    Started(bool),
    /// The first frame has reached the sink.
    FirstFrame,
    /// The decoder was emptied and has got the next frame.
    Flushed,
    /// The last frame has passed the sink.
    Ended,
    /// The decoder has failed. The next key frame mends it.
    Undecodable,
    /// The person closed the sink's own window.
    Closed,
    /// The pipeline has failed.
    Failed(Failure),
    /// There is no display, and frames are thrown away.
    NoDisplay(Failure),
}

/// Receives the events of a pipeline, on any thread. It must not block.
pub(super) type Tell = Arc<dyn Fn(PipelineEvent) + Send + Sync>;

/// Passes on the messages of `pipeline`, whose file is at `place`. The display
/// of a sink with a window of its own is watched for `stage`.
pub(super) fn listen(
    pipeline: &gst::Pipeline,
    place: String,
    stage: &Stage,
    decoder: Arc<DecoderMonitor>,
    tell: Tell,
) {
    let Some(bus) = pipeline.bus() else {
        return;
    };
    let watch = stage.bus_watch();
    // Nothing reads the bus, so every message is dropped here.
    bus.set_sync_handler(move |_, message| {
        if decoder.hears(message) {
            if matches!(message.view(), gst::MessageView::Error(_)) {
                tell(PipelineEvent::Undecodable);
            }
            return gst::BusSyncReply::Drop;
        }
        match message.view() {
            gst::MessageView::Element(_) | gst::MessageView::HaveContext(_) => {
                watch(message);
            }
            gst::MessageView::Eos(_) => tell(PipelineEvent::Ended),
            gst::MessageView::Error(error) => tell(judge(&place, message, error)),
            gst::MessageView::Warning(_) => {
                if let Some(failure) = no_display(message) {
                    tell(PipelineEvent::NoDisplay(failure));
                }
            }
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
}

/// The failure of the pipeline of `place` for a cause that no element has told.
pub(super) fn failed(place: &str, cause: &str) -> Failure {
    failed_with(place, &ElementError::new(cause))
}

fn failed_with(place: &str, error: &ElementError) -> Failure {
    build::failed(place, error).with_status(Status::Lost)
}

/// The meaning of an error.
fn judge(place: &str, message: &gst::MessageRef, error: &gst::message::Error) -> PipelineEvent {
    let cause = error.error();
    // Sinks with a window of their own say in this way that it was closed.
    let closed = cause.matches(gst::ResourceError::NotFound) && cause.message().contains("closed");
    let from_sink = message
        .src()
        .and_then(|src| src.downcast_ref::<gst::Element>())
        .is_some_and(|element| element.element_flags().contains(gst::ElementFlags::SINK));
    if closed && from_sink {
        return PipelineEvent::Closed;
    }
    let failure = failed_with(place, &ElementError::of(error));
    PipelineEvent::Failed(if from_sink {
        failure
    } else {
        failure.by_peer()
    })
}

/// `autovideosink` only warns when it finds no display, and then throws every frame away.
fn no_display(message: &gst::MessageRef) -> Option<Failure> {
    let element = message.src()?.downcast_ref::<gst::Element>()?;
    (element::kind(element) == "autovideosink").then(|| {
        Failure::start("cannot open a window")
            .cause("autovideosink found no display")
            .hint("--display terminal shows the video in a terminal")
    })
}
