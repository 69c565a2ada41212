//! A local network for tests: machines on one switch. As root, on Linux.

use std::io;
use std::process::Command;

use crate::support::namespaces::{Namespace, words};
use crate::support::skipped;

/// The machines, gone with their switch when this is dropped.
pub struct Lan {
    switch: Namespace,
    hosts: Vec<Host>,
}

/// One machine, on the switch by its interface "lan".
pub struct Host {
    pub namespace: Namespace,
    /// Its address of IPv4.
    pub address: String,
}

impl Lan {
    /// A network of `count` machines. `None`, said aloud, where this machine cannot make one.
    pub fn start(count: usize) -> Option<Self> {
        let make = || {
            let switch = Namespace::new("switch")?;
            // A name of its own for the device: "br" is a word of `ip`.
            words(&format!(
                "ip -n {switch} link add name switch type bridge mcast_snooping 0"
            ))?;
            words(&format!("ip -n {switch} link set switch up"))?;
            let hosts = Vec::new();
            let mut lan = Self { switch, hosts };
            for _ in 0..count {
                let number = lan.hosts.len() + 1;
                let host = Host {
                    namespace: Namespace::new("h")?,
                    address: format!("10.79.0.{number}"),
                };
                attach(&lan.switch, "switch", &host.namespace, "lan", &host.address)?;
                lan.hosts.push(host);
            }
            Ok(lan)
        };
        match make() {
            Ok(lan) => Some(lan),
            Err(error) => {
                let error: io::Error = error;
                skipped(&format!("no network namespaces with a switch: {error}"));
                None
            }
        }
    }

    /// The machine of this number.
    pub fn host(&self, number: usize) -> &Host {
        &self.hosts[number]
    }
}

impl Host {
    /// The command, to be run on this machine.
    pub fn command(&self, command: &Command) -> Command {
        self.namespace.command(command)
    }

    /// Runs `ip` with these arguments for this machine.
    pub fn ip(&self, arguments: &str) {
        words(&format!("ip -n {} {arguments}", self.namespace)).expect("root may do that");
    }

    /// Makes a bridge of this name on this machine, and another machine on it, as a container is.
    pub fn container(&self, bridge: &str) -> Host {
        self.ip(&format!(
            "link add name {bridge} type bridge mcast_snooping 0"
        ));
        self.ip(&format!("addr add 172.17.0.1/16 dev {bridge}"));
        self.ip(&format!("link set {bridge} up"));
        let inner = Host {
            namespace: Namespace::new("c").expect("there is room for another one"),
            address: "172.17.0.2".to_owned(),
        };
        let (namespace, address) = (&inner.namespace, &inner.address);
        attach(&self.namespace, bridge, namespace, "eth0", address).expect("root may do that");
        inner
    }
}

/// Connects `namespace` to a bridge by its interface `device`.
fn attach(
    switch: &Namespace,
    bridge: &str,
    namespace: &Namespace,
    device: &str,
    address: &str,
) -> io::Result<()> {
    let port = format!("veth{}", address.rsplit('.').next().unwrap_or_default());
    // Without this, an IPv6 address is none for its first second.
    words(&format!(
        "ip netns exec {namespace} sysctl -q -w net.ipv6.conf.default.accept_dad=0"
    ))?;
    words(&format!(
        "ip link add {port} netns {switch} type veth peer name {device} netns {namespace}"
    ))?;
    words(&format!(
        "ip -n {switch} link set {port} master {bridge} up"
    ))?;
    words(&format!(
        "ip -n {namespace} addr add {address}/24 dev {device}"
    ))?;
    words(&format!("ip -n {namespace} link set {device} up"))
}
