//! GStreamer: pipeline files, the camera, decoders, windows. It knows nothing of sockets; frames
//! leave through a [`FrameSink`] and come in through [`playback::player::Player`].

mod bitstream;
pub mod capture;
pub mod capture_time;
pub mod display;
pub mod frame_sink;
pub mod gst;
mod leading_units;
pub mod pipeline;
pub mod playback;

pub use capture::source::Source;
pub use frame_sink::FrameSink;
#[cfg(unix)]
pub use gst::ffi::stop_process;
pub use gst::thread_room;
pub use pipeline::file::{Direction, PipelineFile};
pub use pipeline::placeholders::Values;
pub use playback::player::Player;

use gstreamer::prelude::*;

use crate::failure::{Failure, Outcome};

/// Sets what GStreamer and the system take from the process itself. Call this before there is a second
/// thread.
pub fn prepare_process() {
    gst::ffi::drain_cameras();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    gst::ffi::share_heap();
}

/// Starts GStreamer; does nothing the second time.
///
/// # Errors
///
/// Where GStreamer is not installed completely.
pub fn init() -> Outcome {
    gstreamer::init().map_err(|e| {
        Failure::start("cannot start GStreamer")
            .cause(e)
            .hint("scripts/setup installs what is needed")
    })?;
    set_ranks();
    Ok(())
}

/// Sets the ranks of elements that GStreamer's own ranks choose wrongly. A pipeline file can still
/// name each of them.
fn set_ranks() {
    use gstreamer::Rank;
    let ranks = [
        // Without a display, autovideosink tries DirectFB, which ends the process with a
        // segmentation fault (Debian 12).
        ("dfbvideosink", Rank::NONE),
        // Only the parser reads how a photograph is to be turned, and up to 1.22 decodebin takes
        // none.
        ("jpegparse", Rank::PRIMARY + 1),
        // The decoders of libav take the first part of a BMP, TIFF or TGA file for all of it.
        ("gdkpixbufdec", Rank::MARGINAL + 1),
        // It gives all frames the time of the first one. At the end of the file it reads on for
        // ever, with all of a core (1.22).
        ("avdemux_gif", Rank::NONE),
    ];
    for (name, rank) in ranks {
        if let Some(element) = gstreamer::ElementFactory::find(name) {
            element.set_rank(rank);
        }
    }
}
