//! The receiving end: a pipeline that shows frames, always the newest.
//!
//! Building, changing and stopping a pipeline may take seconds, so all of that happens on a
//! thread, "player", which `player_thread` is. Here is its handle, which passes frames straight
//! to the pipeline that runs. Nothing in it waits, except [`Player::finish`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use bytes::Bytes;
use gstreamer as gst;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use crate::failure::Failure;
use crate::frame::FrameHeader;
use crate::media::display::freeze_frame::FreezeFrame;
use crate::media::display::stage::{Place, Stage, StageEvent, StageOptions};
use crate::media::gst::thread_room::no_thread;
use crate::media::pipeline::file::PipelineFile;
use crate::wire::Caps;

use super::events::{PlayerEvent, PlayerOptions};
use super::frame_tracker::FrameTracker;
use super::pipeline::Context;
use super::player_thread::{Entry, Input, PlayerThread};
use super::sample::Sample;

/// How long the thread may take to end before it is left to the end of the process: its pipeline
/// has two seconds to come to its end, and two to stop.
const FINISH_LIMIT: Duration = Duration::from_secs(5);

/// A player and its thread. Dropping it stops both, without waiting.
pub struct Player {
    inputs: Sender<Input>,
    entry: watch::Receiver<Entry>,
    /// The number of the last input that frames have to wait for.
    asked: u64,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    tracker: Option<Arc<FrameTracker>>,
    sample: Option<Arc<Sample>>,
    /// See [`crate::media::display::canvas::Seat::live`].
    live: Arc<AtomicBool>,
    /// The display went away.
    is_lost: Arc<AtomicBool>,
}

impl Player {
    /// Starts the thread. The pipeline is opened when the caps are known.
    pub fn spawn(options: PlayerOptions, events: UnboundedSender<PlayerEvent>) -> Self {
        let is_own = options.place.is_none();
        let place = options.place;
        let Place { stage, seat } = place.unwrap_or_else(|| own_place(options.title, &events));
        let (live, is_lost) = (Arc::clone(seat.live()), Arc::clone(stage.loss()));
        let tracker = options.seen.map(FrameTracker::new);
        let sample = options.replaceable.then(Arc::<Sample>::default);
        let context = Context {
            events,
            stage: stage.clone(),
            seat,
            freeze_frame: FreezeFrame::new(&live, &is_lost),
            tracker: tracker.clone(),
            shown: options.shown,
            enough: options.enough,
            taken: options.taken,
            published: options.published,
            captured: options.captured,
        };
        let failed = context.events.clone();
        let (inputs, received) = mpsc::channel();
        let (entry, entered) = watch::channel(Entry::default());
        let thread = PlayerThread::new(
            context,
            options.file,
            options.values,
            sample.clone(),
            (inputs.clone(), received),
            entry,
        );
        let (end, ended) = mpsc::channel::<()>();
        let spawned = std::thread::Builder::new()
            .name("player".into())
            .spawn(move || {
                thread.run();
                if is_own {
                    // A pipeline that was left behind does not keep it open.
                    stage.close();
                }
                drop(end);
            });
        if let Err(e) = spawned {
            let _ = failed.send(PlayerEvent::Failed(no_thread(&e)));
        }
        Self {
            inputs,
            entry: entered,
            asked: 0,
            ended,
            tracker,
            sample,
            live,
            is_lost,
        }
    }

    /// Prepares for frames of `caps`. The pipeline goes on where it can take them. Where there is
    /// none for them, [`PlayerEvent::Failed`] says why.
    pub fn set_caps(&mut self, caps: &Caps) {
        let ticket = self.ask();
        self.tell(Input::Caps(ticket, caps.clone()));
    }

    /// Whether frames are taken. While a pipeline is built or changed they are not.
    pub fn is_ready(&self) -> bool {
        let entry = self.entry.borrow();
        entry.answered == self.asked && entry.feed.is_some()
    }

    /// Whether frames wait in front of the pipeline's first element.
    pub fn has_waiting(&self) -> bool {
        let entry = self.entry.borrow();
        entry.feed.as_ref().is_some_and(|feed| feed.has_waiting())
    }

