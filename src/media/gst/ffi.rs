//! The few calls that Rust cannot check, each with the reasons why it is needed and sound.

#![allow(unsafe_code)]

use anyhow::Context;
use gstreamer as gst;
use gstreamer_video as gst_video;

/// Has `v4l2src` give its camera back when it stops.
///
/// Otherwise, up to version 1.24, it leaks an open descriptor of the camera: measured, one for each
/// start and stop. While one is open, this process can never open a camera again that was unplugged.
/// The element reads the variable with `getenv`, so it has to be in the process's own environment.
///
/// Call this before there is a second thread.
pub fn drain_cameras() {
    // SAFETY: there is one thread, so none reads the environment while it is written.
    unsafe { std::env::set_var("GST_V4L2_FORCE_DRAIN", "1") };
}

/// Has all threads take their memory from one heap.
///
/// Otherwise glibc makes a heap for each, which grows by a page with each system call: measured, 550 of
/// them while GStreamer starts on a thread of its own, and one millisecond of each start.
///
/// Call this before there is a second thread.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn share_heap() {
    // SAFETY: it sets a number. Where the system refuses it, all is as before.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Keeps Xlib, which `winit` and X11 sinks use, from ending the process.
///
/// When the display goes away, or another program destroys the window of a sink, Xlib's own handlers
/// call `exit`: measured, a sender lost its viewers because the display of its preview was gone. With
/// the handlers here, a thread that draws on a lost display waits for ever, and nothing is drawn in a
/// lost window. Our own connection to the display reports its loss. Decision 40 says why neither
/// `winit` nor a safe function does the same.
#[cfg(all(unix, not(target_os = "macos")))]
pub fn survive_display() {
    use std::ffi::c_int;
    use std::sync::Once;
    use x11_dl::xlib::{Display, XErrorEvent, Xlib};

    // Where this handler returns, Xlib ends the process.
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
        // SAFETY: both functions have the type that Xlib asks for and touch none of their
        // arguments. They live as long as the process, and so does the library, which is never
        // closed.
        unsafe {
            (xlib.XSetIOErrorHandler)(Some(wait_for_ever));
            (xlib.XSetErrorHandler)(Some(go_on));
        }
    });
}

/// Has `draw` write on `pixels` as on a frame of this layout, without a copy.
///
/// # Errors
///
/// Where there are fewer pixels than the layout has.
pub fn draw_on_pixels(
    pixels: &mut [u32],
    layout: &gst_video::VideoInfo,
    draw: impl FnOnce(&mut gst_video::VideoFrameRef<&mut gst::BufferRef>),
) -> anyhow::Result<()> {
    /// The bytes of pixels that are borrowed for longer than Rust can know.
    struct Bytes {
        start: *mut u8,
        length: usize,
    }
    // SAFETY: the bytes are used by the one thread that calls this function, or by threads that it
    // waits for.
    unsafe impl Send for Bytes {}
    impl AsMut<[u8]> for Bytes {
        fn as_mut(&mut self) -> &mut [u8] {
            // SAFETY: they are those of `pixels`, which nothing else uses meanwhile.
            unsafe { std::slice::from_raw_parts_mut(self.start, self.length) }
        }
    }
    let mut buffer = gst::Buffer::from_mut_slice(Bytes {
        start: pixels.as_mut_ptr().cast(),
        length: size_of_val(pixels),
    });
    let buffer_ref = buffer.get_mut().context("a new buffer has one owner")?;
    let mut frame = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer_ref, layout)
        .map_err(|_| anyhow::anyhow!("there are too few pixels"))?;
    // `draw` gets a frame that it cannot keep, and a buffer to which it has the only reference. So
    // the memory is given back below, before `pixels` can be used again.
    draw(&mut frame);
    Ok(())
}

/// Stops this process as Ctrl-Z stops a program that does not listen to it. Returns when the
/// process goes on; at once where no shell could have it go on, which only the system knows.
///
/// To stop by SIGSTOP instead would be for ever where there is no such shell, and a handler of
/// SIGTSTP, which gives the terminal back first, takes the system's own way from us.
#[cfg(unix)]
pub fn stop_process() {
    // SAFETY: both structures are whole when they are read: one is zeroed, which is a handler of
    // the system's own without flags, the other is written by the first call. `raise` goes to this
    // thread, so the process has stopped and gone on before the handler is back.
    unsafe {
        let (mut ours, mut default) = (std::mem::zeroed(), std::mem::zeroed::<libc::sigaction>());
        default.sa_sigaction = libc::SIG_DFL;
        if libc::sigaction(libc::SIGTSTP, &default, &mut ours) == 0 {
            libc::raise(libc::SIGTSTP);
            libc::sigaction(libc::SIGTSTP, &ours, std::ptr::null_mut());
        }
    }
}
