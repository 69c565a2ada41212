//! Live video from one machine to another, from the command line.
//!
//! The library is for the program, its tests and its benches. Nothing in it is a stable interface.
//! `docs/architecture.md` is the map: [`cli`] declares the flags, [`commands`] has a module for
//! each subcommand, and each of them ties [`media`] (GStreamer) to [`net`] (sockets). The two meet
//! only in [`frame::Frame`]; [`wire`] turns frames and messages into bytes and back.

pub mod cli;
pub mod clock;
pub mod commands;
pub mod console;
pub mod engine_url;
pub mod failure;
pub mod frame;
pub mod limits;
pub mod media;
pub mod net;
pub mod pixels;
pub mod usage;
pub mod window;
pub mod wire;
