//! The choice of the sink that `${window}` stands for.
//!
//! GStreamer's own choice, `autovideosink`, prefers `glimagesink`. Without a graphics card that one
//! costs over ten times the processor time of X11's own sinks. Where there is no display at all,
//! `autovideosink` shows nothing, and only a warning tells of it.

use std::env;
use std::sync::OnceLock;

use crate::failure::{Failure, Outcome};
use crate::media::gst::element;
use crate::media::gst::probe::{self, Probe, Reach};

use super::connection::Display;

/// A sink with a window.
struct Candidate {
    /// The variable that names its display; empty where the system has one display.
    variable: &'static str,
    /// The text for a pipeline.
    launch: &'static str,
}

/// The sinks, the best first. `ximagesink` cannot scale, but asks for frames of its window's size,
/// and videoscale makes those.
const SINKS: [Candidate; 6] = [
    Candidate::new("DISPLAY", "xvimagesink sync=false"),
    Candidate::new(
        "DISPLAY",
        "videoscale add-borders=true ! ximagesink sync=false",
    ),
    Candidate::new("WAYLAND_DISPLAY", "waylandsink sync=false"),
    Candidate::new("WAYLAND_DISPLAY", "glimagesink sync=false"),
    Candidate::new("", "d3d11videosink sync=false"),
    Candidate::new("", "osxvideosink sync=false"),
];

/// The variables that name a display.
const VARIABLES: [&str; 2] = ["DISPLAY", "WAYLAND_DISPLAY"];

impl Candidate {
    const fn new(variable: &'static str, launch: &'static str) -> Self {
        Self { variable, launch }
    }

    /// Whether this machine may have a display for it.
    fn may_work(&self) -> bool {
        if self.variable.is_empty() {
            element::kinds(self.launch).all(element::is_installed)
        } else {
            is_set(self.variable)
        }
    }
}

/// The elements for a window on this machine's display. They are chosen once.
///
/// # Errors
///
/// Where there is no display, or no sink that works on it.
pub fn window() -> Outcome<String> {
    static CHOSEN: OnceLock<Outcome<String>> = OnceLock::new();
    CHOSEN.get_or_init(choose).clone()
}

/// Tries the sinks for the displays that this machine names. Each is tried when the iterator gets
/// there.
pub fn probes() -> impl Iterator<Item = Probe<String>> {
    // An X server may reset when its last client leaves, such as a sink that was tried.
    if is_set("DISPLAY") {
        Display::X11.hold();
    }
    let candidates = SINKS.into_iter().filter(Candidate::may_work);
    candidates.map(|sink| probe::chain(sink.launch, probe::NO_DISPLAY, Reach::Devices))
}

/// Whether there is an X display that can be opened.
pub fn x_display_answers() -> bool {
    Display::X11.hold()
}

/// Whether the environment names a display, which may or may not answer.
pub fn display_is_named() -> bool {
    VARIABLES.into_iter().any(is_set)
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn choose() -> Outcome<String> {
    let failed = match probe::choose(probes()) {
        Ok(sink) => return Ok(sink),
        Err(failed) => failed,
    };
    let failure = Failure::start("cannot open a window");
    Err(match VARIABLES.into_iter().find(|name| is_set(name)) {
        Some(name) => failure
            .cause(format!(
                "the display {:?} ({name}) does not answer",
                env::var_os(name).unwrap_or_default()
            ))
            .found(probe::lines(&failed))
            .hint("--display terminal shows the video in a terminal"),
        None => failure
            .cause("there is no display")
            .hint("--display terminal shows the video in a terminal, --display none shows nothing"),
    })
}
