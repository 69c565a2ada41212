//! What the documents say about the program, against the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use vidchat::cli::Cli;
use vidchat::media::pipeline::build;
use vidchat::media::{self, Direction, PipelineFile, Values, capture, playback};
use vidchat::wire::Caps;

use crate::support::{project, run, vidchat};

/// A fenced block of a document.
struct Block {
    /// What stands after the opening fence.
    info: String,
    lines: Vec<String>,
}

fn read(path: &str) -> String {
    fs::read_to_string(project().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// README.md and the like, and all of docs/, from the project's folder on.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["", "docs", "docs/decisions"] {
        for entry in fs::read_dir(project().join(folder)).expect("it is there") {
            let name = entry.expect("it can be read").file_name();
            let path = Path::new(folder).join(name);
            if path.extension().is_some_and(|e| e == "md") {
                found.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    assert!(found.len() >= 8, "the documents are not where they were");
    found
}

/// The text outside of fenced blocks, line by line, and the blocks.
fn split(text: &str) -> (Vec<String>, Vec<Block>) {
    let (mut prose, mut blocks) = (Vec::new(), Vec::<Block>::new());
    let mut inside = false;
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), inside) {
            (Some(info), false) => blocks.push(Block {
                info: info.to_owned(),
                lines: Vec::new(),
            }),
            (None, true) => {
                let block = blocks.last_mut().expect("one was opened");
                block.lines.push(line.to_owned());
            }
            (None, false) => prose.push(line.to_owned()),
            (Some(_), true) => {}
        }
        inside ^= line.trim_start().starts_with("```");
    }
    assert!(!inside, "a fence without its end");
    (prose, blocks)
}

/// The blocks of `path` whose opening fence says `info`.
fn blocks(path: &str, info: &str) -> Vec<Block> {
    let (_, mut blocks) = split(&read(path));
    blocks.retain(|block| block.info == info);
    blocks
}

/// The text of each heading of that depth.
fn headings(path: &str, marks: &str) -> Vec<String> {
    let (prose, _) = split(&read(path));
    let marks = format!("{marks} ");
    let found = prose.iter().filter_map(|line| line.strip_prefix(&marks));
    found.map(|heading| heading.trim().to_owned()).collect()
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(path: &str) -> BTreeSet<String> {
    let (prose, _) = split(&read(path));
    let headings = prose.iter().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
            heading.chars().filter(kept).collect::<String>()
        })
        .map(|anchor| anchor.replace(' ', "-"))
        .collect()
}

/// The targets of `[text](target)` in a line.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1);
    targets.filter_map(|rest| rest.split(')').next())
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut broken = Vec::new();
    let mut followed = 0;
    for document in documents() {
        let folder = Path::new(&document).parent().expect("a file has one");
        let (prose, _) = split(&read(&document));
        for target in prose.iter().flat_map(|line| links(line)) {
            if target.contains("://") {
                continue;
            }
            followed += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match path {
                "" => PathBuf::from(&document),
                path => folder.join(path),
            };
            let there = project().join(&path).exists();
            if !there || !(anchor.is_empty() || anchors(&path.to_string_lossy()).contains(anchor)) {
                broken.push(format!("{document}: {target}"));
            }
        }
    }
    assert!(followed > 40, "only {followed} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_readme_shows_the_help_that_the_program_prints() {
    let (_, blocks) = split(&read("README.md"));
    let mut compared = 0;
    for block in blocks {
        let Some(command) = block.info.strip_prefix("text help of vidchat ") else {
            continue;
        };
        let printed = run(vidchat().args(command.split(' '))).stdout;
        let printed: Vec<&str> = printed.trim_end().lines().collect();
        assert_eq!(block.lines, printed, "vidchat {command}");
        compared += 1;
    }
    assert!(compared > 0, "README.md has no block of help");
}

/// Words with `…` for every value, whether it is in quotes or not.
fn without_values(text: &str) -> String {
    text.replace("\"…\"", "…")
}

/// The code of each file in `src/`, without its tests.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![project().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it is there").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.to_string_lossy().ends_with("tests.rs") {
                let source = fs::read_to_string(&path).expect("sources are text");
                let code = source.split("\nmod tests {").next().unwrap_or_default();
                found.push((path, code.to_owned()));
            }
        }
    }
    assert!(found.len() > 100, "the sources are not where they were");
    found
}

