//! Takes apart what comes from the terminal: keys, and its answers.
//!
//! An answer is an escape sequence. One that comes late, or that nobody has asked for, is taken
//! apart as well, so no part of it is ever mistaken for a key.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The most bytes of one answer.
const LONGEST: usize = 4096;

/// Keys and answers, in the order in which they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Key(KeyEvent),
    Answer(Answer),
}

/// One thing that a terminal says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has taken all output up to the question.
    Ready,
    /// The primary device attributes, the last of the answers about abilities.
    Attributes { sixel: bool },
    /// It shows PNG images by kitty's graphics protocol.
    KittyImages,
    /// It has 24-bit colours.
    TrueColour,
    /// The size of a cell in pixels, width by height.
    Cell(u16, u16),
    /// The size of all cells in pixels, width by height.
    Area(u32, u32),
    /// How many colours a sixel image may have.
    SixelColours(u32),
    /// The largest sixel image, width by height.
    SixelArea(u32, u32),
    /// Whether its background is brighter than half.
    Background { is_light: bool },
}

/// Takes bytes apart, in pieces of any size.
#[derive(Default)]
pub(super) struct Parser {
    place: Place,
    /// The bytes of the unfinished character or sequence, without those that introduce it.
    text: Vec<u8>,
    found: Vec<Input>,
}

/// The kind of bytes that the next one follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Keys.
    #[default]
    Ground,
    /// An escape character.
    Escape,
    /// The beginning of a function key.
    Function,
    /// A control sequence.
    Control,
    /// The text of a string, of the kind that this letter introduces.
    String(u8),
    /// The same, and an escape character that may end it.
    StringEscape(u8),
}

impl Parser {
    /// The meaning of these bytes.
    pub(super) fn parse(&mut self, bytes: &[u8]) -> Vec<Input> {
        for &byte in bytes {
            self.parse_byte(byte);
            if self.text.len() > LONGEST {
                self.give_up();
            }
        }
        std::mem::take(&mut self.found)
    }

    /// Whether a sequence or a character has begun and has no end yet.
    pub(super) fn is_unfinished(&self) -> bool {
        self.place != Place::Ground || !self.text.is_empty()
    }

    /// Forgets what has no end yet, as nothing came for a while. An Esc alone was a key.
    pub(super) fn time_out(&mut self) -> Vec<Input> {
        if self.place == Place::Escape {
            self.key(KeyCode::Esc, KeyModifiers::NONE);
        }
        self.give_up();
        std::mem::take(&mut self.found)
    }

    /// Forgets what has no end yet.
    fn give_up(&mut self) {
        self.go(Place::Ground);
    }

    fn go(&mut self, place: Place) {
        self.place = place;
        self.text.clear();
    }

    fn parse_byte(&mut self, byte: u8) {
        // Ctrl-C, Ctrl-D and Ctrl-Z are no part of an answer. They are keys also in the midst of a
        // sequence that has no end.
        if matches!(byte, 0x03 | 0x04 | 0x1a) {
            self.give_up();
            return self.key_of(byte);
        }
        match (self.place, byte) {
            (Place::Ground | Place::Escape | Place::Function | Place::Control, 0x1b) => {
                self.go(Place::Escape);
            }
            (Place::Ground, _) => self.key_of(byte),
            (Place::Escape, b'[') => self.go(Place::Control),
            (Place::Escape, b'O') => self.go(Place::Function),
            (Place::Escape, b'P' | b']' | b'_' | b'^' | b'X') => self.go(Place::String(byte)),
            // The end of a string that was given up.
            (Place::Escape, b'\\') => self.go(Place::Ground),
            (Place::Escape, _) => {
                self.go(Place::Ground);
                self.key(KeyCode::Char(char::from(byte)), KeyModifiers::ALT);
            }
            (Place::Function, _) => {
                self.go(Place::Ground);
                self.key(KeyCode::Null, KeyModifiers::NONE);
            }
            (Place::Control, 0x40..=0x7e) => {
                let text = self.take();
                match control(&text, byte) {
                    Control::Key => self.key(KeyCode::Null, KeyModifiers::NONE),
                    Control::Answer(answer) => self.answer(answer),
                }
            }
            (Place::String(kind), 0x1b) => self.place = Place::StringEscape(kind),
            (Place::String(kind), 0x07) | (Place::StringEscape(kind), b'\\') => {
                let text = self.take();
                self.answer(string(kind, &text));
            }
            (Place::StringEscape(_), _) => {
                self.go(Place::Escape);
                self.parse_byte(byte);
            }
            (Place::Control | Place::String(_), _) => self.text.push(byte),
        }
    }

