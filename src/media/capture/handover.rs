//! The hand-over from one capture pipeline to the next: frames of one pipeline at a time reach the
//! sink. A frame of a stopped pipeline does not, however late it comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::frame::Frame;
use crate::media::frame_sink::FrameSink;
use crate::wire::Caps;

use super::age;

/// The only way to a frame sink, for one pipeline at a time.
pub struct Handover {
    sink: Arc<dyn FrameSink>,
    /// The number of the next frame. It goes on from pipeline to pipeline, so that no viewer takes
    /// a new frame for an old one.
    sequence: AtomicU32,
    pipelines: Mutex<Pipelines>,
}

/// The pipelines that may pass, by their numbers; 0 is none.
#[derive(Default)]
struct Pipelines {
    /// The pipeline whose frames pass.
    active: u32,
    /// Pipelines whose first frame makes them the active one; seldom more than one.
    next: Vec<u32>,
    /// The first frame of the active pipeline, until there is a second.
    only: Only,
}

/// The one frame of a still picture.
#[derive(Default)]
enum Only {
    /// The active pipeline has given no frame.
    #[default]
    None,
    /// The active pipeline has given this frame and no other.
    One(Frame),
    /// The active pipeline has given several.
    Many,
}

/// The passage of one frame. No other pipeline takes over while it lasts.
pub struct Passage<'h> {
    handover: &'h Handover,
    pipelines: MutexGuard<'h, Pipelines>,
}

impl Handover {
    /// A hand-over that lets no pipeline pass yet.
    pub fn new(sink: Arc<dyn FrameSink>) -> Arc<Self> {
        Arc::new(Self {
            sink,
            sequence: AtomicU32::default(),
            pipelines: Mutex::default(),
        })
    }

    /// The pipeline `number` takes over with its first frame, and not before.
    pub fn admit(&self, number: u32) {
        self.pipelines.lock().next.push(number);
    }

    /// No frame of the pipeline `number` passes any more, and none is on its way when this
    /// returns.
    pub fn shut(&self, number: u32) {
        let mut pipelines = self.pipelines.lock();
        pipelines.next.retain(|next| *next != number);
        if pipelines.active == number {
            pipelines.active = 0;
            pipelines.only = Only::None;
        }
    }

    /// The number of frames so far, modulo 2^32.
    pub fn count(&self) -> u32 {
        self.sequence.load(Relaxed)
    }

    /// Lets a frame of the pipeline `number` pass; `None` where it may not. The lock is contended
    /// only in the moment of a change, so it costs some 20 ns a frame.
    pub fn enter(&self, number: u32) -> Option<Passage<'_>> {
        let mut pipelines = self.pipelines.lock();
        if pipelines.next.contains(&number) {
            pipelines.active = number;
            pipelines.next.retain(|next| *next > number);
            pipelines.only = Only::None;
        } else if pipelines.active != number {
            return None;
        }
        Some(Passage {
            handover: self,
            pipelines,
        })
    }

    /// Whether the pipeline `number` has given one frame and no more.
    pub fn has_one_frame(&self, number: u32) -> bool {
        let pipelines = self.pipelines.lock();
        pipelines.active == number && matches!(pipelines.only, Only::One(_))
    }

    /// Passes the only frame of the pipeline `number` on once more, as a new one.
    pub fn repeat(&self, number: u32) {
        let pipelines = self.pipelines.lock();
        if pipelines.active != number {
            return;
        }
        if let Only::One(frame) = &pipelines.only {
            let mut frame = frame.clone();
            frame.header.sequence = self.sequence.fetch_add(1, Relaxed);
            let captured_at = age::captured_at(Duration::ZERO);
            let passed = captured_at.saturating_sub(frame.header.captured_at);
            frame.header.pts = frame.header.pts.saturating_add(passed);
            frame.header.captured_at = captured_at;
            self.sink.publish(frame);
        }
    }
}

impl Passage<'_> {
    /// Takes the number of the next frame. A number that is taken and not published tells viewers
    /// that they miss a frame.
    pub fn take_number(&self) -> u32 {
        self.handover.sequence.fetch_add(1, Relaxed)
    }

    /// Passes caps on, for all frames from here on.
    pub fn announce(&self, caps: Caps) {
        self.handover.sink.announce(caps);
    }

    /// Passes a frame on.
    pub fn publish(mut self, frame: Frame) {
        self.pipelines.only = match self.pipelines.only {
            Only::None => Only::One(frame.clone()),
            Only::One(_) | Only::Many => Only::Many,
        };
        self.handover.sink.publish(frame);
    }
}
