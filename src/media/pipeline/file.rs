//! Pipeline files: where they are, what they are called, what they say of themselves.
//!
//! `template` fills their placeholders, and `build` makes a pipeline of that.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome, describe};

use super::codecs;

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
pub struct PipelineFile {
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
    /// `#! one-of`: of the lines that follow, the first that works here.
    OneOf,
}

/// The files that are part of the program: direction, name, text.
const SHIPPED: [(Direction, &str, &str); 8] = [
    (
        Direction::Send,
        "camera",
        include_str!("../../../pipelines/send/camera.gst"),
    ),
    (
        Direction::Send,
        "camera-mjpeg",
        include_str!("../../../pipelines/send/camera-mjpeg.gst"),
    ),
    (
        Direction::Send,
        "test",
        include_str!("../../../pipelines/send/test.gst"),
    ),
    (
        Direction::Send,
        "screen",
        include_str!("../../../pipelines/send/screen.gst"),
    ),
    (
        Direction::Send,
        "file",
        include_str!("../../../pipelines/send/file.gst"),
    ),
    (
        Direction::Recv,
        "window",
        include_str!("../../../pipelines/recv/window.gst"),
    ),
    (
        Direction::Recv,
        "terminal",
        include_str!("../../../pipelines/recv/terminal.gst"),
    ),
    (
        Direction::Recv,
        "none",
        include_str!("../../../pipelines/recv/none.gst"),
    ),
];

/// A pipeline file of more bytes than this is something else.
const FILE_LIMIT: u64 = 64 * 1024;
/// So many other files are named where one is not there.
const LISTED: usize = 10;

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Send => "send",
            Self::Recv => "recv",
        })
    }
}

impl PipelineFile {
    /// A pipeline that is no file of its own.
    pub fn new(direction: Direction, name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            direction,
            path: None,
            text: text.into(),
        }
    }

    /// Finds the pipeline that `name` means: a path where it has a `/` or ends in `.gst`,
    /// otherwise a name, the person's own before those that are part of the program, and a file
    /// of that very name before a source and a codec.
    pub fn find(direction: Direction, name: &str) -> Outcome<Self> {
        if name.contains(['/', std::path::MAIN_SEPARATOR]) || name.ends_with(".gst") {
            return Self::read(direction, name, Path::new(name));
        }
        let composed = || match direction {
            Direction::Send => codecs::find(name),
            Direction::Recv => None,
        };
        if let Some(found) = Self::named(direction, name).or_else(composed) {
            return found;
        }
        let names = Self::names(direction);
        Err(Failure::start(format!("cannot find the pipeline {name:?}"))
            .cause(format!(
                "there is none of that name for vidchat {direction}"
            ))
            .found([format!("there are: {}", names.join(", "))])
            .hint("give a path with a / in it to use a file: --pipeline ./mine.gst"))
    }

    /// The file of that very name, the person's own before that of the program.
    pub(super) fn named(direction: Direction, name: &str) -> Option<Outcome<Self>> {
        let mine = own_folder(direction).map(|folder| folder.join(format!("{name}.gst")));
        if let Some(path) = mine.filter(|path| path.exists()) {
            return Some(Self::read(direction, name, &path));
        }
        shipped(direction).find(|file| file.name == name).map(Ok)
    }

    /// Every name that [`PipelineFile::find`] knows, with a pattern for those that have a codec.
    pub fn names(direction: Direction) -> Vec<String> {
        let mut names: Vec<String> = Self::all(direction).into_iter().map(|r| r.name).collect();
        if direction == Direction::Send {
            names.extend(
                codecs::all()
                    .into_iter()
                    .map(|c| format!("SOURCE-{}", c.name)),
            );
        }
        names
    }

    /// Every pipeline that has a name: the person's own, then those of the program that they do
    /// not hide.
    pub fn all(direction: Direction) -> Vec<Self> {
        let mut found = BTreeMap::new();
        for file in shipped(direction) {
            found.insert(file.name.clone(), file);
        }
        for file in read_folder(direction, own_folder(direction)) {
            found.insert(file.name.clone(), file);
        }
        found.into_values().collect()
    }

    fn read(direction: Direction, name: &str, path: &Path) -> Outcome<Self> {
        let cannot = |e: io::Error| unreadable(direction, path, &e);
        let size = fs::metadata(path).map_err(cannot)?.len();
        if size > FILE_LIMIT {
            let cause = format!("{size} bytes is too much for a pipeline file");
            return Err(cannot(io::Error::other(cause)));
        }
        let text = fs::read_to_string(path).map_err(cannot)?;
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

    fn directives(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.text)
            .filter_map(|(number, line)| Some((number, line.trim().strip_prefix("#!")?.trim())))
    }

    /// An error if there is a directive that nobody knows.
    pub(super) fn check_directives(&self) -> Outcome<()> {
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

    /// Something is wrong with the file.
    pub(super) fn wrong(&self, line: usize, cause: &str) -> Failure {
        Failure::start(format!(
            "the pipeline {} is not valid",
            self.place(Some(line))
        ))
        .cause(cause)
    }
}

