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
use crate::net::discovery::{Found, LISTEN, Offers, Place, collect};

pub use self::choice::{Choice, choose};

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
    let example = |offers: Offers| found.iter().find(|one| offers.include(one.what));
    if let Some(sender) = example(Offers::Video) {
        console::line(&format!("To watch a sender: vidchat recv {}", sender.name));
    }
    Ok(())
}

/// One program, for other programs.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    what: &'static str,
    /// Each with its port.
    addresses: Vec<String>,
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
    };
    let text = serde_json::to_string(&line);
    text.expect("writing strings and numbers to memory cannot fail") + "\n"
}
