//! A terminal of the tests' own, which is asked what it can do, answers, and shows text and images.
//!
//! It knows of kitty's graphics protocol and of sixel what the standards say, not what vidchat
//! writes: images come back as pixels.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use wait_timeout::ChildExt;

use crate::support::PATIENCE;

pub type Rgb = [u8; 3];

/// The size of a cell in pixels.
pub const CELL: (usize, usize) = (8, 16);

/// What a terminal can do, and how it answers.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    pub kitty: bool,
    pub sixel: bool,
    pub true_colour: bool,
    /// Whether it answers at all.
    pub answers: bool,
    /// Whether the system knows how many pixels it has. It says so itself where not.
    pub has_pixels: bool,
    pub is_light: bool,
}

/// One that answers that it shows text in 256 colours.
pub const TEXT: Abilities = Abilities {
    kitty: false,
    sixel: false,
    true_colour: false,
    answers: true,
    has_pixels: true,
    is_light: false,
};

/// An image: rows of pixels, `None` where nothing was drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    pub width: usize,
    pub rows: Vec<Vec<Option<Rgb>>>,
}

impl Image {
    /// The colour of a pixel.
    pub fn at(&self, x: usize, y: usize) -> Option<Rgb> {
        *self.rows.get(y)?.get(x)?
    }

    /// The mean of the pixels around the middle of a row, at this part of the width.
    pub fn mean(&self, x: f64, y: f64) -> Option<Rgb> {
        let (x, y) = (
            (self.width as f64 * x) as usize,
            (self.rows.len() as f64 * y) as usize,
        );
        let around = (0..64).map(|i| self.at(x.checked_sub(4)? + i % 8, y.checked_sub(4)? + i / 8));
        let around: Option<Vec<Rgb>> = around.collect();
        let around = around?;
        Some(std::array::from_fn(|channel| {
            let sum: u32 = around.iter().map(|rgb| u32::from(rgb[channel])).sum();
            (sum / 64) as u8
        }))
    }
}

/// One cell of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    pub letter: char,
    pub foreground: Option<Colour>,
    pub background: Option<Colour>,
}

/// A colour as the program has named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Number(u8),
    Full(Rgb),
}

/// What is seen, and what has come.
#[derive(Default)]
pub struct Screen {
    pub columns: usize,
    pub rows: usize,
    pub cells: Vec<Vec<Cell>>,
    /// Whether the other screen covers the shell's.
    pub is_covered: bool,
    pub is_cursor_hidden: bool,
    /// The images that were sent and not deleted, by number.
    images: BTreeMap<u32, Image>,
    /// Those that are seen, with their columns and rows.
    pub placed: BTreeMap<u32, (usize, usize)>,
    /// The sixel image that is seen, and its row and column.
    pub sixel: Option<(Image, usize, usize)>,
    /// How many images have come.
    pub image_count: usize,
    /// How many bytes the last image took.
    pub last_image_bytes: usize,
    /// How many questions have come.
    pub question_count: usize,
    /// How many questions for its state were not answered yet.
    pub withheld: usize,
    /// Whether it answers such questions from here on.
    pub withholds: bool,
    /// Answers to other questions that were not given yet, where they are late.
    pub late: Vec<u8>,
    pub is_late: bool,
    cursor: (usize, usize),
    /// Where the shell's cursor is while its screen is covered.
    other_cursor: (usize, usize),
    style: Style,
    /// The rest of an image of kitty's that comes in pieces, and what is to become of it.
    pieces: Option<(BTreeMap<String, String>, String)>,
    /// What was not understood.
    pub errors: Vec<String>,
}

#[derive(Clone, Copy, Default)]
struct Style {
    foreground: Option<Colour>,
    background: Option<Colour>,
}

impl Screen {
    /// The image that is seen, as kitty or sixel.
    pub fn image(&self) -> Option<&Image> {
        let last = self.placed.keys().last();
        let kitty = last.and_then(|number| self.images.get(number));
        kitty.or_else(|| self.sixel.as_ref().map(|(image, ..)| image))
    }

