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

/// The memory of a viewer is asked for from so many viewers before its turn on, one pointer further at each.
const AHEAD: usize = 3;

/// A viewer that may wait for a frame.
pub(super) trait Waiting: Send + Sync {
    /// Sends what is new, if the viewer waits.
    fn offer(&self);

    /// Asks the processor for the memory that the offer will need, so many pointers away from this value.
    /// The memory that is nearer was asked for before.
    fn prefetch(&self, pointers: usize);
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

/// Offers the frame to the first [`TURN`] of these viewers.
fn serve(places: &[Option<Arc<dyn Waiting>>]) {
    for (index, viewer) in places.iter().enumerate().take(TURN) {
        // The memory of a viewer comes while those before it are served. A pointer has to be there before it
        // can be followed.
        for pointers in 0..AHEAD {
            if let Some(Some(viewer)) = places.get(index + AHEAD - pointers) {
                viewer.prefetch(pointers);
            }
        }
        if let Some(viewer) = viewer {
            viewer.offer();
        }
    }
}

async fn pass(mut changes: Changes, places: Arc<Places>) {
    while changes.next().await {
        let mut served = 0;
        loop {
            let left = {
                let places = places.lock();
                let rest = places.get(served..).unwrap_or_default();
                serve(rest);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, FrameHeader};

    /// The requests to a viewer, in their order.
    #[derive(Default)]
    struct Viewer(Mutex<Vec<Asked>>);

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Asked {
        Prefetch(usize),
        Offer,
    }

    impl Waiting for Viewer {
        fn offer(&self) {
            self.0.lock().push(Asked::Offer);
        }

        fn prefetch(&self, pointers: usize) {
            self.0.lock().push(Asked::Prefetch(pointers));
        }
    }

    /// Also past the end of a turn, beside places that were given up, and in a place that is taken again.
    #[tokio::test]
    async fn each_frame_is_offered_once_to_each_viewer() {
        let hub = Hub::new();
        let fan_out = FanOut::new(&hub);
        let mut places: Vec<_> = (0..2 * TURN + 3)
            .map(|_| {
                let viewer = Arc::new(Viewer::default());
                (fan_out.join(Arc::clone(&viewer) as _), viewer)
            })
            .collect();
        for index in [TURN + 2, TURN, AHEAD] {
            drop(places.remove(index));
        }
        let late = Arc::new(Viewer::default());
        places.push((fan_out.join(Arc::clone(&late) as _), late));
        let frames = 3;
        for _ in 0..frames {
            hub.publish(Frame {
                header: FrameHeader::default(),
                data: "frame".into(),
            });
            // A yield for each turn of the pass, and more.
            for _ in 0..10 {
                yield_now().await;
            }
        }
        let each_frame = [0, 1, 2].map(Asked::Prefetch).into_iter();
        let each_frame: Vec<_> = each_frame.chain([Asked::Offer]).collect();
        for (index, (_, viewer)) in places.iter().enumerate() {
            let asked = viewer.0.lock();
            if index < AHEAD {
                let offers = asked.iter().filter(|asked| **asked == Asked::Offer);
                assert_eq!(offers.count(), frames, "viewer {index}");
            } else {
                assert_eq!(*asked, each_frame.repeat(frames), "viewer {index}");
            }
        }
    }
}
