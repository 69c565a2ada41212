//! Lines on standard error, written by a thread, and the output of commands on standard output.
//!
//! The state of the console is here too: whether keys are read, whether a picture covers the
//! terminal, the status line. The other files of the console change it.

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
    ending: Ending::NONE,
    covered: false,
    status: String::new(),
    kept: KeptLines::new(),
    lost: 0,
    keys_denied: false,
});

pub(super) struct State {
    /// Whether the terminal is in raw mode and gives keys one by one.
    pub(super) raw: bool,
    /// The owner of the picture, if there is a picture.
    pub(super) screen: Option<Painted>,
    /// The sequences that take the picture away.
    pub(super) ending: Ending,
    /// Whether the picture covers the terminal. It does while the terminal is ours.
    pub(super) covered: bool,
    /// The line at the bottom.
    pub(super) status: String,
    /// Lines that wait until the picture is gone.
    pub(super) kept: KeptLines,
    /// Writes that were dropped because the terminal was too slow.
    pub(super) lost: u64,
    /// Whether the person was told to use another way than q.
    pub(super) keys_denied: bool,
}

/// The owner of a picture, who draws it and takes its keys.
#[derive(Clone)]
pub(super) struct Painted {
    /// Has the next picture drawn, if there is one; all of it, if told so.
    pub draw: Arc<dyn Fn(bool) + Send + Sync>,
    /// Called with the character that a key types.
    pub press: Arc<dyn Fn(char) + Send + Sync>,
}

/// The sequences that take a picture away which is not made of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Ends a picture that was cut off.
    pub cut: &'static str,
    /// Deletes what is seen.
    pub clear: &'static str,
}

impl Ending {
    /// A picture made of text ends with the screen.
    pub const NONE: Self = Self { cut: "", clear: "" };
}

/// A job for the writing thread.
enum Output {
    Bytes(Vec<u8>),
    /// A mark in the output. Its receiver is disconnected when everything before it is written.
    Mark(SyncSender<()>),
}

/// Rings the terminal's bell, if there is a terminal.
pub fn bell() {
    if io::stderr().is_terminal() && !is_dumb() {
        write(b"\x07");
    }
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

/// Prints the output of a command, such as a list, on standard output.
pub fn output(text: &str) -> Outcome {
    let mut stdout = io::stdout().lock();
    printed(
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush()),
    )
}

/// Writes `line` to `out`. `is_torn` says that the line before was not written to its end, and
/// whether this one was.
///
/// # Errors
/// The line was not written, or only its beginning.
pub fn write_line(out: &mut impl Write, line: &str, is_torn: &mut bool) -> io::Result<()> {
    let end = if *is_torn { "\n" } else { "" };
    let mut rest = [end, line].concat().into_bytes();
    while !rest.is_empty() {
        match out.write(&rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                rest.drain(..count);
                *is_torn = true;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    out.flush()?;
    *is_torn = false;
    Ok(())
}

/// Prints `line` on standard output, as [`write_line`] does.
///
/// # Errors
/// As for [`output`].
pub fn output_line(line: &str, is_torn: &mut bool) -> Outcome {
    printed(write_line(&mut io::stdout().lock(), line, is_torn))
}

/// The outcome of printing on standard output with this result.
pub fn printed(result: io::Result<()>) -> Outcome {
    match result {
        // A reader that closes early, such as head, is no error.
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::start("cannot write to standard output")
                .cause(describe(&e))
                .hint("look at where > sends it: is there room, and may it be written to?"))
        }
        _ => Ok(()),
    }
}

/// Whether this terminal can be drawn on in place, for a picture or a status line.
pub fn can_draw() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}

/// Whether there is a terminal, and it only shows text.
pub fn is_dumb() -> bool {
    io::stderr().is_terminal() && !knows_escapes()
}

/// Whether terminals of this name know escape sequences. Other terminals show them as letters.
pub fn knows_escapes() -> bool {
    let name = std::env::var_os("TERM").unwrap_or_default();
    // Windows has no names for terminals.
    let nameless = cfg!(unix) && name.is_empty();
    !(nameless || name == "dumb" || name == "unknown")
}

/// Waits until the output so far is written, or the terminal has taken nothing for `FAREWELL`.
pub fn flush() {
    let Some(writer) = writer() else {
        return;
    };
    let (mark, passed) = mpsc::sync_channel(0);
    if writer.try_send(Output::Mark(mark)).is_ok() {
        let _ = passed.recv_timeout(FAREWELL);
    }
}

impl State {
    /// Writes `text` without waiting for it.
    pub(super) fn put(&mut self, text: String) {
        let text = match self.lost {
            0 => text,
            lost => format!("WARN console: {lost} lines lost{}{text}", new_line()),
        };
        let Some(writer) = writer() else {
            return write(text.as_bytes());
        };
        match writer.try_send(Output::Bytes(text.into_bytes())) {
            Ok(()) => self.lost = 0,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.lost += 1,
        }
    }
}

/// The thread that writes. It lives as long as the process. `None` where the system has no room for
/// it; the error that says so is then written without it.
fn writer() -> Option<&'static SyncSender<Output>> {
    static WRITER: OnceLock<Option<SyncSender<Output>>> = OnceLock::new();
    let writer = WRITER.get_or_init(|| {
        let (sender, outputs) = mpsc::sync_channel(BACKLOG);
        let started = std::thread::Builder::new()
            .name("console".into())
            .spawn(move || {
                for output in outputs {
                    match output {
                        Output::Bytes(bytes) => write(&bytes),
                        Output::Mark(mark) => drop(mark),
                    }
                }
            });
        started.is_ok().then_some(sender)
    });
    writer.as_ref()
}

/// The state of the console.
pub(super) fn lock() -> MutexGuard<'static, State> {
    CONSOLE.lock()
}

/// The end of a line. In a terminal it is right in raw mode and without it, as the mode may have
/// changed when the line is written.
pub(super) fn new_line() -> &'static str {
    if io::stderr().is_terminal() {
        "\r\n"
    } else {
        "\n"
    }
}

/// Columns and rows of the terminal.
pub(super) fn size() -> (u16, u16) {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(io::stderr())
        && size.ws_col > 0
        && size.ws_row > 0
    {
        return (size.ws_col, size.ws_row);
    }
    terminal::size().unwrap_or((80, 24))
}

/// Width and height of all of its cells in pixels, where the system knows them.
pub(super) fn pixels() -> Option<(u32, u32)> {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(io::stderr())
        && size.ws_xpixel > 0
        && size.ws_ypixel > 0
    {
        return Some((size.ws_xpixel.into(), size.ws_ypixel.into()));
    }
    None
}

/// Writes to standard error. It may be closed, and there is nowhere to report that.
pub(super) fn write(bytes: &[u8]) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(bytes).and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct Disk {
        room: usize,
        written: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.written.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn after_a_line_that_was_cut_off_the_next_one_is_whole() {
        let mut disk = Disk {
            room: 8,
            written: Vec::new(),
        };
        let mut is_torn = false;
        let mut write = |disk: &mut Disk| write_line(disk, "{12345}\n", &mut is_torn).is_ok();
        let first = [write(&mut disk), write(&mut disk)];
        disk.room = 3;
        let cut_off = [write(&mut disk), write(&mut disk)];
        disk.room = 100;
        let last = [write(&mut disk), write(&mut disk)];
        assert_eq!(
            [first, cut_off, last],
            [[true, false], [false; 2], [true; 2]]
        );
        let written = String::from_utf8(disk.written).unwrap();
        assert_eq!(written, "{12345}\n{12\n{12345}\n{12345}\n");
    }
}
