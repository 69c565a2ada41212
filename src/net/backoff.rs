//! The pauses between two tries to connect.
//!
//! They are short: a peer that is back should be noticed at once, and a try costs little. They vary
//! a little at random: many viewers lose one sender in the same moment, and must not all come back
//! in the same moment.

use std::time::Duration;

/// The pause after a connection was lost.
const FIRST: Duration = Duration::from_millis(100);
/// The longest pause while nobody answers.
const LONGEST: Duration = Duration::from_millis(600);
/// The pause where a peer answers and refuses, perhaps because all seats are taken.
const REFUSED: Duration = Duration::from_secs(3);
/// How long to wait for an address when connecting again. A lost packet is sent again after a
/// second. After that a new try is faster.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// The pauses of one series of tries.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    next: Duration,
}

impl Backoff {
    /// A working connection was lost.
    pub fn after_loss() -> Self {
        Self { next: FIRST }
    }

    /// The last connection was of no use.
    pub fn after_failure() -> Self {
        Self { next: LONGEST }
    }

    /// The peer said goodbye at once.
    pub fn after_refusal() -> Self {
        Self { next: REFUSED }
    }

    /// How long to wait before the next try.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        pause.mul_f64(0.75 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lies_around(pause: Duration, about: Duration) -> bool {
        pause >= about.mul_f64(0.75) && pause <= about.mul_f64(1.25)
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_a_refusal_has_its_own() {
        let mut backoff = Backoff::after_loss();
        for milliseconds in [100, 200, 400, 600, 600] {
            let pause = backoff.pause();
            assert!(
                lies_around(pause, Duration::from_millis(milliseconds)),
                "{pause:?} instead of {milliseconds} ms"
            );
        }
        let mut backoff = Backoff::after_refusal();
        assert!(lies_around(backoff.pause(), REFUSED));
        assert!(lies_around(backoff.pause(), LONGEST));
    }
}
