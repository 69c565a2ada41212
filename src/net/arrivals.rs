//! Connections that have not shown who they are, or are being turned away. One network cannot keep the
//! others out with them.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::net::subnet::Subnet;

/// The connections that were not let in yet, in the order in which they came.
#[derive(Debug, Default)]
pub(in crate::net) struct Arrivals(Mutex<Vec<Waiting>>);

#[derive(Debug)]
struct Waiting {
    subnet: Subnet,
    displaced: Arc<Notify>,
}

/// One such connection, until it is let in or dropped.
#[derive(Debug)]
pub(in crate::net) struct Arrival {
    arrivals: Arc<Arrivals>,
    displaced: Arc<Notify>,
}

impl Arrivals {
    /// Adds a connection. Where there are `limit` of them already, it takes the place of the oldest
    /// from the network that has most, if its own network has fewer than that.
    pub fn begin(self: &Arc<Self>, subnet: Subnet, limit: usize) -> Option<Arrival> {
        let mut waiting = self.0.lock();
        if waiting.len() >= limit {
            let oldest = oldest_of_most(&waiting, subnet)?;
            waiting.remove(oldest).displaced.notify_one();
        }
        Some(self.add(&mut waiting, subnet))
    }

    /// As [`Self::begin`], but a connection always finds a place: where no network has many more than its
    /// own, that of the oldest from those that have no fewer. It is for a step that an honest peer ends at
    /// once.
    pub fn begin_always(self: &Arc<Self>, subnet: Subnet, limit: usize) -> Arrival {
        let mut waiting = self.0.lock();
        if waiting.len() >= limit.max(1) {
            let oldest = oldest_of_most(&waiting, subnet);
            let oldest = oldest.unwrap_or_else(|| oldest_of_equals(&waiting, subnet));
            waiting.remove(oldest).displaced.notify_one();
        }
        self.add(&mut waiting, subnet)
    }

    fn add(self: &Arc<Self>, waiting: &mut Vec<Waiting>, subnet: Subnet) -> Arrival {
        let displaced = Arc::new(Notify::new());
        waiting.push(Waiting {
            subnet,
            displaced: Arc::clone(&displaced),
        });
        Arrival {
            arrivals: Arc::clone(self),
            displaced,
        }
    }

    /// The number of connections of this network that were not let in yet.
    pub fn count(&self, subnet: Subnet) -> usize {
        let waiting = self.0.lock();
        waiting
            .iter()
            .filter(|waiting| waiting.subnet == subnet)
            .count()
    }
}

impl Arrival {
    /// Completes when the place has gone to another connection.
    pub fn displaced(&self) -> impl Future<Output = ()> + Send + 'static {
        let displaced = Arc::clone(&self.displaced);
        async move { displaced.notified().await }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let mut waiting = self.arrivals.0.lock();
        waiting.retain(|waiting| !Arc::ptr_eq(&waiting.displaced, &self.displaced));
    }
}

/// The place of the oldest connection from the network that has most, if `newcomer` may have it.
fn oldest_of_most(waiting: &[Waiting], newcomer: Subnet) -> Option<usize> {
    let most = displaceable(waiting.iter().map(|waiting| waiting.subnet), newcomer)?;
    waiting.iter().position(|waiting| waiting.subnet == most)
}

/// The place of the oldest connection from the networks that have as many as that of `newcomer`, itself
/// among them. It is the oldest of all where its own has none.
fn oldest_of_equals(waiting: &[Waiting], newcomer: Subnet) -> usize {
    let count = |subnet| waiting.iter().filter(|one| one.subnet == subnet).count();
    let own = count(newcomer);
    let mut places = waiting.iter();
    places
        .position(|one| count(one.subnet) >= own)
        .unwrap_or_default()
}

/// The network with the most of `places`, if it would still have as many as `newcomer` after giving
/// one of them to it.
pub(in crate::net) fn displaceable(
    places: impl Iterator<Item = Subnet>,
    newcomer: Subnet,
) -> Option<Subnet> {
    let mut counts: HashMap<Subnet, usize> = HashMap::new();
    for network in places {
        *counts.entry(network).or_default() += 1;
    }
    let own = counts.get(&newcomer).copied().unwrap_or_default();
    let (network, most) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (most > own + 1).then_some(network)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn subnet(last: u8) -> Subnet {
        IpAddr::from(Ipv4Addr::new(192, 0, 2, last)).into()
    }

    #[test]
    fn a_network_gives_up_its_places_down_to_an_equal_share() {
        let arrivals = Arc::new(Arrivals::default());
        let crowd: Vec<_> = (0..4)
            .map(|_| arrivals.begin(subnet(1), 4).expect("there is room"))
            .collect();
        assert!(arrivals.begin(subnet(1), 4).is_none(), "no more for itself");
        let second = [arrivals.begin(subnet(2), 4), arrivals.begin(subnet(2), 4)];
        assert!(second.iter().all(Option::is_some));
        assert!(arrivals.begin(subnet(2), 4).is_none(), "both have two");
        let third = arrivals.begin(subnet(3), 4);
        assert!(third.is_some(), "one has two");
        assert_eq!(arrivals.0.lock().len(), 4);
        drop((crowd, second, third));
        assert_eq!(arrivals.0.lock().len(), 0);
    }

    #[test]
    fn a_newcomer_always_finds_a_place_and_a_crowd_of_one_network_takes_it_from_itself() {
        let arrivals = Arc::new(Arrivals::default());
        let networks = || -> Vec<Subnet> {
            let waiting = arrivals.0.lock();
            waiting.iter().map(|one| one.subnet).collect()
        };
        let mut all = vec![arrivals.begin_always(subnet(1), 4)];
        for _ in 0..100 {
            all.push(arrivals.begin_always(subnet(2), 4));
        }
        assert_eq!(networks(), [1, 2, 2, 2].map(subnet));
        for last in 3..=5 {
            all.push(arrivals.begin_always(subnet(last), 4));
        }
        assert_eq!(networks(), [2, 3, 4, 5].map(subnet), "the oldest has gone");
    }
}
