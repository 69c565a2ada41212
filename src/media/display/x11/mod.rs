//! A window of our own on X11, for a video sink to draw in.
//!
//! `ximagesink` and `xvimagesink` can open a window themselves, but then the title is theirs, the
//! close button is an error on the bus, and keys are navigation events that travel up the pipeline.
//! So vidchat opens the window and hands [`X11Window::id`] to the sink through `GstVideoOverlay`.
//! Title, keys, size and closing stay here.
//!
//! `handle-events` of the sink may be set or not: several clients can listen for keys and sizes of
//! one window. Only mouse buttons go to a single client, and this window does not ask for them. The
//! sink must be in the state NULL before the window is dropped: it uses Xlib, which ends the
//! process on drawing in a window that is gone.

pub(crate) mod keysyms;
pub(crate) mod wm_properties;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use x11rb::CURRENT_TIME;
use x11rb::connection::Connection;
use x11rb::errors::ReplyError;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    ClientMessageEvent, ConfigureWindowAux, ConnectionExt as _, CreateWindowAux, EventMask,
    InputFocus, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use self::keysyms::Keys;
use self::wm_properties::Atoms;
use super::connection::x11_reason;

/// An event of the window, from the person or the X server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowEvent {
    /// The client area has a new size. Not every size is reported while an edge is dragged.
    Resized,
    /// Covered parts became visible and are black now. It is time to draw, unless the next frame
    /// soon does.
    Exposed,
    /// A key was pressed, or repeats. Latin letters are lower case, whatever Shift and Caps Lock
    /// say, and other characters are as typed. Escape is `'\u{1b}'`, Enter `'\n'`. Keys with Ctrl,
    /// Alt or Super are not reported.
    Key(char),
    /// The close button was pressed. The window stays until it is dropped.
    Closed,
    /// The X server is gone, or has closed the connection. Comes once, as the last event.
    Lost(String),
}

/// A mapped window, and the thread that reads its events.
pub struct X11Window {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl X11Window {
    /// Opens a black window whose client area has this size, and calls `on_event` from then on, on
    /// a thread of its own. `on_event` must not block, or dropping the window waits for it.
    pub fn open(
        title: &str,
        width: u32,
        height: u32,
        on_event: impl FnMut(WindowEvent) + Send + 'static,
    ) -> Result<Self> {
        let (conn, screen) = x11rb::connect(None).context("cannot reach the X server")?;
        let atoms = Atoms::new(&conn)?.reply()?;
        let root = &conn.setup().roots[screen]; // `connect` checks the number against `roots`
        let room = (root.width_in_pixels, root.height_in_pixels);
        let (width, height) = fitted((width, height), room);
        let id = create(&conn, screen, &atoms, (width, height))?;
        let managed = wm_properties::has_window_manager(&conn, screen)?;
        let keys = Keys::load(&conn)?;
        let shared = Arc::new(Shared {
            conn,
            id,
            room,
            atoms,
            ending: AtomicBool::new(false),
        });
        wm_properties::set_title(&shared.conn, id, &shared.atoms, title)?;
        shared.conn.map_window(id)?;
        shared.conn.sync()?;
        let listener = Listener {
            shared: shared.clone(),
            keys,
            managed,
            size: (width, height),
            closed: false,
            on_event,
        };
        let thread = thread::Builder::new()
            .name("window".into())
            .spawn(move || listener.run())
            .context("cannot start the thread of the window")?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// The X id, for `set_window_handle` of a `GstVideoOverlay`.
    pub fn id(&self) -> u32 {
        self.shared.id
    }

    /// The current size of the client area, as the X server knows it.
    pub fn size(&self) -> Option<(u32, u32)> {
        let Shared { conn, id, .. } = &*self.shared;
        let now = conn.get_geometry(*id).ok()?.reply().ok()?;
        Some((u32::from(now.width), u32::from(now.height)))
    }

    /// The size of the client area where frames of this size are shown: they are made smaller where
    /// the screen has no room for them.
    pub fn fitted(&self, natural: (u32, u32)) -> (u32, u32) {
        let (width, height) = fitted(natural, self.shared.room);
        (width.into(), height.into())
    }

    /// Requests the size for frames of these pixels. A window manager may refuse: see
    /// [`X11Window::size`].
    pub fn resize(&self, width: u32, height: u32) {
        let (width, height) = self.fitted((width, height));
        let size = ConfigureWindowAux::new().width(width).height(height);
        // Errors are ignored as in `set_title`.
        let _ = self.shared.conn.configure_window(self.shared.id, &size);
        let _ = self.shared.conn.flush();
    }

    /// Changes the title.
    pub fn set_title(&self, title: &str) {
        let shared = &self.shared;
        // Where this fails the server is gone, and the thread reports that.
        let _ = wm_properties::set_title(&shared.conn, shared.id, &shared.atoms, title);
        let _ = shared.conn.flush();
    }
}

impl Drop for X11Window {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::SeqCst);
        // An event sent to the window with no mask goes to the client that created it: the thread.
        // Where this fails, the connection is broken and the thread has woken up from that.
        let wake = ClientMessageEvent::new(
            32,
            self.shared.id,
            self.shared.atoms.VIDCHAT_WAKE,
            [0u32; 5],
        );
        let _ = self
            .shared
            .conn
            .send_event(false, self.shared.id, EventMask::NO_EVENT, wake);
        let _ = self.shared.conn.flush();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // `Err` is a panic in `on_event`, which was printed already.
            let _ = thread.join();
        }
        let _ = self.shared.conn.destroy_window(self.shared.id);
        let _ = self.shared.conn.sync();
    }
}

/// The state that the window and its thread share.
struct Shared {
    conn: RustConnection,
    id: Window,
    /// The width and height of the screen.
    room: (u16, u16),
    atoms: Atoms,
    ending: AtomicBool,
}

