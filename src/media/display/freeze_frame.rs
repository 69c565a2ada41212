//! What a window shows while there is no live picture: the last one, darker, with a text that
//! says why.
//!
//! A probe in front of the sink keeps the newest raw picture. A thread, "cover", darkens it and
//! chains it into the same pad, which works while the rest of the pipeline sits idle and leaves a
//! decoder's state alone. Whoever holds that pad's stream lock decides what is shown next: the
//! thread looks under it whether a live picture came meanwhile, so a covered one never comes
//! after it. Sizes and formats are those of the live picture, and the converters between the pad
//! and the sink treat both the same.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use gst::prelude::*;
use gstreamer as gst;

use super::dimmed_frame::{self, Dimmer};
use super::window::Window;
use crate::media::gst::element;

/// What may stand between the pad and the sink: it hands on each picture at once, and to the
/// sink alone.
const CONVERTERS: [&str; 4] = [
    "videoconvert",
    "videoscale",
    "videoconvertscale",
    "capsfilter",
];

/// How long the thread may take to end before it is left to the end of the process.
const END_LIMIT: Duration = Duration::from_secs(2);

thread_local! {
    static COVERING: Cell<bool> = const { Cell::new(false) };
}

/// Whether what passes on this thread is a covered picture, and no live one.
pub fn is_covering() -> bool {
    COVERING.get()
}

/// The sink that shows pictures to a person; `None` for files, pipes, and whatever else takes
/// them.
pub fn display(pipeline: &gst::Pipeline) -> Option<gst::Element> {
    let shows = |sink: &gst::Element| {
        let factory = sink.factory()?;
        let class = factory.metadata("klass")?;
        Some(class.contains("Sink") && class.contains("Video"))
    };
    let mut sinks = pipeline.iterate_sinks().into_iter().flatten();
    sinks.find(|sink| shows(sink) == Some(true))
}

/// Covers the pictures of one pipeline after another. Dropping it ends its thread.
pub struct FreezeFrame {
    shared: Arc<Shared>,
    /// Hears the end of the thread, which begins when there is something to do.
    thread: Option<Receiver<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// A picture has been given to the player since the text was last set.
    live: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    /// What to say; `None` while live pictures are shown.
    text: Option<String>,
    /// The thread has something to do.
    due: bool,
    /// What is shown as it was is an old picture: no live one came since the pipeline is another.
    kept: bool,
    /// Changes with all that makes a covered picture in the making out of date.
    turn: u64,
    /// The newest raw picture with its form. It stays from one pipeline to the next.
    newest: Option<(gst::Buffer, gst::Caps)>,
    /// Where pictures go in.
    target: Option<glib::WeakRef<gst::Pad>>,
    /// The form that pictures there have, once it is known, and whether they can be kept.
    form: Option<gst::Caps>,
    plain: bool,
    /// The size of pictures where there was none yet.
    natural: (u32, u32),
    ended: bool,
}

/// A picture to be put in front of the sink.
struct Job {
    turn: u64,
    text: Option<String>,
    kept: bool,
    pad: gst::Pad,
    /// `None` for black.
    picture: Option<(gst::Buffer, gst::Caps)>,
    form: Option<gst::Caps>,
    natural: (u32, u32),
}

impl FreezeFrame {
    /// Covers nothing yet.
    pub fn new() -> Self {
        Self {
            shared: Arc::default(),
            thread: None,
        }
    }

    /// Set this whenever a picture is given to the player. Those that were given before the text
    /// do not take it away, however late they come out of a decoder.
    pub fn live(&self) -> &Arc<AtomicBool> {
        &self.shared.live
    }

