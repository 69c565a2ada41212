//! The encoder of a capture pipeline: its kind, its bit rate, and its key frames.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_video as gst_video;

use super::placeholders;
use crate::limits::SHORTEST_SIDE;
use crate::media::gst::element;
use crate::media::pipeline::catalog;
use crate::media::pipeline::file::Direction;
use crate::media::pipeline::placeholders::Values;

/// The property of each encoder that holds its bit rate, and the bits a second in one of its unit.
/// Other encoders have no bit rate, or none that can be changed while they run.
const RATES: [(&str, &str, u32); 34] = [
    ("x264enc", "bitrate", 1000),
    ("openh264enc", "bitrate", 1),
    ("x265enc", "bitrate", 1000),
    ("vp8enc", "target-bitrate", 1),
    ("vp9enc", "target-bitrate", 1),
    ("av1enc", "target-bitrate", 1000),
    ("rav1enc", "bitrate", 1),
    ("svtav1enc", "target-bitrate", 1000),
    ("nvh264enc", "bitrate", 1000),
    ("nvh265enc", "bitrate", 1000),
    ("nvav1enc", "bitrate", 1000),
    ("vah264lpenc", "bitrate", 1000),
    ("vah264enc", "bitrate", 1000),
    ("vah265lpenc", "bitrate", 1000),
    ("vah265enc", "bitrate", 1000),
    ("vavp9enc", "bitrate", 1000),
    ("vaav1lpenc", "bitrate", 1000),
    ("vaav1enc", "bitrate", 1000),
    ("vaapih264enc", "bitrate", 1000),
    ("vaapih265enc", "bitrate", 1000),
    ("vaapivp8enc", "bitrate", 1000),
    ("vaapivp9enc", "bitrate", 1000),
    ("qsvh264enc", "bitrate", 1000),
    ("qsvh265enc", "bitrate", 1000),
    ("qsvvp9enc", "bitrate", 1000),
    ("vtenc_h264", "bitrate", 1000),
    ("vtenc_h264_hw", "bitrate", 1000),
    ("vtenc_h265", "bitrate", 1000),
    ("vtenc_h265_hw", "bitrate", 1000),
    ("amfh264enc", "bitrate", 1000),
    ("amfh265enc", "bitrate", 1000),
    ("mfh264enc", "bitrate", 1000),
    ("mfh265enc", "bitrate", 1000),
    ("mfvp9enc", "bitrate", 1000),
];

/// Whether an encoder for this codec, such as `h264`, works on this machine.
pub fn encodes(codec: &str) -> bool {
    let file = catalog::find(Direction::Send, &format!("test-{codec}"));
    file.and_then(|file| placeholders::fill(&Values::default(), &file))
        .is_ok()
}

/// Whether an element encodes video or pictures.
pub fn is_encoder(element: &gst::Element) -> bool {
    element::class(element).is_some_and(|class| {
        class.contains("Encoder") && (class.contains("Video") || class.contains("Image"))
    })
}

/// An encoder in a pipeline.
#[derive(Clone, Debug)]
pub struct Encoder {
    element: gst::Element,
    kind: String,
    /// The property that holds its bit rate, and the bits a second of its unit.
    rate: Option<(&'static str, u32)>,
    /// The `capssetter` before an encoder that makes no key frame when it is asked for one: see
    /// `av1.gst`.
    caps_setter: Option<gst::Element>,
}

impl Encoder {
    /// The encoder of `pipeline`; where there are several, the one that comes last in its file.
    pub fn find(pipeline: &gst::Pipeline) -> Option<Self> {
        let mut elements = pipeline.iterate_recurse();
        while let Ok(Some(element)) = elements.next() {
            if is_encoder(&element) {
                let kind = element::kind(&element);
                let found = RATES.into_iter().find(|(name, ..)| *name == kind);
                let rate = found
                    .map(|(_, property, unit)| (property, unit))
                    .filter(|(property, _)| element.has_property(property));
                let caps_setter = (kind == "av1enc")
                    .then(|| setter_before(&element))
                    .flatten();
                return Some(Self {
                    element,
                    kind,
                    rate,
                    caps_setter,
                });
            }
        }
        None
    }

    /// Its kind, such as `x264enc`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Width and height of the frames that reach it, where one of them is so short that not every
    /// encoder takes it. Only some encoders name that in their caps.
    pub fn short_input(&self) -> Option<(u32, u32)> {
        // Where the encoder has refused the caps, its pad has none, nor have those right before it
        // that asked it first.
        let mut pad = self.element.static_pad("sink")?.peer()?;
        let caps = loop {
            match pad.current_caps() {
                Some(caps) => break caps,
                None => pad = pad.parent_element()?.static_pad("sink")?.peer()?,
            }
        };
        let side = |name| u32::try_from(caps.structure(0)?.get::<i32>(name).ok()?).ok();
        let size = (side("width")?, side("height")?);
        (size.0.min(size.1) < SHORTEST_SIDE).then_some(size)
    }

    /// Its bit rate in kbit/s; `None` where it has none that can be changed.
    pub fn bitrate(&self) -> Option<u32> {
        let (property, unit) = self.rate?;
        let value = self.element.property_value(property);
        let value = match value.get::<i32>() {
            Ok(value) => u32::try_from(value).ok()?,
            Err(_) => value.get::<u32>().ok()?,
        };
        u32::try_from(u64::from(value) * u64::from(unit) / 1000).ok()
    }

    /// Changes its bit rate, in kbit/s, where it can be changed.
    pub fn set_bitrate(&self, kbit: u32) {
        let Some((property, unit)) = self.rate else {
            return;
        };
        let value = u64::from(kbit.max(1)) * 1000 / u64::from(unit);
        let signed = i32::try_from(value).unwrap_or(i32::MAX);
        match self.element.property_type(property) {
            Some(kind) if kind == i32::static_type() => {
                self.element.set_property(property, signed);
            }
            Some(kind) if kind == u32::static_type() => {
                self.element.set_property(property, signed.unsigned_abs());
            }
            _ => {}
        }
    }
}

/// Asks for a key frame: from `encoder`, or else from any element before `frames`, the end of the
/// pipeline.
pub fn ask_for_key(encoder: Option<&Encoder>, frames: &impl IsA<gst::Element>) {
    let Some(setter) = encoder.and_then(|encoder| encoder.caps_setter.as_ref()) else {
        let event = gst_video::UpstreamForceKeyUnitEvent::builder()
            .all_headers(true)
            .build();
        frames.send_event(event);
        return;
    };
    // Other caps make the encoder begin anew. No other element minds which of two rates they name.
    let caps = setter.property::<gst::Caps>("caps");
    let rate = |caps: &gst::Caps| caps.structure(0)?.get::<gst::Fraction>("framerate").ok();
    let other = match rate(&caps) {
        Some(rate) if rate == gst::Fraction::new(1000, 1) => gst::Fraction::new(1001, 1),
        _ => gst::Fraction::new(1000, 1),
    };
    let caps = gst::Caps::builder("video/x-raw").field("framerate", other);
    setter.set_property("caps", caps.build());
}

/// The `capssetter` right before an encoder.
fn setter_before(encoder: &gst::Element) -> Option<gst::Element> {
    let before = encoder.static_pad("sink")?.peer()?.parent_element()?;
    (element::kind(&before) == "capssetter").then_some(before)
}

#[cfg(test)]
#[path = "encoder_tests.rs"]
mod tests;
