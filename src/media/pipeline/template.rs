//! Fills the placeholders of a pipeline's text. Text in, text out.
//!
//! This file knows neither GStreamer nor files, so all of it can be tested with strings.

use crate::failure::{Failure, Outcome};

use super::text::{Quotes, numbered, strip_comment};

/// A placeholder, `${name}` or `${name:-default}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    pub name: String,
    pub default: Option<String>,
    /// The line that it stands in, counted from 1.
    pub line: usize,
}

/// Gives a placeholder its value; `None` leaves the placeholder to its default.
pub type Lookup<'l> = dyn FnMut(&str) -> Option<Outcome<String>> + 'l;

/// The reason why a text cannot be filled. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A placeholder is not written as it has to be.
    #[error("{cause}")]
    Malformed { line: usize, cause: String },
    /// A placeholder has neither a value nor a default.
    #[error("{name:?} has no value")]
    NoValue { line: usize, name: String },
    /// The lookup of a value failed.
    #[error("{0}")]
    Lookup(#[source] Failure),
}

/// Maximum nesting of placeholders in defaults.
const NESTING_LIMIT: usize = 8;

/// The placeholders of `text`, each at its first place.
///
/// # Errors
///
/// Where a placeholder is malformed.
pub fn placeholders(text: &str) -> Result<Vec<Placeholder>, TemplateError> {
    let mut found: Vec<Placeholder> = Vec::new();
    for (number, line) in numbered(text) {
        let mut rest = strip_comment(line);
        while let Some((_, placeholder, after)) = next_placeholder(rest, number)? {
            if !found.iter().any(|known| known.name == placeholder.name) {
                found.push(placeholder);
            }
            rest = after;
        }
    }
    Ok(found)
}

/// The placeholder that is all of `text`.
pub(crate) fn sole_placeholder(text: &str) -> Option<Placeholder> {
    match next_placeholder(text, 1) {
        Ok(Some(("", placeholder, ""))) => Some(placeholder),
        _ => None,
    }
}

/// The text for GStreamer: without comments, and with every placeholder filled by `lookup` or by
/// its default. Each line keeps its number.
///
/// # Errors
///
/// Where a placeholder is malformed or without a value, or where `lookup` fails.
pub fn fill(text: &str, lookup: &mut Lookup<'_>) -> Result<String, TemplateError> {
    let mut filled = String::with_capacity(text.len());
    let mut quotes = Quotes::default();
    for (number, line) in numbered(text) {
        let line = strip_comment(line);
        fill_into(&mut filled, line, number, 0, &mut quotes, lookup)?;
        filled.push('\n');
    }
    Ok(join_emptied(&filled))
}

/// Fills one line of a text, the line `number`.
///
/// # Errors
///
/// As [`fill`].
pub fn fill_line(
    line: &str,
    number: usize,
    lookup: &mut Lookup<'_>,
) -> Result<String, TemplateError> {
    let mut filled = String::with_capacity(line.len());
    let line = strip_comment(line);
    fill_into(&mut filled, line, number, 0, &mut Quotes::default(), lookup)?;
    Ok(join_emptied(&filled))
}

/// Appends `line` to `out`. `quotes` is the state before it, and then the state behind it.
fn fill_into(
    out: &mut String,
    line: &str,
    number: usize,
    depth: usize,
    quotes: &mut Quotes,
    lookup: &mut Lookup<'_>,
) -> Result<(), TemplateError> {
    if depth > NESTING_LIMIT {
        return Err(malformed(number, "placeholders are nested too deeply"));
    }
    let mut rest = line;
    while let Some((before, placeholder, after)) = next_placeholder(rest, number)? {
        out.push_str(before);
        before.chars().for_each(|c| quotes.read(c));
        rest = after;
        let quoted = quotes.are_open();
        match (lookup(&placeholder.name), &placeholder.default) {
            (Some(value), _) => {
                let value = value.map_err(TemplateError::Lookup)?;
                let value = value.replace(['\n', '\r'], " ");
                match value.as_str() {
                    "" if !quoted => out.push(EMPTIED),
                    _ if quoted => push_escaped(out, &value),
                    _ => out.push_str(&value),
                }
            }
            (None, Some(default)) if default.is_empty() && !quoted => out.push(EMPTIED),
            (None, Some(default)) => {
                // The quotes of a default are its own.
                let mut within = *quotes;
                fill_into(out, default, number, depth + 1, &mut within, lookup)?;
            }
            (None, None) => {
                let name = placeholder.name;
                return Err(TemplateError::NoValue { line: number, name });
            }
        }
    }
    out.push_str(rest);
    rest.chars().for_each(|c| quotes.read(c));
    Ok(())
}

