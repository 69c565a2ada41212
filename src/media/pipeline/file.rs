//! A pipeline file: its name, its text, and the directives in it.
//!
//! `catalog` finds files by their names, `template` fills their placeholders, and `build` makes a
//! pipeline of the result.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::engine_url::EngineUrl;
use crate::failure::{Failure, Outcome, describe, typed_path};

use super::engine_failure;
use super::explanation::Explanation;
use super::notation::{self, Fault};
use super::template::{self, Lookup, Placeholder, TemplateError};
use super::text::numbered;
use super::text_encoding::{self, NotText};

/// The end that a pipeline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Ends in `appsink name=frames`.
    Send,
    /// Begins with `appsrc name=frames`.
    Recv,
}

/// A pipeline file, with its placeholders still open.
#[derive(Clone, Debug)]
pub struct PipelineFile {
    /// The name that the person gave: a bare name or a path.
    pub name: String,
    /// The end that the pipeline is for.
    pub direction: Direction,
    /// The place that the file was read from; `None` for a file that is part of the program.
    pub path: Option<PathBuf>,
    /// The file, in the notation of GStreamer's parser.
    pub text: String,
    /// The engine that it speaks with, which gives values to its placeholders.
    engine: Option<Box<EngineUrl>>,
    /// A mistake in the notation, which [`Self::fill`] refuses.
    fault: Option<Fault>,
    /// Variables of the environment before a `gst-launch-1.0`, with their lines.
    variables: Vec<(usize, String)>,
}

/// An instruction of the file to vidchat itself, in a line that begins with `#!`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// `#! loop`: at the end, begin again.
    Loop,
    /// `#! keep-open`: stays open while nobody watches.
    KeepOpen,
    /// `#! one-of`: of the lines that follow, the first that works here.
    OneOf,
}

/// The largest pipeline file, in bytes. A larger file is something else.
const FILE_LIMIT: u64 = 64 * 1024;
/// The most files that are listed where the named one is missing.
const LISTED: usize = 10;

impl Direction {
    /// The name of a pipeline that is a good start for a person's own.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::Send => "camera",
            Self::Recv => "window",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Send => "send",
            Self::Recv => "recv",
        })
    }
}

impl PipelineFile {
    /// A pipeline that comes from no file of its own.
    pub fn new(direction: Direction, name: impl Into<String>, text: impl Into<String>) -> Self {
        let notation = notation::normalize(&text.into());
        Self {
            name: name.into(),
            direction,
            path: None,
            text: notation.text,
            engine: None,
            fault: notation.fault,
            variables: notation.variables,
        }
    }