    /// How many images it keeps.
    pub fn kept(&self) -> usize {
        self.images.len()
    }

    /// The text of a row.
    pub fn row(&self, row: usize) -> String {
        let letters = self.cells[row].iter().map(|cell| match cell.letter {
            '\0' => ' ',
            letter => letter,
        });
        letters.collect::<String>().trim_end().to_owned()
    }

    /// All rows.
    pub fn text(&self) -> String {
        let rows = (0..self.rows).map(|row| self.row(row));
        rows.collect::<Vec<_>>().join("\n")
    }

    fn resize(&mut self, columns: usize, rows: usize) {
        (self.columns, self.rows) = (columns, rows);
        self.cells = vec![vec![Cell::default(); columns]; rows];
    }
}

/// A program in the terminal. It is ended when dropped.
pub struct Program(Child);

impl Program {
    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its end, and returns its exit status.
    pub fn end(&mut self) -> Option<i32> {
        let ended = self.0.wait_timeout(PATIENCE).expect("waiting works");
        ended.expect("it ends").code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The terminal: a program writes to it and reads from it.
pub struct ImageTerminal {
    master: Arc<File>,
    slave: File,
    name: String,
    shared: Arc<(Mutex<Screen>, Condvar)>,
    abilities: Abilities,
}

impl ImageTerminal {
    /// One of 80 columns and 24 rows.
    pub fn new(abilities: Abilities) -> Self {
        Self::slow(abilities, None)
    }

    /// One that takes so many bytes a second.
    pub fn slow(abilities: Abilities, rate: Option<f64>) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a terminal");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let name = name.into_string().expect("text");
        let slave = OpenOptions::new().read(true).write(true).open(&name);
        let terminal = Self {
            master: Arc::new(File::from(master)),
            slave: slave.expect("a terminal"),
            name,
            shared: Arc::default(),
            abilities,
        };
        terminal.resize(80, 24);
        let (master, shared) = (Arc::clone(&terminal.master), Arc::clone(&terminal.shared));
        std::thread::spawn(move || show(&master, &shared, abilities, rate));
        terminal
    }

    /// Changes its size.
    pub fn resize(&self, columns: u16, rows: u16) {
        let (width, height) = (CELL.0 as u16, CELL.1 as u16);
        let pixels = u16::from(self.abilities.has_pixels);
        self.screen().resize(columns.into(), rows.into());
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: columns * width * pixels,
            ws_ypixel: rows * height * pixels,
        };
        tcsetwinsize(&*self.master, size).expect("a terminal");
    }

    /// Runs a command in it, as its own session, so that its keys are the command's.
    pub fn run(&self, command: &Command) -> Program {
        let open = || OpenOptions::new().read(true).write(true).open(&self.name);
        let mut inside = Command::new("setsid");
        inside.arg("-c").arg(command.get_program());
        inside.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        for name in ["COLORTERM", "TMUX", "STY", "NO_COLOR"] {
            if command.get_envs().all(|(given, _)| given != name) {
                inside.env_remove(name);
            }
        }
        if command.get_envs().all(|(given, _)| given != "TERM") {
            inside.env("TERM", "xterm-256color");
        }
        let child = inside
            .stdin(open().expect("a terminal"))
            .stderr(open().expect("a terminal"))
            .stdout(Stdio::null())
            .spawn()
            .expect("setsid is installed");
        Program(child)
    }

