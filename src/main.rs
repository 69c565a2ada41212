//! Parse, run, report.

use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, FromArgMatches};
use vidchat::console;
use vidchat::failure::Outcome;
use vidchat::{cli::Cli, commands, media, usage, window};

fn main() -> ExitCode {
    media::prepare_process();
    let cli = match parse() {
        Ok(cli) => cli,
        Err(answer) => return answered(&answer),
    };
    console::log(cli.verbose);
    window::on_main_thread(|| run(cli))
}

fn parse() -> Result<Cli, clap::Error> {
    // clap itself respects NO_COLOR, and whether the output is a terminal.
    let colours = if console::knows_escapes() {
        ColorChoice::Auto
    } else {
        ColorChoice::Never
    };
    let command = Cli::command().color(colours);
    command
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches))
}

fn run(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => {
            console::line(&format!("error: cannot start: {e}"));
            console::flush();
            return ExitCode::FAILURE;
        }
    };
    let ending = runtime.block_on(commands::run(cli));
    // A thread that hangs in a driver must not keep the program from ending.
    runtime.shutdown_background();
    console::restore();
    report(ending)
}

/// Prints what is not a command to run: help, the version, or the error in the command line.
fn answered(answer: &clap::Error) -> ExitCode {
    let args = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    let args: Vec<String> = args.collect();
    let mut command = Cli::command();
    command.build();
    if let Some(failure) = usage::failure(answer, &command, &args) {
        return report(Err(failure));
    }
    match (answer.print(), answer.use_stderr()) {
        (_, true) => ExitCode::from(2),
        (printed, false) => report(console::printed(printed)),
    }
}

fn report(ending: Outcome) -> ExitCode {
    match ending {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console::line(&failure.to_string());
            console::flush();
            failure.status.into()
        }
    }
}
