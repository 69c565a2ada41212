//! Recognises the frame that reaches the sink by a mark on its buffer. Decoders, converters and
//! queues in between may drop frames.
//!
//! The mark carries a number, and the headers of the newest frames are kept by it. The mark is a
//! reference timestamp, which every element here hands on: measured through each of the decoders
//! of [`crate::media::pipeline::decoders`], their parsers, converters and `videorate` (GStreamer
//! 1.22). Times do not survive as well: `h264parse` and `videorate` set their own. They serve
//! where an element loses the mark.

use std::sync::Arc;

use gstreamer as gst;
use parking_lot::{Mutex, MutexGuard};

use crate::frame::FrameHeader;

/// Called with the header of each frame that reaches the sink.
pub type OnShown = Arc<dyn Fn(&FrameHeader) + Send + Sync>;

/// The number of frames in a pipeline that are still known at its end: more than any decoder
/// holds, and than a `queue` takes.
const ROOM: u64 = 256;

/// The frames that are in a pipeline.
pub struct FrameTracker {
    seen: OnShown,
    /// The kind of reference timestamp that is ours.
    kind: gst::Caps,
    recent: Mutex<Recent>,
}

/// A ring: the frame numbered n is at n modulo its length, until another takes its place.
struct Recent {
    /// The number of the next frame, counted from 0.
    next: u64,
    frames: Vec<Marked>,
}

#[derive(Clone, Copy, Default)]
struct Marked {
    number: Option<u64>,
    /// The time that `appsrc` gave it.
    pts: Option<gst::ClockTime>,
    header: FrameHeader,
}

impl FrameTracker {
    /// `seen` is called on threads of GStreamer, and must not block.
    pub fn new(seen: OnShown) -> Arc<Self> {
        Arc::new(Self {
            seen,
            kind: gst::Caps::new_empty_simple("timestamp/x-vidchat-frame"),
            recent: Mutex::new(Recent {
                next: 0,
                frames: vec![Marked::default(); slot(ROOM - 1) + 1],
            }),
        })
    }

    /// Marks the buffer of a frame on its way into the pipeline.
    pub fn mark(&self, header: &FrameHeader, buffer: &mut gst::BufferRef) {
        let mut recent = self.recent();
        let number = recent.next;
        recent.next += 1;
        recent.frames[slot(number)] = Marked {
            number: Some(number),
            pts: None,
            header: *header,
        };
        drop(recent);
        let carried = gst::ClockTime::from_nseconds(number);
        gst::ReferenceTimestampMeta::add(buffer, &self.kind, carried, gst::ClockTime::NONE);
    }

    /// Learns which time a frame was given when it entered the pipeline.
    pub fn entered(&self, buffer: &gst::BufferRef) {
        let Some(number) = self.number(buffer) else {
            return;
        };
        let frame = &mut self.recent().frames[slot(number)];
        if frame.number == Some(number) {
            frame.pts = buffer.pts();
        }
    }

    /// A frame has reached the sink. One that is not known is not told of.
    pub fn reached(&self, buffer: &gst::BufferRef) {
        self.reached_earlier(buffer, gst::ClockTime::ZERO);
    }

    /// Whether the buffer is a frame that was marked, and not one that an element has made.
    pub fn has_mark(&self, buffer: &gst::BufferRef) -> bool {
        self.number(buffer).is_some()
    }

    /// The header of the frame in a buffer, wherever in the pipeline that is; `None` where it is not
    /// known.
    pub fn header(&self, buffer: &gst::BufferRef) -> Option<FrameHeader> {
        let number = self.number(buffer)?;
        self.recent().numbered(number)
    }

    /// As [`Self::reached`], behind an element that makes all times earlier by so much.
    pub fn reached_earlier(&self, buffer: &gst::BufferRef, by: gst::ClockTime) {
        let header = match self.number(buffer) {
            Some(number) => self.recent().numbered(number),
            None => buffer.pts().and_then(|pts| self.recent().at(pts + by)),
        };
        // The lock is free again.
        if let Some(header) = header {
            (self.seen)(&header);
        }
    }

    fn number(&self, buffer: &gst::BufferRef) -> Option<u64> {
        buffer
            .iter_meta::<gst::ReferenceTimestampMeta>()
            // Made by us alone, so it is the very same object.
            .find(|meta| meta.reference() == self.kind.as_ref())
            .map(|meta| meta.timestamp().nseconds())
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock()
    }
}

impl Recent {
    fn numbered(&self, number: u64) -> Option<FrameHeader> {
        let frame = self.frames[slot(number)];
        (frame.number == Some(number)).then_some(frame.header)
    }

    /// The newest frame that entered no later than this time.
    fn at(&self, pts: gst::ClockTime) -> Option<FrameHeader> {
        let entered = self.frames.iter().filter_map(|f| Some((f.pts?, f)));
        let before = entered.filter(|(then, _)| *then <= pts);
        before.max_by_key(|(then, _)| *then).map(|(_, f)| f.header)
    }
}

/// Where the frame of this number is kept.
fn slot(number: u64) -> usize {
    // Below ROOM, which fits.
    (number % ROOM) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the frames that were told of.
    type Told = Arc<Mutex<Vec<u32>>>;

    fn marks() -> (Arc<FrameTracker>, Told) {
        gst::init().unwrap();
        let told = Told::default();
        let telling = Arc::clone(&told);
        let seen = move |header: &FrameHeader| telling.lock().push(header.sequence);
        (FrameTracker::new(Arc::new(seen)), told)
    }

    /// The buffer of a frame that has entered `time` nanoseconds after the start.
    fn frame(marks: &FrameTracker, sequence: u32, time: u64) -> gst::Buffer {
        let header = FrameHeader {
            sequence,
            ..FrameHeader::default()
        };
        let mut buffer = gst::Buffer::new();
        let inside = buffer.get_mut().unwrap();
        marks.mark(&header, inside);
        inside.set_pts(gst::ClockTime::from_nseconds(time));
        marks.entered(&buffer);
        buffer
    }

    #[test]
    fn a_mark_tells_which_frame_it_is_whatever_its_time_and_however_many_came() {
        let (marks, told) = marks();
        let mut frames: Vec<_> = (0..600).map(|n| frame(&marks, n, n.into())).collect();
        for at in [599, 590, 344, 343, 0] {
            let buffer = frames[at].make_mut();
            buffer.set_pts(gst::ClockTime::from_seconds(9));
            marks.reached(buffer);
        }
        // The others are too old to be known.
        assert_eq!(*told.lock(), [599, 590, 344]);
    }

    #[test]
    fn without_its_mark_a_frame_is_known_by_its_time() {
        let (marks, told) = marks();
        for (sequence, time) in [(7, 100), (9, 200), (12, 300)] {
            frame(&marks, sequence, time);
        }
        for time in [99, 100, 250, 1000] {
            let mut bare = gst::Buffer::new();
            let inside = bare.get_mut().unwrap();
            inside.set_pts(gst::ClockTime::from_nseconds(time));
            marks.reached(&bare);
        }
        marks.reached(&gst::Buffer::new());
        assert_eq!(*told.lock(), [7, 9, 12]);
    }
}
