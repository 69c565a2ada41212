//! Rooms: everybody is in every grid, and those who leave, are lost or are one too many.

use crate::display::terminal::Terminal;
use crate::network::latency::has_faketime;
use crate::support::party::{
    BLUE, DARK_RED, Party, PartyOptions, PartyWindow, RED, WHITE, call, plain, port_in,
};
use crate::support::{Xvfb, in_one_try, run};
#[cfg(target_os = "linux")]
use vidchat::media::thread_room::CALL;

type Colour = [u8; 3];

const GREEN: Colour = [0, 255, 0];
const YELLOW: Colour = [255, 255, 0];
const CYAN: Colour = [0, 255, 255];
const MAGENTA: Colour = [255, 0, 255];
const GREY: Colour = [128, 128, 128];

/// The host of a room, whose window is on this display.
fn host(display: Option<&Xvfb>) -> Party {
    let room = ["--room", "--answer", "always"].map(str::to_owned);
    Party::start(PartyOptions {
        name: "anna",
        arguments: [&plain(WHITE), &room[..]].concat(),
        display,
        ..PartyOptions::default()
    })
}

/// A party of this colour that comes into the room.
fn comes(host: &Party, name: &str, colour: Colour, display: Option<&Xvfb>) -> Party {
    Party::start(PartyOptions {
        name,
        target: Some(&host.target()),
        arguments: plain(colour),
        display,
        ..PartyOptions::default()
    })
}

#[test]
fn everybody_is_in_every_grid_and_oneself_is_last_until_the_host_ends_it() {
    let (Some(first), Some(second)) = (Xvfb::start(), Xvfb::start()) else {
        return;
    };
    let anna = host(Some(&first));
    let annas = PartyWindow::on(&first);
    annas.shows("anna alone", |shot| shot.is_grid(1, &[&[WHITE]]));
    let ben = comes(&anna, "ben", RED, Some(&second));
    let bens = PartyWindow::on(&second);
    annas.shows("both", |shot| shot.is_grid(2, &[&[RED, WHITE]]));
    bens.shows("both", |shot| shot.is_grid(2, &[&[WHITE, RED]]));
    let cleo = comes(&anna, "cleo", BLUE, None);
    annas.shows("three", |shot| shot.is_grid(2, &[&[RED, BLUE], &[WHITE]]));
    bens.shows("three", |shot| shot.is_grid(2, &[&[WHITE, BLUE], &[RED]]));
    cleo.sees("ben");
    cleo.sees("anna");
    // One leaves, and the grid closes.
    ben.sees("cleo");
    cleo.quit();
    annas.shows("two", |shot| shot.is_grid(2, &[&[RED, WHITE]]));
    bens.shows("two", |shot| shot.is_grid(2, &[&[WHITE, RED]]));
    anna.quit();
    let ended = ben.ends_well();
    assert!(
        ended.stderr.contains("anna has ended the call."),
        "{ended:?}"
    );
}

#[test]
fn a_terminal_has_the_name_of_everybody() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    let anna = host(None);
    let _ben = comes(&anna, "ben", RED, None);
    terminal.enter(&format!(
        "clear; \"$VIDCHAT\" call {} --open --bind 127.0.0.1 --port 0 --name cleo --pipeline test \
         --width 320 --fps 10; echo status $?",
        anna.target()
    ));
    terminal.until("three names", |t| {
        let text = t.lines().join("\n");
        ["anna", "ben", "cleo"]
            .iter()
            .all(|name| text.contains(name))
    });
    anna.quit();
    terminal.until("end", |t| t.has_line("status 0"));
    assert!(terminal.has_line("anna has ended the call."));
}

#[test]
fn eight_see_each_other_and_the_ninth_hears_that_the_room_is_full() {
    let (Some(first), Some(second)) = (Xvfb::start(), Xvfb::start()) else {
        return;
    };
    let anna = host(Some(&first));
    let annas = PartyWindow::on(&first);
    let colours = [RED, BLUE, GREEN, YELLOW, CYAN, MAGENTA, GREY];
    let names = ["b", "c", "d", "e", "f", "g", "h"];
    let mut others: Vec<Party> = Vec::new();
    for (count, (name, colour)) in names.into_iter().zip(colours).enumerate() {
        let display = (name == "h").then_some(&second);
        others.push(comes(&anna, name, colour, display));
        // One after the other, so that the order is known.
        let mut seated = colours[..=count].to_vec();
        seated.push(WHITE);
        let columns = (1..).find(|n| n * n >= seated.len()).expect("some number");
        let rows: Vec<&[Colour]> = seated.chunks(columns).collect();
        annas.shows(&format!("{} parties", seated.len()), |shot| {
            shot.is_grid(columns as u16, &rows)
        });
    }
    let lasts = PartyWindow::on(&second);
    lasts.shows("all eight", |shot| {
        let rows: [&[Colour]; 3] = [
            &[WHITE, RED, BLUE],
            &[GREEN, YELLOW, CYAN],
            &[MAGENTA, GREY],
        ];
        shot.is_grid(3, &rows)
    });
    for (other, own) in others.iter().zip(names) {
        for name in names
            .into_iter()
            .filter(|name| *name != own)
            .chain(["anna"])
        {
            other.sees(name);
        }
    }
    #[cfg(target_os = "linux")]
    for party in others.iter().chain([&anna]) {
        // It made sure at its start that there is room for them.
        let threads = party.process.threads();
        assert!(threads < CALL, "{threads} threads");
    }
    let target = anna.target();
    let ended = run(call(0).args([&target, "--open", "--display", "none", "--no-camera"]));
    assert_eq!(ended.code(), 1, "{ended:?}");
    let error = format!("error: no call with \"{target}\": the room is full: 8 are there");
    assert!(ended.stderr.contains(&error), "{ended:?}");
    // There is room for another one when one has left.
    others.remove(0).quit();
    let late = comes(&anna, "late", RED, None);
    late.sees("anna");
    late.sees("h");
    anna.quit();
    for other in others.into_iter().chain([late]) {
        other.ends_well();
    }
}

