//! `vidchat find`: who is on the local network. `choice` takes one of them for other commands.

pub mod choice;
pub(crate) mod listing;
pub(crate) mod nobody;

use std::time::Duration;

use serde::Serialize;

use self::listing::list;
use self::nobody::nobody;
use crate::cli::FindArgs;
use crate::console;
use crate::failure::Outcome;
use crate::net::discovery::{Access, Found, LISTEN, Offers, Place, collect};

pub use self::choice::{Choice, choose, look, others, tell};
pub use self::listing::command;
pub use self::nobody::nobody_with;

/// How long `-v` listens: answers may be lost on a busy network.
const LISTEN_LONGER: Duration = Duration::from_secs(2);

/// Lists the programs that are announced on the local network.
///
/// # Errors
/// There is none, or this machine cannot ask.
pub async fn run(args: FindArgs, verbose: u8) -> Outcome {
    let time = if verbose > 0 { LISTEN_LONGER } else { LISTEN };
    let found = match collect(Offers::Any, time).await {
        Ok(found) if !found.is_empty() => found,
        nothing => return Err(nobody(Offers::Any, time, nothing.err())),
    };
    if args.json {
        let lines = found.iter().map(json);
        return console::output(&lines.collect::<String>());
    }
    console::output(&list(&found).concat())?;
    for line in examples(&found) {
        console::line(&line);
    }
    Ok(())
}

/// A command to type for each kind of program that was found.
fn examples(found: &[Found]) -> Vec<String> {
    let kinds = [
        (Offers::Video, Access::Open, "To watch a sender"),
        (
            Offers::Video,
            Access::Code(None),
            "To watch a sender, with the code that it shows",
        ),
        (
            Offers::Video,
            Access::Key,
            "To watch a sender, with its key file",
        ),
        (
            Offers::Call,
            Access::Code(None),
            "To call somebody, with the code that is shown there",
        ),
        (
            Offers::Call,
            Access::Key,
            "To call somebody, with the same key file",
        ),
        (
            Offers::Call,
            Access::Open,
            "To call somebody without encryption",
        ),
    ];
    let line = |(offers, access, to): (Offers, Access, &str)| {
        let is_such = |one: &&Found| offers.include(one.what) && one.access.is_like(access);
        let one = found.iter().find(is_such)?;
        Some(format!("{to}: {}", listing::command(one)))
    };
    kinds.into_iter().filter_map(line).collect()
}

/// One program, for other programs.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    what: &'static str,
    /// Each with its port.
    addresses: Vec<String>,
    /// `code` or `key`; null where it is open to everybody.
    needs: Option<&'static str>,
    /// The number of the code, where it is announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u8>,
}

fn json(one: &Found) -> String {
    let address = |place: &Place| {
        let target = place.target();
        let (host, port) = target.parts();
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    };
    let line = Line {
        name: &one.name,
        what: one.what.word(),
        addresses: one.places.iter().map(address).collect(),
        needs: one.access.word(),
        number: one.access.number(),
    };
    let text = serde_json::to_string(&line);
    text.expect("writing strings and numbers to memory cannot fail") + "\n"
}
