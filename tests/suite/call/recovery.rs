//! A call in which something is lost: a connection, a camera, or the other party for a while.

use serde_json::Value;

use crate::media::source_loss::Feed;
use crate::support::encrypted::also_encrypted;
use crate::support::fault_proxy::{Fault, Proxy};
use crate::support::party::{Party, PartyOptions, PartyWindow, RED, always, pattern, plain};
use crate::support::{Xvfb, in_one_try, written_pipeline};

/// The upper edge of a window, where the question is.
const QUESTION: [u16; 4] = [0, 0, 640, 60];

/// Anna is asked in a window, and answers ben, who calls through a line that can break.
struct Call {
    anna: Party,
    ben: Party,
    window: PartyWindow,
    line: Proxy,
    _display: Xvfb,
}

impl Call {
    fn start() -> Option<Self> {
        let display = Xvfb::start()?;
        let anna = Party::start(PartyOptions {
            name: "anna",
            arguments: pattern("smpte"),
            display: Some(&display),
            ..PartyOptions::default()
        });
        let line = Proxy::to(anna.port, Fault::default());
        let ben = Party::calling("ben", &line.target(), pattern("red"));
        let window = PartyWindow::on(&display);
        window.shows("the question", |shot| shot.letters(QUESTION) > 400);
        if !window.press("y") {
            return None;
        }
        let call = Self {
            anna,
            ben,
            window,
            line,
            _display: display,
        };
        call.goes_on();
        Some(call)
    }

    fn goes_on(&self) {
        self.anna.sees("ben");
        self.ben.sees("anna");
        self.window.shows("ben", |shot| {
            shot.is_large([RED, RED]) && shot.letters(QUESTION) == 0
        });
    }
}

#[test]
fn each_connection_that_breaks_comes_back_without_a_second_question() {
    let Some(mut call) = Call::start() else {
        return;
    };
    // The first one is that over which the caller watches.
    call.line.cut(0);
    call.ben.process.line_with("sender anna: connected again");
    call.goes_on();
    call.line.cut(1);
    call.anna.process.line_with("sender ben: connected again");
    call.goes_on();
    assert_eq!(call.line.count(), 4, "one more each");
    for connection in [2, 3] {
        call.line.cut(connection);
    }
    call.ben.process.line_with("sender anna: connected again");
    call.anna.process.line_with("sender ben: connected again");
    call.goes_on();
    let ended = call.ben.quit();
    assert_eq!(ended.stderr.matches("It rings").count(), 1, "{ended:?}");
    call.anna.ends_well();
}

#[test]
fn a_line_that_is_dead_for_a_while_freezes_both_and_comes_back() {
    let Some(call) = Call::start() else { return };
    call.line.stall(true);
    call.anna.sees_state("ben", "reconnecting");
    call.ben.sees_state("anna", "reconnecting");
    call.window
        .shows("the freeze frame", |shot| shot.is_dark_red());
    call.line.stall(false);
    call.goes_on();
}

#[test]
fn a_camera_that_is_lost_and_comes_back_is_told_to_the_other() {
    let feed = Feed::start();
    let (_folder, path) = written_pipeline(&feed.pipeline(""));
    let anna = Party::answering("anna", vec!["--pipeline".into(), path]);
    let ben = Party::calling("ben", &anna.target(), pattern("red"));
    ben.sees("anna");
    feed.pause(true);
    let lost = ben.sees_state("anna", "camera lost");
    assert_eq!(lost["reason"], "no frame for 2 s", "{lost}");
    // The other direction goes on.
    anna.sees("ben");
    feed.pause(false);
    ben.sees("anna");
}

#[test]
fn beside_a_party_that_is_stopped_oneself_moves_on_and_the_call_goes_on_after_it() {
    let Some(display) = Xvfb::start() else { return };
    let moving = pattern("smpte").into_iter().map(|word| match &*word {
        "speed=0" => "speed=9".to_owned(),
        _ => word,
    });
    let anna = Party::start(PartyOptions {
        name: "anna",
        arguments: moving.chain(always()).collect(),
        display: Some(&display),
        ..PartyOptions::default()
    });
    let ben = Party::calling("ben", &anna.target(), pattern("red"));
    let window = PartyWindow::on(&display);
    window.shows("ben", |shot| shot.is_large([RED, RED]));
    ben.process.signal("STOP");
    window.moves(10);
    // No connection is left then, and nothing is asked.
    anna.sees_state("ben", "reconnecting");
    window.moves(10);
    ben.process.signal("CONT");
    window.shows("ben again", |shot| shot.is_large([RED, RED]));
    anna.sees("ben");
    ben.sees("anna");
}

fn median_age(line: &Value) -> f64 {
    line["age_ms"]["p50"].as_f64().expect("it has frames")
}

#[test]
fn a_party_that_is_stopped_makes_no_frame_of_the_others_older() {
    let room = ["--room".to_owned()];
    let anna = Party::answering("anna", [&plain([255; 3]), &room[..]].concat());
    let ben = Party::calling("ben", &anna.target(), plain(RED));
    let cleo = Party::calling("cleo", &anna.target(), plain([0, 0, 255]));
    let seen = [(&anna, "cleo"), (&cleo, "anna")];
    let before = seen.map(|(party, name)| median_age(&party.sees(name)));
    cleo.sees("ben");
    ben.process.signal("STOP");
    cleo.stats.line("that ben is away", |line| {
        line["sender"] == "ben" && line["state"] != "live" && line["shown"] == 0
    });
    for ((party, name), before) in seen.into_iter().zip(before) {
        in_one_try(|| {
            let line = party.sees(name);
            // One frame is 100 ms.
            let is_young = median_age(&line) < before + 100.0;
            let goes_on = is_young && line["shown"].as_u64() > Some(5);
            goes_on
                .then_some(())
                .ok_or_else(|| format!("{before} ms before, then {line}"))
        });
    }
    ben.process.signal("CONT");
    for (party, name) in [
        (&cleo, "ben"),
        (&anna, "ben"),
        (&ben, "cleo"),
        (&ben, "anna"),
    ] {
        party.sees(name);
    }
}

also_encrypted!(
    each_connection_that_breaks_comes_back_without_a_second_question,
    a_line_that_is_dead_for_a_while_freezes_both_and_comes_back,
    a_camera_that_is_lost_and_comes_back_is_told_to_the_other,
    beside_a_party_that_is_stopped_oneself_moves_on_and_the_call_goes_on_after_it,
    a_party_that_is_stopped_makes_no_frame_of_the_others_older,
);
