//! Networks that are slow, cut or gone, and many viewers.

pub mod bad_network;
pub mod dialled;
#[cfg(target_os = "linux")]
pub mod find;
pub mod latency;
pub mod many_viewers;
pub mod reconnect;
#[cfg(target_os = "linux")]
pub mod slow_viewer;
