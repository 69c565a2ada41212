//! The terminal: the one place that prints, and the one that reads keys.
//!
//! Everything goes to standard error; standard output belongs to pipelines. Lines of log, the
//! status line and a picture drawn in the terminal share that one screen, so they are kept apart
//! here.
//!
//! A terminal may be stopped and a pipe full, and viewers must not wait for that: lines are
//! written by a thread, "console", and are lost, and counted, when it falls far behind.

use std::io::{self, IsTerminal, Write};
use std::pin::Pin;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::{cursor, terminal};
use futures_core::Stream;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How many lines of log are kept while a picture covers the terminal.
const KEPT_LINES: usize = 200;
/// How many writes may wait for the terminal.
const BACKLOG: usize = 256;
/// How long the terminal may take for the last lines.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is between the parts of a status line.
pub const GAP: &str = "  ";

static CONSOLE: Mutex<State> = Mutex::new(State {
    raw: false,
    screen: false,
    status: String::new(),
    kept: Vec::new(),
    lost: 0,
});

struct State {
    /// The terminal gives keys one by one.
    raw: bool,
    /// A picture covers the terminal.
    screen: bool,
    /// The line at the bottom.
    status: String,
    /// Lines that wait until the picture is gone.
    kept: Vec<String>,
    /// Writes that the terminal was too slow for.
    lost: u64,
}

/// What the writing thread is given.
enum Output {
    Bytes(Vec<u8>),
    /// Everything before this is written when its receiver hears that it is gone.
    Mark(SyncSender<()>),
}

/// Prints one or more lines.
pub fn line(text: &str) {
    let mut state = lock();
    if state.screen {
        state.kept.push(text.to_owned());
        let surplus = state.kept.len().saturating_sub(KEPT_LINES);
        state.kept.drain(..surplus);
        return;
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
pub fn output(text: &str) {
    let mut stdout = io::stdout().lock();
    // A reader that has seen enough, such as head, is no error.
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

/// Starts the log: what happens, at the least; with `verbosity` details, then everything.
/// `RUST_LOG` chooses otherwise.
pub fn log(verbosity: u8) {
    let level = match verbosity {
        0 => "vidchat=info",
        1 => "vidchat=debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .event_format(LogLine)
        .with_writer(|| LogWriter)
        .init();
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        report(panic);
    }));
}

/// Shows `text` in place at the bottom; only on a terminal. Its parts have [`GAP`] between them,
/// the most important first; where not all of them fit, the last one stays and those before it go.
pub fn status(text: &str) {
    let mut state = lock();
    if !io::stderr().is_terminal() || state.status == text {
        return;
    }
    let (columns, _) = size();
    // Over a picture it is drawn with the next one.
    if state.screen {
        state.status = text.to_owned();
    } else {
        state.status = cut(text, columns);
        let out = format!("\r{}\x1b[K", state.status);
        state.put(out);
    }
}

/// What of a status line fits into so many columns. One stays free: the cursor's.
fn cut(line: &str, columns: u16) -> String {
    let most = usize::from(columns).saturating_sub(1);
    let mut parts: Vec<&str> = line.split(GAP).collect();
    while parts.len() > 1 && parts.join(GAP).chars().count() > most {
        // The last but one; of two the last.
        parts.remove((parts.len() - 2).max(1));
    }
    parts.join(GAP).chars().take(most).collect()
}

/// Whether a picture can be drawn in this terminal.
pub fn can_draw() -> bool {
    io::stderr().is_terminal()
}

/// The terminal as a screen for a picture, until this is dropped.
#[derive(Debug)]
pub struct AlternateScreen(());

impl AlternateScreen {
    /// Covers the terminal.
    pub fn enter() -> io::Result<Self> {
        let mut state = lock();
        state.screen = true;
        // The status line is drawn over the picture from here on, and must not stay below.
        if !std::mem::take(&mut state.status).is_empty() {
            state.put("\r\x1b[K".to_owned());
        }
        drop(state);
        // Earlier lines belong to the terminal below.
        flush();
        crossterm::execute!(
            io::stderr(),
            terminal::EnterAlternateScreen,
            terminal::Clear(terminal::ClearType::All),
            // What was drawn for a wider terminal must not scroll the picture.
            terminal::DisableLineWrap,
            cursor::Hide
        )?;
        Ok(Self(()))
    }

    /// Columns and rows for the picture: the last row is the status line's.
    pub fn size(&self) -> (u16, u16) {
        let (columns, rows) = size();
        (columns, rows.saturating_sub(1))
    }

    /// Writes what was drawn and the status line; returns when the terminal has taken them.
    pub fn draw(&self, bytes: &[u8]) {
        let (columns, rows) = size();
        let status = cut(&lock().status, columns);
        let status = format!("\x1b[{rows};1H{status}\x1b[K");
        // The lock is free again: whoever has a line to say need not wait for a slow terminal.
        write(&[bytes, status.as_bytes()].concat());
    }
}

impl Drop for AlternateScreen {
    fn drop(&mut self) {
        uncover(&mut lock());
    }
}

/// Keys one by one, until this is dropped.
pub struct Keyboard(EventStream);

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// q, Ctrl-C, or the end of the keyboard.
    Quit,
    /// The terminal has another size now, or anything else was pressed.
    Other,
}

