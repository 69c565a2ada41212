//! The terminal: the one place that prints, and the one that reads keys.
//!
//! Everything goes to standard error; standard output belongs to pipelines. Lines of log, the
//! status line and a picture drawn in the terminal share that one screen, so they are kept apart
//! here.
//!
//! The terminal may be a shell's, which runs us in the background or has stopped us: then no key is
//! read, nothing is drawn, and lines alone are written.
//!
//! A terminal may be stopped and a pipe full, and viewers must not wait for that: lines are
//! written by a thread, "console", and are lost, and counted, when it falls far behind.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crossterm::{cursor, terminal};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

mod jobs;
mod kept;
mod keys;

pub use keys::{Key, Keyboard, way_out, way_out_line};

use crate::failure::{Failure, Outcome, describe};

use kept::Kept;
use keys::cooked;

/// How many writes may wait for the terminal.
const BACKLOG: usize = 256;
/// How long the terminal may take for the last lines.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is between the parts of a status line.
pub const GAP: &str = "  ";

static CONSOLE: Mutex<State> = Mutex::new(State {
    raw: false,
    screen: None,
    covered: false,
    status: String::new(),
    kept: Kept::new(),
    lost: 0,
    keys_denied: false,
});

/// Held while a picture is written. To be taken before [`CONSOLE`].
static DRAWING: Mutex<()> = Mutex::new(());

struct State {
    /// The terminal gives keys one by one.
    raw: bool,
    /// There is a picture for the terminal: how it is drawn again.
    screen: Option<Redraw>,
    /// The picture covers the terminal, as that is ours.
    covered: bool,
    /// The line at the bottom.
    status: String,
    /// Lines that wait until the picture is gone.
    kept: Kept,
    /// Writes that the terminal was too slow for.
    lost: u64,
    /// The person was told to type something else than q.
    keys_denied: bool,
}

/// Has a picture drawn again, all of it.
type Redraw = Arc<dyn Fn() + Send + Sync>;

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
    if !can_draw() || state.status == text {
        return;
    }
    let (columns, _) = size();
    // Over a picture it is drawn with the next one.
    if state.covered {
        state.status = text.to_owned();
    } else if !jobs::has_screen(io::stderr()) {
        // Where it was, there is the shell's prompt now.
        state.status.clear();
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

/// The terminal as a screen for a picture, until this is dropped.
pub struct AlternateScreen(());

impl AlternateScreen {
    /// Covers the terminal, for as long as that is ours. `redraw` has the picture drawn again in
    /// full, after the terminal was the shell's.
    pub fn enter(redraw: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let mut state = lock();
        state.screen = Some(Arc::new(redraw));
        let screen = Self(());
        if jobs::has_screen(io::stderr()) {
            cover(&mut state)?;
        }
        Ok(screen)
    }

    /// Columns and rows for the picture: the last row is the status line's.
    pub fn size(&self) -> (u16, u16) {
        let (columns, rows) = size();
        (columns, rows.saturating_sub(1))
    }

    /// Writes what was drawn and the status line; returns when the terminal has taken them.
    pub fn draw(&self, bytes: &[u8]) {
        let (columns, rows) = size();
        let _drawing = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
        let state = lock();
        if !state.covered {
            return;
        }
        let status = cut(&state.status, columns);
        let status = format!("\x1b[{rows};1H{status}\x1b[K");
        // The lock is free again: whoever has a line to say need not wait for a slow terminal.
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

/// Whether there is a terminal that may become ours later on, for keys or for a picture.
pub fn waits_for_terminal() -> bool {
    let state = lock();
    (!state.raw && io::stdin().is_terminal()) || (state.screen.is_some() && !state.covered)
}

/// Covers the terminal with the picture where that is ours, and uncovers it where it is not.
/// `anew`: somebody else may have used it since.
pub fn settle(anew: bool) {
    let ours = jobs::has_screen(io::stderr());
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
    // A terminal that cannot be written to shows nothing either way.
    let _ = cover(&mut state);
    // Without the lock, as it may be drawn at once.
    drop(state);
    redraw();
}

/// Gives the terminal back to the shell, as this process is about to be stopped.
pub fn suspend() {
    let drawing = between_pictures();
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

/// Gives the terminal back as it was, and waits for the last lines to be written: at the end,
/// and when the program panics.
pub fn restore() {
    let drawing = between_pictures();
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

/// Waits until no picture is being written, or the terminal is hopeless; none is begun while what
/// is returned lives.
fn between_pictures() -> Option<MutexGuard<'static, ()>> {
    let begun = Instant::now();
    loop {
        match DRAWING.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if begun.elapsed() > FAREWELL => return None,
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn cover(state: &mut State) -> io::Result<()> {
    let was_covered = std::mem::replace(&mut state.covered, true);
    // The status line is drawn with each frame from here on, and must not stay below.
    if !std::mem::take(&mut state.status).is_empty() && !was_covered {
        state.put("\r\x1b[K".to_owned());
    }
    // Earlier lines belong to the terminal below. The thread that writes them needs no lock.
    flush();
    crossterm::execute!(
        io::stderr(),
        terminal::EnterAlternateScreen,
        terminal::Clear(terminal::ClearType::All),
        // What was drawn for a wider terminal must not scroll the picture.
        terminal::DisableLineWrap,
        cursor::Hide
    )
}

fn uncover(state: &mut State) {
    if !std::mem::take(&mut state.covered) {
        return;
    }
    state.status.clear();
    let _ = crossterm::execute!(
        io::stderr(),
        cursor::Show,
        terminal::EnableLineWrap,
        terminal::LeaveAlternateScreen
    );
    let new_line = new_line();
    let mut out = String::new();
    for text in state.kept.take() {
        for line in text.lines() {
            out.push_str(line);
            out.push_str(new_line);
        }
    }
    state.put(out);
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
