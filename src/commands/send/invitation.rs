//! Where a sender listens, and what to type on the other machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::console;
use crate::failure::{Failure, Outcome, describe};
use crate::net::{self, DEFAULT_PORT, Target, TcpListener, address};
use crate::wire::{Caps, Wire};

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
pub fn invitation(bound: SocketAddr, wire: Wire, caps: Option<&Caps>) -> String {
    let form = match (wire, caps) {
        (Wire::Bare, Some(caps)) => format!(" --wire bare --caps \"{caps}\""),
        _ => String::new(),
    };
    let own = address::reachable(bound.ip());
    let is_alone = own.is_empty();
    let own = match is_alone {
        true => vec![Ipv4Addr::LOCALHOST.into()],
        false => own,
    };
    let commands = own.into_iter().map(|ip| {
        let target = Target {
            host: ip.to_string(),
            port: Some(bound.port()),
        };
        format!("\n    vidchat recv {target}{form}")
    });
    let place = match (is_alone, bound.ip().is_loopback()) {
        (true, _) => {
            "No other machine can reach this one: it has no address on a network. Connect it to \
             one, and start vidchat send again.\n\
             On this machine, in another terminal, type:"
        }
        (false, true) => "On this machine, in another terminal, type:",
        (false, false) => "On the other machine, type:",
    };
    format!(
        "{place}{}\n{}",
        commands.collect::<String>(),
        console::way_out_line()
    )
}