/// The first words of every error in the source: the text that `Failure` is made with.
fn errors() -> BTreeSet<String> {
    let sources = sources().into_iter();
    let makers = sources.filter(|(path, _)| !path.ends_with("src/failure.rs"));
    let found: BTreeSet<String> = makers
        .flat_map(|(_, code)| errors_in(&code).collect::<Vec<_>>())
        .collect();
    assert!(found.len() > 20, "the errors are not made as they were");
    found
}

fn errors_in(code: &str) -> impl Iterator<Item = String> {
    code.split("Failure::").skip(1).filter_map(|rest| {
        let (maker, rest) = rest.split_once('(')?;
        if !["new", "start", "usage", "lost"].contains(&maker) {
            return None;
        }
        let (_, rest) = rest.split_once('"')?;
        Some(without_values(&literal(rest)))
    })
}

/// The text of a string literal of Rust, with `…` for what is formatted into it.
fn literal(rest: &str) -> String {
    let mut text = String::new();
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '{' => {
                text.push('…');
                while chars.next().is_some_and(|c| c != '}') {}
            }
            '\\' if chars.peek() == Some(&'\n') => {
                while chars.next_if(|c| c.is_whitespace()).is_some() {}
            }
            '\\' => text.extend(chars.next()),
            c => text.push(c),
        }
    }
    text
}

#[test]
fn every_error_has_its_heading_and_every_such_heading_its_error() {
    let page = "docs/troubleshooting.md";
    let (prose, _) = split(&read(page));
    let errors_end = prose.iter().position(|l| l == "## No error, and yet");
    let errors_end = errors_end.expect("the page has a part without errors");
    let explained: BTreeSet<String> = prose[..errors_end]
        .iter()
        .filter_map(|line| line.strip_prefix("### "))
        .map(without_values)
        .collect();
    let made = errors();
    let missing: Vec<_> = made.difference(&explained).collect();
    let outdated: Vec<_> = explained.difference(&made).collect();
    assert!(missing.is_empty(), "{page} does not explain {missing:#?}");
    assert!(
        outdated.is_empty(),
        "{page} explains what no longer is: {outdated:#?}"
    );
}

/// Causes in the words of the system and of GStreamer.
const WORDS_OF_OTHERS: [&str; 17] = [
    "is not a capture device",
    "in element",
    "address already in use",
    "network is unreachable",
    "no such file or directory",
    "permission denied",
    "read-only file system",
    "no space left on device",
    "connection reset",
    "could not link",
    "could not set property",
    "no property",
    "syntax error",
    "internal data stream error",
    "resource not found",
    "could not open",
    "could not read from resource",
];
/// Causes that stand for all others.
const REST: [&str; 4] = ["anything else", "any other", "and others", "or others"];

/// The words between the values of a text, each without its marks: `no frame for 2 s` has `no frame
/// for`. Words too short to tell anything are left out.
fn parts(text: &str) -> Vec<String> {
    let is_end = |c: char| c.is_ascii_digit() || "…\"`,;:()<>|{}".contains(c);
    let trimmed = text.split(is_end).map(|part| part.trim().to_lowercase());
    trimmed.filter(|part| part.len() > 5).collect()
}

/// The words that a line of troubleshooting.md quotes: the cause of a row, and a text in quotes.
fn quoted(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    match line.strip_prefix("| ") {
        Some(row) => {
            let cause = row.split(" | ").next().unwrap_or_default();
            // Other columns and code are to be typed, not read.
            if !cause.starts_with('`') {
                found.extend(parts(cause));
            }
        }
        None => {
            let texts = line.split('"').skip(1).step_by(2);
            let read = texts.filter(|text| text.contains(' ') && !text.contains('`'));
            found.extend(read.flat_map(parts));
        }
    }
    found
}

