//! The facts that both ends of the way to an engine tell each other. The publisher measures the rate of the
//! engine's link while that is full, and the sender's encoder follows it as it follows a viewer's link.
//! The receiver knows the sender's clock, and the publisher tells it with each frame.
//!
//! It belongs to no single command: `vidchat publish` measures, a receiver reports it to its sender,
//! and a sender in the same process reads it straight.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::clock::ClockDifference;
use crate::net::BitRate;

/// The link of one engine, and the clock of the sender whose frames it gets.
#[derive(Debug)]
pub struct EngineLink {
    began: Instant,
    carries: Mutex<Option<BitRate>>,
    clock: Mutex<ClockDifference>,
}

impl Default for EngineLink {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            carries: Mutex::default(),
            clock: Mutex::default(),
        }
    }
}

impl EngineLink {
    /// How long it has been measured.
    pub fn measured_for(&self) -> Duration {
        self.began.elapsed()
    }

    /// The rate that it carries; `None` while it takes everything.
    pub fn carries(&self) -> Option<BitRate> {
        *self.carries.lock()
    }

    /// How the clock of the machine with the camera differs from this machine's. There is no difference
    /// until it is set.
    pub fn clock(&self) -> ClockDifference {
        *self.clock.lock()
    }

    /// Sets what [`Self::clock`] gives.
    pub fn set_clock(&self, clock: ClockDifference) {
        *self.clock.lock() = clock;
    }

    /// Sets what [`Self::carries`] gives.
    pub fn set(&self, carries: Option<BitRate>) {
        *self.carries.lock() = carries;
    }
}
