//! The lines of a pipeline file: their numbers and their comments.

/// The lines of `text` with their numbers, which begin at 1.
pub(crate) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

/// `line` without its comment. A comment begins with a `#` at the start of a word, outside of
/// quotes.
pub(crate) fn strip_comment(line: &str) -> &str {
    let mut quotes = Quotes::default();
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && !quotes.are_open() && before.is_whitespace() {
            return &line[..at];
        }
        quotes.read(c);
        before = c;
    }
    line
}

/// The words of a line. Quotes and placeholders hold a word together.
pub(crate) fn words(line: &str) -> impl Iterator<Item = &str> {
    let (mut quotes, mut depth) = (Quotes::default(), 0);
    line.split(move |c: char| {
        quotes.read(c);
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c.is_whitespace() && !quotes.are_open() && depth <= 0
    })
    .filter(|word| !word.is_empty())
}

/// The first line in which `word` stands by itself, counted from 1.
pub(crate) fn line_of(text: &str, word: &str) -> Option<usize> {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.lines()
        .position(|line| {
            line.match_indices(word).any(|(at, _)| {
                !line[..at].ends_with(part_of_word)
                    && !line[at + word.len()..].starts_with(part_of_word)
            })
        })
        .map(|index| index + 1)
}

/// Whether a place in a text is within quotes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quotes {
    open: bool,
    /// The last character was a `\` that escapes the next one.
    escaped: bool,
}

impl Quotes {
    /// Whether the place behind what was read is within quotes.
    pub(crate) fn are_open(self) -> bool {
        self.open
    }

    /// Reads the next character.
    pub(crate) fn read(&mut self, c: char) {
        self.open ^= c == '"' && !self.escaped;
        self.escaped = c == '\\' && !self.escaped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_only_where_it_stands_alone() {
        assert_eq!(line_of("jpegdecoder\njpegdec", "jpegdec"), Some(2));
        assert_eq!(line_of("x jpegdec2", "jpegdec"), None);
    }
}
