//! Stopping a pipeline that may hang: on a driver that does not answer, or on a pipe that nobody
//! reads. That must not hold up whoever stops it.

use std::sync::mpsc;
use std::time::Duration;

use gst::prelude::*;
use gstreamer as gst;

/// How long a pipeline may take to stop before it is left to itself.
pub const LIMIT: Duration = Duration::from_secs(2);

/// Stops a pipeline; false where it has not stopped in time. It is then left to a thread of its
/// own, which may last to the end of the process.
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
        // It has said its last word, so this takes no time, and no thread is left.
        (Ok(thread), Ok(())) => thread.join().is_ok(),
        _ => false,
    }
}
