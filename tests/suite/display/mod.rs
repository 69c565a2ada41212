//! What is seen: windows, the terminal, the freeze frame.

pub mod caps_change;
pub mod freeze_frame;
pub mod terminal;
pub mod wayland;
pub mod window;
