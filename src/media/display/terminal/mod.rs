//! Video in the terminal: a thread, "terminal", draws the newest frame whenever the terminal has
//! taken the one before.

pub mod half_blocks;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::console::{self, AlternateScreen};
use crate::failure::{Failure, Outcome};

use self::half_blocks::Canvas;
use super::freeze_frame::FreezeFrame;

/// How long the thread may take to end. One that writes to a terminal that takes nothing is left
/// behind.
const CLOSING: Duration = Duration::from_secs(1);

/// A terminal that shows the frames of one `appsink` after another.
pub struct Terminal {
    slot: Arc<Slot>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    /// See [`super::freeze_frame::FreezeFrame::live`].
    live: Arc<AtomicBool>,
}

/// The newest frame, for the drawing thread.
#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    newest: Option<gst::Sample>,
    /// The text of the freeze frame; `None` while frames are live.
    text: Option<String>,
    /// Whether there is something to draw.
    due: bool,
    /// Nothing is known of what the terminal shows.
    anew: bool,
    /// The capsfilter that decides the size of frames.
    fit: Option<gst::Element>,
    /// The size that it was last set to.
    asked: Option<(u32, u32)>,
    /// The width and height that give a frame its right shape.
    shape: (u32, u32),
    ended: bool,
}

/// Checks that there is a terminal to draw in.
///
/// # Errors
///
/// Where standard error is no terminal.
pub fn check() -> Outcome {
    match (console::can_draw(), console::is_dumb()) {
        (true, _) => Ok(()),
        (_, true) => {
            let name = std::env::var("TERM").unwrap_or_default();
            Err(cannot_draw()
                .cause(format!("TERM is {name:?}, a terminal for text alone"))
                .hint("where it can show more: TERM=xterm-256color before the command"))
        }
        _ => Err(cannot_draw().cause("standard error is no terminal")),
    }
}

fn cannot_draw() -> Failure {
    Failure::start("cannot draw in the terminal")
        .hint("run it in a terminal, with standard error going there")
}

impl Terminal {
    /// The terminal for the frames that reach an `appsink name=blocks` of `pipeline`: the one of the
    /// pipeline before, with the frame on it, or a new one. `None` where there is no such `appsink`.
    ///
    /// # Errors
    ///
    /// Where there is no terminal to draw in.
    pub fn of(
        pipeline: &gst::Pipeline,
        before: Option<Self>,
        freeze_frame: &FreezeFrame,
        shape: (u32, u32),
    ) -> Outcome<Option<Self>> {
        let sink = pipeline.by_name("blocks");
        let Some(sink) = sink.and_then(|sink| sink.downcast::<gst_app::AppSink>().ok()) else {
            return Ok(None);
        };
        let terminal = match before {
            Some(terminal) => terminal,
            None => Self::open(freeze_frame)?,
        };
        terminal.attach(&sink, pipeline.by_name("fit"), shape);
        Ok(Some(terminal))
    }

    fn open(freeze_frame: &FreezeFrame) -> Outcome<Self> {
        check()?;
        let slot = Arc::new(Slot::default());
        let (drawn, again) = (Arc::clone(&slot), Arc::clone(&slot));
        let screen = AlternateScreen::enter(move || again.draw_anew());
        let (end, ended) = mpsc::channel::<()>();
        std::thread::Builder::new()
            .name("terminal".into())
            .spawn(move || {
                draw_newest(&drawn, &screen);
                // The screen is left first.
                drop(screen);
                drop(end);
            })
            .map_err(|e| cannot_draw().cause(e))?;
        let terminal = Self {
            slot,
            ended,
            live: Arc::clone(freeze_frame.live()),
        };
        terminal.slot.state.lock().text = freeze_frame.text();
        Ok(terminal)
    }

