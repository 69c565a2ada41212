//! A desktop that changes while a window is open: its scale, its screens, its resolution. On X11 and
//! on a Wayland desktop.

use std::path::Path;
use std::process::Command;

use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ConnectionExt as _, CreateWindowAux, PropMode, WindowClass};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::support::sway::{SCREEN, SCREEN_SIZE, Sway, SwayWindow};
use crate::support::x_display::{Screen, Shot, WindowManager};
use crate::support::{Running, Sender, Xvfb, skipped, vidchat};

const TITLE: &str = "RECEIVING VIDEO from demo";

/// The bars at rest.
const DEMO: [&str; 3] = ["demo", "--set", "speed=0"];

/// A sending pipeline of still bars of this size, small enough for a slow machine.
fn bars(width: u32, height: u32) -> String {
    format!(
        "videotestsrc is-live=true horizontal-speed=0 \
         ! video/x-raw,format=I420,width={width},height={height},framerate=10/1 \
         ! appsink name=frames\n"
    )
}

/// A sender of this pipeline, which it changes over to what the file is written to be.
fn watching_sender(file: &Path, pipeline: &str) -> Sender {
    std::fs::write(file, pipeline).expect("the folder can be written");
    let file = file.to_str().expect("the path is text");
    Sender::start(["--pipeline", file, "--watch", "--no-preview"])
}

