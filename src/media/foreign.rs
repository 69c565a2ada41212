//! The two calls that Rust cannot check, each with the reason why it is needed and sound.

#![allow(unsafe_code)]

use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

/// Has `v4l2src` give its camera back when it stops.
///
/// Up to version 1.24 it otherwise leaks an open descriptor of the camera each time: measured,
/// one for each start and stop, and with it a camera that was unplugged can never be opened again
/// by this process. The element reads the variable with `getenv`, so it has to be in the
/// process's own environment.
///
/// To be called before there is a second thread.
pub fn drain_cameras() {
    // SAFETY: there is one thread, so nobody reads the environment while it is written.
    unsafe { std::env::set_var("GST_V4L2_FORCE_DRAIN", "1") };
}

/// Has an X11 sink draw into the window `id`.
pub fn draw_into(overlay: &gst_video::VideoOverlay, id: u32) {
    // SAFETY: the function is unsafe for the platforms whose handles are addresses. The handle of
    // `ximagesink` and `xvimagesink` is a number that the X server checks.
    unsafe { overlay.set_window_handle(id as usize) };
}
