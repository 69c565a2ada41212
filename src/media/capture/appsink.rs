//! Frames of what an `appsink` gets, on the pipeline's own thread: the hot path of a sender.
//!
//! Apart from `source`, which runs rarely and may block; nothing here may.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::frame::{Frame, FrameHeader};
use crate::wire::Caps;

use super::age::{AgeEstimator, BacklogFilter};
use super::source::Outlet;
use crate::media::gst::caps;

/// The one way to an outlet, for one pipeline at a time: frames of a pipeline that was stopped,
/// or that does not have its turn yet, do not get through, however late they come.
pub struct Handover {
    outlet: Arc<dyn Outlet>,
    /// The number of the next frame. It goes on from pipeline to pipeline, so that no viewer takes
    /// a new frame for an old one.
    sequence: AtomicU32,
    turn: Mutex<ActivePipeline>,
}

/// Pipelines are known by their number; 0 is none.
#[derive(Default)]
struct ActivePipeline {
    /// Whose frames get through.
    current: u32,
    /// Whose first frame makes them the current one; seldom more than one.
    next: Vec<u32>,
}

impl Handover {
    /// A gate that lets nobody through.
    pub fn new(outlet: Arc<dyn Outlet>) -> Arc<Self> {
        Arc::new(Self {
            outlet,
            sequence: AtomicU32::default(),
            turn: Mutex::default(),
        })
    }

    /// The pipeline `number` takes over with its first frame, and not before.
    pub fn admit(&self, number: u32) {
        self.turn().next.push(number);
    }

    /// No frame of the pipeline `number` gets through any more. There is none under way when
    /// this returns.
    pub fn shut(&self, number: u32) {
        let mut turn = self.turn();
        turn.next.retain(|next| *next != number);
        if turn.current == number {
            turn.current = 0;
        }
    }

    /// How many frames there were so far, modulo 2^32.
    pub fn count(&self) -> u32 {
        self.sequence.load(Relaxed)
    }

    /// Held while a frame passes. There is nobody to wait for except in the moment of a change,
    /// so it costs some 20 ns a frame.
    fn turn(&self) -> MutexGuard<'_, ActivePipeline> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes frames of samples.
pub struct AppsinkReader {
    gate: Arc<Handover>,
    /// This pipeline's number.
    pub(super) number: u32,
    /// The caps of the last sample, with the layout where they are raw.
    form: Option<(gst::Caps, Option<gst_video::VideoInfo>)>,
    /// Frames of that form may need those before them. Some encoders mark all of theirs so, though
    /// none does: `pngenc` of GStreamer 1.22.
    delta: bool,
    /// The form that is to be said before the next frame that gets through.
    unsaid: Option<Caps>,
    /// Some frame got through.
    passed: bool,
    capture: Arc<AgeEstimator>,
    catch_up: BacklogFilter,
}

impl AppsinkReader {
    /// Frames of the pipeline `number` go through `gate`, as old as `capture` says.
    pub fn new(gate: Arc<Handover>, number: u32, capture: Arc<AgeEstimator>) -> Self {
        Self {
            gate,
            number,
            capture,
            catch_up: BacklogFilter::default(),
            form: None,
            delta: false,
            unsaid: None,
            passed: false,
        }
    }

    /// Passes on one sample of `sink`. Returns the caps of the first one that got through.
    pub fn take(
        &mut self,
        sink: &gst_app::AppSink,
        sample: &gst::Sample,
    ) -> anyhow::Result<Option<Caps>> {
        let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps_owned()) else {
            return Ok(None);
        };
        if self.form.as_ref().is_none_or(|(known, _)| *known != caps) {
            let described = caps::from_gst(&caps)?;
            let info = described
                .is_raw()
                .then(|| caps::raw_info(&caps))
                .transpose()?;
            self.form = Some((caps, info));
            self.delta = described.is_delta();
            self.unsaid = Some(described);
        }
        let info = self.form.as_ref().and_then(|(_, info)| info.as_ref());
        // Before the gate: only a pipeline that has a whole picture takes over.
        let data = contents(buffer, info)?;
        let mut turn = self.gate.turn();
        if turn.next.contains(&self.number) {
            turn.current = self.number;
            turn.next.retain(|next| *next > self.number);
        } else if turn.current != self.number {
            return Ok(None);
        }
        let (running, age) = self.time(sink, sample);
        if self.capture.catches_up() && self.catch_up.leaves_out(Instant::now(), age) {
            // It is counted, so that who needs it knows that it is missing.
            self.gate.sequence.fetch_add(1, Relaxed);
            return Ok(None);
        }
        let mut first = None;
        if let Some(form) = self.unsaid.take() {
            if !std::mem::replace(&mut self.passed, true) {
                first = Some(form.clone());
            }
            self.gate.outlet.caps(form);
        }
        let header = self.header(sample, running, age);
        self.gate.outlet.frame(Frame { header, data });
        Ok(first)
    }

