//! The window of the pipelines that show video: it shows a canvas, or names the window of a sink of
//! its own.

use std::sync::Arc;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

use super::canvas::painter::{Painter, Texts};
use super::canvas::{Canvas, Seat};
use super::connection::{Display, DisplayWatch};
use super::{foreign_sink, picture_keys, sink};
use crate::failure::{Failure, Outcome};
use crate::media::gst::install_hint;
use crate::pixels::Pixels;
use crate::window::{self, Content, Desktop, OpenError, WindowEvent};

/// An action on a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowAction {
    /// The person pressed q or closed it.
    Quit,
    /// The display went away, with the reason.
    Lost(String),
}

/// One window for a series of pipelines: it stays while the pipeline changes.
#[derive(Clone)]
pub struct Window {
    title: String,
    canvas: Canvas,
    shared: Arc<Mutex<Shared>>,
    acted: Acted,
}

type Acted = Arc<dyn Fn(WindowAction) + Send + Sync>;

#[derive(Default)]
struct Shared {
    own: Option<Arc<window::Window>>,
    /// The display that went away.
    lost: Option<Display>,
    /// Whether a sink of the pipeline's own draws on X11.
    draws_on_x11: bool,
    /// Watches the displays that are drawn on.
    watched: Vec<(Display, DisplayWatch)>,
}

impl Window {
    /// A window for `canvas` that opens when a pipeline needs it. `acted` is called on other threads.
    pub fn new(
        title: &str,
        canvas: &Canvas,
        acted: impl Fn(WindowAction) + Send + Sync + 'static,
    ) -> Self {
        Self {
            title: title.to_owned(),
            canvas: canvas.clone(),
            shared: Arc::default(),
            acted: Arc::new(acted),
        }
    }

    /// Its title, which says where the frames are from.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Prepares for a new pipeline, whose frames measure `natural` pixels. Those for the canvas go
    /// to `seat`.
    ///
    /// # Errors
    ///
    /// Where the pipeline needs a window and none can be opened.
    pub fn attach(&self, pipeline: &gst::Pipeline, seat: &Seat, natural: (u32, u32)) -> Outcome {
        let sink = pipeline.by_name(sink::WINDOW);
        let Some(sink) = sink.and_then(|sink| sink.downcast::<gst_app::AppSink>().ok()) else {
            let acted = Arc::clone(&self.acted);
            foreign_sink::name(pipeline, &self.title);
            foreign_sink::on_quit_key(pipeline, move || acted(WindowAction::Quit));
            return Ok(());
        };
        seat.take_from(&sink);
        self.resize(seat, natural);
        if self.shared.lock().own.is_none() {
            self.open(natural)?;
        }
        Ok(())
    }

    /// Frames measure `natural` pixels from now on. A window that a person has resized keeps its
    /// size.
    pub fn resize(&self, seat: &Seat, natural: (u32, u32)) {
        seat.set_shape(natural);
        if let Some(own) = &self.shared.lock().own {
            own.set_natural(natural);
        }
    }

    /// Whether the display went away. There is nothing to draw on then.
    pub fn is_lost(&self) -> bool {
        self.shared.lock().lost.is_some()
    }

    /// Whether the pipeline's own sink must not even be stopped: Xlib blocks a thread for ever that
    /// calls a display that is gone.
    pub fn is_stuck(&self) -> bool {
        let shared = self.shared.lock();
        shared.draws_on_x11 && shared.lost == Some(Display::X11)
    }

    /// Watches the display of a sink that opens a window of its own. It is called on the bus.
    pub fn prepare(&self, message: &gst::MessageRef) {
        if let Some(display) = foreign_sink::display_of(message) {
            self.shared.lock().draws_on_x11 |= display == Display::X11;
            self.watch(display);
        }
    }

    /// Reports the loss of a display that is drawn on.
    fn watch(&self, display: Display) {
        let is_watched = |(of, _): &(Display, DisplayWatch)| *of == display;
        if self.shared.lock().watched.iter().any(is_watched) {
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
        let watched = watched.map(|watch| (display, watch));
        self.shared.lock().watched.extend(watched);
    }

    /// Opens the window of the canvas.
    fn open(&self, natural: (u32, u32)) -> Outcome {
        let desktop = sink::desktop()?;
        let display = match desktop {
            Desktop::X11 => Some(Display::X11),
            Desktop::Wayland => Some(Display::Wayland),
            Desktop::Native => None,
        };
        if let Some(display) = display {
            self.watch(display);
        }
        let (shared, canvas) = (Arc::downgrade(&self.shared), self.canvas.clone());
        let (title, acted) = (self.title.clone(), Arc::clone(&self.acted));
        let opened = window::Window::open(
            desktop,
            window::Options {
                title: self.title.clone(),
                natural,
                content: Box::new(CanvasContent {
                    canvas: self.canvas.clone(),
                    painter: Painter::new(),
                }),
                on_event: Box::new(move |event| {
                    // After the window is closed, nothing of it is missed.
                    if shared.strong_count() > 0 {
                        act(event, &canvas, &title, &acted);
                    }
                }),
            },
        );
        let own = Arc::new(opened.map_err(cannot_open)?);
        self.canvas.on_change(&own, |own| own.redraw());
        own.redraw();
        tracing::debug!("window: open on {desktop:?}");
        self.shared.lock().own = Some(own);
        Ok(())
    }
}

fn act(event: WindowEvent, canvas: &Canvas, title: &str, acted: &Acted) {
    match event {
        WindowEvent::Closed | WindowEvent::Key('q') => acted(WindowAction::Quit),
        WindowEvent::Key(typed) => picture_keys::press(typed, canvas, title, &window::KEYS),
        WindowEvent::Lost(reason) => acted(WindowAction::Lost(reason)),
    }
}

fn cannot_open(error: OpenError) -> Failure {
    let failure = Failure::start("cannot open a window").cause(&error);
    let install = match error {
        OpenError::Missing(library) => install_hint::library(library),
        OpenError::Loop(_) | OpenError::Refused(_) => None,
    };
    failure.hint(install.unwrap_or("--display terminal shows the video in a terminal".into()))
}

/// A canvas as the content of a window.
struct CanvasContent {
    canvas: Canvas,
    painter: Painter,
}

impl Content for CanvasContent {
    fn draw(&mut self, pixels: &mut Pixels<'_>, age: u32) {
        self.painter.paint(&self.canvas, pixels, age, Texts::Drawn);
    }

    fn natural(&self) -> Option<(u32, u32)> {
        self.canvas.natural()
    }

    fn note(&self) -> &'static str {
        if self.canvas.is_frozen() {
            " (waiting)"
        } else {
            ""
        }
    }
}
