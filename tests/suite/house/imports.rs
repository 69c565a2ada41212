//! The import graph of the program: no circle between files, and arrows between folders that
//! point one way.
//!
//! The graph is read off the source: every path that begins with `crate`, `super` or `self`, in
//! the code that is compiled into the program. A name that a `mod.rs` re-exports counts for the
//! file it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::source::{Source, sources};
use crate::support::project;

/// Which top-level module may import which, from the program down to the frame.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "main",
        &[
            "cli", "usage", "commands", "console", "media", "window", "failure",
        ],
    ),
    ("usage", &["net", "failure"]),
    (
        "commands",
        &[
            "cli",
            "media",
            "window",
            "pixels",
            "net",
            "wire",
            "frame",
            "clock",
            "console",
            "engine_url",
            "failure",
            "limits",
        ],
    ),
    ("cli", &["net", "wire", "engine_url", "failure", "limits"]),
    (
        "media",
        &[
            "window",
            "pixels",
            "wire",
            "frame",
            "clock",
            "console",
            "engine_url",
            "failure",
            "limits",
        ],
    ),
    ("window", &["pixels"]),
    ("pixels", &[]),
    ("net", &["wire", "frame", "clock", "failure"]),
    ("console", &["failure"]),
    ("engine_url", &["failure"]),
    ("limits", &["failure"]),
    ("wire", &["frame", "clock"]),
    ("frame", &["clock"]),
    ("clock", &[]),
    ("failure", &[]),
];

/// The folders of a module in steps, the highest first: each folder may import those of the steps
/// below its own.
const STAIRCASES: &[(&str, &[&[&str]])] = &[
    (
        "media",
        &[
            &["playback"],
            &["capture"],
            &["display"],
            &["pipeline"],
            &["gst"],
        ],
    ),
    (
        "net",
        &[&["call"], &["sender", "receiver"], &["hub", "secure"]],
    ),
    (
        "commands",
        &[
            &["call", "demo", "play"],
            &["publish"],
            &["send"],
            &["recv"],
        ],
    ),
];

