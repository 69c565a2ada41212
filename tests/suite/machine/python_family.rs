//! Programs of the tutorial's family: each is the tutorial's as somebody changed it, in real Python
//! with real NumPy and OpenCV. `tests/tutorial/family.py` has them all.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;

use super::python_tutorial::{
    BGR, Python, both_pythons, frames_to_stdout, pipeline, python, script,
};
use crate::support::{Running, Sender, bounded, run, vidchat};

/// A program that listens, and its port.
struct Listening {
    process: Child,
    port: u16,
    /// What it prints after its port.
    lines: Arc<Mutex<Lines<BufReader<ChildStdout>>>>,
}

impl Listening {
    /// Starts `family.py` with these arguments: its role, then its length, shape and number.
    fn start(python: &Python, role: &str, rest: [&str; 3]) -> Self {
        let mut process = python
            .command()
            .arg(script("family.py"))
            .args([role, "listen", "0"])
            .args(rest)
            .env("ROWS", ROWS)
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let lines = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
        let mut listening = Self {
            process,
            port: 0,
            lines: Arc::new(Mutex::new(lines)),
        };
        let line = listening.next_line("the program tells its port");
        listening.port = line.parse().expect("a port");
        listening
    }

    /// The next line that it prints.
    fn next_line(&self, what: &str) -> String {
        let lines = Arc::clone(&self.lines);
        bounded(what, move || {
            let line = lines.lock().next().expect("it prints a line");
            line.expect("a pipe can be read")
        })
    }

