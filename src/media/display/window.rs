//! The window of the pipelines that show video, for every sink that draws in it.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use gst::prelude::*;
use gst_video::prelude::*;
use gstreamer as gst;
use gstreamer_video as gst_video;
use parking_lot::Mutex;

use super::connection::{Display, DisplayWatch};
use super::x11::{WindowEvent, X11Window};
use crate::media::gst::element;
use crate::media::pipeline::ends;

/// How long stopping a pipeline waits for a sink that draws its frame again.
const EXPOSE_LIMIT: Duration = Duration::from_secs(2);

/// An action on a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowAction {
    /// The person pressed q or closed it.
    Quit,
    /// The window was uncovered or resized. The sink has drawn its frame again.
    Exposed,
    /// The display went away, with the reason.
    Lost(String),
}

/// One window for a series of pipelines: it stays while the pipeline changes.
///
/// On X11 the window is our own, since the sinks there neither scale to their window (`ximagesink`)
/// nor set its title. Elsewhere the window is the sink's.
#[derive(Clone)]
pub struct Window {
    title: String,
    shared: Arc<Mutex<Shared>>,
    /// Held while a sink draws its frame again. A sink that is stopped meanwhile uses memory that it
    /// has freed.
    exposing: Arc<Mutex<()>>,
    acted: Arc<dyn Fn(WindowAction) + Send + Sync>,
}

#[derive(Default)]
struct Shared {
    own: Option<X11Window>,
    /// The size in pixels at which the frame is shown one to one.
    natural: (u32, u32),
    /// The previous natural size. A window manager may not have applied the new one yet.
    before: (u32, u32),
    /// Whether the title says that the person has to wait.
    waits: bool,
    /// The display that went away.
    lost: Option<Display>,
    /// Watches the display, where the window is a sink's own.
    watched: Option<DisplayWatch>,
    /// The sinks that draw into our window. The last one that still exists draws again when asked.
    sinks: Vec<glib::WeakRef<gst_video::VideoOverlay>>,
}

impl Window {
    /// A window that opens when a pipeline needs it. `acted` is called on other threads.
    pub fn new(title: &str, acted: impl Fn(WindowAction) + Send + Sync + 'static) -> Self {
        Self {
            title: title.to_owned(),
            shared: Arc::default(),
            exposing: Arc::default(),
            acted: Arc::new(acted),
        }
    }

    /// Prepares for a new pipeline, whose frames measure `natural` pixels.
    pub fn attach(&self, pipeline: &gst::Pipeline, natural: (u32, u32)) {
        self.resize(natural);
        self.name(pipeline);
        self.watch_keys(pipeline);
    }

    /// The pipeline is about to be stopped: its sinks draw no more when asked. Waits for one that is
    /// drawing, but not for long, as a display that has gone away may hold it for ever.
    pub fn detach(&self, pipeline: &gst::Pipeline) {
        let _exposing = self.exposing.try_lock_for(EXPOSE_LIMIT);
        let keeps = |sink: &glib::WeakRef<gst_video::VideoOverlay>| {
            let sink = sink
                .upgrade()
                .and_then(|sink| sink.dynamic_cast::<gst::Element>().ok());
            sink.is_some_and(|sink| !sink.has_as_ancestor(pipeline))
        };
        self.shared.lock().sinks.retain(keeps);
    }

    /// Frames measure `natural` pixels from now on. A window that a person has resized keeps its
    /// size.
    pub fn resize(&self, natural: (u32, u32)) {
        let mut shared = self.shared.lock();
        if shared.natural == natural {
            return;
        }
        let ours = [shared.natural, shared.before];
        (shared.before, shared.natural) = (shared.natural, natural);
        if let Some(own) = &shared.own
            && own
                .size()
                .is_none_or(|size| ours.map(|ours| own.fitted(ours)).contains(&size))
        {
            own.resize(natural.0, natural.1);
        }
    }

    /// Shows in the title of our own window whether the person has to wait for the video.
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

    /// Whether the display went away. There is nothing to draw on then.
    pub fn is_lost(&self) -> bool {
        self.shared.lock().lost.is_some()
    }

    /// Whether the sink must not even be stopped: Xlib blocks a thread for ever that calls a
    /// display that is gone.
    pub fn is_stuck(&self) -> bool {
        self.shared.lock().lost == Some(Display::X11)
    }

