//! What one viewer is shown: the newest frame whenever its socket takes one, in its dialect.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Buf;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::WriteHalf;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::frame::Frame;
use crate::wire::message::encode_frame_head;
use crate::wire::pickle::Envelope;
use crate::wire::{self, Caps, Control, Hello};

use super::disconnect::DisconnectReason;
use super::slow_viewer::{Said, Second, SlowViewer};
use super::viewer_link::ViewerLink;
use crate::net::hub::{Subscription, Update};

/// How often it is looked whether a viewer keeps up.
const SECOND: Duration = Duration::from_secs(1);
/// Until when the frames that a viewer skips are not looked at: it opens its window.
const SETTLING: Duration = Duration::from_millis(1500);

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

/// What has been sent and skipped.
#[derive(Clone, Copy, Default)]
struct Counted {
    sent: u64,
    bytes: u64,
    skipped: u64,
}

/// What one viewer is shown.
pub(super) struct FrameWriter<'a> {
    link: &'a ViewerLink,
    subscription: Subscription,
    stall_limit: Duration,
    /// What the log is told of it.
    slow: SlowViewer,
    /// The form of the frames, as far as it is known.
    form: Option<Arc<Caps>>,
    begun: Instant,
    /// Since when, and from where on, the frames of this second are counted.
    second_begun: Instant,
    counted: Counted,
}

impl<'a> FrameWriter<'a> {
    /// Nothing has been shown yet. A viewer that takes nothing for `stall_limit` is given up.
    pub fn new(link: &'a ViewerLink, subscription: Subscription, stall_limit: Duration) -> Self {
        Self {
            link,
            subscription,
            stall_limit,
            slow: SlowViewer::default(),
            form: None,
            begun: Instant::now(),
            second_begun: Instant::now(),
            counted: Counted::default(),
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
            self.form = Some(caps);
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
                        self.form = Some(Arc::clone(&caps));
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
        self.look();
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

    /// Looks once a second whether this viewer keeps up.
    fn look(&mut self) {
        let span = self.second_begun.elapsed();
        if span < SECOND {
            return;
        }
        let progress = self.link.progress();
        let now = Counted {
            sent: progress.frames,
            bytes: progress.bytes,
            skipped: self.subscription.skipped(),
        };
        let before = std::mem::replace(&mut self.counted, now);
        self.second_begun = Instant::now();
        // While it opens its window it skips some.
        if self.begun.elapsed() < SETTLING {
            return;
        }
        let second = Second {
            span,
            sent: now.sent - before.sent,
            bytes: now.bytes - before.bytes,
            skipped: now.skipped - before.skipped,
            carries: progress.carries,
            acks: self.link.acks(),
        };
        let peer = self.link.peer;
        match self.slow.after(second, self.form.as_deref()) {
            Some(Said::Trouble(words)) => warn!("viewer {peer}: {words}"),
            Some(Said::Over(words)) => info!("viewer {peer}: {words}"),
            None => {}
        }
    }
}

fn native_head(frame: &Frame) -> [u8; wire::message::HEAD_BYTES] {
    encode_frame_head(&frame.header, frame.data.len())
}

fn bare_head(frame: &Frame) -> [u8; wire::PREFIX_BYTES] {
    (frame.data.len() as u64).to_le_bytes()
}
