//! Texts in the terminal's own letters: their lines, and the cells that they take.

use crate::pixels::Rect;

/// A text on a part of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub text: String,
    /// In the image's pixels.
    pub part: Rect,
    pub place: Place,
}

/// Where a text is on its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the middle of the upper edge.
    Above,
    Middle,
    /// At the left of the lower edge.
    Below,
}

impl Label {
    /// Its letters with their rows and columns, where its part has these cells. Each line has a space
    /// before and after it.
    pub fn letters(&self, part: Rect) -> Vec<((usize, usize), char)> {
        let Some(width) = part.width.checked_sub(2).filter(|width| *width > 0) else {
            return Vec::new();
        };
        let mut lines = lines(&self.text, width);
        lines.truncate(part.height);
        let top = match self.place {
            Place::Above => part.y,
            Place::Middle => part.y + (part.height - lines.len()) / 2,
            Place::Below => part.y + part.height - lines.len(),
        };
        let mut letters = Vec::new();
        for (row, line) in (top..).zip(lines) {
            let line: Vec<char> = format!(" {line} ").chars().map(narrow).collect();
            let left = match self.place {
                Place::Above | Place::Middle => part.x + (part.width - line.len()) / 2,
                Place::Below => part.x,
            };
            letters.extend((left..).zip(line).map(|(column, c)| ((row, column), c)));
        }
        letters
    }
}

/// A character that takes one cell. Those that may take two or none, on which terminals differ, would
/// move the rest of the row.
fn narrow(character: char) -> char {
    match character {
        '\u{a0}' => ' ',
        ' '..='~'
        | '\u{a1}'..='\u{ac}'
        | '\u{ae}'..='\u{2ff}'
        | '\u{370}'..='\u{482}'
        | '\u{48a}'..='\u{52f}' => character,
        _ => '?',
    }
}

/// A text in lines of up to `width` characters, which is at least 1. A line that is longer ends between
/// words; a word that is longer is broken.
pub fn lines(text: &str, width: usize) -> Vec<String> {
    let mut wrapped = Vec::new();
    for line in text.lines() {
        let mut rest: Vec<char> = line.chars().collect();
        while rest.len() > width {
            let space = rest[..=width].iter().rposition(|c| *c == ' ');
            let end = space.filter(|end| *end > 0).unwrap_or(width);
            let after = rest[end..].iter().take_while(|c| **c == ' ').count();
            let line: String = rest[..end].iter().collect();
            wrapped.push(line.trim_end_matches(' ').to_owned());
            rest.drain(..end + after);
        }
        wrapped.push(rest.into_iter().collect());
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_between_words() {
        for (text, width, wanted) in [
            ("gone", 8, &["gone"][..]),
            ("gone for a while", 8, &["gone for", "a while"]),
            ("reconnecting", 8, &["reconnec", "ting"]),
            ("a reconnecting", 8, &["a", "reconnec", "ting"]),
            ("q  quit\nf  full", 8, &["q  quit", "f  full"]),
            ("q   a b", 5, &["q   a", "b"]),
            ("q   a", 3, &["q", "a"]),
            ("(3\u{a0}s)", 3, &["(3\u{a0}", "s)"]),
            ("  x", 1, &["", "x"]),
            ("", 3, &[]),
        ] {
            assert_eq!(lines(text, width), wanted, "{text:?} in {width}");
        }
    }

    fn rows(place: Place, text: &str, part: Rect) -> Vec<String> {
        let label = Label {
            text: text.into(),
            part,
            place,
        };
        let mut seen = vec![vec!['.'; 12]; 4];
        for ((row, column), letter) in label.letters(part) {
            seen[row][column] = letter;
        }
        seen.into_iter().map(String::from_iter).collect()
    }

    #[test]
    fn a_label_is_at_its_place_within_its_part() {
        let part = Rect {
            x: 2,
            y: 1,
            width: 9,
            height: 3,
        };
        for (place, text, wanted) in [
            (
                Place::Above,
                "anna",
                [
                    "............",
                    "... anna ...",
                    "............",
                    "............",
                ],
            ),
            (
                Place::Middle,
                "anna",
                [
                    "............",
                    "............",
                    "... anna ...",
                    "............",
                ],
            ),
            (
                Place::Below,
                "anna",
                [
                    "............",
                    "............",
                    "............",
                    ".. anna ....",
                ],
            ),
            (
                Place::Below,
                "one two three four five",
                [
                    "............",
                    ".. one two .",
                    ".. three ...",
                    ".. four ....",
                ],
            ),
            (
                Place::Middle,
                "李\u{301}é",
                [
                    "............",
                    "............",
                    ".... ??é ...",
                    "............",
                ],
            ),
        ] {
            assert_eq!(rows(place, text, part), wanted, "{place:?} {text}");
        }
        let narrow = Rect { width: 2, ..part };
        assert_eq!(rows(Place::Middle, "a", narrow).concat(), ".".repeat(48));
    }
}
