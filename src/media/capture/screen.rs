//! This machine's screen as a source.

use crate::failure::{Failure, Outcome};

use crate::media::display::sink;
use crate::media::gst::element;
use crate::media::gst::probe::{self, Probe, Reach};

/// The elements that capture a screen, by system.
#[cfg(target_os = "windows")]
const SOURCES: [&str; 2] = [
    "d3d11screencapturesrc show-cursor=true ! d3d11download",
    "dx9screencapsrc",
];
#[cfg(target_os = "macos")]
const SOURCES: [&str; 1] = ["avfvideosrc capture-screen=true capture-screen-cursor=true"];
#[cfg(not(any(target_os = "windows", target_os = "macos")))]
const SOURCES: [&str; 1] = ["ximagesrc use-damage=false show-pointer=true"];

/// The elements that capture this machine's screen.
///
/// # Errors
///
/// Where they are not installed, or where there is no display.
pub fn element() -> Outcome<String> {
    let failed = match probe::choose(probes()) {
        Ok(source) => return Ok(source),
        Err(failed) => failed,
    };
    let failure = Failure::start("cannot capture this machine's screen");
    Err(match probe::install_hint(SOURCES.into_iter()) {
        Some(hint) => failure
            .cause("the element for it cannot be used")
            .found(probe::lines(&failed))
            .hint(hint),
        None => failure
            .cause("there is no display that can be opened")
            .hint("run it where $DISPLAY names an X display, or use --pipeline test"),
    })
}

/// Tries the elements of this system. Each is tried when the iterator gets there.
pub fn probes() -> impl Iterator<Item = Probe<String>> {
    SOURCES.into_iter().map(|source| {
        let probe = probe::chain(source, probe::NO_DISPLAY, Reach::Devices);
        // ximagesrc opens the display later, when it starts.
        let is_x = element::kinds(source).any(|kind| kind == "ximagesrc");
        if probe.result.is_ok() && is_x && !sink::x_display_answers() {
            return Probe::new(probe.name, Err(probe::NO_DISPLAY.into()));
        }
        probe
    })
}
