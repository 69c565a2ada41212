//! The rate of the link to an engine, while that link is full. The publisher measures it, and the
//! sender's encoder follows it as it follows a viewer's link.
//!
//! It belongs to no single command: `vidchat publish` measures, a receiver reports it to its sender,
//! and a sender in the same process reads it straight.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::net::BitRate;

/// The rate of one engine's link.
#[derive(Debug)]
pub struct EngineLink {
    began: Instant,
    carries: Mutex<Option<BitRate>>,
}

impl Default for EngineLink {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            carries: Mutex::default(),
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

    /// Sets what [`Self::carries`] gives.
    pub fn set(&self, carries: Option<BitRate>) {
        *self.carries.lock() = carries;
    }
}
