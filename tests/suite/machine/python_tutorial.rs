//! The Python tutorial's own programs, in real Python with real NumPy and OpenCV, on the other
//! side. `scripts/python-peers` makes the environments.

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::support::{
    PATIENCE, Running, Sender, Xvfb, bounded, first_line, project, run, skipped, skipped_in_part,
    vidchat,
};

/// A test pattern with known pixels, in a format that both kinds of viewers get unchanged.
pub const BGR: &str = "videotestsrc is-live=true pattern=smpte
    ! video/x-raw,format=BGR,width=${width:-320},height=240,framerate=30/1
    ! appsink name=frames";

/// The Python of one environment.
pub struct Python(PathBuf);

impl Python {
    /// The environment; or why there is none.
    fn find(environment: &str) -> Result<Self, String> {
        let folder = project().join("target/python").join(environment);
        let python = folder.join("bin/python");
        if python.exists() {
            return Ok(Self(python));
        }
        // `scripts/python-peers` says why it left one out.
        let reason = std::fs::read_to_string(folder.join("absent"));
        let reason = reason.unwrap_or_else(|_| "scripts/python-peers was not run".to_owned());
        Err(format!(
            "no Python environment {environment:?}: {}",
            reason.trim()
        ))
    }

    /// It as a command, which leaves no compiled files beside what it runs.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.0);
        command.arg("-B").stdin(Stdio::null());
        command
    }
}

/// The Python of one environment; `None`, said aloud, where it is not there.
pub fn python(environment: &str) -> Option<Python> {
    let found = Python::find(environment);
    found.map_err(|reason| skipped(&reason)).ok()
}

/// The Pythons with the old and the new NumPy, as far as they are there; said aloud where one is
/// not.
pub fn both_pythons() -> Vec<(&'static str, Python)> {
    let (mut found, mut absent) = (Vec::new(), Vec::new());
    for environment in ["numpy1", "numpy2"] {
        match Python::find(environment) {
            Ok(python) => found.push((environment, python)),
            Err(reason) => absent.push(reason),
        }
    }
    let say = if found.is_empty() {
        skipped
    } else {
        skipped_in_part
    };
    absent.iter().for_each(|reason| say(reason));
    found
}

pub fn script(name: &str) -> PathBuf {
    project().join("tests/tutorial").join(name)
}

/// The tutorial's client at `port`.
pub fn client(python: &Python, port: u16, arguments: &[&str]) -> Command {
    let mut command = python.command();
    command
        .arg(script("client.py"))
        .arg(port.to_string())
        .args(arguments);
    command
}