/// Which file imports which: paths from `src` on, such as `net/hub/mod.rs`.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_circle_between_files() {
    let circles = circles(&graph(&sources()));
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn arrows_between_folders_point_one_way() {
    let mut wrong = Vec::new();
    for (from, targets) in graph(&sources()) {
        for to in targets {
            if !is_allowed(&from, &to) {
                wrong.push(format!("src/{from} imports src/{to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The two tests above find nothing in good code. These files show that they would.
#[test]
fn a_circle_and_a_wrong_arrow_are_found() {
    let file = |path: &str, text: &str| Source::new(path.to_owned(), text.to_owned());
    let sources = [
        file("media/mod.rs", "pub mod gst;\npub use gst::caps::read;\n"),
        file(
            "media/gst/caps.rs",
            "use super::stop;\nuse crate::media::playback::player::Player;\n",
        ),
        file("media/gst/stop.rs", "fn f() { crate::media::read(); }\n"),
        file(
            "media/playback/player.rs",
            "// crate::net::hub\nuse crate::{frame::Frame, wire::{Caps, message}};\n",
        ),
        file("frame.rs", ""),
        file("net/mod.rs", "mod hub;\nfn f() { hub::g() }\n"),
        file("net/hub.rs", "use super::f;\n"),
        file("wire/mod.rs", ""),
        file(
            "wire/message.rs",
            "#[cfg(test)]\nmod tests { use crate::media; }\n",
        ),
    ];
    let graph = graph(&sources);
    let player = ["frame.rs", "wire/message.rs", "wire/mod.rs"].map(String::from);
    assert_eq!(
        graph["media/playback/player.rs"],
        BTreeSet::from(player),
        "a group, and no comment"
    );
    assert_eq!(graph["wire/message.rs"], BTreeSet::new(), "no tests");
    assert_eq!(
        circles(&graph),
        [
            ["media/gst/caps.rs", "media/gst/stop.rs"],
            ["net/hub.rs", "net/mod.rs"],
        ],
        "by way of a re-export, and of a module's own child"
    );
    assert!(!is_allowed("media/gst/caps.rs", "media/playback/player.rs"));
    assert!(!is_allowed("media/playback/player.rs", "net/hub/mod.rs"));
    assert!(is_allowed("media/playback/player.rs", "media/gst/caps.rs"));
    assert!(!is_allowed("net/sender/dial.rs", "net/receiver/session.rs"));
    assert!(!is_allowed("net/receiver/session.rs", "net/sender/dial.rs"));
}

#[test]
fn every_folder_of_a_staircase_exists() {
    for (module, steps) in STAIRCASES {
        for folder in steps.iter().copied().flatten() {
            let place = project().join("src").join(module).join(folder);
            assert!(
                place.is_dir() || place.with_extension("rs").is_file(),
                "{place:?}"
            );
        }
    }
}

/// Whether one file may import another.
fn is_allowed(from: &str, to: &str) -> bool {
    let (top, target) = (top_of(from), top_of(to));
    // lib.rs declares the modules; it imports none of them.
    if top != target {
        let allowed = LAYERS.iter().find(|(module, _)| *module == top);
        return allowed.is_some_and(|(_, targets)| targets.contains(&target));
    }
    let Some((_, steps)) = STAIRCASES.iter().find(|(module, _)| *module == top) else {
        return true;
    };
    let step = |path: &str| {
        let part = path.split('/').nth(1).unwrap_or_default();
        let part = part.trim_end_matches(".rs");
        let step = steps.iter().position(|folders| folders.contains(&part))?;
        Some((step, part.to_owned()))
    };
    match (step(from), step(to)) {
        (Some(from), Some(to)) => from.0 < to.0 || from.1 == to.1,
        _ => true,
    }
}

/// The column "what it may use" of the map says what the two tables of this file say.
#[test]
fn the_map_says_what_each_place_may_use() {
    let wrong = differences(&rows_of_the_map(
        &fs::read_to_string(project().join("docs/architecture.md")).expect("it is there"),
    ));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_wrong_row_of_the_map_is_found() {
    let row = |place: &str, may_use: &str| format!("| `src/{place}` | a place | {may_use} |\n");
    for (place, may_use, is_right) in [
        (
            "cli.rs",
            "`net`, `wire`, `engine_url`, `failure`, `limits`",
            true,
        ),
        (
            "cli.rs",
            "`net` and `wire` for their constants, `engine_url`, `failure`, `limits`",
            true,
        ),
        ("cli.rs", "`net`, `wire`, `failure`", false),
        (
            "cli.rs",
            "`net`, `wire`, `engine_url`, `failure`, `limits`, `media`",
            false,
        ),
        ("clock.rs", "", true),
        ("clock.rs", "`frame`", false),
        ("media/display/", "`pipeline`, `gst`", true),
        ("media/display/", "`pipeline`", false),
        ("media/display/", "`capture`, `pipeline`, `gst`", false),
        ("media/display/x11/", "as `display`", true),
        ("media/display/x11/", "as `media`", false),
        ("media/gst/", "", true),
    ] {
        let wrong = differences(&rows_of_the_map(&row(place, may_use)));
        let wrong = wrong.iter().filter(|wrong| wrong.contains(place));
        assert_eq!(wrong.count() == 0, is_right, "{place}: {may_use}");
    }
    assert!(!differences(&[]).is_empty(), "rows that are missing");
}

/// The rows of the map: each place from `src` on, and the words on what it may use.
fn rows_of_the_map(text: &str) -> Vec<(String, String)> {
    let cells = |line: &str| -> Option<(String, String)> {
        let mut cells = line.strip_prefix("| `src/")?.split(" | ");
        let place = cells.next()?.trim_end_matches('`').to_owned();
        let may_use = cells.nth(1)?.trim_end_matches('|').trim().to_owned();
        Some((place, may_use))
    };
    text.lines().filter_map(cells).collect()
}

/// The rows of the map that say something else than the tables of this file, and the modules that
/// have no row.
fn differences(rows: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (place, words) in rows.iter().filter(|(place, _)| place != "lib.rs") {
        let allowed = may_use(place);
        let in_words: BTreeSet<&str> = words.split('`').skip(1).step_by(2).collect();
        let said = match words.strip_prefix("as `") {
            // A folder of a folder is of the same layer.
            Some(_) => {
                let parent = place.trim_end_matches('/').rsplit('/').nth(1);
                if parent.is_some_and(|parent| in_words.contains(parent)) {
                    allowed.clone()
                } else {
                    in_words
                }
            }
            None => in_words,
        };
        if said != allowed && !(words == "everything below" && is_above_all(place)) {
            wrong.push(format!(
                "src/{place}: the map says {said:?}, the rule {allowed:?}"
            ));
        }
    }
    let missing = LAYERS.iter().map(|(module, _)| *module).filter(|module| {
        let is_row = |(place, _): &(String, String)| place.trim_end_matches(['/']) == *module;
        !rows
            .iter()
            .any(|row| is_row(row) || row.0 == format!("{module}.rs"))
    });
    wrong.extend(missing.map(|module| format!("the map has no row for src/{module}")));
    wrong
}

/// Whether a place may use every module that the map has below it.
fn is_above_all(place: &str) -> bool {
    let top = top_of(place);
    let Some(row) = LAYERS.iter().position(|(module, _)| *module == top) else {
        return false;
    };
    let below = LAYERS[row + 1..].iter().map(|(module, _)| *module);
    let allowed = may_use(place);
    below.into_iter().all(|module| allowed.contains(module))
}

/// The modules that a place may use by the tables of this file: those of its layer for a module at
/// the root, and the steps below it for a folder of a staircase.
fn may_use(place: &str) -> BTreeSet<&'static str> {
    let top = top_of(place);
    let folder = place.split('/').nth(1).filter(|folder| !folder.is_empty());
    let staircase = STAIRCASES.iter().find(|(module, _)| *module == top);
    match (folder, staircase) {
        (Some(folder), Some((_, steps))) => {
            let step = steps.iter().position(|folders| folders.contains(&folder));
            let below = step.map_or(&[][..], |step| &steps[step + 1..]);
            below.iter().copied().flatten().copied().collect()
        }
        (Some(_), None) => BTreeSet::new(),
        (None, _) => {
            let layer = LAYERS.iter().find(|(module, _)| *module == top);
            layer
                .map_or(&[][..], |(_, targets)| targets)
                .iter()
                .copied()
                .collect()
        }
    }
}

/// The module at the root of the crate that a file belongs to.
fn top_of(path: &str) -> &str {
    path.split('/')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".rs")
}

/// Reads the graph off the source.
fn graph(sources: &[Source]) -> Graph {
    let files: BTreeMap<String, String> = sources
        .iter()
        .map(|source| (module_of(&source.path), source.path.clone()))
        .collect();
    let mut exports = BTreeMap::new();
    for source in sources.iter().filter(|s| s.path.ends_with("mod.rs")) {
        let module = module_of(&source.path);
        for path in statements(&source.code_text(), "pub use ") {
            for path in expand(&path) {
                let path = absolute(&path, &module).unwrap_or(format!("{module}::{path}"));
                let name = path.rsplit("::").next().unwrap_or_default().to_owned();
                exports.insert(format!("{module}::{name}"), path);
            }
        }
    }
    sources
        .iter()
        .map(|source| {
            let module = module_of(&source.path);
            let mut found = paths(&source.code_text());
            found.extend(children(&source.code_text()));
            let targets = found
                .iter()
                .filter_map(|path| absolute(path, &module))
                .filter_map(|path| file_of(&path, &files, &exports))
                .filter(|file| *file != source.path)
                .collect();
            (source.path.clone(), targets)
        })
        .collect()
}

/// `net::hub` for `net/hub/mod.rs`; empty for the crate's root.
fn module_of(path: &str) -> String {
    let path = Path::new(path).with_extension("");
    let mut parts: Vec<_> = path
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts
        .last()
        .is_some_and(|last| last == "mod" || last == "lib")
    {
        parts.pop();
    }
    parts.join("::")
}

/// What follows `start` up to the semicolon, for each statement that begins with it.
fn statements(code: &str, start: &str) -> Vec<String> {
    code.split('\n')
        .enumerate()
        .filter(|(_, line)| line.trim_start().starts_with(start))
        .map(|(index, _)| {
            let rest: String = code.split('\n').skip(index).collect::<Vec<_>>().join(" ");
            let statement = rest.split(';').next().unwrap_or_default();
            statement.trim_start()[start.len()..].to_owned()
        })
        .collect()
}

/// Every path of the code that begins at the crate's root or at its own module.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for root in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            found.extend(expand(&code[at..]));
        }
    }
    found
}

/// What a `mod.rs` takes from the modules that it declares: it may leave `self` out.
fn children(code: &str) -> Vec<String> {
    let declared = code.lines().filter_map(|line| {
        let name = line.trim_end().strip_suffix(';')?.split("mod ").nth(1)?;
        (!line.starts_with(' ')).then_some(name)
    });
    declared
        .filter(|name| {
            let uses = code.lines().filter(|line| !line.starts_with("pub use "));
            let path = format!("{name}::");
            uses.flat_map(|line| line.match_indices(&path).map(move |(at, _)| &line[..at]))
                .any(|before| {
                    !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                })
        })
        .map(|name| format!("self::{name}"))
        .collect()
}

/// The paths of `a::{b, c::{d, e}}`, at the start of `text`.
fn expand(text: &str) -> Vec<String> {
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .unwrap_or(text.len());
    let (head, rest) = text.split_at(end);
    let Some(group) = rest.strip_prefix('{').filter(|_| head.ends_with("::")) else {
        return vec![head.trim_end_matches(':').to_owned()];
    };
    let (mut depth, mut item, mut items) = (0, String::new(), Vec::new());
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => items.push(std::mem::take(&mut item)),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                item.push(c);
            }
        }
    }
    items.push(item);
    items
        .iter()
        .map(|item| item.trim())
        .filter(|item| !item.is_empty())
        .flat_map(|item| expand(item.strip_prefix("self").unwrap_or(item)))
        .map(|path| format!("{head}{path}").trim_end_matches(':').to_owned())
        .collect()
}

