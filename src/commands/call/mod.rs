//! `vidchat call`: two people see each other, or up to eight in a room.
//!
//! Everything that is sent and received goes through the same parts as in `vidchat send` and
//! `vidchat recv`. What is here connects them: who is asked, who is on the canvas, and how it ends.

mod caller;
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

use self::host::Desk;
use self::options::CallOptions;
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
    LocalSet::new().run_until(begin(&options)).await
}

async fn begin(options: &CallOptions) -> Outcome {
    if let Some(peer) = &options.target {
        let mut person = Person::listen()?;
        return caller::run(peer, options, &mut person, caller::listen(options)).await;
    }
    let desk = Desk::open(options)?;
    // The keyboard is not read yet, since the person may have to choose.
    let found = if options.may_look() {
        desk.look(options).await?
    } else {
        None
    };
    let mut person = Person::listen()?;
    match found {
        Some(peer) => {
            let reception = desk.leave().await;
            caller::run(&peer, options, &mut person, Some(reception)).await
        }
        None => desk.run(options, &mut person).await,
    }
}
