//! The files that a capture pipeline writes beside the frames that it sends: `tee`, a muxer and
//! `filesink`.
//!
//! Most muxers write the index of a file at its end, so a pipeline that is stopped in the middle
//! leaves a file that nothing can play. And a pipeline that is started again opens the same file,
//! which empties it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gstreamer as gst;
use parking_lot::Mutex;

use crate::media::gst::element;

/// The time that a file has to be brought to its end: encoders and queues may still hold some
/// seconds of it.
pub const LIMIT: Duration = Duration::from_secs(5);

/// The elements that write a file, and a file after another.
const FILE: &str = "filesink";
const PARTS: &str = "splitmuxsink";

/// The files that the pipelines of one source have written, one pipeline after another.
#[derive(Debug, Default)]
pub struct Recordings {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The files that were opened, each with the element that writes or wrote it.
    opened: BTreeMap<PathBuf, glib::WeakRef<gst::Element>>,
    /// The number of the next part, by the pattern of its names.
    parts: BTreeMap<String, u32>,
}

impl Recordings {
    /// Gives the files of a pipeline that was not started other names, where an earlier pipeline
    /// has written files of the same names.
    pub fn keep_earlier(self: &Arc<Self>, pipeline: &gst::Pipeline) {
        for (sink, location) in named(pipeline) {
            if element::kind(&sink) == PARTS {
                self.number_parts(&sink, location);
            } else {
                self.name_file(&sink, &location);
            }
        }
    }

    fn name_file(&self, sink: &gst::Element, location: &str) {
        // The person asked for what was there before to stay.
        if sink.has_property("append") && sink.property::<bool>("append") {
            return;
        }
        let path = Path::new(location);
        let mut state = self.state.lock();
        let name = state.free_name(path);
        if name != path {
            let (new, old) = (name.display().to_string(), path.display().to_string());
            tracing::info!("source: records to {new:?}, as {old:?} is kept");
            sink.set_property("location", &new);
        }
        state.opened.insert(name, sink.downgrade());
    }

    /// `splitmuxsink` numbers its files itself, from its `start-index` on.
    fn number_parts(self: &Arc<Self>, sink: &gst::Element, pattern: String) {
        if sink.has_property("start-index")
            && let Some(next) = self.state.lock().parts.get(&pattern)
        {
            sink.set_property("start-index", i32::try_from(*next).unwrap_or(i32::MAX));
        }
        let recordings = Arc::downgrade(self);
        sink.connect("format-location", false, move |values| {
            let number = values.get(1).and_then(|value| value.get::<u32>().ok());
            if let (Some(number), Some(recordings)) = (number, recordings.upgrade()) {
                let mut state = recordings.state.lock();
                state
                    .parts
                    .insert(pattern.clone(), number.saturating_add(1));
            }
            // The element makes the name of its pattern.
            Some(None::<String>.to_value())
        });
    }
}

impl State {
    /// `path`, or the same with a number where a pipeline has written a file of that name.
    fn free_name(&self, path: &Path) -> PathBuf {
        let is_free = |path: &Path| {
            let Ok(found) = fs::metadata(path) else {
                return true;
            };
            // A try that failed leaves an empty file. One that is being written looks empty too,
            // as the element keeps the first bytes back.
            let writer = self.opened.get(path);
            let is_left = writer.is_some_and(|writer| writer.upgrade().is_none());
            // A pipe and a device are opened again and again.
            !found.is_file() || (is_left && found.len() == 0)
        };
        if !self.opened.contains_key(path) || is_free(path) {
            return path.to_owned();
        }
        let name = |number: u32| {
            let mut name = path.file_stem().unwrap_or_default().to_owned();
            name.push(format!("-{number}"));
            if let Some(extension) = path.extension() {
                name.push(".");
                name.push(extension);
            }
            path.with_file_name(name)
        };
        let mut names = (2..).map(name);
        names
            .find(|name| is_free(name))
            .unwrap_or_else(|| path.to_owned())
    }
}

