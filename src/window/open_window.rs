//! One open window, as the event loop has it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use winit::dpi::PhysicalSize;
use winit::event::{ElementState, KeyEvent, Modifiers, WindowEvent as WinitEvent};
use winit::event_loop::{ActiveEventLoop, OwnedDisplayHandle};
use winit::keyboard::{Key, NamedKey, PhysicalKey};
use winit::window::{Fullscreen, UserAttentionType, Window, WindowAttributes, WindowId};

use super::options::{Content, OpenError, Options, WindowEvent};
use super::{icon, size};
use crate::pixels::Pixels;

/// The rate of a display that does not tell its own.
const USUAL_RATE: u32 = 60_000;

/// The connection to the display, which all windows share.
pub(super) type Context = softbuffer::Context<OwnedDisplayHandle>;

/// A window with its content.
pub(super) struct OpenWindow {
    window: Arc<Window>,
    surface: softbuffer::Surface<OwnedDisplayHandle, Arc<Window>>,
    title: String,
    note: &'static str,
    content: Box<dyn Content>,
    on_event: Box<dyn FnMut(WindowEvent) + Send>,
    due: Arc<AtomicBool>,
    natural: (u32, u32),
    /// The size that the content had by itself when it was drawn last.
    drawn_natural: Option<(u32, u32)>,
    /// As the desktop told it last. To ask an X server takes a round trip.
    size: (u32, u32),
    /// How many pixels one unit of the desktop takes, as it told last. On X11 the window itself knows
    /// only that of the moment when it was moved last.
    scale: f64,
    /// The time between two pictures of the display that it is on.
    interval: Duration,
    /// The sizes that the program asked for last. A desktop may not have applied the newest yet.
    asked: [(u32, u32); 2],
    modifiers: Modifiers,
    /// The key that is down.
    held: Option<PhysicalKey>,
    drawn: Option<Instant>,
    /// When the content is drawn that changed faster than the display shows it.
    postponed: Option<Instant>,
    /// The last drawing failed, which was logged.
    fails: bool,
}

impl OpenWindow {
    pub fn open(
        events: &ActiveEventLoop,
        context: &Context,
        options: Options,
        due: Arc<AtomicBool>,
    ) -> Result<Self, OpenError> {
        let Options {
            title,
            natural,
            content,
            on_event,
        } = options;
        let monitor = events
            .primary_monitor()
            .or_else(|| events.available_monitors().next());
        let scale = monitor
            .as_ref()
            .map_or(1.0, |monitor| monitor.scale_factor());
        let screen = monitor.map(|monitor| monitor.size().into());
        // Wayland tells a window's scale only when it is on a screen, and takes pixels as if it were 1.
        let first = PhysicalSize::<u32>::from(size::first(natural, scale, screen));
        let first = first.to_logical::<f64>(scale);
        let attributes = named(
            Window::default_attributes()
                .with_title(&title)
                .with_inner_size(first)
                .with_window_icon(icon::icon()),
        );
        let refused = |e: &dyn std::fmt::Display| OpenError::Refused(e.to_string());
        let window = events.create_window(attributes).map_err(|e| refused(&e))?;
        let window = Arc::new(window);
        let size = window.inner_size().into();
        let scale = window.scale_factor();
        let surface =
            softbuffer::Surface::new(context, Arc::clone(&window)).map_err(|e| refused(&e))?;
        let mut opened = Self {
            window,
            surface,
            title,
            note: "",
            content,
            on_event,
            due,
            natural,
            drawn_natural: None,
            size,
            interval: Duration::ZERO,
            scale,
            asked: [first.to_physical::<u32>(scale).into(); 2],
            modifiers: Modifiers::default(),
            held: None,
            drawn: None,
            postponed: None,
            fails: false,
        };
        opened.look_at_display();
        // A Wayland compositor shows no window before its first picture.
        opened.draw();
        Ok(opened)
    }

    pub fn id(&self) -> WindowId {
        self.window.id()
    }

    pub fn tell(&mut self, event: WindowEvent) {
        (self.on_event)(event);
    }

    /// When the content is to be drawn that was postponed.
    pub fn postponed(&self) -> Option<Instant> {
        self.postponed
    }

    /// Draws the content, at most as often as the display shows pictures.
    pub fn content_changed(&mut self, now: Instant) {
        self.due.store(false, Relaxed);
        let earliest = self.drawn.map_or(now, |drawn| drawn + self.interval);
        if earliest <= now {
            self.draw();
        } else {
            self.postponed = Some(earliest);
        }
    }

    pub fn draw_postponed(&mut self, now: Instant) {
        if self.postponed.is_some_and(|due| due <= now) {
            self.draw();
        }
    }

    /// The content has this size from here on.
    pub fn set_natural(&mut self, natural: (u32, u32)) {
        if std::mem::replace(&mut self.natural, natural) == natural {
            return;
        }
        let is_ours = |asked: &(u32, u32)| size::is_near(*asked, self.size);
        let is_ours = self.asked.iter().any(is_ours);
        if is_ours && self.window.fullscreen().is_none() {
            self.ask(self.first_size());
        }
    }

    pub fn set_title(&mut self, title: String) {
        self.title = title;
        self.show_title();
    }

    /// Has the desktop point at the window.
    pub fn attract(&self) {
        let attention = UserAttentionType::Critical;
        self.window.request_user_attention(Some(attention));
    }

    fn show_title(&self) {
        self.window
            .set_title(&format!("{}{}", self.title, self.note));
    }

