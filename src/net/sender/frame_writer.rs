//! What one viewer is shown: the newest frame whenever its socket takes one, in its dialect.

use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use bytes::Buf;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::WriteHalf;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::warn;

use crate::frame::Frame;
use crate::wire::message::encode_frame_head;
use crate::wire::pickle::Envelope;
use crate::wire::{self, Control, Hello};

use super::disconnect::DisconnectReason;
use super::viewer_link::ViewerLink;
use crate::net::hub::{Subscription, Update};

/// How long a viewer may skip frames without a word in the log: it is opening its window.
const SETTLING: Duration = Duration::from_secs(1);

/// How long the last frame may wait for room before it is left out, and the end is told.
const LAST_ROOM: Duration = Duration::from_millis(200);

/// What is to be done next.
enum Next {
    Say(Control),
    FrameWriter(Update),
    /// The viewer acknowledges nothing any more.
    Stalled,
}

/// A message of which the first bytes have left.
struct PartialMessage<H> {
    head: H,
    frame: Frame,
    tail: &'static [u8],
    /// How many they are.
    started: usize,
}

/// What one viewer is shown.
pub(super) struct FrameWriter<'a> {
    link: &'a ViewerLink,
    subscription: Subscription,
    stall_limit: Duration,
    /// How many skipped frames the log has told of, and when.
    told: u64,
    told_at: Instant,
    begun: Instant,
}

impl<'a> FrameWriter<'a> {
    /// Nothing has been shown yet. A viewer that takes nothing for `stall_limit` is given up.
    pub fn new(link: &'a ViewerLink, subscription: Subscription, stall_limit: Duration) -> Self {
        Self {
            link,
            subscription,
            stall_limit,
            told: 0,
            told_at: Instant::now(),
            begun: Instant::now(),
        }
    }

    /// Introduces us, then sends caps and frames until the stream ends or the connection does.
    pub async fn native(&mut self, write: &mut WriteHalf<'_>, name: &str) -> DisconnectReason {
        let mut hello = Hello {
            vidchat: wire::VERSION,
            name: name.to_owned(),
            ..Hello::default()
        };
        // Caps that are known already travel in the hello; the subscription counts them as told.
        if let Some(caps) = self.subscription.known_caps() {
            hello.caps = Some(caps.to_string());
        }
        let mut control = Some(Control::Hello(hello));
        loop {
            let next = match control.take() {
                Some(control) => Next::Say(control),
                None => self.next().await,
            };
            let sent = match next {
                Next::Say(control) => self.send(write, &control.encode()[..]).await,
                Next::Stalled => return DisconnectReason::Stalled(self.stall_limit),
                Next::FrameWriter(update) => match update {
                    Update::Caps(caps) => {
                        control = Some(Control::Caps {
                            caps: caps.to_string(),
                        });
                        continue;
                    }
                    Update::Frame(frame) => self.send_frame(write, frame, native_head, b"").await,
                    Update::Lost(reason) => {
                        control = Some(Control::Lost {
                            reason: reason.to_string(),
                        });
                        continue;
                    }
                    Update::End(reason) => return DisconnectReason::Ended(reason),
                },
            };
            if let Err(left) = sent {
                return left;
            }
        }
    }

    /// What there is to send, when there is room for it on the viewer's path.
    async fn next(&mut self) -> Next {
        let (link, subscription, limit) = (self.link, &mut self.subscription, self.stall_limit);
        tokio::select! {
            // Between two frames nothing is in the way of an answer.
            biased;
            pong = link.pong() => Next::Say(pong),
            next = async {
                if !link.has_room_now() {
                    tokio::select! {
                        room = link.has_room(limit) => if !room {
                            return Next::Stalled;
                        },
                        reason = subscription.over(LAST_ROOM) => {
                            return Next::FrameWriter(Update::End(reason));
                        }
                    }
                }
                // Only now: what is taken earlier is older when it leaves.
                Next::FrameWriter(subscription.next().await)
            } => next,
        }
    }

    /// Sends each frame with nothing but its length.
    pub async fn bare(&mut self, write: &mut WriteHalf<'_>) -> DisconnectReason {
        loop {
            match self.subscription.next().await {
                Update::Caps(_) | Update::Lost(_) => {}
                Update::Frame(frame) => {
                    if let Err(left) = self.send_frame(write, frame, bare_head, b"").await {
                        return left;
                    }
                }
                Update::End(reason) => return DisconnectReason::Ended(reason),
            }
        }
    }