/// Whether a pipeline that has not been started writes a file. A pipe and a device are none.
pub fn is_in(pipeline: &gst::Pipeline) -> bool {
    let is_other = |location: &str| fs::metadata(location).is_ok_and(|found| !found.is_file());
    named(pipeline).any(|(_, location)| !is_other(&location))
}

/// The elements that write files of a name, with their names.
fn named(pipeline: &gst::Pipeline) -> impl Iterator<Item = (gst::Element, String)> {
    let elements = pipeline.iterate_recurse().into_iter().flatten();
    elements.filter_map(|sink| {
        let kind = element::kind(&sink);
        let is_named = kind == FILE || kind == PARTS;
        let location = is_named.then(|| sink.property::<Option<String>>("location"));
        Some((sink, location??))
    })
}

/// Brings the files that `pipeline` writes to their ends, within [`LIMIT`].
pub fn finish(pipeline: &gst::Pipeline) {
    let (done, ended) = mpsc::channel::<()>();
    let open: Vec<gst::Pad> = file_pads(pipeline)
        .filter(|pad| {
            let done = done.clone();
            pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
                let is_end = |event: &gst::Event| event.type_() == gst::EventType::Eos;
                if info.event().is_some_and(is_end) {
                    // Nobody listens any more once the time is over.
                    let _ = done.send(());
                }
                gst::PadProbeReturn::Ok
            });
            // A source that fails ends the stream itself.
            pad.sticky_event::<gst::event::Eos>(0).is_none()
        })
        .collect();
    if open.is_empty() {
        return;
    }
    let ending = pipeline.clone();
    // It waits for the source, which may hang.
    let spawned = std::thread::Builder::new()
        .name("finish".into())
        .spawn(move || ending.send_event(gst::event::Eos::new()));
    let until = Instant::now() + LIMIT;
    let wait = || ended.recv_timeout(until.saturating_duration_since(Instant::now()));
    if spawned.is_err() || !open.iter().all(|_| wait().is_ok()) {
        let limit = LIMIT.as_secs();
        tracing::warn!("source: a recording did not come to its end within {limit} s");
    }
}

/// The pads at which the bytes of files arrive.
fn file_pads(pipeline: &gst::Pipeline) -> impl Iterator<Item = gst::Pad> {
    let elements = pipeline.iterate_recurse().into_iter().flatten();
    let writes = |element: &gst::Element| {
        let is_bin = element.is::<gst::Bin>();
        !is_bin && element::class(element).is_some_and(|class| class.contains("Sink/File"))
    };
    let pad = |element: gst::Element| element.static_pad("sink");
    elements.filter(writes).filter_map(pad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_written_to_gets_a_number() {
        gst::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let named = |name: &str| folder.path().join(name);
        let clip = named("clip.mp4");
        let mut state = State::default();
        assert_eq!(state.free_name(&clip), clip);
        state.opened.insert(clip.clone(), glib::WeakRef::new());
        assert_eq!(state.free_name(&clip), clip, "it was moved away");
        fs::write(&clip, "").unwrap();
        assert_eq!(state.free_name(&clip), clip, "nothing is in it");
        let writer = gst::ElementFactory::make("filesink").build().unwrap();
        state.opened.insert(clip.clone(), writer.downgrade());
        assert_eq!(state.free_name(&clip), named("clip-2.mp4"));
        drop(writer);
        fs::write(&clip, "film").unwrap();
        assert_eq!(state.free_name(&clip), named("clip-2.mp4"));
        // A file of somebody else's is left alone, even an empty one.
        fs::write(named("clip-2.mp4"), "").unwrap();
        assert_eq!(state.free_name(&clip), named("clip-3.mp4"));
        state
            .opened
            .insert(named("clip-2.mp4"), glib::WeakRef::new());
        assert_eq!(state.free_name(&clip), named("clip-2.mp4"));
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_opened_again() {
        let device = PathBuf::from("/dev/null");
        let state = State {
            opened: [(device.clone(), glib::WeakRef::new())].into(),
            ..State::default()
        };
        assert_eq!(state.free_name(&device), device);
    }
}