/// The tutorial's server, and its port.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(python: &Python, protocol: u8, format: &str) -> Self {
        let mut process = python
            .command()
            .arg(script("server.py"))
            .args([&protocol.to_string(), format])
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let line = first_line("the server tells its port", &mut process);
        let port = line.trim().parse().expect("a port");
        Self { process, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn pipeline(folder: &tempfile::TempDir, text: &str) -> String {
    let path = folder.path().join("pipeline.gst");
    std::fs::write(&path, format!("# For a test.\n{text}\n")).expect("the folder can be written");
    path.to_str().expect("the path is text").to_owned()
}

/// The bytes of `count` frames as `vidchat recv` shows them to a pipeline.
pub fn frames_of(target: &str, count: u64, caps: &str) -> Bytes {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let ended = frames_to_stdout(&folder, &[target], count, caps).wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    ended.bytes
}

/// `vidchat recv` with these arguments, which writes `count` frames to standard output. Its
/// pipeline is in `folder`.
pub fn frames_to_stdout(
    folder: &tempfile::TempDir,
    args: &[&str],
    count: u64,
    caps: &str,
) -> Running {
    let sink = pipeline(
        folder,
        &format!("appsrc name=frames ! ${{decode}} ! videoconvert ! {caps} ! fdsink fd=1"),
    );
    let count = count.to_string();
    let mut command = vidchat();
    command.arg("recv").args(args);
    Running::start(command.args(["--pipeline", &sink, "--frames", &count]))
}

fn sha256(bytes: &[u8]) -> String {
    let mut process = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sha256sum is part of every Debian");
    let mut input = process.stdin.take().expect("stdin is piped");
    input.write_all(bytes).expect("it reads its input");
    drop(input);
    let output = process.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout);
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn a_client_of_the_tutorial_gets_the_pixels_that_a_native_viewer_gets() {
    let pythons = both_pythons();
    let folder = tempfile::tempdir().unwrap();
    let bgr = pipeline(&folder, BGR);
    // With 318 pixels a row is no multiple of four bytes.
    for width in ["320", "318"] {
        let sender = Sender::start(["--pipeline", &bgr, "--width", width, "--no-preview"]);
        let native = frames_of(&sender.target(), 2, "video/x-raw,format=BGR");
        let row = width.parse::<usize>().unwrap() * 3;
        let stride = row.next_multiple_of(4);
        // smpte has noise in a corner, which differs from frame to frame: the rows above it.
        let above: Vec<u8> = native[..stride * 150]
            .chunks_exact(stride)
            .flat_map(|line| line[..row].to_vec())
            .collect();
        for (environment, python) in &pythons {
            let mut command = client(python, sender.port, &["3"]);
            command.env("ROWS", "150");
            let ended = run(&mut command);
            assert_eq!(ended.code(), 0, "{}", ended.stderr);
            assert_eq!(ended.stderr, "", "no warning");
            let expected = format!("240 {width} 3 {}\n", sha256(&above));
            assert_eq!(ended.stdout, expected, "{environment}");
        }
    }
}

#[test]
fn a_compressed_stream_is_decoded_for_the_tutorial() {
    let Some(python) = python("numpy2") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let jpeg = pipeline(
        &folder,
        "videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=30/1
            ! jpegenc ! appsink name=frames",
    );
    let sender = Sender::start(["--pipeline", &jpeg, "--no-preview"]);
    let ended = run(&mut client(&python, sender.port, &["3"]));
    assert!(ended.stdout.starts_with("48 64 3 "), "{ended:?}");
}

#[test]
fn a_tutorial_client_that_stops_reading_harms_nobody() {
    let Some(python) = python("numpy2") else {
        return;
    };
    let mut sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    let mut stalled = client(&python, sender.port, &["9", "stall"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = first_line("the client stalls", &mut stalled);
    assert_eq!(line, "stalled\n");
    sender
        .process
        .line_with("a program of the tutorial): joined (1 watching)");
    let watch = || {
        let mut command = vidchat();
        command.args([
            "recv",
            &sender.target(),
            "--display",
            "none",
            "--frames",
            "40",
        ]);
        Running::start(&mut command)
    };
    let (first, second) = (watch(), watch());
    let lively = run(&mut client(&python, sender.port, &["40"]));
    assert_eq!(lively.code(), 0, "{lively:?}");
    for native in [first.wait(), second.wait()] {
        assert_eq!(native.code(), 0, "{native:?}");
    }
    drop(stalled.stdin.take());
    bounded("the stalled client's end", move || stalled.wait()).unwrap();
}

#[test]
fn a_server_of_the_tutorial_is_shown_pixel_by_pixel() {
    // As server.py makes them.
    let value = |index: usize| (index % 251) as u8;
    let bgr: Vec<u8> = (0..34 * 198).map(value).collect();
    let gray: Vec<u8> = (0..34 * 66).map(|at| value(at * 3)).collect();
    for (environment, python) in both_pythons() {
        for (protocol, format, caps, expected) in [
            (0, "bgr", "video/x-raw,format=BGR", &bgr),
            (4, "bgr", "video/x-raw,format=BGR", &bgr),
            (5, "bgr", "video/x-raw,format=BGR", &bgr),
            (3, "gray", "video/x-raw,format=GRAY8", &gray),
            // PNG loses nothing.
            (0, "tuple", "video/x-raw,format=BGR", &bgr),
        ] {
            let server = Server::start(&python, protocol, format);
            let shown = frames_of(&format!("127.0.0.1:{}", server.port), 1, caps);
            let name = format!("{environment} {format} by protocol {protocol}");
            // GStreamer pads rows to four bytes, with whatever it likes.
            let row = expected.len() / 34;
            let padded = row.next_multiple_of(4);
            assert!(shown.len() >= padded * 34, "{name}: {} bytes", shown.len());
            let rows = shown.chunks_exact(padded).take(34);
            let pixels: Vec<u8> = rows.flat_map(|padded| &padded[..row]).copied().collect();
            assert!(pixels == *expected, "{name}");
        }
    }
}

#[test]
fn jpegs_in_pickles_are_decoded() {
    let Some(python) = python("numpy2") else {
        return;
    };
    let server = Server::start(&python, 4, "jpeg");
    let caps = "video/x-raw,format=BGR,width=66,height=34";
    let shown = frames_of(&format!("127.0.0.1:{}", server.port), 2, caps);
    assert!(shown.len() >= 200 * 34);
}

#[test]
fn what_a_server_wants_to_run_is_named_and_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let command = format!("touch {}", trace.display());
    let pickle = [b"cos\nsystem\n(V".as_slice(), command.as_bytes(), b"\ntR."].concat();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let mut viewer = listener.accept().unwrap().0;
        viewer
            .write_all(&(pickle.len() as u64).to_le_bytes())
            .unwrap();
        viewer.write_all(&pickle).unwrap();
        viewer
    });
    let target = format!("127.0.0.1:{port}");
    let ended = run(vidchat().args(["recv", &target, "--display", "none"]));
    assert_eq!(ended.code(), 1);
    let expected = format!("error: \"{target}\" sent a pickle that calls os.system: refused");
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    assert!(!trace.exists());
    drop(bounded("the viewer came", || server.join()));
}

