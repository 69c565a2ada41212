//! The age of a frame when it reaches the end of a capture pipeline.
//!
//! The frames of a live source carry the time of their capture. Other sources have no such clock:
//! a pipe's parser counts frames, and thirty of them are not quite a second of the program that
//! writes to the pipe, so an age by their times would grow for ever. There the age counts from the
//! moment at which the source gave out the last bytes of the frame.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

/// The clock that decides when the frames of a pipeline come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// The clock of a live source.
    Live,
    /// Frames wait at the end of the pipeline until they are due, as those of a file do.
    Paced,
    /// Frames come as the pipeline gets them.
    Unpaced,
}

/// The time at which a frame of this age was captured, in nanoseconds since 1970.
pub fn captured_at(age: Duration) -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.saturating_sub(age).as_nanos()).unwrap_or(u64::MAX)
}

/// Estimates the ages of one pipeline's frames.
#[derive(Debug)]
pub struct AgeEstimator {
    origin: Instant,
    timing: OnceLock<Timing>,
    /// The time at which a source last gave something out, in nanoseconds from the origin; 0 once
    /// that has become a frame.
    given: AtomicU64,
}

impl AgeEstimator {
    /// Watches the sources of a pipeline that is about to be started.
    pub fn watch(pipeline: &gst::Pipeline) -> Arc<Self> {
        let estimator = Arc::new(Self {
            origin: Instant::now(),
            timing: OnceLock::new(),
            given: AtomicU64::new(0),
        });
        for source in pipeline.iterate_sources().into_iter().flatten() {
            for pad in source.src_pads() {
                let estimator = Arc::clone(&estimator);
                let data = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
                pad.add_probe(data, move |_, _| {
                    let now = estimator.origin.elapsed().as_nanos();
                    let now = u64::try_from(now).unwrap_or(u64::MAX);
                    estimator.given.store(now, Relaxed);
                    gst::PadProbeReturn::Ok
                });
            }
        }
        estimator
    }

    /// Sets the timing of the pipeline, before its first frame. A second call does nothing.
    pub fn set_timing(&self, timing: Timing) {
        let _ = self.timing.set(timing);
    }

    /// The age of the frame that has just come to `sink` with this running time. A live source's
    /// frame without a time, or from the future, has the age zero.
    pub fn age(&self, sink: &gst_app::AppSink, running: Option<gst::ClockTime>) -> Duration {
        match self.timing.get().unwrap_or(&Timing::Live) {
            Timing::Live => {
                let age = running.and_then(|then| sink.current_running_time()?.checked_sub(then));
                Duration::from(age.unwrap_or_default())
            }
            Timing::Paced => Duration::ZERO,
            // Without new data from the source, an element inside the pipeline has just made it.
            Timing::Unpaced => match self.given.swap(0, Relaxed) {
                0 => Duration::ZERO,
                given => {
                    let given = Duration::from_nanos(given);
                    self.origin.elapsed().saturating_sub(given)
                }
            },
        }
    }

    /// Whether frames wait until they are due, as those of a file do.
    pub fn is_paced(&self) -> bool {
        self.timing.get() == Some(&Timing::Paced)
    }

    /// Whether the source is live, and so may have a backlog. A file or a pipe has none.
    pub fn is_live(&self) -> bool {
        *self.timing.get().unwrap_or(&Timing::Live) == Timing::Live
    }
}
