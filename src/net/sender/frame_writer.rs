//! The one loop that writes frames, in any framing: it writes the newest frame whenever the
//! viewer's path has room.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Buf;
use tokio::time::{sleep_until, timeout};
use tracing::{info, warn};

use crate::frame::Frame;
use crate::wire::{Caps, Control};

use super::disconnect::DisconnectReason;
use super::framing::Framing;
use super::pinned_frames::PinnedFrames;
use super::slow_viewer::{Said, Second, SlowViewer};
use super::viewer_link::ViewerLink;
use crate::net::bit_rate::BitRate;
use crate::net::hub::{Subscription, Update};
use crate::net::transport::TransportWriter;

/// How often it is checked whether a viewer keeps up.
const SECOND: Duration = Duration::from_secs(1);
/// How long skipped frames do not count at the start: the viewer is opening its window.
const SETTLING: Duration = Duration::from_millis(1500);
/// A viewer whose pace is limited is sent parts of this many bytes.
const PACED_BYTES: usize = 16 * 1024;
/// How long the last frame may wait for room before it is left out and the end is sent.
const LAST_ROOM: Duration = Duration::from_millis(200);

/// The next thing to write.
enum Next {
    Message(Control),
    Update(Update),
    /// The viewer no longer acknowledges frames.
    Stalled,
}

/// A frame whose first bytes have left.
struct PartialFrame<H> {
    head: H,
    frame: Frame,
    tail: &'static [u8],
    /// The number of bytes that have left.
    written: usize,
}

impl<H: AsRef<[u8]>> PartialFrame<H> {
    /// Whether all of it has left.
    fn is_whole(&self) -> bool {
        self.written == self.head.as_ref().len() + self.frame.data.len() + self.tail.len()
    }
}

/// The frames that were sent and skipped so far.
#[derive(Clone, Copy)]
struct Counted {
    sent: u64,
    bytes: u64,
    skipped: u64,
}

/// Writes the frames of one stream to one viewer.
pub(super) struct FrameWriter<'a, F> {
    link: &'a Arc<ViewerLink>,
    pinned: &'a PinnedFrames,
    subscription: Subscription,
    framing: F,
    stall_limit: Duration,
    /// The caps of the frames, once they are known.
    caps: Option<Arc<Caps>>,
    /// The log's state of this viewer.
    slow: SlowViewer,
    began: Instant,
    /// When the current second began, and the counts at that time.
    second_began: Instant,
    counted: Counted,
}

impl<'a, F: Framing> FrameWriter<'a, F> {
    /// A writer that has written nothing yet. A viewer that takes nothing for `stall_limit` is
    /// dropped.
    pub fn new(
        link: &'a Arc<ViewerLink>,
        pinned: &'a PinnedFrames,
        subscription: Subscription,
        framing: F,
        stall_limit: Duration,
    ) -> Self {
        let counted = Counted::now(link, &subscription);
        Self {
            link,
            pinned,
            subscription,
            framing,
            stall_limit,
            caps: None,
            slow: SlowViewer::default(),
            began: Instant::now(),
            second_began: Instant::now(),
            counted,
        }
    }

    /// Writes until `until` completes, and returns its output. A frame that has begun to leave is
    /// first written to its end, as the viewer could not tell where the next message begins.
    ///
    /// # Errors
    /// The stream ended, or the connection did, or the viewer was removed in the middle of a frame.
    pub async fn run_until<T>(
        &mut self,
        out: &mut TransportWriter,
        until: impl Future<Output = T>,
    ) -> Result<T, DisconnectReason> {
        let mut until = pin!(until);
        let link = self.link;
        let (subscription, caps) = (&mut self.subscription, &mut self.caps);
        let opening = self.framing.opening(|| {
            *caps = subscription.known_caps();
            caps.clone()
        });
        if let Some(opening) = opening {
            unless_removed(link, self.write(out, &opening[..])).await?;
        }
        loop {
            let next = tokio::select! {
                biased;
                done = &mut until => return Ok(done),
                next = self.next() => next,
            };
            let message = match next {
                Next::Message(control) => Some(control.encode()),
                Next::Update(Update::Caps(caps)) => {
                    let message = self.framing.caps(&caps);
                    self.caps = Some(caps);
                    message
                }
                Next::Update(Update::Lost(loss)) => self.framing.lost(&loss),
                Next::Update(Update::Participants(participants)) => {
                    self.framing.participants(&participants)
                }
                Next::Update(Update::Frame(frame)) => {
                    let begun = tokio::select! {
                        biased;
                        done = &mut until => return Ok(done),
                        begun = self.begin(out, frame) => begun?,
                    };
                    if begun.is_whole() {
                        link.paced(begun.written);
                    } else {
                        unless_removed(link, self.complete(out, begun)).await?;
                    }
                    self.check_speed();
                    None
                }
                Next::Update(Update::End(reason)) => return Err(DisconnectReason::Ended(reason)),
                Next::Stalled => return Err(DisconnectReason::Stalled(self.stall_limit)),
            };
            if let Some(message) = message {
                unless_removed(link, self.write(out, &message[..])).await?;
            }
        }
    }

