//! Why there is no connection to another machine, and what to do about it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use crate::failure::{Failure, describe};
use crate::net::Target;
use crate::net::reach::ConnectError;
use crate::net::secure::handshake::DialError;
use crate::net::secure::{Code, Unsafe};

/// The program that takes calls, by the name that [`cannot_connect`] is given.
pub const CALL: &str = "vidchat call";

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
            Some(refusal) => failure
                .cause(refusal)
                .hint(about_secret(refusal, host, program)),
            None => failure
                .cause(describe(e))
                .hint(format!("{program} on {host:?} prints what to type here")),
        },
    }
}

/// The hint where the machine `host` is reached, on which `program` should listen, and the key or code
/// comes to nothing.
pub fn about_secret(refusal: &Unsafe, host: &str, program: &str) -> String {
    let there = format!("{program} on {host:?}");
    let Unsafe::Handshake(error) = refusal else {
        return match refusal {
            Unsafe::AtOnce => format!("try again in a minute, and look at what {there} says"),
            _ => format!("{there} prints the address and the port to type"),
        };
    };
    match error {
        DialError::OtherKey | DialError::Unproven => {
            format!("compare the key file with that of {there}, or type the code that it shows")
        }
        DialError::WrongCode(_) => {
            format!("listen to it again; after three wrong ones {there} shows another code")
        }
        DialError::Forgotten | DialError::NoSuchCode(_) | DialError::DeadCode => {
            format!("type the code that {there} shows now: each is good for so long only")
        }
        // Somebody on the path may say so, and nobody should go on in clear for that.
        DialError::Open if program == CALL => {
            format!("start {there} without --open; here, --open would encrypt nothing")
        }
        DialError::Open => {
            format!(
                "start {there} with --code or the same --key-file; without, nothing is encrypted"
            )
        }
        DialError::Io(_) | DialError::Foreign(_) => {
            format!("{there} prints the address and the port to type")
        }
    }
}

fn unknown(failure: Failure, target: &Target, program: &str) -> Failure {
    let failure = failure.cause("no machine of that name was found");
    let (host, _) = target.parts();
    if Code::has_form(host) {
        failure.hint(format!(
            "a code is given behind the address that {program} prints: ADDRESS --code {host}"
        ))
    } else if Code::has_word(host) {
        failure.hint(format!(
            "a code has a number and two words, such as 4-maple-otter: {program} prints it"
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
