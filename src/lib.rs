//! Live video from one machine to another, from the command line.
//!
//! `docs/architecture.md` is the map. In short: [`cli`] declares the flags, [`commands`] has one
//! file for each subcommand, and each of them ties a [`media`] end (GStreamer) to a [`net`] end
//! (sockets); those two meet only in [`frame::Frame`], whose bytes [`wire`] reads and writes.

pub mod cli;
pub mod clock;
pub mod commands;
pub mod console;
pub mod failure;
pub mod frame;
pub mod limits;
pub mod media;
pub mod net;
pub mod usage;
pub mod wire;