    /// Gives our window to an X11 sink that asks for one, and watches the display of a sink that
    /// opens its own. It is called on the bus, before the sink goes on.
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
            // `handle-expose` stays on: to end its event thread, the sink would wait here for a
            // thread that waits for this one.
            sink.set_property("handle-events", false);
            crate::media::gst::ffi::draw_into(overlay, id);
            let sinks = &mut self.shared.lock().sinks;
            sinks.retain(|sink| sink.upgrade().is_some());
            sinks.push(overlay.downgrade());
        }
    }

    /// Reports the loss of a display that a sink draws on.
    fn watch(&self, display: Display) {
        if self.shared.lock().watched.is_some() {
            return;
        }
        let (shared, acted) = (Arc::downgrade(&self.shared), Arc::clone(&self.acted));
        let watched = display.watch(move |reason| {
            // After the window is closed, the display is not missed.
            if let Some(shared) = shared.upgrade() {
                shared.lock().lost = Some(display);
                acted(WindowAction::Lost(reason));
            }
        });
        self.shared.lock().watched = watched;
    }

    /// The id of our window, which is opened first if needed.
    fn own_id(&self) -> Option<u32> {
        if let Some(own) = &self.shared.lock().own {
            return Some(own.id());
        }
        let (width, height) = self.shared.lock().natural;
        let (shared, acted) = (Arc::clone(&self.shared), Arc::clone(&self.acted));
        let exposed = self.exposer();
        let opened = X11Window::open(&self.title, width, height, move |event| match event {
            WindowEvent::Key('q') | WindowEvent::Closed => acted(WindowAction::Quit),
            WindowEvent::Key(_) => {}
            // One waiting request is enough.
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

    /// A thread, "expose", that makes the sink draw its frame again when asked to. It ends when the
    /// sender is dropped. It is a thread of its own because the call never returns if the display
    /// goes away meanwhile, and the window's thread has to report that.
    fn exposer(&self) -> SyncSender<()> {
        let (ask, asked) = sync_channel(1);
        let (shared, exposing) = (Arc::clone(&self.shared), Arc::clone(&self.exposing));
        let acted = Arc::clone(&self.acted);
        let started = std::thread::Builder::new()
            .name("expose".into())
            .spawn(move || {
                asked.iter().for_each(|()| {
                    expose(&shared, &exposing);
                    acted(WindowAction::Exposed);
                });
            });
        if let Err(e) = started {
            tracing::debug!("window: drawn again only with the next frame: {e}");
        }
        ask
    }

    /// Sets the title for sinks that open their own window.
    fn name(&self, pipeline: &gst::Pipeline) {
        let mut tags = gst::TagList::new();
        if let Some(tags) = tags.get_mut() {
            tags.add::<gst::tags::Title>(&self.title.as_str(), gst::TagMergeMode::Replace);
        }
        if let Some(frames) = pipeline.by_name(ends::SEAM) {
            frames.send_event(gst::event::Tag::new(tags));
        }
    }

    /// Handles keys in a sink's own window, which come up the pipeline as events.
    fn watch_keys(&self, pipeline: &gst::Pipeline) {
        let Some(pad) = pipeline
            .by_name(ends::SEAM)
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

/// The display on which a sink is about to open its own window, from the sink's message.
fn display_of(message: &gst::MessageRef) -> Option<Display> {
    if gst_video::is_video_overlay_prepare_window_handle_message(message) {
        let sink = message.src()?.downcast_ref::<gst::Element>()?;
        return (element::kind(sink) == "waylandsink").then_some(Display::Wayland);
    }
    // Sinks of OpenGL use either.
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

/// Makes the sink draw its frame again: the sink does not receive the window's events itself.
///
/// The lock of `shared` is released before the sink is called: the sink holds locks of its own while
/// it asks us for a window.
fn expose(shared: &Mutex<Shared>, exposing: &Mutex<()>) {
    let _exposing = exposing.lock();
    let sinks = shared.lock().sinks.clone();
    let sink = sinks.iter().rev().find_map(glib::WeakRef::upgrade);
    if let Some(sink) = sink {
        sink.expose();
    }
}
