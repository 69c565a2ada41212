//! What placeholders stand for: what the person said, or what this machine has.

use std::collections::BTreeMap;

use crate::failure::{Failure, Outcome};
use crate::limits::{self, Number};
use crate::wire::Caps;

use super::decoders;
use super::file::PipelineFile;
use crate::media::capture::camera;
use crate::media::capture::encoder;
use crate::media::capture::screen;
use crate::media::display::window;

/// The numbers that vidchat itself reckons with. What else a file has is checked against the
/// properties that it goes into: see `bounds`.
const NUMBERS: [Number<u32>; 7] = [
    limits::WIDTH,
    limits::HEIGHT,
    limits::FPS,
    limits::RATE,
    limits::BITRATE,
    limits::GOP,
    limits::THREADS,
];

/// In the files of codecs whose encoders take even sizes alone.
const EVEN_SIDES: &str = "width=(int)[2,8192,2],height=(int)[2,8192,2]";

/// `text` as the value of a placeholder that is a number.
fn read(number: &Number<u32>, text: &str) -> Outcome<u32> {
    let name = number.name;
    number.read(text).map_err(|invalid| {
        let failure = Failure::usage(format!("{name} {text:?} is not valid"));
        invalid.explain(failure, &format!("--set {name}="))
    })
}

/// Values for a pipeline's placeholders.
#[derive(Clone, Debug, Default)]
pub struct Values {
    set: BTreeMap<String, String>,
}

/// A pipeline's text, filled, with what was found out on the way.
#[derive(Clone, Debug)]
pub struct Filled {
    /// For [`super::build::build`].
    pub text: String,
    /// The camera, where the pipeline asked for one.
    pub camera: Option<camera::Camera>,
}