#[test]
fn the_host_is_asked_about_each_who_comes() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    terminal.enter(
        "\"$VIDCHAT\" call --room --open --bind 127.0.0.1 --port 0 --name anna --pipeline test \
         --display none; echo status $?",
    );
    let invitation = |t: &Terminal| {
        let mut lines = t.lines().into_iter();
        lines.find(|line| line.trim().starts_with("vidchat call 127.0.0.1:"))
    };
    terminal.until("invitation", |t| invitation(t).is_some());
    let port = port_in(&invitation(&terminal).expect("it was there"));
    let target = format!("127.0.0.1:{port}");
    let asks = |name: &str| {
        let party = Party::calling(name, &target, plain(RED));
        let question = format!("{name} (127.0.0.1) is calling. Answer? [Y/n]");
        terminal.until("question", |t| t.has_line(&question));
        party
    };
    let ben = asks("ben");
    terminal.press("y");
    ben.sees("anna");
    let cleo = asks("cleo").process;
    terminal.press("n");
    let ended = cleo.wait();
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(ended.stderr.contains(": declined"), "{ended:?}");
    let dan = asks("dan");
    terminal.press("Enter");
    dan.sees("ben");
    ben.sees("dan");
    terminal.press("q");
    terminal.until("end", |t| t.has_line("status 0"));
    for party in [ben, dan] {
        party.ends_well();
    }
}

#[test]
fn a_party_that_is_killed_freezes_everywhere_and_is_gone_after_half_a_minute() {
    let (Some(first), Some(second)) = (Xvfb::start(), Xvfb::start()) else {
        return;
    };
    let mut anna = host(Some(&first));
    let ben = comes(&anna, "ben", RED, None);
    anna.process.line_with("call: ben is here");
    let cleo = comes(&anna, "cleo", BLUE, Some(&second));
    let [annas, cleos] = [&first, &second].map(PartyWindow::on);
    annas.shows("three", |shot| shot.is_grid(2, &[&[RED, BLUE], &[WHITE]]));
    cleos.shows("three", |shot| shot.is_grid(2, &[&[WHITE, RED], &[BLUE]]));
    ben.process.signal("KILL");
    annas.shows("ben's freeze frame", |shot| {
        shot.is_grid(2, &[&[DARK_RED, BLUE], &[WHITE]])
    });
    cleos.shows("ben's freeze frame", |shot| {
        shot.is_grid(2, &[&[WHITE, DARK_RED], &[BLUE]])
    });
    annas.shows("two", |shot| shot.is_grid(2, &[&[BLUE, WHITE]]));
    cleos.shows("two", |shot| shot.is_grid(2, &[&[WHITE, BLUE]]));
    anna.process.line_with("call: ben is gone");
    anna.quit();
    cleo.ends_well();
}

/// The host knows each clock, so those behind it need not.
#[test]
fn ages_are_true_through_the_host_whatever_the_clocks_say() {
    if !has_faketime() {
        return;
    }
    let anna = host(None);
    let off = |name, colour, clock| {
        Party::start(PartyOptions {
            name,
            target: Some(&anna.target()),
            arguments: plain(colour),
            clock: Some(clock),
            ..PartyOptions::default()
        })
    };
    let ben = off("ben", RED, "-1h");
    let cleo = off("cleo", BLUE, "+100s");
    let dan = comes(&anna, "dan", GREEN, None);
    for (party, name) in [
        (&dan, "ben"),
        (&dan, "cleo"),
        (&dan, "anna"),
        (&anna, "ben"),
        (&cleo, "ben"),
        (&ben, "cleo"),
    ] {
        in_one_try(|| {
            let line = party.stats.lines().into_iter().rev();
            let line = line
                .clone()
                .find(|line| line["sender"] == name)
                .unwrap_or_default();
            let ages = ["arrived_ms", "age_ms"].map(|way| line[way]["p50"].as_f64());
            // One of a clock that is taken for true would be 0 or an hour.
            let is_true = |age: &Option<f64>| age.is_some_and(|age| age > 0.0 && age < 1000.0);
            if ages.iter().all(is_true) {
                return Ok(());
            }
            // The next second may know the clocks better.
            std::thread::sleep(std::time::Duration::from_secs(1));
            Err(line.to_string())
        });
    }
}

#[test]
fn a_host_that_is_killed_freezes_everybody_and_is_given_up_after_a_minute() {
    let room = plain(BLUE).into_iter().chain(["--room".to_owned()]);
    let anna = Party::answering("anna", room.collect());
    let others = ["ben", "cleo"].map(|name| Party::calling(name, &anna.target(), plain(RED)));
    let [ben, cleo] = &others;
    for (party, seen) in [(ben, "anna"), (ben, "cleo"), (cleo, "anna"), (cleo, "ben")] {
        party.sees(seen);
    }
    anna.process.signal("KILL");
    for party in &others {
        party.sees_state("anna", "reconnecting");
    }
    for party in others {
        let ended = party.process.wait();
        assert_eq!(ended.code(), 3, "{ended:?}");
        let error = "error: the call with \"anna\" ended: it has not come back for 60 s";
        assert!(ended.stderr.contains(error), "{ended:?}");
    }
}
