//! How long a command tries its first connection again, where that is closed before anything was said. A
//! side with a key or code does so while it lets nobody from here try, which is over by itself.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::info;

use super::address::Target;
use super::backoff::Backoff;
use super::secure::Unsafe;

/// A side that has heard a key or code which it does not know closes the connection after
/// [`super::secure::HANDSHAKE_LIMIT`]. One that lets nobody try closes it at once.
const AT_ONCE: Duration = Duration::from_millis(1500);
/// For so long a connection that is closed at once is made again.
const LIMIT: Duration = Duration::from_secs(10);

/// The tries of the first connection to a peer.
pub(super) struct Pauses<'a> {
    target: &'a Target,
    begun: Instant,
    /// When the last try began.
    tried: Instant,
    backoff: Backoff,
    is_told: bool,
}

impl<'a> Pauses<'a> {
    /// The first try begins now.
    pub fn new(target: &'a Target) -> Self {
        let now = Instant::now();
        Self {
            target,
            begun: now,
            tried: now,
            backoff: Backoff::after_failure(),
            is_told: false,
        }
    }

    /// Whether another try is worth it after one that failed. It waits until that may begin. `refusal` is
    /// the part of the error about the key or code.
    pub async fn try_again(&mut self, refusal: Option<&Unsafe>) -> bool {
        let Some(Unsafe::Handshake(error)) = refusal else {
            return false;
        };
        let is_late = self.tried.elapsed() > AT_ONCE || self.begun.elapsed() > LIMIT;
        if !error.is_silence() || is_late {
            return false;
        }
        if !self.is_told {
            let (target, limit) = (self.target, LIMIT.as_secs());
            info!("connecting to {target}: {error}; trying again for {limit} s");
            self.is_told = true;
        }
        sleep(self.backoff.pause()).await;
        self.tried = Instant::now();
        true
    }
}
