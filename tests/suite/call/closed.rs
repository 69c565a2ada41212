//! Calls that are closed to strangers, by a key or by a code.

use crate::support::party::{Party, call, pattern};
use crate::support::{run, vidchat};

/// The arguments of a party that answers everybody who gets through, with these further ones.
fn answering(more: &[&str]) -> Vec<String> {
    let more = more.iter().map(|word| (*word).to_owned());
    pattern("smpte").into_iter().chain(more).collect()
}

fn calling(more: &[&str]) -> Vec<String> {
    let more = more.iter().map(|word| (*word).to_owned());
    pattern("red").into_iter().chain(more).collect()
}

#[test]
fn with_a_key_both_see_each_other_and_who_has_none_does_not_ring() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let key = folder.path().join("key").display().to_string();
    assert_eq!(run(vidchat().args(["key", "--out", &key])).code(), 0);
    let anna = Party::answering("anna", answering(&["--key-file", &key]));
    let stranger = run(call(0).args([&anna.target(), "--display", "none", "--pipeline", "test"]));
    assert_eq!(stranger.code(), 1, "{stranger:?}");
    let ben = Party::calling("ben", &anna.target(), calling(&["--key-file", &key]));
    anna.sees("ben");
    ben.sees("anna");
    ben.quit();
    let ended = anna.ends_well();
    assert_eq!(ended.stderr.matches("is calling").count(), 1, "{ended:?}");
}

/// The code in the last of these lines that has one.
fn code_in(lines: &[String]) -> String {
    let mut lines = lines.iter().rev();
    let line = lines.find(|line| line.contains("--code "));
    let code = line.and_then(|line| line.rsplit(' ').next());
    code.expect("it prints a code").to_owned()
}

#[test]
fn after_three_wrong_codes_there_is_another_one_for_a_call_and_for_a_room() {
    for more in [&["--code"][..], &["--code", "--room"]] {
        let mut anna = Party::answering("anna", answering(more));
        let code = code_in(anna.process.seen());
        let [number, first, second] = code.split('-').collect::<Vec<_>>()[..] else {
            panic!("{code}")
        };
        let other = if first == "acorn" { "agate" } else { "acorn" };
        let guess = format!("{number}-{other}-{second}");
        for _ in 0..3 {
            let mut stranger = call(0);
            stranger.args([&anna.target(), "--display", "none", "--pipeline", "test"]);
            let ended = run(stranger.args(["--code", &guess]));
            assert!(ended.stderr.contains("the code is wrong"), "{ended:?}");
        }
        anna.process.line_with("three wrong codes were tried");
        let line = anna.process.line_with("    vidchat call 127.0.0.1:");
        assert_ne!(code_in(&[line]), code);
    }
}

#[test]
fn a_code_is_good_for_one_call_and_both_of_its_connections() {
    let anna = Party::answering("anna", answering(&["--code"]));
    let code = code_in(anna.process.seen());
    let ben = Party::calling("ben", &anna.target(), calling(&["--code", &code]));
    anna.sees("ben");
    ben.sees("anna");
    let mut third = call(0);
    third.args([
        &anna.target(),
        "--display",
        "none",
        "--pipeline",
        "test",
        "--code",
        &code,
    ]);
    let third = run(&mut third);
    assert_eq!(third.code(), 1, "{third:?}");
    ben.quit();
    anna.ends_well();
}
