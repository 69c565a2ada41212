//! Frames from the samples of an `appsink`, on the pipeline's own thread: the hot path of a sender.
//!
//! `source_thread` runs rarely and may block. Nothing here may.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::clock::WallNanos;
use crate::frame::{Frame, FrameHeader, TimeOrigin};
use crate::wire::Caps;

use super::age::AgeEstimator;
use super::backlog::BacklogFilter;
use super::decoded_time;
use super::handover::Handover;
use super::stream_headers::StreamHeaders;
use super::stream_time::StreamTime;
use crate::media::gst::caps;

/// Makes frames of the samples of one pipeline.
pub struct AppsinkReader {
    handover: Arc<Handover>,
    /// The pipeline's number.
    number: u32,
    /// The caps of the last sample, with the layout where they are raw.
    caps: Option<(gst::Caps, Option<gst_video::VideoInfo>)>,
    /// Whether frames of these caps may need those before them. Some encoders mark all of their
    /// frames so, although none does: `pngenc` of GStreamer 1.22.
    delta: bool,
    /// The parameter sets of these frames, where they have some.
    headers: Option<StreamHeaders>,
    /// Caps to announce before the next frame that passes.
    unannounced: Option<Caps>,
    /// Whether a frame has passed.
    passed: bool,
    ages: Arc<AgeEstimator>,
    stream_time: StreamTime,
    backlog: BacklogFilter,
}

impl AppsinkReader {
    /// Frames of the pipeline `number` pass `handover`, with their ages from `ages`, or from what
    /// the stream tells.
    pub fn new(
        handover: Arc<Handover>,
        number: u32,
        ages: Arc<AgeEstimator>,
        stream_time: StreamTime,
    ) -> Self {
        Self {
            handover,
            number,
            caps: None,
            delta: false,
            headers: None,
            unannounced: None,
            passed: false,
            ages,
            stream_time,
            backlog: BacklogFilter::default(),
        }
    }

    /// Passes one sample of `sink` on. Returns its caps where it is the first that passes.
    ///
    /// # Errors
    ///
    /// Where the sample is no video that vidchat can send, or cannot be read.
    pub fn take(
        &mut self,
        sink: &gst_app::AppSink,
        sample: &gst::Sample,
    ) -> anyhow::Result<Option<Caps>> {
        let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps_owned()) else {
            return Ok(None);
        };
        if self.caps.as_ref().is_none_or(|(known, _)| *known != caps) {
            self.set_caps(caps)?;
        }
        let info = self.caps.as_ref().and_then(|(_, info)| info.as_ref());
        // A pipeline takes over with a whole frame, so the frame is made first.
        let is_key = self.is_key(sample);
        let marked = decoded_time::of(&buffer);
        let mut data = contents(buffer, info)?;
        if let Some(headers) = &mut self.headers {
            data = headers.complete(is_key, data);
        }
        let (running, age) = self.time(sink, sample);
        let paced = self.ages.is_paced();
        let now = WallNanos::now();
        let time = &mut self.stream_time;
        let captured = time.of_frame(is_key, &data, marked, age, paced, now);
        let Some(passage) = self.handover.enter(self.number) else {
            return Ok(None);
        };
        let number = passage.take_number();
        if self.ages.is_live() && self.backlog.drops(Instant::now(), age) {
            return Ok(None);
        }
        let mut first = None;
        if let Some(caps) = self.unannounced.take() {
            if !std::mem::replace(&mut self.passed, true) {
                first = Some(caps.clone());
            }
            passage.announce(caps);
        }
        let header = self.header(number, sample, running, captured);
        passage.publish(Frame { header, data });
        Ok(first)
    }

    fn set_caps(&mut self, caps: gst::Caps) -> anyhow::Result<()> {
        let described = caps::from_gst(&caps)?;
        let info = if described.is_raw() {
            Some(caps::raw_info(&caps)?)
        } else {
            None
        };
        self.delta = described.is_delta();
        self.stream_time.set_caps(&described);
        self.headers = StreamHeaders::of(described.media_type());
        if let Some(headers) = &mut self.headers
            && let Some(codec_data) = caps::codec_data(&caps)
        {
            headers.take_codec_data(&codec_data);
        }
        self.caps = Some((caps, info));
        self.unannounced = Some(described);
        Ok(())
    }

    /// Whether a frame can be decoded by itself.
    fn is_key(&self, sample: &gst::Sample) -> bool {
        let flags = sample.buffer().map(gst::BufferRef::flags);
        let depends = flags.is_some_and(|flags| flags.contains(gst::BufferFlags::DELTA_UNIT));
        !(self.delta && depends)
    }

    /// The frame's time on the pipeline's running time, and its age.
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
        (running, self.ages.age(sink, running))
    }

    fn header(
        &self,
        number: u32,
        sample: &gst::Sample,
        running: Option<gst::ClockTime>,
        (captured_at, origin): (WallNanos, TimeOrigin),
    ) -> FrameHeader {
        let buffer = sample.buffer();
        let flags = buffer.map_or(gst::BufferFlags::empty(), gst::BufferRef::flags);
        FrameHeader {
            key: self.is_key(sample),
            discontinuity: flags.contains(gst::BufferFlags::DISCONT),
            ack: false,
            stream: 0,
            sequence: number,
            pts: running.map_or(0, gst::ClockTime::nseconds),
            captured_at: captured_at.0,
            origin,
        }
    }
}

