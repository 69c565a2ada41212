//! The line in which a person types the code of somebody else, key by key, while this side shows a code
//! of its own and may be called at any moment.

use crate::console;
use crate::net::secure::Code;

/// The longest text. A code is shorter.
const LONGEST: usize = 40;

/// Asks for a line that answers.
const ANSWER: &str = "y or n, then Enter:";

/// The line, shown at the bottom of the terminal.
#[derive(Debug)]
pub struct CodeLine {
    text: String,
    state: State,
}

/// The kind of text that is typed into the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing: there is no line.
    Hidden,
    /// A code.
    Code,
    /// The answer to a question that came while a code was being typed. One key must not be an answer
    /// then, as it may be the next one of the code.
    Answer,
}

/// A line that the person has typed to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// A code, or something else in its place.
    Code(String),
    /// Whether somebody is to be answered; `None` where it is neither yes nor no.
    Answer(Option<bool>),
}

impl CodeLine {
    /// A line for a code, where a person `can_type` one.
    pub fn new(can_type: bool) -> Self {
        Self {
            text: String::new(),
            state: if can_type { State::Code } else { State::Hidden },
        }
    }

    /// Takes a key. Returns the line where that ends it, and otherwise the key where the line does not
    /// want it.
    pub fn press(&mut self, key: char) -> Result<Option<Typed>, char> {
        if self.state == State::Hidden {
            return Err(key);
        }
        match key {
            '\n' | '\r' => {
                let text = std::mem::take(&mut self.text);
                return Ok(match self.state {
                    State::Answer => Some(Typed::Answer(answer(&text))),
                    _ if text.is_empty() => None,
                    _ => Some(Typed::Code(text)),
                });
            }
            '\u{1b}' | '\u{15}' => self.text.clear(),
            '\u{8}' => drop(self.text.pop()),
            '\t' => {
                if let Some(more) = Code::completed(&self.text) {
                    self.text = more;
                }
            }
            key if key.is_control() || self.text.len() >= LONGEST => {}
            // One hyphen, as a code is printed.
            key if key.is_whitespace() || key == '-' => {
                if !self.text.is_empty() && !self.text.ends_with('-') {
                    self.text.push('-');
                }
            }
            key => self.text.push(key),
        }
        Ok(None)
    }

    /// A question has come, which a key answers. Where a code is being typed, a whole line does.
    pub fn interrupt(&mut self) {
        self.state = match self.state {
            State::Code if !self.text.is_empty() => State::Answer,
            _ => State::Hidden,
        };
        self.text.clear();
    }

    /// A key answers the question from now on.
    pub fn ask_for_key(&mut self) {
        (self.state, self.text) = (State::Hidden, String::new());
    }

    /// A code may be typed again, where a person `can_type` one.
    pub fn resume(&mut self, can_type: bool) {
        *self = Self::new(can_type);
    }

    /// Whether q is a letter, and does not end the program.
    pub fn is_text(&self) -> bool {
        match self.state {
            State::Hidden => false,
            State::Code => !self.text.is_empty(),
            State::Answer => true,
        }
    }

    /// The line as it is seen.
    fn shown(&self) -> String {
        match self.state {
            State::Hidden => String::new(),
            State::Code => format!("Code: {}", self.text),
            State::Answer => format!("{ANSWER} {}", self.text),
        }
    }

    /// Shows the line as it is now.
    pub fn show(&self) {
        console::status(&self.shown());
    }

    /// Takes the line away.
    pub fn hide() {
        console::status("");
    }
}

/// The meaning of a line that answers. An empty one may be the end of a code.
fn answer(text: &str) -> Option<bool> {
    match text {
        "y" | "yes" => Some(true),
        "n" | "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Presses each key, and returns the line that the last one ends.
    fn press(line: &mut CodeLine, keys: &str) -> Option<Typed> {
        let mut typed = None;
        for key in keys.chars() {
            typed = line.press(key).expect("the line wants it");
        }
        typed
    }

    fn code(text: &str) -> Option<Typed> {
        Some(Typed::Code(text.to_owned()))
    }

    #[test]
    fn a_code_is_typed_with_spaces_corrections_and_tab() {
        for (keys, shown) in [
            ("4-maple-otter", "4-maple-otter"),
            ("4 maple  otter", "4-maple-otter"),
            ("4-mapx\u{8}le-otter", "4-maple-otter"),
            ("7-squid\u{15}4-maple", "4-maple"),
            ("7-squid\u{1b}4-maple", "4-maple"),
            ("4-map\tott\t", "4-maple-otter"),
            ("4-ma\t", "4-ma"),
            ("\u{8}\u{8}-4", "4"),
        ] {
            let mut line = CodeLine::new(true);
            assert_eq!(press(&mut line, keys), None);
            assert_eq!(line.shown(), format!("Code: {shown}"), "{keys:?}");
            assert_eq!(press(&mut line, "\n"), code(shown));
            assert_eq!(line.shown(), "Code: ");
        }
        let mut line = CodeLine::new(true);
        press(&mut line, &"4".repeat(1000));
        assert!(line.shown().len() < 60);
    }

    #[test]
    fn q_is_a_letter_within_a_code_alone() {
        let mut line = CodeLine::new(true);
        assert!(!line.is_text());
        press(&mut line, "4-s");
        assert!(line.is_text());
        press(&mut line, "\u{15}");
        assert!(!line.is_text());
        assert_eq!(press(&mut line, "\n"), None, "nothing was typed");
    }

    #[test]
    fn no_key_of_a_code_answers_a_question_that_comes_meanwhile() {
        for rest in ["n-falcon\n", "\n", "squid\n", "4-maple-otter\n"] {
            let mut line = CodeLine::new(true);
            press(&mut line, "7-ceda");
            line.interrupt();
            assert_eq!(line.shown(), format!("{ANSWER} "));
            assert!(line.is_text(), "q may be a letter of the code");
            assert_eq!(
                press(&mut line, rest),
                Some(Typed::Answer(None)),
                "{rest:?}"
            );
            line.ask_for_key();
            assert_eq!(line.press('y'), Err('y'), "a key answers now");
            line.resume(true);
            assert_eq!(line.shown(), "Code: ");
        }
        for (typed, meant) in [("y\n", true), ("no\n", false)] {
            let mut line = CodeLine::new(true);
            press(&mut line, "7");
            line.interrupt();
            assert_eq!(press(&mut line, typed), Some(Typed::Answer(Some(meant))));
        }
    }

    #[test]
    fn a_key_answers_where_no_code_is_being_typed_or_none_can_be() {
        for can_type in [true, false] {
            let mut line = CodeLine::new(can_type);
            line.interrupt();
            assert_eq!(line.shown(), "");
            assert_eq!(line.press('n'), Err('n'));
        }
    }
}
