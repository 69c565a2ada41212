//! The end of a call: by a person on either side, and of a party that is killed.

use crate::support::Xvfb;
use crate::support::party::{Party, PartyOptions, PartyWindow, RED, always, pattern};

/// Anna, who has answered ben, and ben.
fn two() -> (Party, Party) {
    let anna = Party::answering("anna", pattern("smpte"));
    let ben = Party::calling("ben", &anna.target(), pattern("red"));
    anna.sees("ben");
    ben.sees("anna");
    (anna, ben)
}

#[test]
fn either_side_ends_the_call_for_both() {
    for is_caller in [true, false] {
        let (anna, ben) = two();
        let (ends, name, hears) = if is_caller {
            (ben, "ben", anna)
        } else {
            (anna, "anna", ben)
        };
        let own = ends.quit();
        assert!(!own.stderr.contains("has ended the call"), "{own:?}");
        let other = hears.ends_well();
        let line = format!("{name} has ended the call.");
        assert!(other.stderr.contains(&line), "{other:?}");
    }
}

/// The caller may go before its own stream has begun.
#[test]
fn a_caller_who_ends_the_call_at_once_ends_it_for_both() {
    for _ in 0..5 {
        let mut anna = Party::answering("anna", pattern("smpte"));
        let mut ben = Party::calling("ben", &anna.target(), pattern("red"));
        ben.process.line_with("call: anna is here");
        ben.quit();
        anna.process.line_with("ben has ended the call.");
        anna.ends_well();
    }
}

#[test]
fn a_display_that_is_lost_ends_the_call_and_the_other_hears_why() {
    let Some(display) = Xvfb::start() else { return };
    let anna = Party::start(PartyOptions {
        name: "anna",
        arguments: [pattern("smpte"), always()].concat(),
        display: Some(&display),
        ..PartyOptions::default()
    });
    let ben = Party::calling("ben", &anna.target(), pattern("red"));
    ben.sees("anna");
    anna.sees("ben");
    display.signal("KILL");
    let ended = anna.process.wait();
    assert_eq!(ended.code(), 3, "{ended:?}");
    assert!(
        ended.stderr.contains("error: lost the display: "),
        "{ended:?}"
    );
    let ended = ben.process.wait();
    assert_eq!(ended.code(), 3, "{ended:?}");
    let error = "error: the call with \"anna\" ended: lost the display";
    assert!(ended.stderr.contains(error), "{ended:?}");
}

#[test]
fn a_party_that_is_killed_freezes_and_is_given_up_after_a_minute_by_either_side() {
    let Some(display) = Xvfb::start() else { return };
    // One call for each side that stays.
    let (mut called, caller) = two();
    let answering = Party::answering("anna", pattern("red"));
    let mut calling = Party::start(PartyOptions {
        name: "ben",
        target: Some(&answering.target()),
        arguments: pattern("smpte"),
        display: Some(&display),
        ..PartyOptions::default()
    });
    let window = PartyWindow::on(&display);
    window.shows("anna", |shot| shot.is_large([RED, RED]));
    for killed in [&caller, &answering] {
        killed.process.signal("KILL");
    }
    // Darker, and with the words in the middle.
    window.shows("the freeze frame", |shot| {
        shot.is_dark_red() && shot.letters([160, 200, 320, 80]) > 200
    });
    for (party, name) in [(&mut called, "ben"), (&mut calling, "anna")] {
        party.process.line_with("connecting again");
        party.sees_state(name, "reconnecting");
    }
    for (party, name) in [(called, "ben"), (calling, "anna")] {
        let ended = party.process.wait();
        assert_eq!(ended.code(), 3, "{ended:?}");
        let error = format!("error: the call with \"{name}\" ended: it has not come back for 60 s");
        assert!(ended.stderr.contains(&error), "{ended:?}");
        assert!(ended.stderr.contains("hint: vidchat call "), "{ended:?}");
    }
}
