//! Hosts and ports as people type and read them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::failure::Invalid;

use super::DEFAULT_PORT;

/// The advice for an address whose meaning is not known on this machine.
const ASK_THERE: &str = "vidchat send prints on the other machine what to type here";

/// The address of a peer, as a person typed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port, if one was given.
    pub port: Option<u16>,
}

impl Target {
    /// The port to connect to; `default` where the target names none.
    pub fn with_port(mut self, default: u16) -> Self {
        self.port.get_or_insert(default);
        self
    }

    /// Whether the host may be the name of a program that is announced on the local network. Such a
    /// name has no dots.
    pub fn may_be_announced(&self) -> bool {
        !self.host.contains(['.', ':']) && self.host != "localhost"
    }

    /// Host and port for the system's resolver.
    pub fn parts(&self) -> (&str, u16) {
        (&self.host, self.port.unwrap_or(DEFAULT_PORT))
    }
}

/// Reads `HOST`, `HOST:PORT`, an IPv6 address, or `[IPv6]:PORT`.
impl FromStr for Target {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let alone = host_alone(text)?;
        let (host, port) = split(alone)?;
        check_host(host, port)?;
        let port = match port {
            None => None,
            Some("") => {
                return Err(Invalid::new("there is no port after the :").instead(bracketed(host)));
            }
            Some(port) => match port.parse() {
                Ok(0) | Err(_) => {
                    return Err(Invalid::new(format!("{port:?} is no port (1 to 65535)"))
                        .instead(format!("{}:{DEFAULT_PORT}", bracketed(host))));
                }
                Ok(port) => Some(port),
            },
        };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// Leaves out the default port, as nobody has to type it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = self.parts();
        match (host.contains(':'), port == DEFAULT_PORT) {
            (_, true) => write!(f, "{host}"),
            (true, false) => write!(f, "[{host}]:{port}"),
            (false, false) => write!(f, "{host}:{port}"),
        }
    }
}

/// The address of a peer, with an IPv4-mapped IPv6 address turned into plain IPv4.
pub(super) fn plain(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// Reads an address of this machine. Names are refused, as one may have several addresses. The
/// exception is `localhost`.
pub fn own(text: &str) -> Result<IpAddr, Invalid> {
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let inner = inner.unwrap_or(text);
    if inner == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    let (address, zone) = without_zone(inner);
    match address.parse() {
        Ok(ip) if is_link_local(&ip) => {
            return Err(Invalid::new(
                "an address that begins with fe80 is one of a single interface",
            )
            .hint("leave --bind out to listen at all of this machine's addresses"));
        }
        Ok(ip) if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) => {
            return Err(Invalid::new("it is an address of many machines at once")
                .hint("leave --bind out to listen at all of this machine's addresses"));
        }
        Ok(ip) if zone.is_none() => return Ok(ip),
        _ => {}
    }
    if let Ok(Target {
        host,
        port: Some(port),
    }) = text.parse::<Target>()
        && own(&host).is_ok()
    {
        return Err(Invalid::new("the port has a flag of its own")
            .hint(format!("--bind {host} --port {port}")));
    }
    let cause = ipv4_fault(inner).unwrap_or_else(|| "it takes an address of this machine".into());
    let mut all = reachable(Ipv6Addr::UNSPECIFIED.into());
    all.push(Ipv4Addr::LOCALHOST.into());
    let words: Vec<String> = all.iter().map(IpAddr::to_string).collect();
    Err(Invalid::new(cause)
        .found(format!("this machine has: {}", words.join(", ")))
        .instead(words[0].clone()))
}

/// This machine's addresses that others can connect to, the most likely to work first. The list is
/// empty on a machine without a network. `bound` is the address that the listener is bound to.
pub fn reachable(bound: IpAddr) -> Vec<IpAddr> {
    if !bound.is_unspecified() {
        return vec![bound];
    }
    let v6_too = bound == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let mut found: Vec<IpAddr> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .map(|interface| interface.ip())
        .filter(|ip| !ip.is_loopback() && (v6_too || ip.is_ipv4()) && !is_link_local(ip))
        .collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found.dedup();
    // An address that a machine gives itself leads only to machines on the same cable.
    let by_itself = |ip: &IpAddr| matches!(ip, IpAddr::V4(v4) if v4.is_link_local());
    if !found.iter().all(by_itself) {
        found.retain(|ip| !by_itself(ip));
    }
    found
}