    /// Reads the file at `path`, which the person called `name`.
    ///
    /// # Errors
    ///
    /// Where the file is missing, may not be read, is too large, or is no text.
    pub fn read(direction: Direction, name: &str, path: &Path) -> Outcome<Self> {
        let cannot = |e: io::Error| unreadable(direction, path, &e);
        let file = fs::File::open(path).map_err(cannot)?;
        let mut bytes = Vec::new();
        // A pipe or a device does not say its size.
        file.take(FILE_LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(cannot)?;
        if bytes.len() as u64 > FILE_LIMIT {
            let cause = format!("more than {FILE_LIMIT} bytes is too much for a pipeline file");
            return Err(no_pipeline(direction, path, &cause));
        }
        let text = text_encoding::decode(&bytes).map_err(|e| not_text(direction, path, &e))?;
        Ok(Self {
            path: Some(path.to_owned()),
            ..Self::new(direction, name, text)
        })
    }

    /// The same file, read for the other end.
    pub fn with_direction(self, direction: Direction) -> Self {
        Self { direction, ..self }
    }

    /// The same file, to speak with this engine.
    pub fn with_engine(self, url: EngineUrl) -> Self {
        Self {
            engine: Some(Box::new(url)),
            ..self
        }
    }

    /// Whether it speaks with an engine.
    pub fn is_for_engine(&self) -> bool {
        self.engine.is_some()
    }

    /// A text of somebody else about it, such as an element's error, without a password.
    pub fn hide_in(&self, text: &str) -> String {
        let engine = self.engine.as_ref();
        engine.map_or_else(|| text.to_owned(), |url| url.hide_in(text))
    }

    /// Explains a failure by the words of an element, where it speaks with an engine that is known
    /// to fail in this way.
    pub fn explain_engine(&self, words: &str) -> Option<Explanation> {
        engine_failure::explain(self.engine.as_ref()?, words)
    }

    /// A sentence about the pipeline: the first line of the file.
    pub fn about(&self) -> &str {
        let first = self.text.lines().next().unwrap_or_default();
        first.trim_start_matches(['#', '!']).trim()
    }

    /// The file as an error names it: `"camera"` or `"./mine.gst"`, with the line. One that speaks
    /// with an engine is named by its URL.
    pub fn place(&self, line: Option<usize>) -> String {
        let name = match (&self.path, &self.engine) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(url)) if line.is_none() => url.to_string(),
            (None, _) => self.name.clone(),
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

    /// The placeholders, each at its first place.
    ///
    /// # Errors
    ///
    /// Where a placeholder is malformed.
    pub fn placeholders(&self) -> Outcome<Vec<Placeholder>> {
        self.check_notation()?;
        template::placeholders(&self.text).map_err(|e| self.not_filled(e))
    }

    /// The text for GStreamer, with every placeholder filled by `lookup` or by its default.
    ///
    /// # Errors
    ///
    /// Where the file has an unknown directive, where a placeholder is malformed or without a
    /// value, or where `lookup` fails.
    pub fn fill(&self, lookup: &mut Lookup<'_>) -> Outcome<String> {
        self.check_notation()?;
        self.check_directives()?;
        let lookup = &mut |name: &str| self.value_or(name, lookup);
        template::fill(&self.text, lookup).map_err(|e| self.not_filled(e))
    }

    /// One line of the text, filled in the same way.
    ///
    /// # Errors
    ///
    /// Where a placeholder is malformed or without a value, or where `lookup` fails.
    pub fn fill_line(&self, number: usize, lookup: &mut Lookup<'_>) -> Outcome<String> {
        let line = self.text.lines().nth(number - 1).unwrap_or_default();
        let lookup = &mut |name: &str| self.value_or(name, lookup);
        template::fill_line(line, number, lookup).map_err(|e| self.not_filled(e))
    }

    /// The value of a placeholder: that of `lookup`, or else that of the engine.
    fn value_or(&self, name: &str, lookup: &mut Lookup<'_>) -> Option<Outcome<String>> {
        lookup(name).or_else(|| self.engine.as_ref()?.value(name).map(Ok))
    }

    /// Fails where the text has a mistake that no reading of it makes good.
    ///
    /// # Errors
    ///
    /// Where a quote is not closed, or where a shell's word stands in the pipeline.
    pub fn check_notation(&self) -> Outcome {
        match &self.fault {
            None => Ok(()),
            Some(fault) => {
                let failure = self.wrong(fault.line, &fault.cause);
                Err(failure.found([&fault.shown]).hint(&fault.hint))
            }
        }
    }

    /// A line for each variable of the environment that the file sets before a `gst-launch-1.0`.
    /// vidchat does not set it.
    pub fn ignored_variables(&self) -> impl Iterator<Item = String> {
        self.variables.iter().map(|(line, variable)| {
            let place = self.place(Some(*line));
            format!("the pipeline {place} does not set {variable}: type it before vidchat")
        })
    }

    fn not_filled(&self, error: TemplateError) -> Failure {
        match error {
            TemplateError::Malformed { line, cause } => self.wrong(line, &cause).hint(
                "write ${name} or ${name:-default}, with letters, digits, - and _ in the name",
            ),
            TemplateError::NoValue { line, name } => Failure::start(format!(
                "the pipeline {} needs a value for {name:?}",
                self.place(Some(line))
            ))
            .hint(format!("--set {name}=VALUE")),
            TemplateError::Lookup(failure) => failure,
        }
    }

    fn directives(&self) -> impl Iterator<Item = (usize, &str)> {
        let directive = |(number, line)| {
            let word = str::trim(line).strip_prefix("#!")?.trim();
            // The first line of a shell's script.
            let is_interpreter = number == 1 && word.starts_with('/');
            (!is_interpreter).then_some((number, word))
        };
        numbered(&self.text).filter_map(directive)
    }

    fn check_directives(&self) -> Outcome<()> {
        let known = [Directive::Loop, Directive::KeepOpen, Directive::OneOf].map(Directive::word);
        match self.directives().find(|(_, word)| !known.contains(word)) {
            None => Ok(()),
            Some((line, word)) => Err(self
                .wrong(line, &format!("{word:?} is no directive"))
                .found([format!("there are: #! {}", known.join(", #! "))])
                .hint(format!(
                    "# {word} is a comment: write one of those, or that"
                ))),
        }
    }

    /// The failure of a file with a mistake in this line.
    fn wrong(&self, line: usize, cause: &str) -> Failure {
        Failure::start(format!(
            "the pipeline {} is not valid",
            self.place(Some(line))
        ))
        .cause(cause)
    }
}

impl Directive {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::KeepOpen => "keep-open",
            Self::OneOf => "one-of",
        }
    }
}

