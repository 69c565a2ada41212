//! The time of capture across a decoder. A sending pipeline that decodes the stream of an engine gives
//! raw frames, which have no place for a time. So it is read before the decoder, and goes on as a mark
//! on the buffer, which decoders hand on.

use std::time::Duration;

use gst::prelude::*;
use gstreamer as gst;
use parking_lot::Mutex;

use crate::clock::{CaptureTime, WallNanos};
use crate::media::capture_time::CaptureTimeReader;
use crate::media::gst::caps;

/// The kind of reference timestamp that is a time of capture.
const KIND: &str = "timestamp/x-vidchat-captured";

/// The reader for the frames of some caps.
type Reader = Option<(gst::Caps, Option<CaptureTimeReader>)>;

/// Marks each frame that goes into a decoder of `pipeline`, which has not been started, with the time
/// in it.
pub fn watch(pipeline: &gst::Pipeline) {
    for element in pipeline.iterate_recurse().into_iter().flatten() {
        watch_decoder(&element);
    }
    pipeline.connect_deep_element_added(|_, _, element| watch_decoder(element));
}

/// The time in the mark of a buffer.
pub fn of(buffer: &gst::BufferRef) -> Option<CaptureTime> {
    let mut marks = buffer.iter_meta::<gst::ReferenceTimestampMeta>();
    let is_ours = |mark: &gst::MetaRef<'_, gst::ReferenceTimestampMeta>| {
        let kind = mark.reference().structure(0);
        kind.is_some_and(|kind| kind.name() == KIND)
    };
    let mark = marks.find(is_ours)?;
    Some(CaptureTime {
        at: WallNanos(mark.timestamp().nseconds()),
        // Nobody behind the decoder asks for it.
        ahead: 0,
        uncertainty: mark.duration().map_or(Duration::ZERO, Duration::from),
    })
}

fn watch_decoder(element: &gst::Element) {
    let class = element.metadata(gst::ELEMENT_METADATA_KLASS);
    let is_decoder = class.is_some_and(|class| {
        class.starts_with("Codec/Decoder") && (class.contains("Video") || class.contains("Image"))
    });
    let Some(pad) = element.static_pad("sink").filter(|_| is_decoder) else {
        return;
    };
    let (reader, kind) = (Mutex::new(None), gst::Caps::new_empty_simple(KIND));
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let (Some(caps), Some(buffer)) = (pad.current_caps(), info.buffer_mut())
            && let Some(time) = read(&mut reader.lock(), caps, buffer)
        {
            let at = gst::ClockTime::from_nseconds(time.at.0);
            let uncertainty = gst::ClockTime::try_from(time.uncertainty).ok();
            gst::ReferenceTimestampMeta::add(buffer.make_mut(), &kind, at, uncertainty);
        }
        gst::PadProbeReturn::Ok
    });
}

fn read(reader: &mut Reader, caps: gst::Caps, buffer: &gst::BufferRef) -> Option<CaptureTime> {
    let known = reader.take().filter(|(known, _)| *known == caps);
    let (_, reader) = reader.insert(known.unwrap_or_else(|| {
        let described = caps::from_gst(&caps).ok();
        let reader = described.and_then(|caps| CaptureTimeReader::before_decoder(&caps));
        (caps, reader)
    }));
    let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
    reader.as_mut()?.read(is_key, &buffer.map_readable().ok()?)
}
