//! The state of an engine, and the numbers of a second. The engine's task and threads
//! of GStreamer write them, and the status line and the statistics read them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::clock::WallNanos;
use crate::frame::FrameHeader;
use crate::net::age_histogram::{AgeHistogram, AgeSummary};
use crate::wire::Caps;

/// The state of the connection to an engine.
#[derive(Clone, Debug)]
pub enum EngineState {
    /// It has not taken a frame yet.
    Connecting,
    /// It takes frames.
    Live,
    /// It takes none, for this reason, and is tried again.
    Lost(String, Instant),
}

/// The numbers of one engine.
#[derive(Debug)]
pub struct EngineMonitor {
    state: Mutex<EngineState>,
    caps: Mutex<Option<Arc<Caps>>>,
    /// Frames that the engine was given.
    frames: AtomicU64,
    /// Bytes of the pipelines that have ended, and of the present one.
    bytes: AtomicU64,
    /// Frames that were left out.
    skipped: AtomicU64,
    ages: Mutex<AgeHistogram>,
    before: Mutex<(Instant, [u64; 3])>,
}

/// One second of an engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineSecond {
    /// The true length of the second.
    pub span: Duration,
    /// Frames that the engine was given, their bytes with those of the container, and the frames
    /// that were left out.
    pub frames: u64,
    pub bytes: u64,
    pub skipped: u64,
    /// Ages of the frames when the engine was given them.
    pub age: Option<AgeSummary>,
}

impl Default for EngineMonitor {
    fn default() -> Self {
        Self {
            state: Mutex::new(EngineState::Connecting),
            caps: Mutex::default(),
            frames: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            ages: Mutex::default(),
            before: Mutex::new((Instant::now(), [0; 3])),
        }
    }
}

impl EngineMonitor {
    /// The state of the connection.
    pub fn state(&self) -> EngineState {
        self.state.lock().clone()
    }

    /// The caps of the frames that come, once they are known.
    pub fn caps(&self) -> Option<Arc<Caps>> {
        self.caps.lock().clone()
    }

    /// All frames that were left out.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Relaxed)
    }

    /// Ends one second and begins the next.
    pub fn close_second(&self) -> EngineSecond {
        let now = Instant::now();
        let totals = [&self.frames, &self.bytes, &self.skipped].map(|count| count.load(Relaxed));
        let (began, before) = std::mem::replace(&mut *self.before.lock(), (now, totals));
        let passed = |at: usize| totals[at].saturating_sub(before[at]);
        EngineSecond {
            span: now.saturating_duration_since(began),
            frames: passed(0),
            bytes: passed(1),
            skipped: passed(2),
            age: self.ages.lock().take(),
        }
    }

    pub(super) fn set_state(&self, state: EngineState) {
        *self.state.lock() = state;
    }

    pub(super) fn set_caps(&self, caps: Arc<Caps>) {
        *self.caps.lock() = Some(caps);
    }

    pub(super) fn set_counts(&self, bytes: u64, skipped: u64) {
        self.bytes.store(bytes, Relaxed);
        self.skipped.store(skipped, Relaxed);
    }

    /// A frame is at the engine.
    pub(super) fn reached(&self, header: &FrameHeader) {
        self.frames.fetch_add(1, Relaxed);
        if header.captured_at > 0 {
            let age = WallNanos::now().since(WallNanos(header.captured_at));
            self.ages.lock().note(age);
        }
    }
}
