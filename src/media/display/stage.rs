//! A stage: a canvas with the window or the terminal that shows it, for all players whose frames are
//! on it.
//!
//! The display may be open before there is any frame. It follows the pipeline of the leading seat: it
//! stays while that pipeline changes, and closes when the next one shows its frames elsewhere.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

use super::canvas::{Canvas, Seat};
use super::connection::{Display, DisplayWatch};
use super::terminal::{self, Terminal};
use super::{foreign_sink, picture_keys, sink, window};
use crate::failure::Outcome;
use crate::window::{Desktop, KEYS, Window, WindowEvent};

/// A canvas with its display. Clones are the same stage. The display closes with the last of them.
#[derive(Clone)]
pub struct Stage(Arc<Shared>);

/// The place of one player's frames: a seat of a stage.
#[derive(Clone)]
pub struct Place {
    pub stage: Stage,
    /// A seat of the stage's canvas.
    pub seat: Arc<Seat>,
}

/// An event of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageEvent {
    /// The person pressed q in the window or closed it.
    Quit,
    /// A key was pressed that types this character and that the stage does not handle. Letters are
    /// lower case; Enter is `\n`, and Esc is `\u{1b}`.
    Key(char),
    /// The display went away, with the reason.
    Lost(String),
}

/// Receives events, on any thread. It must not block.
type OnEvent = Arc<dyn Fn(StageEvent) + Send + Sync>;

/// How to make a stage.
pub struct StageOptions {
    /// The window's title, which says where the frames are from.
    pub title: String,
    /// Further keys with their meanings, for the help. One of the stage's own keys, such as q, gets
    /// another meaning there.
    pub keys: Vec<(String, String)>,
    /// Receives the events, on any thread. It must not block.
    pub on_event: OnEvent,
}

struct Shared {
    canvas: Canvas,
    title: Mutex<String>,
    keys: Vec<(String, String)>,
    on_event: OnEvent,
    /// The display went away. Players read it for each frame.
    is_lost: Arc<AtomicBool>,
    /// Held while a display is opened, so that there is one of each kind.
    opening: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The display that stays when the pipelines change.
    kept: Option<Shown>,
    window: Weak<Window>,
    terminal: Weak<Terminal>,
    /// The display that went away.
    lost: Option<Display>,
    /// Whether a sink of a pipeline's own draws on X11.
    draws_on_x11: bool,
    /// Watches the displays that are drawn on.
    watched: Vec<(Display, DisplayWatch)>,
}

/// An open window or terminal that shows the canvas. It draws by itself, and closes with its last
/// owner.
#[derive(Clone)]
#[expect(dead_code, reason = "they are held to stay open")]
pub(crate) enum Shown {
    Window(Arc<Window>),
    Terminal(Arc<Terminal>),
}

impl Stage {
    /// A stage without a display, which opens when a pipeline needs it.
    pub fn new(options: StageOptions) -> Self {
        let StageOptions {
            title,
            keys,
            on_event,
        } = options;
        Self(Arc::new(Shared {
            canvas: Canvas::default(),
            title: Mutex::new(title),
            keys,
            on_event,
            is_lost: Arc::default(),
            opening: Mutex::default(),
            state: Mutex::default(),
        }))
    }

    /// The picture that it shows.
    pub fn canvas(&self) -> &Canvas {
        &self.0.canvas
    }

    /// Opens the window before there is any pipeline, for frames of `natural` pixels.
    ///
    /// # Errors
    ///
    /// Where there is no display for it.
    pub fn open_window(&self, natural: (u32, u32)) -> Outcome {
        let window = self.window(natural)?;
        self.keep_display(Some(window));
        Ok(())
    }

    /// Opens the terminal before there is any pipeline.
    ///
    /// # Errors
    ///
    /// Where there is no terminal to draw in.
    pub fn open_terminal(&self) -> Outcome {
        let terminal = self.terminal()?;
        self.keep_display(Some(terminal));
        Ok(())
    }

    /// Closes the display.
    pub fn close(&self) {
        self.keep_display(None);
    }

    /// Where the frames are from, for a person.
    pub fn title(&self) -> String {
        self.0.title.lock().clone()
    }

    /// Changes the title, of an open window as well.
    pub fn set_title(&self, title: &str) {
        title.clone_into(&mut self.0.title.lock());
        let window = self.0.state.lock().window.upgrade();
        if let Some(window) = window {
            window.set_title(title);
        }
    }