#[test]
fn every_cause_in_troubleshooting_is_one_that_the_program_says() {
    const HEADS: [&str; 6] = ["why", "it", "text", "line", "what", "value of HOST"];
    let (prose, _) = split(&read("docs/troubleshooting.md"));
    let code: Vec<String> = sources()
        .into_iter()
        .flat_map(|(_, code)| {
            let lines = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            let code = lines.collect::<Vec<_>>().join("\n");
            let texts: Vec<String> = texts_in(&code).collect();
            texts
        })
        .map(|text| text.to_lowercase())
        .collect();
    let is_said = |part: &String| {
        code.iter().any(|text| text.contains(part.as_str()))
            || WORDS_OF_OTHERS.contains(&part.as_str())
            || REST.contains(&part.as_str())
    };
    // A text in quotes may go on in the next line.
    let mut lines = vec![String::new()];
    for line in &prose {
        match lines.last_mut() {
            Some(last) if !(line.is_empty() || line.starts_with(['|', '#', '-'])) => {
                *last += " ";
                *last += line;
            }
            _ => lines.push(line.clone()),
        }
    }
    let (mut outdated, mut compared) = (Vec::new(), 0);
    for line in lines.iter().filter(|line| !line.starts_with('#')) {
        let head = line
            .strip_prefix("| ")
            .and_then(|row| row.split(" | ").next());
        if head.is_some_and(|head| HEADS.contains(&head)) {
            continue;
        }
        for part in quoted(line) {
            compared += 1;
            if !is_said(&part) {
                outdated.push(format!("{part:?} in {line:.60}"));
            }
        }
    }
    assert!(compared > 100, "only {compared} causes were found");
    assert!(
        outdated.is_empty(),
        "the program does not say {outdated:#?}"
    );
}

/// The text of each string literal of `code`.
fn texts_in(code: &str) -> impl Iterator<Item = String> {
    let mut rest = code;
    std::iter::from_fn(move || {
        // The quote of a character is none.
        loop {
            let at = rest.find('"')?;
            let is_char = rest[..at].ends_with('\'') && rest[at + 1..].starts_with('\'');
            let start = &rest[at + 1..];
            if is_char {
                rest = start;
                continue;
            }
            let mut end = 0;
            let bytes = start.as_bytes();
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            let end = end.min(start.len());
            rest = start.get(end + 1..).unwrap_or_default();
            return Some(literal(start));
        }
    })
}

#[test]
fn the_bounds_of_numbers_are_those_of_the_program() {
    let (prose, _) = split(&read("docs/troubleshooting.md"));
    let rows = prose.iter().filter_map(|line| {
        let (names, takes) = line.strip_prefix("| ")?.split_once(" | a whole number ")?;
        Some((names, takes.trim_end_matches(" |")))
    });
    let mut compared = 0;
    for (names, takes) in rows {
        for name in names.split(", ").map(|name| name.trim_matches('`')) {
            let set = format!("{name}=x");
            let said =
                run(vidchat().args(["pipelines", "check", "test-av1", "--set", &set])).stderr;
            let takes = format!("it takes a whole number {takes}\n");
            assert!(said.contains(&takes), "{takes:?} is not in {said}");
            compared += 1;
        }
    }
    assert_eq!(compared, 7);
}

#[test]
fn each_shipped_pipeline_is_explained_and_no_other() {
    let explained: BTreeSet<String> = headings("docs/pipelines.md", "###")
        .into_iter()
        .filter(|heading| heading.starts_with("send: ") || heading.starts_with("recv: "))
        .collect();
    let listed = run(vidchat().args(["pipelines", "list"])).stdout;
    let (mut shipped, mut engines) = (BTreeSet::new(), BTreeSet::new());
    let mut end = "";
    for line in listed.lines() {
        if let Some(rest) = line.strip_prefix("vidchat ") {
            end = rest.split(' ').next().unwrap_or_default();
            // A table explains those that speak with an engine.
            if rest.contains("URL") {
                end = "engine";
            }
        } else if let Some(rest) = line.strip_prefix("  ") {
            let name = rest.split(' ').next().unwrap_or_default();
            match end {
                "engine" => engines.insert(name.to_owned()),
                _ => shipped.insert(format!("{end}: {name}")),
            };
        }
    }
    assert_eq!(explained, shipped);
    let rows = first_column("docs/pipelines.md", "## Into engines, and out of them");
    assert_eq!(rows, engines);
}

