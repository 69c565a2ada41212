//! What a viewer says beside watching, and whether the sender that it says it to is alive.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::wire::Control;

use super::ReceiveError;
use super::control_writer::ControlWriter;
use super::stats::{StreamStats, now};
use crate::net::idle_timeout;

/// How often a viewer pings. Its sender takes one that says nothing for long for dead.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// The pauses after the first pings.
const FIRST_PINGS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];
/// A sender from which nothing came for so long, though it was pinged, is dead. It is looked at
/// with each ping, so that three seconds are kept.
const SILENCE_LIMIT: Duration = Duration::from_secs(2);

/// What a viewer says beside watching.
pub(super) struct Keepalive {
    pub uplink: ControlWriter,
    /// The sender has introduced itself, so it understands what is said.
    pub native: AtomicBool,
}

impl Keepalive {
    /// Pings, reports and asks for key frames until the sender is dead, which is what it returns.
    pub async fn on(&self, meter: &StreamStats, life: &PeerActivity) -> ReceiveError {
        while !self.native.load(Relaxed) {
            life.greeted.notified().await;
        }
        let mut reported = meter.last_second().number;
        // The first few in quick succession: the shortest of the round trips counts.
        let mut pauses = FIRST_PINGS.into_iter();
        let mut ping_at = Instant::now() + FIRST_PINGS[0];
        loop {
            tokio::select! {
                () = meter.key_wanted() => self.uplink.say(&Control::Key),
                () = sleep_until(ping_at) => {
                    let silent = life.silence() > SILENCE_LIMIT && !idle_timeout::has_paused(ping_at);
                    // An older sender, or one that a person wrote, need not answer.
                    if silent && life.answers.load(Relaxed) {
                        return ReceiveError::Dead(SILENCE_LIMIT);
                    }
                    self.uplink.say(&Control::Ping { sent: now() });
                    ping_at = Instant::now() + pauses.next().unwrap_or(PING_INTERVAL);
                    let second = meter.last_second();
                    if second.number != reported {
                        reported = second.number;
                        self.uplink.say(&Control::Report(second.report()));
                    }
                }
            }
        }
    }
}

/// When something last came over the connection.
pub(super) struct PeerActivity {
    began: Instant,
    /// Milliseconds from then on.
    heard: AtomicU64,
    pub greeted: Notify,
    /// The sender has answered a ping.
    pub answers: AtomicBool,
}

impl Default for PeerActivity {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            heard: AtomicU64::new(0),
            greeted: Notify::new(),
            answers: AtomicBool::new(false),
        }
    }
}

impl PeerActivity {
    fn note(&self) {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(passed, Relaxed);
    }

    fn silence(&self) -> Duration {
        let heard = Duration::from_millis(self.heard.load(Relaxed));
        self.began.elapsed().saturating_sub(heard)
    }
}

/// A stream that tells when something has come.
pub(super) struct ActivityReader<'a, R> {
    pub stream: R,
    pub life: &'a PeerActivity,
}

impl<R: AsyncRead + Unpin> AsyncRead for ActivityReader<'_, R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = room.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, room);
        if room.filled().len() > before {
            self.life.note();
        }
        polled
    }
}
