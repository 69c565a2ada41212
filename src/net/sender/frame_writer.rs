//! The one loop that writes frames, in any framing: it writes the newest frame whenever the
//! viewer's path has room.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Buf;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout};
use tracing::{info, warn};

use crate::frame::Frame;
use crate::wire::{Caps, Control};

use super::disconnect::DisconnectReason;
use super::fan_out::{FanOut, PlaceGuard, Waiting};
use super::framing::Framing;
use super::pinned_frames::PinnedFrames;
use super::slow_viewer::{Said, Second, SlowViewer};
use super::viewer_link::{Departure, ViewerLink};
use crate::net::bit_rate::BitRate;
use crate::net::hub::{Hub, Subscription, Update};
use crate::net::prefetch::prefetch;
use crate::net::transport::TransportWriter;

/// How often it is checked whether a viewer keeps up.
const SECOND: Duration = Duration::from_secs(1);
/// How long skipped frames do not count at the start: the viewer is opening its window.
const SETTLING: Duration = Duration::from_millis(1500);
/// A viewer whose pace is limited is sent parts of this many bytes.
const PACED_BYTES: usize = 16 * 1024;
/// How long the last frame may wait for room before it is left out and the end is sent.
const LAST_ROOM: Duration = Duration::from_millis(200);

/// The next thing to do.
enum Next<H> {
    /// Write this message.
    Message(Control),
    /// Write this.
    Update(Update),
    /// Write the rest of this frame.
    Partial(PartialFrame<H>),
    /// Check whether the viewer keeps up.
    Second,
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
pub(super) struct FrameWriter<'a, F: Framing> {
    place: Arc<Place<F>>,
    pinned: &'a PinnedFrames,
    stall_limit: Duration,
    hub: Arc<Hub>,
    /// The caps of the frames, once they are known.
    caps: Option<Arc<Caps>>,
    /// The log's state of this viewer.
    slow: SlowViewer,
    began: Instant,
    /// The counts at the beginning of the current second.
    counted: Counted,
    _in_pass: PlaceGuard,
}

/// A viewer's place in the pass of a [`FanOut`].
struct Place<F: Framing> {
    link: Arc<ViewerLink>,
    shared: Mutex<Shared<F>>,
    /// The connection can be taken back.
    returned: Notify,
}

/// The part of a viewer's state that the pass needs.
struct Shared<F: Framing> {
    stream: Stream<F>,
    /// The connection, while the viewer waits.
    lent: Option<TransportWriter>,
    /// Why the connection is returned.
    returned: Option<Returned<F::Head>>,
}

/// The stream as one viewer gets it.
struct Stream<F: Framing> {
    subscription: Subscription,
    framing: F,
    /// When the current second began.
    second_began: Instant,
}

/// Why a lent connection is returned.
enum Returned<H> {
    /// This is to be written, and could not be written at once.
    Update(Update),
    /// A part of this frame has left.
    Partial(PartialFrame<H>),
    /// The path has no room for the next frame.
    NoRoom,
    /// A second is over.
    Second,
}

impl<F: Framing> Stream<F> {
    /// Begins a frame, if the connection takes a byte of it. Otherwise it returns the frame and the error.
    fn begin(
        &mut self,
        link: &ViewerLink,
        out: &mut TransportWriter,
        mut frame: Frame,
        departure: Departure,
        now: Instant,
    ) -> Result<PartialFrame<F::Head>, (Frame, io::Error)> {
        frame.header.ack = departure.ack;
        let (head, tail) = (self.framing.head(&frame), self.framing.tail());
        match out.try_write_frame(head.as_ref(), &frame, tail, departure.is_paced, now) {
            Ok(written) => {
                link.frame_started(&frame, self.subscription.skipped(), now);
                Ok(PartialFrame {
                    head,
                    frame,
                    tail,
                    written,
                })
            }
            Err(e) => Err((frame, e)),
        }
    }

    /// Writes what is new, until there is nothing more, or something that takes longer.
    fn go_on(&mut self, link: &ViewerLink, out: &mut TransportWriter) -> Option<Returned<F::Head>> {
        loop {
            let now = Instant::now();
            let Some(departure) = link.departure(now) else {
                return Some(Returned::NoRoom);
            };
            let frame = match self.subscription.try_next()? {
                Update::Frame(frame) => frame,
                update => return Some(Returned::Update(update)),
            };
            match self.begin(link, out, frame, departure, now) {
                Ok(begun) if begun.is_whole() => {
                    if departure.is_paced {
                        link.paced(begun.written);
                    }
                }
                Ok(begun) => return Some(Returned::Partial(begun)),
                Err((frame, _)) => return Some(Returned::Update(Update::Frame(frame))),
            }
            if now.saturating_duration_since(self.second_began) >= SECOND {
                return Some(Returned::Second);
            }
        }
    }
}

