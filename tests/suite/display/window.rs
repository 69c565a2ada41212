//! Windows, on X servers of the tests' own: what they show, how they are used, how they are lost.

use std::process::Command;

use crate::cli::statistics::Stats;
use crate::support::x_display::Screen;
use crate::support::{Ended, Running, Sender, Xvfb, run, run_vidchat, skipped_in_part, vidchat};

/// The test pattern at rest: its bars are where they are looked for.
const STILL: [&str; 4] = ["--pipeline", "test", "--set", "speed=0"];

fn on(display: &Xvfb) -> Command {
    let mut command = vidchat();
    command.env("DISPLAY", &display.display);
    command
}

/// A sender with the test pattern at rest and no window.
fn still_sender() -> Sender {
    Sender::start(STILL.into_iter().chain(["--no-preview"]))
}

/// A sender with a window on this display.
fn previewing_sender(display: &Xvfb) -> Sender {
    let address = ["send", "--bind", "127.0.0.1", "--port", "0"];
    Sender::start_as(on(display).args(address).args(STILL))
}

fn recv_on(display: &Xvfb, sender: &Sender, arguments: &[&str]) -> Running {
    Running::start(on(display).args(["recv", &sender.target()]).args(arguments))
}

/// Takes some frames without a window.
fn take(sender: &Sender, frames: &str) -> Ended {
    let target = sender.target();
    run_vidchat(["recv", &target, "--display", "none", "--frames", frames])
}

/// The title of a receiver's window.
fn received() -> String {
    let host = run(&mut Command::new("hostname")).stdout;
    format!("RECEIVING VIDEO from {}", host.trim())
}

/// A pipeline of a user's own, in a file.
fn own_pipeline(folder: &tempfile::TempDir, text: &str) -> String {
    let path = folder.path().join("own.gst");
    std::fs::write(&path, format!("# For a test.\n{text}\n")).unwrap();
    path.to_str().expect("the path is text").to_owned()
}

