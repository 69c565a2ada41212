//! A player in the test's own process, which shows frames of one grey, and a display for it.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::mpsc;

use vidchat::frame::FrameHeader;
use vidchat::media::display::stage::Place;
use vidchat::media::pipeline::catalog;
use vidchat::media::playback::events::{PlayerEvent, PlayerOptions};
use vidchat::media::{self, Direction, PipelineFile, Player};
use vidchat::wire::Caps;

use crate::media::frame_identity::EncodedFrame;
use crate::support::x_display::Screen;
use crate::support::{PATIENCE, Xvfb};

/// The title of its window.
pub const TITLE: &str = "RECEIVING VIDEO from desk";

/// Tells of the process of the X server.
pub const SERVER: &str = "VIDCHAT_TEST_XVFB";

/// A player, and what it says of itself.
pub struct Shown {
    pub player: Player,
    pub count: Arc<AtomicU64>,
    pub seen: Arc<Mutex<Vec<u32>>>,
    pub heard: mpsc::UnboundedReceiver<PlayerEvent>,
}

impl Shown {
    /// With the shipped pipeline of this name, or with one of a test's own.
    pub fn on(pipeline: &str) -> Self {
        Self::titled(pipeline, TITLE)
    }

    pub fn titled(pipeline: &str, title: &str) -> Self {
        Self::with(pipeline, |options| options.title = title.into())
    }

    /// On a stage that it shares.
    pub fn at(pipeline: &str, place: Place) -> Self {
        Self::with(pipeline, |options| options.place = Some(place))
    }

    /// With these changes of the options.
    pub fn with(pipeline: &str, change: impl FnOnce(&mut PlayerOptions)) -> Self {
        media::init().unwrap();
        let file = if !pipeline.contains('!') {
            catalog::find(Direction::Recv, pipeline).unwrap()
        } else {
            PipelineFile::new(Direction::Recv, "mine", pipeline)
        };
        let (events, heard) = mpsc::unbounded_channel();
        let (count, seen) = (Arc::default(), Arc::<Mutex<Vec<u32>>>::default());
        let told = Arc::clone(&seen);
        let mut options = PlayerOptions {
            shown: Arc::clone(&count),
            seen: Some(Arc::new(move |h: &FrameHeader| {
                told.lock().unwrap().push(h.sequence)
            })),
            ..PlayerOptions::new(file)
        };
        change(&mut options);
        Self {
            player: Player::spawn(options, events),
            count,
            seen,
            heard,
        }
    }

    /// Frames measure so many pixels from here on.
    pub fn measure(&mut self, width: u32, height: u32) {
        let caps = format!("video/x-raw,format=GRAY8,width={width},height={height}");
        self.announce(&Caps::parse(&caps).unwrap());
    }

    /// Frames have these caps from here on.
    pub fn announce(&mut self, caps: &Caps) {
        self.player.set_caps(caps);
        self.is_ready();
    }

    /// Waits until frames are taken: whatever was asked for before is done then.
    pub fn is_ready(&self) {
        until("a pipeline that takes frames", || self.player.is_ready());
    }

    /// Shows an encoded frame without waiting for it.
    pub fn push(&mut self, frame: &EncodedFrame) {
        self.is_ready();
        let header = FrameHeader {
            key: frame.key,
            sequence: frame.number,
            ..FrameHeader::default()
        };
        self.player.show(&header, frame.bytes.clone().into());
    }

    /// Shows a frame of one grey, and waits until it has reached the sink.
    pub fn show(&mut self, sequence: u32, width: u32, height: u32, level: u8) {
        self.show_bytes(sequence, vec![level; (width * height) as usize]);
    }

    /// Shows a frame of these bytes, and waits until it has reached the sink.
    pub fn show_bytes(&mut self, sequence: u32, frame: Vec<u8>) {
        let header = FrameHeader {
            key: true,
            sequence,
            ..FrameHeader::default()
        };
        self.is_ready();
        let before = self.count.load(Relaxed);
        self.player.show(&header, frame.into());
        until("the frame at the sink", || {
            self.count.load(Relaxed) > before
        });
    }
}

pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < end, "no {what} in time");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Runs `test` in a process of its own whose display is an X server of its own, since GStreamer
/// reads the process's environment.
pub fn with_display(name: &str, test: impl FnOnce(&Screen)) {
    const INSIDE: &str = "VIDCHAT_TEST_DISPLAY";
    if let Ok(display) = std::env::var(INSIDE) {
        return test(&Screen::on(&display));
    }
    let Some(display) = Xvfb::start() else { return };
    let itself = std::env::current_exe().expect("the test has a file");
    // Its waits have their own bounds.
    let ended = Command::new(itself)
        .args(["--exact", name, "--nocapture"])
        .env("DISPLAY", &display.display)
        .env_remove("WAYLAND_DISPLAY")
        .env(SERVER, display.id().to_string())
        .env(INSIDE, &display.display)
        .output()
        .expect("the test starts");
    let (said, errors) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    let passed = ended.status.success() && said.contains("1 passed");
    assert!(passed, "{}: {said}\n{errors}", ended.status);
}