/// Fills a pipeline file's placeholders with something for all that have no value on every machine.
fn filled(file: &PipelineFile) -> String {
    let mut values = Values::default();
    values.set("camera", "videotestsrc is-live=true");
    for placeholder in file.placeholders().expect("they are well-formed") {
        let known = ["camera", "height", "decode", "encode", "jpeg-colours"];
        let known = known.contains(&placeholder.name.as_str());
        if placeholder.default.is_none() && !known {
            values.set(placeholder.name, "/dev/null");
        }
    }
    let caps = Caps::parse("video/x-raw, format=I420, width=320, height=240").expect("it is good");
    let filled = match file.direction {
        Direction::Send => capture::placeholders::fill(&values, file).map(|filled| filled.text),
        Direction::Recv => playback::placeholders::fill(&values, file, &caps),
    };
    filled.unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn every_example_to_paste_makes_a_pipeline() {
    media::init().expect("GStreamer starts");
    let examples = blocks("docs/pipelines.md", "gst");
    assert!(examples.len() > 8, "only {} examples", examples.len());
    for block in examples {
        let text = block.lines.join("\n");
        let direction = if text.contains("appsrc name=frames") {
            Direction::Recv
        } else {
            Direction::Send
        };
        let file = PipelineFile::new(direction, "mine", text);
        assert!(file.about().len() > 10, "{} says nothing", block.lines[0]);
        if let Err(failure) = build::check(&file, &filled(&file)) {
            panic!("{:?}: {failure}", file.about());
        }
    }
}

/// The words of a command line, as a shell splits them, up to the first that belongs to the shell.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quoted, mut begun) = (String::new(), false, false);
    for c in line.chars().chain([' ']) {
        match c {
            '"' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted => {
                if begun && !quoted && ["#", "|", ">", "&&", "&", ";"].contains(&word.as_str()) {
                    return words;
                }
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    words
}

/// Every call of vidchat in a line of shell.
fn calls(line: &str) -> Vec<Vec<String>> {
    let all: Vec<&str> = line.split("vidchat ").skip(1).collect();
    let befores = line.match_indices("vidchat ").map(|(at, _)| &line[..at]);
    all.into_iter()
        .zip(befores)
        .filter(|(_, before)| before.is_empty() || before.ends_with(' '))
        .filter(|(_, before)| !before.contains("# "))
        .map(|(rest, _)| {
            let mut call = vec!["vidchat".to_owned()];
            call.extend(words(rest));
            call
        })
        .collect()
}

#[test]
fn every_command_line_in_the_documents_is_understood() {
    let mut tried = 0;
    for document in documents() {
        for line in blocks(&document, "sh").iter().flat_map(|b| &b.lines) {
            for call in calls(line.trim()) {
                tried += 1;
                if let Err(e) = Cli::try_parse_from(&call) {
                    let shown = [
                        clap::error::ErrorKind::DisplayHelp,
                        clap::error::ErrorKind::DisplayVersion,
                    ];
                    assert!(shown.contains(&e.kind()), "{document}: {line}\n{e}");
                }
            }
        }
    }
    assert!(tried > 40, "only {tried} command lines were found");
}

/// The names in the first column of the tables of a part of a document.
fn first_column(path: &str, heading: &str) -> BTreeSet<String> {
    let (prose, _) = split(&read(path));
    let part = prose.into_iter().skip_while(|line| line != heading).skip(1);
    part.take_while(|line| !line.starts_with("## "))
        .filter_map(|line| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned()))
        .collect()
}

#[test]
fn every_dependency_has_its_reason() {
    let mut used = BTreeSet::new();
    let mut inside = false;
    for line in read("Cargo.toml").lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && let Some((name, _)) = line.split_once(" = ") {
            used.insert(name.trim().to_owned());
        }
    }
    assert!(used.len() > 15, "Cargo.toml is not what it was");
    let explained = first_column("docs/architecture.md", "## Dependencies");
    assert_eq!(explained, used);
}

/// Every folder below `folder`, and its own files of Rust: paths from the project's folder on, such
/// as `src/net/hub/` and `src/cli.rs`.
fn places(folder: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(project().join(folder)).expect("it is there") {
        let entry = entry.expect("it can be read");
        let path = format!("{folder}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            let path = format!("{path}/");
            let below = places(&path);
            found.extend(below.into_iter().filter(|place| place.ends_with('/')));
            found.insert(path);
        } else if path.ends_with(".rs") {
            found.insert(path);
        }
    }
    found
}

#[test]
fn every_folder_of_the_source_is_on_the_map_and_no_other() {
    let map = first_column("docs/architecture.md", "## The folders");
    let source = places("src/");
    assert!(source.contains("src/net/hub/"), "{source:?}");
    let missing: Vec<_> = source.difference(&map).collect();
    let outdated: Vec<_> = map.difference(&source).collect();
    assert!(missing.is_empty(), "not on the map: {missing:#?}");
    assert!(outdated.is_empty(), "only on the map: {outdated:#?}");
}

/// The words in backquotes of a line that begin like a path of the project.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let roots = [
        "src",
        "tests",
        "benches",
        "scripts",
        "pipelines",
        "examples",
        "fuzz",
        "docs",
    ];
    let quoted = line.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|quoted| quoted.split(' ').next())
        .filter(move |word| {
            let root = word.split_once('/').map(|(root, _)| root);
            root.is_some_and(|root| roots.contains(&root))
        })
        // Words in capitals stand for a name, and so does a star.
        .filter(|word| !word.contains("NAME") && !word.contains('*'))
}

