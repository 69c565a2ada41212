//! Several players on one stage: one window or one terminal, which may be open before there is a frame.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::{Arc, mpsc};

use vidchat::commands::quit::{Quit, Request};
use vidchat::media;
use vidchat::media::display::canvas::Layout;
use vidchat::media::display::stage::{Place, Stage, StageEvent, StageOptions};
use vidchat::media::{Direction, PipelineFile};

use crate::display::terminal::Terminal;
use crate::support::played_sender::PlayedPort;
use crate::support::player::{Shown, until, with_display};
use crate::support::x_display::{Screen, Shot, is_near};
use crate::support::{PATIENCE, Running, Xvfb, vidchat};

/// A stage with further keys, and the events that its owner hears.
fn stage(title: &str) -> (Stage, mpsc::Receiver<StageEvent>) {
    media::init().unwrap();
    let (events, heard) = mpsc::channel();
    let keys = [("s", "show or hide yourself"), ("m", "mirror yourself")];
    let options = StageOptions {
        title: title.to_owned(),
        keys: keys.map(|(k, m)| (k.to_owned(), m.to_owned())).into(),
        on_event: Arc::new(move |event| drop(events.send(event))),
    };
    (Stage::new(options), heard)
}

fn place(stage: &Stage) -> Place {
    let seat = Arc::new(stage.canvas().seat());
    let stage = stage.clone();
    Place { stage, seat }
}

/// A frame whose left half is white and whose right half is black.
fn halves(width: usize, height: usize) -> Vec<u8> {
    let row = (0..width).map(|x| if x < width / 2 { 255 } else { 0 });
    row.cycle().take(width * height).collect()
}

fn grey(level: u8) -> [u8; 3] {
    [level; 3]
}

/// The corner of a window of 640x480: what is left and right in the small seat.
fn corner(shot: &Shot) -> [[u8; 3]; 2] {
    [shot.pixel(520, 390), shot.pixel(616, 390)]
}

const LIGHT: [u8; 3] = [255; 3];
const DARK: [u8; 3] = [0; 3];

#[test]
fn two_players_share_a_window_that_was_open_before_them() {
    with_display(
        "display::stage::two_players_share_a_window_that_was_open_before_them",
        |screen| {
            let (stage, heard) = stage("CALL with ben");
            let (other, own) = (place(&stage), place(&stage));
            other.seat.freeze("calling ben …");
            own.seat.set_mirrored(true);
            stage
                .canvas()
                .set_banner(Some("anna (192.168.1.7) is calling. Answer? y or n"));
            stage.open_window((640, 480)).unwrap();
            let window = screen.window("CALL with ben (waiting)");
            screen.wait_for(window, "a text before any frame", |shot| {
                (shot.width, shot.height) == (640, 480) && shot.letters() > 500
            });
            stage.canvas().set_banner(None);
            // Whichever player comes first, each is in its own place.
            let mut small = Shown::at("window", own.clone());
            small.measure(320, 240);
            small.show_bytes(1, halves(320, 240));
            screen.wait_for(window, "the mirrored corner", |shot| {
                corner(shot) == [DARK, LIGHT] && shot.pixel(320, 20)[0] < 60
            });
            let mut large = Shown::at("window", other.clone());
            large.measure(640, 480);
            large.show(1, 640, 480, 120);
            let shot = screen.wait_for(window, "both", |shot| {
                is_near(shot.pixel(320, 20), grey(120)) && corner(shot) == [DARK, LIGHT]
            });
            assert_eq!((shot.width, shot.height), (640, 480));
            assert!(is_near(shot.pixel(502, 390), grey(120)), "beside the frame");
            assert_eq!(screen.any_window(), window);
            screen.window("CALL with ben");
            stage.set_title("CALL with anna");
            screen.window("CALL with anna");
            own.seat.set_mirrored(false);
            screen.wait_for(window, "no mirror", |shot| corner(shot) == [LIGHT, DARK]);
            own.seat.set_hidden(true);
            screen.wait_for(window, "the corner of the large one", |shot| {
                corner(shot) == [grey(120), grey(120)]
            });
            own.seat.set_hidden(false);
            // The frame from before is not seen any more, nor is one that comes late.
            small.player.blank("camera off");
            screen.wait_for(window, "a dark corner", |shot| {
                corner(shot).iter().all(|c| (16..60).contains(&c[0]))
            });
            let number = Cell::new(2);
            let small = RefCell::new(small);
            screen.wait_for(window, "the camera again", |shot| {
                // The player takes frames only once it has carried out what was asked before.
                let number = number.replace(number.get() + 1);
                small.borrow_mut().show_bytes(number, halves(320, 240));
                corner(shot) == [LIGHT, DARK]
            });
            let mut small = small.into_inner();
            let errors = (
                large.heard.try_recv().is_err(),
                small.heard.try_recv().is_err(),
            );
            assert_eq!(errors, (true, true));
            assert!(heard.try_recv().is_err());
        },
    );
}