/// The bytes of a buffer: mapped, not copied. Only a raw frame whose rows or planes have another
/// layout than its caps describe is copied into that layout.
fn contents(buffer: gst::Buffer, info: Option<&gst_video::VideoInfo>) -> anyhow::Result<Bytes> {
    let unusual = |info: &gst_video::VideoInfo| {
        let layout = buffer.meta::<gst_video::VideoMeta>();
        buffer.size() != info.size()
            || layout.is_some_and(|m| m.stride() != info.stride() || m.offset() != info.offset())
    };
    let buffer = match info {
        Some(info) if unusual(info) => repacked(buffer, info)?,
        _ => buffer,
    };
    let mapped = buffer
        .into_mapped_buffer_readable()
        .map_err(|_| anyhow::anyhow!("a frame cannot be read"))?;
    Ok(Bytes::from_owner(mapped))
}

fn repacked(buffer: gst::Buffer, info: &gst_video::VideoInfo) -> anyhow::Result<gst::Buffer> {
    let from = gst_video::VideoFrame::from_buffer_readable(buffer, info)
        .map_err(|_| anyhow::anyhow!("a frame does not match its caps"))?;
    let room = gst::Buffer::with_size(info.size())?;
    let mut to = gst_video::VideoFrame::from_buffer_writable(room, info)
        .map_err(|_| anyhow::anyhow!("there is no memory for a frame"))?;
    from.copy(&mut to)?;
    Ok(to.into_buffer())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::frame_sink::FrameSink;
    use parking_lot::Mutex;

    /// The widths of the caps and the numbers of the frames that passed.
    #[derive(Default)]
    struct Passed(Mutex<Vec<String>>);

    impl Passed {
        fn note(&self, what: String) {
            self.0.lock().push(what);
        }
    }

    impl FrameSink for Passed {
        fn announce(&self, caps: Caps) {
            self.note(format!("{:?}", caps.size().unwrap().0));
        }

        fn publish(&self, frame: Frame) {
            self.note(format!("frame {}", frame.header.sequence));
        }

        fn clear(&self) {}

        fn lose(&self, _: &str) {}
    }

    /// A pipeline's frames on their way to the hand-over.
    struct Line(AppsinkReader, gst_app::AppSink, gst::Sample);

    impl Line {
        fn of(handover: &Arc<Handover>, number: u32, width: i32) -> Self {
            let info =
                gst_video::VideoInfo::builder(gst_video::VideoFormat::Gray8, width as u32, 1)
                    .build()
                    .unwrap();
            let buffer = gst::Buffer::with_size(info.size()).unwrap();
            let caps = info.to_caps().unwrap();
            let sample = gst::Sample::builder().buffer(&buffer).caps(&caps);
            let sink = gst_app::AppSink::builder().build();
            let ages = AgeEstimator::watch(&gst::Pipeline::new());
            let time = StreamTime::new(false);
            let reader = AppsinkReader::new(Arc::clone(handover), number, ages, time);
            Self(reader, sink, sample.build())
        }

        /// Whether this frame was the first of its pipeline that passed.
        fn push(&mut self) -> bool {
            self.0.take(&self.1, &self.2).unwrap().is_some()
        }
    }

    #[test]
    fn a_pipeline_takes_over_with_its_first_frame_and_the_old_one_passes_no_more() {
        gst::init().unwrap();
        let passed = Arc::new(Passed::default());
        let handover = Handover::new(Arc::clone(&passed) as Arc<dyn FrameSink>);
        let (mut old, mut new) = (Line::of(&handover, 1, 8), Line::of(&handover, 2, 16));
        assert!(!old.push(), "it was not admitted");
        handover.admit(1);
        assert!(old.push() && !old.push());
        handover.admit(2);
        assert!(!old.push());
        assert!(new.push());
        // Late, as from a pipeline that hangs.
        assert!(!old.push() && !new.push());
        handover.shut(1);
        assert!(!new.push());
        let expected = [
            "8", "frame 0", "frame 1", "frame 2", "16", "frame 3", "frame 4", "frame 5",
        ];
        assert_eq!(*passed.0.lock(), expected);
        assert_eq!(handover.count(), 6);
    }

    #[test]
    fn a_pipeline_that_was_shut_out_does_not_take_over_however_late_it_comes() {
        gst::init().unwrap();
        let passed = Arc::new(Passed::default());
        let handover = Handover::new(Arc::clone(&passed) as Arc<dyn FrameSink>);
        let (mut one, mut other) = (Line::of(&handover, 1, 8), Line::of(&handover, 2, 16));
        handover.admit(1);
        handover.admit(2);
        handover.shut(2);
        assert!(!other.push() && one.push() && !other.push());
        handover.shut(1);
        assert!(!one.push());
        assert_eq!(*passed.0.lock(), ["8", "frame 0"]);
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
        let frame = vec![9; info.size()];
        let address = frame.as_ptr();
        let bytes = contents(gst::Buffer::from_slice(frame), Some(&info)).unwrap();
        assert_eq!(bytes.as_ptr(), address);
    }
}
