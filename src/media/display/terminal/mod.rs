//! Video in the terminal: a thread, "terminal", draws the newest frame whenever the terminal has
//! taken the one before.

mod drawing;
pub mod half_blocks;
pub mod kitty;
pub mod labels;
mod pace;
pub mod palette;
pub mod sixel;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::console::{self, AlternateScreen};
use crate::failure::{Failure, Outcome};

use self::drawing::Drawing;
use super::canvas::Canvas;

/// How long the thread may take to end. One that writes to a terminal that takes nothing is left
/// behind.
const CLOSING: Duration = Duration::from_secs(1);

/// The name of the `appsink` whose frames are shown in the terminal.
pub(crate) const BLOCKS: &str = "blocks";

/// A terminal that shows a canvas, until it is dropped.
pub struct Terminal {
    slot: Arc<Slot>,
    /// Disconnected when the thread has ended.
    ended: Mutex<Receiver<()>>,
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
    /// Shows `canvas` in the terminal. `pressed` gets the keys that are not the program's own; it must
    /// not block.
    ///
    /// # Errors
    ///
    /// Where there is no terminal to draw in.
    pub(super) fn open(
        canvas: &Canvas,
        pressed: impl Fn(char) + Send + Sync + 'static,
    ) -> Outcome<Self> {
        check()?;
        let slot = Arc::new(Slot::default());
        let (drawn, again) = (Arc::clone(&slot), Arc::clone(&slot));
        canvas.on_change(&slot, Slot::draw);
        let screen = AlternateScreen::enter(move |anew| again.wake(anew), pressed);
        let (end, ended) = mpsc::channel::<()>();
        let canvas = canvas.clone();
        std::thread::Builder::new()
            .name("terminal".into())
            .spawn(move || {
                // The screen is left first.
                draw_newest(&drawn, &canvas, screen);
                drop(end);
            })
            .map_err(|e| cannot_draw().cause(e))?;
        slot.draw();
        Ok(Self {
            slot,
            ended: Mutex::new(ended),
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.slot.state.lock().ended = true;
        self.slot.changed.notify_one();
        let _ = self.ended.get_mut().recv_timeout(CLOSING);
    }
}

impl Slot {
    fn draw(&self) {
        self.state.lock().due = true;
        self.changed.notify_one();
    }

    /// Looks whether it is time to draw. `anew` has the whole picture drawn again, as the terminal was
    /// used by somebody else, or has said what it can do.
    fn wake(&self, anew: bool) {
        let mut state = self.state.lock();
        state.anew |= anew;
        state.due |= anew;
        self.changed.notify_one();
    }

    /// Waits for something to draw until the terminal has room for it: at the latest until `turn`,
    /// which may be asked again. Tells whether nothing is known of what is there; `None` at the end.
    fn next(&self, turn: impl Fn() -> Option<Instant>) -> Option<bool> {
        let mut state = self.state.lock();
        loop {
            if state.ended {
                return None;
            }
            if !state.due {
                self.changed.wait(&mut state);
            } else if let Some(latest) = turn() {
                self.changed.wait_until(&mut state, latest);
            } else {
                state.due = false;
                return Some(std::mem::take(&mut state.anew));
            }
        }
    }
}

fn draw_newest(slot: &Slot, canvas: &Canvas, screen: AlternateScreen) {
    let mut drawing = Drawing::on(screen);
    while let Some(anew) = slot.next(|| drawing.turn()) {
        drawing.draw(canvas, anew);
    }
}