    fn target(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `family.py`, which connects to `port`.
fn connecting(python: &Python, role: &str, port: u16, rest: [&str; 3]) -> Command {
    let mut command = python.command();
    command
        .arg(script("family.py"))
        .args([role, "connect", &port.to_string()])
        .args(rest);
    command
}

/// The frame that `family.py` sends, as GStreamer lays it out but for its padding.
fn numbers(channels: usize) -> Vec<u8> {
    let value = |index: usize| (index % 251) as u8;
    match channels {
        1 => (0..34 * 66).map(|at| value(at * 3)).collect(),
        _ => (0..34 * 198).map(value).collect(),
    }
}

/// Checks that the first frame in `shown` is what `family.py` sends as `shape`.
fn assert_frame(shape: &str, shown: &[u8], name: &str) {
    if shape.starts_with("jpeg") || shape == "bare" {
        let bars = [[255, 0, 0], [0, 255, 0], [0, 0, 255]];
        for (bar, colour) in bars.into_iter().enumerate() {
            // In the middle of each.
            let at = (24 * 96 + 32 * bar + 16) * 3;
            let pixel: [u8; 3] = shown[at..at + 3].try_into().expect("three bytes");
            let is_near = colour.iter().zip(pixel).all(|(a, b)| b.abs_diff(*a) < 12);
            assert!(is_near, "{name}: {pixel:?} is not {colour:?}");
        }
        return;
    }
    let channels: usize = if shape == "gray" { 1 } else { 3 };
    let row = 66 * channels;
    let padded = row.next_multiple_of(4);
    assert!(shown.len() >= padded * 34, "{name}: {} bytes", shown.len());
    let rows = shown.chunks_exact(padded).take(34);
    let pixels: Vec<u8> = rows.flat_map(|padded| &padded[..row]).copied().collect();
    assert!(pixels == numbers(channels), "{name}");
}

fn caps(shape: &str) -> &'static str {
    match shape {
        "gray" => "video/x-raw,format=GRAY8",
        _ => "video/x-raw,format=BGR",
    }
}

/// Each shape, with a length and a protocol: each of these is there several times.
const SENT: [(&str, &str, &str); 16] = [
    ("array", ">L", "4"),
    ("array", "L", "0"),
    ("gray", "I", "5"),
    ("named", "!i", "2"),
    ("timed", "<L", "3"),
    ("list", ">Q", "4"),
    ("dict", "16", "0"),
    ("nested", "10", "5"),
    ("boxes", "!I", "1"),
    ("dataclass", "Q", "4"),
    ("ordered", "=L", "2"),
    ("png-column", ">I", "0"),
    ("png-bytes", "!Q", "4"),
    ("jpeg-array", ">L", "0"),
    ("jpeg-bytes", "<I", "5"),
    ("jpeg-dict", ">L", "0"),
];

#[test]
fn a_frame_in_any_shape_behind_any_length_is_shown() {
    for (environment, python) in both_pythons() {
        for sent @ (shape, length, protocol) in SENT {
            let name = format!("{environment} {sent:?}");
            let camera = Listening::start(&python, "send", [length, shape, protocol]);
            let folder = tempfile::tempdir().unwrap();
            let ended = frames_to_stdout(&folder, &[&camera.target()], 2, caps(shape)).wait();
            assert_eq!(ended.code(), 0, "{name}: {}", ended.stderr);
            assert_frame(shape, &ended.bytes, &name);
        }
    }
}

#[test]
fn bare_jpeg_behind_any_length_is_shown() {
    let Some(python) = python("numpy2") else {
        return;
    };
    for length in ["Q", "<L", ">L", "!Q", "16"] {
        let camera = Listening::start(&python, "send", [length, "bare", "0"]);
        let folder = tempfile::tempdir().unwrap();
        let ended = frames_to_stdout(&folder, &[&camera.target()], 2, caps("bare")).wait();
        assert_eq!(ended.code(), 0, "{length}: {}", ended.stderr);
        assert_frame("bare", &ended.bytes, length);
    }
}

#[test]
fn a_camera_that_connects_is_shown() {
    let Some(python) = python("numpy2") else {
        return;
    };
    for (shape, length, protocol) in [
        ("array", "L", "4"),
        ("jpeg-array", ">L", "0"),
        ("dict", "!I", "5"),
        ("bare", "<L", "0"),
        ("named", "10", "4"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let args = ["--listen", "--bind", "127.0.0.1", "--port", "0"];
        let mut receiver = frames_to_stdout(&folder, &args, 2, caps(shape));
        let line = receiver.line_with("vidchat send --to ");
        let port = line.rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.expect("it tells its port");
        let camera = connecting(&python, "send", port, [length, shape, protocol]);
        let _camera = Running::start({ camera }.stdin(Stdio::null()));
        let ended = receiver.wait();
        assert_eq!(ended.code(), 0, "{shape}: {}", ended.stderr);
        assert_frame(shape, &ended.bytes, shape);
    }
}

/// The test pattern as JPEG.
fn as_jpeg() -> String {
    BGR.replace("! appsink", "! jpegenc ! appsink")
}

/// Checks that a viewer printed the colours of SMPTE's bars, as the test pattern has them.
fn assert_bars(said: &str, name: &str) {
    let said: Vec<i32> = said
        .split_whitespace()
        .map(|number| number.parse().expect("a number"))
        .collect();
    let (size, colours) = said.split_at(3);
    assert_eq!(size, [240, 320, 3], "{name}");
    // White, yellow, cyan, green, magenta, red, blue, in BGR.
    let expected = [
        [255, 255, 255],
        [0, 255, 255],
        [255, 255, 0],
        [0, 255, 0],
        [255, 0, 255],
        [0, 0, 255],
        [255, 0, 0],
    ];
    for (found, expected) in colours.chunks_exact(3).zip(expected) {
        let is_near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 16);
        assert!(is_near, "{name}: {found:?} is not {expected:?}");
    }
}

/// The pixels of the test pattern that a viewer prints the hash of: those below have noise.
const ROWS: &str = "150";

#[test]
fn a_viewer_with_any_length_gets_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let bgr = pipeline(&folder, BGR);
    for (environment, python) in both_pythons() {
        let mut seen = Vec::new();
        for length in ["Q", "L", "<L", "I", ">L", "!I", "!i", ">Q", "16"] {
            let args = ["--pipeline", &bgr, "--no-preview"];
            let sender = Sender::start(
                args.into_iter()
                    .chain(["--wire", "pickle", "--length", length]),
            );
            let mut viewer = connecting(&python, "recv", sender.port, [length, "array", "3"]);
            let ended = run(viewer.env("ROWS", ROWS));
            let name = format!("{environment} {length}");
            assert_eq!((ended.code(), &ended.stderr[..]), (0, ""), "{name}");
            seen.push(ended.stdout);
        }
        // The same pixels as behind the tutorial's own length.
        let sender = Sender::start(["--pipeline", &bgr, "--no-preview"]);
        let mut viewer = connecting(&python, "recv", sender.port, ["Q", "array", "3"]);
        let expected = run(viewer.env("ROWS", ROWS)).stdout;
        assert!(expected.starts_with("240 320 3 "), "{expected}");
        assert!(seen.iter().all(|seen| *seen == expected), "{seen:?}");
    }
}