    /// The next thing to write, when the viewer's path has room for it.
    async fn next(&mut self) -> Next {
        let link = self.link;
        tokio::select! {
            // An answer is sent first, while no frame is in its way.
            biased;
            pong = link.pong() => Next::Message(pong),
            next = self.next_update() => next,
        }
    }

    /// The next update of the stream, once the viewer's path has room for a frame.
    async fn next_update(&mut self) -> Next {
        if !self.link.has_room_now() {
            tokio::select! {
                has_room = self.link.has_room(self.stall_limit) => if !has_room {
                    return Next::Stalled;
                },
                reason = self.subscription.ended(LAST_ROOM) => {
                    return Next::Update(Update::End(reason));
                }
            }
        }
        // The frame is taken only now. Taken earlier, it would be older when it leaves.
        Next::Update(self.subscription.next().await)
    }

    /// Waits until the connection takes the first byte of a frame. Until then a newer frame
    /// replaces it. Nothing has been written if the wait is cancelled.
    async fn begin(
        &mut self,
        out: &mut TransportWriter,
        mut frame: Frame,
    ) -> Result<PartialFrame<F::Head>, DisconnectReason> {
        let tail = self.framing.tail();
        let (head, written) = loop {
            frame.header.ack = self.link.wants_ack();
            let head = self.framing.head(&frame);
            match out.try_write_frame(head.as_ref(), &frame, tail, self.link.is_paced()) {
                Ok(count) => break (head, count),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(DisconnectReason::Lost(e)),
            }
            let _pin = self.pinned.pin(&frame, self.link);
            match timeout(self.stall_limit, out.ready()).await {
                Ok(Ok(())) => frame = self.subscription.refresh(frame),
                Ok(Err(e)) => return Err(DisconnectReason::Lost(e)),
                Err(_) => return Err(DisconnectReason::Stalled(self.stall_limit)),
            }
        };
        self.link.frame_started(&frame, self.subscription.skipped());
        Ok(PartialFrame {
            head,
            frame,
            tail,
            written,
        })
    }

    /// Writes the rest of a frame.
    async fn complete(
        &mut self,
        out: &mut TransportWriter,
        begun: PartialFrame<F::Head>,
    ) -> Result<(), DisconnectReason> {
        let PartialFrame {
            head,
            frame,
            tail,
            written,
        } = begun;
        let _pin = self.pinned.pin(&frame, self.link);
        let mut rest = head.as_ref().chain(frame.data).chain(tail);
        rest.advance(written);
        let mut paced = self.link.paced(written);
        while let Some(until) = paced
            && rest.remaining() > PACED_BYTES
        {
            sleep_until(until.into()).await;
            self.write(out, (&mut rest).take(PACED_BYTES)).await?;
            paced = self.link.paced(PACED_BYTES);
        }
        let bytes = rest.remaining();
        self.write(out, rest).await?;
        self.link.paced(bytes);
        Ok(())
    }

    /// Writes all of `bytes`, within the time that a viewer may take for a message.
    async fn write(
        &mut self,
        out: &mut TransportWriter,
        mut bytes: impl Buf,
    ) -> Result<(), DisconnectReason> {
        match timeout(self.stall_limit, out.write_all(&mut bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(DisconnectReason::Lost(e)),
            Err(_) => Err(DisconnectReason::Stalled(self.stall_limit)),
        }
    }

    /// Checks once a second whether this viewer keeps up, and logs changes.
    fn check_speed(&mut self) {
        let span = self.second_began.elapsed();
        if span < SECOND {
            return;
        }
        let now = Counted::now(self.link, &self.subscription);
        let before = std::mem::replace(&mut self.counted, now);
        self.second_began = Instant::now();
        // The viewer skips frames while it opens its window.
        if self.began.elapsed() < SETTLING {
            return;
        }
        let second = Second {
            span,
            sent: now.sent - before.sent,
            bytes: now.bytes - before.bytes,
            skipped: now.skipped - before.skipped,
            carries: self.link.progress().carries.map(BitRate::bits),
            acks: self.link.acks(),
        };
        let peer = self.link.peer;
        match self.slow.after(second, self.caps.as_deref()) {
            Some(Said::Problem(words)) => warn!("viewer {peer}: {words}"),
            Some(Said::Over(words)) => info!("viewer {peer}: {words}"),
            None => {}
        }
    }
}

/// Writes a message or the rest of one, unless the viewer is removed in the middle of it. It is not
/// told why, since the words would be taken for a part of the message.
async fn unless_removed(
    link: &ViewerLink,
    written: impl Future<Output = Result<(), DisconnectReason>>,
) -> Result<(), DisconnectReason> {
    tokio::select! {
        // Most messages are written at once, and a removal is then not waited for.
        biased;
        written = written => written,
        removal = link.removed_mid_frame() => Err(removal.into()),
    }
}

impl Counted {
    /// The counts at this moment.
    fn now(link: &ViewerLink, subscription: &Subscription) -> Self {
        let progress = link.progress();
        Self {
            sent: progress.frames,
            bytes: progress.bytes,
            skipped: subscription.skipped(),
        }
    }
}