    /// The time on a picture, as the pipeline's running time, and its age.
    fn time(
        &self,
        sink: &gst_app::AppSink,
        sample: &gst::Sample,
    ) -> (Option<gst::ClockTime>, Duration) {
        let pts = sample.buffer().and_then(gst::BufferRef::pts);
        let segment = sample
            .segment()
            .and_then(|s| s.downcast_ref::<gst::ClockTime>());
        let running = segment.and_then(|segment| segment.to_running_time(pts));
        (running, self.capture.age(sink, running))
    }

    fn header(
        &self,
        sample: &gst::Sample,
        running: Option<gst::ClockTime>,
        age: Duration,
    ) -> FrameHeader {
        let buffer = sample.buffer();
        let flags = buffer.map_or(gst::BufferFlags::empty(), gst::BufferRef::flags);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let captured_at = now.saturating_sub(age).as_nanos();
        FrameHeader {
            key: !(self.delta && flags.contains(gst::BufferFlags::DELTA_UNIT)),
            discontinuity: flags.contains(gst::BufferFlags::DISCONT),
            ack: false,
            stream: 0,
            sequence: self.gate.sequence.fetch_add(1, Relaxed),
            pts: running.map_or(0, gst::ClockTime::nseconds),
            captured_at: u64::try_from(captured_at).unwrap_or(u64::MAX),
        }
    }
}

/// The bytes of a buffer, as they are: mapped, not copied. Only raw pictures whose rows or
/// planes lie otherwise than their caps say are put in order, which takes a copy.
fn contents(buffer: gst::Buffer, info: Option<&gst_video::VideoInfo>) -> anyhow::Result<Bytes> {
    let unusual = |info: &gst_video::VideoInfo| {
        let layout = buffer.meta::<gst_video::VideoMeta>();
        buffer.size() != info.size()
            || layout.is_some_and(|m| m.stride() != info.stride() || m.offset() != info.offset())
    };
    let buffer = match info {
        Some(info) if unusual(info) => in_order(buffer, info)?,
        _ => buffer,
    };
    let mapped = buffer
        .into_mapped_buffer_readable()
        .map_err(|_| anyhow::anyhow!("a picture that cannot be read"))?;
    Ok(Bytes::from_owner(mapped))
}

