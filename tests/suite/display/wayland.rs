//! Windows on a Wayland compositor of the tests' own: what they show, how they are used, how they are
//! lost. vidchat knows of no X server meanwhile.

use crate::support::wayland::Weston;
use crate::support::x_display::Screen;
use crate::support::{Running, Sender, Xvfb, run_vidchat};

/// What is logged when a window has been opened.
const HAS_WINDOW: &str = "window: open on Wayland";

#[test]
fn when_a_wayland_display_is_lost_the_receiver_says_so_and_the_sender_goes_on() {
    let Some(mut weston) = Weston::start() else {
        return;
    };
    let send = ["send", "-v", "--bind", "127.0.0.1", "--port", "0"];
    let mut command = weston.vidchat(&send);
    let mut sender = Sender::start_as(command.args(["--pipeline", "test", "--preview"]));
    sender.process.has_said(HAS_WINDOW);
    let target = sender.target();
    let mut receiver = Running::start(&mut weston.vidchat(&["recv", "-v", &target]));
    receiver.line_with(HAS_WINDOW);
    weston.kill();
    let ended = receiver.wait();
    assert_eq!(ended.code(), 3, "{ended:?}");
    let error = "error: lost the display: the Wayland compositor closed the connection";
    assert!(ended.stderr.contains(error), "{ended:?}");
    sender
        .process
        .line_with("preview: closed: lost the display: the Wayland compositor");
    let ended = run_vidchat(["recv", &target, "--display", "none", "--frames", "10"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    sender.process.signal("INT");
    let ended = sender.process.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn a_window_on_a_wayland_display_that_is_closed_in_peace_is_no_loss() {
    let Some(weston) = Weston::start() else {
        return;
    };
    let sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    let recv = ["recv", &sender.target(), "--frames", "10"];
    let ended = Running::start(&mut weston.vidchat(&recv)).wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(!ended.stderr.contains("lost"), "{ended:?}");
}

#[test]
fn a_wayland_window_shows_the_picture_and_has_a_title_and_keys() {
    let Some(display) = Xvfb::start() else { return };
    let Some(weston) = Weston::on(&display, (640, 480)) else {
        return;
    };
    let screen = Screen::of(&display);
    let compositor = screen.window_that(|title| title.starts_with("Weston"));
    // Keys that are down when it gets the keyboard are for no window of it.
    screen.focus(compositor);
    let mut demo = weston.vidchat(&["demo", "--set", "speed=0"]);
    // The library that speaks to the compositor tells what it says.
    let demo = Running::start(demo.env("WAYLAND_DEBUG", "1"));
    // This shell gives a window all of the screen.
    let plain = screen.wait_for(compositor, "the bars", |shot| shot.shows_bars());
    // The clock in the middle has letters as well.
    let more = plain.letters() + 200;
    if !screen.press(compositor, "question") {
        return;
    }
    screen.wait_for(compositor, "help", |shot| shot.letters() > more);
    screen.press(compositor, "question");
    screen.wait_for(compositor, "no help", |shot| shot.letters() < more);
    screen.press(compositor, "q");
    let ended = demo.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let title = "set_title(\"RECEIVING VIDEO from demo\")";
    assert!(ended.stderr.contains(title), "{ended:?}");
}
