//! Frames that leave a receiving pipeline again, in another format: those that reach its
//! `appsink name=taken`.

use std::sync::Arc;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use crate::media::capture::age::AgeEstimator;
use crate::media::capture::appsink::AppsinkReader;
use crate::media::capture::handover::Handover;
use crate::media::capture::stream_time::StreamTime;
use crate::media::frame_sink::FrameSink;

/// The name of the element at which frames leave.
const TAKEN: &str = "taken";

/// Passes the frames of `pipeline` on to `frame_sink`, where it has an `appsink name=taken`.
pub(super) fn attach(pipeline: &gst::Pipeline, frame_sink: &Arc<dyn FrameSink>) {
    let sink = pipeline.by_name(TAKEN);
    let Some(sink) = sink.and_then(|sink| sink.downcast::<gst_app::AppSink>().ok()) else {
        return;
    };
    let handover = Handover::new(Arc::clone(frame_sink));
    handover.admit(1);
    let (ages, time) = (AgeEstimator::watch(pipeline), StreamTime::new(false));
    let mut reader = AppsinkReader::new(handover, 1, ages, time);
    sink.set_property("sync", false);
    sink.set_max_buffers(1);
    sink.set_drop(true);
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                match reader.take(sink, &sample) {
                    Ok(_) => Ok(gst::FlowSuccess::Ok),
                    Err(e) => {
                        tracing::warn!("taken: {e:#}");
                        Err(gst::FlowError::Error)
                    }
                }
            })
            .build(),
    );
}
