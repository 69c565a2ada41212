//! The window of the pipelines that show video, whichever sink draws in it.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use gst::prelude::*;
use gst_video::prelude::*;
use gstreamer as gst;
use gstreamer_video as gst_video;
use parking_lot::Mutex;

use super::connection::{Display, DisplayWatch};
use super::x11::{WindowEvent, X11Window};
use crate::media::gst::element;
use crate::media::pipeline::build;

/// An action on a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowAction {
    /// The person pressed q or closed it.
    Quit,
    /// It was uncovered or has another size. The sink has drawn its frame again.
    Exposed,
    /// The display went away, for this reason.
    Lost(String),
}

/// The window of one pipeline after another: it stays while the pipeline is changed.
///
/// On X11 the window is our own, since the sinks there neither scale to it (`ximagesink`) nor
/// give it the title that was asked for. Elsewhere it is the sink's.
#[derive(Clone)]
pub struct Window {
    title: String,
    shared: Arc<Mutex<Shared>>,
    acted: Arc<dyn Fn(WindowAction) + Send + Sync>,
}

#[derive(Default)]
struct Shared {
    own: Option<X11Window>,
    /// The size in pixels at which the frame is shown one to one.
    natural: (u32, u32),
    /// The size before that. A window manager may not have applied the new one yet.
    before: (u32, u32),
    /// The title says that the person has to wait.
    waits: bool,
    /// The display that went away.
    lost: Option<Display>,
    /// Hears of that, where the window is a sink's own.
    watched: Option<DisplayWatch>,
    /// The sinks that drew into our window; the last one that is left does.
    sinks: Vec<glib::WeakRef<gst_video::VideoOverlay>>,
}

impl Window {
    /// A window that opens when a pipeline needs it. `acted` is called from other threads.
    pub fn new(title: &str, acted: impl Fn(WindowAction) + Send + Sync + 'static) -> Self {
        Self {
            title: title.to_owned(),
            shared: Arc::default(),
            acted: Arc::new(acted),
        }
    }

    /// Tells of a new pipeline, whose frames measure `natural` pixels.
    pub fn attach(&self, pipeline: &gst::Pipeline, natural: (u32, u32)) {
        self.resize(natural);
        self.name(pipeline);
        self.watch_keys(pipeline);
    }

    /// Frames measure `natural` pixels from here on. A window that a person has given another
    /// size keeps it.
    pub fn resize(&self, natural: (u32, u32)) {
        let mut shared = self.shared.lock();
        if shared.natural == natural {
            return;
        }
        let ours = [shared.natural, shared.before];
        (shared.before, shared.natural) = (shared.natural, natural);
        if let Some(own) = &shared.own
            && own.size().is_none_or(|size| ours.contains(&size))
        {
            own.resize(natural.0, natural.1);
        }
    }

    /// Says in the title, where it is ours, whether the person has to wait for the video.
    pub fn waits(&self, waits: bool) {
        let mut shared = self.shared.lock();
        if shared.own.is_none() || shared.waits == waits {
            return;
        }
        shared.waits = waits;
        if let Some(own) = &shared.own {
            let note = if waits { " (waiting)" } else { "" };
            own.set_title(&format!("{}{note}", self.title));
        }
    }

    /// Whether the display went away, so that there is nothing to draw on.
    pub fn is_lost(&self) -> bool {
        self.shared.lock().lost.is_some()
    }

    /// Whether its sink must not even be stopped: Xlib has a thread wait for ever that speaks to a
    /// display which is gone.
    pub fn is_stuck(&self) -> bool {
        self.shared.lock().lost == Some(Display::X11)
    }

    /// Gives our window to an X11 sink that asks for one, and looks after the display of one that
    /// opens its own; called on the bus, in time.
    pub fn prepare(&self, message: &gst::MessageRef) {
        if let Some(display) = display_of(message) {
            self.watch(display);
        }
        if !gst_video::is_video_overlay_prepare_window_handle_message(message) {
            return;
        }
        let Some(sink) = message
            .src()
            .and_then(|src| src.downcast_ref::<gst::Element>())
        else {
            return;
        };
        if !["ximagesink", "xvimagesink"].contains(&element::kind(sink).as_str()) {
            return;
        }
        let Some(overlay) = sink.dynamic_cast_ref::<gst_video::VideoOverlay>() else {
            return;
        };
        if let Some(id) = self.own_id() {
            // Not handle-expose too: to end its thread of events the sink would wait here for a
            // thread that waits for this one.
            sink.set_property("handle-events", false);
            crate::media::gst::ffi::draw_into(overlay, id);
            let sinks = &mut self.shared.lock().sinks;
            sinks.retain(|sink| sink.upgrade().is_some());
            sinks.push(overlay.downgrade());
        }
    }

