//! What is seen: windows, the terminal, the freeze frame.

pub mod caps_change;
#[cfg(target_os = "linux")]
mod desktop_changes;
pub mod freeze_frame;
mod stage;
#[cfg(target_os = "linux")]
pub mod stuck_terminal;
#[cfg(target_os = "linux")]
mod suspend;
pub mod terminal;
#[cfg(target_os = "linux")]
pub mod terminal_images;
#[cfg(unix)]
pub mod wayland;
pub mod window;
mod window_keys;