    /// Has the desktop point at the window, where there is one.
    pub fn attract(&self) {
        let window = self.0.state.lock().window.upgrade();
        if let Some(window) = window {
            window.attract();
        }
    }

    /// Handles a key that was pressed elsewhere, such as in the terminal beside the window.
    pub fn press(&self, typed: char) {
        self.0.press(typed, &[]);
    }

    /// Prepares for a new pipeline, whose frames measure `natural` pixels. Those for the canvas go to
    /// `seat`, and the display is opened where there is none. `None` where no frame goes to the canvas.
    ///
    /// # Errors
    ///
    /// Where the pipeline needs a display and none can be opened.
    pub(crate) fn attach(
        &self,
        pipeline: &gst::Pipeline,
        seat: &Seat,
        natural: (u32, u32),
    ) -> Outcome<Option<Shown>> {
        let own = |name| {
            let sink = pipeline.by_name(name)?;
            sink.downcast::<gst_app::AppSink>().ok()
        };
        let for_terminal = own(terminal::BLOCKS);
        let is_terminal = for_terminal.is_some();
        let Some(sink) = for_terminal.or_else(|| own(sink::WINDOW)) else {
            self.name(pipeline);
            let shared = Arc::downgrade(&self.0);
            foreign_sink::on_quit_key(pipeline, move || {
                if let Some(shared) = shared.upgrade() {
                    (shared.on_event)(StageEvent::Quit);
                }
            });
            return Ok(None);
        };
        // The display is one for all seats, so the leading one's pipeline decides.
        let open = self.open_display().filter(|_| !seat.leads());
        let shown = match open {
            Some(shown) => shown,
            None if is_terminal => self.terminal()?,
            None => self.window(natural)?,
        };
        seat.take_from(&sink);
        self.resize(seat, natural);
        Ok(Some(shown))
    }

    /// Gives the title to the sinks of `pipeline` that open a window of their own.
    pub(crate) fn name(&self, pipeline: &gst::Pipeline) {
        foreign_sink::name(pipeline, &self.title());
    }

    /// The pipeline of `seat` shows the frames from here on, on this display.
    pub(crate) fn keep(&self, seat: &Seat, shown: Option<Shown>) {
        let is_free = self.0.state.lock().kept.is_none();
        // Without frames of this pipeline the display has those of the others to show.
        let is_needed = shown.is_none() && seat.has_company();
        if (seat.leads() || is_free) && !is_needed {
            self.keep_display(shown);
        }
    }

    /// The frames of `seat` measure `natural` pixels from now on. A window that a person has resized
    /// keeps its size, and so does one whose leading seat is another.
    pub(crate) fn resize(&self, seat: &Seat, natural: (u32, u32)) {
        seat.set_shape(natural);
        let window = self.0.state.lock().window.upgrade();
        if let Some(window) = window.filter(|_| seat.leads()) {
            window.set_natural(natural);
        }
    }

    /// Set when the display went away. There is nothing to draw on then.
    pub(crate) fn loss(&self) -> &Arc<AtomicBool> {
        &self.0.is_lost
    }

    /// Whether a pipeline's own sink must not even be stopped: Xlib blocks a thread for ever that
    /// calls a display that is gone.
    pub(crate) fn is_stuck(&self) -> bool {
        let state = self.0.state.lock();
        state.draws_on_x11 && state.lost == Some(Display::X11)
    }