    /// Changes the bit rate of the pipeline's own encoder, in kbit/s, where it has one.
    pub fn set_bitrate(&self, kbit: u32) {
        self.tell(Input::Bitrate(kbit));
    }

    /// Whether everything before has been carried out.
    pub fn has_answered(&self) -> bool {
        self.entry.borrow().answered == self.asked
    }

    /// Waits until everything before has been carried out. Where it has been, waits until frames
    /// are taken.
    pub async fn progress(&mut self) {
        let (asked, has_answered) = (self.asked, self.has_answered());
        let far_enough =
            |entry: &Entry| entry.answered == asked && (!has_answered || entry.feed.is_some());
        if self.entry.wait_for(far_enough).await.is_err() {
            // The thread has ended, so nothing is taken any more.
            std::future::pending::<()>().await;
        }
    }

    /// Shows a frame, without a copy. It is left out while frames are not taken.
    pub fn show(&mut self, header: &FrameHeader, frame: Bytes) {
        let feed = match &*self.entry.borrow() {
            Entry {
                answered,
                feed: Some(feed),
            } if *answered == self.asked => Arc::clone(feed),
            _ => return,
        };
        if self.is_lost.load(Relaxed) {
            return;
        }
        let mut buffer = gst::Buffer::from_slice(frame);
        if let Some(buffer) = buffer.get_mut() {
            let mut flags = buffer.flags();
            flags.set(gst::BufferFlags::DELTA_UNIT, !header.key);
            flags.set(gst::BufferFlags::DISCONT, header.discontinuity);
            buffer.set_flags(flags);
            if let Some(tracker) = &self.tracker {
                tracker.mark(header, buffer);
            }
        }
        if let Some(sample) = &self.sample {
            sample.note(header, &buffer);
        }
        self.live.store(true, Relaxed);
        if let Some(buffer) = feed.push(header, buffer) {
            let ticket = self.ask();
            self.tell(Input::Flush(ticket, buffer));
        }
    }

    /// Shows the last frame darker and with `text` on it, so that it does not pass for a live one.
    /// The next frame takes its place by itself. Call it again for another text. Without a window
    /// or a terminal there is nothing to cover.
    pub fn cover(&mut self, text: &str) {
        let ticket = self.ask();
        self.tell(Input::Cover(ticket, text.to_owned()));
    }

    /// Forgets the last frame and shows `text` alone, until the next frame comes: nothing that was
    /// seen stays to be seen. Call it when no frame comes any more.
    pub fn blank(&mut self, text: &str) {
        let ticket = self.ask();
        self.tell(Input::Blank(ticket, text.to_owned()));
    }

    /// Changes the window's title.
    pub fn set_title(&self, title: &str) {
        self.tell(Input::Title(title.to_owned()));
    }

    /// Changes to another pipeline, within a second or so: [`PlayerEvent::Replaced`] or
    /// [`PlayerEvent::Kept`] tells. The window stays.
    pub fn replace(&self, file: PipelineFile) {
        self.tell(Input::Replace(Box::new(file)));
    }

    /// Ends the stream and waits until the pipeline is through with its frames: the last one is
    /// shown, and a file is whole. A pipeline that hangs is left behind.
    pub fn finish(self) {
        self.tell(Input::Finish);
        let _ = self.ended.recv_timeout(FINISH_LIMIT);
    }

    /// The number of an input that the next frames have to wait for.
    fn ask(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    fn tell(&self, input: Input) {
        // The thread ends only when it is told to.
        let _ = self.inputs.send(input);
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.tell(Input::Quit);
    }
}

/// A place on a stage of the player's own, whose events become those of the player.
fn own_place(title: String, events: &UnboundedSender<PlayerEvent>) -> Place {
    let events = events.clone();
    let on_event = move |event| {
        // The owner may have ended.
        let _ = match event {
            StageEvent::Quit => events.send(PlayerEvent::Quit),
            StageEvent::Lost(reason) => {
                let failure = Failure::lost("lost the display").cause(reason);
                events.send(PlayerEvent::Failed(failure))
            }
            StageEvent::Key(_) => Ok(()),
        };
    };
    let stage = Stage::new(StageOptions {
        title,
        keys: Vec::new(),
        on_event: Arc::new(on_event),
    });
    let seat = Arc::new(stage.canvas().seat());
    Place { stage, seat }
}
