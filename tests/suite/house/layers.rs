//! What may use what, and what may be written where: the rules of the house, read off the source.

use std::fs;
use std::path::PathBuf;

use super::source::{Source, collect, sources};
use crate::support::project;

/// Fails where one of `words` stands in a file for which `forbidden` holds.
fn forbid(words: &[&str], forbidden: impl Fn(&Source) -> bool) {
    let sources = sources();
    let found: Vec<String> = sources
        .iter()
        .filter(|source| forbidden(source))
        .flat_map(|source| source.lines_with(words))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    let somewhere = sources.iter().any(|s| s.lines_with(words).next().is_some());
    let never = words.iter().all(|word| NOWHERE.contains(word));
    assert!(somewhere || never, "nobody uses any of {words:?}: a typo?");
}

/// What no file may use at all, so that finding none is no mistake of the test.
const NOWHERE: [&str; 8] = [
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "dbg!",
    "process::exit",
    "todo!",
    "unimplemented!",
];

#[test]
fn only_media_knows_gstreamer() {
    let words = ["gstreamer", "gst::", "gst_app::", "gst_video::", "glib::"];
    forbid(&words, |source| !source.is_under("media"));
}

#[test]
fn only_net_opens_sockets() {
    let words = [
        "tokio::net",
        "socket2",
        "TcpSocket",
        "TcpStream::",
        "TcpListener::",
        "UdpSocket",
        "UnixStream",
        "std::net::Tcp",
        "ToSocketAddrs",
        "mdns_sd",
    ];
    forbid(&words, |source| !source.is_under("net"));
}

#[test]
fn the_wire_and_the_frame_do_no_io() {
    let words = [
        "tokio",
        "async ",
        ".await",
        "std::io",
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "tracing",
    ];
    forbid(&words, |s| s.is_under("wire") || s.path == "frame.rs");
}

#[test]
fn only_the_console_prints_and_only_main_ends_the_program() {
    forbid(&NOWHERE, |_| true);
    let words = ["io::stdout", "io::stderr", "stdout()", "stderr()"];
    forbid(&words, |source| !source.is_under("console"));
}

#[test]
fn what_rust_cannot_check_is_in_two_files() {
    let files = ["media/gst/ffi.rs", "net/prefetch.rs"];
    forbid(&["unsafe"], |source| !files.contains(&source.path.as_str()));
    for file in files {
        let source = sources().into_iter().find(|source| source.path == file);
        let source = source.expect("it is there");
        let reasons = source.text.matches("// SAFETY: ").count();
        let uses = source.lines_with(&["unsafe {", "unsafe impl"]).count();
        assert!(uses > 0, "{file}: it is needed");
        assert_eq!(reasons, uses, "{file}: each use has its reason");
    }
}

#[test]
fn nothing_is_unwrapped_without_its_reason() {
    // Each names what it relies on. A new one is a decision: add it here.
    let allowed = [
        "HKDF gives as many bytes as its hash has",
        "a colon was counted",
        "a name of the Noise specification",
        "both ciphers have keys of this length",
        "it is this side's turn, and the system has random numbers",
        "ring has both ciphers",
        "the digest has the length of its algorithm",
        "the bounds are constants that fit each other",
        "the pattern needs one key at place 0, and a prologue",
        "the system has random numbers, or no connection could be encrypted",
        "the system has room for a thread at the start of the program",
        "within Argon2's bounds",
        "writing strings and numbers to memory cannot fail",
    ];
    let mut found = Vec::new();
    for source in sources() {
        found.extend(source.lines_with(&[".unwrap()", "panic!", "unreachable!"]));
        let expectations = source.lines_with(&[".expect("]);
        found.extend(
            expectations.filter(|line| !allowed.iter().any(|reason| line.contains(reason))),
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches"] {
        collect(&project().join(folder), &mut paths);
    }
    let silent: Vec<&PathBuf> = paths
        .iter()
        .filter(|path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            !text.starts_with("//! ")
        })
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

/// The bounds of waiting that a machine may never meet because it is slow: those of a wait are the
/// common one, and those of a test as a whole are far away.
#[test]
fn no_bound_of_the_tests_is_met_by_a_slow_machine() {
    let mut paths = Vec::new();
    collect(&project().join("tests"), &mut paths);
    for path in paths {
        let text = fs::read_to_string(&path).expect("sources are text");
        for waits in ["recv_timeout", "wait_timeout", "tokio::time::timeout"] {
            let own = format!("{waits}(Duration");
            assert!(!text.contains(&own), "{}: {own}", path.display());
        }
    }
    let config = fs::read_to_string(project().join(".config/nextest.toml")).expect("it is there");
    let limits = config.lines().filter_map(|line| {
        let limit = line.strip_prefix("slow-timeout = { period = \"")?;
        let (seconds, times) = limit.split_once("s\", terminate-after = ")?;
        let seconds: u64 = seconds.parse().ok()?;
        Some(seconds * times.trim_end_matches(" }").parse::<u64>().ok()?)
    });
    let limits: Vec<u64> = limits.collect();
    assert_eq!(limits.len(), config.matches("slow-timeout").count());
    assert!(limits.iter().all(|limit| *limit >= 1200), "{limits:?}");
}

/// With `pipefail`, a command that still writes when its reader has gone has failed, now and then.
#[test]
fn no_script_pipes_into_a_reader_that_ends_early() {
    let mut scripts = vec![project().join("tests/camera-vm"), project().join(".ci/run")];
    for entry in fs::read_dir(project().join("scripts")).expect("it is there") {
        scripts.push(entry.expect("it can be read").path());
    }
    let mut found = Vec::new();
    for path in &scripts {
        let text = fs::read_to_string(path).expect("scripts are text");
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
        {
            let readers = line.split('|').skip(1).map(str::trim_start);
            let ends_early = |reader: &str| {
                let mut words = reader.split(' ');
                match words.next() {
                    Some("head") => true,
                    Some("grep") => words.any(|w| w.starts_with("-q") || w.starts_with("-m")),
                    Some("sed") => words.any(|w| w.trim_matches('\'').ends_with('q')),
                    _ => false,
                }
            };
            if readers.clone().any(ends_early) {
                found.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(scripts.len() > 6);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
