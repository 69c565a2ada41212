//! A slow link for tests: network namespaces for the sender, a router with tbf, and the viewer. As
//! root, on Linux.
//!
//! The limit is at a router of its own and not at the sender's device: there the kernel counts what
//! is queued as the socket's, and stops sending long before the queue is full (TCP small queues).
//! No router on the way tells a sender that.

use std::io;
use std::process::Command;

use crate::support::namespaces::{Namespace, words};
use crate::support::skipped;

/// What passes at once after a pause. A link that is always full has none of it left.
const BURST: &str = "32kb";

/// The router's two addresses.
const NEAR: &str = "10.78.0.254";
const FAR: &str = "10.78.1.254";

/// The link, gone when this is dropped.
pub struct Link {
    sender: Namespace,
    router: Namespace,
    viewer: Namespace,
    queue: String,
}

impl Link {
    /// The sender's address.
    pub const SENDER: &str = "10.78.0.1";
    /// The viewer's address.
    pub const VIEWER: &str = "10.78.1.1";

    /// A link of `rate`, such as `10mbit`, and `queue`, such as `latency 50ms` or `limit 1mb`, in
    /// the words of tc. `None`, said aloud, where this machine cannot make one.
    pub fn start(rate: &str, queue: &str) -> Option<Self> {
        // What was made before a failure goes with it.
        match Self::make(rate, queue) {
            Ok(link) => Some(link),
            Err(error) => {
                skipped(&format!("no network namespaces with a slow link: {error}"));
                None
            }
        }
    }

    fn make(rate: &str, queue: &str) -> io::Result<Self> {
        let link = Self {
            sender: Namespace::new("s")?,
            router: Namespace::new("r")?,
            viewer: Namespace::new("v")?,
            queue: queue.to_owned(),
        };
        let Self {
            sender,
            router,
            viewer,
            ..
        } = &link;
        for (end, device) in [(sender, "near"), (viewer, "line")] {
            words(&format!(
                "ip link add {device} netns {router} type veth peer name line netns {end}"
            ))?;
        }
        // One segment a packet, as on a wire: between namespaces they are larger by themselves.
        words(&format!("ip -n {sender} link set line gso_max_segs 1"))?;
        words(&format!(
            "ip netns exec {router} sysctl -q -w net.ipv4.ip_forward=1"
        ))?;
        for (namespace, device, address) in [
            (sender, "line", Self::SENDER),
            (router, "near", NEAR),
            (router, "line", FAR),
            (viewer, "line", Self::VIEWER),
        ] {
            let ip = format!("ip -n {namespace}");
            words(&format!("{ip} addr add {address}/24 dev {device}"))?;
            words(&format!("{ip} link set {device} up"))?;
        }
        for (namespace, gate) in [(sender, NEAR), (viewer, FAR)] {
            // The default of most machines, which fills every queue that it finds; a milder one
            // of this machine would make the link look better than it is.
            words(&format!(
                "ip -n {namespace} route add default via {gate} congctl cubic"
            ))?;
        }
        link.qdisc("add", &link.tbf(rate))?;
        Ok(link)
    }

    /// Another rate from now on; what is queued stays queued.
    pub fn set_rate(&self, rate: &str) {
        self.qdisc("change", &self.tbf(rate))
            .expect("what was made can be changed");
    }

    /// The command, to be run on the sender's side, without standard input.
    pub fn sender_command(&self, command: &Command) -> Command {
        self.sender.command(command)
    }

    /// The command, to be run on the viewer's side, without standard input.
    pub fn viewer_command(&self, command: &Command) -> Command {
        self.viewer.command(command)
    }

    /// Runs `work` on the sender's side, on a thread of its own. Sockets that it makes stay there
    /// when it hands them back.
    pub fn at_sender<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.sender.run(work)
    }

    /// As [`Link::at_sender`], on the viewer's side.
    pub fn at_viewer<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.viewer.run(work)
    }

    fn tbf(&self, rate: &str) -> String {
        format!("tbf rate {rate} burst {BURST} {}", self.queue)
    }

    fn qdisc(&self, verb: &str, what: &str) -> io::Result<()> {
        words(&format!(
            "tc -n {} qdisc {verb} dev line root {what}",
            self.router
        ))
    }
}

mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::ops::Range;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::support::{PATIENCE, in_one_try};

    /// Megabits a second that arrive in a second, after what the burst let pass at once.
    fn megabits(viewer: &mut TcpStream) -> f64 {
        let mut buffer = vec![0; 64 * 1024];
        let mut read_for = |time: Duration| {
            let (begun, mut bytes) = (Instant::now(), 0);
            while begun.elapsed() < time {
                bytes += viewer.read(&mut buffer).expect("the other end writes");
            }
            bytes as f64 * 8e-6 / begun.elapsed().as_secs_f64()
        };
        read_for(Duration::from_millis(700));
        read_for(Duration::from_secs(1))
    }

    #[test]
    fn a_link_has_the_rate_that_it_was_told() {
        let Some(link) = Link::start("10mbit", "latency 50ms") else {
            return;
        };
        let listener = link.at_sender(|| TcpListener::bind((Link::SENDER, 0)).unwrap());
        let address = listener.local_addr().unwrap();
        let mut viewer = link.at_viewer(|| TcpStream::connect(address).unwrap());
        viewer.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut sender = listener.accept().unwrap().0;
        // Ends when the viewer's end is closed.
        let writer = thread::spawn(move || while sender.write_all(&[0; 16 * 1024]).is_ok() {});
        let mut has = |rates: Range<f64>| {
            in_one_try(|| {
                let rate = megabits(&mut viewer);
                let right = rates.contains(&rate).then_some(());
                right.ok_or(format!("{rate} Mbit/s"))
            });
        };
        has(7.0..11.0);
        link.set_rate("2mbit");
        has(1.0..3.0);
        drop(viewer);
        // It is in the middle of a write to somebody who is gone.
        writer.join().unwrap();
    }

    #[test]
    fn a_command_runs_on_its_side_of_a_link() {
        let Some(link) = Link::start("1mbit", "limit 100kb") else {
            return;
        };
        let mut look = Command::new("ip");
        look.args(["addr", "show", "dev", "line"]);
        for (mut command, address) in [
            (link.sender_command(&look), Link::SENDER),
            (link.viewer_command(&look), Link::VIEWER),
        ] {
            let output = command.output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains(address), "{output:?}");
        }
    }
}
