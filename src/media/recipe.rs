//! Pipeline files: finding one, and filling its placeholders. Text in, text out.
//!
//! Knows nothing of GStreamer, so that all of it can be tested with strings; `build` makes a
//! pipeline of the text.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::report::{Failure, Outcome};

/// Which end a pipeline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Ends in `appsink name=frames`.
    Send,
    /// Begins with `appsrc name=frames`.
    Recv,
}

/// A pipeline file, with its placeholders still open.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// As the person named it: a bare name or a path.
    pub name: String,
    /// Which end it is for.
    pub direction: Direction,
    /// Where it was read from; `None` for those that are part of the program.
    pub path: Option<PathBuf>,
    /// The file, word for word.
    pub text: String,
}

/// Something that the file says to vidchat itself, in a line that begins with `#!`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// `#! loop`: at the end, begin again.
    Loop,
    /// `#! keep-open`: goes on while nobody watches.
    KeepOpen,
}

/// A placeholder, `${name}` or `${name:-default}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    pub name: String,
    pub default: Option<String>,
    /// Counted from 1.
    pub line: usize,
}

/// The files that are part of the program: direction, name, text.
const SHIPPED: [(Direction, &str, &str); 7] = [
    (
        Direction::Send,
        "camera",
        include_str!("../../pipelines/send/camera.gst"),
    ),
    (
        Direction::Send,
        "test",
        include_str!("../../pipelines/send/test.gst"),
    ),
    (
        Direction::Send,
        "screen",
        include_str!("../../pipelines/send/screen.gst"),
    ),
    (
        Direction::Send,
        "file",
        include_str!("../../pipelines/send/file.gst"),
    ),
    (
        Direction::Recv,
        "window",
        include_str!("../../pipelines/recv/window.gst"),
    ),
    (
        Direction::Recv,
        "terminal",
        include_str!("../../pipelines/recv/terminal.gst"),
    ),
    (
        Direction::Recv,
        "none",
        include_str!("../../pipelines/recv/none.gst"),
    ),
];

/// A pipeline file of more bytes than this is something else.
const FILE_LIMIT: u64 = 64 * 1024;
/// Defaults may hold placeholders, so deep and no deeper.
const NESTING_LIMIT: usize = 8;

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Send => "send",
            Self::Recv => "recv",
        })
    }
}

impl Recipe {
    /// Finds the pipeline that `name` means: a path where it has a `/` or ends in `.gst`,
    /// otherwise a name, the person's own before those that are part of the program.
    pub fn find(direction: Direction, name: &str) -> Outcome<Self> {
        if name.contains(['/', std::path::MAIN_SEPARATOR]) || name.ends_with(".gst") {
            return Self::read(direction, name, Path::new(name));
        }
        let mine = own_folder(direction).map(|folder| folder.join(format!("{name}.gst")));
        if let Some(path) = mine.filter(|path| path.exists()) {
            return Self::read(direction, name, &path);
        }
        if let Some(recipe) = shipped(direction).find(|recipe| recipe.name == name) {
            return Ok(recipe);
        }
        let names = Self::all(direction).into_iter().map(|recipe| recipe.name);
        Err(Failure::start(format!("cannot find the pipeline {name:?}"))
            .cause(format!(
                "there is none of that name for vidchat {direction}"
            ))
            .found([format!(
                "there are: {}",
                names.collect::<Vec<_>>().join(", ")
            )])
            .hint("give a path with a / in it to use a file: --pipeline ./mine.gst"))
    }

    /// Every pipeline that has a name: the person's own, then those of the program that they do
    /// not hide.
    pub fn all(direction: Direction) -> Vec<Self> {
        let mut found = BTreeMap::new();
        for recipe in shipped(direction) {
            found.insert(recipe.name.clone(), recipe);
        }
        let entries = own_folder(direction).and_then(|folder| fs::read_dir(folder).ok());
        for path in entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
        {
            if path.extension().is_some_and(|extension| extension == "gst")
                && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
                && let Ok(recipe) = Self::read(direction, name, &path)
            {
                found.insert(name.to_owned(), recipe);
            }
        }
        found.into_values().collect()
    }

