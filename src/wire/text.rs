//! Text and bytes from a peer, made fit to be shown to a person.

/// Text from a peer, made fit to be shown: one line, no control characters, no more than
/// `limit` characters.
pub fn printable(text: &str, limit: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control() && !is_bidi_control(*c))
        .take(limit)
        .collect()
}

/// Characters that change the direction of text. A peer could use them to make a line look like
/// another.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
    fn bytes_are_quoted_as_text_where_they_are_text() {
        assert_eq!(quote(b"SSH-2.0-OpenSSH_9.2\r\n"), "\"SSH-2.0-OpenSSH_\"");
        assert_eq!(quote(b"220 ok\r\n"), "\"220 ok\"");
        assert_eq!(quote(b"\x01\x02"), "01 02");
        assert_eq!(quote(b""), "");
    }
}
