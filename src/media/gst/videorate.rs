//! The preconditions of `videorate`, which ends the process where one is not met.
//!
//! With caps that name no frame rate it asserts that each frame has a time and a duration. A
//! still picture, a camera over HTTP and RTP have none, and neither have the frames of a peer that
//! names no rate. So each `videorate` of each pipeline gets complete frames here, whoever has
//! written the file.

use std::ops::ControlFlow;

use gst::prelude::*;
use gstreamer as gst;
use parking_lot::Mutex;

use super::{caps, element};

/// The frame rate of a stream that names none, where there has to be one.
pub const USUAL_RATE: gst::Fraction = gst::Fraction::new_raw(30, 1);
/// Other rates are no promise of anything. A `videorate` that fills gaps would fill them with
/// copies without end.
const LOWEST_RATE: gst::Fraction = gst::Fraction::new_raw(1, 3600);
const HIGHEST_RATE: gst::Fraction = gst::Fraction::new_raw(1000, 1);

/// Completes the frames and the caps before each `videorate` in `pipeline`, also before those that
/// come into it later.
pub fn complete_frames(pipeline: &gst::Pipeline) {
    pipeline.connect_deep_element_added(|_, _, element| watch(element));
    for element in pipeline.iterate_recurse().into_iter().flatten() {
        watch(&element);
    }
}

