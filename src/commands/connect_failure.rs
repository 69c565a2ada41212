//! Why there is no connection to another machine, and what to do about it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use crate::failure::{Failure, describe};
use crate::net::Target;
use crate::net::reach::ConnectError;
use crate::net::secure::{Code, Unsafe};

/// The failure of a connection to `target`, where `program` should listen.
pub fn cannot_connect(target: &Target, program: &str, error: &ConnectError) -> Failure {
    let (host, _) = target.parts();
    let failure = Failure::start(format!("cannot connect to \"{target}\""));
    match error {
        ConnectError::Unreached(tried) => match tried.iter().max_by_key(|(_, e)| informative(e)) {
            Some((address, e)) => {
                unreached(failure, target, address.port(), program, e).found(tries(host, tried))
            }
            None => unknown(failure, target, program),
        },
        // The resolver's words differ from system to system.
        ConnectError::Lookup(_) => unknown(failure, target, program),
        ConnectError::Greeting(e) => match error.refusal() {
            Some(refusal) => {
                let later = match refusal {
                    Unsafe::Handshake(e) if e.is_silence() => ", or try again in a minute",
                    _ => "",
                };
                failure.cause(refusal).hint(format!(
                    "compare the key or the code with that of {program} on {host:?}{later}"
                ))
            }
            None => failure
                .cause(describe(e))
                .hint(format!("{program} on {host:?} prints what to type here")),
        },
    }
}

fn unknown(failure: Failure, target: &Target, program: &str) -> Failure {
    let failure = failure.cause("no machine of that name was found");
    let (host, _) = target.parts();
    if Code::has_form(host) {
        failure.hint(format!(
            "a code is given behind the address that {program} prints: ADDRESS --code {host}"
        ))
    } else if target.may_be_announced() {
        failure.hint("vidchat find lists who is on this network, by name and address")
    } else {
        failure.hint(format!("{program} prints its addresses: type one of those"))
    }
}

/// A rank of what the error of one address tells of the host. A refusal ranks highest: a machine is
/// there.
fn informative(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => 2,
        io::ErrorKind::TimedOut => 1,
        _ => 0,
    }
}

fn unreached(
    failure: Failure,
    target: &Target,
    port: u16,
    program: &str,
    error: &io::Error,
) -> Failure {
    let (host, _) = target.parts();
    match error.kind() {
        io::ErrorKind::ConnectionRefused => failure
            .cause(format!("nothing listens at port {port} there"))
            .hint(format!(
                "start {program} on {host:?}, or give the port that it prints"
            )),
        io::ErrorKind::TimedOut => failure.cause("no answer").hint(format!(
            "is {host:?} on, and does its firewall let port {port} through?"
        )),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            failure.cause(describe(error)).hint(format!(
                "are both machines on the same network? {program} prints its addresses"
            ))
        }
        _ => failure
            .cause(describe(error))
            .hint(format!("{program} on {host:?} prints what to type here")),
    }
}

/// The addresses of a name, each with its result. A host that is an address has none to list.
fn tries(host: &str, tried: &[(SocketAddr, io::Error)]) -> Vec<String> {
    if host.contains(':') || host.parse::<Ipv4Addr>().is_ok() {
        return Vec::new();
    }
    let tried = tried.iter();
    tried
        .map(|(address, e)| format!("tried {}: {}", address.ip(), describe(e)))
        .collect()
}
