//! The terminal as a screen for a picture, and its return to the shell.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use crossterm::{Command, cursor, terminal};
use parking_lot::{Mutex, MutexGuard};

use super::answers::{self, Abilities, Taken};
use super::job_control;
use super::keys::cooked;
use super::output::{Ending, FAREWELL, Painted, State, flush, lock, new_line, pixels, size, write};
use super::status::cut;

/// Held while a picture is written. It is locked before [`CONSOLE`].
static DRAWING: Mutex<()> = Mutex::new(());

/// Has a picture that is being written be cut off.
static LEAVING: AtomicBool = AtomicBool::new(false);

/// How much is written before it is looked whether the picture is to be cut off.
const PIECE: usize = 4096;

/// The terminal as a screen for a picture, until this is dropped.
pub struct AlternateScreen(());

/// The part of the terminal that a picture may fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    pub columns: u16,
    pub rows: u16,
    /// Width and height of a cell in pixels; `None` where neither the system nor the terminal says
    /// so.
    pub cell: Option<(u16, u16)>,
}

impl AlternateScreen {
    /// Covers the terminal while it is ours. `draw` has the next picture drawn: all of it where it is
    /// told so, as after the terminal belonged to the shell. `pressed` gets the keys that are not the
    /// program's own; it must not block.
    pub fn enter(
        draw: impl Fn(bool) + Send + Sync + 'static,
        pressed: impl Fn(char) + Send + Sync + 'static,
    ) -> Self {
        let mut state = lock();
        state.screen = Some(Painted {
            draw: Arc::new(draw),
            press: Arc::new(pressed),
        });
        let screen = Self(());
        if job_control::has_screen(io::stderr()) {
            cover(&mut state);
        }
        screen
    }

    /// The place for the picture. The last row belongs to the status line.
    pub fn area(&self) -> Area {
        let (columns, rows) = size();
        let of_system = |(width, height): (u32, u32)| {
            let width = width.checked_div(columns.into())?;
            let height = height.checked_div(rows.into())?;
            let (width, height) = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
            (width > 0 && height > 0).then_some((width, height))
        };
        let cell = pixels().and_then(of_system);
        Area {
            columns,
            rows: rows.saturating_sub(1),
            cell: cell.or_else(|| answers::cell((columns, rows))),
        }
    }

    /// The terminal's abilities. It is asked where it was not asked yet, and has a moment to answer.
    /// An answer that comes later has the picture drawn again.
    pub fn abilities(&self) -> Abilities {
        let _drawing = DRAWING.lock();
        let is_covered = lock().covered;
        if is_covered && let Some(questions) = answers::questions(size(), pixels().is_some()) {
            write(questions.as_bytes());
            answers::wait();
        }
        answers::abilities()
    }

    /// When the next picture is due at the latest, where `most` pictures are on their way to the
    /// terminal; `None` where it is due now.
    pub fn turn(&self, most: usize) -> Option<Instant> {
        answers::turn(most)
    }

    /// The last picture that the terminal has taken since this was called.
    pub fn taken(&self) -> Option<Taken> {
        answers::taken()
    }

    /// Writes the drawn picture and the status line. Returns when the system has taken them. `load`
    /// comes back in [`Taken`]. `ending` takes pictures of this kind away.
    pub fn draw(&self, bytes: &[u8], load: u32, ending: Ending) {
        let (columns, rows) = size();
        let _drawing = DRAWING.lock();
        let mut state = lock();
        if !state.covered {
            return;
        }
        state.ending = ending;
        let status = cut(&state.status, columns);
        // The lock is released, so other lines do not wait for a slow terminal.
        drop(state);
        let asks = answers::send(load);
        let question = if asks { READY } else { "" };
        let status = format!("\x1b[{rows};1H{status}\x1b[K{question}");
        if !write_picture(&[bytes, status.as_bytes()].concat(), ending.cut) && asks {
            answers::unsend();
        }
    }
}

/// Asks whether the terminal has taken everything so far.
const READY: &str = "\x1b[5n";

