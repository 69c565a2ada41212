//! The small things of GStreamer that both ends share: caps, bus errors, install hints, and the few
//! `unsafe` calls.

pub mod caps;
pub(crate) mod ffi;
pub mod install_hint;
pub(crate) mod stop;
