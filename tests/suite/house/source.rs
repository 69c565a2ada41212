//! The source of the program, as the rules of the house read it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::project;

/// A source file of the program, without its tests and comments.
pub struct Source {
    /// From `src` on, such as `net/hub/mod.rs`.
    pub path: String,
    pub text: String,
    /// Numbered from 1, stripped of comments.
    code: Vec<(usize, String)>,
}

impl Source {
    /// `path` is from `src` on.
    pub fn new(path: String, text: String) -> Self {
        let code = code(&text);
        Self { path, text, code }
    }

    /// The code without comments, a line a line.
    pub fn code_text(&self) -> String {
        let lines: Vec<&str> = self.code.iter().map(|(_, line)| line.as_str()).collect();
        lines.join("\n")
    }

    pub fn is_under(&self, place: &str) -> bool {
        self.path == place || self.path.starts_with(&format!("{place}/"))
    }

    /// Where one of `words` stands in the code, as a person finds it.
    pub fn lines_with<'a>(&'a self, words: &'a [&str]) -> impl Iterator<Item = String> + 'a {
        self.code
            .iter()
            .filter(move |(_, line)| words.iter().any(|word| stands_in(line, word)))
            .map(|(number, line)| format!("src/{}:{number}: {}", self.path, line.trim()))
    }
}

/// Whether `word` is in `line` and is not the end of a longer one.
fn stands_in(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
        !(word.starts_with(part_of_word) && line[..at].ends_with(part_of_word))
    })
}

/// Every file of the program.
pub fn sources() -> Vec<Source> {
    let root = project().join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    let sources: Vec<Source> = paths
        .into_iter()
        .filter(|path| !is_tests(path))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("sources are text");
            let path = path.strip_prefix(&root).expect("it is under src");
            Source::new(path.to_string_lossy().replace('\\', "/"), text)
        })
        .collect();
    assert!(sources.len() > 20, "the sources are not where they were");
    sources
}

pub fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|e| e == "rs") {
            paths.push(path);
        }
    }
}

/// Tests that have a file of their own, since they are long.
fn is_tests(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    name == "tests" || name.ends_with("_tests")
}

/// The lines that are compiled into the program: tests come last in a file.
fn code(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().collect::<Vec<_>>();
    let only_tests =
        |line: &str| ["#[cfg(test)]", "#[cfg(all(test,"].map(|start| line.starts_with(start));
    let tests = lines
        .windows(2)
        .position(|pair| only_tests(pair[0]).contains(&true) && pair[1].starts_with("mod "));
    lines[..tests.unwrap_or(lines.len())]
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let comment = line.trim_start().starts_with("//");
            let code = line.split(" // ").next().unwrap_or_default();
            (index + 1, if comment { "" } else { code }.to_owned())
        })
        .collect()
}
