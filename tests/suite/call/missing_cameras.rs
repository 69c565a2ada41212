//! Calls of a machine without a camera, or with something else to show.

use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ChangeWindowAttributesAux, ConnectionExt as _};

use crate::support::party::{FIELD, Party, PartyOptions, PartyWindow, WHITE, always, pattern};
use crate::support::{Xvfb, written_pipeline};

/// Where the reason stands while there is no frame.
const REASON: [u16; 4] = [200, 220, 240, 60];

#[test]
fn a_party_without_a_camera_is_told_of_and_watches() {
    let (_folder, none) = written_pipeline("v4l2src device=/dev/video99 ! appsink name=frames");
    for (arguments, is_off) in [
        ([pattern("red"), vec!["--no-camera".into()]].concat(), true),
        (vec!["--pipeline".into(), none], false),
    ] {
        let Some(display) = Xvfb::start() else { return };
        let mut anna = Party::start(PartyOptions {
            name: "anna",
            arguments: [pattern("smpte"), always()].concat(),
            display: Some(&display),
            ..PartyOptions::default()
        });
        let ben = Party::calling("ben", &anna.target(), arguments);
        anna.process.line_with("sender ben: no camera");
        let window = PartyWindow::on(&display);
        window.shows("the reason alone", |shot| {
            shot.is_large([FIELD, FIELD]) && shot.letters(REASON) > 40
        });
        ben.sees("anna");
        if is_off {
            // The other way round: it is called.
            let ben = Party::answering("ben", vec!["--no-camera".into()]);
            let mut cleo = Party::calling("cleo", &ben.target(), pattern("smpte"));
            cleo.process.line_with("sender ben: no camera");
            ben.sees("cleo");
        }
        ben.quit();
        anna.ends_well();
    }
}

#[test]
fn a_screen_is_seen_and_is_not_mirrored_for_its_owner() {
    let (Some(display), Some(other)) = (Xvfb::start(), Xvfb::start()) else {
        return;
    };
    // The window of the call is at the left of the screen. At the right there is this colour.
    let colour = [200, 120, 40];
    let (connection, number) = x11rb::connect(Some(&display.display)).expect("Xvfb answers");
    let root = connection.setup().roots[number].root;
    let paint = ChangeWindowAttributesAux::new().background_pixel(0xc8_78_28);
    let painted = connection.change_window_attributes(root, &paint);
    painted.unwrap().check().expect("the root takes a colour");
    let cleared = connection.clear_area(false, root, 0, 0, 0, 0);
    cleared.unwrap().check().expect("the root can be cleared");
    let anna = Party::start(PartyOptions {
        name: "anna",
        arguments: [pattern("white"), always()].concat(),
        display: Some(&other),
        ..PartyOptions::default()
    });
    let _ben = Party::start(PartyOptions {
        name: "ben",
        target: Some(&anna.target()),
        arguments: ["--pipeline", "screen"].map(str::to_owned).to_vec(),
        display: Some(&display),
        ..PartyOptions::default()
    });
    let [annas, bens] = [&other, &display].map(PartyWindow::on);
    bens.shows("its own screen as it is", |shot| {
        shot.is_large([WHITE; 2]) && shot.is_small([WHITE, colour])
    });
    annas.shows("the screen of ben", |shot| shot.is_large([WHITE, colour]));
}
