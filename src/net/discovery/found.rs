//! One announcement of another program, read from what a stranger has sent.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use if_addrs::Interface;
use mdns_sd::{ResolvedService, ScopedIp};

use super::interfaces::leads_to;
use super::name;
use super::offer::{Access, SERVICE, What};
use crate::net::address::Target;

/// The most addresses of one announcement that are used.
const PLACES: usize = 16;

/// A program that is announced on the local network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name, as it is shown and typed.
    pub name: String,
    /// What it does.
    pub what: What,
    /// What it asks of those who connect.
    pub access: Access,
    /// Its addresses, the most likely to work first. There is at least one.
    pub places: Vec<Place>,
    /// Its name as it is announced, which nobody else has.
    instance: String,
}

/// One address of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where to connect to.
    pub socket: SocketAddr,
    /// The interface of this machine that leads there, for a link-local address of IPv6.
    zone: Option<String>,
}

impl Place {
    /// Whether it is good only together with the interface that leads there.
    pub fn is_local(&self) -> bool {
        self.zone.is_some()
    }

    /// The address as a person types it.
    pub fn target(&self) -> Target {
        let ip = self.socket.ip();
        Target {
            host: match &self.zone {
                Some(zone) => format!("{ip}%{zone}"),
                None => ip.to_string(),
            },
            port: Some(self.socket.port()),
        }
    }
}

impl Found {
    /// Reads an announcement, which came to this machine at one of `own`. `None` where it is not
    /// one that this version knows, or has no address that could be used.
    pub(super) fn read(service: &ResolvedService, own: &[Interface]) -> Option<Self> {
        let instance = instance_of(&service.fullname)?;
        let text = |key| service.get_property_val_str(key);
        let what = What::read(text("what")?)?;
        let access = Access::read(text("needs"), text("number"))?;
        let port = service.port;
        if port == 0 {
            return None;
        }
        let mut places: Vec<Place> = service
            .addresses
            .iter()
            .filter_map(|address| place(address, port))
            .collect();
        // The daemon has them in no order.
        places.sort_by_key(|place| (rank(place.socket.ip(), own), place.socket));
        places.truncate(PLACES);
        (!places.is_empty()).then(|| Self {
            name: name::shown(instance),
            what,
            access,
            places,
            instance: instance.to_owned(),
        })
    }

    /// A program for tests.
    #[cfg(test)]
    pub(crate) fn of(name: &str, what: What, socket: SocketAddr) -> Self {
        let place = Place { socket, zone: None };
        Self {
            name: name.to_owned(),
            what,
            access: Access::Open,
            places: vec![place],
            instance: name.to_owned(),
        }
    }

    /// Whether it is announced as `name`, in large or small letters.
    pub fn is_named(&self, name: &str) -> bool {
        same(&self.name, name) || self.is_exactly(name)
    }

    /// Whether it is announced as `name`, without a character changed.
    pub(super) fn is_exactly(&self, name: &str) -> bool {
        same(&self.instance, name)
    }

    /// Its name as it is announced, by which it can be looked up again.
    pub(in crate::net) fn instance(&self) -> &str {
        &self.instance
    }

    /// Whether this is its full name in DNS.
    pub(super) fn has_full_name(&self, fullname: &str) -> bool {
        instance_of(fullname).is_some_and(|instance| self.is_exactly(instance))
    }

    /// Whether both are the same program: no two have one name.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.is_exactly(&other.instance)
    }

    /// Whether it is at one of these addresses.
    pub fn is_at(&self, addresses: &[SocketAddr]) -> bool {
        self.places
            .iter()
            .any(|place| addresses.contains(&place.socket))
    }

    /// Its addresses, in the order in which they are to be tried.
    pub fn sockets(&self) -> Vec<SocketAddr> {
        self.places.iter().map(|place| place.socket).collect()
    }
}

/// The part of a service's full name that is the instance.
fn instance_of(fullname: &str) -> Option<&str> {
    let at = fullname.len().checked_sub(SERVICE.len())?;
    let (instance, service) = (fullname.get(..at)?, fullname.get(at..)?);
    let instance = instance.strip_suffix('.')?;
    service.eq_ignore_ascii_case(SERVICE).then_some(instance)
}

/// Whether two names are one in DNS.
fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// `None` where nobody else can have the address.
fn place(address: &ScopedIp, port: u16) -> Option<Place> {
    let ip = address.to_ip_addr();
    if ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
    {
        return None;
    }
    Some(match (ip, address) {
        (IpAddr::V6(ip), ScopedIp::V6(scoped)) if ip.is_unicast_link_local() => {
            let zone = scoped.scope_id();
            Place {
                socket: SocketAddrV6::new(ip, port, 0, zone.index).into(),
                zone: Some(if cfg!(windows) {
                    zone.index.to_string()
                } else {
                    zone.name.clone()
                }),
            }
        }
        _ => Place {
            socket: SocketAddr::new(ip.to_canonical(), port),
            zone: None,
        },
    })
}

/// How late an address is to be tried: first those of our own networks.
fn rank(ip: IpAddr, own: &[Interface]) -> u8 {
    match ip {
        IpAddr::V4(ip) if own.iter().any(|interface| leads_to(interface, ip)) => 0,
        IpAddr::V6(ip) if !ip.is_unicast_link_local() => 1,
        IpAddr::V6(_) => 2,
        IpAddr::V4(_) => 3,
    }
}
