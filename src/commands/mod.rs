//! One file for each subcommand. Each has a `run` that ties a media end to a net end, and one
//! loop that decides how it all ends.

pub mod demo;
pub mod file_watch;
pub mod local_viewer;
pub mod pipelines;
pub mod quit;
pub mod recv;
pub mod send;
mod stats_writer;

use crate::cli::{Cli, Command};
use crate::failure::Outcome;
use crate::media::Values;

/// Does what the command line asks for.
pub async fn run(cli: Cli) -> Outcome {
    match cli.command {
        Command::Send(args) => send::run(args).await,
        Command::Recv(args) => recv::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Pipelines(args) => pipelines::run(args),
    }
}

/// What `future` gives; nothing for ever where there is none.
async fn or_never<T>(future: Option<impl Future<Output = T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// This machine's name, as the other side is told it.
fn own_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

fn values(settings: Vec<(String, String)>) -> Values {
    let mut values = Values::default();
    for (name, value) in settings {
        values.set(name, value);
    }
    values
}
