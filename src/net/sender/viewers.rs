//! Who watches: for the statistics, and for whoever decides how much is sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::viewer_link::ViewerLink;

/// The viewers of one sender.
#[derive(Debug, Default)]
pub struct Viewers(Mutex<Vec<Arc<ViewerLink>>>);

/// One viewer's entry, until it is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    roster: Arc<Viewers>,
    link: Arc<ViewerLink>,
}

impl Viewers {
    /// The viewers of this moment, in the order in which they came.
    pub fn viewers(&self) -> Vec<Arc<ViewerLink>> {
        self.lock().clone()
    }

    pub(super) fn enter(self: &Arc<Self>, link: Arc<ViewerLink>) -> Entry {
        self.lock().push(Arc::clone(&link));
        Entry {
            roster: Arc::clone(self),
            link,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<ViewerLink>>> {
        // A list is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.roster
            .lock()
            .retain(|link| !Arc::ptr_eq(link, &self.link));
    }
}
