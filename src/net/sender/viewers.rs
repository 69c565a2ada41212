//! The viewers of one sender: for the statistics, for the bit rate, and for the number of seats.

use std::sync::Arc;

use parking_lot::Mutex;

use super::viewer_link::ViewerLink;

/// The viewers of one sender.
#[derive(Debug, Default)]
pub struct Viewers(Mutex<Vec<Arc<ViewerLink>>>);

/// One viewer's entry in the list, until it is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    viewers: Arc<Viewers>,
    link: Arc<ViewerLink>,
}

impl Viewers {
    /// The viewers at this moment, in the order in which they came.
    pub fn list(&self) -> Vec<Arc<ViewerLink>> {
        self.0.lock().clone()
    }

    /// The number of viewers.
    pub fn count(&self) -> usize {
        self.0.lock().len()
    }

    /// Adds a viewer, unless there are `limit` of them.
    pub(super) fn enter(self: &Arc<Self>, link: ViewerLink, limit: usize) -> Option<Entry> {
        let mut viewers = self.0.lock();
        if viewers.len() >= limit {
            return None;
        }
        let link = Arc::new(link);
        viewers.push(Arc::clone(&link));
        Some(Entry {
            viewers: Arc::clone(self),
            link,
        })
    }
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
        for entry in self.viewers.0.lock().iter_mut() {
            if Arc::ptr_eq(entry, &self.link) {
                *entry = Arc::clone(&link);
            }
        }
        self.link = link;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.viewers
            .0
            .lock()
            .retain(|link| !Arc::ptr_eq(link, &self.link));
    }
}
