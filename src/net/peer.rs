//! The peer that a program connects to, and the ways to its addresses. They are found out again for
//! each connection, as they may change.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use super::address::Target;
use super::discovery::browse::lookup;
use super::discovery::{Found, LISTEN, Offers};

/// How long the system alone is asked for the addresses of a name. Where it takes longer, it often
/// does not know the name in the end.
const HEAD_START: Duration = Duration::from_millis(300);

/// How long a program that was lost is looked for, before it is tried where it was. The next try
/// looks for it again.
const AGAIN: Duration = Duration::from_millis(500);

/// The peer to connect to.
#[derive(Clone, Debug)]
pub struct Peer {
    target: Target,
    way: Way,
}

/// The way to a peer's addresses.
#[derive(Clone, Debug)]
enum Way {
    /// The system knows them.
    System,
    /// The system knows them, or such a program is announced under that name.
    SystemOrNetwork(Offers),
    /// It is at this address.
    Settled(SocketAddr),
    /// Such a program is announced under that name.
    Network {
        offers: Offers,
        /// The name as it is announced.
        instance: String,
        /// Where it was before.
        known: Vec<SocketAddr>,
    },
}

impl Peer {
    /// The peer at `target`, as a person typed it. Where it is a name that the system does not
    /// know, programs of the kind `offers` are looked for on the local network.
    pub fn typed(target: Target, offers: Offers) -> Self {
        let way = if target.may_be_announced() {
            Way::SystemOrNetwork(offers)
        } else {
            Way::System
        };
        Self { target, way }
    }

    /// The program that a person has chosen among those of the kind `offers`.
    pub fn chosen(found: &Found, offers: Offers) -> Self {
        let target = Target {
            host: found.name.clone(),
            port: None,
        };
        let way = Way::Network {
            offers,
            instance: found.instance().to_owned(),
            known: found.sockets(),
        };
        Self { target, way }
    }

    /// The same peer, which has answered at `address` and stays there. Whoever is in a call is no
    /// longer announced, so nobody could look it up again.
    pub fn settled_at(&self, address: SocketAddr) -> Self {
        match self.way {
            Way::System | Way::Settled(_) => self.clone(),
            Way::SystemOrNetwork(_) | Way::Network { .. } => Self {
                target: self.target.clone(),
                way: Way::Settled(address),
            },
        }
    }

    /// The peer as a person types it.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Whether it is looked for on the local network too.
    pub fn may_be_announced(&self) -> bool {
        !matches!(self.way, Way::System | Way::Settled(_))
    }

    /// Its addresses, in the order in which they are to be tried.
    ///
    /// # Errors
    /// Nobody knows the name.
    pub(super) async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        match &self.way {
            Way::System => self.of_system().await,
            Way::Settled(address) => Ok(vec![*address]),
            Way::SystemOrNetwork(offers) => {
                let Target { host, port } = &self.target;
                known_to_either(self.of_system(), lookup(host, *port, *offers, LISTEN)).await
            }
            Way::Network {
                offers,
                instance,
                known,
            } => Ok(match lookup(instance, None, *offers, AGAIN).await {
                none if none.is_empty() => known.clone(),
                found => found,
            }),
        }
    }

    /// As [`Peer::addresses`], for the first connection: those that have just been found are still
    /// good.
    ///
    /// # Errors
    /// Nobody knows the name.
    pub(super) async fn first_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        match &self.way {
            Way::Network { known, .. } => Ok(known.clone()),
            _ => self.addresses().await,
        }
    }

    async fn of_system(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(in_turns(lookup_host(self.target.parts()).await?))
    }
}

/// A peer of whom the system alone knows the addresses.
impl From<Target> for Peer {
    fn from(target: Target) -> Self {
        Self {
            target,
            way: Way::System,
        }
    }
}

/// The addresses that the system knows, or else those that are announced. Nothing is asked of the
/// network where the system answers soon.
async fn known_to_either(
    system: impl Future<Output = io::Result<Vec<SocketAddr>>>,
    announced: impl Future<Output = Vec<SocketAddr>>,
) -> io::Result<Vec<SocketAddr>> {
    let (mut system, mut announced) = (pin!(system), pin!(announced));
    let error = match timeout(HEAD_START, &mut system).await {
        Ok(Ok(addresses)) => return Ok(addresses),
        Ok(Err(e)) => e,
        Err(_) => tokio::select! {
            known = &mut system => match known {
                Ok(addresses) => return Ok(addresses),
                Err(e) => e,
            },
            found = &mut announced => {
                return if found.is_empty() { system.await } else { Ok(found) };
            }
        },
    };
    match announced.await {
        none if none.is_empty() => Err(error),
        found => Ok(found),
    }
}

/// Addresses of both families in turn, in the resolver's order, starting with its first.
fn in_turns(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut all: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    let v6_first = all.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = all.into_iter().partition(|a| a.is_ipv6() == v6_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turns = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return turns;
        }
        turns.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn all(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn both_kinds_of_address_are_tried_in_turns() {
        for (found, turns) in [
            (&[][..], &[][..]),
            (&["1.1.1.1:1"], &["1.1.1.1:1"]),
            (
                &["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"],
                &["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"],
            ),
            (
                &["1.1.1.1:1", "1.1.1.1:1", "1.1.1.2:1", "[::1]:1"],
                &["1.1.1.1:1", "[::1]:1", "1.1.1.2:1"],
            ),
        ] {
            assert_eq!(in_turns(all(found).into_iter()), all(turns), "{found:?}");
        }
    }

    /// A system that answers after so many milliseconds.
    async fn system(answers: &[&str], after: u64) -> io::Result<Vec<SocketAddr>> {
        tokio::time::sleep(Duration::from_millis(after)).await;
        match answers {
            [] => Err(io::Error::other("not known")),
            answers => Ok(all(answers)),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_the_system_knows_soon_is_not_looked_for() {
        let never = async { panic!("it was looked for") };
        let known = known_to_either(system(&["1.1.1.1:1"], 299), never).await;
        assert_eq!(known.unwrap(), all(&["1.1.1.1:1"]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_the_system_does_not_know_is_looked_for() {
        for after in [0, 299, 1000] {
            let found = known_to_either(system(&[], after), ready(all(&["2.2.2.2:2"]))).await;
            assert_eq!(found.unwrap(), all(&["2.2.2.2:2"]), "{after}");
            let nobody = known_to_either(system(&[], after), ready(Vec::new())).await;
            assert_eq!(nobody.unwrap_err().to_string(), "not known", "{after}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_system_and_the_network_are_asked_at_once() {
        let late = known_to_either(system(&["1.1.1.1:1"], 400), pending()).await;
        assert_eq!(late.unwrap(), all(&["1.1.1.1:1"]));
        let late = known_to_either(system(&["1.1.1.1:1"], 5000), ready(Vec::new())).await;
        assert_eq!(late.unwrap(), all(&["1.1.1.1:1"]));
    }

    #[test]
    fn only_a_name_without_dots_may_be_announced() {
        for (host, may_be) in [
            ("desk", true),
            ("anna-laptop", true),
            ("desk:10051", true),
            ("desk.local", false),
            ("desk.", false),
            ("192.168.1.7", false),
            ("::1", false),
            ("localhost", false),
        ] {
            let peer = Peer::typed(host.parse().unwrap(), Offers::Video);
            assert_eq!(peer.may_be_announced(), may_be, "{host}");
        }
    }
}