fn watch(element: &gst::Element) {
    if element::kind(element) != "videorate" {
        return;
    }
    let Some(pad) = element.static_pad("sink") else {
        return;
    };
    let times = Mutex::new(FrameTimes::default());
    let watched = gst::PadProbeType::BUFFER
        | gst::PadProbeType::BUFFER_LIST
        | gst::PadProbeType::EVENT_DOWNSTREAM
        | gst::PadProbeType::EVENT_FLUSH;
    pad.add_probe(watched, move |pad, info| {
        let Some(videorate) = pad.parent_element() else {
            return gst::PadProbeReturn::Ok;
        };
        let mut times = times.lock();
        match &mut info.data {
            Some(gst::PadProbeData::Event(event)) => match event.view() {
                gst::EventView::Caps(came) => {
                    let suitable = suitable_caps(&videorate, came.caps());
                    *times = FrameTimes::new(&videorate, &suitable);
                    if suitable.as_ref() != came.caps() {
                        caps::replace_event(event, &suitable);
                    }
                }
                gst::EventView::Segment(_) | gst::EventView::FlushStop(_) => times.begin_anew(),
                _ => {}
            },
            Some(gst::PadProbeData::Buffer(buffer)) => {
                complete(&mut times, &videorate, pad, buffer);
            }
            Some(gst::PadProbeData::BufferList(list)) => {
                list.make_mut().foreach_mut(|mut buffer, _| {
                    complete(&mut times, &videorate, pad, &mut buffer);
                    ControlFlow::Continue(Some(buffer))
                });
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

/// `caps` with a frame rate that this `videorate` can work with.
///
/// Without a rate, one that also repeats frames guesses it from the first two frames, which may
/// have come in one burst, and one that changes the pace divides by it. So both are told one. Only
/// where no rate is taken behind it, it has to take the frames as they come, and then repeats none.
fn suitable_caps(videorate: &gst::Element, caps: &gst::CapsRef) -> gst::Caps {
    if !videorate.property::<bool>("drop-only") && !takes_a_rate(videorate, caps) {
        videorate.set_property("drop-only", true);
    }
    let drops_only = videorate.property::<bool>("drop-only");
    let keeps_pace = (videorate.property::<f64>("rate") - 1.0).abs() < f64::EPSILON;
    let mut caps = caps.to_owned();
    let known = rate(&caps);
    let suitable = match known {
        Some(rate) => rate,
        None if drops_only && keeps_pace => gst::Fraction::new(0, 1),
        None => USUAL_RATE,
    };
    if known.is_none() {
        caps.make_mut().set("framerate", suitable);
    }
    caps
}

/// The frame rate of `caps`, where they name a possible one.
fn rate(caps: &gst::CapsRef) -> Option<gst::Fraction> {
    let rate = caps.structure(0)?.get::<gst::Fraction>("framerate").ok()?;
    (LOWEST_RATE..=HIGHEST_RATE).contains(&rate).then_some(rate)
}

/// Whether the elements behind `videorate` take frames of some rate.
fn takes_a_rate(videorate: &gst::Element, caps: &gst::CapsRef) -> bool {
    let (Some(pad), Some(fields)) = (videorate.static_pad("src"), caps.structure(0)) else {
        return true;
    };
    let rates = gst::FractionRange::new(
        gst::Fraction::new(1, i32::MAX),
        gst::Fraction::new(i32::MAX, 1),
    );
    let some_rate = gst::Caps::builder(fields.name().as_str())
        .any_features()
        .field("framerate", rates)
        .build();
    let taken = pad.peer_query_caps(None);
    taken.is_empty() || taken.can_intersect(&some_rate)
}

/// Gives a frame the time and the duration that it lacks.
fn complete(
    times: &mut FrameTimes,
    videorate: &gst::Element,
    pad: &gst::Pad,
    buffer: &mut gst::Buffer,
) {
    let has = (buffer.pts(), buffer.duration());
    let (pts, duration) = times.complete(has.0, has.1, || arrival(videorate, pad));
    if has != (Some(pts), Some(duration)) {
        let fields = buffer.make_mut();
        fields.set_pts(pts);
        fields.set_duration(duration);
    }
}

/// The present time, for a frame that comes without one. The frames of a local file follow each
/// other at once, so there the present says nothing about them.
fn arrival(videorate: &gst::Element, pad: &gst::Pad) -> Option<gst::ClockTime> {
    if reads_a_file(videorate) {
        return None;
    }
    let running = videorate.current_running_time()?;
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = segment.segment().downcast_ref::<gst::ClockTime>()?;
    segment.position_from_running_time(running)
}

/// Whether a source of the pipeline can be read at any place at once, as a local file can.
fn reads_a_file(element: &gst::Element) -> bool {
    let mut top = element.parent();
    while let Some(above) = top.as_ref().and_then(GstObjectExt::parent) {
        top = Some(above);
    }
    let Some(pipeline) = top.and_then(|top| top.downcast::<gst::Bin>().ok()) else {
        return false;
    };
    let mut sources = pipeline.iterate_recurse().into_iter().flatten();
    sources.any(|source| {
        let is_source = source.element_flags().contains(gst::ElementFlags::SOURCE);
        let pad = source.static_pad("src").filter(|_| is_source);
        let mut query = gst::query::Scheduling::new();
        let (flags, ..) = match pad {
            Some(pad) if pad.query(&mut query) => query.result(),
            _ => return false,
        };
        flags.contains(gst::SchedulingFlags::SEEKABLE)
            && !flags.contains(gst::SchedulingFlags::BANDWIDTH_LIMITED)
    })
}

/// The times of the frames before one `videorate`.
struct FrameTimes {
    /// The time from one frame to the next, where the frames do not say it.
    step: gst::ClockTime,
    /// The least time from one frame that passes to the next, where the rate is not known: there
    /// `videorate` goes by the durations.
    gap: Option<gst::ClockTime>,
    /// The time of the frame before.
    last: Option<gst::ClockTime>,
    /// The time at which the next frame passes.
    due: Option<gst::ClockTime>,
}

impl Default for FrameTimes {
    fn default() -> Self {
        Self {
            step: period(USUAL_RATE),
            gap: None,
            last: None,
            due: None,
        }
    }
}

impl FrameTimes {
    fn new(videorate: &gst::Element, caps: &gst::CapsRef) -> Self {
        if let Some(rate) = rate(caps) {
            return Self {
                step: period(rate),
                ..Self::default()
            };
        }
        let most = gst::Fraction::new(videorate.property::<i32>("max-rate").max(1), 1);
        let (step, gap) = if most <= HIGHEST_RATE {
            (period(most), period(most))
        } else {
            (period(USUAL_RATE), gst::ClockTime::NSECOND)
        };
        Self {
            step,
            gap: Some(gap),
            ..Self::default()
        }
    }

    /// A seek, or another part of the stream.
    fn begin_anew(&mut self) {
        (self.last, self.due) = (None, None);
    }

    /// The time and the duration for a frame that has these. `arrival` is the present time, where
    /// it means something.
    fn complete(
        &mut self,
        pts: Option<gst::ClockTime>,
        duration: Option<gst::ClockTime>,
        arrival: impl FnOnce() -> Option<gst::ClockTime>,
    ) -> (gst::ClockTime, gst::ClockTime) {
        let pts = pts.unwrap_or_else(|| match (self.last, arrival()) {
            (Some(last), Some(now)) => now.max(last.saturating_add(gst::ClockTime::NSECOND)),
            (Some(last), None) => last.saturating_add(self.step),
            (None, now) => now.unwrap_or_default(),
        });
        self.last = Some(pts);
        let duration = match self.gap {
            Some(gap) => self.until_due(pts, gap),
            None => duration.filter(|d| !d.is_zero()).unwrap_or(self.step),
        };
        (pts, duration.max(gst::ClockTime::NSECOND))
    }

    /// The time from a frame to the next one that passes. Frames that are a little early now and
    /// then are not fewer for that: the times count on from each other, as those of a known rate.
    fn until_due(&mut self, pts: gst::ClockTime, gap: gst::ClockTime) -> gst::ClockTime {
        let due = match self.due {
            // It does not pass.
            Some(due) if pts < due => return gap,
            Some(due) if pts - due < gap => due.saturating_add(gap),
            _ => pts.saturating_add(gap),
        };
        self.due = Some(due);
        due - pts
    }
}

fn period(rate: gst::Fraction) -> gst::ClockTime {
    let seconds = f64::from(rate.denom()) / f64::from(rate.numer());
    gst::ClockTime::from_seconds_f64(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gstreamer_app as gst_app;

    const MS: gst::ClockTime = gst::ClockTime::MSECOND;

    /// The frames that come out of `chain` for frames with these times and durations.
    fn run(chain: &str, rate: &str, frames: &[(Option<u64>, Option<u64>)]) -> usize {
        let text = format!(
            "appsrc name=in format=time caps=video/x-raw,format=GRAY8,width=4,height=4{rate} \
             ! {chain} ! appsink name=out sync=false"
        );
        let pipeline = gst::parse::launch(&text).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        complete_frames(&pipeline);
        let source = pipeline.by_name("in").and_downcast::<gst_app::AppSrc>();
        let sink = pipeline.by_name("out").and_downcast::<gst_app::AppSink>();
        let (source, sink) = (source.unwrap(), sink.unwrap());
        pipeline.set_state(gst::State::Playing).unwrap();
        for (pts, duration) in frames {
            let mut buffer = gst::Buffer::with_size(16).unwrap();
            let fields = buffer.get_mut().unwrap();
            fields.set_pts(pts.map(|ms| ms * MS));
            fields.set_duration(duration.map(|ms| ms * MS));
            source.push_buffer(buffer).unwrap();
        }
        source.end_of_stream().unwrap();
        let count = std::iter::from_fn(|| sink.pull_sample().ok()).count();
        let bus = pipeline.bus().unwrap();
        let error = bus.pop_filtered(&[gst::MessageType::Error]);
        pipeline.set_state(gst::State::Null).unwrap();
        assert!(error.is_none(), "{chain} {rate} {frames:?}: {error:?}");
        count
    }

    #[test]
    fn no_caps_and_no_times_end_the_process_or_make_endless_frames() {
        gst::init().unwrap();
        for chain in [
            "videorate",
            "videorate max-rate=5",
            "videorate rate=2.0",
            "videorate skip-to-first=true",
            "videorate average-period=1000000000 max-rate=5",
            "videorate ! video/x-raw,framerate=10/1",
            "videorate ! video/x-raw,framerate=0/1",
            "videorate ! video/x-raw,framerate=[0/1,10/1]",
            "videorate drop-only=true",
            "videorate drop-only=true max-rate=30",
            "videorate drop-only=true rate=2.0",
            "videorate drop-only=true ! video/x-raw,framerate=0/1",
            "videorate drop-only=true max-rate=30 ! videorate drop-only=true max-rate=1",
            "videorate drop-only=true max-rate=30 ! videorate",
        ] {
            for rate in [
                "",
                ",framerate=0/1",
                ",framerate=30/1",
                ",framerate=2147483647/1",
                ",framerate=1/2147483647",
            ] {
                for frames in [
                    &[(None, None); 4][..],
                    &[(Some(0), None)],
                    &[(Some(0), None), (None, None), (None, None)],
                    &[(Some(0), Some(0)), (Some(0), Some(0)), (Some(0), Some(0))],
                    &[(Some(0), None), (Some(100), None), (Some(200), None)],
                    &[
                        (Some(0), Some(1)),
                        (Some(100), Some(1)),
                        (Some(200), Some(1)),
                    ],
                    &[(Some(300), None), (Some(200), None), (Some(100), None)],
                ] {
                    let count = run(chain, rate, frames);
                    let case = format!("{chain} {rate} {frames:?}: {count}");
                    assert!((1..300).contains(&count), "{case}");
                }
            }
        }
    }

    #[test]
    fn a_highest_rate_holds_also_where_the_caps_name_none() {
        gst::init().unwrap();
        // 60 frames a second for a second, each up to 9 ms late.
        let jitter = |n: u64| n * 1000 / 60 + (n * 7919) % 10;
        let frames: Vec<_> = (0..60).map(|n| (Some(jitter(n)), None)).collect();
        for (most, expected) in [(5, 5..=6), (30, 28..=31), (60, 50..=60), (1000, 60..=60)] {
            let chain = format!("videorate drop-only=true max-rate={most}");
            let count = run(&chain, ",framerate=0/1", &frames);
            assert!(expected.contains(&count), "{count} and not {expected:?}");
        }
        assert_eq!(
            run("videorate drop-only=true", ",framerate=0/1", &frames),
            60
        );
    }
}
