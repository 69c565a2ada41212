//! The elements that a publishing pipeline has in the place of a list of codecs, for frames of the
//! caps that come.

use crate::failure::{Failure, Outcome};
use crate::media::pipeline::codec_list::{self, ListedCodec};
use crate::media::pipeline::placeholders::Values;
use crate::media::pipeline::{decoders, encoder_defaults};
use crate::wire::Caps;

/// The frames of a second where their caps name no rate.
const USUAL_RATE: f64 = 30.0;

/// The elements for frames of `caps` in the place of the placeholder `name`; `None` where that is no
/// list of codecs. An encoder makes a key frame a second, since most engines keep none for those who
/// come late.
///
/// # Errors
///
/// Where the frames have to be encoded, and this machine has no decoder or no encoder for that.
pub fn elements(name: &str, caps: &Caps, values: &Values) -> Option<Outcome<String>> {
    let codecs = codec_list::codecs(name)?;
    let mut listed = codecs.iter();
    Some(
        match listed.find(|codec| codec.media_type == caps.media_type()) {
            Some(codec) => Ok(codec.parser.to_owned()),
            None => encoded(name, codecs[0], caps, values),
        },
    )
}

/// A decoder, an encoder and a parser.
fn encoded(list: &str, codec: ListedCodec, caps: &Caps, values: &Values) -> Outcome<String> {
    let file = codec_list::encoder_of(list)
        .ok_or_else(|| Failure::start(format!("cannot find the pipeline {:?}", codec.name)))?;
    let (width, height) = caps.size().unwrap_or((640, 480));
    let (width, height) = (width.unsigned_abs(), height.unsigned_abs());
    let rate = caps.framerate().unwrap_or(USUAL_RATE).clamp(1.0, 1000.0);
    let fps = rate.round() as u32;
    let encoder = values.fill(&file, &mut |name| {
        let number = match name {
            "bitrate" => encoder_defaults::bitrate(width, height, fps),
            "threads" => encoder_defaults::threads(width, height),
            "gop" | "rate" => fps,
            _ => return None,
        };
        Some(Ok(number.to_string()))
    })?;
    let decoder = decoders::decoder(caps)?;
    let parts = [decoder.as_str(), encoder.trim(), codec.parser];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Ok(parts.join(" ! "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, caps: &str) -> Option<String> {
        gstreamer::init().unwrap();
        let caps = Caps::parse(caps).unwrap();
        let text = elements(name, &caps, &Values::default())?.unwrap();
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn frames_of_a_codec_in_the_list_pass_as_they_come() {
        for (name, media_type, expected) in [
            ("h264", "video/x-h264", "h264parse config-interval=-1"),
            ("h264-h265", "video/x-h265", "h265parse config-interval=-1"),
            ("h264-h265-av1", "video/x-av1", "av1parse"),
            ("h264-vp8", "video/x-vp8", ""),
        ] {
            assert_eq!(text(name, media_type).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(text("decode", "video/x-h264"), None);
    }

    #[test]
    fn others_are_encoded_in_the_first_with_a_key_frame_a_second() {
        let raw = "video/x-raw, format=I420, width=320, height=240, framerate=25/1";
        let encoded = text("h264-h265", raw).unwrap();
        assert!(encoded.starts_with("videoconvert ! "), "{encoded}");
        assert!(
            encoded.ends_with(" ! h264parse config-interval=-1"),
            "{encoded}"
        );
        if encoded.contains("x264enc") {
            assert!(encoded.contains("key-int-max=25 "), "{encoded}");
        }
        let jpeg = text("h264", "image/jpeg, width=320, height=240").unwrap();
        assert!(
            jpeg.contains("jpegdec") && jpeg.contains("264enc"),
            "{jpeg}"
        );
        assert!(text("h264", "video/x-vp8").unwrap().contains("vp8dec"));
    }
}
