//! TCP sockets: listening, and the options that every connection needs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

/// How many connections may wait to be accepted: a crowd that comes at once.
const BACKLOG: i32 = 1024;
/// The most that may wait unsent in the kernel for one connection, in bytes, unless a single
/// segment is larger: these bytes are already older than the newest frame. At 10 Mbit/s they are
/// 13 ms.
const UNSENT_LIMIT: u32 = 16 * 1024;

/// Listens at `address`; without one, at all of this machine's, IPv6 and IPv4.
///
/// # Errors
/// The system's: the port is taken, or this machine has no such address.
pub fn listen(address: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    let attempt = |ip: IpAddr| bind(SocketAddr::new(ip, port));
    match address {
        Some(ip) => attempt(ip),
        // A machine may have IPv6 turned off.
        None => {
            attempt(Ipv6Addr::UNSPECIFIED.into()).or_else(|_| attempt(Ipv4Addr::UNSPECIFIED.into()))
        }
    }
}

/// Sets the options that every connection needs: no message waits for more to send, little waits
/// to be sent, and a peer that is gone without a word is noticed.
pub(super) fn prepare(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(5))
        .with_interval(Duration::from_secs(2));
    // Each of these is a refinement. A connection works without it.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket.set_tcp_notsent_lowat(unsent_limit(&socket));
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
    // Otherwise the port is taken for a minute after the last sender with viewers has ended. On
    // Windows it would let two programs share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
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