fn in_order(buffer: gst::Buffer, info: &gst_video::VideoInfo) -> anyhow::Result<gst::Buffer> {
    let from = gst_video::VideoFrame::from_buffer_readable(buffer, info)
        .map_err(|_| anyhow::anyhow!("a picture that is not what its caps say"))?;
    let room = gst::Buffer::with_size(info.size())?;
    let mut to = gst_video::VideoFrame::from_buffer_writable(room, info)
        .map_err(|_| anyhow::anyhow!("no room for a picture"))?;
    from.copy(&mut to)?;
    Ok(to.into_buffer())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What came through a gate: widths of forms, and numbers of frames.
    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);

    impl Seen {
        fn note(&self, what: String) {
            self.0.lock().unwrap().push(what);
        }
    }

    impl Outlet for Seen {
        fn caps(&self, caps: Caps) {
            self.note(format!("{:?}", caps.size().unwrap().0));
        }

        fn frame(&self, frame: Frame) {
            self.note(format!("frame {}", frame.header.sequence));
        }

        fn clear(&self) {}

        fn lost(&self, _: &str) {}
    }

    /// A pipeline's frames on their way to the gate.
    struct Line(AppsinkReader, gst_app::AppSink, gst::Sample);

    impl Line {
        fn of(gate: &Arc<Handover>, number: u32, width: i32) -> Self {
            let info =
                gst_video::VideoInfo::builder(gst_video::VideoFormat::Gray8, width as u32, 1)
                    .build()
                    .unwrap();
            let buffer = gst::Buffer::with_size(info.size()).unwrap();
            let form = info.to_caps().unwrap();
            let sample = gst::Sample::builder().buffer(&buffer).caps(&form);
            let sink = gst_app::AppSink::builder().build();
            let capture = AgeEstimator::watch(&gst::Pipeline::new());
            let tap = AppsinkReader::new(Arc::clone(gate), number, capture);
            Self(tap, sink, sample.build())
        }

        /// Whether this frame was the pipeline's first to get through.
        fn push(&mut self) -> bool {
            self.0.take(&self.1, &self.2).unwrap().is_some()
        }
    }

    #[test]
    fn a_pipeline_takes_over_with_its_first_frame_and_the_old_one_is_not_heard_any_more() {
        gst::init().unwrap();
        let seen = Arc::new(Seen::default());
        let gate = Handover::new(Arc::clone(&seen) as Arc<dyn Outlet>);
        let (mut old, mut new) = (Line::of(&gate, 1, 8), Line::of(&gate, 2, 16));
        assert!(!old.push(), "it was not admitted");
        gate.admit(1);
        assert!(old.push() && !old.push());
        gate.admit(2);
        assert!(!old.push());
        assert!(new.push());
        // Late, as from a pipeline that hangs.
        assert!(!old.push() && !new.push());
        gate.shut(1);
        assert!(!new.push());
        let expected = [
            "8", "frame 0", "frame 1", "frame 2", "16", "frame 3", "frame 4", "frame 5",
        ];
        assert_eq!(*seen.0.lock().unwrap(), expected);
        assert_eq!(gate.count(), 6);
    }

    #[test]
    fn a_pipeline_that_was_shut_out_does_not_take_over_however_late_it_comes() {
        gst::init().unwrap();
        let seen = Arc::new(Seen::default());
        let gate = Handover::new(Arc::clone(&seen) as Arc<dyn Outlet>);
        let (mut one, mut other) = (Line::of(&gate, 1, 8), Line::of(&gate, 2, 16));
        gate.admit(1);
        gate.admit(2);
        gate.shut(2);
        assert!(!other.push() && one.push() && !other.push());
        gate.shut(1);
        assert!(!one.push());
        assert_eq!(*seen.0.lock().unwrap(), ["8", "frame 0"]);
    }

    #[test]
    fn rows_with_padding_are_put_in_order() {
        gst::init().unwrap();
        let format = gst_video::VideoFormat::Gray8;
        let info = gst_video::VideoInfo::builder(format, 4, 2).build().unwrap();
        let rows = [1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 8, 0, 0, 0, 0];
        let mut buffer = gst::Buffer::from_slice(rows);
        let flags = gst_video::VideoFrameFlags::empty();
        gst_video::VideoMeta::add_full(buffer.get_mut().unwrap(), flags, format, 4, 2, &[0], &[8])
            .unwrap();
        let tight = contents(buffer, Some(&info)).unwrap();
        let stride = info.stride()[0] as usize;
        assert_eq!(tight.len(), info.size());
        assert_eq!(&tight[..4], [1, 2, 3, 4]);
        assert_eq!(&tight[stride..stride + 4], [5, 6, 7, 8]);
    }

    #[test]
    fn a_buffer_in_order_is_not_copied() {
        gst::init().unwrap();
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Gray8, 4, 2)
            .build()
            .unwrap();
        let picture = vec![9; info.size()];
        let address = picture.as_ptr();
        let bytes = contents(gst::Buffer::from_slice(picture), Some(&info)).unwrap();
        assert_eq!(bytes.as_ptr(), address);
    }
}
