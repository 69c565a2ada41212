//! Counts the frames that a receiving pipeline shows, and stops it at the last one that is wanted.
//!
//! A frame counts when it reaches the sink. Behind a muxer the sink gets the blocks of a file and
//! no frames: there they count when they enter the pipeline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use gst::prelude::*;
use gstreamer as gst;

use crate::wire::caps;

use super::frame_tracker::FrameTracker;
use crate::media::display::freeze_frame;

/// Counts into `shown`, and tells `marks` of each frame. After `enough` of them no more pass, and
/// `reached` is called once.
pub fn attach(
    pipeline: &gst::Pipeline,
    shown: &Arc<AtomicU64>,
    marks: Option<&Arc<FrameTracker>>,
    enough: Option<u64>,
    reached: impl Fn() + Send + Sync + 'static,
) {
    let first = || pipeline.iterate_sinks().next().ok().flatten();
    let Some(sink) = freeze_frame::display_sink(pipeline).or_else(first) else {
        return;
    };
    let source = pipeline.by_name(crate::media::pipeline::ends::SEAM);
    let (Some(entry), Some(end)) = (
        source.and_then(|source| source.static_pad("src")),
        sink.static_pad("sink"),
    ) else {
        return;
    };
    let counter = Arc::new(FrameCounter {
        shown: Arc::clone(shown),
        marks: marks.cloned(),
        enough,
        reached: Box::new(reached),
    });
    let muxed = Arc::new(AtomicBool::new(false));
    let entered = AtomicU64::new(0);
    let (at_entry, is_muxed) = (Arc::clone(&counter), Arc::clone(&muxed));
    entry.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let before = entered.fetch_add(1, Relaxed);
        if let (Some(marks), Some(buffer)) = (&at_entry.marks, info.buffer()) {
            marks.entered(buffer);
        }
        if is_muxed.load(Relaxed) {
            at_entry.count(before, info.buffer())
        } else {
            gst::PadProbeReturn::Ok
        }
    });
    let watched = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    end.add_probe(watched, move |_, info| match &info.data {
        Some(gst::PadProbeData::Event(event)) => {
            if let gst::EventView::Caps(event) = event.view() {
                let structure = event.caps().structure(0);
                let frames = structure.is_some_and(|s| caps::is_frame_type(s.name()));
                muxed.store(!frames, Relaxed);
            }
            gst::PadProbeReturn::Ok
        }
        _ if muxed.load(Relaxed) || freeze_frame::is_drawing() => gst::PadProbeReturn::Ok,
        _ => counter.count(counter.shown.load(Relaxed), info.buffer()),
    });
}

struct FrameCounter {
    shown: Arc<AtomicU64>,
    /// Told of each frame, where somebody wants to know.
    marks: Option<Arc<FrameTracker>>,
    enough: Option<u64>,
    reached: Box<dyn Fn() + Send + Sync>,
}

impl FrameCounter {
    /// Lets one more pass after `before` others, or none.
    fn count(&self, before: u64, frame: Option<&gst::Buffer>) -> gst::PadProbeReturn {
        if self.enough.is_some_and(|enough| before >= enough) {
            // With `Drop` the bindings take the buffer and GStreamer 1.22 misses it, which is a
            // critical warning for each.
            return gst::PadProbeReturn::Handled;
        }
        self.shown.store(before + 1, Relaxed);
        if let (Some(marks), Some(frame)) = (&self.marks, frame) {
            marks.reached(frame);
        }
        if Some(before + 1) == self.enough {
            (self.reached)();
        }
        gst::PadProbeReturn::Ok
    }
}
