//! Even sizes for encoders that take no others: a `videocrop name=even` in front of one.
//!
//! Caps cannot ask for it: `videoscale` takes a size that is nearest to the wanted one, and then
//! fails where it is odd.

use gst::prelude::*;
use gstreamer as gst;

use crate::media::gst::element;

/// The name of the element that cuts.
const EVEN: &str = "even";

/// Has the `videocrop name=even` of `pipeline` cut off the last column or row of an odd size.
pub(super) fn watch(pipeline: &gst::Pipeline) {
    let Some(crop) = pipeline.by_name(EVEN) else {
        return;
    };
    let Some(pad) = crop.static_pad("sink") else {
        return;
    };
    if element::kind(&crop) != "videocrop" {
        return;
    }
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |pad, info| {
        if let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view())
            && let Some(crop) = pad.parent_element()
            && let Some(size) = event.caps().structure(0)
        {
            for (side, edge) in [("width", "right"), ("height", "bottom")] {
                let odd = size
                    .get::<i32>(side)
                    .is_ok_and(|length| length > 1 && length % 2 == 1);
                crop.set_property(edge, i32::from(odd));
            }
        }
        gst::PadProbeReturn::Ok
    });
}