/// Writes a picture. Returns whether it was written to its end. It may be cut off by [`LEAVING`].
fn write_picture(bytes: &[u8], cut: &str) -> bool {
    let mut stderr = io::stderr().lock();
    for piece in bytes.chunks(PIECE) {
        if LEAVING.load(Relaxed) {
            // The first two bytes end a string, in which all that follows would vanish.
            let _ = write!(stderr, "\x1b\\{cut}");
            return false;
        }
        if stderr.write_all(piece).is_err() {
            return false;
        }
    }
    true
}

impl Drop for AlternateScreen {
    fn drop(&mut self) {
        let mut state = lock();
        state.screen = None;
        uncover(&mut state);
    }
}

/// Whether a terminal may become ours later, for keys or for a picture.
pub fn waits_for_terminal() -> bool {
    let state = lock();
    (!state.raw && io::stdin().is_terminal()) || (state.screen.is_some() && !state.covered)
}

/// Covers the terminal with the picture while the terminal is ours, and uncovers it otherwise.
/// `anew` says that another program may have used it since.
pub fn settle(anew: bool) {
    let ours = job_control::has_screen(io::stderr());
    let mut state = lock();
    let Some(painted) = state.screen.clone() else {
        return;
    };
    if !ours {
        return uncover(&mut state);
    }
    if state.covered && !anew {
        return;
    }
    cover(&mut state);
    // The lock is released, as the picture may be drawn at once.
    drop(state);
    (painted.draw)(true);
}

/// Gives the terminal back to the shell, before this process is stopped.
pub fn suspend() {
    let drawing = between_frames();
    let mut state = lock();
    uncover(&mut state);
    if !state.status.is_empty() {
        state.status.clear();
        state.put("\r\x1b[K".to_owned());
    }
    cooked(&mut state);
    drop(state);
    drop(drawing);
    flush();
}

/// Restores the terminal, and waits for the last lines to be written. It is called at the end, and
/// when the program panics.
pub fn restore() {
    let drawing = between_frames();
    let mut state = lock();
    state.screen = None;
    uncover(&mut state);
    if !state.status.is_empty() {
        state.status.clear();
        state.put(new_line().to_owned());
    }
    cooked(&mut state);
    drop(state);
    drop(drawing);
    flush();
}

/// Waits until no picture is being written, or the terminal takes nothing any more. No picture is
/// started while the guard lives.
fn between_frames() -> Option<MutexGuard<'static, ()>> {
    LEAVING.store(true, Relaxed);
    let drawing = DRAWING.try_lock_for(FAREWELL);
    LEAVING.store(false, Relaxed);
    drawing
}

fn cover(state: &mut State) {
    let was_covered = std::mem::replace(&mut state.covered, true);
    answers::ask_again();
    // The status line is drawn with each picture from now on, and must not stay in the terminal
    // below.
    if !std::mem::take(&mut state.status).is_empty() && !was_covered {
        state.put("\r\x1b[K".to_owned());
    }
    let mut out = String::new();
    escape(&mut out, terminal::EnterAlternateScreen);
    escape(&mut out, terminal::Clear(terminal::ClearType::All));
    // A picture that was drawn for a wider terminal must not scroll the screen.
    escape(&mut out, terminal::DisableLineWrap);
    escape(&mut out, cursor::Hide);
    // Earlier lines belong to the terminal below, and pictures come after this. The thread that
    // writes needs no lock.
    state.put(out);
    flush();
}

/// Adds an escape sequence. Only the thread "console" writes it, as this thread may hold a lock or
/// be the one that decides the ending, and a terminal may take nothing.
fn escape(out: &mut String, command: impl Command) {
    // A string takes anything.
    let _ = command.write_ansi(out);
}

fn uncover(state: &mut State) {
    if !std::mem::take(&mut state.covered) {
        return;
    }
    state.status.clear();
    let new_line = new_line();
    let mut out = std::mem::replace(&mut state.ending, Ending::NONE)
        .clear
        .to_owned();
    escape(&mut out, cursor::Show);
    escape(&mut out, terminal::EnableLineWrap);
    escape(&mut out, terminal::LeaveAlternateScreen);
    for text in state.kept.take() {
        for line in text.lines() {
            out.push_str(line);
            out.push_str(new_line);
        }
    }
    state.put(out);
}
