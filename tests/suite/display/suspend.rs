//! Displays and receivers that stand still for a while, which is all that a program sees of a suspend
//! of its machine: the window is alive afterwards, with new frames and with its keys.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::sway::Sway;
use crate::support::wayland::Weston;
use crate::support::x_display::{Screen, Shot};
use crate::support::{PATIENCE, Running, Sender, Xvfb, vidchat};

/// The display stands still for so long.
const SHORT: Duration = Duration::from_secs(5);
/// The receiver stands still too, for longer than a sender waits.
const LONG: Duration = Duration::from_secs(15);

fn sender() -> Sender {
    Sender::start(["--pipeline", "test", "--set", "speed=0", "--no-preview"])
}

/// Waits until a window shows the bars, and then until they are in another frame.
fn shows_new_frames(shot: impl Fn() -> Option<Shot>) {
    let until = Instant::now() + PATIENCE;
    let bars = || loop {
        if let Some(shot) = shot().filter(Shot::shows_bars) {
            return shot;
        }
        assert!(Instant::now() < until, "never the bars");
        sleep(Duration::from_millis(50));
    };
    let first = bars();
    while bars().has_same_pixels(&first) {
        assert!(Instant::now() < until, "never a new frame");
        sleep(Duration::from_millis(50));
    }
}

/// Has a receiver with a window stand still for `pause` together with its display, or without it,
/// where `with_receiver` says so. Looks at its window before and after.
fn stands_still(
    receiver: &mut Running,
    display: &dyn Fn(&str),
    (pause, with_receiver): (Duration, bool),
    shot: &dyn Fn() -> Option<Shot>,
) {
    shows_new_frames(shot);
    for signal in ["STOP", "CONT"] {
        if with_receiver {
            receiver.signal(signal);
        }
        display(signal);
        if signal == "STOP" {
            sleep(pause);
        }
    }
    if with_receiver {
        // The sender has given it up meanwhile.
        receiver.line_with("connected again after");
    }
    shows_new_frames(shot);
}

fn stands_still_on_x11(pause: Duration, with_receiver: bool) {
    let Some(display) = Xvfb::start() else { return };
    let sender = sender();
    let mut recv = vidchat();
    recv.args(["recv", &sender.target()]);
    let mut receiver = Running::start(recv.env("DISPLAY", &display.display));
    let screen = Screen::of(&display);
    let window = screen.any_window();
    stands_still(
        &mut receiver,
        &|signal| display.signal(signal),
        (pause, with_receiver),
        &|| screen.shot(window),
    );
    if !screen.press(window, "q") {
        return;
    }
    let ended = receiver.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

fn stands_still_on_sway(pause: Duration, with_receiver: bool) {
    let Some(sway) = Sway::start() else { return };
    let sender = sender();
    let mut receiver = Running::start(&mut sway.vidchat(&["recv", &sender.target()]));
    stands_still(
        &mut receiver,
        &|signal| sway.signal(signal),
        (pause, with_receiver),
        &|| sway.window_shot(),
    );
    sway.press("q");
    let ended = receiver.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn a_window_is_alive_after_its_x_display_stood_still() {
    stands_still_on_x11(SHORT, false);
}

#[test]
fn a_receiver_and_its_x_display_go_on_after_a_suspend() {
    stands_still_on_x11(LONG, true);
}

#[test]
fn a_window_is_alive_after_its_wayland_display_stood_still() {
    stands_still_on_sway(SHORT, false);
}

#[test]
fn a_receiver_and_its_wayland_display_go_on_after_a_suspend() {
    stands_still_on_sway(LONG, true);
}

#[test]
fn a_window_on_weston_is_alive_after_it_stood_still() {
    let Some(display) = Xvfb::start() else { return };
    let Some(weston) = Weston::on(&display, (640, 480)) else {
        return;
    };
    let sender = sender();
    let mut receiver = Running::start(&mut weston.vidchat(&["recv", &sender.target()]));
    let screen = Screen::of(&display);
    let compositor = screen.window_that(|title| title.starts_with("Weston"));
    screen.focus(compositor);
    stands_still(
        &mut receiver,
        &|signal| weston.signal(signal),
        (SHORT, false),
        &|| screen.shot(compositor),
    );
    if !screen.press(compositor, "q") {
        return;
    }
    let ended = receiver.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}