#[test]
fn a_window_follows_the_leading_frames_alone() {
    with_display(
        "display::stage::a_window_follows_the_leading_frames_alone",
        |screen| {
            let (stage, _heard) = stage("CALL");
            let (other, own) = (place(&stage), place(&stage));
            // Without the leading one the window is opened for the frames that there are.
            let mut small = Shown::at("window", own);
            small.measure(400, 300);
            small.show(1, 400, 300, 30);
            let window = screen.window("CALL");
            let mut large = Shown::at("window", other);
            large.measure(640, 360);
            large.show(1, 640, 360, 120);
            let is_large = |shot: &Shot| {
                (shot.width, shot.height) == (640, 360) && is_near(shot.pixel(5, 5), grey(120))
            };
            screen.wait_for(window, "the size of the leading frames", is_large);
            small.measure(320, 240);
            small.show(2, 320, 240, 60);
            large.show(2, 640, 360, 120);
            let both = |shot: &Shot| is_large(shot) && is_near(shot.pixel(568, 300), grey(60));
            screen.wait_for(window, "the same size", both);
            // In a grid none leads.
            stage.canvas().arrange(Layout::Grid);
            large.measure(320, 240);
            large.show(3, 320, 240, 120);
            screen.wait_for(window, "a grid of the same size", |shot| {
                (shot.width, shot.height) == (640, 360)
                    && is_near(shot.pixel(160, 180), grey(120))
                    && is_near(shot.pixel(480, 180), grey(60))
            });
            // The window is the stage's, and stays when its players go.
            drop((large, small));
            screen.wait_for(window, "nothing but black", |shot| {
                is_near(shot.pixel(160, 180), DARK) && is_near(shot.pixel(480, 180), DARK)
            });
            drop(stage);
            until("the end of the window", || screen.titles().is_empty());
        },
    );
}

#[test]
fn keys_of_a_window_that_the_stage_does_not_handle_reach_its_owner() {
    with_display(
        "display::stage::keys_of_a_window_that_the_stage_does_not_handle_reach_its_owner",
        |screen| {
            let (stage, heard) = stage("CALL");
            let mut shown = Shown::at("window", place(&stage));
            shown.measure(320, 240);
            shown.show(1, 320, 240, 60);
            let window = screen.window("CALL");
            let next = || heard.recv_timeout(PATIENCE).expect("an event");
            for (key, typed) in [
                ("s", 's'),
                ("m", 'm'),
                ("C", 'c'),
                ("y", 'y'),
                ("Return", '\n'),
                ("Escape", '\u{1b}'),
            ] {
                if !screen.press(window, key) {
                    return;
                }
                assert_eq!(next(), StageEvent::Key(typed));
            }
            screen.press(window, "h");
            screen.wait_for(window, "help", |shot| shot.letters() > 200);
            screen.press(window, "q");
            assert_eq!(next(), StageEvent::Quit);
            screen.close(window);
            assert_eq!(next(), StageEvent::Quit);
            assert!(shown.heard.try_recv().is_err(), "the player hears nothing");
        },
    );
}

#[test]
fn the_loss_of_a_display_is_told_to_the_owner() {
    with_display(
        "display::stage::the_loss_of_a_display_is_told_to_the_owner",
        |screen| {
            let (stage, heard) = stage("CALL");
            let mut shown = Shown::at("window", place(&stage));
            shown.measure(320, 240);
            shown.show(1, 320, 240, 60);
            screen.window("CALL");
            let server = std::env::var(crate::support::player::SERVER).unwrap();
            let killed = std::process::Command::new("kill").arg(server).status();
            assert!(killed.unwrap().success());
            let lost = heard.recv_timeout(PATIENCE).expect("an event");
            assert!(matches!(lost, StageEvent::Lost(_)), "{lost:?}");
            assert!(shown.heard.try_recv().is_err(), "the player hears nothing");
        },
    );
}

#[test]
fn a_window_closes_when_its_frames_go_elsewhere() {
    with_display(
        "display::stage::a_window_closes_when_its_frames_go_elsewhere",
        |screen| {
            let mut shown = Shown::with("window", |options| {
                options.title = "ALONE".into();
                options.replaceable = true;
            });
            shown.measure(320, 240);
            shown.show(1, 320, 240, 60);
            screen.window("ALONE");
            let text = "appsrc name=frames ! fakesink sync=false";
            let file = PipelineFile::new(Direction::Recv, "mine", text);
            shown.player.replace(file);
            until("the end of the window", || screen.titles().is_empty());
        },
    );
}

