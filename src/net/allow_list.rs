//! The networks from which connections are accepted.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::failure::Invalid;

/// The networks from which connections are accepted. An empty list accepts all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Network>);

/// A network of addresses, such as 192.168.1.0/24, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl AllowList {
    /// Whether connections from this address are accepted.
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.is_empty() || self.0.iter().any(|network| network.0.contains(&address))
    }

    /// Whether connections from everywhere are accepted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<Network>> for AllowList {
    fn from(networks: Vec<Network>) -> Self {
        Self(networks)
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, network) in self.0.iter().enumerate() {
            let between = match index {
                0 => "",
                _ if index + 1 == self.0.len() => " and ",
                _ => ", ",
            };
            write!(f, "{between}{network}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            return self.0.addr().fmt(f);
        }
        self.0.fmt(f)
    }
}

impl FromStr for Network {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.to_canonical().into()));
        }
        let Ok(network) = text.parse::<IpNet>() else {
            return Err(
                Invalid::new("it takes a network such as 192.168.1.0/24, or an address")
                    .instead("192.168.1.0/24"),
            );
        };
        if network.addr() != network.network() {
            return Err(Invalid::new(format!(
                "{} is an address in the network {}",
                network.addr(),
                network.trunc()
            ))
            .instead(network.trunc().to_string()));
        }
        Ok(Self(network))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(networks: &[&str]) -> AllowList {
        let read = |text: &&str| text.parse::<Network>().expect("it is a network");
        networks.iter().map(read).collect::<Vec<_>>().into()
    }

    #[test]
    fn an_address_is_let_in_from_the_networks_of_the_list() {
        let allowed = list(&["192.168.1.0/24", "2001:db8::/32", "10.0.0.7"]);
        let admits = |address: &str| allowed.admits(address.parse().unwrap());
        for address in [
            "192.168.1.0",
            "192.168.1.255",
            "::ffff:192.168.1.9",
            "2001:db8:ffff::1",
            "10.0.0.7",
        ] {
            assert!(admits(address), "{address}");
        }
        for address in ["192.168.2.1", "10.0.0.8", "2001:db9::1", "127.0.0.1", "::1"] {
            assert!(!admits(address), "{address}");
        }
        assert!(AllowList::default().admits([127, 0, 0, 1].into()));
    }

    #[test]
    fn the_list_is_shown_as_a_person_writes_it() {
        let shown = |networks: &[&str]| list(networks).to_string();
        assert_eq!(shown(&["192.168.1.0/24"]), "192.168.1.0/24");
        assert_eq!(shown(&["10.0.0.7", "::1/128"]), "10.0.0.7 and ::1");
        assert_eq!(
            shown(&["10.0.0.0/8", "::1", "fd00::/8"]),
            "10.0.0.0/8, ::1 and fd00::/8"
        );
    }

    #[test]
    fn an_address_in_a_network_is_told_from_the_network() {
        for text in [
            "192.168.1.7/24",
            "2001:db8::1/32",
            "192.168.1.0/33",
            "desk",
            "",
            "/8",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text:?}");
        }
    }
}
