//! The addresses of this machine at which others on its network can reach it.
//!
//! A machine has addresses that lead nowhere but to itself: bridges of containers and virtual
//! machines. Others lead far away: tunnels of VPNs. Nothing is announced on either, and nobody is
//! looked for there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use if_addrs::{IfAddr, Interface};
use mdns_sd::{IfKind, IfPredicate, MDNS_PORT, ServiceDaemon};
use socket2::{Domain, Socket, Type};

/// How the names of virtual interfaces begin, in small letters, on Linux, macOS and Windows.
const VIRTUAL: [&str; 29] = [
    "docker",
    "veth",
    "virbr",
    "vnet",
    "vmnet",
    "vmenet",
    "vboxnet",
    "virtualbox",
    "vethernet",
    "vmware",
    "podman",
    "cni",
    "cali",
    "flannel",
    "cilium",
    "kube",
    "lxcbr",
    "lxdbr",
    "tun",
    "tap",
    "utun",
    "ppp",
    "wg",
    "tailscale",
    "zt",
    "ipsec",
    "nordlynx",
    "ham",
    "awdl",
];

/// The addresses with which a program that listens at `bound` is announced.
pub(super) fn is_announced(interface: &Interface, bound: IpAddr) -> bool {
    let ip = interface.ip();
    if interface.is_loopback() || !interface.is_oper_up() || interface.is_p2p() {
        return false;
    }
    if bound.is_unspecified() {
        !is_virtual(&interface.name) && (bound.is_ipv6() || ip.is_ipv4())
    } else {
        ip == bound
    }
}

/// Whether an interface is one of a container, of a virtual machine or of a VPN, by its name.
fn is_virtual(name: &str) -> bool {
    let name = name.to_lowercase();
    if VIRTUAL.iter().any(|prefix| name.starts_with(prefix)) {
        return true;
    }
    // Docker names the bridges of its networks so. A router's br-lan is its network.
    let bridge = name.strip_prefix("br-");
    bridge.is_some_and(|id| id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// This machine's addresses that [`is_announced`] takes.
pub(super) fn announced(bound: IpAddr) -> Vec<Interface> {
    let all = if_addrs::get_if_addrs().unwrap_or_default();
    let taken = all.into_iter().filter(|one| is_announced(one, bound));
    taken.collect()
}

/// The interfaces on which others are looked for, each with its first address, for a person.
pub fn looked_at() -> Vec<String> {
    let mut found: Vec<(String, IpAddr)> = Vec::new();
    let mut all = announced(Ipv6Addr::UNSPECIFIED.into());
    all.sort_by_key(|interface| interface.ip().is_ipv6());
    for interface in all {
        let ip = interface.ip();
        if !found.iter().any(|(name, _)| *name == interface.name) {
            found.push((interface.name, ip));
        }
    }
    let words = found.into_iter().map(|(name, ip)| format!("{name} ({ip})"));
    words.collect()
}

/// Whether `address` is of the network that this interface leads to.
pub(super) fn leads_to(interface: &Interface, address: Ipv4Addr) -> bool {
    match &interface.addr {
        IfAddr::V4(own) => {
            let network = |ip: Ipv4Addr| u32::from(ip) & u32::from(own.netmask);
            network(own.ip) == network(address)
        }
        IfAddr::V6(_) => false,
    }
}

/// A new daemon, on the addresses that a program which listens at `bound` is announced with. They
/// follow the changes of this machine's addresses.
///
/// # Errors
/// Another program has the port for itself, or the system has no room for it.
pub(super) fn daemon(bound: IpAddr) -> io::Result<ServiceDaemon> {
    check_port()?;
    let daemon = ServiceDaemon::new().map_err(io::Error::other)?;
    let on = IfPredicate::new(move |interface| is_announced(interface, bound));
    let off = IfPredicate::new(move |interface| !is_announced(interface, bound));
    // One after the other: the daemon begins with every interface that there is.
    daemon
        .disable_interface(IfKind::Predicate(off))
        .and_then(|()| daemon.enable_interface(IfKind::Predicate(on)))
        .map_err(io::Error::other)?;
    Ok(daemon)
}

/// Whether this program may listen where everybody listens to multicast DNS. The daemon does not
/// say.
fn check_port() -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, MDNS_PORT)).into())
}