impl Values {
    /// Gives `name` a value, which comes before anything else.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.set.insert(name.into(), value.into());
    }

    /// The value that was given to `name`.
    pub fn get(&self, name: &str) -> Option<&String> {
        self.set.get(name)
    }

    /// Gives `name` a value where it has none yet; false where it has one.
    pub fn set_default(&mut self, name: &str, value: &str) -> bool {
        let is_new = !self.set.contains_key(name);
        self.set.entry(name.into()).or_insert_with(|| value.into());
        is_new
    }

    /// An error if a value was given that `recipe` has no place for, or a number that is none.
    pub fn check(&self, file: &PipelineFile) -> Outcome {
        let known: Vec<String> = file.placeholders()?.into_iter().map(|p| p.name).collect();
        let has = |wanted: &str| known.iter().any(|name| name == wanted);
        let fits = |name: &String| match name.as_str() {
            "device" if has("camera") || has("camera-jpeg") => true,
            "width" if has("camera-jpeg") => true,
            name => has(name),
        };
        if let Some(name) = self.set.keys().find(|name| !fits(name)) {
            return Err(Failure::usage(format!(
                "the pipeline {} has no placeholder {name:?}",
                file.place(None)
            ))
            .found([match known.as_slice() {
                [] => "it has none at all".to_owned(),
                known => format!("it has: {}", known.join(", ")),
            }])
            .hint(format!("vidchat pipelines show {}", file.name)));
        }
        let numbers = NUMBERS.iter();
        numbers
            .filter_map(|number| Some((number, self.set.get(number.name)?)))
            .try_for_each(|(number, text)| {
                let side = ["width", "height"].contains(&number.name);
                match read(number, text)? {
                    odd if side && odd % 2 == 1 && file.text.contains(EVEN_SIDES) => {
                        let name = number.name;
                        Err(Failure::usage(format!("{name} {text:?} is not valid"))
                            .cause("this codec takes an even number of pixels")
                            .hint(format!("--set {name}={}", odd + 1)))
                    }
                    _ => Ok(()),
                }
            })
    }

    /// Fills a sending pipeline with this machine's camera, where it asks for one.
    pub fn fill_send(&self, file: &PipelineFile) -> Outcome<Filled> {
        self.fill_send_with(file, &mut |request| camera::choose(request))
    }

    /// Fills a sending pipeline with the camera that `choose` gives, where it asks for one.
    pub fn fill_send_with(
        &self,
        file: &PipelineFile,
        choose: &mut dyn FnMut(&camera::CameraRequest) -> Outcome<camera::Camera>,
    ) -> Outcome<Filled> {
        let mut camera = None;
        let mut value = |name: &str| match (self.set.get(name), name) {
            (Some(value), _) => Some(Ok(value.clone())),
            (None, "camera" | "camera-jpeg") => {
                let request = self.request(file, name == "camera-jpeg");
                Some(request.and_then(|request| {
                    let chosen = choose(&request)?;
                    let launch = chosen.launch.clone();
                    camera = Some(chosen);
                    Ok(launch)
                }))
            }
            (None, "screen") => Some(screen::element()),
            (None, "height") => Some(self.default_height(file)),
            (None, "encode") => Some(Ok(String::new())),
            (None, "bitrate" | "gop" | "rate" | "threads") => self.for_encoder(file, name),
            _ => None,
        };
        let text = self.settle(file, &mut value)?;
        Ok(Filled { text, camera })
    }

    /// Whether the pipeline asks for this machine's camera.
    pub fn wants_camera(&self, file: &PipelineFile) -> bool {
        let placeholders = file.placeholders().unwrap_or_default();
        ["camera", "camera-jpeg"]
            .into_iter()
            .any(|name| !self.set.contains_key(name) && placeholders.iter().any(|p| p.name == name))
    }

    /// Fills a receiving pipeline for frames of `caps`.
    pub fn fill_recv(&self, file: &PipelineFile, caps: &Caps) -> Outcome<String> {
        let mut value = |name: &str| match (self.set.get(name), name) {
            (Some(value), _) => Some(Ok(value.clone())),
            (None, "decode") => Some(decoders::decoder(caps)),
            (None, "window") => Some(window::sink()),
            (None, "caps") => Some(Ok(caps.to_string())),
            _ => None,
        };
        self.settle(file, &mut value)
    }

    /// The text of `recipe` with one of each of its choices, and `value` in its placeholders.
    fn settle(
        &self,
        file: &PipelineFile,
        value: &mut dyn FnMut(&str) -> Option<Outcome<String>>,
    ) -> Outcome<String> {
        let said = |name: &str| self.set.get(name).cloned();
        file.settle(value, &said)?.fill(value)
    }

    /// What an encoder is told, where the pipeline does not say it.
    fn for_encoder(&self, file: &PipelineFile, name: &str) -> Option<Outcome<String>> {
        let placeholders = file.placeholders().ok()?;
        if placeholders
            .iter()
            .any(|known| known.name == name && known.default.is_some())
        {
            return None;
        }
        let told = || -> Outcome<String> {
            let width = self.number(file, "width")?.unwrap_or(640);
            let height = self.number(file, "height")?.unwrap_or(width * 3 / 4);
            let fps = self.number(file, "fps")?.unwrap_or(30);
            let number = match name {
                "bitrate" => encoder::fair_bitrate(width, height, fps),
                "rate" => fps,
                "threads" => encoder::fair_threads(width, height),
                // A viewer that needs a key frame asks for one.
                _ => fps * 10,
            };
            Ok(number.to_string())
        };
        Some(told())
    }

    /// What the pipeline wants of a camera.
    fn request(&self, file: &PipelineFile, jpeg: bool) -> Outcome<camera::CameraRequest> {
        Ok(camera::CameraRequest {
            jpeg,
            device: self.set.get("device").cloned(),
            width: self.number(file, "width")?.unwrap_or(640),
            fps: self.number(file, "fps")?.unwrap_or(30),
        })
    }

    /// The height of a picture of four to three.
    fn default_height(&self, file: &PipelineFile) -> Outcome<String> {
        let width: u32 = self.number(file, "width")?.unwrap_or(320);
        let height = (width * 3 / 4 / 2 * 2).max(limits::HEIGHT.least);
        Ok(height.to_string())
    }

    /// The number that a placeholder will be filled with, one of [`NUMBERS`].
    fn number(&self, file: &PipelineFile, name: &str) -> Outcome<Option<u32>> {
        let default = || {
            let placeholders = file.placeholders().ok()?;
            placeholders.into_iter().find(|p| p.name == name)?.default
        };
        let Some(text) = self.set.get(name).cloned().or_else(default) else {
            return Ok(None);
        };
        let known = NUMBERS.iter().find(|number| number.name == name);
        known.map(|number| read(number, &text)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Direction;

    #[test]
    fn a_height_follows_the_width() {
        crate::media::init().unwrap();
        let file = PipelineFile::find(Direction::Send, "test").unwrap();
        let mut values = Values::default();
        assert!(values.fill_send(&file).unwrap().text.contains("height=240"));
        values.set("width", "640");
        assert!(values.fill_send(&file).unwrap().text.contains("height=480"));
        values.set("height", "100");
        assert!(values.fill_send(&file).unwrap().text.contains("height=100"));
        values.set("width", "wide");
        values.set.remove("height");
        assert!(values.fill_send(&file).is_err());
    }

    #[test]
    fn an_encoder_is_told_what_fits_the_picture() {
        crate::media::init().unwrap();
        let text = "# A.\nx b=${bitrate} g=${gop} w=${width:-320} f=${fps:-30} h=${height}\n";
        let mut file = PipelineFile::find(Direction::Send, "test").unwrap();
        file.text = text.into();
        let mut values = Values::default();
        let filled = |values: &Values, file: &PipelineFile| values.fill_send(file).unwrap().text;
        let small = "\nx b=550 g=300 w=320 f=30 h=240\n";
        assert_eq!(filled(&values, &file), small);
        values.set("width", "1280");
        values.set("fps", "15");
        let large = "\nx b=2620 g=150 w=1280 f=15 h=960\n";
        assert_eq!(filled(&values, &file), large);
        // What the file says comes first.
        file.text = text.replace("${bitrate}", "${bitrate:-9}");
        assert!(filled(&values, &file).contains("b=9 "));
        values.set("bitrate", "100");
        assert!(filled(&values, &file).contains("b=100 "));
    }

    #[test]
    fn a_value_without_a_place_is_an_error_that_lists_the_places() {
        let file = PipelineFile::find(Direction::Send, "test").unwrap();
        let mut values = Values::default();
        values.set("patern", "ball");
        let error = values.check(&file).unwrap_err().to_string();
        assert!(
            error.contains("\"patern\"") && error.contains("it has: pattern, speed"),
            "{error}"
        );
    }
}
