//! The common state of a sender: its streams, its viewers, and its end.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use parking_lot::Mutex;

use super::audience::Audience;
use super::directory::Directory;
use super::options::ServerOptions;
use super::pinned_frames::PinnedFrames;
use super::viewers::Viewers;
use crate::net::arrivals::Arrivals;
use crate::net::hub::Hub;
use crate::net::log_throttle::{LogLimit, More};
use crate::net::secure::HandshakeLimits;
use crate::net::stranger_log::StrangerLog;
use crate::wire::Bye;

/// The common state of all connections of one sender.
#[derive(Debug)]
pub struct Service {
    directory: Directory,
    viewers: Arc<Viewers>,
    arrivals: Arc<Arrivals>,
    handshakes: HandshakeLimits,
    pinned: PinnedFrames,
    /// The audience of each stream that has viewers, by the address of its hub.
    audiences: Mutex<HashMap<usize, Weak<Audience>>>,
    options: ServerOptions,
    ending: OnceLock<Bye>,
    /// Peers that left before they watched.
    strangers: StrangerLog,
    /// The log's lines of each kind on viewers.
    lines: [Mutex<LogLimit>; 2],
}

/// A kind of line in the log that viewers can cause.
#[derive(Clone, Copy, Debug)]
pub(super) enum Line {
    Joined,
    Left,
}

impl Service {
    /// A sender of one stream.
    pub fn new(hub: Arc<Hub>, options: ServerOptions) -> Arc<Self> {
        Self::with_directory(Directory::new(hub), options)
    }

    /// A sender of several streams.
    pub fn with_directory(directory: Directory, options: ServerOptions) -> Arc<Self> {
        Arc::new(Self {
            directory,
            viewers: Arc::default(),
            arrivals: Arc::default(),
            handshakes: HandshakeLimits::default(),
            pinned: PinnedFrames::default(),
            audiences: Mutex::default(),
            options,
            ending: OnceLock::new(),
            strangers: StrangerLog::default(),
            lines: Default::default(),
        })
    }

    /// The streams.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The viewers of all streams.
    pub fn viewers(&self) -> &Arc<Viewers> {
        &self.viewers
    }

    /// The connections that do not watch yet.
    pub(in crate::net) fn arrivals(&self) -> &Arc<Arrivals> {
        &self.arrivals
    }

    /// The connections that have not proved the key or code yet.
    pub(in crate::net) fn handshakes(&self) -> &HandshakeLimits {
        &self.handshakes
    }

    /// The frames that slow viewers hold.
    pub(super) fn pinned(&self) -> &PinnedFrames {
        &self.pinned
    }

    /// The audience of a stream.
    pub(super) fn audience(&self, hub: &Arc<Hub>) -> Arc<Audience> {
        let mut all = self.audiences.lock();
        let known = all.entry(Arc::as_ptr(hub).addr()).or_default();
        if let Some(audience) = known.upgrade() {
            return audience;
        }
        let audience = Arc::new(Audience::new(hub));
        *known = Arc::downgrade(&audience);
        all.retain(|_, audience| audience.strong_count() > 0);
        audience
    }

    /// Whether a line of this kind is to be logged now, and how many were left out before it.
    pub(super) fn log(&self, line: Line) -> Option<More> {
        self.lines[line as usize].lock().note(Instant::now())
    }

    /// How viewers are served.
    pub fn options(&self) -> &ServerOptions {
        &self.options
    }

    /// The log of peers that left before they watched.
    pub(super) fn strangers(&self) -> &StrangerLog {
        &self.strangers
    }

    /// Ends every stream for everybody. Only the first call counts.
    pub fn end(&self, bye: Bye) {
        let reason = &self.ending.get_or_init(|| bye).reason;
        for hub in self.directory.hubs() {
            hub.end(reason);
        }
        if let Some(bgr) = &self.options.tutorial {
            bgr.end(reason);
        }
    }

    /// Whether the sender has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ending.get().is_some()
    }

    /// The goodbye to a viewer of `hub`, whose stream has ended for `reason`.
    pub(super) fn bye(&self, hub: &Hub, reason: &str) -> Bye {
        let bye = self.ending.get().filter(|bye| bye.reason == reason);
        let mut bye = bye.cloned().unwrap_or_else(|| reason.to_owned().into());
        bye.done |= hub.is_done();
        bye
    }
}
