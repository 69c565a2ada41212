//! A party of a call: `vidchat call` as a process, with a window on an X display of its own or
//! without any display.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::cli::statistics::Stats;
use crate::support::x_display::{Screen, Shot, is_near};
use crate::support::{Ended, Running, Xvfb, vidchat};

/// Colours of the test pattern.
pub const WHITE: [u8; 3] = [255, 255, 255];
pub const BLUE: [u8; 3] = [0, 0, 255];
pub const RED: [u8; 3] = [255, 0, 0];
pub const GREEN: [u8; 3] = [0, 255, 0];
/// A place without a frame.
pub const FIELD: [u8; 3] = [0x1c, 0x20, 0x24];

/// The size that windows are given, so that each place in them is known.
const WIDTH: u16 = 640;
const HEIGHT: u16 = 480;
/// Oneself: a fifth of the width, and 8 pixels from the corner.
const CORNER: [u16; 4] = [504, 376, 128, 96];

/// `vidchat call` on a port of its own, for this machine alone.
pub fn call() -> Command {
    let mut command = vidchat();
    command.args(["call", "--bind", "127.0.0.1", "--port", "0"]);
    command
}

/// The arguments of a small test picture of one pattern, which stands still.
pub fn pattern(pattern: &str) -> Vec<String> {
    let set = format!("pattern={pattern}");
    let words = ["--pipeline", "test", "--set", &set, "--set", "speed=0"];
    let words = words.into_iter().chain(["--width", "320", "--fps", "15"]);
    words.map(str::to_owned).collect()
}

/// How a party is started.
pub struct PartyOptions<'a> {
    pub name: &'a str,
    /// Where to call; `None` where it waits.
    pub target: Option<&'a str>,
    /// Its source, and whatever else.
    pub arguments: Vec<String>,
    /// Its window is here.
    pub display: Option<&'a Xvfb>,
}

/// A running `vidchat call`. It is ended when dropped.
pub struct Party {
    pub process: Running,
    pub stats: Stats,
    /// Where it waits; 0 where it has called.
    pub port: u16,
    folder: tempfile::TempDir,
}

impl Party {
    /// Starts one, and waits until it listens or calls.
    pub fn start(options: PartyOptions<'_>) -> Self {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let mut command = call();
        command
            .args(options.target)
            .args(["--name", options.name])
            .args(&options.arguments)
            .current_dir(folder.path());
        match options.display {
            Some(display) => command.env("DISPLAY", &display.display),
            None => command.args(["--display", "none"]),
        };
        let stats = Stats::of(&mut command);
        let mut process = Running::start(&mut command);
        let port = match options.target {
            Some(_) => {
                process.line_with("Calling ");
                0
            }
            None => port_in(&process.line_with("vidchat call 127.0.0.1:")),
        };
        Self {
            process,
            stats,
            port,
            folder,
        }
    }

    /// One that waits, answers everybody and shows nothing.
    pub fn answering(name: &str, arguments: Vec<String>) -> Self {
        let always = ["--answer", "always"].map(str::to_owned);
        Self::start(PartyOptions {
            name,
            target: None,
            arguments: arguments.into_iter().chain(always).collect(),
            display: None,
        })
    }

    /// One that calls and shows nothing.
    pub fn calling(name: &str, target: &str, arguments: Vec<String>) -> Self {
        Self::start(PartyOptions {
            name,
            target: Some(target),
            arguments,
            display: None,
        })
    }

    /// What to give to `vidchat call`.
    pub fn target(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The folder in which it runs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The files with this ending in its folder.
    pub fn files(&self, ending: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder()).expect("the folder is there");
        let paths = entries.map(|entry| entry.expect("it can be read").path());
        paths
            .filter(|path| path.extension().is_some_and(|found| found == ending))
            .collect()
    }

    /// Waits until it shows frames of the party with this name.
    pub fn sees(&self, name: &str) -> Value {
        self.stats.line(&format!("frames of {name}"), |line| {
            line["sender"] == name && line["state"] == "live" && line["shown"].as_u64() > Some(0)
        })
    }

    /// Waits until the stream of this party is in this state.
    pub fn sees_state(&self, name: &str, state: &str) -> Value {
        self.stats.line(&format!("{name}: {state}"), |line| {
            line["sender"] == name && line["state"] == state
        })
    }

    /// Ends it as a person would, and looks at its exit status.
    pub fn quit(self) -> Ended {
        self.process.signal("INT");
        let ended = self.process.wait();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        ended
    }

    /// Waits until it has ended without a failure.
    pub fn ends_well(self) -> Ended {
        let ended = self.process.wait();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        ended
    }
}

/// The port in what a party that waits says.
pub fn port_in(line: &str) -> u16 {
    let port = line.trim().rsplit(':').next();
    port.and_then(|port| port.parse().ok())
        .unwrap_or_else(|| panic!("no port in {line:?}"))
}

/// The window of a party, of a known size.
pub struct PartyWindow {
    pub screen: Screen,
    pub id: u32,
}

impl PartyWindow {
    /// The only window of this display, once it is there.
    pub fn on(display: &Xvfb) -> Self {
        let screen = Screen::of(display);
        let id = screen.any_window();
        Self { screen, id }
    }

    /// Waits until it shows what is wanted.
    pub fn shows(&self, what: &str, wanted: impl Fn(&CallShot<'_>) -> bool) {
        self.screen.wait_for(self.id, what, |shot| {
            let is_sized = (shot.width, shot.height) == (WIDTH, HEIGHT);
            if !is_sized {
                // The first frame may have given it another size.
                self.screen.resize(self.id, WIDTH.into(), HEIGHT.into());
            }
            is_sized && wanted(&CallShot(shot))
        });
    }

    /// Presses a key; `false`, said aloud, where that cannot be done.
    pub fn press(&self, key: &str) -> bool {
        self.screen.press(self.id, key)
    }
}

/// The content of a party's window.
pub struct CallShot<'s>(&'s Shot);

impl CallShot<'_> {
    /// Whether the large frame has these colours at the left and at the right.
    pub fn is_large(&self, [left, right]: [[u8; 3]; 2]) -> bool {
        let right_edge = WIDTH - 8;
        is_near(self.0.pixel(8, 60), left) && is_near(self.0.pixel(right_edge, 60), right)
    }

    /// Whether the small frame has these colours at the left and at the right.
    pub fn is_small(&self, [left, right]: [[u8; 3]; 2]) -> bool {
        let [x, y, width, height] = CORNER;
        let row = y + height / 4;
        is_near(self.0.pixel(x + 5, row), left) && is_near(self.0.pixel(x + width - 6, row), right)
    }

    /// Whether the frames fill a grid of so many columns and rows with these colours, row by row.
    /// The last row is in the middle.
    pub fn is_grid(&self, columns: u16, rows: &[&[[u8; 3]]]) -> bool {
        let (width, height) = (WIDTH / columns, HEIGHT / rows.len() as u16);
        (0u16..).zip(rows).all(|(row, colours)| {
            let left = (columns - colours.len() as u16) * width / 2;
            (0u16..).zip(*colours).all(|(column, colour)| {
                // Away from the name below and the clock in the middle.
                let x = left + column * width + width / 2;
                let y = row * height + height / 2 - (width * 3 / 4).min(height) / 3;
                is_near(self.0.pixel(x, y), *colour)
            })
        })
    }

    /// How many pixels of this part of the window are as white as letters.
    pub fn letters(&self, [x, y, width, height]: [u16; 4]) -> usize {
        let pixels = (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y)));
        pixels
            .filter(|(x, y)| self.0.pixel(*x, *y) == WHITE)
            .count()
    }
}