    /// What is seen now.
    pub fn screen(&self) -> MutexGuard<'_, Screen> {
        self.shared.0.lock().expect("no test panics with it")
    }

    /// Waits for something to be seen.
    pub fn until(&self, what: &str, is_seen: impl Fn(&Screen) -> bool) {
        let end = Instant::now() + PATIENCE;
        let mut screen = self.screen();
        while !is_seen(&screen) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "no {what} in time: {} images, {:?}\n{}",
                screen.image_count,
                screen.errors,
                screen.text()
            );
            let waited = self.shared.1.wait_timeout(screen, left);
            screen = waited.expect("no test panics with it").0;
        }
    }

    /// Types this.
    pub fn press(&self, keys: &str) {
        let typed = (&*self.master).write_all(keys.as_bytes());
        typed.expect("the terminal is open");
    }

    /// Gives the answers that are late.
    pub fn answer(&self) {
        let mut screen = self.screen();
        let late = std::mem::take(&mut screen.late);
        screen.is_late = false;
        drop(screen);
        let given = (&*self.master).write_all(&late);
        given.expect("the terminal is open");
    }

    /// Answers all questions for its state.
    pub fn acknowledge(&self) {
        let mut screen = self.screen();
        screen.withholds = false;
        let withheld = std::mem::take(&mut screen.withheld);
        drop(screen);
        self.press(&"\x1b[0n".repeat(withheld));
    }

    /// Waits until all that was written so far is seen, in a row that ends with this.
    pub fn catch_up(&self) {
        const MARK: &str = "<all of it>";
        let written = (&self.slave).write_all(MARK.as_bytes());
        written.expect("the terminal is open");
        self.until("the last output", |screen| screen.text().contains(MARK));
    }

    /// Its modes, as text to compare.
    pub fn modes(&self) -> String {
        format!("{:?}", tcgetattr(&self.slave).expect("a terminal"))
    }

    /// Whether something waits to be read that was never typed, as a shell would read it.
    pub fn has_input(&self) -> bool {
        let mut modes = tcgetattr(&self.slave).expect("a terminal");
        let before = modes.clone();
        modes.make_raw();
        let now = rustix::termios::OptionalActions::Now;
        rustix::termios::tcsetattr(&self.slave, now, &modes).expect("a terminal");
        let count = rustix::io::ioctl_fionread(&self.slave).expect("a terminal");
        rustix::termios::tcsetattr(&self.slave, now, &before).expect("a terminal");
        count > 0
    }
}

/// What a large terminal shows of these bytes.
pub fn shown(bytes: &[u8], abilities: Abilities) -> Screen {
    let mut screen = Screen::default();
    screen.resize(80, 24);
    for sequence in Sequences::default().parse(bytes) {
        screen.take(&sequence, abilities);
    }
    screen
}

/// Reads what the program writes, until it is gone.
fn show(
    mut master: &File,
    shared: &(Mutex<Screen>, Condvar),
    abilities: Abilities,
    rate: Option<f64>,
) {
    let mut bytes = vec![0; if rate.is_some() { 512 } else { 65536 }];
    let mut parser = Sequences::default();
    // It ends with an error when nobody has the other end open.
    while let Ok(count @ 1..) = master.read(&mut bytes) {
        if let Some(rate) = rate {
            std::thread::sleep(Duration::from_secs_f64(count as f64 / rate));
        }
        let mut screen = shared.0.lock().expect("no test panics with it");
        let mut answers = Vec::new();
        for sequence in parser.parse(&bytes[..count]) {
            answers.extend(screen.take(&sequence, abilities));
        }
        if screen.is_late {
            screen.late.extend(std::mem::take(&mut answers));
        }
        drop(screen);
        shared.1.notify_all();
        if !answers.is_empty() && master.write_all(&answers).is_err() {
            return;
        }
    }
}

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sequence {
    Letter(char),
    /// A control character, or an escape sequence of two bytes, by its second.
    Control(u8),
    Escape(u8),
    /// The parameters and the last byte.
    Csi(String, u8),
    /// The kind of a string, and its text.
    String(u8, String),
}

/// Takes output apart.
#[derive(Default)]
struct Sequences {
    pending: Vec<u8>,
}

impl Sequences {
    fn parse(&mut self, bytes: &[u8]) -> Vec<Sequence> {
        self.pending.extend_from_slice(bytes);
        let mut found = Vec::new();
        let mut start = 0;
        while let Some((sequence, length)) = first(&self.pending[start..]) {
            found.push(sequence);
            start += length;
        }
        self.pending.drain(..start);
        found
    }
}

