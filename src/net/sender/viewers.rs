//! The viewers of one sender: for the statistics, for the bit rate, and for the number of seats.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::viewer_link::{Removal, ViewerLink};
use crate::net::arrivals::displaceable;
use crate::net::subnet::Subnet;

/// The viewers of one sender.
#[derive(Debug, Default)]
pub struct Viewers {
    list: Mutex<Vec<Arc<ViewerLink>>>,
    changed: Notify,
}

/// One viewer's entry in the list, until it is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    viewers: Arc<Viewers>,
    link: Arc<ViewerLink>,
}

impl Viewers {
    /// The viewers at this moment, in the order in which they came.
    pub fn list(&self) -> Vec<Arc<ViewerLink>> {
        self.list.lock().clone()
    }

    /// The number of viewers.
    pub fn count(&self) -> usize {
        self.list.lock().len()
    }

    /// Waits until a viewer comes, leaves or says hello late, unless one has since the last call. For
    /// one caller. The wait may be cancelled without losing anything.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether a viewer of this network would be let in where there are `limit` seats.
    pub(super) fn has_seat(&self, subnet: Subnet, limit: usize) -> bool {
        let viewers = self.list.lock();
        viewers.len() < limit || displaceable(subnets(&viewers), subnet).is_some()
    }

    /// Adds a viewer, unless `limit` of them are here. It then takes the seat of a viewer from the
    /// network that has most seats, if its own network has fewer than that: the seat of the last
    /// that came without a hello, or of the last that came.
    pub(super) fn enter(self: &Arc<Self>, link: ViewerLink, limit: usize) -> Option<Entry> {
        let mut viewers = self.list.lock();
        if viewers.len() >= limit {
            let most = displaceable(subnets(&viewers), link.peer.ip().into())?;
            let (place, _) = viewers
                .iter()
                .enumerate()
                .filter(|(_, viewer)| Subnet::from(viewer.peer.ip()) == most)
                .max_by_key(|(place, viewer)| (!viewer.greeted, *place))?;
            viewers.remove(place).remove(Removal::Displaced);
        }
        let link = Arc::new(link);
        viewers.push(Arc::clone(&link));
        self.changed.notify_one();
        Some(Entry {
            viewers: Arc::clone(self),
            link,
        })
    }
}

fn subnets(viewers: &[Arc<ViewerLink>]) -> impl Iterator<Item = Subnet> {
    viewers.iter().map(|viewer| viewer.peer.ip().into())
}

impl Entry {
    /// The viewer.
    pub fn link(&self) -> &Arc<ViewerLink> {
        &self.link
    }

    /// The number of viewers, this one included.
    pub fn watching(&self) -> usize {
        self.viewers.count()
    }

    /// Replaces the link of the viewer, after a late hello.
    pub fn exchange(&mut self, link: ViewerLink) {
        let link = Arc::new(link);
        let mut viewers = self.viewers.list.lock();
        for entry in viewers.iter_mut() {
            if Arc::ptr_eq(entry, &self.link) {
                *entry = Arc::clone(&link);
            }
        }
        drop(viewers);
        self.viewers.changed.notify_one();
        if let Some(removal) = self.link.removal() {
            link.remove(removal);
        }
        self.link = link;
    }

    /// Leaves, and returns how many viewers remain.
    pub fn leave(self) -> usize {
        let viewers = Arc::clone(&self.viewers);
        drop(self);
        viewers.count()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.viewers
            .list
            .lock()
            .retain(|link| !Arc::ptr_eq(link, &self.link));
        self.viewers.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn viewer(last: u8, greeted: bool) -> ViewerLink {
        let peer = format!("192.0.2.{last}:9")
            .parse()
            .expect("it is an address");
        if greeted {
            ViewerLink::new(peer, String::new(), true)
        } else {
            ViewerLink::without_hello(peer, String::new())
        }
    }

    #[test]
    fn a_network_with_more_seats_gives_one_up_and_first_those_without_a_hello() {
        let viewers = Arc::new(Viewers::default());
        let crowd = [true, false, false, true].map(|greeted| {
            let entry = viewers.enter(viewer(1, greeted), 4);
            entry.expect("there is a seat")
        });
        assert!(viewers.enter(viewer(1, true), 4).is_none());
        assert!(viewers.has_seat(viewer(2, true).peer.ip().into(), 4));
        let others = [
            viewers.enter(viewer(2, true), 4),
            viewers.enter(viewer(2, true), 4),
        ];
        assert!(others.iter().all(Option::is_some));
        let removed = crowd.each_ref().map(|entry| entry.link().removal());
        let gone = Some(Removal::Displaced);
        assert_eq!(removed, [None, gone, gone, None]);
        assert!(viewers.enter(viewer(2, true), 4).is_none(), "both have two");
        assert!(!viewers.has_seat(viewer(2, true).peer.ip().into(), 4));
        assert_eq!(viewers.count(), 4);
        let [first, ..] = crowd;
        assert_eq!(first.leave(), 3);
    }

    /// Whether the viewers have changed since the last call.
    async fn have_changed(viewers: &Viewers) -> bool {
        tokio::select! {
            biased;
            () = viewers.changed() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn each_change_is_told_once_to_a_caller_that_waits_or_comes_later() {
        let viewers = Arc::new(Viewers::default());
        assert!(!have_changed(&viewers).await);
        let mut entry = viewers.enter(viewer(1, false), 4).expect("there is a seat");
        assert!(have_changed(&viewers).await, "it has come");
        assert!(!have_changed(&viewers).await);
        let greeted = entry.link().after_late_hello("name".into(), true);
        entry.exchange(greeted);
        assert!(have_changed(&viewers).await, "it has said hello");
        tokio::join!(viewers.changed(), async { entry.leave() });
        assert!(!have_changed(&viewers).await);
    }
}
