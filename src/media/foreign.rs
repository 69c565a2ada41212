//! The few calls that Rust cannot check, each with the reason why it is needed and sound.

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

/// Keeps Xlib, which X11 sinks use, from ending the process.
///
/// When the display goes away or a window is destroyed by someone else, Xlib's own handlers call
/// `exit`: measured, a sender lost its viewers because the display of its preview was gone. With
/// these, a thread that was drawing on a display that is gone waits for ever, and a window that
/// is gone is not drawn in. Our own connection to the display tells of either.
#[cfg(all(unix, not(target_os = "macos")))]
pub fn survive_display() {
    use std::ffi::c_int;
    use std::sync::Once;
    use x11_dl::xlib::{Display, XErrorEvent, Xlib};

    // To return would be to allow Xlib to end the process.
    unsafe extern "C" fn wait_for_ever(_: *mut Display) -> c_int {
        loop {
            std::thread::park();
        }
    }
    unsafe extern "C" fn go_on(_: *mut Display, _: *mut XErrorEvent) -> c_int {
        0
    }

    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Without Xlib there are no sinks that use it.
        let Ok(xlib) = Xlib::open() else {
            return;
        };
        // SAFETY: both are functions of the type that Xlib asks for, they touch none of their
        // arguments, and they live as long as the process, as does the library: it is never
        // closed.
        unsafe {
            (xlib.XSetIOErrorHandler)(Some(wait_for_ever));
            (xlib.XSetErrorHandler)(Some(go_on));
        }
    });
}

/// Has an X11 sink draw into the window `id`.
pub fn draw_into(overlay: &gst_video::VideoOverlay, id: u32) {
    // SAFETY: the function is unsafe for the platforms whose handles are addresses. The handle of
    // `ximagesink` and `xvimagesink` is a number that the X server checks.
    unsafe { overlay.set_window_handle(id as usize) };
}

/// Keeps the loss of the X display from ending the process.
///
/// Xlib ends it wherever a thread next talks to a display that is gone, and an X11 sink's own
/// thread does that before anybody can stop it. Such a thread rests instead, for good, and its
/// pipeline is left alone: see [`super::window::Window::is_lost`], which hears of the loss by
/// itself.
#[cfg(all(unix, not(target_os = "macos")))]
pub fn outlive_display() {
    use std::ffi::{CStr, c_char, c_int, c_void};
    type Handler = extern "C" fn(*mut c_void) -> c_int;
    unsafe extern "C" {
        fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
        fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    }
    const LIBRARY: &CStr = c"libX11.so.6";
    const LAZILY: c_int = 1;

    extern "C" fn rest(_display: *mut c_void) -> c_int {
        // Threads of GStreamer have no name, and "stop" is waited for only a while. Where any
        // other thread comes here, somebody waits for it: to return is to end the process.
        while matches!(std::thread::current().name(), None | Some("stop")) {
            std::thread::park();
        }
        0
    }

    // SAFETY: the names are those of Xlib's manual, and so is the function's form: it takes a
    // function from a pointer to a number and returns the last one. The library is never closed.
    unsafe {
        let library = dlopen(LIBRARY.as_ptr(), LAZILY);
        if library.is_null() {
            return;
        }
        let found = dlsym(library, c"XSetIOErrorHandler".as_ptr());
        if !found.is_null() {
            let set: extern "C" fn(Handler) -> Option<Handler> = std::mem::transmute(found);
            set(rest);
        }
    }
}

/// There is no Xlib of ours.
#[cfg(not(all(unix, not(target_os = "macos"))))]
pub fn outlive_display() {}
