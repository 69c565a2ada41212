//! The keys of a picture, which are the same in a window and in a terminal.

use super::canvas::Canvas;
use super::snapshot;

/// The keys with their meanings.
const KEYS: [(&str, &str); 3] = [
    ("q", "quit"),
    ("p", "save a picture"),
    ("?", "show or hide this"),
];

/// Handles a key that types this character; false where it is none of the picture's. `title` is
/// where the frames are from. With their meanings, `further` are the keys that the owner of the
/// picture handles, and `others` those that the display itself does.
pub fn press(
    typed: char,
    canvas: &Canvas,
    title: &str,
    further: &[(String, String)],
    others: &[(&str, &str)],
) -> bool {
    match typed {
        'p' => snapshot::save(canvas, title),
        '?' | 'h' if !canvas.shows_help() => canvas.show_help(help(further, others)),
        '?' | 'h' => canvas.show_help(Vec::new()),
        '\u{1b}' if canvas.shows_help() => canvas.show_help(Vec::new()),
        _ => return false,
    }
    true
}

/// The keys in the order in which they are shown. A meaning that the owner has for one of the
/// picture's own keys takes the place of the usual one.
fn help(further: &[(String, String)], others: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(key, meaning): &(&str, &str)| {
        let named = further.iter().find(|(name, _)| name == key);
        named
            .cloned()
            .unwrap_or(((*key).to_owned(), (*meaning).to_owned()))
    };
    let is_own = |name: &str| KEYS.iter().any(|(key, _)| *key == name);
    let [quit, picture, this] = &KEYS;
    let mut help = vec![owned(quit)];
    help.extend(further.iter().filter(|(key, _)| !is_own(key)).cloned());
    help.extend(others.iter().chain([picture, this]).map(owned));
    help
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_has_the_further_keys_after_the_way_out() {
        let further = [("s", "hide yourself"), ("q", "hang up")];
        let further = further.map(|(key, meaning)| (key.to_owned(), meaning.to_owned()));
        let shown = help(&further, &[("f", "full screen")]);
        let shown: Vec<_> = shown.iter().map(|(k, m)| (&**k, &**m)).collect();
        let wanted = [
            ("q", "hang up"),
            ("s", "hide yourself"),
            ("f", "full screen"),
            ("p", "save a picture"),
            ("?", "show or hide this"),
        ];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn a_key_that_is_not_of_the_picture_is_left_to_its_owner() {
        let canvas = Canvas::default();
        let press = |typed| press(typed, &canvas, "", &[], &[]);
        for typed in ['s', 'y', '\n', '\u{1b}'] {
            assert!(!press(typed), "{typed:?}");
        }
        assert!(press('?') && canvas.shows_help());
        assert!(press('\u{1b}') && !canvas.shows_help());
    }
}
