//! The values that a capture pipeline's placeholders have on this machine: its camera, its screen,
//! and the defaults of an encoder.

use crate::failure::Outcome;
use crate::limits;

use super::camera::{self, Camera, CameraRequest};
use super::screen;
use crate::media::pipeline::encoder_defaults;
use crate::media::pipeline::file::PipelineFile;
use crate::media::pipeline::jpeg_range::JPEG_COLOURS;
use crate::media::pipeline::placeholders::{CAMERA, CAMERA_MJPEG, Values};

/// A pipeline's text, filled, with the camera that was chosen for it.
#[derive(Clone, Debug)]
pub struct Filled {
    /// For `pipeline::build`.
    pub text: String,
    /// The camera, where the pipeline asked for one.
    pub camera: Option<Camera>,
}

/// Fills `file` with `values` and with the first camera of this machine that works.
///
/// # Errors
///
/// As [`fill_with`].
pub fn fill(values: &Values, file: &PipelineFile) -> Outcome<Filled> {
    fill_with(values, file, &mut |request| camera::choose(request))
}

/// Fills `file` with `values` and, where it asks for a camera, with the one that `choose` gives.
///
/// # Errors
///
/// Where there is no camera or no screen, or as [`Values::fill`].
pub fn fill_with(
    values: &Values,
    file: &PipelineFile,
    choose: &mut dyn FnMut(&CameraRequest) -> Outcome<Camera>,
) -> Outcome<Filled> {
    let mut camera = None;
    let mut machine = |name: &str| match name {
        CAMERA | CAMERA_MJPEG => {
            let request = request(values, file, name == CAMERA_MJPEG);
            Some(request.and_then(|request| {
                let chosen = choose(&request)?;
                let launch = chosen.launch().to_owned();
                camera = Some(chosen);
                Ok(launch)
            }))
        }
        "screen" => Some(screen::element()),
        "jpeg-colours" => Some(Ok(JPEG_COLOURS.into())),
        "height" => Some(default_height(values, file)),
        // A source without a codec.
        "encode" => Some(Ok(String::new())),
        "bitrate" | "gop" | "rate" | "threads" => encoder_value(values, file, name),
        _ => None,
    };
    let text = values.fill(file, &mut machine)?;
    Ok(Filled { text, camera })
}

/// Whether `file` asks for a camera of this machine.
pub fn uses_camera(values: &Values, file: &PipelineFile) -> bool {
    let placeholders = file.placeholders().unwrap_or_default();
    let asks = |name: &str| placeholders.iter().any(|known| known.name == name);
    [CAMERA, CAMERA_MJPEG]
        .into_iter()
        .any(|name| values.get(name).is_none() && asks(name))
}

fn request(values: &Values, file: &PipelineFile, mjpeg: bool) -> Outcome<CameraRequest> {
    Ok(CameraRequest {
        device: values.get("device").map(str::to_owned),
        width: values.number(file, "width")?.unwrap_or(640),
        fps: values.number(file, "fps")?.unwrap_or(30),
        mjpeg,
    })
}

/// The height of a frame of four to three.
fn default_height(values: &Values, file: &PipelineFile) -> Outcome<String> {
    let width = values.number(file, "width")?.unwrap_or(320);
    Ok((width * 3 / 4 / 2 * 2)
        .max(limits::HEIGHT.least)
        .to_string())
}

/// The value of an encoder's placeholder; `None` where the file has a default for it.
fn encoder_value(values: &Values, file: &PipelineFile, name: &str) -> Option<Outcome<String>> {
    let placeholders = file.placeholders().ok()?;
    let mut named = placeholders.iter().filter(|known| known.name == name);
    if named.any(|known| known.default.is_some()) {
        return None;
    }
    let value = || -> Outcome<String> {
        let width = values.number(file, "width")?.unwrap_or(640);
        let height = values.number(file, "height")?.unwrap_or(width * 3 / 4);
        let fps = values.number(file, "fps")?.unwrap_or(30);
        let number = match name {
            "bitrate" => encoder_defaults::bitrate(width, height, fps),
            "gop" => encoder_defaults::gop(fps),
            "threads" => encoder_defaults::threads(width, height),
            _ => fps,
        };
        Ok(number.to_string())
    };
    Some(value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Direction;
    use crate::media::pipeline::catalog;

    #[test]
    fn a_height_follows_the_width() {
        crate::media::init().unwrap();
        let file = catalog::find(Direction::Send, "test").unwrap();
        let text = |values: &Values| fill(values, &file).map(|filled| filled.text);
        let mut values = Values::default();
        assert!(text(&values).unwrap().contains("height=240"));
        values.set("width", "640");
        assert!(text(&values).unwrap().contains("height=480"));
        values.set("height", "100");
        assert!(text(&values).unwrap().contains("height=100"));
        let mut wide = Values::default();
        wide.set("width", "wide");
        assert!(text(&wide).is_err());
    }

    #[test]
    fn an_encoder_is_told_what_fits_the_frame() {
        crate::media::init().unwrap();
        let text = "# A.\nx b=${bitrate} g=${gop} w=${width:-320} f=${fps:-30} h=${height}\n";
        let mut file = PipelineFile::new(Direction::Send, "mine", text);
        let mut values = Values::default();
        let filled = |values: &Values, file: &PipelineFile| fill(values, file).unwrap().text;
        let small = "\nx b=550 g=300 w=320 f=30 h=240\n";
        assert_eq!(filled(&values, &file), small);
        values.set("width", "1280");
        values.set("fps", "15");
        let large = "\nx b=2620 g=150 w=1280 f=15 h=960\n";
        assert_eq!(filled(&values, &file), large);
        // The default in the file comes first.
        file.text = text.replace("${bitrate}", "${bitrate:-9}");
        assert!(filled(&values, &file).contains("b=9 "));
        values.set("bitrate", "100");
        assert!(filled(&values, &file).contains("b=100 "));
    }
}
