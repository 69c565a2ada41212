//! The failure where nobody is found: what usually is in the way, and what to type instead.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::failure::{Failure, describe};
use crate::net::discovery::{Offers, interfaces};
use crate::net::secure::Code;

/// The failure where nobody of the kind `offers` has answered within `time`, or where the system
/// did not let this program ask.
pub fn nobody(offers: Offers, time: Duration, error: Option<io::Error>) -> Failure {
    let (whom, address) = match offers {
        Offers::Any => ("nobody", "vidchat recv ADDRESS"),
        Offers::Video => ("no sender", "vidchat recv ADDRESS"),
        Offers::Call => ("nobody to call", "vidchat call ADDRESS"),
    };
    absent(whom, address, time, error)
}

/// The failure where nobody has answered who shows a code with the number of this one.
pub fn nobody_with(code: Code, time: Duration, error: Option<io::Error>) -> Failure {
    let whom = format!("nobody who shows a code with the number {}", code.number());
    absent(
        &whom,
        &format!("vidchat call ADDRESS --code {code}"),
        time,
        error,
    )
}

fn absent(whom: &str, address: &str, time: Duration, error: Option<io::Error>) -> Failure {
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
        .found(firewall(Path::new("/")))
        .hint(format!(
            "some networks and firewalls let no multicast through: {address}, with an address that \
             the other side prints"
        ))
}

/// The firewall of the machine with these files that may keep answers out, and the line that lets
/// them in.
fn firewall(root: &Path) -> Option<&'static str> {
    // Where systemd starts it, it has a control group and no other trace that everybody may see.
    let firewalld = [
        "sys/fs/cgroup/system.slice/firewalld.service",
        "run/firewalld.pid",
    ];
    if firewalld.iter().any(|path| root.join(path).exists()) {
        return Some("firewalld runs here: sudo firewall-cmd --add-service=mdns");
    }
    let ufw = fs::read_to_string(root.join("etc/ufw/ufw.conf")).unwrap_or_default();
    ufw.lines()
        .any(|line| line.trim().eq_ignore_ascii_case("ENABLED=yes"))
        .then_some("ufw runs here: sudo ufw allow 5353/udp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_firewall_that_runs_is_named_with_the_line_that_lets_answers_in() {
        let machine = tempfile::tempdir().unwrap();
        let root = machine.path();
        assert_eq!(firewall(root), None);
        let ufw = root.join("etc/ufw");
        fs::create_dir_all(&ufw).unwrap();
        fs::write(ufw.join("ufw.conf"), "# ufw\nENABLED=no\n").unwrap();
        assert_eq!(firewall(root), None);
        fs::write(ufw.join("ufw.conf"), "# ufw\nENABLED=yes\n").unwrap();
        assert!(firewall(root).is_some_and(|line| line.ends_with("sudo ufw allow 5353/udp")));
        fs::create_dir_all(root.join("sys/fs/cgroup/system.slice/firewalld.service")).unwrap();
        let line = firewall(root).unwrap();
        assert!(
            line.ends_with("sudo firewall-cmd --add-service=mdns"),
            "{line}"
        );
    }

    #[test]
    fn a_search_that_is_not_allowed_says_why() {
        let error = io::Error::from(io::ErrorKind::PermissionDenied);
        let failure = nobody(Offers::Call, Duration::from_secs(1), Some(error));
        assert_eq!(
            failure.to_string(),
            "error: found nobody to call on this network: cannot ask at UDP port 5353: permission \
             denied\nhint: vidchat call ADDRESS connects without asking"
        );
    }
}
