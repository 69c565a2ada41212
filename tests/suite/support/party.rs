//! A party of a call: `vidchat call` as a process, with a window on an X display of its own or
//! without any display.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::cli::statistics::Stats;
use crate::network::latency::in_time;
use crate::support::encrypted;
use crate::support::x_display::{Screen, Shot, is_near};
use crate::support::{Ended, Running, Xvfb, vidchat};

pub const WHITE: [u8; 3] = [255, 255, 255];
pub const BLUE: [u8; 3] = [0, 0, 255];
pub const RED: [u8; 3] = [255, 0, 0];
/// Any red that is darker, as in a freeze frame.
pub const DARK_RED: [u8; 3] = [64, 20, 20];
/// A place without a frame.
pub const FIELD: [u8; 3] = [0x1c, 0x20, 0x24];

/// The size that windows are given, so that each place in them is known.
const WIDTH: u16 = 640;
const HEIGHT: u16 = 480;
/// Oneself: a fifth of the width, and 8 pixels from the corner.
const CORNER: [u16; 4] = [504, 376, 128, 96];

/// `vidchat call` for this machine alone, on this port, or with 0 on one of its own. It has a code
/// unless there is another flag.
pub fn call(port: u16) -> Command {
    let mut command = vidchat();
    command.args(["call", "--bind", "127.0.0.1", "--port", &port.to_string()]);
    command
}

/// The arguments of a small test picture of one pattern, which stands still.
pub fn pattern(pattern: &str) -> Vec<String> {
    let set = format!("pattern={pattern}");
    let words = ["--pipeline", "test", "--set", &set, "--set", "speed=0"];
    let words = words.into_iter().chain(["--width", "320", "--fps", "15"]);
    words.map(str::to_owned).collect()
}

/// The arguments that answer everybody.
pub fn always() -> Vec<String> {
    ["--answer", "always"].map(str::to_owned).to_vec()
}

/// How a party is started.
#[derive(Default)]
pub struct PartyOptions<'a> {
    pub name: &'a str,
    /// Where to call; `None` where it waits.
    pub target: Option<&'a str>,
    /// Its source, and whatever else.
    pub arguments: Vec<String>,
    /// Its window is here.
    pub display: Option<&'a Xvfb>,
    /// Where it listens, or 0 for any port.
    pub port: u16,
    /// Whether it makes a code, or has the key or code in its arguments. Otherwise the call is open, or
    /// has the key of a test that is run encrypted.
    pub is_closed: bool,
    /// How its clock differs, such as `+100s`; it needs faketime.
    pub clock: Option<&'a str>,
}

/// A sending pipeline of one colour that moves nowhere, without a clock: small, at 10 frames a second.
pub const PLAIN: &str = "videotestsrc is-live=true pattern=solid-color foreground-color=${colour} \
    ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! appsink name=frames";

/// The file of [`PLAIN`] within a party's folder.
const PLAIN_FILE: &str = "./plain.gst";

/// The arguments of a source of one colour.
pub fn plain([red, green, blue]: [u8; 3]) -> Vec<String> {
    let set = format!("colour=0xff{red:02x}{green:02x}{blue:02x}");
    let words = ["--pipeline", PLAIN_FILE, "--set", &set];
    words.map(str::to_owned).to_vec()
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
        std::fs::write(folder.path().join(PLAIN_FILE), PLAIN).expect("the folder can be written");
        let mut command = call(options.port);
        if let Some(clock) = options.clock {
            in_time(&mut command, clock);
        }
        command
            .args(options.target)
            .args((!options.is_closed && !encrypted::is_on()).then_some("--open"))
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
        let always = always();
        Self::start(PartyOptions {
            name,
            arguments: arguments.into_iter().chain(always).collect(),
            ..PartyOptions::default()
        })
    }

    /// One that calls and shows nothing.
    pub fn calling(name: &str, target: &str, arguments: Vec<String>) -> Self {
        Self::start(PartyOptions {
            name,
            target: Some(target),
            arguments,
            ..PartyOptions::default()
        })
    }

    /// As [`Party::answering`], with the code that it makes, or what is in its arguments.
    pub fn closed(name: &str, arguments: Vec<String>) -> Self {
        Self::start(PartyOptions {
            name,
            arguments: arguments.into_iter().chain(always()).collect(),
            is_closed: true,
            ..PartyOptions::default()
        })
    }

    /// As [`Party::calling`], with these flags of its key or code.
    pub fn with(name: &str, target: &str, flags: &[&str], arguments: Vec<String>) -> Self {
        let flags = flags.iter().map(|flag| (*flag).to_owned());
        Self::start(PartyOptions {
            name,
            target: Some(target),
            arguments: arguments.into_iter().chain(flags).collect(),
            is_closed: true,
            ..PartyOptions::default()
        })
    }

    /// The code that it has shown last.
    pub fn code(&self) -> String {
        code_in(self.process.seen())
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
    let last = line.rsplit(':').next();
    // Flags may follow.
    let port = last.map(|last| last.split(' ').next().unwrap_or_default());
    port.and_then(|port| port.parse().ok())
        .unwrap_or_else(|| panic!("no port in {line:?}"))
}

/// The code in the last of these lines that has one.
pub fn code_in(lines: &[String]) -> String {
    let mut lines = lines.iter().rev();
    let line = lines.find(|line| line.contains("--code "));
    let code = line.and_then(|line| line.rsplit(' ').next());
    code.expect("it shows a code").to_owned()
}

/// A code that differs from this one in its second word.
pub fn wrong(code: &str) -> String {
    let (rest, last) = code.rsplit_once('-').expect("it has words");
    // Words of the second list.
    let other = if last == "otter" { "badger" } else { "otter" };
    format!("{rest}-{other}")
}

/// Whether nobody listens at this port of UDP, as an open source does whose pipeline is a feed.
pub fn is_closed(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
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

    /// Waits until oneself in the corner looks different so many times.
    pub fn moves(&self, times: usize) {
        let mut seen = Vec::new();
        for _ in 0..times {
            self.shows("another frame of oneself", |shot| shot.small() != seen);
            seen = CallShot(&self.screen.shot(self.id).expect("it stays")).small();
        }
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

    /// The pixels of the small frame's upper part.
    fn small(&self) -> Vec<[u8; 3]> {
        let [x, y, width, height] = CORNER;
        let pixels = (x..x + width).flat_map(|x| (y..y + height / 3).map(move |y| (x, y)));
        pixels.map(|(x, y)| self.0.pixel(x, y)).collect()
    }

    /// Whether the large frame is of a darker red.
    pub fn is_dark_red(&self) -> bool {
        [8, WIDTH - 8]
            .iter()
            .all(|x| is_dark_red(self.0.pixel(*x, 60)))
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
                match colour {
                    &DARK_RED => is_dark_red(self.0.pixel(x, y)),
                    colour => is_near(self.0.pixel(x, y), *colour),
                }
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

fn is_dark_red([red, green, blue]: [u8; 3]) -> bool {
    (40..200).contains(&red) && green < 40 && blue < 40
}
