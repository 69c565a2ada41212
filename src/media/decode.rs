//! What `${decode}` stands for: the elements that make raw pictures of the incoming frames.

use gstreamer as gst;

use crate::report::{Failure, Outcome};
use crate::wire::Caps;

use super::packages;

/// For each media type: what has to come first, and the decoders, the best first. All of them
/// give a picture out for every picture in, at once.
const DECODERS: [(&str, &str, &[&str]); 7] = [
    ("image/jpeg", "", &["jpegdec", "avdec_mjpeg"]),
    ("image/png", "", &["pngdec"]),
    (
        "video/x-h264",
        "h264parse ! ",
        &["avdec_h264 max-threads=1", "openh264dec"],
    ),
    (
        "video/x-h265",
        "h265parse ! ",
        &["avdec_h265 max-threads=1", "libde265dec"],
    ),
    ("video/x-vp8", "", &["vp8dec", "avdec_vp8"]),
    ("video/x-vp9", "", &["vp9dec", "avdec_vp9"]),
    ("video/x-av1", "", &["dav1ddec", "av1dec"]),
];

/// The elements that decode frames of `caps`; empty for raw video, which needs none.
pub fn decoder(caps: &Caps) -> Outcome<String> {
    let Some((_, parser, decoders)) = DECODERS
        .into_iter()
        .find(|(media_type, ..)| *media_type == caps.media_type())
    else {
        return Ok(String::new());
    };
    let name = |decoder: &str| decoder.split(' ').next().unwrap_or_default().to_owned();
    let present = |decoder: &&&str| gst::ElementFactory::find(&name(decoder)).is_some();
    match decoders.iter().find(present) {
        Some(decoder) => Ok(format!("{parser}{decoder}")),
        None => {
            let failure = Failure::start(format!("cannot decode {:?}", caps.media_type()))
                .cause("no decoder for it is installed")
                .found([format!("any of: {}", decoders.join(", "))]);
            match packages::install_hint(&name(decoders[0])) {
                Some(hint) => Err(failure.hint(hint)),
                None => Err(failure),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_needs_nothing_and_jpeg_a_decoder() {
        gst::init().unwrap();
        let raw = Caps::parse("video/x-raw, format=I420, width=2, height=2").unwrap();
        assert_eq!(decoder(&raw).unwrap(), "");
        let jpeg = Caps::parse("image/jpeg").unwrap();
        assert_eq!(decoder(&jpeg).unwrap(), "jpegdec");
    }
}
