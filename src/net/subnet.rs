//! The network that a peer belongs to, for limits that one machine must not get around.

use std::net::{IpAddr, Ipv6Addr};

/// The part of an address that one machine cannot choose at will: all of an IPv4 address, and the
/// first 64 bits of an IPv6 address, since every machine has a whole network of those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subnet(IpAddr);

impl From<IpAddr> for Subnet {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let prefix = u128::from(address) >> 64 << 64;
                Ipv6Addr::from(prefix).into()
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(address: &str) -> Subnet {
        address.parse::<IpAddr>().expect("it is an address").into()
    }

    #[test]
    fn a_machine_has_one_ipv4_address_and_a_network_of_ipv6_addresses() {
        assert_ne!(subnet("192.0.2.1"), subnet("192.0.2.2"));
        assert_eq!(subnet("192.0.2.1"), subnet("::ffff:192.0.2.1"));
        assert_eq!(subnet("2001:db8::1"), subnet("2001:db8::ffff:0:0:2"));
        assert_ne!(subnet("2001:db8::1"), subnet("2001:db8:0:1::1"));
    }
}
