//! The elements that `${window}` stands for, and the desktop that their window is on.
//!
//! GStreamer's own choice, `autovideosink`, prefers `glimagesink`. Without a graphics card that one
//! costs over ten times the processor time. On Wayland its sinks have neither a title nor keys. So
//! the frames go to an `appsink`, from which `window.rs` draws them.

use std::env;
use std::sync::OnceLock;

use crate::failure::{Failure, Outcome};
use crate::media::gst::probe::{self, Probe};
use crate::window::Desktop;

use super::connection::Display;

/// The name of the `appsink` whose frames are shown in a window.
pub(crate) const WINDOW: &str = "window";

/// It takes raw frames of every format and size, in the computer's own memory.
const ELEMENTS: &str = "appsink name=window sync=false caps=video/x-raw";

/// The variables that name a display, the best one first.
const VARIABLES: [(&str, Display, Desktop); 2] = [
    ("WAYLAND_DISPLAY", Display::Wayland, Desktop::Wayland),
    ("DISPLAY", Display::X11, Desktop::X11),
];

/// The elements for a window on this machine's display.
///
/// # Errors
///
/// Where there is no display that answers.
pub fn window() -> Outcome<String> {
    desktop().map(|_| ELEMENTS.into())
}

/// The desktop for windows. It is chosen once.
///
/// # Errors
///
/// Where there is no display that answers.
pub fn desktop() -> Outcome<Desktop> {
    static CHOSEN: OnceLock<Outcome<Desktop>> = OnceLock::new();
    CHOSEN.get_or_init(choose).clone()
}

/// Tries the displays that this machine names. Each is tried when the iterator gets there.
pub fn probes() -> impl Iterator<Item = Probe<Desktop>> {
    let native = cfg!(not(all(unix, not(target_os = "macos"))));
    let native = native.then(|| Probe::new("desktop", Ok(Desktop::Native)));
    let named = VARIABLES.into_iter().filter(|(name, ..)| is_set(name));
    let named = named.map(|(name, display, desktop)| {
        let answers = display.hold();
        let result = answers.then_some(desktop).ok_or(probe::NO_DISPLAY.into());
        Probe::new(name, result)
    });
    native.into_iter().chain(named)
}

/// Whether there is an X display that can be opened.
pub fn x_display_answers() -> bool {
    Display::X11.hold()
}

/// Whether the environment names a display, which may or may not answer.
pub fn display_is_named() -> bool {
    VARIABLES.into_iter().any(|(name, ..)| is_set(name))
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn choose() -> Outcome<Desktop> {
    if let Ok(desktop) = probe::choose(probes()) {
        return Ok(desktop);
    }
    let failure = Failure::start("cannot open a window");
    Err(
        match VARIABLES.into_iter().find(|(name, ..)| is_set(name)) {
            Some((name, ..)) => failure
                .cause(format!(
                    "the display {:?} ({name}) does not answer",
                    env::var_os(name).unwrap_or_default()
                ))
                .hint("--display terminal shows the video in a terminal"),
            None => failure.cause("there is no display").hint(
                "--display terminal shows the video in a terminal, --display none shows nothing",
            ),
        },
    )
}