    /// The text of the sequence that has ended.
    fn take(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.text).into_owned();
        self.go(Place::Ground);
        text
    }

    fn answer(&mut self, answer: Option<Answer>) {
        self.found.extend(answer.map(Input::Answer));
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.found.push(Input::Key(KeyEvent::new(code, modifiers)));
    }

    /// The key that is a byte of its own, or a character of several.
    fn key_of(&mut self, byte: u8) {
        let (code, modifiers) = match byte {
            b'\r' | b'\n' => (KeyCode::Enter, KeyModifiers::NONE),
            b'\t' => (KeyCode::Tab, KeyModifiers::NONE),
            0x7f => (KeyCode::Backspace, KeyModifiers::NONE),
            1..=26 => (
                KeyCode::Char(char::from(byte - 1 + b'a')),
                KeyModifiers::CONTROL,
            ),
            0 | 27..=31 => (KeyCode::Null, KeyModifiers::NONE),
            _ => {
                self.text.push(byte);
                let character = match std::str::from_utf8(&self.text) {
                    Ok(text) => text.chars().next(),
                    // The rest of the character comes later.
                    Err(e) if e.error_len().is_none() => return,
                    Err(_) => None,
                };
                let code = character.map_or(KeyCode::Null, KeyCode::Char);
                (code, KeyModifiers::NONE)
            }
        };
        self.text.clear();
        self.key(code, modifiers);
    }
}

/// The meaning of a control sequence.
enum Control {
    /// An arrow or another key that writes more than a character.
    Key,
    /// An answer, or something else that a terminal says.
    Answer(Option<Answer>),
}

fn control(text: &str, last: u8) -> Control {
    let (is_private, text) = match text.strip_prefix('?') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let numbers = text.split(';').map(|number| number.parse().unwrap_or(0));
    let numbers: Vec<u32> = numbers.collect();
    Control::Answer(match (is_private, last, &numbers[..]) {
        (false, b'n', [0]) => Some(Answer::Ready),
        // The first number is the kind of the terminal.
        (true, b'c', [_, rest @ ..]) => Some(Answer::Attributes {
            sixel: rest.contains(&4),
        }),
        (false, b't', &[_, 0, _] | &[_, _, 0]) => None,
        (false, b't', &[6, height, width]) => {
            let cell = u16::try_from(width).ok().zip(u16::try_from(height).ok());
            cell.map(|(width, height)| Answer::Cell(width, height))
        }
        (false, b't', &[4, height, width]) => Some(Answer::Area(width, height)),
        (true, b'S', &[1, 0, colours]) => Some(Answer::SixelColours(colours)),
        (true, b'S', &[2, 0, width, height]) => Some(Answer::SixelArea(width, height)),
        // Other answers.
        (_, b'c' | b'n' | b'R' | b'S' | b't' | b'y', _) => None,
        _ => return Control::Key,
    })
}

/// The answer in a string, of the kind that this letter introduces.
fn string(kind: u8, text: &str) -> Option<Answer> {
    match kind {
        b'_' => (text == "Gi=1;OK").then_some(Answer::KittyImages),
        b']' => {
            let is_light = is_light(text.strip_prefix("11;")?)?;
            Some(Answer::Background { is_light })
        }
        b'P' => has_true_colour(text).then_some(Answer::TrueColour),
        _ => None,
    }
}

/// Whether a device control string says that the terminal has 24-bit colours.
fn has_true_colour(text: &str) -> bool {
    if let Some(style) = text.strip_prefix("1$r") {
        // The colour that was asked about, with either separator, and with or without the colour
        // space.
        let style = style.replace(':', ";");
        return style.contains("48;2;1;2;3") || style.contains("48;2;;1;2;3");
    }
    if let Some(entry) = text.strip_prefix("1+r") {
        let entry = entry.to_ascii_uppercase();
        let (name, value) = entry.split_once('=').unwrap_or((&entry, ""));
        // RGB or Tc. A terminal without them may say -1.
        return matches!(name, "524742" | "5463") && value != "2D31";
    }
    // tmux takes 24-bit colours, and changes them for the terminal that it is shown in.
    text.starts_with(">|tmux")
}

