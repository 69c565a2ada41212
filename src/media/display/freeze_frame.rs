//! The freeze frame of sinks that open a window of their own: the last frame, darker and with a text
//! on it, while no live frame comes. A canvas has its own.
//!
//! A probe in front of the sink keeps the newest raw frame. A thread, "freeze", darkens it and
//! chains it into the same pad. That works while the rest of the pipeline is idle, and leaves a
//! decoder's state alone. The holder of that pad's stream lock decides which frame is shown next.
//! Under this lock the thread checks whether a live frame came meanwhile, so a freeze frame never
//! comes after it. Its size and format are those of the live frames, and the converters between the
//! pad and the sink treat both alike.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use anyhow::Context;
use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::{Condvar, Mutex};

use super::dimmed_frame::{self, Dimmer};
use super::{sink, terminal};
use crate::media::gst::element;

/// The elements that may stand between the pad and the sink. Each hands every frame on at once, and
/// to the sink alone.
const CONVERTERS: [&str; 4] = [
    "videoconvert",
    "videoscale",
    "videoconvertscale",
    "capsfilter",
];

/// The time that the thread has to end before it is left to the end of the process.
const END_LIMIT: Duration = Duration::from_secs(2);

thread_local! {
    static DRAWING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the frame that passes on this thread is a freeze frame, and not a live one.
pub fn is_drawing() -> bool {
    DRAWING.get()
}

/// The sink that shows frames to a person; `None` for files, pipes, and other sinks.
pub fn display_sink(pipeline: &gst::Pipeline) -> Option<gst::Element> {
    let of_canvas = |name| {
        pipeline
            .by_name(name)
            .filter(|e| e.is::<gst_app::AppSink>())
    };
    if let Some(sink) = [sink::WINDOW, terminal::BLOCKS]
        .into_iter()
        .find_map(of_canvas)
    {
        return Some(sink);
    }
    let shows = |sink: &gst::Element| {
        let factory = sink.factory()?;
        let class = factory.metadata("klass")?;
        Some(class.contains("Sink") && class.contains("Video"))
    };
    let mut sinks = pipeline.iterate_sinks().into_iter().flatten();
    sinks.find(|sink| shows(sink) == Some(true))
}

/// The freeze frame of one pipeline after another. Dropping it ends its thread.
pub struct FreezeFrame {
    shared: Arc<Shared>,
    /// Gets a message at the end of the thread, which starts with the first freeze frame.
    thread: Option<Receiver<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether a frame has come from the network since the text was last set.
    live: Arc<AtomicBool>,
    /// The display went away.
    is_lost: Arc<AtomicBool>,
}

/// The frame on the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Shown {
    /// A live frame, or nothing yet.
    #[default]
    Live,
    /// The last frame of the pipeline before, as it was: no live one came from the present
    /// pipeline.
    Kept,
    /// The last frame, darker and with this text.
    Frozen(String),
}

/// The task of the thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Task {
    #[default]
    Wait,
    Draw,
    End,
}

#[derive(Default)]
struct State {
    shown: Shown,
    task: Task,
    /// Changes with everything that makes a freeze frame in the making out of date.
    version: u64,
    /// The newest raw frame with its caps. It stays from one pipeline to the next.
    newest: Option<(gst::Buffer, gst::Caps)>,
    /// The pad that freeze frames go into.
    pad: Option<glib::WeakRef<gst::Pad>>,
    /// The caps of the frames at the pad, once they are known.
    caps: Option<PadCaps>,
    /// The size in pixels of a freeze frame where no frame has come yet.
    natural: (u32, u32),
    /// No frame is kept until a live one comes.
    is_blank: bool,
}

struct PadCaps {
    caps: gst::Caps,
    /// Whether these frames can be kept and darkened.
    in_memory: bool,
}

/// A frame to draw.
struct Job {
    version: u64,
    shown: Shown,
    pad: gst::Pad,
    /// `None` for black.
    frame: Option<(gst::Buffer, gst::Caps)>,
    /// The caps at the pad, once they are known.
    caps: Option<gst::Caps>,
    natural: (u32, u32),
}

