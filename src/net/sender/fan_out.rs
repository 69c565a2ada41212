//! The pass over the viewers of one stream: each new frame goes to all that wait for it, one after the
//! other.
//!
//! A viewer's task that waits for a frame lends its connection to the pass, and gets it back when there is
//! something else to do. To wake a task for each viewer and frame would cost as much as sending a short
//! frame.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::{JoinHandle, yield_now};

use crate::net::hub::{Changes, Hub};

/// So many viewers are served before other tasks get a turn, with the answers to pings.
const TURN: usize = 64;

/// A viewer that may wait for a frame.
pub(super) trait Waiting: Send + Sync {
    /// Sends what is new, if the viewer waits.
    fn offer(&self);
}

type Places = Mutex<Vec<Option<Arc<dyn Waiting>>>>;

/// The viewers of one stream, and the task that serves them.
pub(super) struct FanOut {
    /// A viewer keeps its index, so that none is left out while others come and go.
    places: Arc<Places>,
    pass: JoinHandle<()>,
}

/// One viewer's place in the pass. Dropping it gives the place up.
pub(super) struct PlaceGuard {
    fan_out: Arc<FanOut>,
    index: usize,
}

impl FanOut {
    /// Starts to serve viewers of `hub`, until it is dropped.
    pub fn new(hub: &Hub) -> Arc<Self> {
        let places = Arc::default();
        let pass = tokio::spawn(pass(hub.changes(), Arc::clone(&places)));
        Arc::new(Self { places, pass })
    }

    /// Takes a place in the pass.
    pub fn join(self: &Arc<Self>, viewer: Arc<dyn Waiting>) -> PlaceGuard {
        let mut places = self.places.lock();
        let free = places.iter().position(Option::is_none);
        let index = free.unwrap_or(places.len());
        match places.get_mut(index) {
            Some(place) => *place = Some(viewer),
            None => places.push(Some(viewer)),
        }
        PlaceGuard {
            fan_out: Arc::clone(self),
            index,
        }
    }
}

impl Drop for FanOut {
    fn drop(&mut self) {
        self.pass.abort();
    }
}

impl Drop for PlaceGuard {
    fn drop(&mut self) {
        if let Some(place) = self.fan_out.places.lock().get_mut(self.index) {
            *place = None;
        }
    }
}

impl fmt::Debug for FanOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanOut").finish_non_exhaustive()
    }
}

async fn pass(mut changes: Changes, places: Arc<Places>) {
    while changes.next().await {
        let mut served = 0;
        loop {
            let left = {
                let places = places.lock();
                let rest = places.get(served..).unwrap_or_default();
                rest.iter()
                    .take(TURN)
                    .flatten()
                    .for_each(|viewer| viewer.offer());
                rest.len().saturating_sub(TURN)
            };
            if left == 0 {
                break;
            }
            served += TURN;
            // Viewers may come and go meanwhile.
            yield_now().await;
        }
    }
}
