//! Sinks: windows, the terminal, and the freeze frame that they show while no live frame comes.

pub(crate) mod connection;
pub(crate) mod dimmed_frame;
pub(crate) mod freeze_frame;
pub mod sink;
pub mod terminal;
pub mod window;
pub(crate) mod x11;
