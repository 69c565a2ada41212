//! Displays: the canvas, its window, the terminal, and sinks with a window of their own.

pub mod canvas;
pub(crate) mod connection;
pub(crate) mod dimmed_frame;
pub(crate) mod foreign_sink;
pub(crate) mod freeze_frame;
pub(crate) mod picture_keys;
pub mod sink;
pub(crate) mod snapshot;
pub mod stage;
pub mod terminal;
pub(crate) mod window;