impl<F: Framing> Place<F> {
    /// The frame of which the pass has written a part.
    fn take_partial(&self) -> Option<PartialFrame<F::Head>> {
        let returned = &mut self.shared.lock().returned;
        match returned.take() {
            Some(Returned::Partial(begun)) => Some(begun),
            other => {
                *returned = other;
                None
            }
        }
    }
}

impl<F: Framing> Waiting for Place<F> {
    fn offer(&self) {
        let shared = &mut *self.shared.lock();
        if shared.returned.is_some() {
            return;
        }
        let Some(out) = &mut shared.lent else {
            return;
        };
        shared.returned = shared.stream.go_on(&self.link, out);
        if shared.returned.is_some() {
            self.returned.notify_one();
        }
    }

    fn prefetch(&self, pointers: usize) {
        match pointers {
            0 => prefetch(self),
            1 => prefetch(&*self.link),
            _ => self.link.prefetch(),
        }
        if pointers > 0
            && let Some(shared) = self.shared.try_lock()
            && let Some(out) = &shared.lent
        {
            out.prefetch(pointers);
        }
    }
}

/// A connection that is lent to the pass. Dropping it takes the connection back.
struct Loan<'a, F: Framing> {
    place: &'a Place<F>,
    out: &'a mut TransportWriter,
}

impl<'a, F: Framing> Loan<'a, F> {
    fn new(place: &'a Place<F>, out: &'a mut TransportWriter) -> Self {
        let lent = std::mem::replace(out, TransportWriter::Lent);
        place.shared.lock().lent = Some(lent);
        Self { place, out }
    }
}

impl<F: Framing> Drop for Loan<'_, F> {
    fn drop(&mut self) {
        if let Some(lent) = self.place.shared.lock().lent.take() {
            *self.out = lent;
        }
    }
}

