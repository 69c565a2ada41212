//! Limits on the control messages of one viewer: their number, their bytes, and the key frames that
//! they ask for. The caller passes the time.

use std::time::{Duration, Instant};

use super::disconnect::DisconnectReason;
use crate::wire::CONTROL_LIMIT;

/// More control messages than this in a second end the connection.
const CONTROLS: u32 = 500;
/// More bytes of control messages than this in a second end the connection too. The longest message
/// may come four times.
const BYTES: usize = 4 * CONTROL_LIMIT as usize;
const SECOND: Duration = Duration::from_secs(1);
/// At most one request of each viewer for a key frame counts in this time. A viewer whose request
/// was ignored asks again.
const KEY_INTERVAL: Duration = Duration::from_secs(1);

/// The messages of one viewer in the current second.
#[derive(Debug)]
pub(super) struct ControlLimits {
    since: Instant,
    count: u32,
    bytes: usize,
    /// When a request for a key frame last counted.
    key_at: Option<Instant>,
}

impl ControlLimits {
    /// The limits of a viewer from `now` on.
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            count: 0,
            bytes: 0,
            key_at: None,
        }
    }

    /// Notes a message of `length` bytes, before it is read.
    ///
    /// # Errors
    /// It is too much for one second.
    pub fn note(&mut self, now: Instant, length: usize) -> Result<(), DisconnectReason> {
        if now.saturating_duration_since(self.since) >= SECOND {
            (self.since, self.count, self.bytes) = (now, 0, 0);
        }
        (self.count, self.bytes) = (self.count + 1, self.bytes + length);
        if self.count > CONTROLS {
            return Err(DisconnectReason::Flood(CONTROLS));
        }
        if self.bytes > BYTES {
            return Err(DisconnectReason::FloodBytes(BYTES));
        }
        Ok(())
    }

    /// Whether a request for a key frame counts.
    pub fn grants_key(&mut self, now: Instant) -> bool {
        let granted = self
            .key_at
            .is_none_or(|at| now.saturating_duration_since(at) >= KEY_INTERVAL);
        if granted {
            self.key_at = Some(now);
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_bytes_are_limited_in_each_second() {
        let now = Instant::now();
        let mut limits = ControlLimits::new(now);
        for second in 0..3 {
            let now = now + second * SECOND;
            assert!((0..CONTROLS).all(|_| limits.note(now, 1).is_ok()));
        }
        let flood = limits.note(now + 2 * SECOND, 1);
        assert!(matches!(flood, Err(DisconnectReason::Flood(CONTROLS))));
        let later = now + 4 * SECOND;
        assert!(limits.note(later, BYTES).is_ok());
        let flood = limits.note(later, 1);
        assert!(matches!(flood, Err(DisconnectReason::FloodBytes(BYTES))));
    }

    #[test]
    fn one_request_for_a_key_frame_counts_in_a_second() {
        let now = Instant::now();
        let mut limits = ControlLimits::new(now);
        assert!(limits.grants_key(now));
        assert!(!limits.grants_key(now + SECOND / 2));
        assert!(limits.grants_key(now + SECOND));
    }
}