    pub fn handle(&mut self, event: WinitEvent) {
        match event {
            WinitEvent::CloseRequested | WinitEvent::Destroyed => self.tell(WindowEvent::Closed),
            WinitEvent::Resized(size) => {
                self.size = size.into();
                self.look_at_display();
                self.draw();
            }
            WinitEvent::Moved(_) => self.look_at_display(),
            WinitEvent::ScaleFactorChanged { scale_factor, .. } => self.scale_changed(scale_factor),
            // The release of a key that is down is told to another window.
            WinitEvent::Focused(false) => self.held = None,
            WinitEvent::RedrawRequested | WinitEvent::Occluded(false) => self.draw(),
            WinitEvent::ModifiersChanged(modifiers) => self.modifiers = modifiers,
            // A synthetic one tells of a key that was down already when the window got the keyboard.
            WinitEvent::KeyboardInput {
                event,
                is_synthetic: false,
                ..
            } => self.key(&event),
            _ => {}
        }
    }

    /// The desktop keeps the window's size in its own units, and each takes so many pixels now. The
    /// size in pixels follows as an event of its own.
    fn scale_changed(&mut self, scale: f64) {
        let times = scale / std::mem::replace(&mut self.scale, scale);
        self.asked = self.asked.map(|size| size::scaled(size, times));
        self.look_at_display();
    }

    fn key(&mut self, key: &KeyEvent) {
        if key.state == ElementState::Released {
            self.held = None;
            return;
        }
        // On X11 the event's own mark is also on a key that is pressed right after the focus came.
        let is_repeated = self.held.replace(key.physical_key) == Some(key.physical_key);
        let state = self.modifiers.state();
        if state.control_key() || state.alt_key() || state.super_key() {
            return;
        }
        let typed = match &key.logical_key {
            Key::Character(text) => text.chars().next(),
            Key::Named(NamedKey::Escape) => Some('\u{1b}'),
            Key::Named(NamedKey::Enter) => Some('\n'),
            Key::Named(NamedKey::Space) => Some(' '),
            _ => None,
        };
        let Some(typed) = typed.and_then(|c| c.to_lowercase().next()) else {
            return;
        };
        match typed {
            // Those that change the size go on while they are held.
            '+' | '=' => self.ask(size::step(self.size, true)),
            '-' => self.ask(size::step(self.size, false)),
            _ if is_repeated => {}
            '1' => self.ask(self.natural),
            'f' => self.set_full_screen(self.window.fullscreen().is_none()),
            '\u{1b}' if self.window.fullscreen().is_some() => self.set_full_screen(false),
            typed => self.tell(WindowEvent::Key(typed)),
        }
    }

    fn set_full_screen(&self, is_full: bool) {
        let full = is_full.then_some(Fullscreen::Borderless(None));
        self.window.set_fullscreen(full);
    }

    fn first_size(&self) -> (u32, u32) {
        let screen = self.window.current_monitor();
        let screen = screen.map(|monitor| monitor.size().into());
        size::first(self.natural, self.scale, screen)
    }

    /// Asks the desktop for a size, which it may refuse.
    fn ask(&mut self, size: (u32, u32)) {
        self.asked = [size, self.asked[0]];
        let size = PhysicalSize::new(size.0.max(1), size.1.max(1));
        if let Some(size) = self.window.request_inner_size(size) {
            // It has that size by now, and no event will tell.
            self.size = size.into();
            self.draw();
        }
    }

    /// Learns how often the display that the window is on shows pictures.
    fn look_at_display(&mut self) {
        let monitor = self.window.current_monitor();
        let rate = monitor.and_then(|monitor| monitor.refresh_rate_millihertz());
        let rate = rate.filter(|rate| *rate >= 1000).unwrap_or(USUAL_RATE);
        self.interval = Duration::from_secs(1000) / rate;
    }

    fn draw(&mut self) {
        self.postponed = None;
        self.drawn = Some(Instant::now());
        match self.try_draw() {
            Ok(()) => self.fails = false,
            Err(e) if !self.fails => {
                self.fails = true;
                tracing::debug!("window: cannot draw: {e}");
            }
            Err(_) => {}
        }
        let natural = self.content.natural();
        if std::mem::replace(&mut self.drawn_natural, natural) != natural
            && let Some(natural) = natural
        {
            self.set_natural(natural);
        }
        let note = self.content.note();
        if std::mem::replace(&mut self.note, note) != note {
            self.show_title();
        }
    }

    fn try_draw(&mut self) -> Result<(), softbuffer::SoftBufferError> {
        let (width, height) = self.size;
        let (Some(across), Some(down)) = (NonZeroU32::new(width), NonZeroU32::new(height)) else {
            // It is hidden.
            return Ok(());
        };
        self.surface.resize(across, down)?;
        let mut buffer = self.surface.buffer_mut()?;
        let age = buffer.age().into();
        // Both fit, as the buffer has the product of them.
        if let Some(mut pixels) = Pixels::new(width as usize, height as usize, &mut buffer) {
            self.content.draw(&mut pixels, age);
        }
        self.window.pre_present_notify();
        buffer.present()
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn named(attributes: WindowAttributes) -> WindowAttributes {
    use winit::platform::wayland::WindowAttributesExtWayland as Wayland;
    use winit::platform::x11::WindowAttributesExtX11 as X11;
    const NAME: &str = "vidchat";
    X11::with_name(Wayland::with_name(attributes, NAME, NAME), NAME, NAME)
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn named(attributes: WindowAttributes) -> WindowAttributes {
    attributes
}