impl<'a, F: Framing> FrameWriter<'a, F> {
    /// A writer that has written nothing yet. A viewer that takes nothing for `stall_limit` is
    /// dropped.
    pub fn new(
        link: &Arc<ViewerLink>,
        pinned: &'a PinnedFrames,
        subscription: Subscription,
        framing: F,
        stall_limit: Duration,
        fan_out: &Arc<FanOut>,
    ) -> Self {
        let counted = Counted::now(link, &subscription);
        let hub = Arc::clone(subscription.hub());
        let place = Arc::new(Place {
            link: Arc::clone(link),
            shared: Mutex::new(Shared {
                stream: Stream {
                    subscription,
                    framing,
                    second_began: Instant::now(),
                },
                lent: None,
                returned: None,
            }),
            returned: Notify::new(),
        });
        let waiting: Arc<dyn Waiting> = Arc::clone(&place) as _;
        Self {
            _in_pass: fan_out.join(waiting),
            place,
            pinned,
            stall_limit,
            hub,
            caps: None,
            slow: SlowViewer::default(),
            began: Instant::now(),
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
        let place = Arc::clone(&self.place);
        let link = &place.link;
        let opening = {
            let stream = &mut place.shared.lock().stream;
            let (subscription, caps) = (&mut stream.subscription, &mut self.caps);
            stream.framing.opening(|| {
                *caps = subscription.known_caps();
                caps.clone()
            })
        };
        if let Some(opening) = opening {
            unless_removed(link, self.write(out, &opening[..])).await?;
        }
        loop {
            let next = tokio::select! {
                biased;
                done = &mut until => Err(done),
                next = self.next(&place, out) => Ok(next),
            };
            // The pass may have begun a frame meanwhile.
            if let Some(begun) = place.take_partial() {
                unless_removed(link, self.complete(out, begun)).await?;
            }
            let update = match next {
                Err(done) => return Ok(done),
                Ok(Next::Message(control)) => {
                    unless_removed(link, self.write(out, &control.encode()[..])).await?;
                    continue;
                }
                Ok(Next::Partial(begun)) => {
                    unless_removed(link, self.complete(out, begun)).await?;
                    self.check_speed();
                    continue;
                }
                Ok(Next::Second) => {
                    self.check_speed();
                    continue;
                }
                Ok(Next::Stalled) => return Err(DisconnectReason::Stalled(self.stall_limit)),
                Ok(Next::Update(update)) => update,
            };
            let message = match update {
                Update::Caps(caps) => {
                    let message = place.shared.lock().stream.framing.caps(&caps);
                    self.caps = Some(caps);
                    message
                }
                Update::Lost(loss) => place.shared.lock().stream.framing.lost(&loss),
                Update::Participants(participants) => place
                    .shared
                    .lock()
                    .stream
                    .framing
                    .participants(&participants),
                Update::Frame(frame) => {
                    let begun = tokio::select! {
                        biased;
                        done = &mut until => return Ok(done),
                        begun = self.begin(&place, out, frame) => begun?,
                    };
                    if begun.is_whole() {
                        link.paced(begun.written);
                    } else {
                        unless_removed(link, self.complete(out, begun)).await?;
                    }
                    self.check_speed();
                    None
                }
                Update::End(reason) => return Err(DisconnectReason::Ended(reason)),
            };
            if let Some(message) = message {
                unless_removed(link, self.write(out, &message[..])).await?;
            }
        }
    }

    /// The next thing to write, when the viewer's path has room for it.
    async fn next(&self, place: &Place<F>, out: &mut TransportWriter) -> Next<F::Head> {
        tokio::select! {
            // An answer is sent first, while no frame is in its way.
            biased;
            pong = place.link.pong() => Next::Message(pong),
            next = self.next_update(place, out) => next,
        }
    }

    /// The next update of the stream, once the viewer's path has room for a frame. Meanwhile the frames
    /// that can be written at once are written.
    async fn next_update(&self, place: &Place<F>, out: &mut TransportWriter) -> Next<F::Head> {
        loop {
            match place.shared.lock().returned.take() {
                Some(Returned::Update(update)) => return Next::Update(update),
                Some(Returned::Partial(begun)) => return Next::Partial(begun),
                Some(Returned::Second) => return Next::Second,
                Some(Returned::NoRoom) | None => {}
            }
            if !place.link.has_room_now() {
                tokio::select! {
                    has_room = place.link.has_room(self.stall_limit) => if !has_room {
                        return Next::Stalled;
                    },
                    reason = self.hub.ended_for(LAST_ROOM) => {
                        return Next::Update(Update::End(reason));
                    }
                }
            }
            // A frame is taken only now. Taken earlier, it would be older when it leaves.
            let loan = Loan::new(place, out);
            place.offer();
            place.returned.notified().await;
            drop(loan);
        }
    }

    /// Waits until the connection takes the first byte of a frame. Until then a newer frame
    /// replaces it. Nothing has been written if the wait is cancelled.
    async fn begin(
        &self,
        place: &Place<F>,
        out: &mut TransportWriter,
        mut frame: Frame,
    ) -> Result<PartialFrame<F::Head>, DisconnectReason> {
        loop {
            let now = Instant::now();
            let departure = place.link.departure_anyway(now);
            let begun = {
                let stream = &mut place.shared.lock().stream;
                stream.begin(&place.link, out, frame, departure, now)
            };
            frame = match begun {
                Ok(begun) => return Ok(begun),
                Err((frame, e)) if e.kind() == io::ErrorKind::WouldBlock => frame,
                Err((_, e)) => return Err(DisconnectReason::Lost(e)),
            };
            let _pin = self.pinned.pin(&frame, &place.link);
            match timeout(self.stall_limit, out.ready()).await {
                Ok(Ok(())) => frame = place.shared.lock().stream.subscription.refresh(frame),
                Ok(Err(e)) => return Err(DisconnectReason::Lost(e)),
                Err(_) => return Err(DisconnectReason::Stalled(self.stall_limit)),
            }
        }
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
        let link = Arc::clone(&self.place.link);
        let _pin = self.pinned.pin(&frame, &link);
        let mut rest = head.as_ref().chain(frame.data).chain(tail);
        rest.advance(written);
        let mut paced = link.paced(written);
        while let Some(until) = paced
            && rest.remaining() > PACED_BYTES
        {
            sleep_until(until.into()).await;
            self.write(out, (&mut rest).take(PACED_BYTES)).await?;
            paced = link.paced(PACED_BYTES);
        }
        let bytes = rest.remaining();
        self.write(out, rest).await?;
        link.paced(bytes);
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
        let link = &self.place.link;
        let mut shared = self.place.shared.lock();
        let stream = &mut shared.stream;
        let span = stream.second_began.elapsed();
        if span < SECOND {
            return;
        }
        let now = Counted::now(link, &stream.subscription);
        stream.second_began = Instant::now();
        drop(shared);
        let before = std::mem::replace(&mut self.counted, now);
        // The viewer skips frames while it opens its window.
        if self.began.elapsed() < SETTLING {
            return;
        }
        let second = Second {
            span,
            sent: now.sent - before.sent,
            bytes: now.bytes - before.bytes,
            skipped: now.skipped - before.skipped,
            carries: link.progress().carries.map(BitRate::bits),
            acks: link.acks(),
        };
        let peer = link.peer;
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
