//! Parse, run, report.

use std::process::ExitCode;

use clap::Parser;
use vidchat::console;
use vidchat::{cli::Cli, commands, media};

fn main() -> ExitCode {
    media::drain_cameras();
    let cli = Cli::parse();
    console::log(cli.verbose);
    media::on_main_thread(|| run(cli))
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
    match ending {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console::line(&failure.to_string());
            console::flush();
            failure.status.into()
        }
    }
}
