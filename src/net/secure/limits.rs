//! How many strangers may be in a handshake at once, and how soon one that failed may try again.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::net::arrivals::{Arrival, Arrivals};
use crate::net::subnet::Subnet;

/// How long a handshake may take.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(3);
/// The most handshakes at once: of one network, and of all together.
const OF_ONE: usize = 4;
const OF_ALL: usize = 64;
/// A network may fail so often before it has to pause.
const FREE_FAILURES: u32 = 3;
/// The first pause, which doubles with each failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
pub const LONGEST_PAUSE: Duration = Duration::from_secs(32);
/// Failures before this time are forgotten.
const MEMORY: Duration = Duration::from_secs(120);
/// The most networks whose failures are remembered.
const NETWORKS: usize = 1024;

/// The handshakes of all connections of one listener.
#[derive(Debug, Default)]
pub struct HandshakeLimits {
    unfinished: Arc<Arrivals>,
    failures: Mutex<Failures>,
}

/// The networks that failed of late, the latest last.
#[derive(Debug, Default)]
struct Failures(Vec<Failed>);

#[derive(Debug)]
struct Failed {
    subnet: Subnet,
    count: u32,
    last: Instant,
}

/// Why a connection is closed before its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its network has failed too often of late.
    Pause,
    /// Its network has too many unfinished handshakes.
    Crowd,
}

impl HandshakeLimits {
    /// Begins a handshake. It ends when the arrival is dropped. Where there are too many, it takes the place
    /// of the oldest: an honest one is over after a round trip.
    pub(in crate::net) fn begin(&self, peer: IpAddr, now: Instant) -> Result<Arrival, Refusal> {
        let subnet = Subnet::from(peer);
        if self.failures.lock().pauses(subnet, now) {
            return Err(Refusal::Pause);
        }
        if self.unfinished.count(subnet) >= OF_ONE {
            return Err(Refusal::Crowd);
        }
        Ok(self.unfinished.begin_always(subnet, OF_ALL))
    }

    /// Notes a handshake that came to nothing.
    pub(in crate::net) fn failed(&self, peer: IpAddr, now: Instant) {
        self.failures.lock().note(peer.into(), now);
    }

    /// Forgets the failures of a network from which a peer has proved the secret.
    pub(in crate::net) fn succeeded(&self, peer: IpAddr) {
        self.failures.lock().forget(peer.into());
    }
}

impl Failures {
    fn pauses(&self, subnet: Subnet, now: Instant) -> bool {
        let failed = self.0.iter().find(|failed| failed.subnet == subnet);
        failed.is_some_and(|failed| now.saturating_duration_since(failed.last) < failed.pause())
    }

    fn note(&mut self, subnet: Subnet, now: Instant) {
        self.0
            .retain(|failed| now.saturating_duration_since(failed.last) < MEMORY);
        let known = self.0.iter().position(|failed| failed.subnet == subnet);
        let count = known.map_or(0, |place| self.0.remove(place).count);
        if self.0.len() == NETWORKS {
            self.0.remove(0);
        }
        self.0.push(Failed {
            subnet,
            count: count.saturating_add(1),
            last: now,
        });
    }

    fn forget(&mut self, subnet: Subnet) {
        self.0.retain(|failed| failed.subnet != subnet);
    }
}

impl Failed {
    fn pause(&self) -> Duration {
        match self.count.checked_sub(FREE_FAILURES) {
            None => Duration::ZERO,
            Some(more) => (FIRST_PAUSE * (1 << more.min(10))).min(LONGEST_PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(Ipv4Addr::from(0xc633_0000 + number))
    }

    #[test]
    fn one_address_has_four_handshakes_and_all_have_64() {
        let (limits, now) = (HandshakeLimits::default(), Instant::now());
        let mut open: Vec<_> = (0..OF_ONE)
            .map(|_| limits.begin(address(0), now).unwrap())
            .collect();
        assert_eq!(limits.begin(address(0), now).unwrap_err(), Refusal::Crowd);
        for number in 1..=60 {
            open.push(limits.begin(address(number), now).unwrap());
        }
        assert_eq!(open.len(), OF_ALL);
        let newcomer = limits.begin(address(99), now);
        assert!(newcomer.is_ok(), "in the place of the one that has four");
        open.truncate(1);
        assert!(limits.begin(address(0), now).is_ok());
    }

    #[tokio::test]
    async fn a_crowd_of_addresses_keeps_no_newcomer_out() {
        let (limits, now) = (HandshakeLimits::default(), Instant::now());
        let crowd: Vec<_> = (0..OF_ALL as u32)
            .map(|number| limits.begin(address(number), now).unwrap())
            .collect();
        let newcomer = limits.begin(address(99), now);
        assert!(newcomer.is_ok());
        // The oldest one has lost its place.
        crowd[0].displaced().await;
    }

    #[test]
    fn an_address_that_fails_pauses_longer_each_time() {
        let (limits, mut now) = (HandshakeLimits::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let mut waited = 0;
            while let Err(refusal) = limits.begin(address(0), now) {
                assert_eq!(refusal, Refusal::Pause);
                now += Duration::from_secs(1);
                waited += 1;
            }
            pauses.push(waited);
            limits.failed(address(0), now);
        }
        assert_eq!(pauses, [0, 0, 0, 1, 2, 4, 8, 16, 32, 32]);
        assert!(limits.begin(address(1), now).is_ok(), "another one is free");
        limits.succeeded(address(0));
        assert!(limits.begin(address(0), now).is_ok(), "it had the secret");
    }

    #[test]
    fn failures_are_forgotten_and_take_bounded_memory() {
        let (limits, now) = (HandshakeLimits::default(), Instant::now());
        for number in 0..10_000 {
            limits.failed(address(number), now);
        }
        assert_eq!(limits.failures.lock().0.len(), NETWORKS);
        limits.failed(address(0), now + MEMORY);
        assert_eq!(limits.failures.lock().0.len(), 1);
    }
}
