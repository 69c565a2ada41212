//! The keys of a window: its size, the full screen, help, and a picture in a file.

use std::process::Command;

use crate::support::x_display::{Screen, WindowManager};
use crate::support::{Running, Xvfb, skipped, vidchat};

const TITLE: &str = "RECEIVING VIDEO from demo";

/// Shows the bars at rest, in a folder of the test's own.
fn demo(display: &Xvfb, folder: &tempfile::TempDir) -> Running {
    let mut command = vidchat();
    command.env("DISPLAY", &display.display);
    command.current_dir(folder.path());
    Running::start(command.args(["demo", "--set", "speed=0"]))
}

#[test]
fn keys_change_the_size_of_a_window_and_the_shape_is_kept() {
    let Some(display) = Xvfb::start() else { return };
    let (screen, folder) = (Screen::of(&display), tempfile::tempdir().unwrap());
    let demo = demo(&display, &folder);
    let window = screen.window(TITLE);
    screen.wait_for(window, "the bars", |shot| shot.shows_bars());
    for (key, size) in [
        ("plus", (400, 300)),
        ("plus", (500, 375)),
        ("minus", (400, 300)),
        ("1", (320, 240)),
        ("minus", (256, 192)),
    ] {
        if !screen.press(window, key) {
            return;
        }
        screen.wait_for(window, &format!("{size:?} by {key}"), |shot| {
            (shot.width, shot.height) == size && shot.shows_bars()
        });
    }
    screen.press(window, "q");
    let ended = demo.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn a_key_shows_the_keys_and_hides_them_again() {
    let Some(display) = Xvfb::start() else { return };
    let (screen, folder) = (Screen::of(&display), tempfile::tempdir().unwrap());
    let _demo = demo(&display, &folder);
    let window = screen.window(TITLE);
    let plain = screen.wait_for(window, "the bars", |shot| shot.shows_bars());
    // The clock in the middle has letters as well.
    let more = plain.letters() + 200;
    for hide in ["Escape", "h"] {
        if !screen.press(window, "h") {
            return;
        }
        screen.wait_for(window, "help", |shot| shot.letters() > more);
        screen.press(window, hide);
        screen.wait_for(window, "no help", |shot| shot.letters() < more);
    }
}

#[test]
fn a_key_saves_the_frame_as_it_came() {
    let Some(display) = Xvfb::start() else { return };
    let (screen, folder) = (Screen::of(&display), tempfile::tempdir().unwrap());
    let mut demo = demo(&display, &folder);
    let window = screen.window(TITLE);
    // Neither the window's size nor anything on the frame is in the file.
    screen.resize(window, 640, 480);
    screen.wait_for(window, "640x480", |shot| shot.width == 640);
    if !screen.press(window, "h") || !screen.press(window, "p") {
        return;
    }
    let line = demo.line_with("picture: saved ");
    let (_, name) = line
        .split_once("picture: saved ")
        .expect("it says the name");
    assert!(name.starts_with(TITLE) && name.ends_with(".png"), "{name}");
    let path = folder.path().join(name);
    let converted = Command::new("convert")
        .arg(&path)
        .args(["-depth", "8", "rgb:-"])
        .output();
    let Ok(converted) = converted else {
        return skipped("ImageMagick is not installed");
    };
    let rgb = converted.stdout;
    assert_eq!(rgb.len(), 320 * 240 * 3, "{name}");
    let pixel = |x: usize, y: usize| &rgb[(y * 320 + x) * 3..][..3];
    assert!(
        pixel(5, 5).iter().all(|level| *level > 245),
        "{:?}",
        pixel(5, 5)
    );
    let blue = pixel(300, 120);
    assert!(blue[0] < 10 && blue[1] < 10 && blue[2] > 245, "{blue:?}");
}

#[test]
fn a_key_fills_the_screen_and_gives_it_back() {
    let Some(display) = Xvfb::start() else { return };
    let Some(_manager) = WindowManager::start(&display) else {
        return;
    };
    let (screen, folder) = (Screen::of(&display), tempfile::tempdir().unwrap());
    screen.wait_for_manager();
    let _demo = demo(&display, &folder);
    let window = screen.managed_window(TITLE);
    screen.wait_for(window, "the bars", |shot| shot.shows_bars());
    for back in ["f", "Escape"] {
        if !screen.press(window, "f") {
            return;
        }
        screen.wait_for(window, "the full screen", |shot| {
            (shot.width, shot.height) == (1024, 768) && shot.shows_bars()
        });
        screen.press(window, back);
        screen.wait_for(window, "the window again", |shot| {
            (shot.width, shot.height) == (320, 240) && shot.shows_bars()
        });
    }
}

#[test]
fn a_key_that_was_down_when_another_window_got_the_keyboard_works_again() {
    let Some(display) = Xvfb::start() else { return };
    let (screen, folder) = (Screen::of(&display), tempfile::tempdir().unwrap());
    let mut demo = demo(&display, &folder);
    let window = screen.window(TITLE);
    screen.wait_for(window, "the bars", |shot| shot.shows_bars());
    let mut other = vidchat();
    other.env("DISPLAY", &display.display);
    let other = other.args(["send", "--bind", "127.0.0.1", "--port", "0"]);
    let _other = Running::start(other.args(["--pipeline", "test", "--preview"]));
    let other = screen.window("TRANSMITTING VIDEO");
    screen.focus(window);
    let keys = |words: &[&str]| {
        let mut xdotool = Command::new("xdotool");
        let typed = xdotool
            .args(words)
            .env("DISPLAY", &display.display)
            .status();
        typed.is_ok_and(|typed| typed.success())
    };
    if !keys(&["keydown", "p"]) {
        return skipped("xdotool is not installed");
    }
    demo.line_with("picture: saved ");
    screen.focus(other);
    assert!(keys(&["keyup", "p"]));
    screen.press(window, "p");
    demo.line_with("picture: saved ");
}
