//! Filling the placeholders of a pipeline file. Text in, text out.
//!
//! Knows nothing of GStreamer, so that all of it can be tested with strings.

use crate::failure::{Failure, Outcome};

use super::file::{PipelineFile, numbered};

/// A placeholder, `${name}` or `${name:-default}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    pub name: String,
    pub default: Option<String>,
    /// Counted from 1.
    pub line: usize,
}

/// Defaults may hold placeholders, so deep and no deeper.
const NESTING_LIMIT: usize = 8;

impl PipelineFile {
    /// The placeholders, each where it is first met.
    pub fn placeholders(&self) -> Outcome<Vec<Placeholder>> {
        let mut found: Vec<Placeholder> = Vec::new();
        for (number, line) in numbered(&self.text) {
            let mut rest = strip_comment(line);
            while let Some((_, placeholder, after)) = self.next_placeholder(rest, number)? {
                if !found.iter().any(|known| known.name == placeholder.name) {
                    found.push(placeholder);
                }
                rest = after;
            }
        }
        Ok(found)
    }

    /// The text for GStreamer: without comments, each placeholder filled by `value` or by its
    /// default. It has as many lines as the file, so that a line of one is that line of the
    /// other.
    pub fn fill(&self, value: &mut dyn FnMut(&str) -> Option<Outcome<String>>) -> Outcome<String> {
        self.check_directives()?;
        let mut text = String::with_capacity(self.text.len());
        for (number, line) in numbered(&self.text) {
            self.fill_into(&mut text, strip_comment(line), number, 0, value)?;
            text.push('\n');
        }
        Ok(join_emptied(&text))
    }

    fn fill_into(
        &self,
        out: &mut String,
        line: &str,
        number: usize,
        depth: usize,
        value: &mut dyn FnMut(&str) -> Option<Outcome<String>>,
    ) -> Outcome<()> {
        if depth > NESTING_LIMIT {
            return Err(self.misplaced(number, "placeholders are nested too deeply"));
        }
        let mut rest = line;
        while let Some((before, placeholder, after)) = self.next_placeholder(rest, number)? {
            out.push_str(before);
            rest = after;
            let quoted = in_quotes(out);
            match (value(&placeholder.name), &placeholder.default) {
                (Some(filled), _) => {
                    let filled = filled?.replace(['\n', '\r'], " ");
                    match filled.as_str() {
                        "" if !quoted => out.push(EMPTIED),
                        _ if quoted => push_escaped(out, &filled),
                        _ => out.push_str(&filled),
                    }
                }
                (None, Some(default)) if default.is_empty() && !quoted => out.push(EMPTIED),
                (None, Some(default)) => self.fill_into(out, default, number, depth + 1, value)?,
                (None, None) => {
                    let name = placeholder.name;
                    return Err(Failure::start(format!(
                        "the pipeline {} needs a value for {name:?}",
                        self.place(Some(number))
                    ))
                    .hint(format!("--set {name}=VALUE")));
                }
            }
        }
        out.push_str(rest);
        Ok(())
    }

    /// A placeholder is not written as it has to be.
    fn misplaced(&self, line: usize, cause: &str) -> Failure {
        self.wrong(line, cause)
            .hint("write ${name} or ${name:-default}, with letters, digits, - and _ in the name")
    }

    /// Splits `text` at its first placeholder: what is before, the placeholder, what is after.
    fn next_placeholder<'t>(
        &self,
        text: &'t str,
        line: usize,
    ) -> Outcome<Option<(&'t str, Placeholder, &'t str)>> {
        let Some(start) = text.find("${") else {
            return Ok(None);
        };
        let inner = &text[start + 2..];
        let Some(end) = matching_brace(inner) else {
            return Err(self.misplaced(line, "a ${ without its }"));
        };
        let (name, default) = match inner[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (&inner[..end], None),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(self.misplaced(line, &format!("{name:?} is no name for a placeholder")));
        }
        let placeholder = Placeholder {
            name: name.to_owned(),
            default,
            line,
        };
        Ok(Some((&text[..start], placeholder, &inner[end + 1..])))
    }
}

/// Stands for a placeholder that was filled with nothing, until its `!` is taken out as well.
const EMPTIED: char = '\u{0}';

/// Takes out what was filled with nothing, together with the `!` after it (or before it, at the
/// end), so that `a ! ${decode} ! b` becomes `a ! b`.
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

/// A comment begins with a `#` at the start of a word, outside of quotes.
pub(super) fn strip_comment(line: &str) -> &str {
    let mut quoted = false;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match c {
            '"' if before != '\\' => quoted = !quoted,
            '#' if !quoted && before.is_whitespace() => return &line[..at],
            _ => {}
        }
        before = c;
    }
    line
}

fn in_quotes(out: &str) -> bool {
    let line = out.rsplit('\n').next().unwrap_or_default();
    let mut quoted = false;
    let mut before = ' ';
    for c in line.chars() {
        quoted ^= c == '"' && before != '\\';
        before = c;
    }
    quoted
}

fn push_escaped(out: &mut String, value: &str) {
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
}

/// Where the `}` is that closes what `inner` begins in.
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
    use crate::media::Direction;

    fn file(text: &str) -> PipelineFile {
        PipelineFile::new(Direction::Send, "mine", text)
    }

    fn filled(text: &str, values: &[(&str, &str)]) -> Result<String, String> {
        file(text)
            .fill(&mut |name| {
                let found = values.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| Ok((*value).to_owned()))
            })
            .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
            .map_err(|failure| failure.to_string())
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
    fn what_is_filled_with_nothing_takes_its_link_along() {
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
        let filled = file(text).fill(&mut |_| None).unwrap();
        assert_eq!(filled, "\nsrc \n ! a text=\"no # comment\" color=#ff ! b\n");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_with_its_line() {
        let missing = filled("#\nsrc location=${file}", &[]).unwrap_err();
        assert!(
            missing.contains("(line 2)") && missing.contains("--set file="),
            "{missing}"
        );
        for text in ["a ! ${b", "${} ! c", "${a b} ! c", "#! jump\na"] {
            assert!(filled(text, &[]).is_err(), "{text}");
        }
        let endless = "${a:-".repeat(20) + &"}".repeat(20);
        assert!(filled(&endless, &[]).is_err());
    }
}