impl FreezeFrame {
    /// A freeze frame that shows nothing yet. `live` is set with every frame from the network: frames
    /// that came before the text do not end the freeze frame, however late they leave a decoder.
    /// `is_lost` is set when the display went away.
    pub fn new(live: &Arc<AtomicBool>, is_lost: &Arc<AtomicBool>) -> Self {
        let shared = Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            live: Arc::clone(live),
            is_lost: Arc::clone(is_lost),
        };
        Self {
            shared: Arc::new(shared),
            thread: None,
        }
    }

    /// Works on this pipeline from here on, whose frames measure `natural` pixels.
    pub fn attach(&self, pipeline: &gst::Pipeline, natural: (u32, u32)) {
        let sink = display_sink(pipeline).filter(|sink| !sink.is::<gst_app::AppSink>());
        let pad = sink.and_then(|sink| entry(&sink));
        if let Some(pad) = &pad {
            let shared = Arc::clone(&self.shared);
            let data = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
            pad.add_probe(data, move |_, info| {
                match &info.data {
                    Some(gst::PadProbeData::Buffer(frame)) => shared.frame_passes(frame),
                    Some(gst::PadProbeData::Event(event)) => shared.event_passes(event),
                    _ => {}
                }
                gst::PadProbeReturn::Ok
            });
        }
        let mut state = self.shared.state.lock();
        let caps = pad.as_ref().and_then(|pad| pad.current_caps());
        state.caps = caps.map(PadCaps::new);
        state.pad = pad.as_ref().map(ObjectExt::downgrade);
        state.natural = natural;
        if !matches!(state.shown, Shown::Frozen(_)) {
            state.shown = match state.newest {
                Some(_) => Shown::Kept,
                None => Shown::Live,
            };
        }
    }

    /// Shows the frame from before the pipeline, which runs now, until there is a live one.
    pub fn resume(&mut self) {
        let mut state = self.shared.state.lock();
        self.shared.redraw(&mut state);
        let is_due = state.task == Task::Draw && state.pad.is_some();
        drop(state);
        if is_due {
            self.start();
        }
    }

    /// Shows the last frame darker and with this text, or changes the text.
    pub fn freeze(&mut self, text: &str) {
        self.freeze_with(text, |_| {});
    }

    /// Forgets the last frame, and shows the text alone.
    pub fn blank(&mut self, text: &str) {
        self.freeze_with(text, |state| {
            state.newest = None;
            state.is_blank = true;
        });
    }

    fn freeze_with(&mut self, text: &str, change: impl FnOnce(&mut State)) {
        self.shared.live.store(false, Relaxed);
        let mut state = self.shared.state.lock();
        change(&mut state);
        state.shown = Shown::Frozen(text.to_owned());
        self.shared.redraw(&mut state);
        let has_place = state.pad.is_some();
        drop(state);
        if has_place {
            self.start();
        }
    }

    /// Starts the thread, where it does not run yet.
    fn start(&mut self) {
        if self.thread.is_some() {
            return;
        }
        let (end, ended) = mpsc::channel();
        let shared = Arc::clone(&self.shared);
        let started = std::thread::Builder::new()
            .name("freeze".into())
            .spawn(move || {
                run(&shared);
                let _ = end.send(());
            });
        match started {
            Ok(_) => self.thread = Some(ended),
            Err(e) => tracing::debug!("freeze frame: {e}"),
        }
    }
}

impl Drop for FreezeFrame {
    fn drop(&mut self) {
        self.shared.state.lock().task = Task::End;
        self.shared.changed.notify_one();
        if let Some(ended) = self.thread.take() {
            // A sink may hold the thread for ever, when its display hangs.
            let _ = ended.recv_timeout(END_LIMIT);
        }
    }
}

impl Shared {
    /// Has the thread draw the frame anew, unless it is live.
    fn redraw(&self, state: &mut State) {
        if state.shown != Shown::Live {
            state.version += 1;
            self.wake(state);
        }
    }

    fn wake(&self, state: &mut State) {
        if state.task != Task::End {
            state.task = Task::Draw;
            self.changed.notify_one();
        }
    }

    /// A frame is on its way to the sink, under the pad's stream lock.
    fn frame_passes(&self, frame: &gst::Buffer) {
        if is_drawing() {
            return;
        }
        let mut state = self.state.lock();
        let caps = state.caps.as_ref().filter(|caps| caps.in_memory);
        let caps = caps.map(|caps| caps.caps.clone());
        state.newest = caps.map(|caps| (frame.clone(), caps));
        state.version += 1;
        if state.is_blank {
            state.is_blank = !self.live.load(Relaxed);
        }
        if state.is_blank {
            // It was on its way when the frames were blanked.
            state.newest = None;
        }
        match state.shown {
            Shown::Live => {}
            Shown::Kept => state.shown = Shown::Live,
            Shown::Frozen(_) if self.live.load(Relaxed) => state.shown = Shown::Live,
            Shown::Frozen(_) => self.redraw(&mut state),
        }
    }

    fn event_passes(&self, event: &gst::Event) {
        if let gst::EventView::Caps(event) = event.view() {
            let mut state = self.state.lock();
            state.caps = Some(PadCaps::new(event.caps_owned()));
            if !is_drawing() {
                self.redraw(&mut state);
            }
        }
    }

