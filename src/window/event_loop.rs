//! The event loop of all windows: a thread, "windows", which starts with the first of them and stays
//! until the process ends. On macOS it has to be the process's first thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Instant;

use parking_lot::Mutex;
use winit::application::ApplicationHandler;
use winit::error::EventLoopError;
use winit::event::{StartCause, WindowEvent as WinitEvent};
use winit::event_loop::{
    ActiveEventLoop, ControlFlow, EventLoop, EventLoopBuilder, EventLoopProxy,
};
use winit::window::WindowId;

use super::open_window::{Context, OpenWindow};
use super::options::{Desktop, ENDED, OpenError, Options, WAYLAND_GONE, WindowEvent, X11_GONE};

/// Something that the event loop is to do.
pub(super) enum Command {
    Open(
        u64,
        Box<Options>,
        Arc<AtomicBool>,
        mpsc::Sender<Result<(), OpenError>>,
    ),
    Redraw(u64),
    Natural(u64, (u32, u32)),
    Title(u64, String),
    /// The person is to look at the window.
    Attract(u64),
    Close(u64),
    /// Ends the event loop.
    #[cfg(target_os = "macos")]
    Stop,
}

/// Sends commands to the event loop.
#[derive(Clone)]
pub(super) struct Sender(EventLoopProxy<Command>);

impl Sender {
    pub fn send(&self, command: Command) -> Result<(), OpenError> {
        let sent = self.0.send_event(command);
        sent.map_err(|_| OpenError::Loop(ENDED.into()))
    }
}

type Started = Result<Sender, OpenError>;

static STARTED: Mutex<Option<Started>> = Mutex::new(None);

/// A number for a window.
pub(super) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Relaxed)
}

/// Starts the event loop where it does not run yet.
pub(super) fn start(desktop: Desktop) -> Started {
    let mut started = STARTED.lock();
    started.get_or_insert_with(|| spawn(desktop)).clone()
}

#[cfg(not(target_os = "macos"))]
fn spawn(desktop: Desktop) -> Started {
    let (answer, answered) = mpsc::channel();
    std::thread::Builder::new()
        .name("windows".into())
        .spawn(move || run(desktop, &answer))
        .map_err(|e| OpenError::Loop(e.to_string()))?;
    let ended = |_| Err(OpenError::Loop("the event loop does not start".into()));
    answered.recv().unwrap_or_else(ended)
}

/// Runs `program`. On macOS windows need the process's first thread, so `program` has another one.
#[cfg(not(target_os = "macos"))]
pub fn on_main_thread<T>(program: impl FnOnce() -> T + Send) -> T {
    program()
}

/// Asks the first thread for the event loop.
#[cfg(target_os = "macos")]
static ASK: Mutex<Option<mpsc::Sender<mpsc::Sender<Started>>>> = Mutex::new(None);

#[cfg(target_os = "macos")]
fn spawn(_: Desktop) -> Started {
    let (answer, answered) = mpsc::channel();
    let asked = ASK.lock().as_ref().map(|ask| ask.send(answer));
    let ended = |_| Err(OpenError::Loop("the event loop does not start".into()));
    match asked {
        Some(Ok(())) => answered.recv().unwrap_or_else(ended),
        _ => Err(OpenError::Loop("the first thread is in use".into())),
    }
}

