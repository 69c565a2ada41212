//! Text and bytes from a peer, made fit to be shown to a person.

/// A name from a peer, made fit to be shown: as [`printable`], and without the quotes that lines of
/// the log have around it.
pub fn printable_name(name: &str, limit: usize) -> String {
    printable(name, limit).replace('"', "'")
}

/// Text from a peer, made fit to be shown: one line of visible characters, no more than `limit`
/// of them.
pub fn printable(text: &str, limit: usize) -> String {
    text.chars().filter_map(visible).take(limit).collect()
}

/// The reason that a peer gives for something, made fit to be shown. An empty one says so.
pub fn printable_reason(reason: &str, limit: usize) -> String {
    match printable(reason, limit) {
        reason if reason.trim().is_empty() => "no reason was given".into(),
        reason => reason,
    }
}

/// A character as it is shown; `None` where it cannot be seen, or changes the direction or the
/// lines of the text around it. A peer could make a line look like another with such characters.
fn visible(c: char) -> Option<char> {
    const LINES: [char; 2] = ['\u{2028}', '\u{2029}'];
    match c {
        '"' | '\'' | '\\' => Some(c),
        _ if c.is_control() || LINES.contains(&c) || is_blank(c) => None,
        _ if c.is_whitespace() => Some(' '),
        _ => {
            // The standard library escapes what is not to be seen. Accents alone would be escaped
            // too, so one letter comes before them.
            let text = String::from_iter(['a', c]);
            (text.escape_debug().count() == 2).then_some(c)
        }
    }
}

/// Characters that look like nothing and that no table of invisible characters has, as they are
/// letters, signs or accents by their kind.
fn is_blank(c: char) -> bool {
    matches!(c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}'
        | '\u{1d159}' | '\u{e0100}'..='\u{e01ef}')
}

/// Bytes for a person: text in quotes, or hexadecimal where they are no text.
pub fn quote(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(16)];
    let text: String = shown.iter().map(|&b| char::from(b)).collect();
    let text = text.trim_end_matches(['\r', '\n']);
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        return format!("{text:?}");
    }
    let hex: Vec<String> = shown.iter().map(|b| format!("{b:02x}")).collect();
    hex.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_text_cannot_move_the_cursor() {
        assert_eq!(printable("de\x1b[2Jsk\n\u{202e}x", 64), "de[2Jskx");
        assert_eq!(printable("abcdef", 3), "abc");
    }

    #[test]
    fn what_cannot_be_seen_is_not_shown() {
        let kinds = [
            "\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}",
            "\u{ad}\u{200b}\u{200c}\u{200d}\u{2060}\u{2064}\u{180e}\u{feff}",
            "\u{85}\u{2028}\u{2029}\u{c}\u{7f}\u{9b}",
            "\u{fff9}\u{fffb}\u{e0001}\u{e0041}\u{1d173}\u{e000}\u{10ffff}",
            "\u{34f}\u{115f}\u{3164}\u{ffa0}\u{2800}\u{fe0f}\u{e0100}",
        ];
        for c in kinds.concat().chars() {
            assert_eq!(printable(&format!("a{c}b"), 9), "ab", "{:x}", u32::from(c));
        }
        let spaces = "a\u{a0}\u{2003}\u{3000}\u{202f}b";
        assert_eq!(printable(spaces, 9), "a    b");
    }

    #[test]
    fn names_in_any_writing_stay_as_they_are() {
        for name in [
            "Zoë's desk",
            "кухня",
            "書斎",
            "غرفة",
            "कमरा",
            "e\u{301}",
            "C:\\cam",
            "🎥 1",
        ] {
            assert_eq!(printable(name, 64), name);
        }
    }

    #[test]
    fn a_name_cannot_end_the_quotes_around_it() {
        assert_eq!(printable_name("x\": joined \"y", 64), "x': joined 'y");
    }

    #[test]
    fn bytes_are_quoted_as_text_where_they_are_text() {
        assert_eq!(quote(b"SSH-2.0-OpenSSH_9.2\r\n"), "\"SSH-2.0-OpenSSH_\"");
        assert_eq!(quote(b"220 ok\r\n"), "\"220 ok\"");
        assert_eq!(quote(b"\x01\x02"), "01 02");
        assert_eq!(quote(b""), "");
    }
}