    /// Waits for something to draw; `Ok(None)` where there is no display, `Err` at the end.
    fn next(&self) -> Result<Option<Job>, ()> {
        let mut state = self.state.lock();
        self.changed
            .wait_while(&mut state, |state| state.task == Task::Wait);
        if state.task == Task::End {
            return Err(());
        }
        state.task = Task::Wait;
        let pad = state.pad.as_ref().and_then(glib::WeakRef::upgrade);
        Ok(pad.map(|pad| Job {
            version: state.version,
            shown: state.shown.clone(),
            pad,
            frame: state.newest.clone(),
            caps: state.caps.as_ref().map(|caps| caps.caps.clone()),
            natural: state.natural,
        }))
    }
}

impl PadCaps {
    /// Frames in other memory than the ordinary one, a graphics card's for example, cannot be
    /// darkened here, and are not held back from their decoder.
    fn new(caps: gst::Caps) -> Self {
        let raw = caps.structure(0).is_some_and(|s| s.name() == "video/x-raw");
        let in_memory = caps.features(0).is_none_or(|features| {
            features.is_empty() || features.contains(gst::CAPS_FEATURE_MEMORY_SYSTEM_MEMORY)
        });
        Self {
            in_memory: raw && in_memory,
            caps,
        }
    }
}

/// The pad in front of the sink at which frames go in, before they are converted for it.
fn entry(sink: &gst::Element) -> Option<gst::Pad> {
    let mut pad = sink.static_pad("sink")?;
    loop {
        let before = pad.peer().and_then(|peer| peer.parent_element());
        let converter = before.filter(|e| CONVERTERS.contains(&element::kind(e).as_str()));
        match converter.and_then(|element| element.static_pad("sink")) {
            Some(earlier) => pad = earlier,
            None => return Some(pad),
        }
    }
}

fn run(shared: &Shared) {
    let mut dimmer = None;
    while let Ok(job) = shared.next() {
        let Some(job) = job else { continue };
        if let Err(e) = show(shared, &job, &mut dimmer) {
            tracing::debug!("freeze frame: {e:#}");
            dimmer = None;
        }
        if !matches!(job.shown, Shown::Frozen(_)) {
            dimmer = None;
        }
    }
}

/// Draws the frame of a job, and puts it in front of the sink.
fn show(shared: &Shared, job: &Job, dimmer: &mut Option<Dimmer>) -> anyhow::Result<()> {
    let text = match &job.shown {
        Shown::Live => return Ok(()),
        Shown::Kept => None,
        Shown::Frozen(text) => Some(text.as_str()),
    };
    let (frame, from) = match &job.frame {
        Some(frame) => frame.clone(),
        None => dimmed_frame::black(job.natural)?,
    };
    let to = job.caps.as_ref().unwrap_or(&from);
    let darker = text.is_some();
    let frame = if !darker && *to == from {
        frame
    } else {
        if dimmer.as_ref().is_none_or(|d| !d.is_for(&from, to, darker)) {
            *dimmer = Some(Dimmer::new(&from, to, darker)?);
        }
        let dimmer = dimmer.as_mut().context("there is none")?;
        dimmer.dim(&frame, text.unwrap_or_default())?
    };
    DRAWING.set(true);
    let put = put(shared, job, to, frame);
    DRAWING.set(false);
    put
}

/// Chains the frame into the pad, unless something newer came meanwhile.
fn put(shared: &Shared, job: &Job, caps: &gst::Caps, mut frame: gst::Buffer) -> anyhow::Result<()> {
    let inside = frame.make_mut();
    // No sink waits for a frame without a time.
    inside.set_pts(None);
    inside.set_dts(None);
    inside.set_flags(gst::BufferFlags::empty());
    // No live frame passes while this is held.
    let _order = job.pad.stream_lock();
    if shared.state.lock().version != job.version || shared.is_lost.load(Relaxed) {
        return Ok(());
    }
    introduce(&job.pad, caps, job.caps.is_some())?;
    match job.pad.chain(frame) {
        Ok(_) | Err(gst::FlowError::Flushing | gst::FlowError::Eos) => Ok(()),
        Err(e) => Err(e).context("not taken"),
    }
}

/// Sends the events that have to come before a frame and that the stream has not sent yet. The
/// stream may stand between its caps, where `has_caps`, and its segment; it sends the rest itself.
fn introduce(pad: &gst::Pad, caps: &gst::Caps, has_caps: bool) -> anyhow::Result<()> {
    if pad.sticky_event::<gst::event::StreamStart>(0).is_none() {
        pad.send_event(gst::event::StreamStart::new("freeze-frame"));
    }
    if !has_caps {
        anyhow::ensure!(pad.query_accept_caps(caps), "{caps} is not taken");
        pad.send_event(gst::event::Caps::new(caps));
    }
    if pad.sticky_event::<gst::event::Segment>(0).is_none() {
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        pad.send_event(gst::event::Segment::new(&segment));
    }
    Ok(())
}