/// The failure of a file that is there and holds no text.
fn not_text(direction: Direction, path: &Path, e: &NotText) -> Failure {
    let (shown, typed) = (path.display(), typed_path(path));
    let (line, hint) = match e {
        NotText::Binary => return no_pipeline(direction, path, e),
        NotText::Nul { line } => (*line, format!("tr -d '\\000' < {typed} > new.gst")),
        NotText::Legacy { line, .. } => {
            (*line, format!("iconv -f latin1 -t utf-8 {typed} > new.gst"))
        }
        NotText::Broken(_) => (1, "save it as UTF-8 text".to_owned()),
    };
    let place = format!("{:?} (line {line})", shown.to_string());
    Failure::start(format!("cannot read the pipeline {place}"))
        .cause(e)
        .hint(hint)
}

/// The failure of a file that is something else than a pipeline: a video, perhaps.
fn no_pipeline(direction: Direction, path: &Path, cause: &dyn fmt::Display) -> Failure {
    let (shown, typed) = (path.display().to_string(), typed_path(path));
    let failure = Failure::start(format!("cannot read the pipeline {shown:?}")).cause(cause);
    let is_named_so = path.extension().is_some_and(|end| end == "gst");
    match direction {
        Direction::Send if !is_named_so => failure.hint(format!(
            "if it is a video: vidchat send --pipeline file --set file={typed}"
        )),
        _ => failure.hint(format!(
            "vidchat pipelines show {} shows what such a file looks like",
            direction.example()
        )),
    }
}

/// The failure of a file that cannot be read.
fn unreadable(direction: Direction, path: &Path, e: &io::Error) -> Failure {
    let (shown, typed) = (path.display(), typed_path(path));
    let failure = Failure::start(format!("cannot read the pipeline {:?}", shown.to_string()))
        .cause(describe(e));
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let sample = direction.example();
    match e.kind() {
        io::ErrorKind::NotFound if folder.is_dir() => {
            let mut others = pipelines_in(folder);
            others.truncate(LISTED);
            let there = format!("there are: {}", others.join(", "));
            failure
                .found((!others.is_empty()).then_some(there))
                .hint(format!(
                    "vidchat pipelines show {sample} > {typed} makes one to begin with"
                ))
        }
        io::ErrorKind::NotFound => failure.hint("vidchat pipelines lists those that need no file"),
        io::ErrorKind::PermissionDenied => failure.hint(format!("chmod u+r {typed}")),
        _ => failure.hint(format!(
            "vidchat pipelines show {sample} shows what such a file looks like"
        )),
    }
}

/// The names of the pipeline files in a folder, sorted.
fn pipelines_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<String> = names.filter(|name| name.ends_with(".gst")).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_and_the_first_line_are_read() {
        let looped = PipelineFile::new(Direction::Send, "mine", "# A file.\n#! loop\nfilesrc");
        assert!(looped.has(Directive::Loop) && !looped.has(Directive::KeepOpen));
        assert_eq!(looped.about(), "A file.");
    }

    #[test]
    fn mistakes_are_named_with_their_line_and_a_hint() {
        let said = |text: &str| {
            let file = PipelineFile::new(Direction::Send, "mine", text);
            file.fill(&mut |_| None).unwrap_err().to_string()
        };
        for (text, parts) in [
            ("#\nsrc location=${file}", ["(line 2)", "--set file="]),
            ("#\n#! jump\na", ["(line 2)", "there are: #! loop"]),
            ("a\nb ! ${c", ["(line 2)", "hint: write ${name}"]),
        ] {
            let said = said(text);
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        }
    }
}