#[test]
fn every_path_of_the_project_in_the_documents_is_there() {
    let mut gone = Vec::new();
    let mut looked_at = 0;
    for document in documents() {
        let (prose, _) = split(&read(&document));
        for path in prose.iter().flat_map(|line| paths(line)) {
            looked_at += 1;
            if !project().join(path).exists() {
                gone.push(format!("{document}: {path}"));
            }
        }
    }
    assert!(looked_at > 60, "only {looked_at} paths were found");
    assert!(gone.is_empty(), "{gone:#?}");
}

#[test]
fn the_index_of_documents_has_each_of_them() {
    let (prose, _) = split(&read("docs/README.md"));
    let listed: BTreeSet<&str> = prose.iter().flat_map(|line| links(line)).collect();
    let missing: Vec<String> = documents()
        .into_iter()
        .filter(|path| path != "docs/README.md" && !is_decision(path))
        .filter(|path| match path.strip_prefix("docs/") {
            Some(below) => !listed.contains(below),
            None => !listed.contains(format!("../{path}").as_str()),
        })
        .collect();
    assert!(missing.is_empty(), "not in docs/README.md: {missing:#?}");
}

/// Whether it is the page of one decision.
fn is_decision(path: &str) -> bool {
    path.starts_with("docs/decisions/") && !path.ends_with("/README.md")
}

#[test]
fn each_decision_is_a_page_of_one_shape_and_in_the_index() {
    let (index, _) = split(&read("docs/decisions/README.md"));
    let rows: Vec<&String> = index.iter().filter(|line| line.contains("](0")).collect();
    let pages: Vec<String> = documents().into_iter().filter(|p| is_decision(p)).collect();
    assert!(pages.len() > 20, "only {} decisions", pages.len());
    assert_eq!(rows.len(), pages.len(), "the index has other rows");
    for (number, page) in (1..).zip(&pages) {
        let text = read(page);
        let lines: Vec<&str> = text.lines().collect();
        let name = page.rsplit('/').next().expect("a path has a name");
        assert!(name.starts_with(&format!("{number:04}-")), "{page}");
        let title = lines[0].strip_prefix(&format!("# {number}. "));
        let title = title.unwrap_or_else(|| panic!("{page}: {}", lines[0]));
        let date = lines[2].strip_prefix("- Date: ");
        let date = date.unwrap_or_else(|| panic!("{page}: {}", lines[2]));
        assert!(lines[3].starts_with("- Status: "), "{page}: {}", lines[3]);
        let sections = ["Context", "Decision", "Consequences"];
        assert_eq!(headings(page, "##"), sections, "{page}");
        let row = format!("| {number} | [{title}]({name}) | {date} |");
        assert_eq!(*rows[number - 1], row);
    }
}
