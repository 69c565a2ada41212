//! The sending end: viewers connect or are dialled, each is sent the newest frames in its dialect,
//! and all are told of the end.

mod audience;
mod bare;
pub mod congestion;
pub(in crate::net) mod connection;
mod control_limits;
pub mod dial;
pub mod directory;
pub mod disconnect;
mod fan_out;
mod frame_writer;
mod framing;
mod late_hello;
pub(in crate::net) mod native;
pub mod options;
mod pinned_frames;
pub mod server;
pub mod service;
mod slow_viewer;
pub mod viewer_link;
pub(in crate::net) mod viewer_session;
pub mod viewers;

pub use directory::Directory;
pub use options::ServerOptions;
