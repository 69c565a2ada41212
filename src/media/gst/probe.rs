//! Whether something works on this machine, and the first of several candidates that does.
//!
//! An installed element says little: the elements of a graphics card are often there without the
//! card. So each candidate is opened for a moment.
//!
//! Probing is apart from choosing. A choice stops at the first candidate that works; a list for a
//! person goes through all of them. Both have the same reasons in the same words.

use std::fmt;

use gst::prelude::*;
use gstreamer as gst;

use super::{bus, element, install_hint};

/// The reason against an element that does not open and that needs hardware.
pub const NO_HARDWARE: &str = "does not open; is there the hardware for it?";

/// The reason against an element that does not reach its display.
pub const NO_DISPLAY: &str = "cannot open the display";

const NOT_INSTALLED: &str = "not installed";

/// The result of one candidate.
#[derive(Clone, Debug)]
pub struct Probe<T> {
    /// The candidate: the kind of an element, or a device.
    pub name: String,
    /// The usable thing, or the reason against the candidate.
    pub result: Result<T, String>,
}

impl<T> Probe<T> {
    /// The candidate `name` with its result.
    pub fn new(name: impl Into<String>, result: Result<T, String>) -> Self {
        let name = name.into();
        Self { name, result }
    }

    /// The reason against the candidate, if there is one.
    pub fn reason(&self) -> Option<&str> {
        self.result.as_ref().err().map(String::as_str)
    }

    /// The same result with another usable thing.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Probe<U> {
        Probe {
            name: self.name,
            result: self.result.map(change),
        }
    }
}

/// `x264enc: works`, or `nvh264enc: not installed`.
impl<T> fmt::Display for Probe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason().unwrap_or("works"))
    }
}

/// The usable thing of the first probe that works. No candidate after that one is tried.
///
/// # Errors
///
/// The probes of all candidates, where none works.
pub fn choose<T>(probes: impl IntoIterator<Item = Probe<T>>) -> Result<T, Vec<Probe<T>>> {
    let mut failed = Vec::new();
    for probe in probes {
        match probe.result {
            Ok(usable) => return Ok(usable),
            Err(reason) => failed.push(Probe::new(probe.name, Err(reason))),
        }
    }
    Err(failed)
}

/// A line for each probe.
pub fn lines<T>(probes: &[Probe<T>]) -> impl Iterator<Item = String> {
    probes.iter().map(ToString::to_string)
}

/// Tries a chain of elements: whether they are installed, take their properties, and open.
/// `closed` is the reason against an element that does not open.
pub fn chain(text: &str, closed: &str) -> Probe<String> {
    if let Some(missing) = element::kinds(text).find(|kind| !element::is_installed(kind)) {
        return Probe::new(missing, Err(NOT_INSTALLED.into()));
    }
    let bin = match gst::parse::bin_from_description(text, false) {
        Ok(bin) => bin,
        Err(e) => return Probe::new(main_element(text), Err(e.message().to_owned())),
    };
    let bus = gst::Bus::new();
    bin.set_bus(Some(&bus));
    let opened = bin.set_state(gst::State::Ready);
    let _ = bin.set_state(gst::State::Null);
    if opened.is_ok() {
        return Probe::new(main_element(text), Ok(text.to_owned()));
    }
    let error = bus::first_error(&bus);
    let element = error.as_ref().and_then(|error| error.element());
    let name = element.unwrap_or_else(|| main_element(text));
    Probe::new(name, Err(closed.to_owned()))
}

/// The kind of the element that a chain is about: an encoder is more than the converters around
/// it.
fn main_element(text: &str) -> &str {
    const ROLES: [&str; 4] = ["Encoder", "Decoder", "Source", "Sink"];
    let has_role = |kind: &&str| {
        let factory = gst::ElementFactory::find(kind);
        factory.is_some_and(|factory| ROLES.iter().any(|role| factory.klass().contains(role)))
    };
    let mut kinds = element::kinds(text);
    let first = kinds.clone().next();
    kinds.find(has_role).or(first).unwrap_or(text)
}

/// The command that installs the first missing element of the last chain that has one. The last
/// candidates need no hardware.
pub fn install_hint<'t>(chains: impl DoubleEndedIterator<Item = &'t str>) -> Option<String> {
    let mut missing = chains
        .rev()
        .flat_map(element::kinds)
        .filter(|kind| !element::is_installed(kind));
    missing.find_map(install_hint::install_hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_works_is_chosen_and_no_other_is_tried() {
        let mut tried = Vec::new();
        let candidates = [("a", false), ("b", true), ("c", true)];
        let probes = candidates.map(|(name, works)| {
            let result = if works { Ok(name) } else { Err("no".into()) };
            Probe::new(name, result)
        });
        let chosen = choose(probes.into_iter().inspect(|p| tried.push(p.name.clone())));
        assert_eq!(chosen.unwrap(), "b");
        assert_eq!(tried, ["a", "b"]);
    }

    #[test]
    fn where_none_works_each_has_its_reason_in_the_words_of_a_list() {
        gst::init().unwrap();
        let chains = [
            "queue ! nosuchenc",
            "identity nope=1",
            "fakesrc ! v4l2sink device=/no/such/device",
            "capssetter ! jpegenc",
        ];
        let probes: Vec<_> = chains.map(|text| chain(text, NO_HARDWARE)).into();
        let said: Vec<String> = lines(&probes).collect();
        assert_eq!(said[0], "nosuchenc: not installed");
        assert!(said[1].starts_with("identity: no property"), "{said:?}");
        if cfg!(target_os = "linux") {
            let closed = "v4l2sink: does not open; is there the hardware for it?";
            assert_eq!(said[2], closed);
        }
        assert_eq!(said[3], "jpegenc: works");
        let failed = choose(probes.into_iter().take(3)).unwrap_err();
        assert_eq!(lines(&failed).collect::<Vec<_>>(), said[..3]);
    }
}
