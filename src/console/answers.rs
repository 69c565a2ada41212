//! The terminal's answers: its abilities, and how far it has come with the output.
//!
//! A terminal is asked while somebody reads its answers, and only then. Otherwise they would be
//! typed into the shell.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::input::Answer;
use super::job_control;
use super::output::{FAREWELL, lock};

/// How long a picture waits for what the terminal says of itself. Later answers count as well.
const ANSWERING: Duration = Duration::from_millis(200);

/// An answer that has not come by then does not come.
const LOST: Duration = Duration::from_secs(10);

static ANSWERS: Mutex<Answers> = Mutex::new(Answers {
    listens: false,
    asked: None,
    awaited: 0,
    round_trip: None,
    abilities: Abilities::NONE,
    heard: Abilities::NONE,
    cell: None,
    area: None,
    size: (0, 0),
    sent: VecDeque::new(),
    taken: None,
});
static HEARD: Condvar = Condvar::new();

/// The abilities that a terminal has named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// It shows PNG images by kitty's graphics protocol.
    pub kitty: bool,
    /// It shows sixel images.
    pub sixel: bool,
    /// How many colours a sixel image may have; `None` where it does not say.
    pub sixel_colours: Option<u32>,
    /// The largest sixel image, width by height; `None` where it does not say.
    pub sixel_area: Option<(u32, u32)>,
    /// It has 24-bit colours.
    pub true_colour: bool,
    /// Its background is brighter than half.
    pub is_light: bool,
}

impl Abilities {
    /// A terminal that says nothing.
    pub const NONE: Self = Self {
        kitty: false,
        sixel: false,
        sixel_colours: None,
        sixel_area: None,
        true_colour: false,
        is_light: false,
    };
}

/// A picture that the terminal has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The number that was given to it.
    pub load: u32,
    /// The time from its first byte to the answer.
    pub took: Duration,
    /// How long an answer takes by itself.
    pub round_trip: Option<Duration>,
}

struct Answers {
    /// Whether somebody reads the answers of the terminal that is drawn on.
    listens: bool,
    /// When it was asked for its abilities, since it became ours.
    asked: Option<Instant>,
    /// How many times it has not answered that yet.
    awaited: u32,
    /// The time that it took for that.
    round_trip: Option<Duration>,
    abilities: Abilities,
    /// Those that it has named since it was asked; they count when it has named the last.
    heard: Abilities,
    /// The size of a cell in pixels.
    cell: Option<(u16, u16)>,
    /// The size of all cells in pixels.
    area: Option<(u32, u32)>,
    /// The columns and rows when the size of cells was asked for.
    size: (u16, u16),
    /// The pictures on their way, the oldest first: when each was sent, and its load.
    sent: VecDeque<(Instant, u32)>,
    /// The last one that has arrived, until it is asked for.
    taken: Option<Taken>,
}

/// Answers are read from here on, if the keyboard `is_of_screen`.
pub(super) fn listen(is_of_screen: bool) {
    let mut answers = ANSWERS.lock();
    answers.listens = is_of_screen;
    answers.asked = None;
}

/// The terminal was another program's: it may be another one, or have other settings.
pub(super) fn ask_again() {
    ANSWERS.lock().asked = None;
}

/// Takes an answer.
pub(super) fn hear(answer: Answer) {
    let mut locked = ANSWERS.lock();
    let answers = &mut *locked;
    let heard = &mut answers.heard;
    // Whether the picture may look different with it.
    let mut anew = false;
    match answer {
        Answer::Ready => answers.arrived(),
        Answer::Attributes { sixel } => {
            // Programs in which a terminal is shown say so of themselves. Where the terminal
            // around them knows no sixel, they show a placeholder.
            let name = std::env::var("TERM").unwrap_or_default();
            heard.sixel = sixel && !is_drawn_by_another(&name) && !is_in_tmux();
            anew = answers.round_trip.is_none() || answers.abilities != *heard;
            answers.abilities = *heard;
            answers.awaited = answers.awaited.saturating_sub(1);
            if let Some(asked) = answers.asked {
                answers.round_trip = Some(asked.elapsed());
            }
        }
        Answer::KittyImages => heard.kitty = true,
        Answer::TrueColour => heard.true_colour = true,
        Answer::Cell(width, height) => {
            anew = answers.cell.replace((width, height)) != Some((width, height));
        }
        Answer::Area(width, height) => {
            anew = answers.area.replace((width, height)) != Some((width, height));
        }
        Answer::SixelColours(colours) => heard.sixel_colours = Some(colours),
        Answer::SixelArea(width, height) => heard.sixel_area = Some((width, height)),
        Answer::Background { is_light } => heard.is_light = is_light,
    }
    let may_draw = anew || answer == Answer::Ready;
    drop(locked);
    HEARD.notify_all();
    if may_draw {
        let screen = lock().screen.clone();
        if let Some(painted) = screen {
            (painted.draw)(anew);
        }
    }
}

