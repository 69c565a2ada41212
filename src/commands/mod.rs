//! The subcommands, each with a `run` that ties a media end to a net end, and the parts that they
//! share.

pub mod call;
mod connect_failure;
pub mod demo;
pub mod engine_link;
pub mod file_watch;
pub mod find;
mod host_name;
pub mod invitation;
mod link_chain;
pub mod local_viewer;
mod or_never;
pub mod pipelines;
pub mod play;
pub mod publish;
pub mod quit;
pub mod recv;
mod secrets;
pub mod send;
mod settings;
mod stats_writer;

use crate::cli::{Cli, Command};
use crate::failure::Outcome;
use crate::media::thread_room;

/// Runs the subcommand of the command line.
pub async fn run(cli: Cli) -> Outcome {
    thread_room::check(match &cli.command {
        Command::Call(_) => thread_room::CALL,
        _ => thread_room::USUAL,
    })?;
    match cli.command {
        Command::Send(args) => send::run(args).await,
        Command::Recv(args) => match args.engine() {
            Some(url) => play::run(url, args).await,
            None => recv::run(args).await,
        },
        Command::Publish(args) => publish::run(args).await,
        Command::Find(args) => find::run(args, cli.verbose).await,
        Command::Call(args) => call::run(args).await,
        Command::Key(args) => secrets::run(&args),
        Command::Demo(args) => demo::run(args).await,
        Command::Pipelines(args) => pipelines::run(args),
    }
}
