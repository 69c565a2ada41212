//! The failure where nobody is found: what usually is in the way, and what to type instead.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::failure::{Failure, describe};
use crate::net::discovery::{Offers, interfaces};

/// The failure where nobody of the kind `offers` has answered within `time`, or where the system
/// did not let this program ask.
pub fn nobody(offers: Offers, time: Duration, error: Option<io::Error>) -> Failure {
    let (whom, address) = match offers {
        Offers::Any => ("nobody", "vidchat recv ADDRESS"),
        Offers::Video => ("no sender", "vidchat recv ADDRESS"),
        Offers::Call => ("nobody to call", "vidchat call ADDRESS"),
    };
    let failure = Failure::start(format!("found {whom} on this network"));
    if let Some(e) = error {
        return failure
            .cause(format!("cannot ask at UDP port 5353: {}", describe(&e)))
            .hint(format!("{address} connects without asking"));
    }
    let asked = interfaces::looked_at();
    if asked.is_empty() {
        return failure
            .cause("this machine has no address on a network")
            .hint(format!("connect it to a network; over a VPN: {address}"));
    }
    failure
        .cause(format!("nobody answered within {} s", time.as_secs_f32()))
        .found([format!("asked on {}", asked.join(", "))])
        .found(firewall())
        .hint(format!(
            "some networks and firewalls let no multicast through: {address}, with an address that \
             the other side prints"
        ))
}

/// The firewall of this machine that may keep answers out, and the line that lets them in.
fn firewall() -> Option<String> {
    let is_active = |program: &str| Path::new(program).exists();
    if is_active("/run/firewalld") || is_active("/var/run/firewalld.pid") {
        return Some("firewalld runs here: sudo firewall-cmd --add-service=mdns".into());
    }
    let ufw = fs::read_to_string("/etc/ufw/ufw.conf").unwrap_or_default();
    ufw.lines()
        .any(|line| line.trim().eq_ignore_ascii_case("ENABLED=yes"))
        .then(|| "ufw runs here: sudo ufw allow 5353/udp".into())
}
