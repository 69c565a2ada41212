//! Windows on this machine's desktop: X11, Wayland, macOS, Windows.
//!
//! A window shows the pixels that its [`Content`] draws, and tells of keys and of its closing. It
//! knows neither streams nor GStreamer. All windows of a process share one event loop, which
//! `event_loop` runs on a thread of its own.

mod event_loop;
mod icon;
mod open_window;
mod options;
mod size;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub use event_loop::on_main_thread;
pub use options::{
    Content, Desktop, KEYS, OpenError, Options, WAYLAND_GONE, WindowEvent, X11_GONE,
};

use event_loop::{Command, Sender};

/// An open window. Dropping it closes it.
pub struct Window {
    id: u64,
    loop_: Sender,
    /// A redraw was asked for and has not begun.
    due: Arc<AtomicBool>,
}

impl Window {
    /// Opens a window on `desktop`. All windows of a process are on the desktop of the first one.
    ///
    /// # Errors
    ///
    /// Where the desktop cannot be reached or refuses the window.
    pub fn open(desktop: Desktop, options: Options) -> Result<Self, OpenError> {
        let loop_ = event_loop::start(desktop)?;
        let due = Arc::<AtomicBool>::default();
        let id = event_loop::next_id();
        let (answer, answered) = std::sync::mpsc::channel();
        loop_.send(Command::Open(
            id,
            Box::new(options),
            Arc::clone(&due),
            answer,
        ))?;
        answered
            .recv()
            .map_err(|_| OpenError::Loop(options::ENDED.into()))??;
        Ok(Self { id, loop_, due })
    }

    /// Has the content drawn again soon. It may be called from any thread, and does not block.
    pub fn redraw(&self) {
        if !self.due.swap(true, Relaxed) {
            self.tell(Command::Redraw(self.id));
        }
    }

    /// The content measures `natural` pixels from now on. A window that a person has resized keeps
    /// its size.
    pub fn set_natural(&self, natural: (u32, u32)) {
        self.tell(Command::Natural(self.id, natural));
    }

    /// Changes the title.
    pub fn set_title(&self, title: &str) {
        self.tell(Command::Title(self.id, title.to_owned()));
    }

    /// Has the desktop point at the window, as it does where something waits for the person.
    pub fn attract(&self) {
        self.tell(Command::Attract(self.id));
    }

    fn tell(&self, command: Command) {
        // Where the event loop has ended, that has been told.
        let _ = self.loop_.send(command);
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.tell(Command::Close(self.id));
    }
}
