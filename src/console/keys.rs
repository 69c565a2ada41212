//! Keys, and how the program is ended from where it runs: with q only while keys are read.

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

/// Keys one by one, until this is dropped.
pub struct Keyboard {
    events: EventStream,
    reader: Arc<Reader>,
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// q, Ctrl-C, or the end of the keyboard.
    Quit,
    /// Ctrl-Z.
    Suspend,
    /// The terminal has another size now, or anything else was pressed.
    Other,
}

impl Keyboard {
    /// Takes over the keyboard; `None` where standard input is no terminal, or this program is
    /// in the background, where touching the terminal would stop it.
    pub fn open() -> Option<Self> {
        if !job_control::has_keyboard() {
            return None;
        }
        // Whatever the modes are that it has set before: a shell may have changed them since.
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

    /// Gives the keyboard back, and waits until nobody reads from it any more.
    pub fn close(self) {
        let reader = Arc::clone(&self.reader);
        // It tells the thread to end.
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
/// background that would stop the program.
#[derive(Default)]
struct Reader {
    state: Mutex<ReaderState>,
    ended: Condvar,
}

#[derive(Default)]
struct ReaderState {
    reads: bool,
    /// Who waits for a key.
    waker: Option<Waker>,
}

/// The thread wakes whoever waits each time that it has stopped reading.
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

/// What the person at this machine can do to end the program, in a few words.
pub fn way_out() -> String {
    match Way::now() {
        Way::Key => "q quits".into(),
        Way::Interrupt => "Ctrl-C quits".into(),
        Way::Signal => format!("kill {} ends it", std::process::id()),
    }
}

/// The same as a line for the log, which says so once more when q is read after all.
pub fn way_out_line() -> String {
    let way = Way::now();
    lock().keys_denied = way != Way::Key;
    match way {
        Way::Key => "q or Ctrl-C ends it.".into(),
        Way::Interrupt => "Ctrl-C ends it.".into(),
        Way::Signal => format!("kill {} ends it.", std::process::id()),
    }
}

/// How the program is ended from the keyboard, if at all.
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

/// Gives the terminal its modes back.
pub(super) fn cooked(state: &mut State) {
    // In the background it would stop us, and the shell has set the modes that it likes.
    if std::mem::take(&mut state.raw) && job_control::has_keyboard() {
        let _ = terminal::disable_raw_mode();
    }
}