#[test]
fn wire_native_leaves_silent_viewers_out() {
    let mut sender = Sender::start(["--pipeline", "test", "--no-preview", "--wire", "native"]);
    let silent = std::net::TcpStream::connect(("127.0.0.1", sender.port)).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    // It ends without a single frame.
    std::io::Read::read_to_end(&mut &silent, &mut bytes).unwrap();
    assert_eq!(bytes, b"");
    sender
        .process
        .line_with("left before it watched: no hello within 10 s");
}

#[test]
fn display_of_the_tutorials_own_window() {
    let Some(python) = python("window") else {
        return;
    };
    let Some(display) = Xvfb::start() else { return };
    let sender = Sender::start(["--pipeline", "test", "--no-preview", "--set", "speed=0"]);
    // Once the window has come up whole.
    let bars = [
        "#FFFF00", "#00FFFF", "#00FF00", "#FF00FF", "#FF0000", "#0000FF",
    ];
    let mut tries = Vec::new();
    // Where the machine is busy, OpenCV's window stays black now and then, whatever it is given.
    for _ in 0..3 {
        let mut command = client(&python, sender.port, &["100000", "show"]);
        command
            .env("DISPLAY", &display.display)
            .env("QT_LOGGING_RULES", "*=false");
        let viewer = Running::start(&mut command);
        let until = Instant::now() + PATIENCE / 3;
        while Instant::now() < until {
            let colours = colours_on(&display);
            let shown = |bar: &&str| colours.iter().any(|colour| is_near(colour, bar));
            if bars.iter().all(shown) {
                return;
            }
            tries.push(colours);
        }
        viewer.signal("TERM");
        viewer.wait();
    }
    sender.process.signal("TERM");
    let said = sender.process.wait().stderr;
    panic!("not all of {bars:?} in {:?}: {said}", tries.last());
}

/// The colours on a display, as `#RRGGBB`.
fn colours_on(display: &Xvfb) -> Vec<String> {
    let shot = Command::new("import")
        .args([
            "-display",
            &display.display,
            "-window",
            "root",
            "-depth",
            "8",
        ])
        .args(["-format", "%c", "histogram:info:-"])
        .output()
        .expect("ImageMagick is installed");
    let text = String::from_utf8_lossy(&shot.stdout);
    text.split_whitespace()
        .filter(|word| word.starts_with('#'))
        .map(|word| word.chars().take(7).collect())
        .collect()
}

/// Whether two colours as `#RRGGBB` differ by no more than the rounding between YUV and RGB.
fn is_near(a: &str, b: &str) -> bool {
    let channel = |colour: &str, at: usize| {
        colour
            .get(at..at + 2)
            .and_then(|hex| i32::from_str_radix(hex, 16).ok())
    };
    [1, 3, 5]
        .into_iter()
        .all(|at| match (channel(a, at), channel(b, at)) {
            (Some(a), Some(b)) => (a - b).abs() <= 8,
            _ => false,
        })
}

#[test]
fn the_examples_talk_with_vidchat_as_they_stand() {
    let Some(python) = python("numpy2") else {
        return;
    };
    let sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    let check = format!(
        "import sys; sys.path.insert(0, {folder:?})
import watch, itertools
for frame in itertools.islice(watch.frames('127.0.0.1', {port}), 5):
    assert frame.shape == (240, 320, 3), frame.shape
b, g, r = (int(c) for c in frame[20, 120])
print('good')",
        folder = project().join("examples/python"),
        port = sender.port
    );
    let ended = run(python.command().args(["-c", &check]));
    assert_eq!(ended.stdout, "good\n", "{}", ended.stderr);
}

#[test]
fn the_example_that_sends_is_shown() {
    let Some(python) = python("numpy2") else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let serve = format!(
        "import sys; sys.path.insert(0, {folder:?})
import send, numpy, time
def frames():
    while True:
        time.sleep(0.02)
        yield numpy.full((48, 64, 3), (10, 20, 30), numpy.uint8)
print('ready', file=sys.stderr, flush=True)
send.send(frames, {port})",
        folder = project().join("examples/python"),
    );
    let mut server = Running::start(python.command().args(["-c", &serve]));
    server.line_with("ready");
    // It says that it is ready a moment before it listens.
    let until = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    let shown = frames_of(&format!("127.0.0.1:{port}"), 1, "video/x-raw,format=BGR");
    assert_eq!(shown[..64 * 3], [10, 20, 30].repeat(64));
}
