//! Strings in quotes and escapes: their ends, their contents, and values in the notation of
//! GStreamer's parser. Placeholders within them stay as they are.

/// The plain quote that a quote stands for.
pub(crate) fn quote(c: char) -> Option<char> {
    match c {
        '"' | '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{201f}' | '\u{ab}' | '\u{bb}' => Some('"'),
        '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' => Some('\''),
        _ => None,
    }
}

/// The length of a string's content, and that of the quote which closes it.
pub(crate) fn closing(content: &str, open: char, shell: bool) -> Option<(usize, usize)> {
    let kind = quote(open)?;
    let escapes = kind == '"' || !shell;
    find_closing(content, open, escapes)
        .or_else(|| (kind == '\'' && escapes).then(|| find_closing(content, open, false))?)
}

fn find_closing(content: &str, open: char, escapes: bool) -> Option<(usize, usize)> {
    let mut at = 0;
    let mut is_long = false;
    while let Some(c) = content[at..].chars().next() {
        let rest = &content[at..];
        if let Some(length) = placeholder(rest) {
            at += length;
            continue;
        }
        let closes = c == open || (!open.is_ascii() && quote(c) == quote(open));
        if closes {
            let after = rest[c.len_utf8()..].chars().next();
            let is_end = after.is_none_or(|c| c.is_whitespace() || matches!(c, '!' | ')' | '\\'));
            // A string over several lines is rare, and a quote that somebody forgot is not.
            return (is_end || !is_long).then_some((at, c.len_utf8()));
        }
        if c == '\n' {
            let is_continued = content[..at].ends_with('\\');
            is_long |= !is_continued;
            if !is_continued && rest.trim_start().starts_with('!') {
                return None;
            }
        }
        at += match c {
            '\\' if escapes && !rest[1..].starts_with('\n') => 1 + next_length(&rest[1..]),
            c => c.len_utf8(),
        };
    }
    None
}

/// The length of the first character.
pub(crate) fn next_length(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// The length of the placeholder that `text` begins with.
pub(crate) fn placeholder(text: &str) -> Option<usize> {
    let inner = text.strip_prefix("${")?;
    let mut depth = 0;
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(2 + at + 1),
            '}' => depth -= 1,
            '\n' => return None,
            _ => {}
        }
    }
    None
}

/// `text` without the `\` before the characters for which `is_escaped` holds. Placeholders stay as
/// they are.
pub(crate) fn unescape(text: &str, is_escaped: impl Fn(char) -> bool) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = placeholder(rest) {
            plain.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match rest.chars().next() {
            Some(escaped) if c == '\\' && is_escaped(escaped) => {
                plain.push(escaped);
                rest = &rest[escaped.len_utf8()..];
            }
            _ => plain.push(c),
        }
    }
    plain
}

/// `text` with a `\` before what ends or escapes within quotes. Placeholders stay as they are.
pub(crate) fn escape(text: &str) -> String {
    escape_where(text, |c| matches!(c, '"' | '\\'))
}

fn escape_where(text: &str, needs: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = placeholder(rest).unwrap_or_else(|| {
            if needs(c) {
                escaped.push('\\');
            }
            c.len_utf8()
        });
        escaped.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    escaped
}

/// A value in the parser's notation.
pub(crate) fn requote(plain: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:+%@,".contains(c);
    if !plain.is_empty() && plain.chars().all(is_plain) {
        return plain.to_owned();
    }
    // The parser would take `\"` at the end of a string for a quote within it.
    if plain.ends_with('\\') && !plain.contains('\n') {
        return escape_where(plain, |c| !is_plain(c));
    }
    format!("\"{}\"", hide_comments(&escape(plain)))
}

/// A string over several lines, with no line that looks as if it had a comment.
pub(crate) fn hide_comments(content: &str) -> String {
    match content.split_once('\n') {
        Some((first, rest)) => {
            let rest = rest.replace("\\#", "#").replace('#', "\\#");
            format!("{first}\n{rest}")
        }
        None => content.to_owned(),
    }
}