/// The first sequence and its length; `None` where its end has not come yet.
fn first(bytes: &[u8]) -> Option<(Sequence, usize)> {
    match *bytes.first()? {
        0x1b => match *bytes.get(1)? {
            b'[' => {
                let end = bytes[2..].iter().position(|b| (0x40..0x7f).contains(b))? + 2;
                let text = String::from_utf8_lossy(&bytes[2..end]).into_owned();
                Some((Sequence::Csi(text, bytes[end]), end + 1))
            }
            kind @ (b'P' | b'_' | b']') => {
                let end = bytes.windows(2).position(|pair| pair == b"\x1b\\")?;
                let text = String::from_utf8_lossy(&bytes[2..end]).into_owned();
                Some((Sequence::String(kind, text), end + 2))
            }
            other => Some((Sequence::Escape(other), 2)),
        },
        control @ (0..32 | 127) => Some((Sequence::Control(control), 1)),
        _ => {
            let length = bytes.len().min(4);
            let text = (1..=length).find_map(|n| std::str::from_utf8(&bytes[..n]).ok())?;
            Some((Sequence::Letter(text.chars().next()?), text.len()))
        }
    }
}

impl Screen {
    /// Shows this, and returns the answer to it.
    fn take(&mut self, sequence: &Sequence, abilities: Abilities) -> Vec<u8> {
        match sequence {
            Sequence::Letter(letter) => self.print(*letter),
            Sequence::Control(b'\r') => self.cursor.1 = 0,
            Sequence::Control(b'\n') => self.go_down(),
            Sequence::Control(_) | Sequence::Escape(_) => {}
            Sequence::Csi(text, last) => return self.control(text, *last, abilities),
            Sequence::String(b'_', text) if abilities.kitty => return self.kitty(text),
            Sequence::String(b'P', text) => return self.device(text, abilities),
            Sequence::String(b']', text) if text == "11;?" && abilities.answers => {
                let level = if abilities.is_light { "ffff" } else { "0000" };
                return format!("\x1b]11;rgb:{level}/{level}/{level}\x1b\\").into_bytes();
            }
            Sequence::String(..) => {}
        }
        Vec::new()
    }

    fn go_down(&mut self) {
        if self.cursor.0 + 1 < self.rows {
            self.cursor.0 += 1;
        } else {
            self.cells.remove(0);
            self.cells.push(vec![Cell::default(); self.columns]);
        }
    }

    fn print(&mut self, letter: char) {
        let (row, column) = self.cursor;
        let style = self.style;
        if let Some(cell) = self.cells.get_mut(row).and_then(|row| row.get_mut(column)) {
            *cell = Cell {
                letter,
                foreground: style.foreground,
                background: style.background,
            };
        }
        self.cursor.1 += 1;
    }

    fn control(&mut self, text: &str, last: u8, abilities: Abilities) -> Vec<u8> {
        let numbers: Vec<usize> = text
            .trim_start_matches(['?', '>'])
            .split(';')
            .map(|number| number.parse().unwrap_or(0))
            .collect();
        if matches!(last, b'c' | b'n' | b't' | b'S' | b'q') {
            self.question_count += 1;
        }
        let number = |at: usize| numbers.get(at).copied().unwrap_or(0).max(1);
        let mut answer = String::new();
        match (text, last) {
            (_, b'H') => self.cursor = (number(0) - 1, number(1) - 1),
            (_, b'C') => self.cursor.1 += number(0),
            ("?1049", b'h' | b'l') => {
                let covers = last == b'h';
                if covers != self.is_covered {
                    std::mem::swap(&mut self.cursor, &mut self.other_cursor);
                }
                self.is_covered = covers;
                self.clear();
            }
            ("?25", _) => self.is_cursor_hidden = last == b'l',
            ("2", b'J') => self.clear(),
            // To the cursor.
            ("1", b'J') => self.clear(),
            (_, b'K') => {
                let (row, column) = self.cursor;
                for cell in self
                    .cells
                    .iter_mut()
                    .skip(row)
                    .take(1)
                    .flatten()
                    .skip(column)
                {
                    *cell = Cell::default();
                }
            }
            (_, b'm') => self.restyle(text),
            ("5", b'n') if self.withholds => self.withheld += 1,
            ("5", b'n') if abilities.answers => answer.push_str("\x1b[0n"),
            ("" | "0", b'c') if abilities.answers => {
                answer.push_str(if abilities.sixel {
                    "\x1b[?62;4;22c"
                } else {
                    "\x1b[?62;22c"
                });
            }
            ("16", b't') if abilities.answers => {
                let _ = write!(answer, "\x1b[6;{};{}t", CELL.1, CELL.0);
            }
            ("?1;1;0", b'S') if abilities.answers && abilities.sixel => {
                answer.push_str("\x1b[?1;0;256S");
            }
            _ => {}
        }
        answer.into_bytes()
    }

