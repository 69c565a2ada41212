//! The page of attacks, against the tests that play them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::project;

/// The names of all tests: functions behind `#[test]` or the same of Tokio.
fn tests_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            tests_in(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).expect("it can be read");
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                let line = line.strip_prefix("async ").unwrap_or(line);
                if let Some(rest) = line.strip_prefix("fn ").filter(|_| is_test) {
                    let name = rest.split('(').next().unwrap_or_default();
                    found.insert(name.to_owned());
                }
                // Other attributes may stand between.
                is_test = line.starts_with("#[test]")
                    || line.starts_with("#[tokio::test")
                    || (is_test && line.starts_with("#["));
            }
        }
    }
}

/// The rows of the tables whose last column is for tests.
fn attacks_of(page: &str) -> Vec<&str> {
    let mut rows = Vec::new();
    let mut is_table = false;
    for line in page.lines() {
        is_table = line.ends_with("| test |") || (is_table && line.starts_with('|'));
        if is_table && line.starts_with("| ") && !line.ends_with("| test |") {
            rows.push(line);
        }
    }
    rows
}

#[test]
fn each_attack_in_the_documents_has_a_test() {
    let mut tests = BTreeSet::new();
    for folder in ["src", "tests"] {
        tests_in(&project().join(folder), &mut tests);
    }
    assert!(tests.contains("each_attack_in_the_documents_has_a_test"));
    let read = |page: &str| fs::read_to_string(project().join(page)).expect("it is there");
    let pages = ["docs/reliability.md", "docs/security.md"].map(read);
    let rows: Vec<&str> = pages.iter().flat_map(|page| attacks_of(page)).collect();
    let mut wrong = Vec::new();
    let mut attacks = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        assert_eq!(cells.len(), 3, "{row}");
        let mut names = cells[2].split('`').skip(1).step_by(2).peekable();
        if names.peek().is_none() {
            wrong.push(format!("no test: {row}"));
        }
        let missing = names.filter(|name| !tests.contains(*name));
        wrong.extend(missing.map(|name| format!("there is no test {name}")));
        attacks += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(attacks > 20, "the tables are not where they were");
}
