//! Idle time-outs that leave out the time in which this machine was suspended. It receives nothing
//! then, which is not the fault of the peers.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// A silence is counted in this many parts. A pause of this machine counts as at most one of them.
const PARTS: u32 = 6;

/// A timer that is later than this was delayed by a pause of this machine.
const LATE: Duration = Duration::from_millis(500);

/// The output of `heard`; `None` where that takes longer than `limit`.
pub(super) async fn within<T>(limit: Duration, heard: impl Future<Output = T>) -> Option<T> {
    let mut heard = pin!(heard);
    for _ in 0..PARTS {
        if let Ok(heard) = timeout(limit / PARTS, &mut heard).await {
            return Some(heard);
        }
    }
    None
}

/// Whether this machine has paused: the timer that was due at `due` has fired just now.
pub(super) fn has_paused(due: Instant) -> bool {
    Instant::now().saturating_duration_since(due) > LATE
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{advance, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn a_silence_has_its_limit() {
        let begun = Instant::now();
        assert_eq!(within(LIMIT, pending::<()>()).await, None);
        let took = begun.elapsed();
        assert!(took >= LIMIT && took < LIMIT.mul_f64(1.1), "{took:?}");
        let word = async {
            sleep(LIMIT.mul_f64(0.9)).await;
            "word"
        };
        assert_eq!(within(LIMIT, word).await, Some("word"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_of_this_machine_is_nobodys_silence() {
        let pause = async {
            tokio::task::yield_now().await;
            advance(LIMIT * 2).await;
            // Anything that the peer says during or right after the pause comes after the timers
            // have fired.
            sleep(LIMIT / 2).await;
            "word"
        };
        assert_eq!(within(LIMIT, pause).await, Some("word"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_late_tells_of_a_pause() {
        let due = Instant::now() + LIMIT;
        advance(LIMIT + LATE / 2).await;
        assert!(!has_paused(due));
        advance(LATE).await;
        assert!(has_paused(due));
    }
}