#[test]
fn the_title_follows_the_sender_of_the_frames() {
    let Some(display) = Xvfb::start() else { return };
    let screen = Screen::of(&display);
    let port = PlayedPort::open();
    let mut command = vidchat();
    command.env("DISPLAY", &display.display);
    let _receiver = Running::start(command.args(["recv", &port.target()]));
    let caps = "video/x-raw, format=GRAY8, width=320, height=240, framerate=30/1";
    let mut sender = port.accept(caps);
    sender.send(1, true, &[60; 320 * 240]);
    let window = screen.window("RECEIVING VIDEO from desk");
    sender.accept_again_as("attic", caps);
    sender.send(1, true, &[60; 320 * 240]);
    assert_eq!(screen.window("RECEIVING VIDEO from attic"), window);
}

/// What runs in the terminal: two players, and a step for each file that appears.
fn shares_the_terminal(folder: &Path) {
    let step = |name: &str| until(name, || folder.join(name).exists());
    let note = |name: &str, text: String| std::fs::write(folder.join(name), text + "\n").unwrap();
    let (stage, heard) = stage("CALL");
    let (other, own) = (place(&stage), place(&stage));
    // Keys are read, and a job control that is ours.
    let (requests, requested) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut quit = Quit::listen().unwrap();
            loop {
                let request = quit.next_request().await;
                let is_last = requests.send(request).is_err() || request == Request::Quit;
                if is_last {
                    return;
                }
            }
        });
    });
    other.seat.freeze("calling ben");
    stage.open_terminal().unwrap();
    step("live");
    other.seat.set_name("ben");
    own.seat.set_name("you");
    let mut large = Shown::at("terminal", other);
    large.measure(320, 240);
    large.show(1, 320, 240, 120);
    let mut small = Shown::at("terminal", own.clone());
    small.measure(320, 240);
    small.show(1, 320, 240, 220);
    large.show(2, 320, 240, 120);
    let key = heard.recv_timeout(PATIENCE).expect("a key");
    own.seat.set_hidden(true);
    note("key", format!("{key:?}"));
    step("end");
    stage.close();
    // The picture is gone, so keys go to the program.
    note("closed", String::new());
    let request = requested.recv_timeout(PATIENCE).expect("a request");
    note("request", format!("{request:?}"));
    let request = requested.recv_timeout(PATIENCE).expect("a request");
    note("last", format!("{request:?}"));
    vidchat::console::restore();
}

#[test]
fn two_players_share_a_terminal_that_was_open_before_them() {
    if std::env::var_os("VIDCHAT_TEST_INSIDE").is_some() {
        let folder = std::env::var_os("FOLDER").expect("it is set for the terminal");
        return shares_the_terminal(folder.as_ref());
    }
    let Some(terminal) = Terminal::start() else {
        return;
    };
    let name = "display::stage::two_players_share_a_terminal_that_was_open_before_them";
    terminal.enter(&format!(
        "VIDCHAT_TEST_INSIDE=1 \"$TEST\" --exact {name} > /dev/null; echo status $?"
    ));
    let says = |t: &Terminal, text: &str| t.lines().iter().any(|line| line.contains(text));
    let step = |name: &str| std::fs::write(terminal.path(name), "").unwrap();
    terminal.until("a text before any frame", |t| says(t, " calling ben"));
    step("live");
    let is_level = |colour: &[u8; 3], level: u8| colour.iter().all(|l| l.abs_diff(level) < 8);
    // The small seat is 12 pixels wide and 9 high; its name is in its last row.
    let has_both = |t: &Terminal| {
        let across = t.pixels().across(18);
        // From left to right: the large one, the frame, the small one, the frame, the large one.
        let levels = [120, 0, 220, 0, 120];
        across.len() == 5 && across.iter().zip(levels).all(|(c, l)| is_level(c, l))
    };
    terminal.until("both", has_both);
    terminal.until("both names", |t| {
        let lines = t.lines();
        let ben = lines
            .iter()
            .any(|line| line.trim_start().starts_with("ben"));
        ben && says(t, " you")
    });
    terminal.press("s");
    assert_eq!(terminal.file("key"), "Key('s')");
    terminal.until("one", |t| {
        let across = t.pixels().across(18);
        across.len() == 1 && is_level(&across[0], 120) && !says(t, " you")
    });
    step("end");
    terminal.until("the shell below", |t| says(t, "VIDCHAT_TEST_INSIDE"));
    terminal.until("its end", |t| t.path("closed").exists());
    terminal.press("Y");
    assert_eq!(terminal.file("request"), "Key('y')");
    terminal.press("q");
    assert_eq!(terminal.file("last"), "Quit");
    terminal.until("end", |t| t.has_line("status 0"));
}