    /// Draws the frames of `sink` from here on. `fit` is the capsfilter that decides their size.
    fn attach(&self, sink: &gst_app::AppSink, fit: Option<gst::Element>, shape: (u32, u32)) {
        let mut state = self.slot.state.lock();
        (state.fit, state.asked, state.shape) = (fit, None, shape);
        state.due = state.text.is_some();
        self.slot.changed.notify_one();
        drop(state);
        sink.set_max_buffers(1);
        sink.set_drop(true);
        sink.set_property("sync", false);
        let (slot, live) = (Arc::clone(&self.slot), Arc::clone(&self.live));
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    let mut state = slot.state.lock();
                    state.newest = Some(sample);
                    if live.load(Relaxed) {
                        state.text = None;
                    }
                    slot.draw(&mut state);
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
    }

    /// Draws the last frame darker and with this text, until a live frame comes.
    pub fn freeze(&self, text: &str) {
        let mut state = self.slot.state.lock();
        state.text = Some(text.to_owned());
        self.slot.draw(&mut state);
    }

    /// Frames have the shape of this many square pixels from here on.
    pub fn set_aspect(&self, shape: (u32, u32)) {
        self.slot.state.lock().shape = shape;
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.slot.state.lock().ended = true;
        self.slot.changed.notify_one();
        let _ = self.ended.recv_timeout(CLOSING);
    }
}

impl Slot {
    fn draw(&self, state: &mut State) {
        state.due = true;
        self.changed.notify_one();
    }

    /// Has the whole picture drawn again, as the terminal was used by somebody else.
    fn draw_anew(&self) {
        let mut state = self.state.lock();
        state.anew = true;
        self.draw(&mut state);
    }

    /// Waits for something to draw; `None` at the end.
    fn next(&self) -> Option<MutexGuard<'_, State>> {
        let mut state = self.state.lock();
        loop {
            if state.ended {
                return None;
            }
            if std::mem::take(&mut state.due) {
                return Some(state);
            }
            self.changed.wait(&mut state);
        }
    }
}

fn draw_newest(slot: &Slot, screen: &AlternateScreen) {
    let mut canvas = Canvas::new();
    while let Some(mut state) = slot.next() {
        let (columns, rows) = screen.size();
        let (width, height) = state.shape;
        let wanted = half_blocks::fit(f64::from(width) / f64::from(height.max(1)), columns, rows);
        let anew = state.asked.replace(wanted) != Some(wanted);
        let fit = state.fit.clone().filter(|_| anew);
        let (sample, text) = (state.newest.clone(), state.text.clone());
        if std::mem::take(&mut state.anew) {
            canvas.forget();
        }
        drop(state);
        ask_for(fit.as_ref(), wanted);
        let text = text.as_deref();
        match &sample {
            Some(sample) => draw(sample, text, &mut canvas, screen, (columns, rows)),
            None => draw_black(wanted, text, &mut canvas, screen, (columns, rows)),
        }
    }
}

/// Has frames come in the size that is drawn. Frames on their way are scaled when they are drawn.
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

/// Draws black, where no frame has come yet.
fn draw_black(
    (width, height): (u32, u32),
    text: Option<&str>,
    canvas: &mut Canvas,
    screen: &AlternateScreen,
    (columns, rows): (u16, u16),
) {
    // `fit` keeps to the terminal's size.
    let (width, height) = (width as usize, height as usize);
    let black = half_blocks::Image {
        width,
        height,
        stride: width * 3,
        rgb: &vec![0; width * height * 3],
    };
    screen.draw(canvas.draw_dimmed(&black, text.unwrap_or_default(), columns, rows));
}

fn draw(
    sample: &gst::Sample,
    text: Option<&str>,
    canvas: &mut Canvas,
    screen: &AlternateScreen,
    (columns, rows): (u16, u16),
) {
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
    let image = half_blocks::Image {
        width: info.width() as usize,
        height: info.height() as usize,
        stride,
        rgb,
    };
    screen.draw(match text {
        Some(text) => canvas.draw_dimmed(&image, text, columns, rows),
        None => canvas.draw(&image, columns, rows),
    });
}
