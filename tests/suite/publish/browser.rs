//! Into a browser: RTP goes to Janus, and Chromium plays it from there in the page of
//! `examples/engines/janus.html`. All of it runs on a machine of its own.

use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::Publisher;
use crate::support::lan::{Host, Lan};
use crate::support::{Ending, Running, project, skipped, vidchat};

/// Whether a program is installed; says where it is not.
fn is_installed(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        skipped(&format!("{program} is not installed"));
    }
    is_there
}

/// Janus with the stream that docs/scale.md shows.
fn janus(host: &Host) -> (Ending, TempDir) {
    let text = fs::read_to_string(project().join("docs/scale.md")).unwrap();
    let (_, rest) = text.split_once("\ncam: {").expect("the stream is there");
    let (stream, _) = rest.split_once("\n```").expect("its block ends");
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display();
    for (name, text) in [
        (
            "janus",
            format!("general: {{ configs_folder = \"{place}\"; }}"),
        ),
        (
            "janus.transport.http",
            "general: { http = true; ip = \"127.0.0.1\"; }".to_owned(),
        ),
        ("janus.plugin.streaming", format!("cam: {{{stream}")),
    ] {
        fs::write(folder.path().join(format!("{name}.jcfg")), text).unwrap();
    }
    let mut command = Command::new("janus");
    command.arg("-F").arg(folder.path()).env_remove("G_DEBUG");
    let started = host
        .command(&command)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    (Ending(started.expect("it starts")), folder)
}

/// Chromium with the page, whose console becomes lines of standard error.
fn page(host: &Host, folder: &TempDir) -> Running {
    let page = project().join("examples/engines/janus.html");
    let mut command = Command::new("chromium");
    // Its own sandbox does not run as root.
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu"]);
    command.args(["--no-first-run", "--enable-logging=stderr"]);
    command.arg(format!("--user-data-dir={}", folder.path().display()));
    command.env("HOME", folder.path()).env_remove("G_DEBUG");
    command.arg(format!("file://{}", page.display()));
    Running::start(&mut host.command(&command))
}

#[test]
fn a_browser_shows_a_stream_that_janus_gets_by_rtp() {
    if !is_installed("janus") || !is_installed("chromium") {
        return;
    }
    let Some(lan) = Lan::start(1) else { return };
    let host = lan.host(0);
    let (_janus, _files) = janus(host);
    let profile = tempfile::tempdir().unwrap();
    let mut page = page(host, &profile);
    let mut publish = vidchat();
    publish.args(["publish", "--pipeline", "test-h264"]);
    publish.args(["--to", "rtp://127.0.0.1:5004"]);
    let publisher = Publisher::start_as(publish, |command| host.command(&command));
    publisher.is_live();
    // A line tells the size and the frames so far.
    let mut frames = || -> u64 {
        let line = page.line_with("video 320x240, frames ");
        let (_, rest) = line.split_once("frames ").expect("it is in the line");
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        number.parse().expect("it is a number")
    };
    let first = frames();
    while frames() < first + 60 {}
    page.signal("TERM");
    page.wait();
    publisher.quit();
}