    /// Works on this pipeline from here on, whose pictures measure `natural` pixels.
    pub fn attach(&self, pipeline: &gst::Pipeline, natural: (u32, u32)) {
        let pad = display(pipeline).and_then(|sink| entry(&sink));
        if let Some(pad) = &pad {
            let shared = Arc::clone(&self.shared);
            let what = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
            pad.add_probe(what, move |_, info| {
                match &info.data {
                    Some(gst::PadProbeData::Buffer(picture)) => shared.passed(picture),
                    Some(gst::PadProbeData::Event(event)) => shared.told(event),
                    _ => {}
                }
                gst::PadProbeReturn::Ok
            });
        }
        let mut state = self.shared.lock();
        state.form = pad.as_ref().and_then(|pad| pad.current_caps());
        state.target = pad.as_ref().map(ObjectExt::downgrade);
        state.natural = natural;
        state.kept = state.newest.is_some();
    }

    /// Shows what was shown before the pipeline, which runs now, until there is something new.
    pub fn resume(&mut self, window: &Window) {
        let mut state = self.shared.lock();
        self.shared.again(&mut state);
        let due = state.due;
        drop(state);
        if due {
            self.start(window);
        }
    }

    /// Covers what is shown, or changes the text. Returns what of it can be seen.
    pub fn cover(&mut self, text: &str, window: &Window) -> String {
        let text = plain(text);
        self.shared.live.store(false, Relaxed);
        let mut state = self.shared.lock();
        state.text = Some(text.clone());
        self.shared.again(&mut state);
        drop(state);
        self.start(window);
        text
    }

    /// Starts the thread, where it does not run yet.
    fn start(&mut self, window: &Window) {
        if self.thread.is_some() {
            return;
        }
        let (end, ended) = mpsc::channel();
        let (shared, window) = (Arc::clone(&self.shared), window.clone());
        let started = std::thread::Builder::new()
            .name("cover".into())
            .spawn(move || {
                run(&shared, &window);
                // What the window's last owner does has to be done before the end is told.
                drop(window);
                let _ = end.send(());
            });
        match started {
            Ok(_) => self.thread = Some(ended),
            Err(e) => tracing::debug!("cover: {e}"),
        }
    }

    /// The text that covers the picture now.
    pub fn text(&self) -> Option<String> {
        self.shared.lock().text.clone()
    }

    /// Draws what is no live picture again, since the window has another size perhaps.
    pub fn redrawer(&self) -> impl Fn() + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.again(&mut shared.lock())
    }
}

