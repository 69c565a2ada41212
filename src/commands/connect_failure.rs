//! Why there is no connection to another machine, and what to do about it.

use std::io;

use crate::failure::{Failure, describe};
use crate::net::Target;

/// A connection to `target` that could not be made, where `program` should listen.
pub fn cannot_connect(target: &Target, program: &str, error: &io::Error) -> Failure {
    let (host, port) = target.parts();
    let failure = Failure::start(format!("cannot connect to \"{target}\""));
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
        // The resolver's words differ from system to system, and so does its error's kind.
        _ if error.raw_os_error().is_none() => failure
            .cause("there is no machine of that name")
            .hint(format!("{program} prints its addresses: type one of those")),
        _ => failure
            .cause(describe(error))
            .hint(format!("{program} on {host:?} prints what to type here")),
    }
}
