//! GStreamer: pipeline files, the camera, decoders, windows. It knows nothing of sockets; frames
//! leave through [`source::Outlet`] and come in through [`player::Player`].

pub mod blocks;
mod bounds;
pub mod build;
pub mod camera;
pub mod caps;
mod capture;
mod change;
mod choice;
pub mod codecs;
mod counter;
mod cover;
pub mod decode;
mod dim;
mod display;
pub mod encode;
mod feed;
mod foreign;
mod gate;
mod hearing;
mod hints;
mod identity;
mod keys;
mod modes;
mod nodes;
mod opening;
pub mod packages;
pub mod player;
mod pool;
pub mod recipe;
mod recovery;
mod runner;
mod screen;
mod seen;
pub mod source;
mod stage;
mod stop;
mod swap;
mod tap;
pub mod template;
pub mod terminal;
#[cfg(test)]
#[path = "trial_tests.rs"]
mod trial;
pub mod values;
pub mod window;
mod x11;

pub use foreign::drain_cameras;
#[cfg(unix)]
pub use foreign::stop_process;
pub use player::Player;
pub use recipe::{Direction, Recipe};
pub use source::Source;
pub use values::Values;

use gstreamer::prelude::*;

use crate::report::{Failure, Outcome};

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