    fn read(direction: Direction, name: &str, path: &Path) -> Outcome<Self> {
        let cannot = |cause: String| {
            Failure::start(format!(
                "cannot read the pipeline {:?}",
                path.display().to_string()
            ))
            .cause(cause)
        };
        let size = fs::metadata(path).map_err(|e| cannot(e.to_string()))?.len();
        if size > FILE_LIMIT {
            return Err(cannot(format!(
                "{size} bytes is too much for a pipeline file"
            )));
        }
        let text = fs::read_to_string(path).map_err(|e| cannot(e.to_string()))?;
        Ok(Self {
            name: name.to_owned(),
            direction,
            path: Some(path.to_owned()),
            text,
        })
    }

    /// What the pipeline does: the first line of the file.
    pub fn about(&self) -> &str {
        let first = self.text.lines().next().unwrap_or_default();
        first.trim_start_matches(['#', '!']).trim()
    }

    /// Where an error was made, for a person: `"camera"` or `"./mine.gst"`, with the line.
    pub fn place(&self, line: Option<usize>) -> String {
        let name = match &self.path {
            Some(path) => path.display().to_string(),
            None => self.name.clone(),
        };
        match line {
            Some(line) => format!("{name:?} (line {line})"),
            None => format!("{name:?}"),
        }
    }

    /// Whether the file has this directive.
    pub fn has(&self, directive: Directive) -> bool {
        self.directives().any(|(_, word)| word == directive.word())
    }

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
            return Err(self.wrong(number, "placeholders are nested too deeply"));
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
            return Err(self.wrong(line, "a ${ without its }"));
        };
        let (name, default) = match inner[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (&inner[..end], None),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(self.wrong(line, &format!("{name:?} is no name for a placeholder")));
        }
        let placeholder = Placeholder {
            name: name.to_owned(),
            default,
            line,
        };
        Ok(Some((&text[..start], placeholder, &inner[end + 1..])))
    }

    fn directives(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.text)
            .filter_map(|(number, line)| Some((number, line.trim().strip_prefix("#!")?.trim())))
    }

    fn check_directives(&self) -> Outcome<()> {
        let known = [Directive::Loop, Directive::KeepOpen].map(Directive::word);
        match self.directives().find(|(_, word)| !known.contains(word)) {
            None => Ok(()),
            Some((line, word)) => Err(self
                .wrong(line, &format!("{word:?} is no directive"))
                .found([format!("there are: #! {}", known.join(", #! "))])),
        }
    }

    fn wrong(&self, line: usize, cause: &str) -> Failure {
        Failure::start(format!(
            "the pipeline {} is not valid",
            self.place(Some(line))
        ))
        .cause(cause)
    }
}

impl Directive {
    fn word(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::KeepOpen => "keep-open",
        }
    }
}

/// Where a person keeps pipelines of their own.
pub fn own_folder(direction: Direction) -> Option<PathBuf> {
    let config = match std::env::var_os("XDG_CONFIG_HOME") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => std::env::home_dir()?.join(".config"),
    };
    Some(
        config
            .join("vidchat")
            .join("pipelines")
            .join(direction.to_string()),
    )
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

fn shipped(direction: Direction) -> impl Iterator<Item = Recipe> {
    SHIPPED
        .into_iter()
        .filter(move |(of, ..)| *of == direction)
        .map(|(direction, name, text)| Recipe {
            name: name.to_owned(),
            direction,
            path: None,
            text: text.to_owned(),
        })
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

/// A comment begins with a `#` at the start of a word, outside of quotes.
fn strip_comment(line: &str) -> &str {
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

    fn recipe(text: &str) -> Recipe {
        Recipe {
            name: "mine".into(),
            direction: Direction::Send,
            path: None,
            text: text.into(),
        }
    }

    fn filled(text: &str, values: &[(&str, &str)]) -> Result<String, String> {
        recipe(text)
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
        let filled = recipe(text).fill(&mut |_| None).unwrap();
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

    #[test]
    fn directives_and_the_first_line_are_read() {
        let looped = recipe("# A file.\n#! loop\nfilesrc");
        assert!(looped.has(Directive::Loop) && !looped.has(Directive::KeepOpen));
        assert_eq!(looped.about(), "A file.");
    }

    #[test]
    fn every_shipped_file_says_what_it_does() {
        for direction in [Direction::Send, Direction::Recv] {
            for recipe in shipped(direction) {
                assert!(recipe.text.starts_with("# "), "{}", recipe.name);
                assert!(recipe.about().ends_with('.'), "{}", recipe.name);
                assert!(recipe.text.contains("name=frames"), "{}", recipe.name);
            }
        }
    }
}
