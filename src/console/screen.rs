//! The terminal as a screen for a picture, and its return to the shell.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use crossterm::{Command, cursor, terminal};
use parking_lot::{Mutex, MutexGuard};

use super::job_control;
use super::keys::cooked;
use super::output::{FAREWELL, State, flush, lock, new_line, size, write};
use super::status::cut;

/// Held while a picture is written. It is locked before [`CONSOLE`].
static DRAWING: Mutex<()> = Mutex::new(());

/// The terminal as a screen for a picture, until this is dropped.
pub struct AlternateScreen(());

impl AlternateScreen {
    /// Covers the terminal while it is ours. `redraw` draws the whole picture again after the
    /// terminal belonged to the shell.
    pub fn enter(redraw: impl Fn() + Send + Sync + 'static) -> Self {
        let mut state = lock();
        state.screen = Some(Arc::new(redraw));
        let screen = Self(());
        if job_control::has_screen(io::stderr()) {
            cover(&mut state);
        }
        screen
    }

    /// Columns and rows for the picture. The last row belongs to the status line.
    pub fn size(&self) -> (u16, u16) {
        let (columns, rows) = size();
        (columns, rows.saturating_sub(1))
    }

    /// Writes the drawn picture and the status line. Returns when the terminal has taken them.
    pub fn draw(&self, bytes: &[u8]) {
        let (columns, rows) = size();
        let _drawing = DRAWING.lock();
        let state = lock();
        if !state.covered {
            return;
        }
        let status = cut(&state.status, columns);
        let status = format!("\x1b[{rows};1H{status}\x1b[K");
        // The lock is released, so other lines do not wait for a slow terminal.
        drop(state);
        write(&[bytes, status.as_bytes()].concat());
    }
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
    let Some(redraw) = state.screen.clone() else {
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
    redraw();
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
    DRAWING.try_lock_for(FAREWELL)
}

fn cover(state: &mut State) {
    let was_covered = std::mem::replace(&mut state.covered, true);
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
    let mut out = String::new();
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
