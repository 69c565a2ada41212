//! The memory of frames that slow viewers hold. A viewer that takes no bytes in the middle of a
//! frame keeps that frame in memory, and each such viewer may keep a different one. There is one
//! budget for all of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use super::viewer_link::{Removal, ViewerLink};
use crate::frame::Frame;

/// Bytes of frames that slow viewers may hold together, apart from the newest frame.
const BUDGET: usize = 256 << 20;

/// The frames that slow viewers of one sender hold.
#[derive(Debug)]
pub(super) struct PinnedFrames {
    budget: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The frames by the order in which they were pinned.
    pins: BTreeMap<u64, (Frame, Arc<ViewerLink>)>,
    next: u64,
    /// How many pins there are of each frame, by the address of its bytes.
    pin_counts: HashMap<usize, usize>,
    /// Bytes of all these frames, each counted once.
    bytes: usize,
}

/// One viewer's hold on a frame.
#[derive(Debug)]
pub(super) struct Pin<'a> {
    frames: &'a PinnedFrames,
    number: u64,
}

impl Default for PinnedFrames {
    fn default() -> Self {
        Self::with_budget(BUDGET)
    }
}

impl PinnedFrames {
    fn with_budget(budget: usize) -> Self {
        Self {
            budget,
            state: Mutex::default(),
        }
    }

    /// Notes that a viewer holds `frame`. Where all frames together are beyond the budget, the
    /// viewers that have held theirs for the longest time are removed.
    pub fn pin(&self, frame: &Frame, link: &Arc<ViewerLink>) -> Pin<'_> {
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        state.add(number, frame, link);
        while state.bytes > self.budget && state.pins.len() > 1 {
            let Some(oldest) = state.pins.keys().next().copied() else {
                break;
            };
            if let Some(link) = state.take(oldest) {
                link.remove(Removal::Memory);
            }
        }
        Pin {
            frames: self,
            number,
        }
    }
}

impl State {
    fn add(&mut self, number: u64, frame: &Frame, link: &Arc<ViewerLink>) {
        let count = self.pin_counts.entry(address(frame)).or_default();
        *count += 1;
        if *count == 1 {
            self.bytes += frame.data.len();
        }
        self.pins.insert(number, (frame.clone(), Arc::clone(link)));
    }

    fn take(&mut self, number: u64) -> Option<Arc<ViewerLink>> {
        let (frame, link) = self.pins.remove(&number)?;
        if let Some(count) = self.pin_counts.get_mut(&address(&frame)) {
            *count -= 1;
            if *count == 0 {
                self.pin_counts.remove(&address(&frame));
                self.bytes -= frame.data.len();
            }
        }
        Some(link)
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        self.frames.state.lock().take(self.number);
    }
}

/// Identifies a frame: its clones share its bytes, and so their address.
fn address(frame: &Frame) -> usize {
    frame.data.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::frame::FrameHeader;

    fn frame(bytes: usize) -> Frame {
        Frame {
            header: FrameHeader::default(),
            data: Bytes::from(vec![0; bytes]),
        }
    }

    fn viewer() -> Arc<ViewerLink> {
        let peer = "192.0.2.1:9".parse().expect("it is an address");
        Arc::new(ViewerLink::new(peer, String::new(), true))
    }

    #[test]
    fn the_viewer_that_has_held_its_frame_for_the_longest_time_is_removed() {
        let frames = PinnedFrames::with_budget(100);
        let links = [viewer(), viewer(), viewer()];
        let removed =
            |links: &[Arc<ViewerLink>; 3]| links.each_ref().map(|link| link.removal().is_some());
        let one = frame(60);
        let first = frames.pin(&one, &links[0]);
        let same = frames.pin(&one, &links[1]);
        assert_eq!(removed(&links), [false; 3], "they share one frame");
        drop(first);
        let other = frames.pin(&frame(60), &links[2]);
        assert_eq!(removed(&links), [false, true, false]);
        drop((same, other));
        let state = frames.state.lock();
        assert_eq!((state.bytes, state.pin_counts.len()), (0, 0));
    }

    #[test]
    fn a_frame_that_is_larger_than_the_budget_alone_removes_nobody() {
        let frames = PinnedFrames::with_budget(100);
        let link = viewer();
        let _pin = frames.pin(&frame(200), &link);
        assert!(link.removal().is_none());
    }
}