/// Whether a colour such as `rgb:ffff/ffff/ffff` is brighter than half.
fn is_light(colour: &str) -> Option<bool> {
    let channels = colour.strip_prefix("rgb:")?.split('/');
    let channels: Option<Vec<f64>> = channels
        .map(|hex| {
            let most = 16_f64.powi(i32::try_from(hex.len()).ok()?) - 1.0;
            Some(f64::from(u32::from_str_radix(hex, 16).ok()?) / most)
        })
        .collect();
    match &channels?[..] {
        [red, green, blue] => Some(0.30 * red + 0.59 * green + 0.11 * blue > 0.5),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(bytes: &[u8]) -> Vec<Input> {
        Parser::default().parse(bytes)
    }

    fn key(code: KeyCode) -> Input {
        Input::Key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn control(letter: char) -> Input {
        Input::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL))
    }

    #[test]
    fn keys_are_keys() {
        for (bytes, keys) in [
            ("q", vec![key(KeyCode::Char('q'))]),
            ("ä", vec![key(KeyCode::Char('ä'))]),
            ("\x03\x1a", vec![control('c'), control('z')]),
            ("\r\t", vec![key(KeyCode::Enter), key(KeyCode::Tab)]),
            // An arrow, F2 in two ways, and what comes after it.
            ("\x1b[Aq", vec![key(KeyCode::Null), key(KeyCode::Char('q'))]),
            ("\x1bOQq", vec![key(KeyCode::Null), key(KeyCode::Char('q'))]),
            ("\x1b[12~", vec![key(KeyCode::Null)]),
            (
                "\x1bq",
                vec![Input::Key(KeyEvent::new(
                    KeyCode::Char('q'),
                    KeyModifiers::ALT,
                ))],
            ),
        ] {
            assert_eq!(parsed(bytes.as_bytes()), keys, "{bytes:?}");
        }
    }

    /// Answers of real terminals, and what they say.
    const ANSWERS: [(&str, Option<Answer>); 24] = [
        ("\x1b[0n", Some(Answer::Ready)),
        ("\x1b[?62;c", Some(Answer::Attributes { sixel: false })),
        ("\x1b[?62;4;22c", Some(Answer::Attributes { sixel: true })),
        // A VT132 has no sixel.
        ("\x1b[?4;6c", Some(Answer::Attributes { sixel: false })),
        ("\x1b_Gi=1;OK\x1b\\", Some(Answer::KittyImages)),
        ("\x1b_Gi=1;EINVAL:quick q\x1b\\", None),
        ("\x1bP1$r0;48:2::1:2:3m\x1b\\", Some(Answer::TrueColour)),
        ("\x1bP1$r48:2:1:2:3m\x1b\\", Some(Answer::TrueColour)),
        ("\x1bP1$r0;48;2;1;2;3m\x1b\\", Some(Answer::TrueColour)),
        ("\x1bP1$r0;48:5:16m\x1b\\", None),
        ("\x1bP0$r\x1b\\", None),
        ("\x1bP1+r524742=382F382F38\x1b\\", Some(Answer::TrueColour)),
        ("\x1bP1+r524742=2D31\x1b\\", None),
        ("\x1bP1+r5463\x1b\\", Some(Answer::TrueColour)),
        ("\x1bP0+r5463\x1b\\", None),
        ("\x1bP>|tmux 3.3a\x1b\\", Some(Answer::TrueColour)),
        ("\x1bP>|XTerm(379)\x1b\\", None),
        ("\x1b[6;20;10t", Some(Answer::Cell(10, 20))),
        ("\x1b[6;0;0t", None),
        ("\x1b[4;480;800t", Some(Answer::Area(800, 480))),
        ("\x1b[?1;0;256S", Some(Answer::SixelColours(256))),
        ("\x1b[?2;0;1000;800S", Some(Answer::SixelArea(1000, 800))),
        ("\x1b[?2;3;0S", None),
        (
            "\x1b]11;rgb:ffff/ffff/d000\x1b\\",
            Some(Answer::Background { is_light: true }),
        ),
    ];

    #[test]
    fn answers_are_never_keys_in_pieces_of_any_size() {
        for (bytes, answer) in ANSWERS {
            let expected: Vec<Input> = answer.map(Input::Answer).into_iter().collect();
            assert_eq!(parsed(bytes.as_bytes()), expected, "{bytes:?}");
            let mut parser = Parser::default();
            let mut pieces = bytes.as_bytes().iter();
            let found: Vec<Input> = pieces
                .by_ref()
                .flat_map(|byte| parser.parse(&[*byte]))
                .collect();
            assert_eq!(found, expected, "{bytes:?}");
        }
    }

    #[test]
    fn keys_between_answers_are_found() {
        let all: String = ANSWERS
            .iter()
            .map(|(bytes, _)| format!("{bytes}q"))
            .collect();
        let keys = parsed(all.as_bytes());
        let keys = keys
            .iter()
            .filter(|input| **input == key(KeyCode::Char('q')));
        assert_eq!(keys.count(), ANSWERS.len());
    }

    #[test]
    fn a_sequence_without_an_end_does_not_swallow_the_keyboard() {
        // As by a person who presses Esc and then _.
        let mut parser = Parser::default();
        assert_eq!(parser.parse(b"\x1b_hello"), []);
        assert_eq!(parser.parse(b"\x03"), [control('c')]);
        assert_eq!(parser.parse(b"q"), [key(KeyCode::Char('q'))]);
        parser.parse(b"\x1bP+r");
        assert_eq!(parser.time_out(), []);
        assert_eq!(parser.parse(b"q"), [key(KeyCode::Char('q'))]);
        let endless = [b"\x1b]".to_vec(), vec![b'x'; LONGEST + 1]].concat();
        parser.parse(&endless);
        assert_eq!(parser.parse(b"q"), [key(KeyCode::Char('q'))]);
    }

    #[test]
    fn an_escape_after_which_nothing_comes_is_the_key() {
        let mut parser = Parser::default();
        assert_eq!(parser.parse(b"\x1b"), []);
        assert!(parser.is_unfinished());
        assert_eq!(parser.time_out(), [key(KeyCode::Esc)]);
        assert!(!parser.is_unfinished());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart(bytes in any::<Vec<u8>>()) {
            let mut parser = Parser::default();
            parser.parse(&bytes);
            prop_assert!(parser.parse(b"\x03").contains(&control('c')));
        }
    }
}
