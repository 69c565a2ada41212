//! TCP sockets: listening, and the options of every connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

/// How many connections may wait to be accepted: many may come at once.
const BACKLOG: i32 = 1024;
/// The most bytes that may wait unsent in the kernel for one connection, unless a single segment is
/// larger. These bytes are already older than the newest frame. At 10 Mbit/s they take 13 ms.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_LIMIT: u32 = 16 * 1024;

/// Listens at `address`, or else at all addresses of this machine, IPv6 and IPv4.
///
/// # Errors
/// The system's error: the port is taken, or this machine has no such address.
pub fn listen(address: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    let attempt = |ip: IpAddr| bind(SocketAddr::new(ip, port));
    match address {
        Some(ip) => attempt(ip),
        // IPv6 may be turned off.
        None => {
            attempt(Ipv6Addr::UNSPECIFIED.into()).or_else(|_| attempt(Ipv4Addr::UNSPECIFIED.into()))
        }
    }
}

/// Sets the options of every connection: messages are sent without delay, little waits to be sent,
/// and a peer that vanishes is noticed.
pub(super) fn prepare(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(5))
        .with_interval(Duration::from_secs(2));
    // Every option is an improvement only. A connection works without it.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = bound_unsent(&socket);
}

/// Bounds the bytes that wait unsent in the kernel for a connection.
///
/// # Errors
/// The system does not bound them.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn bound_unsent(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_notsent_lowat(unsent_limit(socket))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // Without this, the port stays taken for a minute after a sender with viewers has ended. On
    // Windows it would let two programs share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// [`UNSENT_LIMIT`], or one byte more than a segment. With less, the kernel asks for more only when
/// it has nothing left to send. On the loopback, with its segments of 64 KiB, that costs a third of
/// the frames while other programs keep the machine busy.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn unsent_limit(socket: &SockRef<'_>) -> u32 {
    // For a new connection the kernel reports at most half of the peer's first window.
    let segment = socket.tcp_mss().unwrap_or_default().saturating_mul(2);
    UNSENT_LIMIT.max(segment.saturating_add(1))
}