    fn clear(&mut self) {
        self.resize(self.columns, self.rows);
        self.sixel = None;
    }

    fn restyle(&mut self, text: &str) {
        let text = text.replace(':', ";");
        let mut numbers = text.split(';').map(|number| number.parse().unwrap_or(0));
        while let Some(number) = numbers.next() {
            let target = match number {
                38 => &mut self.style.foreground,
                48 => &mut self.style.background,
                0 => {
                    self.style = Style::default();
                    continue;
                }
                _ => continue,
            };
            *target = match numbers.next() {
                Some(5) => numbers.next().map(Colour::Number),
                _ => {
                    let mut channel = || numbers.next().unwrap_or(0);
                    Some(Colour::Full([channel(), channel(), channel()]))
                }
            };
        }
    }

    fn device(&mut self, text: &str, abilities: Abilities) -> Vec<u8> {
        if text == "$qm" && abilities.answers {
            // A terminal of fewer colours has the nearest one.
            let colour = if abilities.true_colour {
                "48:2::1:2:3"
            } else {
                "48:5:16"
            };
            return format!("\x1bP1$r0;{colour}m\x1b\\").into_bytes();
        }
        if text.starts_with("+q") && abilities.answers {
            return b"\x1bP0+r\x1b\\".to_vec();
        }
        let begin = text.find('q').filter(|at| {
            let parameters = |c: char| c.is_ascii_digit() || c == ';';
            text[..*at].chars().all(parameters)
        });
        if let Some(begin) = begin.filter(|_| abilities.sixel) {
            match sixel(&text[begin + 1..]) {
                Ok(image) => {
                    let bands = image.rows.len().div_ceil(CELL.1);
                    if self.cursor.0 + bands >= self.rows {
                        self.errors.push("an image scrolls the screen".into());
                    }
                    self.last_image_bytes = text.len();
                    self.sixel = Some((image, self.cursor.0, self.cursor.1));
                    self.image_count += 1;
                }
                Err(e) => self.errors.push(e),
            }
        }
        Vec::new()
    }

    fn kitty(&mut self, text: &str) -> Vec<u8> {
        let text = text.strip_prefix('G').unwrap_or(text);
        let (keys, payload) = text.split_once(';').unwrap_or((text, ""));
        if payload.len() > 4096 {
            self.errors.push("a piece is too long".into());
        }
        let keys: BTreeMap<String, String> = keys
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let is_last = keys.get("m").is_none_or(|more| more == "0");
        let (keys, payload) = match self.pieces.take() {
            Some((first, before)) => (first, before + payload),
            None => (keys, payload.to_owned()),
        };
        if !is_last {
            self.pieces = Some((keys, payload));
            return Vec::new();
        }
        let number = |key: &str| keys.get(key).and_then(|value| value.parse::<u32>().ok());
        let image = number("i").unwrap_or(0);
        match keys.get("a").map_or("t", String::as_str) {
            "q" => match decode(&payload) {
                Ok(_) => return format!("\x1b_Gi={image};OK\x1b\\").into_bytes(),
                Err(e) => return format!("\x1b_Gi={image};EINVAL:{e}\x1b\\").into_bytes(),
            },
            "t" => match decode(&payload) {
                Ok(decoded) => {
                    self.last_image_bytes = payload.len();
                    self.images.insert(image, decoded);
                    self.image_count += 1;
                }
                Err(e) => self.errors.push(e),
            },
            "p" if self.images.contains_key(&image) => {
                let size = |key| number(key).unwrap_or(0) as usize;
                self.placed.insert(image, (size("c"), size("r")));
            }
            "d" => match keys.get("d").map(String::as_str) {
                Some("A") => {
                    self.images.clear();
                    self.placed.clear();
                }
                Some("I") => {
                    self.images.remove(&image);
                    self.placed.remove(&image);
                }
                _ => self.errors.push(format!("delete what? {keys:?}")),
            },
            _ => self.errors.push(format!("not understood: {keys:?}")),
        }
        Vec::new()
    }
}

