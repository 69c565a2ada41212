//! Reads keys, and knows how a person can end the program: with q only while keys are read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal;
use futures_core::Stream;
use parking_lot::{Condvar, Mutex};

use super::job_control;
use super::output::{State, line, lock};

/// How long crossterm's thread may take to stop reading.
const CLOSING: Duration = Duration::from_secs(1);

/// Reads keys one by one, until it is dropped.
pub struct Keyboard {
    events: EventStream,
    reader: Arc<Reader>,
}

/// A request by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// q, Ctrl-C, or the end of the keyboard.
    Quit,
    /// Ctrl-Z.
    Suspend,
    /// Another key, or the terminal has changed its size.
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
        let denied = std::mem::take(&mut state.keys_denied);
        drop(state);
        if denied {
            line("q or Ctrl-C ends it.");
        }
        Some(Self {
            events: EventStream::new(),
            reader: Arc::default(),
        })
    }

    /// Waits for a key.
    pub async fn next(&mut self) -> Key {
        let event = std::future::poll_fn(|context| {
            self.reader.state.lock().waker = Some(context.waker().clone());
            let read_before = std::mem::replace(&mut self.reader.state.lock().reads, true);
            let waker = Waker::from(Arc::clone(&self.reader));
            let polled = Pin::new(&mut self.events).poll_next(&mut Context::from_waker(&waker));
            if polled.is_ready() && !read_before {
                self.reader.state.lock().reads = false;
            }
            polled
        })
        .await;
        match event {
            Some(Ok(Event::Key(key))) if key.kind == KeyEventKind::Press => {
                let control = key.modifiers.contains(KeyModifiers::CONTROL);
                match key.code {
                    KeyCode::Char('q' | 'Q') if !control => Key::Quit,
                    KeyCode::Char('c' | 'd') if control => Key::Quit,
                    KeyCode::Char('z') if control => Key::Suspend,
                    _ => Key::Other,
                }
            }
            Some(Ok(_)) => Key::Other,
            Some(Err(_)) | None => Key::Quit,
        }
    }

    /// Gives the keyboard back, and waits until crossterm's thread no longer reads from it.
    pub fn close(self) {
        let reader = Arc::clone(&self.reader);
        // Dropping it tells the thread to end.
        drop(self);
        let reads = |state: &mut ReaderState| state.reads;
        let mut state = reader.state.lock();
        reader.ended.wait_while_for(&mut state, reads, CLOSING);
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        cooked(&mut lock());
    }
}

/// Knows whether crossterm's thread, which waits for keys, may be reading from the terminal. In the
/// background a read would stop the program.
#[derive(Default)]
struct Reader {
    state: Mutex<ReaderState>,
    ended: Condvar,
}

#[derive(Default)]
struct ReaderState {
    reads: bool,
    /// The task that waits for a key.
    waker: Option<Waker>,
}

/// The thread calls this each time that it has stopped reading.
impl Wake for Reader {
    fn wake(self: Arc<Self>) {
        let mut state = self.state.lock();
        state.reads = false;
        let waker = state.waker.take();
        drop(state);
        self.ended.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
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