impl Keyboard {
    /// Takes over the keyboard; `None` where standard input is no terminal, or this program is
    /// in the background, where touching the terminal would stop it.
    pub fn open() -> Option<Self> {
        if !io::stdin().is_terminal() || !in_foreground() {
            return None;
        }
        terminal::enable_raw_mode().ok()?;
        lock().raw = true;
        Some(Self(EventStream::new()))
    }

    /// Waits for a key.
    pub async fn next(&mut self) -> Key {
        let event = std::future::poll_fn(|context| Pin::new(&mut self.0).poll_next(context)).await;
        match event {
            Some(Ok(Event::Key(key))) if key.kind == KeyEventKind::Press => {
                let control = key.modifiers.contains(KeyModifiers::CONTROL);
                match key.code {
                    KeyCode::Char('q' | 'Q') if !control => Key::Quit,
                    KeyCode::Char('c' | 'd') if control => Key::Quit,
                    _ => Key::Other,
                }
            }
            Some(Ok(_)) => Key::Other,
            Some(Err(_)) | None => Key::Quit,
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        cooked(&mut lock());
    }
}

/// Gives the terminal back as it was, and waits for the last lines to be written: at the end,
/// and when the program panics.
pub fn restore() {
    let mut state = lock();
    uncover(&mut state);
    if !state.status.is_empty() {
        state.status.clear();
        state.put(new_line().to_owned());
    }
    cooked(&mut state);
    drop(state);
    flush();
}

/// Waits until what was said so far is written, or the terminal is hopeless.
pub fn flush() {
    let (mark, passed) = mpsc::sync_channel(0);
    if writer().try_send(Output::Mark(mark)).is_ok() {
        let _ = passed.recv_timeout(FAREWELL);
    }
}

/// A line of log: `LEVEL subject: event`.
struct LogLine;

impl<S, N> FormatEvent<S, N> for LogLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        write!(writer, "{} ", event.metadata().level())?;
        context
            .field_format()
            .format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// Where the log goes, line by line.
struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        line(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl State {
    /// Has `text` written, without waiting for it.
    fn put(&mut self, text: String) {
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

fn lock() -> MutexGuard<'static, State> {
    // The state is a few plain values, whole at any time.
    CONSOLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end of a line. In a terminal it is right whether or not that gives keys one by one, which
/// may have changed when the line is written.
fn new_line() -> &'static str {
    if io::stderr().is_terminal() {
        "\r\n"
    } else {
        "\n"
    }
}

/// Columns and rows of the terminal.
fn size() -> (u16, u16) {
    terminal::size().unwrap_or((80, 24))
}

/// Standard error may be closed; there is nobody to tell about that.
fn write(bytes: &[u8]) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(bytes).and_then(|()| stderr.flush());
}

fn uncover(state: &mut State) {
    if !state.screen {
        return;
    }
    state.screen = false;
    state.status.clear();
    let _ = crossterm::execute!(
        io::stderr(),
        cursor::Show,
        terminal::EnableLineWrap,
        terminal::LeaveAlternateScreen
    );
    let new_line = new_line();
    let kept: String = state
        .kept
        .drain(..)
        .flat_map(|text| {
            text.lines()
                .map(|line| format!("{line}{new_line}"))
                .collect::<Vec<_>>()
        })
        .collect();
    state.put(kept);
}

fn cooked(state: &mut State) {
    if state.raw {
        let _ = terminal::disable_raw_mode();
        state.raw = false;
    }
}

#[cfg(unix)]
fn in_foreground() -> bool {
    rustix::termios::tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

#[cfg(not(unix))]
fn in_foreground() -> bool {
    true
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
