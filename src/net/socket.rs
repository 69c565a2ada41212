//! The socket at which viewers arrive.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// How many connections may wait to be accepted: a crowd that comes at once.
const BACKLOG: i32 = 1024;

/// Listens at `address`; without one, at all of this machine's, IPv6 and IPv4.
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
