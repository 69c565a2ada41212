//! What vidchat's figures are held against, for the `cargo bench` programs: a *floor* that does
//! nothing but the system calls, *peers* made of GStreamer's own elements, and the *drain* that
//! stands for the viewers of all three. It is a folder of its own because each bench program
//! includes it whole and none of it knows vidchat's API.
//!
//! A bench program begins with
//!
//! ```ignore
//! fn main() -> std::process::ExitCode {
//!     if let Some(code) = yardstick::child() {
//!         return code;
//!     }
//!     // measure, and print a `yardstick::table::Table`
//! }
//! ```
//!
//! because the drain is the same program, started again with a hidden argument: the viewers' work
//! must not be counted as the sender's. Linux only (epoll, `/proc`, `MSG_TRUNC` on TCP): elsewhere a
//! bench program leaves this module out.
//!
//! Every load is on 127.0.0.1 and ends by itself. Machines differ and other programs disturb, so
//! only the ratios of one run mean anything.

// Each bench program uses a part.
#![allow(dead_code)]

pub mod drain;
pub mod floor;
pub mod meter;
pub mod peers;
pub mod process;
mod reading;
pub mod spec;
pub mod table;

use std::io;
use std::net::TcpStream;
use std::process::ExitCode;

/// Bytes of a 320×240 frame of 24 bits a pixel (BGR), the tutorial's.
pub const BGR: usize = 320 * 240 * 3;

/// Bytes of a 320×240 frame in I420, vidchat's default.
pub const I420: usize = 320 * 240 * 3 / 2;

/// Bytes of a frame of H.264 at about 0.55 Mbit/s.
pub const SMALL: usize = 2300;

/// Frames a second of every paced load.
pub const FPS: u32 = 30;

/// Says on a new connection of a drain what a viewer of this sender says first.
pub type Greet = fn(&mut TcpStream, &spec::Spec) -> io::Result<()>;

/// Does a child's work when this process was started as one; `None` in the bench program proper.
/// To be called first in `main`. `greet` says on a connection what comes before the frames.
pub fn child(greet: Greet) -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != drain::ARGUMENT {
        return None;
    }
    let spec = arguments.next().unwrap_or_default();
    Some(match drain::run(&spec, greet) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("drain: {error}");
            ExitCode::FAILURE
        }
    })
}
