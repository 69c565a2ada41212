//! The statistics of both ends: each of their lines has what the document says, and all that a
//! frame went through.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;

use crate::media::source_loss::Feed;
use crate::support::encrypted::also_encrypted;
use crate::support::{PATIENCE, Running, Sender, project, run_vidchat, vidchat};

/// Statistics that are read as they are written.
pub struct Stats {
    folder: TempDir,
}

impl Stats {
    /// Has `command` write them.
    pub fn of(command: &mut Command) -> Self {
        let stats = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        command.arg("--stats-file").arg(stats.path());
        stats
    }

    /// When a line was last written, by the clock of this machine.
    pub fn written(&self) -> SystemTime {
        let written = fs::metadata(self.path()).and_then(|file| file.modified());
        written.expect("there are lines")
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("stats")
    }

    /// Waits for the line of a second that began from now on and is as `wanted`.
    pub fn line(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let from = wall_clock() + 1.0;
        let until = Instant::now() + PATIENCE;
        loop {
            let lines = self.lines();
            let told = |line: &&Value| line["time"].as_f64().is_some_and(|time| time >= from);
            if let Some(line) = lines.iter().filter(told).find(|line| wanted(line)) {
                return line.clone();
            }
            assert!(
                Instant::now() < until,
                "it never tells of {what}: {lines:#?}"
            );
            sleep(Duration::from_millis(50));
        }
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path()).unwrap_or_default();
        // The last line may not be whole yet.
        let lines = text.lines();
        lines
            .map_while(|line| serde_json::from_str(line).ok())
            .collect()
    }
}

fn wall_clock() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is later than 1970").as_secs_f64()
}

/// The fields in the document's table that follows these words.
fn documented(words: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(project().join("docs/python.md")).unwrap();
    let (_, table) = text.split_once(words).expect("the document has them");
    let rows = table.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    rows.flat_map(|row| {
        let names = row.split('|').nth(1).unwrap_or_default();
        names.split(',').map(|name| name.trim().replace('`', ""))
    })
    .collect()
}

fn fields(line: &Value) -> BTreeSet<String> {
    let object = line.as_object().expect("it is an object");
    object.keys().cloned().collect()
}

/// The medians of the ages where a frame leaves, arrives, and is shown; `None` before all three
/// are known.
fn way(line: &Value) -> Option<[f64; 3]> {
    let median = |name: &str| line[name]["p50"].as_f64();
    Some([median("sent_ms")?, median("arrived_ms")?, median("age_ms")?])
}

/// A sender and a viewer of it, and what each of them tells.
struct Ends {
    _sender: Sender,
    _viewer: Running,
    sent: Stats,
    received: Stats,
}

impl Ends {
    /// With this sending pipeline.
    fn of(pipeline: impl AsRef<OsStr>) -> Self {
        let mut send = vidchat();
        send.args(["send", "--bind", "127.0.0.1", "--port", "0", "--no-preview"])
            .arg("--pipeline")
            .arg(pipeline);
        let sent = Stats::of(&mut send);
        let sender = Sender::start_as(&mut send);
        let mut recv = vidchat();
        recv.args(["recv", &sender.target(), "--display", "none"]);
        let received = Stats::of(&mut recv);
        Self {
            sent,
            received,
            _viewer: Running::start(&mut recv),
            _sender: sender,
        }
    }
}

/// The two clocks are known to each other better than this, in milliseconds.
const CLOCKS: f64 = 5.0;

#[test]
fn both_ends_tell_of_the_whole_way_of_a_frame() {
    let Ends { sent, received, .. } = &Ends::of("test");
    // A busy machine knows the clocks of the other end less well now and then.
    let in_order = |line: &Value| {
        way(line).is_some_and(|[left, arrived, shown]| {
            left > 0.0 && left < arrived + CLOCKS && arrived <= shown + 0.1
        })
    };
    let here = received.line("the whole way in its order", in_order);
    assert_eq!(fields(&here), documented("`vidchat recv`:"));
    let there = sent.line("the whole way in its order", |line| {
        in_order(&line["viewers"][0])
    });
    let mut all = fields(&there);
    all.extend(fields(&there["viewers"][0]));
    assert_eq!(all, documented("`vidchat send`:"));
    for line in [&here, &there] {
        assert_eq!(
            (&line["state"], &line["reason"]),
            (&"live".into(), &Value::Null)
        );
    }
}

#[test]
fn both_ends_tell_why_no_frames_come() {
    let camera = Feed::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.gst");
    fs::write(&path, camera.pipeline("")).unwrap();
    let Ends { sent, received, .. } = &Ends::of(&path);
    received.line("frames", |line| line["shown"].as_u64() > Some(0));
    camera.pause(true);
    for stats in [sent, received] {
        let line = stats.line("the loss", |line| line["state"] == "camera lost");
        let reason = line["reason"].as_str().unwrap_or_default();
        assert_eq!(reason, "no frame for 2 s", "{line}");
    }
    camera.pause(false);
    for stats in [sent, received] {
        let line = stats.line("the end of it", |line| line["state"] == "live");
        assert_eq!(line["reason"], Value::Null, "{line}");
    }
}

#[test]
fn a_start_that_fails_leaves_the_file_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    fs::write(&path, "old\n").unwrap();
    let ended = run_vidchat([
        "recv",
        "127.0.0.1:1",
        "--stats-file",
        path.to_str().unwrap(),
    ]);
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old\n");
}

also_encrypted!(
    both_ends_tell_of_the_whole_way_of_a_frame,
    both_ends_tell_why_no_frames_come,
);
