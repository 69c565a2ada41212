//! Video in the terminal: a thread, "terminal", draws the newest frame whenever the terminal has
//! taken the one before.

pub mod half_blocks;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::{Condvar, Mutex};

use crate::console::{self, AlternateScreen};
use crate::failure::{Failure, Outcome};

use self::half_blocks::Blocks;
use super::canvas::painter::{Caption, Painter, Texts};
use super::canvas::{Canvas, Seat};
use crate::pixels::{BLACK, Pixels};

/// How long the thread may take to end. One that writes to a terminal that takes nothing is left
/// behind.
const CLOSING: Duration = Duration::from_secs(1);

/// The name of the `appsink` whose frames are shown in the terminal.
pub(crate) const BLOCKS: &str = "blocks";

/// A terminal that shows a canvas.
pub struct Terminal {
    slot: Arc<Slot>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

/// What the drawing thread is to do.
#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether there is something to draw.
    due: bool,
    /// Nothing is known of what the terminal shows.
    anew: bool,
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
    /// The terminal for the frames that reach an `appsink name=blocks` of `pipeline` and so `seat` of
    /// `canvas`: the one of the pipeline before, or a new one. `None` where there is no such
    /// `appsink`.
    ///
    /// # Errors
    ///
    /// Where there is no terminal to draw in.
    pub fn of(
        pipeline: &gst::Pipeline,
        before: Option<Self>,
        canvas: &Canvas,
        seat: &Seat,
    ) -> Outcome<Option<Self>> {
        let sink = pipeline.by_name(BLOCKS);
        let Some(sink) = sink.and_then(|sink| sink.downcast::<gst_app::AppSink>().ok()) else {
            return Ok(None);
        };
        let terminal = match before {
            Some(terminal) => terminal,
            None => Self::open(canvas)?,
        };
        seat.take_from(&sink);
        Ok(Some(terminal))
    }

    fn open(canvas: &Canvas) -> Outcome<Self> {
        check()?;
        let slot = Arc::new(Slot::default());
        let (drawn, again, changed) = (Arc::clone(&slot), Arc::clone(&slot), Arc::clone(&slot));
        canvas.on_change(move || changed.draw());
        let screen = AlternateScreen::enter(move |anew| {
            if anew {
                again.draw_anew();
            }
        });
        let (end, ended) = mpsc::channel::<()>();
        let canvas = canvas.clone();
        std::thread::Builder::new()
            .name("terminal".into())
            .spawn(move || {
                draw_newest(&drawn, &canvas, &screen);
                // The screen is left first.
                drop(screen);
                drop(end);
            })
            .map_err(|e| cannot_draw().cause(e))?;
        slot.draw();
        Ok(Self { slot, ended })
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
    fn draw(&self) {
        self.state.lock().due = true;
        self.changed.notify_one();
    }

    /// Has the whole picture drawn again, as the terminal was used by somebody else.
    fn draw_anew(&self) {
        self.state.lock().anew = true;
        self.draw();
    }

    /// Waits for something to draw, and tells whether nothing is known of what is there; `None` at
    /// the end.
    fn next(&self) -> Option<bool> {
        let mut state = self.state.lock();
        self.changed
            .wait_while(&mut state, |state| !state.due && !state.ended);
        state.due = false;
        let anew = std::mem::take(&mut state.anew);
        (!state.ended).then_some(anew)
    }
}

fn draw_newest(slot: &Slot, canvas: &Canvas, screen: &AlternateScreen) {
    let (mut painter, mut blocks) = (Painter::new(), Blocks::new());
    let mut pixels = Vec::new();
    while let Some(anew) = slot.next() {
        if anew {
            blocks.forget();
        }
        let console::Area { columns, rows, .. } = screen.area();
        let (width, height) = match canvas.shape() {
            Some((width, height)) => {
                half_blocks::fit(f64::from(width) / f64::from(height.max(1)), columns, rows)
            }
            None => (columns.into(), u32::from(rows) * 2),
        };
        // Both are as small as a terminal.
        let (width, height) = (width as usize, height as usize);
        pixels.resize(width * height, BLACK);
        let Some(mut target) = Pixels::new(width, height, &mut pixels) else {
            continue;
        };
        let captions = painter.paint(canvas, &mut target, 0, Texts::Left);
        let image = half_blocks::Image {
            width,
            height,
            pixels: &pixels,
        };
        let text = text(&captions);
        let bytes = blocks.draw(&image, text.as_deref(), columns, rows);
        screen.draw(bytes, 0, console::Ending::NONE);
    }
}

/// The one text that there is room for: help, else the reason why frames stand still.
fn text(captions: &[Caption]) -> Option<String> {
    captions.iter().rev().find_map(|caption| match caption {
        Caption::Frozen(text, _) | Caption::Notice(text) => Some(text.clone()),
        Caption::Help(keys) => {
            let lines = keys
                .iter()
                .map(|(key, meaning)| format!("{key}  {meaning}"));
            Some(lines.collect::<Vec<_>>().join("\n"))
        }
        Caption::Name(..) => None,
    })
}
