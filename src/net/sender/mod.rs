//! The sending end: who gets in, what each viewer is sent, and how everybody is let go at the end.

mod bare;
pub mod congestion;
mod connection;
pub mod dial;
pub mod directory;
pub mod disconnect;
mod frame_writer;
mod framing;
mod late_hello;
mod native;
pub mod options;
pub mod server;
pub mod service;
pub mod viewer_link;
mod viewer_session;
pub mod viewers;

pub use directory::Directory;
pub use options::ServerOptions;