    /// A function for the messages on a pipeline's bus: it watches the display of a sink that opens a
    /// window of its own. It does not keep the stage.
    pub(crate) fn bus_watch(&self) -> impl Fn(&gst::MessageRef) + Send + Sync + 'static {
        let shared = Arc::downgrade(&self.0);
        move |message| {
            if let (Some(display), Some(shared)) =
                (foreign_sink::display_of(message), shared.upgrade())
            {
                shared.state.lock().draws_on_x11 |= display == Display::X11;
                shared.watch(display);
            }
        }
    }

    /// Tells the stage's owner.
    pub(crate) fn tell(&self, event: StageEvent) {
        (self.0.on_event)(event);
    }

    /// The display that is open.
    fn open_display(&self) -> Option<Shown> {
        let state = self.0.state.lock();
        let window = state.window.upgrade().map(Shown::Window);
        let open = state.kept.clone().or(window);
        open.or_else(|| state.terminal.upgrade().map(Shown::Terminal))
    }

    fn keep_display(&self, shown: Option<Shown>) {
        let before = std::mem::replace(&mut self.0.state.lock().kept, shown);
        // The lock is released, since a terminal takes its time to close.
        drop(before);
    }

    /// The window, which is opened where it is not open.
    fn window(&self, natural: (u32, u32)) -> Outcome<Shown> {
        let _opening = self.0.opening.lock();
        let open = self.0.state.lock().window.upgrade();
        if let Some(open) = open {
            return Ok(Shown::Window(open));
        }
        let desktop = sink::desktop()?;
        match desktop {
            Desktop::X11 => self.0.watch(Display::X11),
            Desktop::Wayland => self.0.watch(Display::Wayland),
            Desktop::Native => {}
        }
        let shared = Arc::downgrade(&self.0);
        let opened = window::open(
            desktop,
            self.title(),
            natural,
            self.canvas(),
            move |event| {
                // After the stage is gone, nothing of its window is missed.
                if let Some(shared) = shared.upgrade() {
                    shared.act(event);
                }
            },
        )?;
        self.0.state.lock().window = Arc::downgrade(&opened);
        Ok(Shown::Window(opened))
    }

    /// The terminal, which is opened where it is not open.
    fn terminal(&self) -> Outcome<Shown> {
        let _opening = self.0.opening.lock();
        let open = self.0.state.lock().terminal.upgrade();
        if let Some(open) = open {
            return Ok(Shown::Terminal(open));
        }
        let shared = Arc::downgrade(&self.0);
        let opened = Terminal::open(self.canvas(), move |typed| {
            if let Some(shared) = shared.upgrade() {
                shared.press(typed, &[]);
            }
        })?;
        let opened = Arc::new(opened);
        self.0.state.lock().terminal = Arc::downgrade(&opened);
        Ok(Shown::Terminal(opened))
    }
}

impl Shared {
    fn act(&self, event: WindowEvent) {
        match event {
            WindowEvent::Closed | WindowEvent::Key('q') => (self.on_event)(StageEvent::Quit),
            WindowEvent::Key(typed) => self.press(typed, &KEYS),
            WindowEvent::Lost(reason) => self.lose(None, reason),
        }
    }

    /// Handles a key of a display whose own keys are `others`.
    fn press(&self, typed: char, others: &[(&str, &str)]) {
        let title = self.title.lock().clone();
        if !picture_keys::press(typed, &self.canvas, &title, &self.keys, others) {
            (self.on_event)(StageEvent::Key(typed));
        }
    }

    /// Reports the loss of a display that is drawn on.
    fn watch(self: &Arc<Self>, display: Display) {
        let is_watched = |(of, _): &(Display, DisplayWatch)| *of == display;
        if self.state.lock().watched.iter().any(is_watched) {
            return;
        }
        let shared = Arc::downgrade(self);
        let watched = display.watch(move |reason| {
            // After the stage is gone, the display is not missed.
            if let Some(shared) = shared.upgrade() {
                shared.lose(Some(display), reason);
            }
        });
        let watched = watched.map(|watch| (display, watch));
        self.state.lock().watched.extend(watched);
    }

    /// The display is gone, which is told once.
    fn lose(&self, display: Option<Display>, reason: String) {
        let mut state = self.state.lock();
        state.lost = display.or(state.lost);
        drop(state);
        if !self.is_lost.swap(true, Relaxed) {
            (self.on_event)(StageEvent::Lost(reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_loss_is_told_once_and_the_kind_of_display_is_known_from_either_report() {
        let (events, heard) = mpsc::channel();
        let stage = Stage::new(StageOptions {
            title: String::new(),
            keys: Vec::new(),
            on_event: Arc::new(move |event| drop(events.send(event))),
        });
        stage.0.state.lock().draws_on_x11 = true;
        stage.0.lose(None, "the event loop has ended".into());
        assert!(!stage.is_stuck());
        stage.0.lose(Some(Display::X11), "gone".into());
        stage.0.lose(None, "gone".into());
        assert!(stage.is_stuck() && stage.loss().load(Relaxed));
        let told: Vec<_> = heard.try_iter().collect();
        assert_eq!(told, [StageEvent::Lost("the event loop has ended".into())]);
    }
}
