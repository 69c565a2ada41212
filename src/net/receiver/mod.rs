//! The receiving end: a connection to a sender or from one, the frames that come over it, and their
//! statistics.

pub mod connection;
mod control_writer;
pub mod error;
mod keepalive;
pub mod listener;
pub mod options;
pub mod remote_clock;
pub mod session;
pub mod sink;
pub mod stats;

pub use error::ReceiveError;
pub use listener::SenderListener;
pub use options::ReceiveOptions;
