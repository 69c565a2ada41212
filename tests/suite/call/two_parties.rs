//! Two parties: each sees the other large and itself in the corner, in windows and in a terminal,
//! and each key does what the help says.

use std::fs;

use crate::display::terminal::Terminal;
use crate::media::source_loss::Feed;
use crate::support::party::{
    BLUE, FIELD, Party, PartyOptions, PartyWindow, RED, WHITE, always, is_closed, pattern, port_in,
};
use crate::support::terminal_pixels::is_near;
use crate::support::x_display::{Screen, Shot, WindowManager};
use crate::support::{Xvfb, written_pipeline};

/// The bars at rest from left to right, and in a mirror.
const BARS: [[u8; 3]; 2] = [WHITE, BLUE];
const MIRRORED: [[u8; 3]; 2] = [BLUE, WHITE];
const ALL_RED: [[u8; 3]; 2] = [RED, RED];
const NOTHING: [[u8; 3]; 2] = [FIELD, FIELD];

/// Where names are: at the lower edge of the large frame.
const NAME: [u16; 4] = [0, 440, 200, 40];
/// The upper part of a window, in which the keys are shown and the clock is not.
const UPPER: [u16; 4] = [100, 40, 400, 160];

/// A call between two parties with a window each: anna sends the bars, ben sends red.
struct Call {
    anna: Party,
    ben: Party,
    annas: PartyWindow,
    bens: PartyWindow,
    _displays: [Xvfb; 2],
}

impl Call {
    /// Ben calls anna, who answers.
    fn start() -> Option<Self> {
        let displays = [Xvfb::start()?, Xvfb::start()?];
        let anna = Party::start(PartyOptions {
            name: "anna",
            arguments: [pattern("smpte"), always()].concat(),
            display: Some(&displays[0]),
            ..PartyOptions::default()
        });
        let ben = Party::start(PartyOptions {
            name: "ben",
            target: Some(&anna.target()),
            arguments: pattern("red"),
            display: Some(&displays[1]),
            ..PartyOptions::default()
        });
        let call = Self {
            annas: PartyWindow::on(&displays[0]),
            bens: PartyWindow::on(&displays[1]),
            anna,
            ben,
            _displays: displays,
        };
        call.shows_both();
        Some(call)
    }

    fn shows_both(&self) {
        self.bens.shows("anna large and ben small", |shot| {
            shot.is_large(BARS) && shot.is_small(ALL_RED)
        });
        self.annas.shows("ben large and anna in a mirror", |shot| {
            shot.is_large(ALL_RED) && shot.is_small(MIRRORED)
        });
    }
}

#[test]
fn each_sees_the_other_large_and_itself_small_in_a_mirror_that_the_other_does_not_see() {
    let Some(call) = Call::start() else { return };
    for window in [&call.annas, &call.bens] {
        window.shows("a name and an age", |shot| shot.letters(NAME) > 40);
    }
    // In a corner, oneself hides nothing else of the other.
    call.annas.shows("the frame beside the corner", |shot| {
        shot.letters([504, 300, 128, 60]) == 0
    });
}

#[test]
fn keys_hide_and_mirror_oneself_alone() {
    let Some(call) = Call::start() else { return };
    if !call.annas.press("s") {
        return;
    }
    call.annas
        .shows("ben everywhere", |shot| shot.is_small(ALL_RED));
    call.annas.press("s");
    call.annas
        .shows("anna again", |shot| shot.is_small(MIRRORED));
    call.annas.press("m");
    call.annas
        .shows("anna as she is seen", |shot| shot.is_small(BARS));
    call.bens
        .shows("anna as before", |shot| shot.is_large(BARS));
    call.annas.press("m");
    call.annas
        .shows("the mirror", |shot| shot.is_small(MIRRORED));
}