fn malformed(line: usize, cause: impl Into<String>) -> TemplateError {
    let cause = cause.into();
    TemplateError::Malformed { line, cause }
}

/// Splits `text` at its first placeholder: the text before, the placeholder, the text after.
fn next_placeholder(
    text: &str,
    line: usize,
) -> Result<Option<(&str, Placeholder, &str)>, TemplateError> {
    let Some(start) = text.find("${") else {
        return Ok(None);
    };
    let inner = &text[start + 2..];
    let Some(end) = matching_brace(inner) else {
        return Err(malformed(line, "a ${ without its }"));
    };
    let (name, default) = match inner[..end].split_once(":-") {
        Some((name, default)) => (name, Some(default.to_owned())),
        None => (&inner[..end], None),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(plain) {
        let cause = format!("{name:?} is no name for a placeholder");
        return Err(malformed(line, cause));
    }
    let placeholder = Placeholder {
        name: name.to_owned(),
        default,
        line,
    };
    Ok(Some((&text[..start], placeholder, &inner[end + 1..])))
}

/// Stands for a placeholder with an empty value, until its `!` is removed as well.
const EMPTIED: char = '\u{0}';

/// Removes each placeholder with an empty value together with the `!` after it (or before it, at
/// the end), so that `a ! ${decode} ! b` becomes `a ! b`.
fn join_emptied(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split(EMPTIED);
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let gap = part.len() - part.trim_start().len();
        match part[gap..].strip_prefix('!') {
            Some(after) if out.trim_end().ends_with('!') || out.trim().is_empty() => {
                out.push_str(&part[..gap]);
                out.push_str(after);
            }
            _ => out.push_str(part),
        }
    }
    out
}

fn push_escaped(out: &mut String, value: &str) {
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
}

/// The place of the `}` that closes the placeholder which `inner` is the inside of.
fn matching_brace(inner: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    fn filled(text: &str, values: &[(&str, &str)]) -> Result<String, String> {
        let mut lookup = |name: &str| {
            let found = values.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| Ok((*value).to_owned()))
        };
        fill(text, &mut lookup)
            .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn placeholders_are_filled_by_value_or_default() {
        let text = "src ! video/x-raw,width=${width:-320},format={ I420, NV12 } ! ${last}";
        assert_eq!(
            filled(text, &[("last", "sink")]),
            Ok("src ! video/x-raw,width=320,format={ I420, NV12 } ! sink".into())
        );
        assert_eq!(
            filled("${a:-caps={I420},b=${b:-2}} x", &[("b", "3")]),
            Ok("caps={I420},b=3 x".into())
        );
    }

    #[test]
    fn an_empty_value_takes_its_link_along() {
        for (text, expected) in [
            ("a ! ${x} ! b", "a ! b"),
            ("a ! ${x:-}\n ! b", "a ! b"),
            ("${x} ! b", "b"),
            ("a p=\"${x}\" ! b", "a p=\"\" ! b"),
        ] {
            assert_eq!(filled(text, &[("x", "")]), Ok(expected.into()), "{text}");
        }
    }

    #[test]
    fn a_value_within_quotes_stays_within_them() {
        assert_eq!(
            filled(
                "filesrc location=\"${f}\"",
                &[("f", "my \"best\" \\clip.mp4")]
            ),
            Ok("filesrc location=\"my \\\"best\\\" \\\\clip.mp4\"".into())
        );
    }

    #[test]
    fn comments_end_a_line_and_lines_keep_their_number() {
        let text = "# what it does\nsrc # a comment\n ! a text=\"no # comment\" color=#ff ! b\n";
        let filled = fill(text, &mut |_| None).unwrap();
        assert_eq!(filled, "\nsrc \n ! a text=\"no # comment\" color=#ff ! b\n");
    }

    #[test]
    fn a_missing_value_is_named_with_its_line() {
        let text = "#\nsrc location=${file}";
        let error = fill(text, &mut |_| None).unwrap_err();
        let expected = |line: usize, name: &str| line == 2 && name == "file";
        assert!(
            matches!(&error, TemplateError::NoValue { line, name } if expected(*line, name)),
            "{error:?}"
        );
        let line = fill_line("src location=${file}", 7, &mut |_| None).unwrap_err();
        assert!(
            matches!(line, TemplateError::NoValue { line: 7, .. }),
            "{line:?}"
        );
    }

    #[test]
    fn malformed_placeholders_are_refused() {
        for text in ["a ! ${b", "${} ! c", "${a b} ! c"] {
            assert!(filled(text, &[]).is_err(), "{text}");
        }
        let endless = "${a:-".repeat(20) + &"}".repeat(20);
        assert!(filled(&endless, &[]).is_err());
    }
}
