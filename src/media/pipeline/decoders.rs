//! What `${decode}` stands for: the elements that make raw pictures of the incoming frames.

use crate::failure::{Failure, Outcome};
use crate::wire::Caps;

use super::alternatives::{elements, usable};
use crate::media::gst::install_hint;

/// For each media type: what has to come first, and the decoders, the best first: hardware before
/// software. All of them give a picture out for every picture in, at once: one thread each, as
/// several would each hold a frame back.
const DECODERS: [(&str, &str, &[&str]); 7] = [
    ("image/jpeg", "", &["jpegdec", "avdec_mjpeg"]),
    ("image/png", "", &["pngdec"]),
    (
        "video/x-h264",
        "h264parse ! ",
        &[
            "nvh264dec",
            "vah264dec",
            "vaapih264dec low-latency=true",
            "v4l2h264dec",
            "v4l2slh264dec",
            "vtdec_hw",
            "d3d11h264dec",
            "avdec_h264 max-threads=1 output-corrupt=false",
            "openh264dec",
        ],
    ),
    (
        "video/x-h265",
        "h265parse ! ",
        &[
            "nvh265dec",
            "vah265dec",
            "vaapih265dec",
            "v4l2h265dec",
            "v4l2slh265dec",
            "vtdec_hw",
            "d3d11h265dec",
            "avdec_h265 max-threads=1 output-corrupt=false",
            "libde265dec max-threads=1",
        ],
    ),
    (
        "video/x-vp8",
        "",
        &[
            "nvvp8dec",
            "vavp8dec",
            "vaapivp8dec",
            "v4l2vp8dec",
            "v4l2slvp8dec",
            "d3d11vp8dec",
            "vp8dec",
            "avdec_vp8 max-threads=1 output-corrupt=false",
        ],
    ),
    (
        "video/x-vp9",
        "",
        &[
            "nvvp9dec",
            "vavp9dec",
            "vaapivp9dec",
            "v4l2vp9dec",
            "v4l2slvp9dec",
            "d3d11vp9dec",
            "vp9dec",
            "avdec_vp9 max-threads=1 output-corrupt=false",
        ],
    ),
    (
        "video/x-av1",
        "",
        &[
            "nvav1dec",
            "vaav1dec",
            "d3d11av1dec",
            "dav1ddec max-frame-delay=1",
            "av1dec",
        ],
    ),
];

/// For every decoder: it drops no picture for being late, and no error is one too many.
const PATIENT: &str = "qos=false max-errors=-1";

/// Behind a decoder that must miss nothing: a picture that was not shown in time makes room for
/// the next.
const NEWEST: &str = "queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0";

/// The elements that decode frames of `caps`; empty for raw video, which needs none.
pub fn decoder(caps: &Caps) -> Outcome<String> {
    let Some((_, parser, decoders)) = DECODERS
        .into_iter()
        .find(|(media_type, ..)| *media_type == caps.media_type())
    else {
        return Ok(String::new());
    };
    let mut reasons = Vec::new();
    for decoder in decoders {
        let decoder = format!("{parser}{decoder} {PATIENT}");
        match usable(&decoder) {
            Ok(()) if caps.is_delta() => return Ok(format!("{decoder} ! {NEWEST}")),
            Ok(()) => return Ok(decoder),
            Err(reason) => reasons.push(reason),
        }
    }
    let failure = Failure::start(format!("cannot decode {:?}", caps.media_type()))
        .cause("no decoder for it can be used")
        .found(reasons);
    // The last ones are those that need no hardware.
    let names = decoders.iter().rev().flat_map(|text| elements(text));
    match names.into_iter().find_map(install_hint::install_hint) {
        Some(hint) => Err(failure.hint(hint)),
        None => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gstreamer as gst;

    #[test]
    fn raw_needs_nothing_and_jpeg_a_decoder() {
        gst::init().unwrap();
        let raw = Caps::parse("video/x-raw, format=I420, width=2, height=2").unwrap();
        assert_eq!(decoder(&raw).unwrap(), "");
        let jpeg = Caps::parse("image/jpeg").unwrap();
        assert_eq!(decoder(&jpeg).unwrap(), format!("jpegdec {PATIENT}"));
    }

    #[test]
    fn only_pictures_are_dropped_where_frames_need_each_other() {
        gst::init().unwrap();
        for (media_type, delta) in [
            ("video/x-h264", true),
            ("video/x-vp8", true),
            ("image/jpeg", false),
        ] {
            let caps = Caps::parse(media_type).unwrap();
            assert_eq!(caps.is_delta(), delta, "{media_type}");
            let text = decoder(&caps).unwrap();
            assert_eq!(text.ends_with(NEWEST), delta, "{text}");
        }
    }
}
