//! Looks for programs that are announced on the local network, for a second or so.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use if_addrs::Interface;
use mdns_sd::{Receiver, ServiceDaemon, ServiceEvent};
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::found::{Found, Place};
use super::interfaces::{announced, daemon};
use super::offer::{Offers, SERVICE};
use crate::failure::describe;

/// How long to listen for answers. A program answers within a few hundredths of a second, but no
/// more than once a second, so it may keep silent until the question is repeated a second later.
pub const LISTEN: Duration = Duration::from_millis(1300);
/// How long to listen for further addresses of a program that has answered: IPv6 answers apart.
const FURTHER: Duration = Duration::from_millis(50);
/// The most programs that are kept. A stranger can announce any number of them.
const LIMIT: usize = 100;

/// A search that goes on until this is dropped.
struct Browse {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
    /// This machine's addresses where it asks.
    own: Vec<Interface>,
}

/// News of a search.
enum News {
    /// A program, or another address of one.
    Found(Found),
    /// The program of this full name has ended.
    Gone(String),
}

impl Browse {
    fn start() -> io::Result<Self> {
        let everywhere = IpAddr::from(Ipv6Addr::UNSPECIFIED);
        let daemon = daemon(everywhere)?;
        let events = daemon.browse(SERVICE).map_err(io::Error::other)?;
        Ok(Self {
            daemon,
            events,
            own: announced(everywhere),
        })
    }

    /// The next news; `None` where the daemon gives no more.
    async fn next(&mut self) -> Option<News> {
        loop {
            match self.events.recv_async().await.ok()? {
                ServiceEvent::ServiceResolved(service) => match Found::read(&service, &self.own) {
                    Some(found) => return Some(News::Found(found)),
                    None => debug!("find: left out {:?}", service.fullname),
                },
                ServiceEvent::ServiceRemoved(_, fullname) => return Some(News::Gone(fullname)),
                _ => {}
            }
        }
    }
}

impl Drop for Browse {
    fn drop(&mut self) {
        // It ends by itself, and has nothing to tell the others.
        let _ = self.daemon.shutdown();
    }
}

/// The programs of the kind `offers` that answer within `time`, by their names.
///
/// # Errors
/// The system does not let this program ask.
pub async fn collect(offers: Offers, time: Duration) -> io::Result<Vec<Found>> {
    let mut browse = Browse::start()?;
    let until = Instant::now() + time;
    let mut found = List::default();
    while let Ok(Some(news)) = timeout_at(until, browse.next()).await {
        match news {
            News::Found(one) if offers.include(one.what) => found.put(one),
            News::Found(_) => {}
            News::Gone(fullname) => found.remove(&fullname),
        }
    }
    // A flood has ended the search. Nobody else is found any sooner.
    tokio::time::sleep_until(until).await;
    Ok(found.sorted())
}

/// The addresses of the program that is announced as `name`, at `port` if one is given. The list is
/// empty where there is none within `time`.
pub async fn lookup(
    name: &str,
    port: Option<u16>,
    offers: Offers,
    time: Duration,
) -> Vec<SocketAddr> {
    let is_port = |place: &Place| Some(place.socket.port()) == port;
    let is_meant = |found: &Found| {
        offers.include(found.what)
            && found.is_named(name)
            && (port.is_none() || found.places.iter().any(is_port))
    };
    // Two may look alike. The one of that very name is meant.
    let is_better = |found: &Found, best: &Found| found.is_exactly(name) || !best.is_exactly(name);
    let found = first(time, is_meant, is_better).await;
    let found = found.inspect_err(|e| debug!("find: cannot look for {name:?}: {}", describe(e)));
    let found = found.ok().flatten();
    found.map(|found| found.sockets()).unwrap_or_default()
}

/// A program that waits for a call and shows a code with this number, but none of `others` and none at
/// `own` addresses. `None` where there is none within `time`.
///
/// # Errors
/// The system does not let this program ask.
pub async fn with_number(
    number: u8,
    others: &[Found],
    own: &[SocketAddr],
    time: Duration,
) -> io::Result<Option<Found>> {
    let is_meant = |found: &Found| {
        Offers::Call.include(found.what)
            && found.access.number() == Some(number)
            && !others.iter().any(|other| other.is_same(found))
            && !found.is_at(own)
    };
    // The first one is as good as any other, with all of its addresses.
    first(time, is_meant, Found::is_same).await
}

/// The first program that is meant, or a better one that answers right after it. `None` where there
/// is none within `time`.
async fn first(
    time: Duration,
    is_meant: impl Fn(&Found) -> bool,
    is_better: impl Fn(&Found, &Found) -> bool,
) -> io::Result<Option<Found>> {
    let mut browse = Browse::start()?;
    let mut until = Instant::now() + time;
    let mut best: Option<Found> = None;
    while let Ok(Some(news)) = timeout_at(until, browse.next()).await {
        let News::Found(found) = news else { continue };
        let is_better = || best.as_ref().is_none_or(|best| is_better(&found, best));
        if is_meant(&found) && is_better() {
            until = until.min(Instant::now() + FURTHER);
            best = Some(found);
        }
    }
    Ok(best)
}

