//! `vidchat call`: two people see each other, or up to eight in a room.
//!
//! Everything that is sent and received goes through the same parts as in `vidchat send` and
//! `vidchat recv`. What is here connects them: who is asked, who is on the canvas, and how it ends.

mod attempts;
mod caller;
mod code_line;
mod conversation;
mod host;
mod options;
mod own_side;
mod party;
mod person;
mod ring;

use tokio::task::LocalSet;

use crate::cli::CallArgs;
use crate::failure::{Failure, Outcome};
use crate::media;
use crate::net::Peer;
use crate::net::discovery::Offers;

use self::host::Desk;
use self::options::{CallOptions, Whom};
use self::person::Person;

/// Calls, or waits for a call, and talks until one of both sides ends it.
///
/// # Errors
/// The failure to be printed: nobody could be called, or the other side was lost.
pub async fn run(args: CallArgs) -> Outcome {
    media::init()?;
    let options = tokio::task::spawn_blocking(move || CallOptions::new(args));
    let options = options
        .await
        .map_err(|e| Failure::start("cannot start GStreamer").cause(e))??;
    // The parts of a call share one thread, as they do in the other commands.
    LocalSet::new().run_until(begin(options)).await
}

async fn begin(mut options: CallOptions) -> Outcome {
    if let Some(whom) = options.whom.clone() {
        let mut person = Person::listen()?;
        let reception = caller::listen(&options);
        return attempts::run(whom, &mut options, &mut person, reception).await;
    }
    let mut desk = Desk::open(&options)?;
    // The keyboard is not read yet, since the person may have to choose.
    let found = if options.may_look() {
        desk.look(&options).await?
    } else {
        None
    };
    let mut person = Person::listen()?;
    let Some(found) = found else {
        return desk.run(&options, &mut person).await;
    };
    let reception = desk.leave().await;
    let whom = Whom::Peer(Peer::chosen(&found, Offers::Call));
    attempts::run(whom, &mut options, &mut person, Some(reception)).await
}
