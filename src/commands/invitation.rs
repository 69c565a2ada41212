//! Where a sender or a receiver listens, and what to type on the other machine.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::console;
use crate::failure::{Failure, Outcome, describe};
use crate::net::secure::{Code, Secret};
use crate::net::{self, AllowList, DEFAULT_PORT, Target, TcpListener, address};

/// Listens at `address`, or at all addresses where there is none. `program` is named in errors.
///
/// # Errors
/// The system refuses to listen. The hint names the flag that helps.
pub fn listen(address: Option<IpAddr>, port: u16, program: &str) -> Outcome<TcpListener> {
    net::listen(address, port).map_err(|e| {
        let at = match address {
            Some(ip) => format!("{:?}", SocketAddr::new(ip, port).to_string()),
            None => format!("port {port}"),
        };
        let failure = Failure::start(format!("cannot listen at {at}")).cause(describe(&e));
        match e.kind() {
            ErrorKind::AddrInUse => failure.hint(format!(
                "another {program} may be running; --port {} takes another port",
                port.checked_add(1).unwrap_or(DEFAULT_PORT)
            )),
            ErrorKind::PermissionDenied => {
                failure.hint("ports below 1024 need more rights; --port 10050 needs none")
            }
            ErrorKind::AddrNotAvailable => {
                failure.hint("leave --bind out to listen at all of this machine's addresses")
            }
            _ => failure,
        }
    })
}

/// The line that says who may do what a connection is for, such as `watch`; `None` where that is nobody
/// without a key or code, or nobody on another machine.
pub fn exposure(
    purpose: &str,
    bound: SocketAddr,
    allowed: &AllowList,
    secret: Option<&Secret>,
) -> Option<String> {
    if secret.is_some() || bound.ip().is_loopback() {
        return None;
    }
    let who = if allowed.is_empty() {
        "who reaches this port".to_owned()
    } else {
        format!("in {allowed}")
    };
    Some(format!(
        "Anybody {who} can {purpose}. --code lets in only those who type a code."
    ))
}

/// The command for the other machine, one line for each address: `program`, the target and `flags`.
/// `own_program` is the program that listens here. `more` is a line behind the commands, such as that of
/// [`exposure`].
pub fn invitation(
    program: &str,
    own_program: &str,
    bound: SocketAddr,
    flags: &str,
    more: Option<String>,
) -> String {
    invitation_after("", program, own_program, bound, flags, more)
}

/// As [`invitation`], for a call that is found on this network by `code`. `more` is a line behind the
/// commands.
pub fn invitation_by_code(
    program: &str,
    code: Code,
    bound: SocketAddr,
    flags: &str,
    more: Option<String>,
) -> String {
    let first = format!("\n    {program} {code}\nor, where that finds nobody:");
    invitation_after(&first, program, program, bound, flags, more)
}

/// An invitation with `first` before the lines with an address, where this machine has one.
fn invitation_after(
    first: &str,
    program: &str,
    own_program: &str,
    bound: SocketAddr,
    flags: &str,
    more: Option<String>,
) -> String {
    let own = address::reachable(bound.ip());
    let is_alone = own.is_empty();
    let (first, own) = if is_alone {
        ("", vec![Ipv4Addr::LOCALHOST.into()])
    } else {
        (first, own)
    };
    let commands = own.into_iter().map(|ip| {
        let target = Target {
            host: ip.to_string(),
            port: Some(bound.port()),
        };
        format!("\n    {program} {target}{flags}")
    });
    const HERE: &str = "On this machine, in another terminal, type:";
    let place = match (is_alone, bound.ip().is_loopback()) {
        (true, _) => format!(
            "No other machine can reach this one: it has no address on a network. Connect it to \
             one, and start {own_program} again.\n{HERE}"
        ),
        (false, true) => HERE.to_owned(),
        (false, false) => "On the other machine, type:".to_owned(),
    };
    format!(
        "{place}{first}{}\n{}{}",
        commands.collect::<String>(),
        more.map_or_else(String::new, |line| line + "\n"),
        console::way_out_line()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Network;
    use crate::net::secure::KeyText;

    #[test]
    fn an_open_port_is_told_with_the_flag_that_closes_it() {
        let key = KeyText::random().to_string().parse().expect("it is a key");
        let secret = Secret::key(&key);
        let everywhere: SocketAddr = "0.0.0.0:10050".parse().expect("it is an address");
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 10050));
        let all = AllowList::default();
        let network: Network = "192.168.1.0/24".parse().expect("it is a network");
        let one = AllowList::from(vec![network]);
        let line = |bound, allowed, secret| exposure("watch", bound, allowed, secret);
        assert_eq!(
            line(everywhere, &all, None).as_deref(),
            Some(
                "Anybody who reaches this port can watch. --code lets in only those who type a \
                 code."
            )
        );
        assert_eq!(
            line(everywhere, &one, None).as_deref(),
            Some("Anybody in 192.168.1.0/24 can watch. --code lets in only those who type a code.")
        );
        assert_eq!(line(everywhere, &all, Some(&secret)), None);
        assert_eq!(line(local, &all, None), None);
    }
}
