//! Counts what a pipeline that publishes has given to its engine, and recognises the frames there.
//!
//! The sink of such a pipeline gets packets or parts of a file, so a frame is known by its time. A sink
//! holds its first frame until the engine answers. So one that has taken two works. The head of a
//! container says nothing: an RTMP sink takes it before there is a connection. An SRT sink that calls
//! takes frames too, so there an acknowledgement tells, and one of Media over QUIC tells by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gst::glib;
use gst::prelude::*;
use gstreamer as gst;
use parking_lot::Mutex;

use crate::media::gst::element;
use crate::media::pipeline::ends::SEAM;

use super::frame_tracker::FrameTracker;

/// What one pipeline has given to its engine.
#[derive(Debug, Default)]
pub struct Published {
    /// Frames that have come to the sink.
    frames: AtomicU64,
    bytes: AtomicU64,
    sink: Mutex<glib::WeakRef<gst::Element>>,
}

/// The packets of one link to an engine, where its sink counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Packets {
    /// Packets that were sent, with those that were sent again.
    pub sent: u64,
    /// Those that the other side has missed, before they were sent again.
    pub lost: u64,
    /// Those that were too late to be sent.
    pub dropped: u64,
    /// Acknowledgements that have come.
    pub acknowledged: u64,
    /// The round trip, in milliseconds.
    pub rtt: f64,
}

impl Published {
    /// Whether the engine has taken a frame.
    pub fn works(&self) -> bool {
        let calls = || self.sink.lock().upgrade().is_some_and(|sink| calls(&sink));
        let is_answered = || self.packets().iter().any(|link| link.acknowledged > 0);
        self.frames.load(Relaxed) >= 2 && (!calls() || is_answered()) && !self.is_cut_off()
    }

    /// Whether its sink has no connection. A sink of Media over QUIC takes frames then too, and nobody
    /// gets them. Others take none, and do not tell.
    pub fn is_cut_off(&self) -> bool {
        let sink = self.sink.lock().upgrade();
        let tells =
            |sink: &gst::Element| sink.has_property_with_type("connected", bool::static_type());
        sink.filter(tells)
            .is_some_and(|sink| !sink.property::<bool>("connected"))
    }

    /// Bytes that have reached the sink, which may still hold the last of them.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// The packets of its link, or of that of each player who has come to its sink; empty where the sink
    /// does not count them.
    pub fn packets(&self) -> Vec<Packets> {
        let sink = self.sink.lock().upgrade();
        let counts = |sink: &gst::Element| {
            sink.has_property_with_type("stats", gst::Structure::static_type())
        };
        let stats = sink.filter(counts);
        let stats = stats.map(|sink| sink.property::<gst::Structure>("stats"));
        stats.map_or(Vec::new(), |stats| Packets::in_stats(&stats))
    }
}

/// Whether a sink is one of SRT that calls its engine.
fn calls(sink: &gst::Element) -> bool {
    let mode = || {
        let mode = sink
            .has_property("mode")
            .then(|| sink.property_value("mode"));
        mode.is_some_and(|mode| {
            let value = glib::EnumValue::from_value(&mode);
            value.is_some_and(|(_, value)| value.nick() != "listener")
        })
    };
    element::kind(sink) == "srtsink" && mode()
}

impl Packets {
    /// Those in the statistics of a sink, which has one link, or one for each of its `callers`.
    fn in_stats(stats: &gst::StructureRef) -> Vec<Self> {
        let Ok(callers) = stats.get::<glib::ValueArray>("callers") else {
            return Self::of_link(stats).into_iter().collect();
        };
        let links = callers
            .iter()
            .filter_map(|link| link.get::<gst::Structure>().ok());
        links.filter_map(|link| Self::of_link(&link)).collect()
    }

    fn of_link(stats: &gst::StructureRef) -> Option<Self> {
        let count = |name: &str| match stats.get::<i64>(name) {
            Ok(count) => u64::try_from(count).ok(),
            Err(_) => stats
                .get::<i32>(name)
                .ok()
                .and_then(|count| u64::try_from(count).ok()),
        };
        Some(Self {
            sent: count("packets-sent")?,
            lost: count("packets-sent-lost")?,
            dropped: count("packets-sent-dropped")?,
            acknowledged: count("packet-ack-received")?,
            rtt: stats.get("rtt-ms").ok()?,
        })
    }
}

/// The times of frames at both ends of a pipeline.
#[derive(Debug, Default)]
struct Times {
    first: Option<gst::ClockTime>,
    /// How much earlier the times are at the end: some containers begin at zero.
    earlier: Option<gst::ClockTime>,
    last: Option<gst::ClockTime>,
}

impl Times {
    /// A frame of this time enters the pipeline.
    fn entered(&mut self, time: Option<gst::ClockTime>) {
        self.first = self.first.or(time);
    }

    /// Whether a buffer of this time that has reached the end begins another frame than the one before:
    /// a frame may come in many packets. One without a time counts as a frame.
    fn begins_frame(&mut self, time: Option<gst::ClockTime>) -> bool {
        time.is_none_or(|time| self.last.replace(time) != Some(time))
    }

    /// How much earlier the time of a buffer at the end is than that of its frame; `None` where nobody
    /// knows.
    fn earlier(&mut self, time: Option<gst::ClockTime>) -> Option<gst::ClockTime> {
        let (first, time) = self.first.zip(time)?;
        let earlier = self.earlier;
        self.earlier = earlier.or_else(|| Some(first.saturating_sub(time)));
        self.earlier
    }
}