    /// Tells of the loss of a display that a sink draws on.
    fn watch(&self, display: Display) {
        if self.shared.lock().watched.is_some() {
            return;
        }
        let (shared, acted) = (Arc::downgrade(&self.shared), Arc::clone(&self.acted));
        let watched = display.watch(move |reason| {
            // Where the window is closed, nobody misses the display.
            if let Some(shared) = shared.upgrade() {
                shared.lock().lost = Some(display);
                acted(WindowAction::Lost(reason));
            }
        });
        self.shared.lock().watched = watched;
    }

    /// The id of our window, which is opened where it is not yet.
    fn own_id(&self) -> Option<u32> {
        if let Some(own) = &self.shared.lock().own {
            return Some(own.id());
        }
        let (width, height) = self.shared.lock().natural;
        let (shared, acted) = (Arc::clone(&self.shared), Arc::clone(&self.acted));
        let exposed = exposer(&self.shared, &self.acted);
        let opened = X11Window::open(&self.title, width, height, move |event| match event {
            WindowEvent::Key('q') | WindowEvent::Closed => acted(WindowAction::Quit),
            WindowEvent::Key(_) => {}
            // Where one waits already, that will do.
            WindowEvent::Resized | WindowEvent::Exposed => {
                let _ = exposed.try_send(());
            }
            WindowEvent::Lost(reason) => {
                shared.lock().lost = Some(Display::X11);
                acted(WindowAction::Lost(reason));
            }
        });
        match opened {
            Ok(own) => {
                let id = own.id();
                let mut shared = self.shared.lock();
                if shared.natural != (width, height) {
                    own.resize(shared.natural.0, shared.natural.1);
                }
                shared.own = Some(own);
                Some(id)
            }
            Err(e) => {
                tracing::debug!("window: the sink opens its own: {e:#}");
                None
            }
        }
    }

    /// A title for sinks that open a window of their own.
    fn name(&self, pipeline: &gst::Pipeline) {
        let mut tags = gst::TagList::new();
        if let Some(tags) = tags.get_mut() {
            tags.add::<gst::tags::Title>(&self.title.as_str(), gst::TagMergeMode::Replace);
        }
        if let Some(frames) = pipeline.by_name(build::SEAM) {
            frames.send_event(gst::event::Tag::new(tags));
        }
    }

    /// Keys in a window of the sink's own come up the pipeline as events.
    fn watch_keys(&self, pipeline: &gst::Pipeline) {
        let Some(pad) = pipeline
            .by_name(build::SEAM)
            .and_then(|e| e.static_pad("src"))
        else {
            return;
        };
        let acted = Arc::clone(&self.acted);
        pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            if let Some(gst::PadProbeData::Event(event)) = &info.data
                && let Ok(gst_video::NavigationEvent::KeyPress { key, .. }) =
                    gst_video::NavigationEvent::parse(event)
                && key.eq_ignore_ascii_case("q")
            {
                acted(WindowAction::Quit);
            }
            gst::PadProbeReturn::Ok
        });
    }
}

/// The display on which a sink is about to open a window of its own, as its message tells.
fn display_of(message: &gst::MessageRef) -> Option<Display> {
    if gst_video::is_video_overlay_prepare_window_handle_message(message) {
        let sink = message.src()?.downcast_ref::<gst::Element>()?;
        return (element::kind(sink) == "waylandsink").then_some(Display::Wayland);
    }
    // OpenGL's sinks take either.
    let gst::MessageView::HaveContext(have) = message.view() else {
        return None;
    };
    let context = have.context();
    let display = context.structure().get::<glib::Object>("gst.gl.GLDisplay");
    match display.ok()?.type_().name() {
        "GstGLDisplayWayland" => Some(Display::Wayland),
        "GstGLDisplayX11" => Some(Display::X11),
        _ => None,
    }
}

/// A thread, "expose", that has the sink draw its frame again when asked to, until nobody can
/// ask any more. One of its own: where the display goes away meanwhile it never comes back, and
/// the window's thread has to tell of that.
fn exposer(
    shared: &Arc<Mutex<Shared>>,
    acted: &Arc<dyn Fn(WindowAction) + Send + Sync>,
) -> SyncSender<()> {
    let (ask, asked) = sync_channel(1);
    let (shared, acted) = (Arc::clone(shared), Arc::clone(acted));
    let started = std::thread::Builder::new()
        .name("expose".into())
        .spawn(move || {
            asked.iter().for_each(|()| {
                expose(&shared);
                acted(WindowAction::Exposed);
            });
        });
    if let Err(e) = started {
        tracing::debug!("window: drawn again only with the next frame: {e}");
    }
    ask
}

/// Has the sink draw its frame again: it does not hear of the window's events itself.
///
/// The lock is given back before the sink is called: it holds locks of its own while it asks us
/// for a window.
fn expose(shared: &Mutex<Shared>) {
    let sinks = shared.lock().sinks.clone();
    let sink = sinks.iter().rev().find_map(glib::WeakRef::upgrade);
    if let Some(sink) = sink {
        sink.expose();
    }
}
