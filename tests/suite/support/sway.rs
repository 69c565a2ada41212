//! A Wayland desktop of a test's own that can be told to change: sway, with screens in memory alone.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::x_display::Shot;
use crate::support::{PATIENCE, signal, skipped, vidchat};

/// The first of its screens.
pub const SCREEN: &str = "HEADLESS-1";
/// The size of that screen in pixels.
pub const SCREEN_SIZE: (u16, u16) = (1280, 720);

/// sway 1.7 refuses to run for root. Nobody has this number.
const USER: u32 = 54321;

const CONFIG: &str = "\
xwayland disable
output HEADLESS-1 mode 1280x720
default_border none
for_window [app_id=\"vidchat\"] floating enable
";

/// A running sway with a keyboard. It is ended when dropped.
pub struct Sway {
    process: Child,
    keyboard: Option<Child>,
    socket: String,
    folder: tempfile::TempDir,
}

/// A window as sway has it.
#[derive(Debug, PartialEq, Eq)]
pub struct SwayWindow {
    pub title: String,
    pub is_full_screen: bool,
    /// Left, top, width and height in the desktop's own units.
    pub place: [i64; 4],
}

impl Sway {
    /// Starts one; `None`, said aloud, where it or what the test needs beside it is not installed.
    pub fn start() -> Option<Self> {
        for (program, asks) in [("sway", "--version"), ("grim", "-h"), ("wtype", "")] {
            let mut asked = Command::new(program);
            let asked = asked.args(Some(asks).filter(|asks| !asks.is_empty()));
            if asked.stdin(Stdio::null()).output().is_err() {
                skipped(&format!("{program} is not installed"));
                return None;
            }
        }
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let config = folder.path().join("config");
        std::fs::write(&config, CONFIG).expect("the folder can be written");
        let mut command = if rustix::process::getuid().is_root() {
            std::os::unix::fs::chown(folder.path(), Some(USER), Some(USER)).expect("we are root");
            let mut command = Command::new("setpriv");
            let user = [format!("--reuid={USER}"), format!("--regid={USER}")];
            command.args(user).args(["--clear-groups", "--", "sway"]);
            command
        } else {
            Command::new("sway")
        };
        command
            .arg("--config")
            .arg(&config)
            .env("XDG_RUNTIME_DIR", folder.path())
            .env("SWAYSOCK", folder.path().join("sway.sock"))
            .env("WLR_BACKENDS", "headless")
            .env("WLR_RENDERER", "pixman")
            .env("WLR_LIBINPUT_NO_DEVICES", "1")
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = command.spawn().expect("it is installed");
        let mut sway = Self {
            process,
            keyboard: None,
            socket: String::new(),
            folder,
        };
        sway.until("sway listens", |sway| sway.ask(&["-t", "get_version"]));
        let names = std::fs::read_dir(sway.folder.path()).expect("it is ours");
        let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut sockets = names.filter(|name| name.starts_with("wayland-") && !name.contains('.'));
        sway.socket = sockets.next().expect("sway has a socket for its windows");
        // While one keyboard is there, another can come and go unseen.
        let keyboard = sway
            .with_display("wtype")
            .args(["-s", "1000000000", "q"])
            .spawn();
        sway.keyboard = Some(keyboard.expect("it is installed"));
        sway.until("a keyboard", |sway| {
            let seats = sway.ask(&["-t", "get_seats"])?;
            (seats[0]["capabilities"] != 0).then_some(())
        });
        Some(sway)
    }

    /// A command whose windows are on this desktop.
    fn with_display(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        self.set_display(&mut command);
        command
    }

    fn set_display(&self, command: &mut Command) {
        command
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("WAYLAND_DISPLAY", &self.socket)
            .env_remove("DISPLAY")
            .stdin(Stdio::null());
    }

    pub fn vidchat(&self, arguments: &[&str]) -> Command {
        let mut command = vidchat();
        self.set_display(&mut command);
        // GStreamer warns of a compositor that has no graphics card.
        command.args(arguments).env_remove("G_DEBUG");
        command
    }

    /// Has sway carry out a command of its own.
    pub fn tell(&self, command: &str) {
        assert!(self.does(command), "sway: {command}");
    }

    /// The same; `false` where it does not know or cannot do it.
    pub fn does(&self, command: &str) -> bool {
        let told = self.ask(&[command]).unwrap_or_default();
        told[0]["success"] == true
    }

    /// The answer of sway to a question; `None` where it does not listen.
    fn ask(&self, arguments: &[&str]) -> Option<Value> {
        let mut command = Command::new("swaymsg");
        let socket = self.folder.path().join("sway.sock");
        let asked = command
            .arg("--raw")
            .arg("--socket")
            .arg(socket)
            .args(arguments);
        let answer = asked.output().expect("it comes with sway").stdout;
        serde_json::from_slice(&answer).ok()
    }

    /// The window of vidchat.
    pub fn window(&self) -> Option<SwayWindow> {
        let mut nodes = vec![self.ask(&["-t", "get_tree"])?];
        while let Some(mut node) = nodes.pop() {
            if node["app_id"] == "vidchat" {
                let at = |name: &str| node["rect"][name].as_i64().unwrap_or_default();
                return Some(SwayWindow {
                    title: node["name"].as_str().unwrap_or_default().to_owned(),
                    is_full_screen: node["fullscreen_mode"] != 0,
                    place: ["x", "y", "width", "height"].map(at),
                });
            }
            for name in ["nodes", "floating_nodes"] {
                if let Some(inner) = node[name].as_array_mut() {
                    nodes.append(inner);
                }
            }
        }
        None
    }

    /// Waits until the window is as wanted; `what` says it for the error.
    pub fn window_that(&self, what: &str, wanted: impl Fn(&SwayWindow) -> bool) -> SwayWindow {
        self.until(what, |sway| sway.window().filter(&wanted))
    }

    /// What a screen shows now, in pixels; `None` while it shows nothing.
    pub fn shot(&self, screen: &str) -> Option<Shot> {
        let mut grim = self.with_display("grim");
        let taken = grim.args(["-t", "ppm", "-o", screen, "-"]).output();
        Shot::of_ppm(&taken.expect("it is installed").stdout)
    }

    /// What its window shows on the first screen, where one unit of the desktop is one pixel.
    pub fn window_shot(&self) -> Option<Shot> {
        let part = self.window()?.place.map(|side| side as u16);
        self.shot(SCREEN)?.part(part)
    }

    /// Waits until this part of the first screen shows what is wanted. The part is in the desktop's
    /// units, of which each takes `scale` pixels.
    pub fn shows(
        &self,
        what: &str,
        part: [i64; 4],
        scale: f64,
        wanted: impl Fn(&Shot) -> bool,
    ) -> Shot {
        let part = part.map(|side| (side as f64 * scale).round() as u16);
        self.shows_on(SCREEN, what, part, wanted)
    }

    /// The same with a part of any screen, in its pixels.
    pub fn shows_on(
        &self,
        screen: &str,
        what: &str,
        part: [u16; 4],
        wanted: impl Fn(&Shot) -> bool,
    ) -> Shot {
        self.until(what, |sway| sway.shot(screen)?.part(part).filter(&wanted))
    }

    /// Types a character on a keyboard of its own.
    pub fn press(&self, key: &str) {
        let typed = self.with_display("wtype").arg(key).status();
        assert!(typed.is_ok_and(|typed| typed.success()), "wtype {key}");
    }

    /// Sends it a signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        signal(self.process.id(), name);
    }

    /// Waits until `look` finds something.
    fn until<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(Instant::now() < until, "never {what}: {:?}", self.window());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Sway {
    fn drop(&mut self) {
        for process in self.keyboard.iter_mut().chain([&mut self.process]) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