/// The programs that were found so far.
#[derive(Default)]
struct List(Vec<Found>);

impl List {
    fn put(&mut self, one: Found) {
        if let Some(known) = self.0.iter_mut().find(|known| known.is_same(&one)) {
            *known = one;
        } else if self.0.len() < LIMIT {
            self.0.push(one);
        } else {
            debug!("find: left out {:?}: {LIMIT} are known", one.name);
        }
    }

    fn remove(&mut self, fullname: &str) {
        self.0.retain(|known| !known.has_full_name(fullname));
    }

    fn sorted(mut self) -> Vec<Found> {
        self.0.sort_by_key(|found| {
            (
                found.name.to_lowercase(),
                found.places.first().map(|place| place.socket),
            )
        });
        self.0
    }
}

#[cfg(test)]
mod tests {
    use mdns_sd::{ResolvedService, ServiceInfo};

    use super::*;
    use crate::net::discovery::offer::What;

    fn service(instance: &str, port: u16, what: &str, addresses: &str) -> ResolvedService {
        let text = [("txtvers", "1"), ("what", what)];
        let info = ServiceInfo::new(
            SERVICE,
            instance,
            "vidchat-1.local.",
            addresses,
            port,
            &text[..],
        );
        info.expect("it is well-formed").as_resolved_service()
    }

    fn found(instance: &str, port: u16, addresses: &str) -> Found {
        Found::read(&service(instance, port, "send", addresses), &[]).expect("it can be used")
    }

    #[test]
    fn an_announcement_is_read() {
        let one = found("anna (2)", 10051, "192.168.1.7,2001:db8::7,fe80::7");
        assert_eq!((one.name.as_str(), one.what), ("anna-2", What::Send));
        let sockets: Vec<String> = one.sockets().iter().map(SocketAddr::to_string).collect();
        assert_eq!(
            sockets,
            [
                "[2001:db8::7]:10051",
                "[fe80::7]:10051",
                "192.168.1.7:10051"
            ]
        );
        assert_eq!(one.places[2].target().to_string(), "192.168.1.7:10051");
        for name in ["anna (2)", "anna-2", "ANNA-2"] {
            assert!(one.is_named(name), "{name}");
        }
        assert!(!one.is_named("anna"));
    }

    #[test]
    fn what_a_stranger_announces_is_bounded_and_cannot_touch_the_terminal() {
        let name = format!("de\x1b]0;x\x07sk\r\n{}", "y".repeat(5000));
        let many: Vec<String> = (0..200).map(|n| format!("10.0.{n}.1")).collect();
        let one = found(&name, 1, &many.join(","));
        assert!(one.name.chars().all(|c| c.is_alphanumeric() || c == '-'));
        assert!(one.name.len() < 64 && one.places.len() < 20, "{one:?}");
        for (port, what, addresses) in [
            (0, "send", "10.0.0.1"),
            (1, "fax", "10.0.0.1"),
            (1, "", "10.0.0.1"),
            (1, "send", ""),
            (
                1,
                "send",
                "127.0.0.1,::1,0.0.0.0,::,224.0.0.251,255.255.255.255,ff02::fb",
            ),
        ] {
            let service = service("desk", port, what, addresses);
            assert_eq!(Found::read(&service, &[]), None, "{service:?}");
        }
        let mut other = service("desk", 1, "send", "10.0.0.1");
        for fullname in ["", ".", "desk._http._tcp.local.", "ä", SERVICE] {
            other.fullname = fullname.to_owned();
            assert_eq!(Found::read(&other, &[]), None, "{fullname:?}");
        }
    }

    #[test]
    fn a_list_has_each_program_once_and_no_thousand_of_them() {
        let mut list = List::default();
        list.put(found("Desk", 1, "10.0.0.2"));
        list.put(found("anna", 1, "10.0.0.1"));
        list.put(found("desk", 1, "10.0.0.2,10.0.0.3"));
        list.put(found("gone", 1, "10.0.0.4"));
        list.remove(&format!("Gone.{SERVICE}"));
        for n in 0..1000 {
            list.put(found(&format!("fake{n}"), 1, "10.9.9.9"));
        }
        let sorted = list.sorted();
        assert_eq!(sorted.len(), LIMIT);
        let first: Vec<(&str, usize)> = sorted[..2]
            .iter()
            .map(|found| (found.name.as_str(), found.places.len()))
            .collect();
        assert_eq!(first, [("anna", 1), ("desk", 2)]);
    }
}
