//! The values that a playback pipeline's placeholders have for a stream on this machine: its
//! decoder, its window, its caps.

use crate::failure::Outcome;
use crate::wire::Caps;

use super::published_codec;
use crate::media::display::sink;
use crate::media::pipeline::decoders;
use crate::media::pipeline::file::PipelineFile;
use crate::media::pipeline::jpeg_range::JPEG_COLOURS;
use crate::media::pipeline::placeholders::Values;

/// Fills `file` with `values` for frames of `caps`.
///
/// # Errors
///
/// Where there is no decoder for `caps` or no display for a window, or as [`Values::fill`].
pub fn fill(values: &Values, file: &PipelineFile, caps: &Caps) -> Outcome<String> {
    values.fill(file, &mut |name| match name {
        "decode" => Some(decoders::decoder(caps)),
        "window" => Some(sink::window()),
        "jpeg-colours" => Some(Ok(JPEG_COLOURS.into())),
        "caps" => Some(Ok(caps.to_string())),
        name => published_codec::elements(name, caps, values),
    })
}
