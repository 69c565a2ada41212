//! A real camera, the kernel's own test driver in a virtual machine: found, shown, and lost in
//! the ways that cameras are lost. The guest's side is in `tests/camera`.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::test_card::DARKER_BARS;
use crate::support::x_display::{Screen, Shot};
use crate::support::{Running, Xvfb, project, skipped, vidchat};

/// The bound of what waits for an emulated machine to start. `camera-vm` gives up one that hangs.
const MACHINE_PATIENCE: Duration = Duration::from_secs(1200);

/// What vidchat says of the guest's camera.
const CAMERA: &str = "\"vivid\" (/dev/video0), 640x360 I420 at 30 fps";

/// One of the guest's scripts; `None`, said aloud, where there can be no virtual machine.
fn guest(script: &str) -> Option<Command> {
    let id = Command::new("id").arg("-u").output();
    if id.is_ok_and(|id| id.stdout != b"0\n") {
        skipped("the virtual machine needs root");
        return None;
    }
    let debian = Command::new("dpkg").arg("--print-architecture").output();
    if !debian.is_ok_and(|debian| debian.stdout == b"amd64\n") {
        skipped("the virtual machine needs Debian on amd64");
        return None;
    }
    let mut command = Command::new(project().join("tests/camera-vm"));
    command
        .arg(format!("bash tests/camera/{script}.bash"))
        .current_dir(project())
        .stdin(Stdio::null())
        .env("VIDCHAT", env!("CARGO_BIN_EXE_vidchat"));
    Some(command)
}

/// What a script printed, section by section.
struct Report(String);

impl Report {
    fn of(mut command: Command) -> Self {
        let output = command.output().expect("camera-vm starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}{errors}");
        Self(text)
    }

    /// Checks that a section has a line with this beginning and this end.
    fn says(&self, section: &str, begin: &str, end: &str) {
        let mut lines = self.section(section).lines();
        let said = lines.any(|line| line.starts_with(begin) && line.ends_with(end));
        assert!(said, "no {begin:?}…{end:?} in {section:?}: {}", self.0);
    }

    fn section(&self, name: &str) -> &str {
        let start = format!("== {name}\n");
        let (_, rest) = self
            .0
            .split_once(&start)
            .unwrap_or_else(|| panic!("no section {name:?} in {}", self.0));
        rest.split("\n== ").next().unwrap_or_default()
    }

    /// Checks that a section has these lines, in this order, maybe with others between them. A
    /// line that ends in `…` only has to begin so.
    fn has(&self, section: &str, expected: &[&str]) {
        let body = self.section(section);
        let mut lines = body.lines();
        for wanted in expected {
            let found = lines.any(|line| match wanted.strip_suffix('…') {
                Some(begin) => line.starts_with(begin),
                None => line == *wanted,
            });
            assert!(found, "no {wanted:?} in its place in {section:?}:\n{body}");
        }
    }
}

#[test]
fn camera_vm_of_which_the_right_node_and_mode_is_sent_and_only_while_somebody_watches() {
    let Some(command) = guest("works") else {
        return;
    };
    let report = Report::of(command);
    report.has(
        "default",
        &[
            &format!("send: INFO source: open: {CAMERA}, sent as 320x180 I420 at 30 fps"),
            "held before anybody watches: 0",
            "recv status: 0",
            "recv: INFO sender 127.0.0.1: sends 320x180 I420",
            "held while somebody watches: 1",
            "held after the last viewer: 0",
            "send status: 0",
        ],
    );
    report.has(
        "changed while it runs",
        &[
            "second viewer status: 0",
            "send: INFO source: open: \"vivid\" (/dev/video0), 640x360 I420 at 30 fps, …",
            "send: INFO source: changed over to \"/tmp/mine.gst\": \"vivid\" (/dev/video0), …",
            "send: WARN source: goes on as it was: cannot use the camera \"vivid\" (/dev/video0), …",
            "send: INFO source: open: \"vivid\" (/dev/video0), 640x360 I420 at 30 fps, …",
            "send status: 0",
        ],
    );
    report.has(
        "nodes that cannot capture",
        &["send: INFO source: open: \"vivid\" (/dev/video4), 640x360 I420 at 30 fps, …"],
    );
    report.has(
        "device 4",
        &["send: INFO source: open: \"vivid\" (/dev/video4), 640x360 I420 at 30 fps, …"],
    );
    report.has(
        "device vid-cap",
        &["send: INFO source: open: \"vivid\" (/dev/video4), 640x360 I420 at 30 fps, …"],
    );
    report.has(
        "device 1",
        &[
            "send status: 1",
            "send: error: cannot use the camera \"1\": Device '/dev/video1' is not a capture device",
            "send:   /dev/video4: vivid-001-vid-cap",
        ],
    );
    report.has(
        "device 7",
        &[
            "send status: 1",
            "send: error: cannot use the camera \"7\": no such file or directory",
            "send:   /dev/video4: vivid-001-vid-cap",
            "send: hint: --device takes one of those: its path, its number or a part of its name",
        ],
    );
    report.has(
        "device nowhere",
        &[
            "send status: 1",
            "send: error: cannot find the camera \"nowhere\": no camera has that in its name",
            "send:   /dev/video1: vivid-000-vid-out",
            "send:   /dev/video4: vivid-001-vid-cap",
            "send: hint: --device takes one of those: its path, its number or a part of its name",
        ],
    );
}