/// The path from the crate's root, without `crate`; `None` where it begins elsewhere.
fn absolute(path: &str, module: &str) -> Option<String> {
    let mut parts: Vec<&str> = match module {
        "" => Vec::new(),
        module => module.split("::").collect(),
    };
    let mut rest = path.split("::").peekable();
    match rest.next()? {
        "crate" => parts.clear(),
        "self" => {}
        "super" => {
            parts.pop();
            while rest.next_if_eq(&"super").is_some() {
                parts.pop();
            }
        }
        _ => return None,
    }
    parts.extend(rest);
    Some(parts.join("::"))
}

/// The file that a path leads to: the longest part of it that is a module, or the file that its
/// name is re-exported from.
fn file_of(
    path: &str,
    files: &BTreeMap<String, String>,
    exports: &BTreeMap<String, String>,
) -> Option<String> {
    let parts: Vec<&str> = path.split("::").collect();
    for length in (1..=parts.len()).rev() {
        let start = parts[..length].join("::");
        if let Some(file) = files.get(&start) {
            return Some(file.clone());
        }
        if let Some(export) = exports.get(&start) {
            return file_of(export, files, exports);
        }
    }
    None
}

/// The groups of files that reach each other, each sorted.
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> = graph
        .keys()
        .map(|file| (file.as_str(), reachable(graph, file)))
        .collect();
    let mut circles: Vec<Vec<String>> = reach
        .iter()
        .filter(|(file, reached)| reached.contains(*file))
        .map(|(file, reached)| {
            reached
                .iter()
                .filter(|other| reach.get(**other).is_some_and(|back| back.contains(file)))
                .map(|other| (*other).to_owned())
                .collect()
        })
        .collect();
    circles.sort();
    circles.dedup();
    circles
}

fn reachable<'a>(graph: &'a Graph, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = graph
        .get(from)
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(graph.get(file).into_iter().flatten().map(String::as_str));
        }
    }
    reached
}

/// Modules that nobody lists would be judged by no rule.
#[test]
fn every_top_level_module_has_its_layer() {
    let listed: BTreeSet<String> = LAYERS.iter().map(|(module, _)| (*module).into()).collect();
    let there: BTreeSet<String> = fs::read_dir(project().join("src"))
        .expect("the source is there")
        .flatten()
        .map(|entry| top_of(&entry.file_name().to_string_lossy()).to_owned())
        .filter(|module| module != "lib")
        .collect();
    assert_eq!(listed, there);
}
