//! Caps between GStreamer and the wire.

use anyhow::{Context, Result, anyhow, bail};
use gstreamer as gst;
use gstreamer_video as gst_video;

use crate::wire::Caps;
use crate::wire::caps::{self, SINGLE_FIELDS, Value};

/// Replaces the caps of a caps event that passes a pad.
pub fn replace_event(event: &mut gst::Event, caps: &gst::Caps) {
    *event = gst::event::Caps::builder(caps)
        .seqnum(event.seqnum())
        .build();
}

/// GStreamer caps for frames from the network, built field by field from checked values.
///
/// # Errors
///
/// Where raw caps name no pixel format that GStreamer knows, or no possible size.
pub fn to_gst(caps: &Caps) -> Result<gst::Caps> {
    let mut built = gst::Caps::new_empty_simple(caps.media_type());
    let fields = built.get_mut().context("new caps have one owner")?;
    for (name, value) in caps.fields() {
        match value {
            Value::Int(value) => fields.set(name, *value),
            Value::Fraction(n, d) => fields.set(name, gst::Fraction::new(*n, *d)),
            Value::Text(text) => fields.set(name, text.as_str()),
        }
    }
    if caps.is_raw() {
        raw_info(&built)?;
    }
    Ok(built)
}

/// The part of `caps` that a viewer needs.
///
/// # Errors
///
/// Where `caps` are no video, or video that vidchat cannot send.
pub fn from_gst(caps: &gst::CapsRef) -> Result<Caps> {
    let structure = caps.structure(0).context("the caps are empty")?;
    let media_type = structure.name();
    if !media_type.starts_with("video/") && !media_type.starts_with("image/") {
        bail!("the pipeline ends in {media_type}, which is not video");
    }
    if structure.get::<&str>("interlace-mode") == Ok("alternate") && media_type == "video/x-raw" {
        bail!("{SINGLE_FIELDS}");
    }
    if let Some(features) = caps.features(0)
        && !features.is_any()
        && !features.contains(gst::CAPS_FEATURE_MEMORY_SYSTEM_MEMORY)
    {
        bail!("the frames stay in the memory of a device ({features})");
    }
    if !caps::is_frame_type(media_type) {
        bail!("the pipeline ends in {media_type}, which is no codec that vidchat sends");
    }
    // Only files need this field, as their readers begin at the start. Each key frame repeats it.
    let mut caps = caps.to_owned();
    if let Some(fields) = caps.make_mut().structure_mut(0) {
        fields.remove_field("streamheader");
        // A decoder finds it in the frames, and must not be told by a peer.
        if fields.get::<&str>("interlace-mode") == Ok("alternate") {
            fields.remove_field("interlace-mode");
        }
    }
    Ok(Caps::parse(&caps.to_string())?)
}

/// The bytes of the caps that belong to the frames.
pub fn codec_data(caps: &gst::CapsRef) -> Option<Vec<u8>> {
    let buffer = caps.structure(0)?.get::<gst::Buffer>("codec_data").ok()?;
    let bytes = buffer.map_readable().ok()?;
    Some(bytes.to_vec())
}

/// The layout of raw frames.
///
/// # Errors
///
/// Where `caps` describe no raw video, or no known pixel format.
pub fn raw_info(caps: &gst::CapsRef) -> Result<gst_video::VideoInfo> {
    let info = gst_video::VideoInfo::from_caps(caps)
        .map_err(|_| anyhow!("the caps {caps} describe no raw video"))?;
    if matches!(
        info.format(),
        gst_video::VideoFormat::Unknown | gst_video::VideoFormat::Encoded
    ) {
        bail!("the caps {caps} have no known pixel format");
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_caps_cross_over_and_back() {
        gst::init().unwrap();
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 320, 180)
            .fps(gst::Fraction::new(30, 1))
            .build()
            .unwrap();
        let caps = from_gst(&info.to_caps().unwrap()).unwrap();
        let back = raw_info(&to_gst(&caps).unwrap()).unwrap();
        assert_eq!((back.format(), back.size()), (info.format(), info.size()));
        assert_eq!((back.width(), back.height()), (320, 180));
    }

    #[test]
    fn fields_that_only_files_need_are_left_out() {
        gst::init().unwrap();
        let vp8 = gst::Caps::builder("video/x-vp8")
            .field("streamheader", gst::Buffer::from_slice(*b"OVP80"))
            .field("width", 320)
            .build();
        let caps = from_gst(&vp8).unwrap().to_string();
        assert_eq!(caps, "video/x-vp8, width=(int)320");
    }

    #[test]
    fn unknown_pixel_formats_and_sound_are_refused() {
        gst::init().unwrap();
        let caps = Caps::parse("video/x-raw, format=NOPE, width=4, height=4").unwrap();
        assert!(to_gst(&caps).is_err());
        let sound = gst::Caps::builder("audio/x-raw").build();
        let reason = from_gst(&sound).unwrap_err().to_string();
        assert!(reason.contains("not video"), "{reason}");
    }

    #[test]
    fn frames_that_cannot_leave_their_program_or_have_another_codec_are_refused() {
        gst::init().unwrap();
        for (text, reason) in [
            (
                "video/mpeg, mpegversion=(int)4, systemstream=(boolean)false",
                "the pipeline ends in video/mpeg, which is no codec that vidchat sends",
            ),
            (
                "video/x-raw(memory:DMABuf), format=(string)NV12, width=(int)4, height=(int)4",
                "the frames stay in the memory of a device (memory:DMABuf)",
            ),
            (
                "video/x-raw(format:Interlaced), format=(string)I420, width=(int)4, \
                 height=(int)4, interlace-mode=(string)alternate",
                SINGLE_FIELDS,
            ),
        ] {
            let caps: gst::Caps = text.parse().unwrap();
            assert_eq!(from_gst(&caps).unwrap_err().to_string(), reason);
        }
    }
}
