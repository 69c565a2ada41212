//! The keys of a picture, which are the same in a window and in a terminal.

use super::canvas::Canvas;
use super::snapshot;

/// The keys with their meanings.
const KEYS: [(&str, &str); 3] = [
    ("q", "quit"),
    ("p", "save a picture"),
    ("?", "show or hide this"),
];

/// Handles a key that types this character. `title` is where the frames are from, `others` are the
/// keys of the display itself, with their meanings.
pub fn press(typed: char, canvas: &Canvas, title: &str, others: &[(&str, &str)]) {
    match typed {
        'p' => snapshot::save(canvas, title),
        '?' | 'h' if !canvas.shows_help() => canvas.show_help(help(others)),
        '?' | 'h' | '\u{1b}' => canvas.show_help(Vec::new()),
        _ => {}
    }
}

fn help(others: &[(&str, &str)]) -> Vec<(String, String)> {
    let [quit, picture, this] = &KEYS;
    let keys = [quit].into_iter().chain(others).chain([picture, this]);
    keys.map(|(key, meaning)| ((*key).to_owned(), (*meaning).to_owned()))
        .collect()
}
