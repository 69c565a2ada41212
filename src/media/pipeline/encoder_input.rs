//! Frames as an encoder takes them: of an even size, and with a frame rate. A `videocrop name=even`
//! in front of an encoder is the place for both.
//!
//! Caps behind it cannot ask for an even size: `videoscale` takes the one that is nearest to the
//! wanted size, and then fails where it is odd.

use gst::prelude::*;
use gstreamer as gst;

use crate::media::gst::caps::replace_event;
use crate::media::gst::element;
use crate::media::gst::videorate::USUAL_RATE;

/// The name of the element that cuts.
const EVEN: &str = "even";
/// The encoder that does not start without a frame rate.
const NEEDS_RATE: &str = "x265enc";

/// Has the `videocrop name=even` of `pipeline` cut off the last column or row of an odd size. A
/// source that names no frame rate gets the usual one where the encoder needs one.
pub(super) fn watch(pipeline: &gst::Pipeline) {
    let crop = pipeline.by_name(EVEN);
    let crop = crop.filter(|crop| element::kind(crop) == "videocrop");
    let Some(pad) = crop.and_then(|crop| crop.static_pad("sink")) else {
        return;
    };
    let mut elements = pipeline.iterate_recurse().into_iter().flatten();
    let needs_rate = elements.any(|element| element::kind(&element) == NEEDS_RATE);
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        if let Some(gst::PadProbeData::Event(event)) = &mut info.data
            && let gst::EventView::Caps(caps) = event.view()
            && let Some(crop) = pad.parent_element()
            && let Some(fields) = caps.caps().structure(0)
        {
            for (side, edge) in [("width", "right"), ("height", "bottom")] {
                let length = fields.get::<i32>(side).unwrap_or_default();
                crop.set_property(edge, i32::from(length > 1 && length % 2 == 1));
            }
            let rate = fields.get::<gst::Fraction>("framerate");
            if needs_rate && rate.is_ok_and(|rate| rate.numer() == 0) {
                let mut caps = caps.caps_owned();
                caps.make_mut().set("framerate", USUAL_RATE);
                replace_event(event, &caps);
            }
        }
        gst::PadProbeReturn::Ok
    });
}
