//! The range of JPEG: its luma takes all of a byte, that of most video a part of it (16 to 235).
//!
//! Up to GStreamer 1.22 `videoconvert` does not convert from one range to the other where the
//! matrix stays the same, as it does from BT.601 to JPEG. A `videobalance` does it exactly, at
//! little cost. Where the matrix changes, `videoconvert` rounds down several times, so it gets ten
//! bits. What a frame needs is known only when its caps come, so elements of certain names are told
//! then.

use glib::prelude::*;
use gst::prelude::*;
use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::{VideoColorMatrix, VideoColorRange};

use crate::media::gst::caps::replace_event;

/// The elements that `${jpeg-colours}` stands for, from raw frames of any kind to those that an
/// encoder of JPEG takes. `1:4:0:0` is the colorimetry of JPEG. The last converter knows which
/// format the encoder takes: `capssetter` hides that from those before it.
pub const JPEG_COLOURS: &str = "videoconvert \
    ! capsfilter name=jpeg-precision caps=video/x-raw \
    ! videoconvert \
    ! capsfilter name=jpeg-colours caps=video/x-raw,format={I420,NV12} \
    ! videobalance name=jpeg-range \
    ! capssetter caps=video/x-raw,colorimetry=1:4:0:0 \
    ! videoconvert";

/// A `capsfilter` right behind the first converter: the bits that are calculated with.
const PRECISION: &str = "jpeg-precision";
/// A `capsfilter` right behind the second converter: the colours that come out.
const COLOURS: &str = "jpeg-colours";
/// A `videobalance` that stretches the range.
const RANGE: &str = "jpeg-range";

/// The properties of `videobalance` that stretch 16 to 235 into 0 to 255, and the chroma likewise.
const STRETCH: [(&str, f64); 3] = [
    ("contrast", 1.164_38),
    ("brightness", -0.062_745),
    ("saturation", 1.138_39),
];
/// Those that change nothing.
const NEUTRAL: [(&str, f64); 3] = [("contrast", 1.0), ("brightness", 0.0), ("saturation", 1.0)];

/// Has the elements of these names in `pipeline` make frames of the range of JPEG.
pub(super) fn watch(pipeline: &gst::Pipeline) {
    let named = [PRECISION, COLOURS, RANGE].map(|name| pipeline.by_name(name));
    let [Some(precision), Some(colours), Some(range)] = named else {
        return;
    };
    let converter = || precision.static_pad("sink")?.peer()?.parent_element();
    let Some(pad) = converter().and_then(|converter| converter.static_pad("sink")) else {
        return;
    };
    hide_colorimetry(&pad);
    let steps = [&precision, &colours, &range].map(|element| element.downgrade());
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(gst::PadProbeData::Event(event)) = &mut info.data
            && let gst::EventView::Caps(caps) = event.view()
            && let [Some(precision), Some(colours), Some(range)] =
                steps.each_ref().map(glib::WeakRef::upgrade)
        {
            let mut caps = caps.caps_owned();
            let way = Way::of(&caps);
            if way == Way::Stretch {
                // JPEG knows one BT.601, whatever the primaries and the transfer function. Where
                // the caps name others, the converter would take the frames for other ones.
                caps.make_mut().set("colorimetry", "bt601");
                replace_event(event, &caps);
            }
            way.tell(&precision, &colours, &range);
        }
        gst::PadProbeReturn::Ok
    });
}

/// Has `pad` ask for frames of any colorimetry. A converter of the source would take the one of JPEG
/// otherwise, and name it without a change of the range.
fn hide_colorimetry(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        let is_answered = info.mask.contains(gst::PadProbeType::PULL);
        if is_answered
            && let Some(query) = info.query_mut()
            && let gst::QueryViewMut::Caps(asked) = query.view_mut()
            && let Some(mut caps) = asked.result_owned()
        {
            for fields in caps.make_mut().iter_mut() {
                fields.remove_field("colorimetry");
            }
            let caps = match asked.filter_owned() {
                Some(wanted) => wanted.intersect_with_mode(&caps, gst::CapsIntersectMode::First),
                None => caps,
            };
            asked.set_result(&caps);
        }
        gst::PadProbeReturn::Ok
    });
}

/// The way from the frames that come to those of JPEG.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// BT.601 with luma from 16 to 235: its range is stretched.
    Stretch,
    /// Another matrix: the converter does all of it, with ten bits.
    Matrix,
    /// Frames that are as JPEG has them, or RGB, which the converter does well.
    Direct,
}

impl Way {
    fn of(caps: &gst::CapsRef) -> Self {
        let Ok(info) = gst_video::VideoInfo::from_caps(caps) else {
            return Self::Direct;
        };
        let (matrix, range) = (info.colorimetry().matrix(), info.colorimetry().range());
        match (matrix, range) {
            (VideoColorMatrix::Rgb | VideoColorMatrix::Unknown, _) => Self::Direct,
            (VideoColorMatrix::Bt601, VideoColorRange::Range16_235) => Self::Stretch,
            (VideoColorMatrix::Bt601, _) => Self::Direct,
            _ => Self::Matrix,
        }
    }

    fn tell(self, precision: &gst::Element, colours: &gst::Element, range: &gst::Element) {
        let (format, colorimetry, values) = match self {
            Self::Stretch => (None, "bt601", STRETCH),
            Self::Matrix => (Some("I420_10LE"), "1:4:0:0", NEUTRAL),
            Self::Direct => (None, "1:4:0:0", NEUTRAL),
        };
        let exact = gst::Caps::builder("video/x-raw").field_if_some("format", format);
        precision.set_property("caps", exact.build());
        let mut taken = colours.property::<gst::Caps>("caps");
        taken.make_mut().set("colorimetry", colorimetry);
        colours.set_property("caps", taken);
        for (name, value) in values {
            range.set_property(name, value);
        }
    }
}
