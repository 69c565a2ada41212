//! Stops a pipeline that may hang, on a driver that does not answer or on a pipe that nobody reads,
//! without holding the caller up.

use std::sync::mpsc;
use std::time::Duration;

use gst::prelude::*;
use gstreamer as gst;

/// The time that a pipeline has to stop before it is left to itself.
pub const LIMIT: Duration = Duration::from_secs(2);

/// Stops a pipeline; false where it has not stopped in time. A thread then still waits for it,
/// perhaps to the end of the process.
pub fn stop(pipeline: &gst::Pipeline) -> bool {
    if let Some(bus) = pipeline.bus() {
        bus.unset_sync_handler();
    }
    let (done, stopped) = mpsc::channel();
    let stopping = pipeline.clone();
    let thread = std::thread::Builder::new()
        .name("stop".into())
        .spawn(move || {
            let _ = stopping.set_state(gst::State::Null);
            let _ = done.send(());
        });
    match (thread, stopped.recv_timeout(LIMIT)) {
        // The thread has sent its message and ends at once, so no thread is left.
        (Ok(thread), Ok(())) => thread.join().is_ok(),
        _ => false,
    }
}
