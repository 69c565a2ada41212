//! Whether the system has room for the threads that a command needs.
//!
//! GStreamer ends the process where it cannot start a thread, and so does Tokio. So threads are
//! started for a moment before either of them needs one. Where the system's limits are certainly far,
//! one is enough: it shows that nothing else forbids threads.

use std::io;
use std::sync::mpsc::{self, Sender};
use std::thread::{Builder, JoinHandle};

use crate::failure::{Failure, Outcome, describe};

/// More threads than a command has that is no call. A sender with a preview has 9, one that encodes
/// large frames 8 more, and the keys, the announcement, the statistics and the start of a pipeline
/// take one each.
pub const USUAL: usize = 24;

/// More threads than a call has, which may be one in a room: of eight, each has 23, and 8 more while
/// their pipelines start. The encoder of large frames and the rest are as in [`USUAL`].
pub const CALL: usize = 48;

/// Checks that the system allows for so many threads beside those that there are.
///
/// # Errors
///
/// The system does not allow for so many.
pub fn check(threads: usize) -> Outcome {
    start(if limits_are_far(threads) { 1 } else { threads })
}

#[cfg(target_os = "linux")]
fn limits_are_far(threads: usize) -> bool {
    super::thread_limits::are_far(threads as u64)
}

#[cfg(not(target_os = "linux"))]
fn limits_are_far(_: usize) -> bool {
    false
}

/// Memory that has to be free before a thread starts: its stack, the heap that the C library gives it,
/// and the stack of its signal handler. A thread that finds no room for the last ends the process.
const MEMORY: usize = 136 << 20;

/// Starts threads that are all there at the same time, and ends them.
fn start(threads: usize) -> Outcome {
    let mut waiting = Vec::with_capacity(threads);
    let mut room = Ok(());
    for _ in 0..threads {
        match start_one() {
            Ok(thread) => waiting.push(thread),
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

/// Starts one that ends when the sender is dropped, and waits until it is there.
fn start_one() -> io::Result<(Sender<()>, JoinHandle<()>)> {
    // The memory is given back at once, so it is only asked for.
    Vec::<u8>::new()
        .try_reserve_exact(MEMORY)
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    let (end, ended) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let wait = move || {
        let _ = begin.send(());
        let _ = ended.recv();
    };
    let thread = Builder::new().name("room".into()).spawn(wait)?;
    let _ = begun.recv();
    Ok((end, thread))
}

/// The system has no room for another thread.
pub fn no_thread(e: &io::Error) -> Failure {
    Failure::start("cannot start a thread")
        .cause(describe(e))
        .hint("end other programs, or raise what ulimit -u and ulimit -v show")
}