/// Why a file cannot be read, and what to do about it.
fn unreadable(direction: Direction, path: &Path, e: &io::Error) -> Failure {
    let shown = path.display();
    let cause = match e.kind() {
        io::ErrorKind::InvalidData => "it is no text".to_owned(),
        _ => describe(e),
    };
    let failure =
        Failure::start(format!("cannot read the pipeline {:?}", shown.to_string())).cause(cause);
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let sample = sample(direction);
    match e.kind() {
        io::ErrorKind::NotFound if folder.is_dir() => {
            let mut others = pipelines_in(folder);
            others.truncate(LISTED);
            let there = format!("there are: {}", others.join(", "));
            failure
                .found((!others.is_empty()).then_some(there))
                .hint(format!(
                    "vidchat pipelines show {sample} > {shown} makes one to begin with"
                ))
        }
        io::ErrorKind::NotFound => failure.hint("vidchat pipelines lists those that need no file"),
        io::ErrorKind::PermissionDenied => failure.hint(format!("chmod u+r {shown}")),
        _ => failure.hint(format!(
            "vidchat pipelines show {sample} shows what such a file looks like"
        )),
    }
}

/// The names of the pipeline files in a folder, in their order.
fn pipelines_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<String> = names.filter(|name| name.ends_with(".gst")).collect();
    found.sort();
    found
}

/// The name of a pipeline that is a good start for a person's own.
pub(super) fn sample(direction: Direction) -> &'static str {
    match direction {
        Direction::Send => "camera",
        Direction::Recv => "window",
    }
}

impl Directive {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::KeepOpen => "keep-open",
            Self::OneOf => "one-of",
        }
    }
}

/// Where a person keeps pipelines of their own.
pub fn own_folder(direction: Direction) -> Option<PathBuf> {
    folder_of(&direction.to_string())
}

/// The person's folder of this name, beside those of the other kinds of files.
pub(super) fn folder_of(kind: &str) -> Option<PathBuf> {
    let config = match std::env::var_os("XDG_CONFIG_HOME") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => std::env::home_dir()?.join(".config"),
    };
    Some(config.join("vidchat").join("pipelines").join(kind))
}

/// The files in a folder of a person's own that can be read.
pub(super) fn read_folder(direction: Direction, folder: Option<PathBuf>) -> Vec<PipelineFile> {
    let entries = folder.and_then(|folder| fs::read_dir(folder).ok());
    let paths = entries.into_iter().flatten().flatten().map(|e| e.path());
    let read = |path: PathBuf| {
        let name = path.file_stem().and_then(|stem| stem.to_str())?.to_owned();
        let is_pipeline = path.extension().is_some_and(|extension| extension == "gst");
        is_pipeline.then(|| PipelineFile::read(direction, &name, &path).ok())?
    };
    paths.filter_map(read).collect()
}

fn shipped(direction: Direction) -> impl Iterator<Item = PipelineFile> {
    SHIPPED
        .into_iter()
        .filter(move |(of, ..)| *of == direction)
        .map(|(direction, name, text)| PipelineFile::new(direction, name, text))
}

pub(super) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
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
    fn every_shipped_file_says_what_it_does() {
        for direction in [Direction::Send, Direction::Recv] {
            for file in shipped(direction) {
                assert!(file.text.starts_with("# "), "{}", file.name);
                assert!(file.about().ends_with('.'), "{}", file.name);
                assert!(file.text.contains("name=frames"), "{}", file.name);
            }
        }
    }
}
