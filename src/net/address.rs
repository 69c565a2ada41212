//! Addresses as people type and read them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::DEFAULT_PORT;

/// Where a sender is: what a person typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port, where one was given.
    pub port: Option<u16>,
}

impl Target {
    /// The port to connect to; `default` where the target names none.
    pub fn with_port(mut self, default: u16) -> Self {
        self.port.get_or_insert(default);
        self
    }

    /// Host and port for the system's resolver.
    pub fn parts(&self) -> (&str, u16) {
        (&self.host, self.port.unwrap_or(DEFAULT_PORT))
    }
}

/// Reads `HOST`, `HOST:PORT`, an IPv6 address, or `[IPv6]:PORT`.
impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or("a [ without its ]")?;
            match rest {
                "" => (host, None),
                _ => (
                    host,
                    Some(rest.strip_prefix(':').ok_or("a port goes after ]:")?),
                ),
            }
        } else if text.matches(':').count() == 1 {
            let (host, port) = text.split_once(':').expect("a colon was counted");
            (host, Some(port))
        } else {
            (text, None)
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/') {
            return Err("HOST is a name or an address, such as 192.168.1.7 or desk.local".into());
        }
        let port = match port {
            None => None,
            Some(port) => match port.parse() {
                Ok(0) | Err(_) => return Err(format!("{port:?} is no port (1 to 65535)")),
                Ok(port) => Some(port),
            },
        };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// The default port is left out, as nobody has to type it.
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

/// An IPv4 viewer of a listener for both kinds, as the IPv4 address that it is.
pub(super) fn plain(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// This machine's addresses that others can connect to, those most likely to work first; none on a
/// machine without a network. `bound` is what the listener is bound to.
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
    // An address that a machine gives to itself leads to those at the same cable alone.
    let by_itself = |ip: &IpAddr| matches!(ip, IpAddr::V4(v4) if v4.is_link_local());
    if !found.iter().all(by_itself) {
        found.retain(|ip| !by_itself(ip));
    }
    found
}

/// An IPv6 link-local address works only with the name of the other machine's interface, which
/// nobody here knows.
fn is_link_local(ip: &IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Result<(String, Option<u16>), String> {
        text.parse::<Target>().map(|t| (t.host, t.port))
    }

    #[test]
    fn reads_every_way_to_write_a_target() {
        for (text, host, port) in [
            ("desk", "desk", None),
            ("desk.local:9", "desk.local", Some(9)),
            ("192.168.1.7", "192.168.1.7", None),
            ("192.168.1.7:65535", "192.168.1.7", Some(65535)),
            ("::1", "::1", None),
            ("fe80::1%eth0", "fe80::1%eth0", None),
            ("[::1]", "::1", None),
            ("[::1]:10051", "::1", Some(10051)),
        ] {
            assert_eq!(target(text), Ok((host.to_owned(), port)), "{text}");
        }
        for text in [
            "",
            ":1",
            "desk:",
            "desk:0",
            "desk:65536",
            "desk:x",
            "[::1",
            "[::1]1",
            "a b",
        ] {
            assert!(target(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn shows_a_target_as_it_is_typed() {
        for text in ["desk", "desk:1", "::1", "[::1]:1"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        assert_eq!("desk:10050".parse::<Target>().unwrap().to_string(), "desk");
    }

    #[test]
    fn a_listener_for_one_address_is_reached_at_that() {
        let one = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
        assert_eq!(reachable(one), [one]);
        let all = reachable(Ipv4Addr::UNSPECIFIED.into());
        assert!(all.iter().all(|ip| ip.is_ipv4() && !ip.is_loopback()));
    }
}