/// The questions for the terminal now, which has so many columns and rows. `pixels` says that the system
/// knows how many pixels they have.
pub(super) fn questions(size: (u16, u16), pixels: bool) -> Option<String> {
    let mut answers = ANSWERS.lock();
    if !answers.listens {
        return None;
    }
    let cells = "\x1b[16t\x1b[14t";
    let has_new_size = std::mem::replace(&mut answers.size, size) != size;
    if answers.asked.is_some() {
        if !has_new_size || pixels || answers.round_trip.is_none() {
            return None;
        }
        answers.ask();
        return Some(format!("{cells}{ATTRIBUTES}"));
    }
    answers.ask();
    answers.heard = Abilities::NONE;
    let name = std::env::var("TERM").unwrap_or_default();
    let cells = if pixels { "" } else { cells };
    Some(abilities_of(&name, cells, has_24_bits(), no_colour()))
}

/// The questions for a terminal of this name.
fn abilities_of(name: &str, cells: &str, has_24_bits: bool, no_colour: bool) -> String {
    // Only sequences that each of them understands: older consoles and GNU screen show the text of
    // strings, and tmux makes a title of it.
    let is_console = name == "linux";
    let shares = is_drawn_by_another(name);
    let mut out = String::new();
    if !is_console && !shares {
        out.push_str(&format!("\x1b_Gi=1,a=q,t=d,f=100;{DOT}\x1b\\"));
        if !has_24_bits {
            // Its style, of which the background is a colour of 24 bits, and two entries of its
            // description.
            out.push_str("\x1b[48:2::1:2:3m\x1bP$qm\x1b\\\x1b[0m");
            out.push_str("\x1bP+q524742\x1b\\\x1bP+q5463\x1b\\");
        }
        if no_colour {
            out.push_str("\x1b]11;?\x1b\\");
        }
    }
    if shares && !has_24_bits {
        out.push_str("\x1b[>q");
    }
    if !is_console {
        out.push_str(cells);
        out.push_str("\x1b[?1;1;0S\x1b[?2;1;0S");
    }
    // Every terminal answers the last one. What another did not understand and shows is cleared.
    out.push_str(ATTRIBUTES);
    out.push_str("\x1b[0m\x1b[2J");
    out
}

/// Asks for the primary device attributes.
const ATTRIBUTES: &str = "\x1b[c";

/// A PNG image of one pixel, in base64.
const DOT: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==";

/// Whether the environment says that the terminal has 24-bit colours.
fn has_24_bits() -> bool {
    let says = std::env::var("COLORTERM").unwrap_or_default();
    // tmux takes them, and changes them for the terminal that it is shown in.
    says == "truecolor" || says == "24bit" || is_in_tmux()
}

/// Whether the person wants no colours.
pub fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Waits a little while for the answers to [`questions`].
pub(super) fn wait() {
    let mut answers = ANSWERS.lock();
    let Some(until) = answers.asked.map(|asked| asked + ANSWERING) else {
        return;
    };
    let waits = |answers: &mut Answers| answers.listens && answers.round_trip.is_none();
    HEARD.wait_while_until(&mut answers, waits, until);
}

/// The abilities that the terminal has named.
pub(super) fn abilities() -> Abilities {
    let mut abilities = ANSWERS.lock().abilities;
    abilities.true_colour |= has_24_bits();
    abilities
}

