//! Questions that a person answers with a line.

use std::io::{self, IsTerminal};

use super::job_control;
use super::output::lock;

/// Whether a person is there to be asked.
pub fn can_ask() -> bool {
    io::stderr().is_terminal() && job_control::has_keyboard()
}

/// Asks, and waits for the answer, without the spaces around it. `None` at the end of the input.
/// It must not be called while keys are read one by one.
pub fn ask(question: &str) -> Option<String> {
    lock().put(format!("{question} "));
    let mut answer = String::new();
    match io::stdin().read_line(&mut answer) {
        Ok(1..) => Some(answer.trim().to_owned()),
        Ok(0) | Err(_) => {
            // The question has no end of line yet.
            lock().put("\n".into());
            None
        }
    }
}
