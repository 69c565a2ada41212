//! How long a command tries its first connection again, where that is closed at once and before anything
//! was said. A side with a key or code does so while it lets nobody from here try, which is over by itself.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::info;

use super::address::Target;
use super::backoff::Backoff;
use super::secure::{LONGEST_PAUSE, Unsafe};

/// For so long a connection that is closed at once is made again: until the longest pause is over.
const LIMIT: Duration = LONGEST_PAUSE.saturating_add(Duration::from_secs(3));

/// The tries of the first connection to a peer.
pub struct Pauses<'a> {
    target: &'a Target,
    begun: Instant,
    backoff: Backoff,
    is_told: bool,
}

impl<'a> Pauses<'a> {
    /// The first try begins now.
    pub fn new(target: &'a Target) -> Self {
        Self {
            target,
            begun: Instant::now(),
            backoff: Backoff::after_failure(),
            is_told: false,
        }
    }

    /// Whether another try is worth it after one that failed. It waits until that may begin. `refusal` is
    /// the part of the error about the key or code. Such a try costs no guess at a code, as the side that
    /// closed the connection at once has heard no proof of it.
    pub async fn try_again(&mut self, refusal: Option<&Unsafe>) -> bool {
        let Some(refusal @ Unsafe::AtOnce) = refusal else {
            return false;
        };
        if self.begun.elapsed() > LIMIT {
            return false;
        }
        if !self.is_told {
            let (target, limit) = (self.target, LIMIT.as_secs());
            info!("connecting to {target}: {refusal}; trying again for up to {limit} s");
            self.is_told = true;
        }
        sleep(self.backoff.pause()).await;
        true
    }
}