/// The size of a cell of so many columns and rows in pixels, as far as the terminal has said.
pub(super) fn cell((columns, rows): (u16, u16)) -> Option<(u16, u16)> {
    let answers = ANSWERS.lock();
    let of_area = |(width, height): (u32, u32)| {
        let width = width.checked_div(columns.into())?;
        let height = height.checked_div(rows.into())?;
        u16::try_from(width).ok().zip(u16::try_from(height).ok())
    };
    answers.cell.or_else(|| of_area(answers.area?))
}

/// Notes that a picture is about to be sent. Returns whether its arrival can be asked for.
pub(super) fn send(load: u32) -> bool {
    let mut answers = ANSWERS.lock();
    // A terminal that does not answer is not asked.
    let asks = answers.listens && answers.round_trip.is_some();
    if asks {
        answers.sent.push_back((Instant::now(), load));
    }
    asks
}

/// Notes that the last picture was not sent to its end, and so neither was the question.
pub(super) fn unsend() {
    ANSWERS.lock().sent.pop_back();
}

/// When the next picture is due at the latest, where `most` pictures are on their way; `None` where
/// it is due now.
pub(super) fn turn(most: usize) -> Option<Instant> {
    let mut answers = ANSWERS.lock();
    while let Some((at, _)) = answers.sent.front()
        && at.elapsed() > LOST
    {
        answers.sent.pop_front();
    }
    let (at, _) = answers.sent.front()?;
    (answers.sent.len() >= most).then_some(*at + LOST)
}

/// The last picture that has arrived since this was called.
pub(super) fn taken() -> Option<Taken> {
    ANSWERS.lock().taken.take()
}

/// Asks no more, and waits for the answers that are on their way. An answer must not come when the
/// shell reads. Without the keyboard it must not be read.
pub(super) fn finish() {
    let end = Instant::now() + FAREWELL;
    let mut answers = ANSWERS.lock();
    // A picture that is being written has been noted, and so is waited for.
    answers.listens = false;
    while answers.awaits() && Instant::now() < end && job_control::has_keyboard() {
        HEARD.wait_for(&mut answers, ANSWERING);
    }
    answers.sent.clear();
    answers.awaited = 0;
}

impl Answers {
    /// Notes that the terminal is asked.
    fn ask(&mut self) {
        self.asked = Some(Instant::now());
        self.awaited += 1;
    }

    /// Whether an answer is to be expected. A terminal that has never answered may take a moment.
    fn awaits(&self) -> bool {
        let is_silent = self.round_trip.is_none();
        let is_new = self.asked.is_some_and(|asked| asked.elapsed() < FAREWELL);
        !self.sent.is_empty() || (self.awaited > 0 && (is_new || !is_silent))
    }

    /// The oldest picture on its way has arrived.
    fn arrived(&mut self) {
        if let Some((at, load)) = self.sent.pop_front() {
            self.taken = Some(Taken {
                load,
                took: at.elapsed(),
                round_trip: self.round_trip,
            });
        }
    }
}

/// Whether a terminal of this name is one that tmux or GNU screen draws.
fn is_drawn_by_another(name: &str) -> bool {
    name.starts_with("screen") || name.starts_with("tmux")
}

/// Whether tmux says that it draws the terminal, whatever its name.
fn is_in_tmux() -> bool {
    std::env::var_os("TMUX").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_kept_from_terminals_that_would_show_them() {
        for (name, strings, sizes) in [
            ("xterm-256color", true, true),
            ("screen-256color", false, true),
            ("tmux-256color", false, true),
            ("linux", false, false),
        ] {
            let asked = abilities_of(name, "\x1b[16t", false, true);
            for introducer in ["\x1b_", "\x1bP", "\x1b]"] {
                assert_eq!(asked.contains(introducer), strings, "{name}");
            }
            assert_eq!(asked.contains("\x1b[16t"), sizes, "{name}");
            assert!(asked.contains("\x1b[c"), "{name}");
        }
        let known = abilities_of("xterm", "", true, false);
        assert!(!known.contains("\x1bP"), "{known:?}");
    }
}
