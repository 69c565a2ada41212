//! Sockets: listening and connecting, the hub, the sending and the receiving end. Nothing here
//! knows of GStreamer.

pub mod address;
pub mod age_histogram;
mod allow_list;
mod arrivals;
pub mod backoff;
pub mod bit_rate;
pub mod call;
pub mod discovery;
mod farewell;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod hub;
mod idle_timeout;
pub mod link_advice;
mod listener;
pub mod log_throttle;
#[cfg(fuzzing)]
mod memory_writer;
pub mod message_reader;
pub mod outgoing;
pub mod pauses;
pub mod peer;
mod prefetch;
pub mod reach;
pub mod receiver;
mod recent_ages;
pub mod secure;
pub mod sender;
pub mod socket;
mod stranger_log;
mod subnet;
pub mod transport;

pub use address::Target;
pub use allow_list::{AllowList, Network};
pub use bit_rate::BitRate;
pub use hub::{Hub, Subscription, Update};
pub use log_throttle::Losses;
pub use peer::Peer;
pub use receiver::connection::{Connection, connect, connect_first, introduce};
pub use receiver::session::play;
pub use receiver::sink::Sink;
pub use receiver::stats::StreamStats;
pub use sender::server::serve;
pub use sender::service::Service;
pub use socket::listen;
pub use tokio::net::{TcpListener, TcpStream};

/// The port of the Python tutorial that vidchat is based on.
pub const DEFAULT_PORT: u16 = 10050;
