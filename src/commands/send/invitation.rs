//! Where a sender listens, and what to type on the other machine.

use std::net::{IpAddr, SocketAddr};

use crate::failure::{Failure, Outcome, describe};
use crate::net::{self, DEFAULT_PORT, Target, TcpListener, address};
use crate::wire::{Caps, Dialect};

/// Listens at `address`, or everywhere; an error says what to do about it.
pub fn listen(address: Option<IpAddr>, port: u16) -> Outcome<TcpListener> {
    net::listen(address, port).map_err(|e| {
        let at = match address {
            Some(ip) => format!("{:?}", SocketAddr::new(ip, port).to_string()),
            None => format!("port {port}"),
        };
        let failure = Failure::start(format!("cannot listen at {at}")).cause(describe(&e));
        match e.kind() {
            std::io::ErrorKind::AddrInUse => failure.hint(format!(
                "another vidchat send may be running; --port {} takes another port",
                port.checked_add(1).unwrap_or(DEFAULT_PORT)
            )),
            std::io::ErrorKind::PermissionDenied => {
                failure.hint("ports below 1024 need more rights; --port 10050 needs none")
            }
            std::io::ErrorKind::AddrNotAvailable => {
                failure.hint("leave --bind out to listen at all of this machine's addresses")
            }
            _ => failure,
        }
    })
}

/// What to type on the other machine, an address a line.
pub fn invitation(bound: SocketAddr, dialect: Option<Dialect>, caps: Option<&Caps>) -> String {
    let form = match (dialect, caps) {
        (Some(Dialect::Bare), Some(caps)) => format!(" --wire bare --caps \"{caps}\""),
        _ => String::new(),
    };
    let commands = address::reachable(bound.ip()).into_iter().map(|ip| {
        let target = Target {
            host: ip.to_string(),
            port: Some(bound.port()),
        };
        format!("\n    vidchat recv {target}{form}")
    });
    let place = match bound.ip().is_loopback() {
        true => "On this machine, in another terminal, type:",
        false => "On the other machine, type:",
    };
    format!(
        "{place}{}\nq or Ctrl-C ends it.",
        commands.collect::<String>()
    )
}
