//! A picture in the terminal: a thread, "terminal", that draws the newest one whenever the
//! terminal has taken the last.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::console::{self, Screen};
use crate::report::{Failure, Outcome};

use super::blocks::{self, Canvas};

/// A terminal that shows what an `appsink` gets.
pub struct Terminal {
    slot: Arc<Slot>,
    thread: Option<JoinHandle<()>>,
}

/// The newest picture, for the drawing thread.
#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    newest: Option<gst::Sample>,
    /// Width and height of the picture as it should look.
    shape: (u32, u32),
    ended: bool,
}

/// An error where there is no terminal to draw in.
pub fn check() -> Outcome {
    match console::can_draw() {
        true => Ok(()),
        false => Err(cannot_draw().cause("standard error is no terminal")),
    }
}

fn cannot_draw() -> Failure {
    Failure::start("cannot draw in the terminal")
        .hint("run it in a terminal, with standard error going there")
}

impl Terminal {
    /// Covers the terminal and begins to draw what `sink` gets. `fit` is the capsfilter that
    /// decides the size of those pictures.
    pub fn open(
        sink: &gst_app::AppSink,
        fit: Option<gst::Element>,
        shape: (u32, u32),
    ) -> Outcome<Self> {
        check()?;
        let screen = Screen::enter().map_err(|e| cannot_draw().cause(e))?;
        let slot = Arc::new(Slot::default());
        slot.lock().shape = shape;
        sink.set_max_buffers(1);
        sink.set_drop(true);
        sink.set_property("sync", false);
        let filled = Arc::clone(&slot);
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    filled.lock().newest = Some(sample);
                    filled.changed.notify_one();
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        let drawn = Arc::clone(&slot);
        let thread = std::thread::Builder::new()
            .name("terminal".into())
            .spawn(move || draw_newest(&drawn, fit.as_ref(), &screen))
            .map_err(|e| cannot_draw().cause(e))?;
        Ok(Self {
            slot,
            thread: Some(thread),
        })
    }

    /// Pictures have the shape of so many pixels, which are square, from here on.
    pub fn set_aspect(&self, shape: (u32, u32)) {
        self.slot.lock().shape = shape;
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.slot.lock().ended = true;
        self.slot.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each of the fields is whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a picture; `None` at the end.
    fn next(&self) -> Option<(gst::Sample, (u32, u32))> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            if let Some(sample) = state.newest.take() {
                return Some((sample, state.shape));
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn draw_newest(slot: &Slot, fit: Option<&gst::Element>, screen: &Screen) {
    let mut canvas = Canvas::new();
    let mut asked = None;
    while let Some((sample, shape)) = slot.next() {
        let (columns, rows) = screen.size();
        let aspect = f64::from(shape.0) / f64::from(shape.1.max(1));
        let wanted = blocks::fit(aspect, columns, rows);
        if asked != Some(wanted) {
            asked = Some(wanted);
            ask_for(fit, wanted);
        }
        draw(&sample, &mut canvas, screen, (columns, rows));
    }
}

/// Has pictures come in the size that is drawn; those that are on their way are drawn as they
/// are.
fn ask_for(fit: Option<&gst::Element>, (width, height): (u32, u32)) {
    let (Some(fit), Ok(width), Ok(height)) = (fit, i32::try_from(width), i32::try_from(height))
    else {
        return;
    };
    if width == 0 || height == 0 {
        return;
    }
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", "RGB")
        .field("width", width)
        .field("height", height)
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .build();
    fit.set_property("caps", caps);
}

fn draw(sample: &gst::Sample, canvas: &mut Canvas, screen: &Screen, (columns, rows): (u16, u16)) {
    let Some((buffer, caps)) = sample.buffer().zip(sample.caps()) else {
        return;
    };
    let Ok(info) = gst_video::VideoInfo::from_caps(caps) else {
        return;
    };
    let Ok(frame) = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info) else {
        return;
    };
    let (Ok(rgb), Ok(stride)) = (frame.plane_data(0), usize::try_from(info.stride()[0])) else {
        return;
    };
    let picture = blocks::Picture {
        width: info.width() as usize,
        height: info.height() as usize,
        stride,
        rgb,
    };
    screen.draw(canvas.draw(&picture, columns, rows));
}