#[test]
fn a_window_on_a_wayland_desktop_has_a_title_keys_the_full_screen_and_closes() {
    let Some(sway) = Sway::start() else { return };
    let demo = Running::start(&mut sway.vidchat(&DEMO));
    let open = sway.window_that("a window", |window| window.title == TITLE);
    let [_, _, width, height] = open.place;
    assert_eq!((width, height), (320, 240));
    let plain = sway.shows("the bars", open.place, 1.0, |shot| shot.shows_bars());
    // The clock in the middle has letters as well.
    let more = plain.letters() + 200;
    sway.press("?");
    sway.shows("help", open.place, 1.0, |shot| shot.letters() > more);
    sway.press("?");
    sway.shows("no help", open.place, 1.0, |shot| shot.letters() < more);
    sway.press("f");
    let full = sway.window_that("the full screen", |window| window.is_full_screen);
    sway.shows("the bars in the middle", full.place, 1.0, |shot| {
        shot.shows_bars_at(160, 0, 960, 720)
    });
    sway.press("f");
    sway.window_that("the window again", |window| *window == open);
    sway.shows("the bars again", open.place, 1.0, |shot| shot.shows_bars());
    sway.tell("[app_id=vidchat] kill");
    let ended = demo.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn when_a_wayland_desktop_ends_the_receiver_says_so() {
    let Some(sway) = Sway::start() else { return };
    let sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    let receiver = Running::start(&mut sway.vidchat(&["recv", &sender.target()]));
    sway.window_that("a window", |_| true);
    sway.signal("TERM");
    let ended = receiver.wait();
    assert_eq!(ended.code(), 3, "{ended:?}");
    let error = "error: lost the display: the Wayland compositor closed the connection";
    assert!(ended.stderr.contains(error), "{ended:?}");
}

#[test]
fn a_wayland_window_keeps_its_size_for_the_eye_and_is_sharp_when_the_scale_changes() {
    let Some(sway) = Sway::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.gst");
    let sender = watching_sender(&file, &bars(320, 240));
    let mut receiver = Running::start(&mut sway.vidchat(&["recv", "-v", &sender.target()]));
    receiver.line_with("window: open on Wayland");
    let size = |window: &SwayWindow| (window.place[2], window.place[3]);
    for scale in [1.0, 2.0, 1.5, 1.0, 2.0] {
        sway.tell(&format!("output {SCREEN} scale {scale}"));
        // Where the whole of it is on the screen.
        sway.tell("[app_id=vidchat] move position 0 0");
        let window = sway.window_that("the window", |window| size(window) == (320, 240));
        let what = format!("the bars at {scale}");
        sway.shows(&what, window.place, scale, |shot| shot.shows_bars());
    }
    // Nobody has chosen a size, so the window follows the frames.
    std::fs::write(&file, bars(360, 270)).unwrap();
    let window = sway.window_that("the new size", |window| size(window) == (360, 270));
    sway.shows("the bars", window.place, 2.0, |shot| shot.shows_bars());
    // A frame as large as the screen shows whether pixels are drawn for it, or are enlarged later.
    let (width, height) = SCREEN_SIZE;
    let squares = format!(
        "videotestsrc is-live=true pattern=checkers-1 \
         ! video/x-raw,format=GRAY8,width={width},height={height},framerate=10/1 \
         ! appsink name=frames\n"
    );
    std::fs::write(&file, squares).unwrap();
    sway.press("f");
    for scale in [2.0, 1.0] {
        sway.tell(&format!("output {SCREEN} scale {scale}"));
        let full = sway.window_that("the full screen", |window| window.is_full_screen);
        let what = format!("sharp at {scale}");
        sway.shows(&what, full.place, scale, |shot| shot.is_sharp());
    }
    sway.press("q");
    let ended = receiver.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn a_wayland_window_opens_in_the_same_size_for_the_eye_on_a_screen_of_scale_two() {
    let Some(sway) = Sway::start() else { return };
    sway.tell(&format!("output {SCREEN} scale 2"));
    let _demo = Running::start(&mut sway.vidchat(&DEMO));
    let window = sway.window_that("a window", |window| window.title == TITLE);
    let [_, _, width, height] = window.place;
    assert_eq!((width, height), (320, 240));
    sway.shows("the bars", window.place, 2.0, |shot| {
        (shot.width, shot.height) == (640, 480) && shot.shows_bars()
    });
}

#[test]
fn a_wayland_window_goes_to_a_screen_of_another_scale_and_stays_when_that_goes() {
    let Some(sway) = Sway::start() else { return };
    let demo = Running::start(&mut sway.vidchat(&DEMO));
    sway.window_that("a window", |window| window.title == TITLE);
    let shows_bars_on = |screen: &str, size: [u16; 2]| {
        // Which also shows its workspace.
        sway.tell("[app_id=vidchat] focus");
        sway.tell("[app_id=vidchat] move position 0 0");
        let what = format!("the bars on {screen}");
        sway.shows_on(screen, &what, [0, 0, size[0], size[1]], Shot::shows_bars);
    };
    shows_bars_on(SCREEN, [320, 240]);
    sway.tell("create_output");
    sway.tell("output HEADLESS-2 scale 2");
    sway.tell("[app_id=vidchat] move window to output HEADLESS-2");
    shows_bars_on("HEADLESS-2", [640, 480]);
    // sway 1.7 knows no way to take a screen away.
    if !sway.does("output HEADLESS-2 unplug") {
        sway.tell(&format!("[app_id=vidchat] move window to output {SCREEN}"));
    }
    shows_bars_on(SCREEN, [320, 240]);
    sway.press("q");
    let ended = demo.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

/// What tells the programs on a desktop of X11 its settings. It goes when dropped.
struct SettingsManager {
    connection: RustConnection,
    window: u32,
    property: u32,
}

impl SettingsManager {
    fn start(display: &Xvfb) -> Self {
        let (connection, number) = x11rb::connect(Some(&display.display)).expect("it answers");
        let atom = |name: &str| {
            let asked = connection.intern_atom(false, name.as_bytes()).unwrap();
            asked.reply().expect("the server knows atoms").atom
        };
        let (screen, property) = (atom("_XSETTINGS_S0"), atom("_XSETTINGS_SETTINGS"));
        let root = connection.setup().roots[number].root;
        let window = connection.generate_id().expect("there are ids");
        let (kind, options) = (WindowClass::INPUT_ONLY, CreateWindowAux::new());
        connection
            .create_window(0, window, root, 0, 0, 1, 1, 0, kind, 0, &options)
            .unwrap();
        let manager = Self {
            connection,
            window,
            property,
        };
        manager.set_dots(96);
        let connection = &manager.connection;
        connection
            .set_selection_owner(window, screen, x11rb::CURRENT_TIME)
            .unwrap();
        connection.sync().expect("the server does it");
        manager
    }

    /// Says how many dots an inch has, of which 96 are one pixel each.
    fn set_dots(&self, dots: u32) {
        let name = b"Xft/DPI\0";
        // The byte order, the serial number, one setting: a number, the length of its name.
        let mut settings = vec![0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 7, 0];
        settings.extend(name);
        settings.extend([1, 0, 0, 0]);
        settings.extend((dots * 1024).to_le_bytes());
        self.connection
            .change_property8(
                PropMode::REPLACE,
                self.window,
                self.property,
                self.property,
                &settings,
            )
            .unwrap();
        self.connection.flush().unwrap();
    }
}

/// Runs a command on the display; `false`, said aloud, where it is not installed.
fn on_display(display: &Xvfb, script: &str) -> bool {
    let mut shell = Command::new("sh");
    let shell = shell.args(["-e", "-c", script]);
    let ran = shell.env("DISPLAY", &display.display).output();
    let ran = ran.expect("there is a shell");
    if ran.status.code() == Some(127) {
        skipped("xrandr is not installed");
        return false;
    }
    assert!(ran.status.success(), "{script}: {ran:?}");
    true
}

#[test]
fn a_window_on_x11_follows_a_change_of_the_scale() {
    let Some(display) = Xvfb::start() else { return };
    let settings = SettingsManager::start(&display);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.gst");
    let sender = watching_sender(&file, &bars(320, 240));
    let mut recv = vidchat();
    recv.args(["recv", &sender.target()]);
    let receiver = Running::start(recv.env("DISPLAY", &display.display));
    let screen = Screen::of(&display);
    let window = screen.any_window();
    screen.wait_for(window, "the bars", |shot| shot.shows_bars());
    for (dots, size) in [
        (192, (640, 480)),
        (144, (480, 360)),
        (96, (320, 240)),
        (192, (640, 480)),
    ] {
        settings.set_dots(dots);
        screen.wait_for(window, &format!("{size:?} with {dots} dpi"), |shot| {
            (shot.width, shot.height) == size && shot.shows_bars()
        });
    }
    // Nobody has chosen a size, so the window follows the frames.
    std::fs::write(&file, bars(360, 270)).unwrap();
    screen.wait_for(window, "the new size", |shot| {
        (shot.width, shot.height) == (720, 540) && shot.shows_bars()
    });
    screen.close(window);
    let ended = receiver.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn the_full_screen_on_x11_follows_a_change_of_the_resolution() {
    let Some(display) = Xvfb::start() else { return };
    let Some(_manager) = WindowManager::start(&display) else {
        return;
    };
    let screen = Screen::of(&display);
    screen.wait_for_manager();
    let mut demo = vidchat();
    let demo = Running::start(demo.args(DEMO).env("DISPLAY", &display.display));
    let window = screen.managed_window(TITLE);
    screen.wait_for(window, "the bars", |shot| shot.shows_bars());
    if !screen.press(window, "f") {
        return;
    }
    screen.wait_for(window, "the full screen", |shot| {
        (shot.width, shot.height) == (1024, 768) && shot.shows_bars()
    });
    let to = |mode: &str| format!("xrandr --output screen --mode {mode}");
    let new_mode = "xrandr --newmode 640x480 0 640 0 0 640 480 0 0 480; \
                    xrandr --addmode screen 640x480; ";
    if !on_display(&display, &format!("{new_mode} {}", to("640x480"))) {
        return;
    }
    screen.wait_for(window, "the smaller screen", |shot| {
        (shot.width, shot.height) == (640, 480) && shot.shows_bars()
    });
    on_display(&display, &to("1024x768"));
    screen.wait_for(window, "the larger screen", |shot| {
        (shot.width, shot.height) == (1024, 768) && shot.shows_bars()
    });
    screen.press(window, "f");
    screen.wait_for(window, "the window again", |shot| {
        (shot.width, shot.height) == (320, 240) && shot.shows_bars()
    });
    screen.press(window, "q");
    let ended = demo.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}
