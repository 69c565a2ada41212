//! The decoders that `${decode}` stands for.

use parking_lot::Mutex;

use crate::failure::{Failure, Outcome};
use crate::wire::Caps;

use crate::media::gst::probe::{self, Probe, Reach};

/// The decoders of each media type, the best first: hardware before software. The second field
/// comes before each of them. Every decoder gives a frame for each frame, at once, so each has one
/// thread: several would each hold a frame back.
const DECODERS: [(&str, &str, &[&str]); 7] = [
    ("image/jpeg", "", &["jpegdec", "avdec_mjpeg max-threads=1"]),
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

/// For every decoder: it drops no frame for being late, and goes on after any number of errors.
const TOLERANT: &str = "qos=false max-errors=-1";

/// Behind a decoder that must miss nothing: a decoded frame that was not shown in time makes room
/// for the next.
const NEWEST: &str = "queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0";

/// Makes interlaced frames progressive, at once: the rows of the top field stay, and those between
/// are calculated. It leaves progressive frames alone, at no cost that can be measured. It would
/// leave those of more than 8 bits alone too, so interlaced ones get 8. Fields that come one by one,
/// as H.265 has them, are put together.
const DEINTERLACER: &str = "videoconvert \
    ! capsfilter caps=\"video/x-raw(ANY),interlace-mode=progressive;video/x-raw(format:Interlaced);\
    video/x-raw,format={I420,NV12,Y42B,Y444}\" \
    ! deinterlace fields=top tff=tff";

/// The media types whose frames may be interlaced.
const INTERLACED: [&str; 3] = ["image/jpeg", "video/x-h264", "video/x-h265"];

/// The decoders that were chosen, by their media types. Trying them may take a second where there is
/// hardware for them, and a sender may change its caps at any time.
static CHOSEN: Mutex<Vec<(&str, String)>> = Mutex::new(Vec::new());

/// The elements that make raw progressive frames of frames of `caps`; empty where those are raw and
/// progressive.
///
/// # Errors
///
/// Where no decoder for these caps works on this machine.
pub fn decoder(caps: &Caps) -> Outcome<String> {
    let chains = chains(caps.media_type());
    if chains.is_empty() {
        let deinterlacer = if caps.is_interlaced() {
            DEINTERLACER
        } else {
            ""
        };
        return Ok(deinterlacer.to_owned());
    }
    let known = |(known, _): &&(&str, String)| *known == caps.media_type();
    let chosen = CHOSEN.lock().iter().find(known).map(|(_, d)| d.clone());
    let decoder = match chosen {
        Some(decoder) => Ok(decoder),
        None => probe::choose(probes(caps.media_type()))
            .inspect(|decoder| CHOSEN.lock().push((caps.media_type(), decoder.clone()))),
    };
    match decoder {
        Ok(mut elements) => {
            if caps.is_delta() {
                elements = format!("{elements} ! {NEWEST}");
            }
            if INTERLACED.contains(&caps.media_type()) {
                elements = format!("{elements} ! {DEINTERLACER}");
            }
            Ok(elements)
        }
        Err(failed) => {
            let failure = Failure::start(format!("cannot decode {:?}", caps.media_type()))
                .cause("no decoder for it can be used")
                .found(probe::lines(&failed))
                .by_peer();
            Err(
                match probe::install_hint(chains.iter().map(String::as_str)) {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                },
            )
        }
    }
}

/// The codecs whose frames are encoded one by one or one after another, with their media types.
const CODECS: [(&str, &str); 6] = [
    ("h264", "video/x-h264"),
    ("h265", "video/x-h265"),
    ("vp8", "video/x-vp8"),
    ("vp9", "video/x-vp9"),
    ("av1", "video/x-av1"),
    ("jpeg", "image/jpeg"),
];

/// The codecs that this machine decodes, such as `h264`. Finding out may take a second.
pub fn decodable() -> Vec<String> {
    let decodes = |media_type: &str| {
        let caps = Caps::parse(media_type);
        caps.is_ok_and(|caps| decoder(&caps).is_ok())
    };
    let codecs = CODECS.into_iter();
    codecs
        .filter(|(_, media_type)| decodes(media_type))
        .map(|(codec, _)| codec.to_owned())
        .collect()
}

/// Tries the decoders of a media type, the best first. Each is tried when the iterator gets there.
pub fn probes(media_type: &str) -> impl Iterator<Item = Probe<String>> {
    let chains = chains(media_type).into_iter();
    chains.map(|chain| probe::chain(&chain, probe::NO_HARDWARE, Reach::Devices))
}

/// The decoders of a media type with all that comes before and with their properties.
fn chains(media_type: &str) -> Vec<String> {
    let found = DECODERS
        .into_iter()
        .find(|(known, ..)| *known == media_type);
    let (_, parser, decoders) = found.unwrap_or_default();
    let decoders = decoders.iter();
    decoders
        .map(|decoder| format!("{parser}{decoder} {TOLERANT}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gstreamer as gst;

    #[test]
    fn raw_progressive_frames_need_nothing_and_others_a_decoder_or_a_deinterlacer() {
        gst::init().unwrap();
        let raw = "video/x-raw, format=I420, width=2, height=2";
        for (more, needed) in [
            ("", ""),
            (", interlace-mode=progressive", ""),
            (", interlace-mode=interleaved", DEINTERLACER),
            (", interlace-mode=mixed", DEINTERLACER),
        ] {
            let caps = Caps::parse(&format!("{raw}{more}")).unwrap();
            assert_eq!(decoder(&caps).unwrap(), needed, "{more}");
        }
        let png = Caps::parse("image/png").unwrap();
        assert_eq!(decoder(&png).unwrap(), format!("pngdec {TOLERANT}"));
    }

    #[test]
    fn only_decoded_frames_are_dropped_where_frames_need_each_other() {
        gst::init().unwrap();
        for (media_type, delta) in [
            ("video/x-h264", true),
            ("video/x-vp8", true),
            ("image/jpeg", false),
        ] {
            let caps = Caps::parse(media_type).unwrap();
            assert_eq!(caps.is_delta(), delta, "{media_type}");
            let text = decoder(&caps).unwrap();
            assert_eq!(text.contains(NEWEST), delta, "{text}");
        }
    }
}