#[cfg(test)]
mod tests {
    use if_addrs::{IfOperStatus, Ifv4Addr, Ifv6Addr};

    use super::*;

    fn interface(name: &str, ip: &str) -> Interface {
        let addr = match ip.parse().expect("it is an address") {
            IpAddr::V4(ip) => IfAddr::V4(Ifv4Addr {
                ip,
                netmask: Ipv4Addr::new(255, 255, 255, 0),
                prefixlen: 24,
                broadcast: None,
            }),
            IpAddr::V6(ip) => IfAddr::V6(Ifv6Addr {
                ip,
                netmask: Ipv6Addr::from(u128::MAX << 64),
                prefixlen: 64,
                broadcast: None,
            }),
        };
        Interface {
            name: name.to_owned(),
            addr,
            index: Some(2),
            oper_status: IfOperStatus::Up,
            is_p2p: false,
            #[cfg(windows)]
            adapter_name: String::new(),
        }
    }

    fn taken(name: &str, ip: &str, bound: &str) -> bool {
        let bound = bound.parse().expect("it is an address");
        is_announced(&interface(name, ip), bound)
    }

    #[test]
    fn only_addresses_that_lead_to_others_are_announced() {
        for name in [
            "eth0", "enp3s0", "wlan0", "wlp2s0", "en0", "br0", "br-lan", "Ethernet", "Wi-Fi",
        ] {
            assert!(taken(name, "192.168.1.7", "::"), "{name}");
            assert!(taken(name, "fe80::7", "::"), "{name}");
        }
        for name in [
            "docker0",
            "br-0123456789ab",
            "veth1a2b3c4",
            "virbr0",
            "vmnet8",
            "vboxnet0",
            "vEthernet (WSL)",
            "tun0",
            "tap0",
            "utun3",
            "wg0",
            "tailscale0",
            "ztabcdefgh",
            "ppp0",
            "cni0",
            "podman1",
            "lxdbr0",
        ] {
            assert!(!taken(name, "172.17.0.1", "::"), "{name}");
            assert!(!taken(name, "fe80::1", "::"), "{name}");
        }
    }

    #[test]
    fn a_program_is_announced_where_it_listens_and_nowhere_else() {
        for (ip, bound, is_taken) in [
            ("192.168.1.7", "0.0.0.0", true),
            ("fe80::7", "0.0.0.0", false),
            ("2001:db8::7", "::", true),
            ("192.168.1.7", "192.168.1.7", true),
            ("192.168.2.7", "192.168.1.7", false),
            ("fe80::7", "192.168.1.7", false),
            ("192.168.1.7", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", false),
            ("::1", "::1", false),
            ("127.0.0.1", "::", false),
        ] {
            assert_eq!(taken("eth0", ip, bound), is_taken, "{ip} at {bound}");
        }
        // A person has chosen it.
        assert!(taken("docker0", "172.17.0.1", "172.17.0.1"));
    }

    #[test]
    fn what_is_down_or_leads_to_one_machine_is_left_out() {
        let any = Ipv6Addr::UNSPECIFIED.into();
        let mut down = interface("eth0", "192.168.1.7");
        down.oper_status = IfOperStatus::Down;
        assert!(!is_announced(&down, any));
        let mut tunnel = interface("eth0", "192.168.1.7");
        tunnel.is_p2p = true;
        assert!(!is_announced(&tunnel, any));
    }

    #[test]
    fn a_network_is_known_by_its_mask() {
        let own = interface("eth0", "192.168.1.7");
        assert!(leads_to(&own, Ipv4Addr::new(192, 168, 1, 250)));
        assert!(!leads_to(&own, Ipv4Addr::new(192, 168, 2, 7)));
        assert!(!leads_to(
            &interface("eth0", "fe80::1"),
            Ipv4Addr::LOCALHOST
        ));
    }
}