/// Whether this is an IPv6 link-local address. It works only with the name of the other machine's
/// interface, which is not known here.
fn is_link_local(ip: &IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// The interfaces of this machine that a link-local address can belong to.
fn interfaces() -> Vec<String> {
    let all = if_addrs::get_if_addrs().unwrap_or_default();
    let mut names: Vec<String> = all
        .into_iter()
        .filter(|interface| is_link_local(&interface.ip()))
        .map(|interface| interface.name)
        .collect();
    names.dedup();
    names
}

/// The host and port in `text`. An error where the text has anything else.
fn host_alone(text: &str) -> Result<&str, Invalid> {
    let trimmed = text.trim();
    let (cause, rest) = match trimmed.split_once("://") {
        Some((_, rest)) => ("it is a URL, not a host", rest),
        None if trimmed.contains('/') => ("there is a path behind the host", trimmed),
        None if trimmed.contains('@') => ("there is a user in front of the host", trimmed),
        None => ("there is a space in it", trimmed),
    };
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit('@').next().unwrap_or_default();
    let mut words = rest.split_whitespace();
    let meant = match (words.next(), words.next(), words.next()) {
        _ if text.is_empty() => return Err(Invalid::new("it is empty").hint(ASK_THERE)),
        (Some(host), Some(port), None) => format!("{}:{port}", bracketed(host)),
        (Some(host), None, None) => host.to_owned(),
        _ => String::new(),
    };
    if meant == text {
        return Ok(text);
    }
    let invalid = Invalid::new(cause);
    Err(if !meant.is_empty() && meant.parse::<Target>().is_ok() {
        invalid.instead(meant)
    } else {
        invalid.hint(ASK_THERE)
    })
}

/// The host, without its brackets, and the port.
fn split(text: &str) -> Result<(&str, Option<&str>), Invalid> {
    if let Some(inner) = text.strip_prefix('[') {
        let Some((host, rest)) = inner.split_once(']') else {
            return Err(if is_ipv6(inner) {
                Invalid::new("a [ without its ]").instead(format!("[{inner}]"))
            } else {
                Invalid::new("a [ without its ]").hint(ASK_THERE)
            });
        };
        if !is_ipv6(host) {
            return Err(match check_host(host, None) {
                Ok(()) => Invalid::new("only an IPv6 address is written in brackets")
                    .instead(format!("{host}{rest}")),
                Err(_) => {
                    Invalid::new("what is in the brackets is no IPv6 address").hint(ASK_THERE)
                }
            });
        }
        return match (rest, rest.strip_prefix(':')) {
            ("", _) => Ok((host, None)),
            (_, Some(port)) => Ok((host, Some(port))),
            (rest, None) => Err(Invalid::new("a port goes after ]:")
                .instead(format!("[{host}]:{}", usable_port(rest)))),
        };
    }
    let (host, port) = match text.rsplit_once(':') {
        None => return Ok((text, None)),
        Some(parts) => parts,
    };
    if !host.contains(':') {
        return Ok((host, Some(port)));
    }
    if is_ipv6(text) {
        return Ok((text, None));
    }
    Err(match (is_ipv6(host), text.strip_suffix(']')) {
        (true, _) => Invalid::new("an IPv6 address in front of a port is written in brackets")
            .instead(format!("[{host}]:{}", usable_port(port))),
        (_, Some(inner)) if is_ipv6(inner) => {
            Invalid::new("a ] without its [").instead(format!("[{inner}]"))
        }
        _ => Invalid::new("it is no IPv6 address, and a name has no : but before its port")
            .hint(ASK_THERE),
    })
}

/// Returns an error where `host`, typed with `port`, can be neither a name nor an address.
fn check_host(host: &str, port: Option<&str>) -> Result<(), Invalid> {
    if host.is_empty() {
        let port = usable_port(port.unwrap_or_default());
        return Err(
            Invalid::new("there is no host before the :").instead(format!("localhost:{port}"))
        );
    }
    if host.contains(':') {
        return check_zone(host, port);
    }
    if port.is_none() && host.parse::<u16>().is_ok() {
        return Err(Invalid::new("it is a port without a host")
            .instead(format!("localhost:{}", usable_port(host))));
    }
    if let Some(fault) = ipv4_fault(host) {
        let invalid = Invalid::new(fault);
        return Err(match without_zeros(host) {
            Some(address) => invalid.instead(address),
            None => invalid.hint(ASK_THERE),
        });
    }
    let in_name = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    if let Some(c) = host.chars().find(|c| !in_name(*c)) {
        let invalid = Invalid::new(format!("there is no {:?} in a name", c.to_string()));
        let inner = host.trim_matches(|c| "'\"\u{2018}\u{2019}\u{201c}\u{201d}<>(),;".contains(c));
        return Err(if !inner.is_empty() && inner.chars().all(in_name) {
            invalid.instead(inner)
        } else {
            invalid.hint(ASK_THERE)
        });
    }
    // The last label may be empty: a dot at the end marks a complete name.
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.len() > 253
        || name
            .split('.')
            .any(|label| !(1..=63).contains(&label.len()))
    {
        return Err(
            Invalid::new("a name has 253 letters at most, and 1 to 63 between two dots")
                .hint(ASK_THERE),
        );
    }
    Ok(())
}

/// Returns an error where an IPv6 address needs the name of an interface and has none of this
/// machine.
fn check_zone(host: &str, port: Option<&str>) -> Result<(), Invalid> {
    let (address, zone) = without_zone(host);
    let local = address.parse().is_ok_and(|ip| is_link_local(&ip));
    let known = interfaces();
    let cause = match zone {
        None if local => {
            "an address that begins with fe80 needs the interface that leads there".to_owned()
        }
        Some(zone) if zone.parse::<u32>().is_err() && !known.iter().any(|name| name == zone) => {
            format!("this machine has no network interface {zone:?}")
        }
        _ => return Ok(()),
    };
    let invalid = Invalid::new(cause);
    let Some(first) = known.first() else {
        return Err(invalid.hint(ASK_THERE));
    };
    let meant = format!("{address}%{first}");
    let meant = match port {
        None => meant,
        Some(port) => format!("[{meant}]:{}", usable_port(port)),
    };
    Err(invalid
        .found(format!("the interfaces are: {}", known.join(", ")))
        .instead(meant))
}

/// Why a host that ends in a number is no IPv4 address, which it would have to be. Resolvers
/// disagree on its meaning: some read 1.2.3 as 1.2.0.3, and 010.0.0.1 as 8.0.0.1.
fn ipv4_fault(host: &str) -> Option<String> {
    let parts: Vec<&str> = host.split('.').collect();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !parts.last().is_some_and(|part| is_number(part)) || host.parse::<Ipv4Addr>().is_ok() {
        return None;
    }
    let odd = parts.iter().find(|part| !is_number(part));
    let large = parts.iter().find(|part| part.parse::<u8>().is_err());
    let fault = match (odd, large) {
        (Some(part), _) => format!("{part:?} is no number"),
        _ if parts.len() != 4 => format!("it has {} of the four numbers", parts.len()),
        (_, Some(part)) => format!("{part} is more than 255"),
        _ => "a number in it begins with 0".into(),
    };
    Some(format!("it is no IPv4 address: {fault}"))
}

/// An IPv4 address whose numbers begin with zeros, without these zeros.
fn without_zeros(host: &str) -> Option<String> {
    let parts = host.split('.').map(|part| part.parse().ok());
    let parts: [u8; 4] = parts.collect::<Option<Vec<u8>>>()?.try_into().ok()?;
    Some(Ipv4Addr::from(parts).to_string())
}

fn is_ipv6(text: &str) -> bool {
    without_zone(text).0.parse::<Ipv6Addr>().is_ok()
}

/// An IPv6 address, and the interface after its %.
fn without_zone(text: &str) -> (&str, Option<&str>) {
    match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    }
}

/// The typed port if it is valid and not 0, otherwise the default.
fn usable_port(text: &str) -> u16 {
    match text.trim_start_matches(':').parse() {
        Ok(0) | Err(_) => DEFAULT_PORT,
        Ok(port) => port,
    }
}

/// A host as it is written before a port.
fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