    /// Sends each frame as the tutorial's server does, until the viewer says hello. They have to be
    /// BGR without gaps. Of a message that has begun the rest is sent before that is heard, as
    /// nobody could tell where the next begins.
    pub async fn pickles(
        &mut self,
        write: &mut WriteHalf<'_>,
        mut said: oneshot::Receiver<Hello>,
    ) -> Result<Hello, DisconnectReason> {
        let mut envelope = Envelope::new(0, 0);
        loop {
            let update = tokio::select! {
                biased;
                Ok(hello) = &mut said => return Ok(hello),
                update = self.subscription.next() => update,
            };
            match update {
                Update::Caps(caps) => {
                    let (width, height) = caps.size().unwrap_or_default();
                    envelope = Envelope::new(width.unsigned_abs(), height.unsigned_abs());
                }
                Update::Frame(frame) => {
                    let head = |_: &Frame| envelope.head.as_slice();
                    let begun = tokio::select! {
                        biased;
                        Ok(hello) = &mut said => return Ok(hello),
                        begun = self.begin(write, frame, head, envelope.tail) => begun?,
                    };
                    self.complete(write, begun).await?;
                }
                Update::Lost(_) => {}
                Update::End(reason) => return Err(DisconnectReason::Ended(reason)),
            }
        }
    }

    /// Sends one frame between what its dialect has before and after it.
    async fn send_frame<H: AsRef<[u8]>>(
        &mut self,
        write: &mut WriteHalf<'_>,
        frame: Frame,
        head: impl Fn(&Frame) -> H,
        tail: &'static [u8],
    ) -> Result<(), DisconnectReason> {
        let begun = self.begin(write, frame, head, tail).await?;
        self.complete(write, begun).await
    }

    /// Waits until the socket takes the first byte of a frame; until then a newer frame takes its
    /// place. Nothing has been sent where the wait is given up.
    async fn begin<H: AsRef<[u8]>>(
        &mut self,
        write: &mut WriteHalf<'_>,
        mut frame: Frame,
        head: impl Fn(&Frame) -> H,
        tail: &'static [u8],
    ) -> Result<PartialMessage<H>, DisconnectReason> {
        let (head, started) = loop {
            frame.header.ack = self.link.wants_ack();
            let head = head(&frame);
            let parts = [head.as_ref(), &frame.data[..], tail].map(IoSlice::new);
            // An empty part would cost a little in every call.
            let parts = &parts[..if tail.is_empty() { 2 } else { 3 }];
            match write.try_write_vectored(parts) {
                Ok(count) => break (head, count),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(DisconnectReason::Lost(e)),
            }
            match timeout(self.stall_limit, write.writable()).await {
                Ok(Ok(())) => frame = self.subscription.refresh(frame),
                Ok(Err(e)) => return Err(DisconnectReason::Lost(e)),
                Err(_) => return Err(DisconnectReason::Stalled(self.stall_limit)),
            }
        };
        self.link.leaves(&frame, self.subscription.skipped());
        Ok(PartialMessage {
            head,
            frame,
            tail,
            started,
        })
    }

    /// Sends the rest of a frame.
    async fn complete<H: AsRef<[u8]>>(
        &mut self,
        write: &mut WriteHalf<'_>,
        begun: PartialMessage<H>,
    ) -> Result<(), DisconnectReason> {
        let PartialMessage {
            head,
            frame,
            tail,
            started,
        } = begun;
        let mut rest = head.as_ref().chain(frame.data).chain(tail);
        if started < rest.remaining() {
            rest.advance(started);
            self.send(write, rest).await?;
        }
        self.report_skips();
        Ok(())
    }

    /// Sends all of `bytes`, within the time that a viewer may take for a message.
    async fn send(
        &mut self,
        write: &mut WriteHalf<'_>,
        mut bytes: impl Buf,
    ) -> Result<(), DisconnectReason> {
        match timeout(self.stall_limit, write.write_all_buf(&mut bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(DisconnectReason::Lost(e)),
            Err(_) => Err(DisconnectReason::Stalled(self.stall_limit)),
        }
    }

    /// Says once a second, at the most, that this viewer does not keep up.
    fn report_skips(&mut self) {
        if self.begun.elapsed() < SETTLING {
            self.told = self.subscription.skipped();
        }
        let missed = self.subscription.skipped() - self.told;
        if missed == 0 || self.told_at.elapsed() < Duration::from_secs(1) {
            return;
        }
        let seconds = self.told_at.elapsed().as_secs().max(1);
        let since = if seconds > 2 {
            "since it last kept up"
        } else {
            "in the last second"
        };
        warn!(
            "viewer {}: too slow, skipped {missed} frame{} {since}",
            self.link.peer,
            if missed == 1 { "" } else { "s" }
        );
        self.told += missed;
        self.told_at = Instant::now();
    }
}

fn native_head(frame: &Frame) -> [u8; wire::message::HEAD_BYTES] {
    encode_frame_head(&frame.header, frame.data.len())
}

fn bare_head(frame: &Frame) -> [u8; wire::PREFIX_BYTES] {
    (frame.data.len() as u64).to_le_bytes()
}
