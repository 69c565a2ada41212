//! The figures of docs/performance.md, measured in one run: vidchat, GStreamer's own elements, and
//! a floor that does nothing but the system calls, in turn and with medians.
//!
//! ```text
//! cargo bench                     all of them, in about eight minutes
//! cargo bench -- fanout first     some
//! cargo bench -- --long           also the five minutes that memory takes
//! ```
//!
//! Linux only: the yardsticks are.

#[cfg(target_os = "linux")]
mod ours;
#[cfg(target_os = "linux")]
mod parts;
#[cfg(target_os = "linux")]
mod yardstick;

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("error: the yardsticks need Linux");
    ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    if let Some(code) = yardstick::child(ours::encrypted::greet).or_else(ours::child) {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if given("--list") {
        // So asks a test runner; these are no tests.
        return ExitCode::SUCCESS;
    }
    // Cargo adds `--bench` to whatever was typed.
    let named: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    match parts::run(&named, given("--long")) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
