//! GStreamer: pipeline files, the camera, decoders, windows. It knows nothing of sockets; frames
//! leave through [`capture::source::Outlet`] and come in through [`playback::player::Player`].

pub mod capture;
pub mod display;
pub mod gst;
pub mod pipeline;
pub mod playback;

pub use capture::source::Source;
pub use gst::ffi::drain_cameras;
#[cfg(unix)]
pub use gst::ffi::stop_process;
pub use pipeline::file::{Direction, PipelineFile};
pub use pipeline::placeholders::Values;
pub use playback::player::Player;

use gstreamer::prelude::*;

use crate::failure::{Failure, Outcome};

/// Runs the program itself, which on macOS must leave the first thread to the windows.
pub fn on_main_thread<T>(program: impl FnOnce() -> T + Send) -> T {
    #[cfg(target_os = "macos")]
    return gstreamer::macos_main(program);
    #[cfg(not(target_os = "macos"))]
    program()
}

/// Starts GStreamer; does nothing the second time.
pub fn init() -> Outcome {
    gstreamer::init().map_err(|e| {
        Failure::start("cannot start GStreamer")
            .cause(e)
            .hint("scripts/setup installs what is needed")
    })?;
    // Where there is no display, autovideosink comes to try DirectFB, which ends the process with
    // a fault of memory (Debian 12). Whoever means it can still name it.
    if let Some(directfb) = gstreamer::ElementFactory::find("dfbvideosink") {
        directfb.set_rank(gstreamer::Rank::NONE);
    }
    Ok(())
}
