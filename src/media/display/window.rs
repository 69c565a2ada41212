//! The window that shows a canvas.

use std::sync::Arc;

use super::canvas::Canvas;
use super::canvas::painter::{Painter, Texts};
use crate::failure::{Failure, Outcome};
use crate::media::gst::install_hint;
use crate::pixels::Pixels;
use crate::window::{Content, Desktop, OpenError, Options, Window, WindowEvent};

/// Opens a window for `canvas`, whose frames measure `natural` pixels. `on_event` is called on the
/// thread of the windows.
///
/// # Errors
///
/// Where the desktop cannot be reached or refuses the window.
pub fn open(
    desktop: Desktop,
    title: String,
    natural: (u32, u32),
    canvas: &Canvas,
    on_event: impl FnMut(WindowEvent) + Send + 'static,
) -> Outcome<Arc<Window>> {
    let content = Box::new(CanvasContent {
        canvas: canvas.clone(),
        painter: Painter::new(),
    });
    let options = Options {
        title,
        natural,
        content,
        on_event: Box::new(on_event),
    };
    let opened = Arc::new(Window::open(desktop, options).map_err(cannot_open)?);
    canvas.on_change(&opened, Window::redraw);
    opened.redraw();
    tracing::debug!("window: open on {desktop:?}");
    Ok(opened)
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
