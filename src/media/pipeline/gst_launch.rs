//! The parts of a `gst-launch-1.0` command that are no part of its pipeline.

use super::text::numbered;

/// A command without the words up to its name.
pub(crate) struct Command {
    /// The options and the pipeline. Comments before them stay, and lines keep their numbers.
    pub(crate) rest: String,
    /// Words before the name that set variables of the environment, with their lines.
    pub(crate) variables: Vec<(usize, String)>,
}

/// Options without a value.
const FLAGS: [&str; 20] = [
    "eos-on-shutdown",
    "force-position",
    "gst-debug-disable",
    "gst-debug-no-color",
    "gst-disable-registry-fork",
    "gst-disable-registry-update",
    "gst-disable-segtrap",
    "gst-fatal-warnings",
    "gst-plugin-spew",
    "index",
    "messages",
    "no-fault",
    "no-position",
    "no-sigusr-handler",
    "quiet",
    "tags",
    "toc",
    "trace",
    "verbose",
    "watch",
];
/// Options with a value, behind a `=` or as the next word.
const WITH_VALUE: [&str; 8] = [
    "exclude",
    "gst-debug",
    "gst-debug-color-mode",
    "gst-debug-level",
    "gst-plugin-load",
    "gst-plugin-path",
    "output",
    "prog-name",
];
/// The letters of options without a value.
const LETTERS: &str = "cefimqtvTw";
/// The letters of options with a value.
const LETTERS_WITH_VALUE: &str = "Xo";

/// Takes everything up to the name of the command away: a prompt, `sudo`, variables; `None` where
/// the text is no such command.
pub(crate) fn strip(text: &str) -> Option<Command> {
    let mut rest = String::with_capacity(text.len());
    let mut variables = Vec::new();
    let mut start = 0;
    for (number, line) in numbered(text) {
        let mut words = line;
        while !line.trim_start().starts_with('#') {
            words = words.trim_start();
            let end = words.find(char::is_whitespace).unwrap_or(words.len());
            let (word, after) = words.split_at(end);
            if word.is_empty() {
                break;
            }
            if word.starts_with('!') {
                return None;
            }
            if is_command(word) {
                rest.push_str(&text[start + line.len() - after.len()..]);
                return Some(Command { rest, variables });
            }
            if is_variable(word) {
                variables.push((number, word.to_owned()));
            }
            words = after;
        }
        if line.trim_start().starts_with('#') {
            rest.push_str(line);
        }
        rest.push('\n');
        start += line.len() + 1;
    }
    None
}

/// Whether a word is the name of the command, perhaps with a folder.
pub(crate) fn is_command(word: &str) -> bool {
    let word = word.trim_matches(['"', '\'', '`']);
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    let name = name.strip_suffix(".exe").unwrap_or(name);
    matches!(name, "gst-launch-1.0" | "gst-launch" | "gst-launch-0.10")
}

/// Whether a word is an option, and if so, whether the next word is its value. Word processors
/// make one dash of two.
pub(crate) fn option(word: &str) -> Option<bool> {
    const DASHES: [char; 3] = ['-', '\u{2013}', '\u{2014}'];
    let name = word.trim_start_matches(DASHES);
    if word == "--" {
        return Some(false);
    }
    if name.len() == word.len() || name.is_empty() {
        return None;
    }
    let (name, value) = match name.split_once('=') {
        Some((name, _)) => (name, true),
        None => (name, false),
    };
    if WITH_VALUE.contains(&name) {
        return Some(!value);
    }
    let is_letters = name.chars().all(|c| LETTERS.contains(c));
    if FLAGS.contains(&name) || (is_letters && word.starts_with(DASHES) && !value) {
        return Some(false);
    }
    LETTERS_WITH_VALUE.contains(name).then_some(!value)
}

fn is_variable(word: &str) -> bool {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    word.split_once('=').is_some_and(|(name, _)| {
        name.chars().all(part_of_name) && name.starts_with(|c: char| !c.is_ascii_digit())
    })
}
