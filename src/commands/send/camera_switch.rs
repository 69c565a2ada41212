//! Whether the camera of a call is on, and the place where its frames leave media.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::sync::watch;

use crate::frame::Frame;
use crate::media::FrameSink;
use crate::net::Hub;
use crate::wire::{Caps, Loss};

/// Whether the camera is to be on. A sender that has one goes on without a source.
#[derive(Clone, Debug)]
pub struct CameraSwitch(watch::Receiver<bool>);

impl CameraSwitch {
    /// A switch, and what turns it.
    pub fn new(is_on: bool) -> (watch::Sender<bool>, Self) {
        let (turn, turned) = watch::channel(is_on);
        (turn, Self(turned))
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is turned. Returns whether it is on then.
    pub async fn turned(&mut self) -> bool {
        match self.0.changed().await {
            Ok(()) => *self.0.borrow_and_update(),
            Err(_) => std::future::pending().await,
        }
    }
}

/// Passes frames on to a hub. While it is shut, the frames of a camera that has yet to close get no
/// further, and nothing that the camera says.
pub(super) struct Outlet {
    hub: Arc<Hub>,
    is_shut: AtomicBool,
}

impl Outlet {
    /// Passes on to `hub`.
    pub fn new(hub: &Arc<Hub>) -> Self {
        Self {
            hub: Arc::clone(hub),
            is_shut: AtomicBool::new(false),
        }
    }

    /// Passes nothing on from here on. The viewers are told why.
    pub fn shut(&self, reason: &str) {
        self.is_shut.store(true, Relaxed);
        self.hub.lose(Loss::off(reason));
    }

    /// Passes everything on again.
    pub fn open(&self) {
        self.is_shut.store(false, Relaxed);
    }

    fn hub(&self) -> Option<&dyn FrameSink> {
        let hub: &dyn FrameSink = &*self.hub;
        (!self.is_shut.load(Relaxed)).then_some(hub)
    }
}

impl FrameSink for Outlet {
    fn announce(&self, caps: Caps) {
        if let Some(hub) = self.hub() {
            hub.announce(caps);
        }
    }

    fn publish(&self, frame: Frame) {
        if let Some(hub) = self.hub() {
            hub.publish(frame);
        }
    }

    fn clear(&self) {
        if let Some(hub) = self.hub() {
            hub.clear();
        }
    }

    fn lose(&self, reason: &str) {
        if let Some(hub) = self.hub() {
            hub.lose(reason);
        }
    }
}

impl FrameSink for Hub {
    fn announce(&self, caps: Caps) {
        Hub::announce(self, caps);
    }

    fn publish(&self, frame: Frame) {
        Hub::publish(self, frame);
    }

    fn clear(&self) {
        Hub::clear(self);
    }

    fn lose(&self, reason: &str) {
        Hub::lose(self, Loss::new(reason));
    }
}