/// Runs `program` on a thread of its own, and the event loop here once a window is opened.
#[cfg(target_os = "macos")]
pub fn on_main_thread<T: Send>(program: impl FnOnce() -> T + Send) -> T {
    let (ask, asked) = mpsc::channel();
    *ASK.lock() = Some(ask);
    std::thread::scope(|scope| {
        let program = scope.spawn(move || {
            let result = program();
            // Nobody can ask any more, so the first thread goes on.
            *ASK.lock() = None;
            if let Some(Ok(sender)) = &*STARTED.lock() {
                let _ = sender.send(Command::Stop);
            }
            result
        });
        if let Ok(answer) = asked.recv() {
            run(Desktop::Native, &answer);
        }
        match program.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Builds the event loop, answers, and runs it.
fn run(desktop: Desktop, answer: &mpsc::Sender<Started>) {
    let built = build(desktop);
    let events = match built {
        Ok(events) => events,
        Err(e) => return drop(answer.send(Err(e))),
    };
    let context = match softbuffer::Context::new(events.owned_display_handle()) {
        Ok(context) => context,
        Err(e) => return drop(answer.send(Err(OpenError::Loop(e.to_string())))),
    };
    let _ = answer.send(Ok(Sender(events.create_proxy())));
    let mut windows = Windows {
        context,
        open: HashMap::new(),
        by_window: HashMap::new(),
    };
    let ended = events.run_app(&mut windows);
    let reason = match (ended, desktop) {
        // It ends in this way when the display is gone, and says no more.
        (Err(EventLoopError::ExitFailure(_)), Desktop::Wayland) => WAYLAND_GONE.to_owned(),
        (Err(EventLoopError::ExitFailure(_)), Desktop::X11) => X11_GONE.to_owned(),
        (Err(e), _) => e.to_string(),
        (Ok(()), _) => ENDED.to_owned(),
    };
    *STARTED.lock() = Some(Err(OpenError::Loop(reason.clone())));
    for window in windows.open.values_mut() {
        window.tell(WindowEvent::Lost(reason.clone()));
    }
}

fn build(desktop: Desktop) -> Result<EventLoop<Command>, OpenError> {
    let mut builder = EventLoop::<Command>::with_user_event();
    choose(&mut builder, desktop)?;
    builder.build().map_err(|e| OpenError::Loop(e.to_string()))
}

#[cfg(all(unix, not(target_os = "macos")))]
fn choose(builder: &mut EventLoopBuilder<Command>, desktop: Desktop) -> Result<(), OpenError> {
    use winit::platform::wayland::EventLoopBuilderExtWayland as Wayland;
    use winit::platform::x11::EventLoopBuilderExtX11 as X11;
    // winit ends its thread where one of them is missing.
    if xkbcommon_dl::xkbcommon_option().is_none() {
        return Err(OpenError::Missing("libxkbcommon.so.0"));
    }
    match desktop {
        Desktop::Wayland => Wayland::with_wayland(builder),
        _ if xkbcommon_dl::x11::xkbcommon_x11_option().is_none() => {
            return Err(OpenError::Missing("libxkbcommon-x11.so.0"));
        }
        _ => X11::with_x11(builder),
    };
    X11::with_any_thread(builder, true);
    Ok(())
}

#[cfg(windows)]
fn choose(builder: &mut EventLoopBuilder<Command>, _: Desktop) -> Result<(), OpenError> {
    use winit::platform::windows::EventLoopBuilderExtWindows;
    builder.with_any_thread(true);
    Ok(())
}

#[cfg(target_os = "macos")]
fn choose(_: &mut EventLoopBuilder<Command>, _: Desktop) -> Result<(), OpenError> {
    Ok(())
}

/// The open windows.
struct Windows {
    context: Context,
    open: HashMap<u64, OpenWindow>,
    by_window: HashMap<WindowId, u64>,
}

impl ApplicationHandler<Command> for Windows {
    fn resumed(&mut self, _: &ActiveEventLoop) {}

    fn user_event(&mut self, events: &ActiveEventLoop, command: Command) {
        match command {
            Command::Open(id, options, due, answer) => {
                let opened = OpenWindow::open(events, &self.context, *options, due);
                let answered = match opened {
                    Ok(window) => {
                        self.by_window.insert(window.id(), id);
                        self.open.insert(id, window);
                        Ok(())
                    }
                    Err(e) => Err(e),
                };
                // The one who asked may have given up.
                let _ = answer.send(answered);
            }
            Command::Redraw(id) => {
                if let Some(window) = self.open.get_mut(&id) {
                    window.content_changed(Instant::now());
                }
            }
            Command::Natural(id, natural) => {
                if let Some(window) = self.open.get_mut(&id) {
                    window.set_natural(natural);
                }
            }
            Command::Attract(id) => {
                if let Some(window) = self.open.get(&id) {
                    window.attract();
                }
            }
            Command::Title(id, title) => {
                if let Some(window) = self.open.get_mut(&id) {
                    window.set_title(title);
                }
            }
            Command::Close(id) => {
                if let Some(window) = self.open.remove(&id) {
                    self.by_window.remove(&window.id());
                }
            }
            #[cfg(target_os = "macos")]
            Command::Stop => events.exit(),
        }
    }

    fn window_event(&mut self, _: &ActiveEventLoop, window: WindowId, event: WinitEvent) {
        let id = self.by_window.get(&window);
        if let Some(window) = id.and_then(|id| self.open.get_mut(id)) {
            window.handle(event);
        }
    }

    fn new_events(&mut self, _: &ActiveEventLoop, cause: StartCause) {
        if let StartCause::ResumeTimeReached { .. } = cause {
            let now = Instant::now();
            self.open
                .values_mut()
                .for_each(|window| window.draw_postponed(now));
        }
    }

    fn about_to_wait(&mut self, events: &ActiveEventLoop) {
        let next = self.open.values().filter_map(OpenWindow::postponed).min();
        events.set_control_flow(next.map_or(ControlFlow::Wait, ControlFlow::WaitUntil));
    }
}
