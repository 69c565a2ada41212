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

/// The elements of a chain that are opened in order to try it. None of those that write to a file
/// or to the network is ever opened: a file would be emptied by that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Encoders, decoders and devices.
    #[default]
    Devices,
    /// Encoders and decoders alone.
    Codecs,
}

impl Reach {
    /// Whether an element is opened. Its class says what it is for: `Sink/File`,
    /// `Codec/Encoder/Video/Hardware`.
    fn includes(self, element: &gst::Element) -> bool {
        let Some(factory) = element.factory() else {
            return false;
        };
        let has = |words: &[&str]| {
            let mut class = factory.klass().split('/');
            class.any(|word| words.contains(&word))
        };
        let names_file = element.has_property_with_type("location", String::static_type())
            && element.property::<Option<String>>("location").is_some();
        let is_end = has(&["Sink", "Source"]);
        let is_outside = has(&["File", "Network", "Muxer"]) || names_file;
        let is_known = has(&[
            "Codec",
            "Encoder",
            "Decoder",
            "Converter",
            "Filter",
            "Video",
            "Audio",
            "Device",
        ]);
        is_known && !is_outside && (self == Self::Devices || !is_end)
    }
}

/// Tries a chain of elements: whether they are installed, take their properties, and open, as far
/// as `reach` goes. `closed` is the reason against an element that does not open.
pub fn chain(text: &str, closed: &str, reach: Reach) -> Probe<String> {
    if let Some(missing) = element::kinds(text).find(|kind| !element::is_installed(kind)) {
        return Probe::new(missing, Err(NOT_INSTALLED.into()));
    }
    let bin = match gst::parse::bin_from_description(text, false) {
        Ok(bin) => bin,
        Err(e) => return Probe::new(main_element(text), Err(e.message().to_owned())),
    };
    let bus = gst::Bus::new();
    bin.set_bus(Some(&bus));
    ignore_events(&bin);
    let opened = open(&bin, reach);
    let _ = bin.set_state(gst::State::Null);
    if opened.is_ok() {
        return Probe::new(main_element(text), Ok(text.to_owned()));
    }
    let error = bus::first_error(&bus);
    let element = error.as_ref().and_then(|error| error.element());
    let name = element.unwrap_or_else(|| main_element(text));
    Probe::new(name, Err(closed.to_owned()))
}

/// Makes the sinks in a bin open without the events of a window, which the trial does not need. A
/// sink of X11 has a thread for them that sleeps for 50 ms at a time, and closing waits for it.
fn ignore_events(bin: &gst::Bin) {
    for element in bin.iterate_recurse().into_iter().flatten() {
        for property in ["handle-events", "handle-expose"] {
            if element.has_property_with_type(property, bool::static_type()) {
                element.set_property(property, false);
            }
        }
    }
}

/// Opens the elements of a bin that `reach` includes, the last ones first, as GStreamer does.
fn open(bin: &gst::Bin, reach: Reach) -> Result<(), gst::StateChangeError> {
    for element in bin.iterate_sorted().into_iter().flatten() {
        if reach.includes(&element) {
            element.set_state(gst::State::Ready)?;
        } else if let Some(inner) = element.downcast_ref::<gst::Bin>() {
            open(inner, reach)?;
        }
    }
    Ok(())
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
    fn no_file_is_touched_and_a_device_only_where_it_is_asked_for() {
        gst::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film");
        let place = path.to_str().unwrap();
        std::fs::write(&path, "whole").unwrap();
        for sink in [
            "filesink",
            "multifilesink",
            "splitmuxsink muxer=matroskamux",
        ] {
            let text = format!("jpegenc ! {sink} location={place}");
            for reach in [Reach::Devices, Reach::Codecs] {
                assert_eq!(chain(&text, "", reach).reason(), None, "{text}");
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole", "{text}");
        }
        if cfg!(target_os = "linux") {
            let camera = "v4l2src device=/no/such/device ! jpegenc";
            assert!(chain(camera, NO_HARDWARE, Reach::Devices).result.is_err());
            assert!(chain(camera, NO_HARDWARE, Reach::Codecs).result.is_ok());
        }
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
        let probes: Vec<_> = chains
            .map(|text| chain(text, NO_HARDWARE, Reach::Devices))
            .into();
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
