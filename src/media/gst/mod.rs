//! The parts of GStreamer that both ends use: caps, errors on the bus, probing, install hints, the
//! preconditions of elements, and the few `unsafe` calls.

pub(crate) mod bus;
pub mod caps;
pub(crate) mod element;
pub(crate) mod ffi;
pub mod install_hint;
pub mod probe;
pub(crate) mod stop;
#[cfg(target_os = "linux")]
mod thread_limits;
pub mod thread_room;
pub(crate) mod videorate;