#[test]
fn a_key_turns_the_camera_off_for_both_and_on_again() {
    let Some(mut call) = Call::start() else {
        return;
    };
    if !call.annas.press("c") {
        return;
    }
    // No frame that was seen before stays to be seen.
    call.bens
        .shows("no frame of anna", |shot| shot.is_large(NOTHING));
    call.bens.shows("why", |shot| {
        shot.letters([200, 220, 240, 60]) > 40 && shot.is_small(ALL_RED)
    });
    call.annas
        .shows("no frame of herself", |shot| shot.is_small(NOTHING));
    call.anna.process.line_with("source: closed");
    call.ben.process.line_with("sender anna: camera off");
    let told = call.ben.sees_state("anna", "camera off");
    assert_eq!(told["reason"], "camera off", "{told}");
    // The other direction goes on.
    call.anna.sees("ben");
    call.annas.press("c");
    call.shows_both();
    call.ben.sees("anna");
}

#[test]
fn a_camera_that_is_turned_off_is_closed() {
    let Some(display) = Xvfb::start() else { return };
    let feed = Feed::start();
    let (_folder, path) = written_pipeline(&feed.pipeline(""));
    let mut anna = Party::start(PartyOptions {
        name: "anna",
        arguments: ["--pipeline", &path, "--answer", "always"]
            .map(str::to_owned)
            .to_vec(),
        display: Some(&display),
        ..PartyOptions::default()
    });
    let ben = Party::calling("ben", &anna.target(), pattern("red"));
    ben.sees("anna");
    assert!(!is_closed(feed.port));
    let window = PartyWindow::on(&display);
    window.shows("ben", |shot| shot.is_large(ALL_RED));
    if !window.press("c") {
        return;
    }
    anna.process.line_with("source: closed");
    assert!(is_closed(feed.port));
    window.press("c");
    ben.sees("anna");
    assert!(!is_closed(feed.port));
}

#[test]
fn a_key_or_closing_the_window_ends_the_call_for_both() {
    for is_key in [true, false] {
        let Some(call) = Call::start() else { return };
        if !is_key {
            call.annas.screen.close(call.annas.id);
        } else if !call.annas.press("q") {
            return;
        }
        call.anna.ends_well();
        let ended = call.ben.ends_well();
        assert!(
            ended.stderr.contains("anna has ended the call."),
            "{ended:?}"
        );
    }
}

#[test]
fn a_test_picture_keeps_its_shape_in_a_call() {
    let test = ["--pipeline", "test"].map(str::to_owned);
    let anna = Party::answering("anna", test.to_vec());
    let ben = Party::calling("ben", &anna.target(), test.to_vec());
    assert_eq!(ben.sees("anna")["form"], "320x240 I420");
}

#[test]
fn keys_fill_the_screen_show_the_keys_and_save_a_picture() {
    let Some(mut call) = Call::start() else {
        return;
    };
    if !call.annas.press("question") {
        return;
    }
    call.annas
        .shows("the keys", |shot| shot.letters(UPPER) > 400);
    call.annas.press("question");
    call.annas.shows("no keys", |shot| shot.letters(UPPER) == 0);
    call.annas.press("p");
    call.anna.process.line_with("picture: saved ");
    assert_eq!(call.anna.files("png").len(), 1);
    // Nobody else is told.
    assert_eq!(call.ben.files("png").len(), 0);
}

#[test]
fn a_key_fills_the_screen_with_the_call_and_gives_it_back() {
    let Some(display) = Xvfb::start() else { return };
    let Some(_manager) = WindowManager::start(&display) else {
        return;
    };
    let screen = Screen::of(&display);
    screen.wait_for_manager();
    let anna = Party::start(PartyOptions {
        name: "anna",
        arguments: [pattern("smpte"), always()].concat(),
        display: Some(&display),
        ..PartyOptions::default()
    });
    let _ben = Party::calling("ben", &anna.target(), pattern("red"));
    let window = screen.managed_window("vidchat call with ben");
    let is_red = |shot: &Shot| {
        let edges = [8, shot.width - 8].map(|x| shot.pixel(x, shot.height / 8));
        edges == [edges[0]; 2] && edges[0][0] > 245 && edges[0][1] < 10
    };
    screen.wait_for(window, "ben", |shot| shot.width < 1024 && is_red(shot));
    if !screen.press(window, "f") {
        return;
    }
    screen.wait_for(window, "ben on the whole screen", |shot| {
        (shot.width, shot.height) == (1024, 768) && is_red(shot)
    });
    screen.press(window, "f");
    screen.wait_for(window, "the window again", |shot| {
        shot.width < 1024 && is_red(shot)
    });
}

