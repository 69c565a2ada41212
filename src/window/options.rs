//! What a window is opened with, and what it tells.

use thiserror::Error;

use crate::pixels::Pixels;

/// The desktop's way to show windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desktop {
    X11,
    Wayland,
    /// The one of the system, where there is no choice.
    Native,
}

/// Draws what a window shows. It is called on the thread of the event loop.
pub trait Content: Send {
    /// Draws the whole content. `pixels` hold the content that was drawn `age` times ago; 0 says
    /// that nothing is known of them.
    fn draw(&mut self, pixels: &mut Pixels<'_>, age: u32);

    /// The size in pixels of the content that was drawn last, where it has one of its own. A window
    /// that a person has not resized follows it.
    fn natural(&self) -> Option<(u32, u32)>;

    /// What the title says after the window's name, of the content that was drawn last.
    fn note(&self) -> &'static str;
}

/// An event of a window, on the thread of the event loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowEvent {
    /// A key that types this character was pressed. Letters are lower case, whatever Shift and Caps
    /// Lock say. Keys with Ctrl, Alt or Super, and the repetitions of one that is held, are not
    /// told. Those that act on the window itself act by themselves: see [`KEYS`].
    Key(char),
    /// The person closed it. It stays until it is dropped.
    Closed,
    /// The event loop has ended, with the reason. No window can be opened any more.
    Lost(String),
}

/// The reason where the event loop has ended by itself.
pub(super) const ENDED: &str = "the event loop has ended";

/// The reasons for the loss of a display.
pub const X11_GONE: &str = "the X server closed the connection";
pub const WAYLAND_GONE: &str = "the Wayland compositor closed the connection";

/// The keys that a window handles by itself, with their meanings.
pub const KEYS: [(&str, &str); 3] = [
    ("f", "full screen, and back"),
    ("+ and -", "larger, smaller"),
    ("1", "one pixel for one"),
];

/// How to open a window.
pub struct Options {
    pub title: String,
    /// The size in pixels of what it shows. A window on today's screens is larger than a small one.
    pub natural: (u32, u32),
    pub content: Box<dyn Content>,
    /// It must not block.
    pub on_event: Box<dyn FnMut(WindowEvent) + Send>,
}

/// The reason why there is no window.
#[derive(Clone, Debug, Error)]
pub enum OpenError {
    /// A library of the desktop is not installed.
    #[error("{0} is not installed")]
    Missing(&'static str),
    /// The event loop cannot start, or has ended.
    #[error("{0}")]
    Loop(String),
    /// The desktop refuses the window.
    #[error("{0}")]
    Refused(String),
}
