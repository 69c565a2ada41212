//! Reads keys, and knows how a person can end the program: with q only while keys are read.

use std::collections::VecDeque;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use crossterm::terminal;

use super::answers;
use super::job_control;
use super::output::{State, line, lock};
use super::reader::Reader;

/// Reads keys one by one, until it is dropped.
pub struct Keyboard {
    /// There until it is dropped.
    reader: Option<Reader>,
    /// Keys that were read before it was opened anew.
    unread: VecDeque<KeyEvent>,
}

/// A request by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// q, Ctrl-C, or the end of the keyboard.
    Quit,
    /// Ctrl-Z.
    Suspend,
    /// Another key that types this character, which no picture in the terminal has taken. Letters
    /// are lower case; Enter is `\n`, and Esc is `\u{1b}`. In a text, Tab is `\t`, Backspace is
    /// `\u{8}`, and Ctrl-U is `\u{15}`.
    Typed(char),
    /// A key that the picture has taken, or that types nothing.
    Other,
}

impl Keyboard {
    /// Takes over the keyboard. `None` where standard input is no terminal, or where this program
    /// is in the background, in which touching the terminal would stop it.
    pub fn open() -> Option<Self> {
        if !job_control::has_keyboard() {
            return None;
        }
        // A shell may have changed the modes since crossterm last set them.
        let _ = terminal::disable_raw_mode();
        terminal::enable_raw_mode().ok()?;
        let mut state = lock();
        state.raw = true;
        let reader = match Reader::open() {
            Ok(reader) => reader,
            Err(_) => {
                cooked(&mut state);
                return None;
            }
        };
        let denied = std::mem::take(&mut state.keys_denied);
        drop(state);
        if denied {
            line("q or Ctrl-C ends it.");
        }
        answers::listen(job_control::is_one_terminal());
        Some(Self {
            reader: Some(reader),
            unread: VecDeque::new(),
        })
    }

    /// Takes over the keyboard anew, with modes that a shell may have changed meanwhile. Keys that were
    /// typed since and not taken come first.
    #[cfg(unix)]
    pub fn reopen(mut self) -> Option<Self> {
        answers::finish();
        let mut unread = std::mem::take(&mut self.unread);
        unread.extend(self.reader.take().map(Reader::close).unwrap_or_default());
        drop(self);
        let mut opened = Self::open()?;
        opened.unread = unread;
        Some(opened)
    }

    /// Waits for a key. `is_text` says that the person types a text, in which q is a letter.
    pub async fn next(&mut self, is_text: bool) -> Key {
        let key = match (self.unread.pop_front(), &mut self.reader) {
            (Some(key), _) => Some(key),
            (None, Some(reader)) => reader.next().await,
            (None, None) => None,
        };
        let Some(key) = key else {
            return Key::Quit;
        };
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('q' | 'Q') if !control && !is_text => Key::Quit,
            KeyCode::Char('c' | 'd') if control => Key::Quit,
            KeyCode::Char('z') if control => Key::Suspend,
            KeyCode::Char(typed) if !control => press(typed),
            KeyCode::Enter => press('\n'),
            KeyCode::Esc => press('\u{1b}'),
            KeyCode::Tab if is_text => press('\t'),
            KeyCode::Backspace if is_text => press('\u{8}'),
            KeyCode::Char('u') if control && is_text => press('\u{15}'),
            _ => Key::Other,
        }
    }
}

/// Gives a key to the picture that covers the terminal, if there is one.
fn press(typed: char) -> Key {
    let Some(typed) = typed.to_lowercase().next() else {
        return Key::Other;
    };
    let state = lock();
    let painted = state.screen.clone().filter(|_| state.covered);
    // The lock is released, since the key may have something printed.
    drop(state);
    let Some(painted) = painted else {
        return Key::Typed(typed);
    };
    (painted.press)(typed);
    Key::Other
}

/// Gives the keyboard back, when nothing reads from it any more.
impl Drop for Keyboard {
    fn drop(&mut self) {
        answers::finish();
        self.reader = None;
        cooked(&mut lock());
    }
}

/// A few words on how the person at this machine can end the program.
pub fn way_out() -> String {
    match Way::now() {
        Way::Key => "q quits".into(),
        Way::Interrupt => "Ctrl-C quits".into(),
        Way::Signal => format!("kill {} ends it", std::process::id()),
    }
}

/// The same as a line of the log. The log is corrected if q is read later after all.
pub fn way_out_line() -> String {
    let way = Way::now();
    lock().keys_denied = way != Way::Key;
    match way {
        Way::Key => "q or Ctrl-C ends it.".into(),
        Way::Interrupt => "Ctrl-C ends it.".into(),
        Way::Signal => format!("kill {} ends it.", std::process::id()),
    }
}

/// How the keyboard ends the program, if at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// q, and Ctrl-C as well.
    Key,
    /// Ctrl-C alone: keys are not read.
    Interrupt,
    /// A signal from elsewhere: the keyboard is not ours.
    Signal,
}

impl Way {
    fn now() -> Self {
        if lock().raw {
            Self::Key
        } else if job_control::hears_interrupt() {
            Self::Interrupt
        } else {
            Self::Signal
        }
    }
}

/// Restores the modes of the terminal.
pub(super) fn cooked(state: &mut State) {
    // In the background this would stop us, and the shell has set its own modes there.
    if std::mem::take(&mut state.raw) && job_control::has_keyboard() {
        let _ = terminal::disable_raw_mode();
    }
}
