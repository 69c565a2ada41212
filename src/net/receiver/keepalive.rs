//! Keep-alive of a viewer: its pings, reports and requests for key frames, and the time-out of a
//! sender that is silent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::control_writer::ControlWriter;
use super::error::ReceiveError;
use super::stats::StreamStats;
use crate::clock::MonoNanos;
use crate::net::idle_timeout;
use crate::wire::Control;

/// How often a viewer pings. A sender drops a viewer that is silent for long.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// The pauses after the first pings.
const FIRST_PINGS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];
/// A sender that sent nothing for this long although it was pinged is dead. Each ping checks this,
/// so a dead sender is noticed within three seconds.
const SILENCE_LIMIT: Duration = Duration::from_secs(2);

/// The task that sends a viewer's control messages.
pub(super) struct Keepalive {
    pub writer: ControlWriter,
    pub activity: Arc<PeerActivity>,
    /// Whether the sender has said hello, so that it understands control messages.
    pub native: AtomicBool,
}

impl Keepalive {
    /// Pings, reports and asks for key frames until the sender is dead. Returns that error.
    pub async fn run(&self, stats: &StreamStats) -> ReceiveError {
        let activity = &self.activity;
        while !self.native.load(Relaxed) {
            activity.greeted.notified().await;
        }
        let mut reported = stats.last_second().number;
        // The first pings follow each other quickly: the shortest of the round trips counts.
        let mut pauses = FIRST_PINGS.into_iter();
        let mut ping_at = Instant::now() + FIRST_PINGS[0];
        loop {
            tokio::select! {
                () = stats.key_wanted() => self.writer.say(&Control::Key),
                () = sleep_until(ping_at) => {
                    let silent = activity.silence() > SILENCE_LIMIT && !idle_timeout::has_paused(ping_at);
                    // A sender need not answer pings: it may be older, or written by somebody else.
                    if silent && activity.answers.load(Relaxed) {
                        return ReceiveError::TimedOut(SILENCE_LIMIT);
                    }
                    self.writer.say(&Control::Ping { sent: MonoNanos::now().0 });
                    ping_at = Instant::now() + pauses.next().unwrap_or(PING_INTERVAL);
                    let second = stats.last_second();
                    if second.number != reported {
                        reported = second.number;
                        self.writer.say(&Control::Report(second.report()));
                    }
                }
            }
        }
    }
}

/// The time when bytes last came over a connection.
#[derive(Debug)]
pub(in crate::net) struct PeerActivity {
    began: Instant,
    /// When bytes last came, in milliseconds since `began`.
    heard: AtomicU64,
    pub greeted: Notify,
    /// Whether the sender has answered a ping.
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

/// A stream that notes when bytes come.
#[derive(Debug)]
pub(in crate::net) struct ActivityReader<R> {
    pub stream: R,
    pub activity: Arc<PeerActivity>,
}

impl<R: AsyncRead + Unpin> AsyncRead for ActivityReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = room.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, room);
        if room.filled().len() > before {
            self.activity.note();
        }
        polled
    }
}