impl Drop for FreezeFrame {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_one();
        if let Some(ended) = self.thread.take() {
            // A sink may hold it for ever, when its display hangs.
            let _ = ended.recv_timeout(END_LIMIT);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each of the fields is whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has what is no live picture drawn anew, if there is any.
    fn again(&self, state: &mut State) {
        if state.text.is_some() || state.kept {
            state.turn += 1;
            state.due = true;
            self.changed.notify_one();
        }
    }

    /// A picture is on its way to the sink, under the pad's stream lock.
    fn passed(&self, picture: &gst::Buffer) {
        if is_covering() {
            return;
        }
        let mut state = self.lock();
        let form = state.form.clone().filter(|_| state.plain);
        state.newest = form.map(|form| (picture.clone(), form));
        state.turn += 1;
        state.kept = false;
        if state.text.is_none() {
            return;
        }
        if self.live.load(Relaxed) {
            state.text = None;
            state.due = true;
            self.changed.notify_one();
        } else {
            self.again(&mut state);
        }
    }

    fn told(&self, event: &gst::Event) {
        if let gst::EventView::Caps(event) = event.view() {
            let mut state = self.lock();
            let form = event.caps_owned();
            state.plain = is_plain(&form);
            state.form = Some(form);
            if !is_covering() {
                self.again(&mut state);
            }
        }
    }

    /// Waits for something to do: `Ok(None)` where there is no display, `Err` at the end.
    fn next(&self) -> Result<Option<Job>, ()> {
        let mut state = self.lock();
        while !state.due && !state.ended {
            let changed = self.changed.wait(state);
            state = changed.unwrap_or_else(PoisonError::into_inner);
        }
        if state.ended {
            return Err(());
        }
        state.due = false;
        let pad = state.target.as_ref().and_then(glib::WeakRef::upgrade);
        Ok(pad.map(|pad| Job {
            turn: state.turn,
            text: state.text.clone(),
            kept: state.kept,
            pad,
            picture: state.newest.clone(),
            form: state.form.clone(),
            natural: state.natural,
        }))
    }
}

/// Text for one place on the screen, whoever wrote it: no control characters, and not without end.
fn plain(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    visible.take(200).collect()
}

/// The pad in front of the sink where pictures go in, before they are converted for it.
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

/// Whether pictures of this form lie in ordinary memory. Others, a graphics card's for one,
/// cannot be darkened here, and are not held back from their decoder.
fn is_plain(form: &gst::Caps) -> bool {
    let raw = form.structure(0).is_some_and(|s| s.name() == "video/x-raw");
    raw && form.features(0).is_none_or(|features| {
        features.is_empty() || features.contains(gst::CAPS_FEATURE_MEMORY_SYSTEM_MEMORY)
    })
}

fn run(shared: &Shared, window: &Window) {
    let mut dimmer = None;
    while let Ok(job) = shared.next() {
        let Some(job) = job else { continue };
        if let Err(e) = show(shared, window, &job, &mut dimmer) {
            tracing::debug!("cover: {e:#}");
            dimmer = None;
        }
        if job.text.is_none() {
            dimmer = None;
        }
        // Now there is a window, if there ever is.
        window.waits(job.text.is_some());
    }
}

/// Draws what is to be seen, and puts it before the sink.
fn show(
    shared: &Shared,
    window: &Window,
    job: &Job,
    dimmer: &mut Option<Dimmer>,
) -> anyhow::Result<()> {
    if job.text.is_none() && !job.kept {
        return Ok(());
    }
    let (picture, from) = match &job.picture {
        Some(picture) => picture.clone(),
        None => dimmed_frame::black(job.natural)?,
    };
    let to = job.form.as_ref().unwrap_or(&from);
    let darker = job.text.is_some();
    let picture = if !darker && *to == from {
        picture
    } else {
        if dimmer.as_ref().is_none_or(|d| !d.is_for(&from, to, darker)) {
            *dimmer = Some(Dimmer::new(&from, to, darker)?);
        }
        let dimmer = dimmer.as_mut().context("there is none")?;
        dimmer.dim(&picture, job.text.as_deref().unwrap_or_default())?
    };
    COVERING.set(true);
    let put = put(shared, window, job, to, picture);
    COVERING.set(false);
    put
}

/// Chains the picture into the pad, unless something newer came meanwhile.
fn put(
    shared: &Shared,
    window: &Window,
    job: &Job,
    form: &gst::Caps,
    mut picture: gst::Buffer,
) -> anyhow::Result<()> {
    let inside = picture.make_mut();
    // Without a time, no sink waits for it.
    inside.set_pts(None);
    inside.set_dts(None);
    inside.set_flags(gst::BufferFlags::empty());
    // Nothing live passes while this is held.
    let _order = job.pad.stream_lock();
    if shared.lock().turn != job.turn || window.is_lost() {
        return Ok(());
    }
    introduce(&job.pad, form, job.form.is_some())?;
    match job.pad.chain(picture) {
        Ok(_) | Err(gst::FlowError::Flushing | gst::FlowError::Eos) => Ok(()),
        Err(e) => Err(e).context("not taken"),
    }
}

/// Says what has to be said before a picture, as far as the stream has not come yet: it may stand
/// between its form, `told`, and its segment. It says the rest itself when it gets there.
fn introduce(pad: &gst::Pad, form: &gst::Caps, told: bool) -> anyhow::Result<()> {
    if pad.sticky_event::<gst::event::StreamStart>(0).is_none() {
        pad.send_event(gst::event::StreamStart::new("cover"));
    }
    if !told {
        anyhow::ensure!(pad.query_accept_caps(form), "{form} is not taken");
        pad.send_event(gst::event::Caps::new(form));
    }
    if pad.sticky_event::<gst::event::Segment>(0).is_none() {
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        pad.send_event(gst::event::Segment::new(&segment));
    }
    Ok(())
}
