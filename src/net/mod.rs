//! Sockets: viewers, the newest-frame slot, connecting. It knows nothing of GStreamer and never
//! looks inside a frame.

pub mod address;
pub mod age_histogram;
pub mod hub;
mod idle_timeout;
pub mod message_reader;
pub mod receiver;
pub mod sender;
pub mod socket;

pub use hub::{Hub, Subscription, Update};
pub use receiver::session::play;
pub use receiver::stats::StreamStats;
pub use receiver::{Connection, Sink, Target, connect, introduce};
pub use sender::serve;
pub use socket::listen;
pub use tokio::net::{TcpListener, TcpStream};

/// The port of the Python tutorial that vidchat descends from.
pub const DEFAULT_PORT: u16 = 10050;

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// The most that may wait unsent in the kernel for one connection, in bytes, unless a single
/// segment is larger: what is in there is already older than the newest frame. At 10 Mbit/s it is
/// 13 ms.
const UNSENT_LIMIT: u32 = 16 * 1024;

/// Sets what every connection needs: nothing waits for more to send, little waits to be sent,
/// and a peer that is gone without a word is noticed.
fn prepare(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(5))
        .with_interval(Duration::from_secs(2));
    // None of these can fail on a socket that is connected in a way that matters: each is a
    // refinement, without which the connection works still.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket.set_tcp_notsent_lowat(unsent_limit(&socket));
}

/// [`UNSENT_LIMIT`], or a byte more than a segment. With less, the kernel asks for more only when
/// it has nothing left to send: on the loopback, whose segments have 64 KiB, that costs a third
/// of the frames a second while other programs keep the machine busy.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn unsent_limit(socket: &SockRef<'_>) -> u32 {
    // Of a new connection the kernel tells no more than half of the peer's first window.
    let segment = socket.tcp_mss().unwrap_or_default().saturating_mul(2);
    UNSENT_LIMIT.max(segment.saturating_add(1))
}