/// Counts what reaches the end of `pipeline` from here on, and tells `tracker` of each frame.
pub(super) fn attach(
    pipeline: &gst::Pipeline,
    published: &Arc<Published>,
    tracker: Option<&Arc<FrameTracker>>,
) {
    hand_on_at_once(pipeline);
    let sink = pipeline.iterate_sinks().next().ok().flatten();
    let Some(sink) = sink else { return };
    published.sink.lock().set(Some(&sink));
    let times = Arc::<Mutex<Times>>::default();
    if let (Some(tracker), Some(entry)) = (tracker, pipeline.by_name(SEAM))
        && let Some(pad) = entry.static_pad("src")
    {
        let (tracker, times) = (Arc::clone(tracker), Arc::clone(&times));
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(buffer) = info.buffer() {
                tracker.entered(buffer);
                times.lock().entered(buffer.pts());
            }
            gst::PadProbeReturn::Ok
        });
    }
    let Some(pad) = sink.sink_pads().into_iter().next() else {
        return;
    };
    let (published, tracker) = (Arc::clone(published), tracker.cloned());
    let data = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    pad.add_probe(data, move |_, info| {
        let (first, bytes) = match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => (Some(buffer.as_ref()), buffer.size()),
            Some(gst::PadProbeData::BufferList(list)) => (list.get(0), list.calculate_size()),
            _ => (None, 0),
        };
        published.bytes.fetch_add(bytes as u64, Relaxed);
        let Some(buffer) = first else {
            return gst::PadProbeReturn::Ok;
        };
        // A parser takes each frame with a message in it, as that of its time of capture, for one with
        // a head.
        let has_mark = |tracker: &Arc<FrameTracker>| tracker.has_mark(buffer);
        let is_frame = !buffer.flags().contains(gst::BufferFlags::HEADER)
            || tracker.as_ref().is_some_and(has_mark);
        let mut times = times.lock();
        if is_frame && times.begins_frame(buffer.pts()) {
            let earlier = times.earlier(buffer.pts());
            drop(times);
            published.frames.fetch_add(1, Relaxed);
            if let (Some(tracker), Some(earlier)) = (&tracker, earlier) {
                tracker.reached_earlier(buffer, earlier);
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// Has each sink send at once, and report a lost connection in place of making another: a new
/// pipeline does that, which begins with a key frame.
fn hand_on_at_once(pipeline: &gst::Pipeline) {
    for element in pipeline.iterate_recurse().into_iter().flatten() {
        let is_sink = element.element_flags().contains(gst::ElementFlags::SINK);
        let has = |name| element.has_property_with_type(name, bool::static_type());
        for name in ["sync", "auto-reconnect"] {
            if is_sink && has(name) {
                element.set_property(name, false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_counts_once_however_many_packets_it_has_and_whatever_time_a_container_begins_with() {
        let ms = |time| Some(gst::ClockTime::from_mseconds(time));
        for (begins, earlier) in [(840, 0), (0, 840), (900, 0)] {
            let mut times = Times::default();
            assert_eq!(times.earlier(ms(0)), None, "before the first frame");
            times.entered(ms(840));
            times.entered(ms(873));
            let mut reached = |time| times.begins_frame(time).then(|| times.earlier(time));
            assert_eq!(reached(ms(begins)), Some(ms(earlier)));
            assert_eq!(reached(ms(begins)), None);
            assert_eq!(reached(ms(begins + 33)), Some(ms(earlier)));
            assert_eq!(reached(None), Some(None));
            assert_eq!(reached(None), Some(None));
        }
    }

    /// Whether an engine works that is given these: heads or frames, each with its time.
    fn works_after(buffers: &[(bool, u64)]) -> bool {
        gst::init().unwrap();
        let text = "appsrc name=frames format=time ! fakesink async=false";
        let pipeline = gst::parse::launch(text).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let published = Arc::<Published>::default();
        attach(&pipeline, &published, None);
        let frames = pipeline.by_name(SEAM).unwrap();
        let frames = frames.downcast::<gstreamer_app::AppSrc>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        for (is_head, time) in buffers {
            let mut buffer = gst::Buffer::with_size(1).unwrap();
            let inside = buffer.make_mut();
            inside.set_pts(gst::ClockTime::from_mseconds(*time));
            if *is_head {
                inside.set_flags(gst::BufferFlags::HEADER);
            }
            frames.push_buffer(buffer).unwrap();
        }
        frames.end_of_stream().unwrap();
        let bus = pipeline.bus().unwrap();
        let ended = bus.timed_pop_filtered(None, &[gst::MessageType::Eos]);
        ended.expect("it comes to its end");
        pipeline.set_state(gst::State::Null).unwrap();
        assert_eq!(published.bytes(), buffers.len() as u64);
        published.works()
    }

    #[test]
    fn an_engine_that_holds_its_first_frame_behind_a_head_does_not_work() {
        let (head, frame) = (true, false);
        assert!(!works_after(&[(head, 0), (head, 0), (head, 0), (frame, 0)]));
        assert!(
            !works_after(&[(head, 0), (frame, 5), (frame, 5)]),
            "packets"
        );
        assert!(works_after(&[(head, 0), (frame, 5), (frame, 38)]));
    }
}
