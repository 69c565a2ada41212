//! This machine's displays. Each has one connection, which is opened at the first look and stays
//! open, and notices when the display goes away.
//!
//! It stays open because an X server may reset itself when its last client leaves, and drops all
//! connections then. Trying one sink after the other would leave and come back. It watches the
//! display because sinks that open their own window do not report that its display is gone.

use std::time::Duration;

use parking_lot::Mutex;
use x11rb::connection::Connection;
use x11rb::errors::{ConnectError, ConnectionError, ReplyError};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt;

use crate::window::X11_GONE;

/// A kind of display. The environment names at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Display {
    X11,
    Wayland,
}

/// How often to try an X server that answers and drops the connection, and the pause in between: a
/// reset takes only a moment.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

static HELD: Mutex<State> = Mutex::new(State {
    held: [false; 2],
    watches: Vec::new(),
    next: 0,
});

struct State {
    /// Whether there is a connection, for each kind of display.
    held: [bool; 2],
    watches: Vec<(Display, Watch, Told)>,
    /// The number of the next watch.
    next: u64,
}

type Told = Box<dyn FnOnce(String) + Send>;

/// Watches for the loss of a display, until it is dropped.
#[derive(Debug)]
pub struct DisplayWatch(Watch);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Watch(u64);

impl Display {
    /// Opens a connection if there is none, and keeps it until the display goes away. False where
    /// the display refuses us.
    pub fn hold(self) -> bool {
        self.hold_in(&mut HELD.lock())
    }

    fn hold_in(self, state: &mut State) -> bool {
        if state.held[self as usize] {
            return true;
        }
        let opened = match self {
            Self::X11 => {
                #[cfg(all(unix, not(target_os = "macos")))]
                crate::media::gst::ffi::survive_display();
                open_x11().map(|opened| Held::X11(Box::new(opened)))
            }
            Self::Wayland => wayland::open().map(Held::Wayland),
        };
        let Some(opened) = opened else {
            return false;
        };
        let started = std::thread::Builder::new()
            .name("display".into())
            .spawn(move || lose(self, &opened.listen()));
        state.held[self as usize] = started.is_ok();
        started.is_ok()
    }

    /// Calls `lost` with the reason when the display goes away, on a thread of its own. `None`
    /// where the display refuses us.
    pub fn watch(self, lost: impl FnOnce(String) + Send + 'static) -> Option<DisplayWatch> {
        // One lock covers both steps, so a loss right after the connection is not missed.
        let mut state = HELD.lock();
        if !self.hold_in(&mut state) {
            return None;
        }
        let watch = Watch(state.next);
        state.next += 1;
        state.watches.push((self, watch, Box::new(lost)));
        Some(DisplayWatch(watch))
    }
}

impl Drop for DisplayWatch {
    fn drop(&mut self) {
        HELD.lock().watches.retain(|(_, watch, _)| *watch != self.0);
    }
}

/// An open connection.
enum Held {
    X11(Box<RustConnection>),
    Wayland(wayland::Queue),
}

impl Held {
    /// Reads the events of the display until it is gone. Returns the reason.
    fn listen(self) -> String {
        match self {
            Self::X11(connection) => loop {
                if let Err(error) = connection.wait_for_event() {
                    return x11_reason(&error);
                }
            },
            Self::Wayland(queue) => wayland::listen(queue),
        }
    }
}

fn open_x11() -> Option<RustConnection> {
    let name = std::env::var("DISPLAY").ok()?;
    if !has_port(&name) {
        return None;
    }
    for _ in 0..TRIES {
        // The answer shows that the server has not reset itself since.
        let opened =
            x11rb::connect(None).map(|(connection, _)| connection.sync().map(|()| connection));
        match opened {
            Ok(Ok(connection)) => return Some(connection),
            Ok(Err(ReplyError::ConnectionError(_))) | Err(ConnectError::Incomplete { .. }) => {}
            Err(ConnectError::IoError(error)) if is_thrown_out(&error) => {}
            Err(error) => return refused(&error),
            Ok(Err(error)) => return refused(&error),
        }
        std::thread::sleep(PAUSE);
    }
    None
}

/// Whether an X display of this name has a TCP port. x11rb computes the port without checking its
/// range.
fn has_port(name: &str) -> bool {
    const FIRST: u16 = 6000;
    let number = name
        .rsplit(':')
        .next()
        .and_then(|end| end.split('.').next());
    number
        .and_then(|number| number.parse::<u16>().ok())
        .is_none_or(|number| number.checked_add(FIRST).is_some())
}

/// The reason why the connection to an X server is lost, in words for a person.
fn x11_reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::IoError(error) if is_thrown_out(error) => X11_GONE.into(),
        error => error.to_string(),
    }
}

fn refused<T>(error: &dyn std::error::Error) -> Option<T> {
    tracing::debug!("display: X11: {error}");
    None
}

fn is_thrown_out(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    [BrokenPipe, ConnectionReset, UnexpectedEof].contains(&error.kind())
}

/// Calls all watches of a display that is gone.
fn lose(display: Display, reason: &str) {
    let mut state = HELD.lock();
    state.held[display as usize] = false;
    let (lost, kept) = std::mem::take(&mut state.watches)
        .into_iter()
        .partition(|(of, ..)| *of == display);
    state.watches = kept;
    // The lock is released, since one of the calls may drop another watch.
    drop(state);
    let lost: Vec<_> = lost;
    for (.., told) in lost {
        told(reason.to_owned());
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
mod wayland {
    use rustix::event::{PollFd, PollFlags, poll};
    use wayland_client::{Connection, EventQueue};

    use crate::window::WAYLAND_GONE;

    pub struct Queue {
        connection: Connection,
        events: EventQueue<Nothing>,
    }

    /// Nothing is requested from the display, so there is no state.
    pub struct Nothing;

    pub fn open() -> Option<Queue> {
        // A socket from the environment can be used once, and belongs to the sink.
        if std::env::var_os("WAYLAND_SOCKET").is_some() {
            return None;
        }
        match Connection::connect_to_env() {
            Ok(connection) => Some(Queue {
                events: connection.new_event_queue(),
                connection,
            }),
            Err(error) => {
                tracing::debug!("display: Wayland: {error}");
                None
            }
        }
    }

    pub fn listen(mut queue: Queue) -> String {
        let backend = queue.connection.backend();
        loop {
            // The socket is checked before it is read: the crate prints the errors of a failed
            // read.
            let socket = backend.poll_fd();
            let mut ends = [PollFd::new(&socket, PollFlags::IN)];
            let polled = poll(&mut ends, None);
            let gone = PollFlags::HUP | PollFlags::ERR;
            if polled.is_ok() && ends[0].revents().intersects(gone) {
                return WAYLAND_GONE.into();
            }
            if let Err(error) = queue.events.blocking_dispatch(&mut Nothing) {
                return error.to_string();
            }
        }
    }
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
mod wayland {
    pub enum Queue {}

    pub fn open() -> Option<Queue> {
        None
    }

    pub fn listen(queue: Queue) -> String {
        match queue {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_whose_port_there_is_not_is_no_display() {
        for (name, has) in [
            (":0", true),
            ("desk:59535.1", true),
            (":59536", false),
            ("desk:65535.0", false),
            ("nonsense", true),
        ] {
            assert_eq!(has_port(name), has, "{name}");
        }
    }
}