/// Where the frames are in 80 columns and 24 rows: the first and last column of each, and a row.
const LARGE_CELLS: [usize; 3] = [9, 70, 2];
const SMALL_CELLS: [usize; 3] = [57, 68, 19];
/// A row of it without letters, where the reason for no frame stands in the middle.
const SMALL_CELLS_ABOVE: [usize; 3] = [57, 68, 18];

#[test]
fn in_a_terminal_both_are_seen_and_the_keys_are_the_same() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    terminal.enter(
        "cd \"$FOLDER\"; clear; \"$VIDCHAT\" call --open --bind 127.0.0.1 --port 0 --name anna \
         --answer always \
         --pipeline test --set speed=0 --width 320 --fps 15; echo status $?",
    );
    let invitation = |t: &Terminal| {
        let mut lines = t.lines().into_iter();
        lines.find(|line| line.trim().starts_with("vidchat call 127.0.0.1:"))
    };
    terminal.until("invitation", |t| invitation(t).is_some());
    let port = port_in(&invitation(&terminal).expect("it was there"));
    let mut ben = Party::calling("ben", &format!("127.0.0.1:{port}"), pattern("red"));
    let at = |t: &Terminal, [first, last, row]: [usize; 3], wanted: [[u8; 3]; 2]| {
        let pixels = t.pixels();
        let mut pairs = [first, last].into_iter().zip(wanted);
        pairs.all(|(x, colour)| {
            let cell = pixels.cell(x, row);
            cell.is_some_and(|cell| is_near(cell, colour))
        })
    };
    let says = |t: &Terminal, text: &str| t.lines().iter().any(|line| line.contains(text));
    terminal.until("ben large and anna in a mirror", |t| {
        at(t, LARGE_CELLS, ALL_RED) && at(t, SMALL_CELLS, MIRRORED)
    });
    terminal.until("both names", |t| says(t, "ben") && says(t, "anna"));
    terminal.press("m");
    terminal.until("no mirror", |t| at(t, SMALL_CELLS, BARS));
    terminal.press("s");
    terminal.until("ben alone", |t| !says(t, "anna"));
    terminal.press("s");
    terminal.until("both again", |t| at(t, SMALL_CELLS, BARS));
    terminal.press("c");
    terminal.until("camera off", |t| {
        at(t, SMALL_CELLS_ABOVE, NOTHING) && at(t, LARGE_CELLS, ALL_RED)
    });
    ben.process.line_with("sender anna: camera off");
    terminal.press("c");
    terminal.until("the camera again", |t| at(t, SMALL_CELLS, BARS));
    terminal.press("?");
    terminal.until("the keys", |t| says(t, "mirror yourself"));
    terminal.press("?");
    terminal.until("no keys", |t| !says(t, "mirror yourself"));
    terminal.press("p");
    terminal.until("the news", |t| says(t, "saved "));
    let files = fs::read_dir(terminal.path("")).expect("the folder is there");
    let names = files.map(|file| file.expect("it can be read").file_name());
    let pictures = names.filter(|name| name.to_string_lossy().ends_with(".png"));
    assert_eq!(pictures.count(), 1);
    terminal.press("q");
    terminal.until("end", |t| t.has_line("status 0"));
    let ended = ben.ends_well();
    assert!(
        ended.stderr.contains("anna has ended the call."),
        "{ended:?}"
    );
}