#[test]
fn a_viewer_that_calls_imdecode_gets_jpeg() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (bgr, jpeg) = (pipeline(&folder, BGR), pipeline(&other, &as_jpeg()));
    for (environment, python) in both_pythons() {
        for (wire, source, shape, length) in [
            ("pickle-jpeg", &bgr, "jpeg", ">L"),
            ("pickle-jpeg", &jpeg, "jpeg", "L"),
            ("bare", &jpeg, "bare", "<L"),
            ("bare", &jpeg, "bare", "16"),
        ] {
            let name = format!("{environment} {wire} {source} {length}");
            let sender = Sender::start([
                "--pipeline",
                source,
                "--no-preview",
                "--wire",
                wire,
                "--length",
                length,
            ]);
            let mut viewer = connecting(&python, "recv", sender.port, [length, shape, "3"]);
            let ended = run(&mut viewer);
            assert_eq!((ended.code(), &ended.stderr[..]), (0, ""), "{name}");
            assert_bars(&ended.stdout, &name);
        }
    }
}

#[test]
fn a_viewer_that_listens_gets_what_it_takes() {
    let Some(python) = python("numpy2") else {
        return;
    };
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (bgr, jpeg) = (pipeline(&folder, BGR), pipeline(&other, &as_jpeg()));
    for (wire, source, shape, length) in [
        ("pickle", &bgr, "array", ">L"),
        ("pickle", &bgr, "array", "L"),
        ("pickle-jpeg", &bgr, "jpeg", ">L"),
        ("bare", &jpeg, "bare", "<L"),
    ] {
        let viewer = Listening::start(&python, "recv", [length, shape, "3"]);
        let target = viewer.target();
        let _sender = Running::start(
            vidchat()
                .args(["send", "--to", &target, "--pipeline", source])
                .args(["--no-preview", "--wire", wire, "--length", length]),
        );
        let name = format!("{wire} {length}");
        let said = viewer.next_line("it gets frames");
        if shape == "array" {
            assert!(said.starts_with("240 320 3 "), "{name}: {said}");
        } else {
            assert_bars(&said, &name);
        }
    }
}

#[test]
fn what_holds_no_frame_or_two_is_refused_with_what_it_holds_and_what_is_taken() {
    let Some(python) = python("numpy2") else {
        return;
    };
    for (shape, holds, hint) in [
        (
            "none",
            "holds no frame, only a tuple of None, numbers and text: refused",
            "hint: it takes an array of uint8 (grey, BGR or BGRA), or the bytes of a JPEG or PNG",
        ),
        (
            "two",
            "holds 2 frames: 66x34 BGR, 66x34 BGR: refused",
            "hint: it takes one frame a message",
        ),
        (
            "numbers",
            "holds lists of numbers in place of an array: refused",
            "hint: leave out .tolist()",
        ),
    ] {
        let camera = Listening::start(&python, "send", [">L", shape, "4"]);
        let target = camera.target();
        let ended = run(vidchat().args(["recv", &target, "--display", "none", "--no-reconnect"]));
        assert_eq!(ended.code(), 1, "{}", ended.stderr);
        let expected = format!("error: \"{target}\" sent a pickle that {holds}");
        assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
        assert!(ended.stderr.contains(hint), "{}", ended.stderr);
    }
}