/// The pixels of a PNG file in base64.
fn decode(payload: &str) -> Result<Image, String> {
    let file = STANDARD.decode(payload).map_err(|e| e.to_string())?;
    let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let mut bytes = vec![0; reader.output_buffer_size().unwrap_or_default()];
    let info = reader.next_frame(&mut bytes).map_err(|e| e.to_string())?;
    let channels = info.color_type.samples();
    let pixels: Vec<Option<Rgb>> = bytes
        .chunks_exact(channels)
        .map(|pixel| match pixel {
            &[red, green, blue, ..] => Some([red, green, blue]),
            other => Some([other[0]; 3]),
        })
        .collect();
    let width = info.width as usize;
    Ok(Image {
        width,
        rows: pixels.chunks(width).map(<[_]>::to_vec).collect(),
    })
}

/// The pixels of a sixel image, from the text behind its `q`.
pub fn sixel(text: &str) -> Result<Image, String> {
    let mut image = Image::default();
    let mut palette = BTreeMap::<usize, Rgb>::new();
    let (mut x, mut band, mut colour) = (0, 0, 0);
    let mut size = None;
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        let mut numbers = || {
            let end = rest
                .find(|c: char| !c.is_ascii_digit() && c != ';')
                .unwrap_or(rest.len());
            let (numbers, after) = rest.split_at(end);
            rest = after;
            let numbers = numbers.split(';').map(|number| number.parse().unwrap_or(0));
            numbers.collect::<Vec<usize>>()
        };
        let (mut count, mut letter) = (1, letter);
        match letter {
            '"' => match numbers()[..] {
                [1, 1, width, height] => size = Some((width, height)),
                ref other => return Err(format!("pixels are not square: {other:?}")),
            },
            '#' => match numbers()[..] {
                [number] if palette.contains_key(&number) => colour = number,
                [number, 2, red, green, blue] if red.max(green).max(blue) <= 100 => {
                    let level = |hundredths: usize| ((hundredths * 255 + 50) / 100) as u8;
                    palette.insert(number, [level(red), level(green), level(blue)]);
                    colour = number;
                }
                ref other => return Err(format!("no colour: {other:?}")),
            },
            '$' => x = 0,
            '-' => (x, band) = (0, band + 1),
            '!' => {
                count = numbers()[0];
                letter = rest.chars().next().ok_or("nothing to repeat")?;
                rest = &rest[letter.len_utf8()..];
            }
            _ => {}
        }
        if let '?'..='~' = letter {
            let bits = letter as u8 - b'?';
            for bit in (0..6).filter(|bit| bits >> bit & 1 == 1) {
                let row = band * 6 + bit;
                if image.rows.len() <= row {
                    image.rows.resize(row + 1, Vec::new());
                }
                let line = &mut image.rows[row];
                if line.len() < x + count {
                    line.resize(x + count, None);
                }
                line[x..x + count].fill(palette.get(&colour).copied());
            }
            x += count;
        }
    }
    image.width = image.rows.iter().map(Vec::len).max().unwrap_or(0);
    match size {
        Some(size) if size == (image.width, image.rows.len()) => Ok(image),
        other => Err(format!(
            "{} by {} pixels, not {other:?}",
            image.width,
            image.rows.len()
        )),
    }
}