#[test]
fn the_demo_shows_the_bars_in_a_window_with_a_title() {
    let Some(display) = Xvfb::start() else { return };
    let screen = Screen::of(&display);
    let demo = Running::start(on(&display).args(["demo", "--set", "speed=0"]));
    let window = screen.window("RECEIVING VIDEO from demo");
    let shot = screen.wait_for(window, "the bars", |shot| shot.shows_bars());
    assert_eq!((shot.width, shot.height), (320, 240));
    screen.close(window);
    let ended = demo.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn a_window_of_any_size_shows_the_picture_in_its_shape_centred_in_black() {
    let Some(display) = Xvfb::start() else { return };
    let screen = Screen::of(&display);
    let mut demo = Running::start(on(&display).args(["demo", "--set", "speed=0"]));
    let window = screen.window("RECEIVING VIDEO from demo");
    screen.wait_for(window, "the bars", |shot| shot.shows_bars());
    for ((width, height), (left, top, shown_width, shown_height)) in [
        ((640, 480), (0, 0, 640, 480)),
        ((640, 240), (160, 0, 320, 240)),
        ((320, 600), (0, 180, 320, 240)),
        ((900, 450), (150, 0, 600, 450)),
        ((160, 120), (0, 0, 160, 120)),
    ] {
        screen.resize(window, width, height);
        screen.wait_for(window, &format!("right at {width}x{height}"), |shot| {
            (u32::from(shot.width), u32::from(shot.height)) == (width, height)
                && shot.shows_bars_at(left, top, shown_width, shown_height)
        });
    }
    demo.line_with("joined");
    demo.signal("INT");
    let ended = demo.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

/// Gives the window many sizes one right after the other, then one to look at.
fn drag(screen: &Screen, window: u32) {
    for step in 0..100 {
        screen.resize(window, 200 + step * 53 % 700, 150 + step * 37 % 500);
    }
    screen.resize(window, 480, 360);
    screen.wait_for(window, "480x360 after a burst of sizes", |shot| {
        (shot.width, shot.height) == (480, 360) && shot.shows_bars()
    });
}

#[test]
fn a_burst_of_sizes_ends_neither_the_shipped_pipeline_nor_one_with_a_queue() {
    let Some(display) = Xvfb::start() else { return };
    let screen = Screen::of(&display);
    let sender = still_sender();
    let folder = tempfile::tempdir().unwrap();
    let queued = own_pipeline(
        &folder,
        "appsrc name=frames ! queue ! ${decode} ! videoconvert ! ${window}",
    );
    for arguments in [&[][..], &["--pipeline", &queued]] {
        let receiver = recv_on(&display, &sender, arguments);
        let window = screen.window(&received());
        screen.wait_for(window, "the bars", |shot| shot.shows_bars());
        drag(&screen, window);
        screen.close(window);
        let ended = receiver.wait();
        assert_eq!(ended.code(), 0, "{arguments:?}: {ended:?}");
    }
}

#[test]
fn q_in_either_window_ends_that_program_as_asked() {
    let Some(display) = Xvfb::start() else { return };
    let screen = Screen::of(&display);
    let sender = previewing_sender(&display);
    let receiver = recv_on(&display, &sender, &[]);
    let (sent, shown) = (
        screen.window("TRANSMITTING VIDEO"),
        screen.window(&received()),
    );
    if !screen.press(shown, "q") {
        return;
    }
    let ended = receiver.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let left = recv_on(&display, &sender, &["--no-reconnect"]);
    screen.window(&received());
    // Another key does nothing.
    screen.press(sent, "x");
    assert_eq!(take(&sender, "3").code(), 0);
    screen.press(sent, "q");
    let ended = sender.process.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let ended = left.wait();
    assert_eq!(ended.code(), 3, "{ended:?}");
    assert!(
        ended.stderr.contains("ended: the sender was stopped"),
        "{ended:?}"
    );
}

#[test]
fn closing_the_senders_window_ends_the_sender() {
    let Some(display) = Xvfb::start() else { return };
    let screen = Screen::of(&display);
    let sender = previewing_sender(&display);
    screen.close(screen.window("TRANSMITTING VIDEO"));
    let ended = sender.process.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn both_ends_show_the_same_at_once_and_say_which_is_which() {
    let Some(display) = Xvfb::start() else { return };
    let screen = Screen::of(&display);
    let sender = previewing_sender(&display);
    let _receiver = recv_on(&display, &sender, &[]);
    let windows =
        ["TRANSMITTING VIDEO", &received()].map(|title| (title.to_owned(), screen.window(title)));
    for (title, window) in &windows {
        // Windows that no manager placed lie on each other.
        screen.raise(*window);
        screen.wait_for(*window, title, |shot| shot.shows_bars());
    }
}

#[test]
fn each_codec_shows_the_bars_that_were_sent() {
    let Some(display) = Xvfb::start() else { return };
    let screen = Screen::of(&display);
    for codec in ["jpeg", "h264", "h265", "vp8", "vp9", "av1"] {
        let source = format!("test-{codec}");
        let demo = ["demo", "--pipeline", &source, "--set", "speed=0"];
        let tried = run(vidchat()
            .args(demo)
            .args(["--display", "none", "--frames", "1"]));
        if tried.stderr.contains("no encoder") {
            skipped_in_part(&format!("no encoder for {codec}"));
            continue;
        }
        let demo = Running::start(on(&display).args(demo));
        let window = screen.window("RECEIVING VIDEO from demo");
        screen.wait_for(window, codec, |shot| shot.shows_bars());
        screen.close(window);
        let ended = demo.wait();
        assert_eq!(ended.code(), 0, "{codec}: {ended:?}");
    }
}

#[test]
fn one_program_has_two_windows_and_each_ends_it() {
    let Some(display) = Xvfb::start() else { return };
    let screen = Screen::of(&display);
    let titles = ["TRANSMITTING VIDEO", "RECEIVING VIDEO from demo"];
    for closed in titles {
        let demo = Running::start(on(&display).args(["demo", "--preview", "--set", "speed=0"]));
        let windows = titles.map(|title| (title, screen.window(title)));
        for (title, window) in windows {
            // Windows that no manager placed lie on each other.
            screen.raise(window);
            screen.wait_for(window, title, |shot| shot.shows_bars());
        }
        screen.close(screen.window(closed));
        let ended = demo.wait();
        assert_ne!(ended.code(), 101, "{closed}: {ended:?}");
        assert_eq!(screen.titles(), [""; 0], "{closed}: {ended:?}");
    }
}

/// The desktop says how many pixels a dot has on it.
#[test]
fn a_window_is_as_large_as_the_desktop_scales_and_shows_the_picture_in_it() {
    let Some(display) = Xvfb::start() else { return };
    let screen = Screen::of(&display);
    let mut command = on(&display);
    // What a desktop tells programs of X11 by its settings.
    command.env("WINIT_X11_SCALE_FACTOR", "2");
    let demo = Running::start(command.args(["demo", "--set", "speed=0"]));
    let window = screen.window("RECEIVING VIDEO from demo");
    let shot = screen.wait_for(window, "the bars", |shot| shot.shows_bars());
    assert_eq!((shot.width, shot.height), (640, 480));
    screen.close(window);
    let ended = demo.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn no_preview_opens_no_window() {
    let Some(display) = Xvfb::start() else { return };
    let screen = Screen::of(&display);
    let address = ["send", "--bind", "127.0.0.1", "--port", "0", "--no-preview"];
    let sender = Sender::start_as(on(&display).args(address).args(STILL));
    let _receiver = recv_on(&display, &sender, &[]);
    let window = screen.window(&received());
    screen.wait_for(window, "the bars", |shot| shot.shows_bars());
    assert_eq!(screen.titles(), [received()]);
}

#[test]
fn a_window_that_was_asked_for_without_a_display_is_an_error_with_a_hint() {
    let sender = still_sender();
    let target = sender.target();
    let recv: &[&str] = &["recv", &target, "--display", "window"];
    let auto: &[&str] = &["recv", &target];
    let send: &[&str] = &[
        "send",
        "--bind",
        "127.0.0.1",
        "--port",
        "0",
        "--pipeline",
        "test",
        "--preview",
    ];
    for (arguments, hint) in [
        (
            recv,
            "hint: --display terminal shows the video in a terminal",
        ),
        (
            auto,
            "hint: run it in a terminal to see the video there, or give --display none",
        ),
        (
            send,
            "hint: leave --preview out to send without a window here",
        ),
    ] {
        let ended = run_vidchat(arguments);
        assert_eq!(ended.code(), 1, "{ended:?}");
        let error = "error: cannot open a window: there is no display";
        assert!(ended.stderr.contains(error), "{ended:?}");
        assert!(ended.stderr.contains(hint), "{ended:?}");
    }
    // A display that is named and does not answer.
    let ended = run(vidchat().args(recv).env("DISPLAY", ":59999"));
    assert_eq!(ended.code(), 1, "{ended:?}");
    let error = "error: cannot open a window: the display \":59999\" (DISPLAY) does not answer";
    assert!(ended.stderr.contains(error), "{ended:?}");
}

#[test]
fn a_preview_on_a_display_that_hangs_slows_nobody() {
    let Some(display) = Xvfb::start() else { return };
    let screen = Screen::of(&display);
    let sender = previewing_sender(&display);
    let window = screen.window("TRANSMITTING VIDEO");
    screen.wait_for(window, "the bars", |shot| shot.shows_bars());
    display.signal("STOP");
    let ended = take(&sender, "90");
    assert_eq!(ended.code(), 0, "{ended:?}");
    // It ends as asked, too, although its window cannot be closed.
    sender.process.signal("INT");
    let ended = sender.process.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn a_sinks_own_window_that_another_program_destroys_ends_nobody() {
    let Some(display) = Xvfb::start() else { return };
    let sender = still_sender();
    let folder = tempfile::tempdir().unwrap();
    let sink = "appsrc name=frames ! videoconvert ! ximagesink sync=false";
    let file = own_pipeline(&folder, sink);
    let mut recv = on(&display);
    recv.args(["recv", &sender.target(), "--pipeline", &file]);
    let stats = Stats::of(&mut recv);
    let receiver = Running::start(&mut recv);
    let screen = Screen::of(&display);
    let window = screen.any_window();
    screen.wait_for(window, "the bars", |shot| shot.shows_bars());
    screen.destroy(window);
    // In this second the sink has drawn on what is gone.
    stats.line("a second more", |_| true);
    receiver.signal("INT");
    let ended = receiver.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn when_the_display_is_lost_the_receiver_says_so_and_the_sender_goes_on() {
    let Some(display) = Xvfb::start() else { return };
    let screen = Screen::of(&display);
    let mut sender = previewing_sender(&display);
    let receiver = recv_on(&display, &sender, &[]);
    for title in ["TRANSMITTING VIDEO", &received()] {
        screen.window(title);
    }
    display.signal("KILL");
    let ended = receiver.wait();
    assert_eq!(ended.code(), 3, "{ended:?}");
    let error = "error: lost the display: the X server closed the connection";
    assert!(ended.stderr.contains(error), "{ended:?}");
    sender
        .process
        .line_with("preview: closed: lost the display");
    let ended = take(&sender, "10");
    assert_eq!(ended.code(), 0, "{ended:?}");
    sender.process.signal("INT");
    let ended = sender.process.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

/// An X server begins anew when its last client leaves, and throws out whoever comes meanwhile.
#[test]
fn a_display_without_other_clients_shows_each_window_of_either_end() {
    let Some(display) = Xvfb::start() else { return };
    let sender = still_sender();
    for number in 1..=10 {
        let ended = recv_on(&display, &sender, &["--display", "window", "--frames", "3"]).wait();
        assert_eq!(ended.code(), 0, "window {number}: {ended:?}");
    }
    for _ in 0..5 {
        let sender = previewing_sender(&display);
        Screen::of(&display).window("TRANSMITTING VIDEO");
        sender.process.signal("INT");
        assert_eq!(sender.process.wait().code(), 0);
    }
    for _ in 0..3 {
        let arguments = ["--bind", "127.0.0.1", "--port", "0", "--no-preview"];
        let mut command = on(&display);
        command.arg("send").args(arguments);
        let sender = Sender::start_as(command.args(["--pipeline", "screen"]));
        let ended = take(&sender, "3");
        assert_eq!(ended.code(), 0, "{ended:?}");
        sender.process.signal("INT");
        assert_eq!(sender.process.wait().code(), 0);
    }
}

/// Xlib would end the process.
#[test]
fn a_sender_of_the_screen_outlives_the_loss_of_the_display() {
    let Some(display) = Xvfb::start() else { return };
    let arguments = ["--bind", "127.0.0.1", "--port", "0", "--no-preview"];
    let mut command = on(&display);
    command.arg("send").args(arguments);
    let mut sender = Sender::start_as(command.args(["--pipeline", "screen"]));
    let target = sender.target();
    let _viewer = Running::start(vidchat().args(["recv", &target, "--display", "none"]));
    sender.process.line_with("joined");
    display.signal("KILL");
    sender
        .process
        .line_with("source: the pipeline \"screen\" failed");
    sender
        .process
        .line_with("source: not back yet: there is no display");
    sender.process.signal("INT");
    assert_eq!(sender.process.wait().code(), 0);
}

#[test]
fn autovideosink_shows_the_picture_or_says_that_it_cannot() {
    let sender = still_sender();
    let auto = ["--pipeline", "auto"];
    let ended = run_vidchat(["recv", &sender.target(), auto[0], auto[1]]);
    assert_ne!(ended.code(), 0, "{ended:?}");
    let error = "error: cannot open a window: autovideosink found no display";
    assert!(ended.stderr.contains(error), "{ended:?}");
    let Some(display) = Xvfb::start() else { return };
    let screen = Screen::of(&display);
    let receiver = recv_on(&display, &sender, &auto);
    let window = screen.any_window();
    screen.wait_for(window, "the bars", |shot| shot.shows_bars());
    receiver.signal("INT");
    let ended = receiver.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
}
