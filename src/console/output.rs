//! Lines on standard error, written by a thread, and what a command prints on standard output.
//!
//! The state of the console is here too: whether keys are read, whether a frame covers the terminal,
//! the status line. The other files of the console change it.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossterm::terminal;
use parking_lot::{Mutex, MutexGuard};

use super::kept_lines::KeptLines;
use crate::failure::{Failure, Outcome, describe};

/// How many writes may wait for the terminal.
const BACKLOG: usize = 256;
/// How long the terminal may take for the last lines.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

static CONSOLE: Mutex<State> = Mutex::new(State {
    raw: false,
    screen: None,
    covered: false,
    status: String::new(),
    kept: KeptLines::new(),
    lost: 0,
    keys_denied: false,
});

pub(super) struct State {
    /// The terminal gives keys one by one.
    pub(super) raw: bool,
    /// There is a picture for the terminal: how it is drawn again.
    pub(super) screen: Option<Redraw>,
    /// The picture covers the terminal, as that is ours.
    pub(super) covered: bool,
    /// The line at the bottom.
    pub(super) status: String,
    /// Lines that wait until the picture is gone.
    pub(super) kept: KeptLines,
    /// Writes that the terminal was too slow for.
    pub(super) lost: u64,
    /// The person was told to type something else than q.
    pub(super) keys_denied: bool,
}

/// Has a picture drawn again, all of it.
pub(super) type Redraw = Arc<dyn Fn() + Send + Sync>;

/// What the writing thread is given.
enum Output {
    Bytes(Vec<u8>),
    /// Everything before this is written when its receiver hears that it is gone.
    Mark(SyncSender<()>),
}

/// Prints one or more lines.
pub fn line(text: &str) {
    let mut state = lock();
    if state.covered {
        return state.kept.add(text);
    }
    let mut out = String::new();
    if !state.status.is_empty() {
        out.push_str("\r\x1b[K");
    }
    for line in text.lines() {
        out.push_str(line);
        out.push_str(new_line());
    }
    out.push_str(&state.status);
    state.put(out);
}

/// Prints what a command was asked for, such as a list, on standard output.
pub fn output(text: &str) -> Outcome {
    let mut stdout = io::stdout().lock();
    printed(
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush()),
    )
}

/// What it means that printing on standard output ended so.
pub fn printed(result: io::Result<()>) -> Outcome {
    match result {
        // A reader that has seen enough, such as head, is no error.
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::start("cannot write to standard output")
                .cause(describe(&e))
                .hint("look at where > sends it: is there room, and may it be written to?"))
        }
        _ => Ok(()),
    }
}

/// Whether something can be drawn in place in this terminal: a picture, a status line.
pub fn can_draw() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}

/// Whether there is a terminal, and it shows text alone.
pub fn is_dumb() -> bool {
    io::stderr().is_terminal() && !knows_escapes()
}

/// Whether terminals of this one's name know escape sequences; others show them as letters.
pub fn knows_escapes() -> bool {
    let name = std::env::var_os("TERM").unwrap_or_default();
    // Windows has no names for terminals.
    let nameless = cfg!(unix) && name.is_empty();
    !(nameless || name == "dumb" || name == "unknown")
}

/// Waits until what was said so far is written, or the terminal is hopeless.
pub fn flush() {
    let (mark, passed) = mpsc::sync_channel(0);
    if writer().try_send(Output::Mark(mark)).is_ok() {
        let _ = passed.recv_timeout(FAREWELL);
    }
}

impl State {
    /// Has `text` written, without waiting for it.
    pub(super) fn put(&mut self, text: String) {
        let text = match self.lost {
            0 => text,
            lost => format!("WARN console: {lost} lines lost{}{text}", new_line()),
        };
        match writer().try_send(Output::Bytes(text.into_bytes())) {
            Ok(()) => self.lost = 0,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.lost += 1,
        }
    }
}

/// The thread that writes, which lives as long as the process.
fn writer() -> &'static SyncSender<Output> {
    static WRITER: OnceLock<SyncSender<Output>> = OnceLock::new();
    WRITER.get_or_init(|| {
        let (sender, outputs) = mpsc::sync_channel(BACKLOG);
        // Without the thread nothing is said; there is nobody to tell about that.
        let _ = std::thread::Builder::new()
            .name("console".into())
            .spawn(move || {
                for output in outputs {
                    match output {
                        Output::Bytes(bytes) => write(&bytes),
                        Output::Mark(mark) => drop(mark),
                    }
                }
            });
        sender
    })
}

/// The state of the console.
pub(super) fn lock() -> MutexGuard<'static, State> {
    CONSOLE.lock()
}

/// The end of a line. In a terminal it is right whether or not that gives keys one by one, which
/// may have changed when the line is written.
pub(super) fn new_line() -> &'static str {
    if io::stderr().is_terminal() {
        "\r\n"
    } else {
        "\n"
    }
}

/// Columns and rows of the terminal.
pub(super) fn size() -> (u16, u16) {
    terminal::size().unwrap_or((80, 24))
}

/// Standard error may be closed; there is nobody to tell about that.
pub(super) fn write(bytes: &[u8]) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(bytes).and_then(|()| stderr.flush());
}
