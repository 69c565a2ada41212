//! Whether the system has room for the threads that a command needs.
//!
//! GStreamer ends the process where it cannot start a thread, and so does Tokio. So a few threads
//! are started for a moment before either of them needs one.

use std::io;
use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};

use crate::failure::{Failure, Outcome, describe};

/// More threads than a command has while it runs.
const THREADS: usize = 24;

/// Starts threads that are all there at the same time, and ends them.
///
/// # Errors
/// The system does not allow for so many.
pub fn check() -> Outcome {
    let mut waiting = Vec::with_capacity(THREADS);
    let mut room = Ok(());
    for _ in 0..THREADS {
        let (end, ended) = mpsc::channel::<()>();
        let wait = move || {
            let _ = ended.recv();
        };
        match Builder::new().name("room".into()).spawn(wait) {
            Ok(thread) => waiting.push((end, thread)),
            Err(e) => {
                room = Err(no_thread(&e));
                break;
            }
        }
    }
    let (ends, threads): (Vec<_>, Vec<JoinHandle<()>>) = waiting.into_iter().unzip();
    drop(ends);
    for thread in threads {
        let _ = thread.join();
    }
    room
}

/// The system has no room for another thread.
pub fn no_thread(e: &io::Error) -> Failure {
    Failure::start("cannot start a thread")
        .cause(describe(e))
        .hint("end other programs, or raise what ulimit -u and ulimit -v show")
}