#[test]
fn camera_vm_whose_faults_are_each_told_with_their_reason() {
    let Some(command) = guest("faults") else {
        return;
    };
    let report = Report::of(command);
    let cannot = format!("cannot use the camera {CAMERA}: ");
    report.has(
        "busy",
        &[
            "send status: 1",
            &format!("send: error: {cannot}it is busy"),
            "send:   used by gst-launch-1.0 (process …",
            "send: hint: close that program, or take another camera with --device",
        ],
    );
    report.has(
        "no permission",
        &[
            "send status: 1",
            "send: error: cannot find a camera: no permission",
            "send:   /dev/video0: permission denied",
            "send: hint: sudo usermod -aG video $USER, then log in again",
        ],
    );
    report.has(
        "none",
        &[
            "send status: 1",
            "send: error: cannot find a camera: none is plugged in",
            "send: hint: vidchat send --pipeline test needs no camera",
        ],
    );
    report.has(
        "plugged in again",
        &[&format!("send: INFO source: open: {CAMERA}, …")],
    );
}

#[test]
fn camera_vm_that_is_lost_in_many_ways_and_comes_back_each_time() {
    let Some(command) = guest("losses") else {
        return;
    };
    let report = Report::of(command);
    let unplugged = "it was unplugged";
    let busy = "it is busy (used by gst-launch-1.0 (process …";
    let failed = "Failed to allocate required memory";
    // Which of GStreamer's calls meets the fault first is a matter of luck: it takes a frame out
    // or gives its memory back.
    let met = |section: &str| {
        let words = [
            "Failed to allocate a buffer",
            "Could not read from resource",
        ];
        let said = |words: &&str| report.section(section).contains(*words);
        words.into_iter().find(said).unwrap_or(words[1])
    };
    for (section, reason, then, number) in [
        ("fatal error", met("fatal error"), None, 0),
        ("disconnected", met("disconnected"), None, 0),
        ("unplugged", unplugged, None, 0),
        ("busy when it comes back", unplugged, Some(busy), 0),
        (
            "does not start when it comes back",
            unplugged,
            Some(failed),
            0,
        ),
        (
            "has no memory when it comes back",
            unplugged,
            Some(failed),
            0,
        ),
        ("stalled", "no frame for 2 s", None, 0),
        ("another number", unplugged, None, 7),
        ("gone while nobody watched", unplugged, None, 7),
    ] {
        let counts = [
            "second viewer status: 0",
            "viewer: stays",
            "lost: 1",
            "back: 1",
        ];
        report.has(section, &counts);
        let lost = "send: WARN source: camera lost: ";
        let lost = format!("{lost}{reason} (it is taken up again when it is back)");
        let news = then.map(|reason| format!("send: WARN source: not back yet: {reason}"));
        let back = format!(
            "\"vivid\" (/dev/video{number}), 640x360 I420 at 30 fps, sent as 320x180 I420 at 30 fps"
        );
        let expected: Vec<&str> = [Some(&lost), news.as_ref()]
            .into_iter()
            .flatten()
            .map(|s| &s[..])
            .collect();
        report.has(section, &expected);
        report.says(section, "send: INFO source: back after ", &back);
    }
    report.has("end", &["send status: 0", "recv status: 0"]);
}

/// A sender in the guest. The machine is ended when this is dropped.
struct Machine(Option<Running>);

impl Drop for Machine {
    fn drop(&mut self) {
        // Not killed outright, which would leave the machine behind.
        if let Some(process) = self.0.take() {
            process.signal("TERM");
            process.wait();
        }
    }
}

/// How many of the driver's bars are where they belong, some way below the text in the picture.
fn bars(shot: &Shot) -> usize {
    let at = |bar: u16| (u32::from(shot.width) * (2 * u32::from(bar) + 1) / 16) as u16;
    let is_bar = |(bar, colour): &(u16, [u8; 3])| {
        let pixel = shot.pixel(at(*bar), shot.height - 10);
        pixel.iter().zip(colour).all(|(a, b)| a.abs_diff(*b) <= 24)
    };
    (0u16..).zip(DARKER_BARS).filter(is_bar).count()
}

#[test]
fn camera_vm_in_a_window_on_another_machine() {
    let Some(display) = Xvfb::start() else { return };
    let Some(mut command) = guest("window") else {
        return;
    };
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    command
        .env("PORT", &port)
        .env("CAMERA_VM_FORWARD", format!("tcp:{port}"));
    let mut machine = Machine(Some(Running::start(&mut command)));
    // Only then: its port here is open before it is in the guest.
    if let Some(process) = &mut machine.0 {
        process.line_within("vidchat recv ", MACHINE_PATIENCE);
    }
    let target = format!("127.0.0.1:{port}");
    let mut recv = vidchat();
    recv.args(["recv", &target])
        .env("DISPLAY", &display.display);
    let receiver = Running::start(&mut recv);
    let screen = Screen::of(&display);
    let window = screen.window("RECEIVING VIDEO from camera-vm");
    let shot = screen.wait_for(window, "the camera's bars", |shot| bars(shot) >= 6);
    assert_eq!((shot.width, shot.height), (320, 180));
    keep_picture(&display);
    screen.close(window);
    let ended = receiver.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

/// Keeps what is on the screen, for people to look at.
fn keep_picture(display: &Xvfb) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("camera.png");
    let _ = Command::new("import")
        .args(["-display", &display.display, "-window", "root"])
        .arg(path)
        .status();
}