/// Creates the window, with the properties that it needs before it is mapped.
fn create(
    conn: &RustConnection,
    screen: usize,
    atoms: &Atoms,
    (width, height): (u16, u16),
) -> Result<Window> {
    let screen = &conn.setup().roots[screen]; // `connect` checks the number against `roots`
    let id = conn.generate_id()?;
    let look = CreateWindowAux::new()
        .background_pixel(screen.black_pixel)
        .event_mask(EventMask::STRUCTURE_NOTIFY | EventMask::EXPOSURE | EventMask::KEY_PRESS);
    let (depth, visual) = (screen.root_depth, screen.root_visual);
    conn.create_window(
        depth,
        id,
        screen.root,
        0,
        0,
        width,
        height,
        0,
        WindowClass::INPUT_OUTPUT,
        visual,
        &look,
    )?
    .check()?;
    wm_properties::describe(conn, id, atoms)?;
    Ok(id)
}

/// The thread: reads events and passes on their meaning.
struct Listener<F> {
    shared: Arc<Shared>,
    keys: Keys,
    managed: bool,
    /// The size that was last reported.
    size: (u16, u16),
    /// The window was destroyed by someone else.
    closed: bool,
    on_event: F,
}

impl<F: FnMut(WindowEvent)> Listener<F> {
    fn run(mut self) {
        if let Err(error) = self.listen()
            && !self.shared.ending.load(Ordering::SeqCst)
        {
            (self.on_event)(WindowEvent::Lost(match &error {
                ReplyError::ConnectionError(error) => x11_reason(error),
                error => error.to_string(),
            }));
        }
    }

    /// Returns `Ok` when the window is to end or was destroyed, and `Err` when the server is gone.
    fn listen(&mut self) -> Result<(), ReplyError> {
        let shared = self.shared.clone();
        loop {
            let mut next = Some(shared.conn.wait_for_event()?);
            // Of the events that have piled up, only the last size and one exposure count.
            let (mut resized, mut exposed) = (None, false);
            while let Some(event) = next {
                if shared.ending.load(Ordering::SeqCst) {
                    return Ok(());
                }
                match event {
                    Event::ConfigureNotify(e) if e.window == shared.id => {
                        resized = Some((e.width, e.height))
                    }
                    Event::Expose(_) => exposed = true,
                    event => self.handle(&event)?,
                }
                next = shared.conn.poll_for_event()?;
            }
            // Moving the window also gives a new configuration.
            if let Some(size) = resized
                && std::mem::replace(&mut self.size, size) != size
            {
                (self.on_event)(WindowEvent::Resized);
            }
            if exposed {
                (self.on_event)(WindowEvent::Exposed);
            }
            if self.closed {
                return Ok(());
            }
        }
    }

    fn handle(&mut self, event: &Event) -> Result<(), ReplyError> {
        let Shared {
            conn, id, atoms, ..
        } = &*self.shared;
        match event {
            Event::KeyPress(press) => {
                if let Some(typed) = self.keys.typed(press) {
                    (self.on_event)(WindowEvent::Key(typed));
                }
            }
            Event::ClientMessage(message)
                if message.type_ == atoms.WM_PROTOCOLS
                    && message.data.as_data32()[0] == atoms.WM_DELETE_WINDOW =>
            {
                (self.on_event)(WindowEvent::Closed);
            }
            Event::DestroyNotify(e) if e.window == *id => {
                self.closed = true;
                (self.on_event)(WindowEvent::Closed);
            }
            // Without a window manager, the window has to take the keyboard itself.
            Event::MapNotify(_) if !self.managed => {
                conn.set_input_focus(InputFocus::POINTER_ROOT, *id, CURRENT_TIME)?;
                conn.flush()?;
            }
            Event::MappingNotify(_) => match Keys::load(conn) {
                Err(ReplyError::ConnectionError(error)) => return Err(error.into()),
                Err(error) => tracing::debug!("the old keyboard layout stays: {error}"),
                Ok(keys) => self.keys = keys,
            },
            // An example is a focus for a window that was unmapped at that moment. Nothing depends
            // on it.
            Event::Error(error) => tracing::debug!("the X server says {error:?}"),
            _ => (),
        }
        Ok(())
    }
}

/// X has 16 bits for a size, signed in places, and refuses an empty window.
/// The size of a window for frames of this size: the same, or smaller in the same shape where the
/// screen has no room for it.
fn fitted((width, height): (u32, u32), (across, down): (u16, u16)) -> (u16, u16) {
    let (width, height) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let (across, down) = (f64::from(across) / width, f64::from(down) / height);
    let scale = across.min(down).min(1.0);
    let side = |side: f64| protocol_size((side * scale).round() as u32);
    (side(width), side(height))
}

fn protocol_size(pixels: u32) -> u16 {
    let (least, most) = (1, i16::MAX.unsigned_abs());
    u16::try_from(pixels).unwrap_or(most).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_the_protocol_has() {
        assert_eq!(
            [0, 1, 640, 32767, 32768, u32::MAX].map(protocol_size),
            [1, 1, 640, 32767, 32767, 32767]
        );
    }

    #[test]
    fn a_window_has_the_shape_of_its_frames_and_room_on_the_screen() {
        for (natural, window) in [
            ((640, 480), (640, 480)),
            ((1024, 768), (1024, 768)),
            ((32_767, 4096), (1024, 128)),
            ((1280, 720), (1024, 576)),
            ((720, 1536), (360, 768)),
            ((1, u32::MAX), (1, 768)),
            ((0, 0), (1, 1)),
        ] {
            assert_eq!(fitted(natural, (1024, 768)), window, "{natural:?}");
        }
    }
}
