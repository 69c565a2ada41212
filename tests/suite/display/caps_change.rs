//! A stream whose caps change: the window stays the one that it was, and fits the new frames.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use vidchat::frame::{FrameHeader, TimeOrigin};
use vidchat::wire::head::encode_frame_head;
use vidchat::wire::{Caps, Control, Hello};

use crate::media::frame_identity::EncodedFrame;
use crate::support::player::{self, Shown, with_display};
use crate::support::x_display::{BLACK, Screen, Shot, is_near};
use crate::support::{PATIENCE, Running, Xvfb, bounded, run, vidchat};

const TITLE: &str = "RECEIVING VIDEO from changeling";

/// Format, width and height, further fields, and the bytes of every pixel.
type Format<'a> = (&'a str, (usize, usize), &'a str, &'a [u8]);

/// A sender of single-coloured frames of any caps.
struct Changeling {
    viewer: TcpStream,
    sequence: u32,
}

impl Changeling {
    /// Waits for the viewer.
    fn meet(listener: &TcpListener) -> Self {
        let listener = listener.try_clone().expect("it is open");
        let accepted = bounded("the viewer connects", move || listener.accept());
        let (mut viewer, _) = accepted.expect("it is open");
        viewer.set_write_timeout(Some(PATIENCE)).unwrap();
        let hello = Hello {
            vidchat: 1,
            name: "changeling".into(),
            ..Hello::default()
        };
        let hello = Control::Hello(hello).encode();
        viewer.write_all(&hello).expect("the viewer listens");
        Self {
            viewer,
            sequence: 0,
        }
    }

    /// Sends frames of this format until the viewer's window shows what is wanted.
    fn show(
        &mut self,
        format: Format,
        screen: &Screen,
        window: u32,
        wanted: impl Fn(&Shot) -> bool,
    ) {
        let until = Instant::now() + PATIENCE;
        loop {
            self.send(format);
            if screen.shot(window).is_some_and(|shot| wanted(&shot)) {
                return;
            }
            assert!(Instant::now() < until, "{format:?} is never shown");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    fn send(&mut self, (format, (width, height), more, pixel): Format) {
        let caps = format!(
            "video/x-raw, format={format}, width={width}, height={height}, framerate=30/1{more}"
        );
        let caps = Control::Caps { caps }.encode();
        let header = FrameHeader {
            key: true,
            discontinuity: false,
            ack: false,
            stream: 0,
            sequence: self.sequence,
            pts: u64::from(self.sequence) * 33_000_000,
            captured_at: 0,
            origin: TimeOrigin::Source,
        };
        self.sequence += 1;
        let data = pixel.repeat(width * height);
        let head = encode_frame_head(&header, data.len());
        let message = [&caps[..], &head[..], &data].concat();
        self.viewer.write_all(&message).expect("the viewer stays");
    }
}

fn is_all(shot: &Shot, size: (u16, u16), colour: [u8; 3]) -> bool {
    let (right, low) = (shot.width.saturating_sub(2), shot.height.saturating_sub(2));
    let corners = [(1, 1), (right, 1), (1, low), (right, low)];
    (shot.width, shot.height) == size
        && corners
            .iter()
            .all(|(x, y)| is_near(shot.pixel(*x, *y), colour))
}

#[test]
fn display_of_a_stream_that_changes_its_caps_stays_one_window() {
    let Some(display) = Xvfb::start() else { return };
    let screen = Screen::of(&display);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let receiver = Running::start(
        vidchat()
            .env("DISPLAY", &display.display)
            .args(["recv", &target]),
    );
    let mut sender = Changeling::meet(&listener);
    let (red, green, blue) = ([255, 0, 0], [0, 255, 0], [0, 0, 255]);
    let square = ", pixel-aspect-ratio=1/1";
    let wide = ", pixel-aspect-ratio=2/1";
    sender.send(("RGB", (64, 48), "", &red));
    let window = screen.window(TITLE);
    for (format, shown, colour) in [
        // Small frames are enlarged to a quarter of the screen's width.
        (("RGB", (64, 48), "", &red[..]), (256, 192), red),
        (("RGB", (280, 210), "", &green), (280, 210), green),
        // The same size in another format, with the bytes the other way round.
        (("BGR", (280, 210), square, &red), (280, 210), blue),
        (("GRAY8", (160, 40), "", &[255]), (320, 80), [255; 3]),
        // Pixels twice as wide as they are high.
        (("RGB", (160, 150), wide, &blue), (320, 150), blue),
        (("RGB", (64, 48), square, &red), (256, 192), red),
    ] {
        sender.show(format, &screen, window, |shot| is_all(shot, shown, colour));
        assert_eq!(screen.titles(), [TITLE]);
    }
    // A person's own size is kept.
    screen.resize(window, 300, 300);
    screen.wait_for(window, "300x300", |shot| shot.width == 300);
    let format = ("RGB", (64, 32), square, &green[..]);
    sender.show(format, &screen, window, |shot| {
        (shot.width, shot.height) == (300, 300)
            && is_near(shot.pixel(150, 150), green)
            && is_near(shot.pixel(150, 10), BLACK)
            && is_near(shot.pixel(150, 290), BLACK)
    });
    assert_eq!(screen.titles(), [TITLE]);
    receiver.signal("INT");
    let ended = receiver.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

/// The caps of JPEG need not say how large the frames are.
#[test]
fn a_window_follows_frames_whose_size_nobody_announced() {
    with_display(
        "display::caps_change::a_window_follows_frames_whose_size_nobody_announced",
        |screen| {
            let folder = tempfile::tempdir().unwrap();
            let mut shown = Shown::on("window");
            shown.announce(&Caps::parse("image/jpeg").unwrap());
            for (number, (width, height)) in [(640, 360), (400, 300)].into_iter().enumerate() {
                let path = folder.path().join("frame.jpg");
                let made = run(Command::new("gst-launch-1.0").args([
                    "-q",
                    "videotestsrc",
                    "num-buffers=1",
                    "pattern=red",
                    "!",
                    &format!("video/x-raw,width={width},height={height}"),
                    "!",
                    "jpegenc",
                    "!",
                    "filesink",
                    &format!("location={}", path.display()),
                ]));
                assert_eq!(made.code(), 0, "{made:?}");
                shown.push(&EncodedFrame {
                    number: number as u32,
                    key: true,
                    bytes: std::fs::read(&path).unwrap(),
                });
                let window = screen.window(player::TITLE);
                screen.wait_for(window, "the frame's own size", |shot| {
                    (shot.width, shot.height) == (width, height) && shot.pixel(5, 5)[0] > 200
                });
            }
        },
    );
}
