//! The values of placeholders: those that a person gave, and the numbers that vidchat itself
//! calculates with. Each end adds the values that its machine or its stream decides.

use std::collections::BTreeMap;

use crate::failure::{Failure, Outcome};
use crate::limits::{self, Number};

use super::alternatives;
use super::codec_list;
use super::file::PipelineFile;
use super::template::Lookup;
use crate::media::gst::probe::Reach;

/// The placeholder for a camera's raw frames.
pub const CAMERA: &str = "camera";
/// The placeholder for a camera's own JPEG frames.
pub const CAMERA_MJPEG: &str = "camera-mjpeg";

/// The numbers that vidchat itself calculates with. `--width` and `--fps` have the same bounds.
/// Other values are checked against the properties that they go into: see `property_check`.
const NUMBERS: [Number<u32>; 7] = [
    limits::WIDTH,
    limits::HEIGHT,
    limits::FPS,
    limits::RATE,
    limits::BITRATE,
    limits::GOP,
    limits::THREADS,
];

/// Reads `text` as the value of a placeholder that is a number.
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
    /// The elements that are opened in order to choose from alternatives.
    reach: Reach,
}

impl Values {
    /// Gives `name` a value, which comes before anything else.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.set.insert(name.into(), value.into());
    }

    /// The same values for a check of a file. No device of this machine is opened for it.
    pub fn for_check(self) -> Self {
        let reach = Reach::Codecs;
        Self { reach, ..self }
    }

    /// Gives `name` a value where it has none yet; false where it has one.
    pub fn set_default(&mut self, name: &str, value: &str) -> bool {
        let is_new = !self.set.contains_key(name);
        self.set.entry(name.into()).or_insert_with(|| value.into());
        is_new
    }

    /// The value that `name` was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(String::as_str)
    }

    /// Checks the values against the placeholders of `file`.
    ///
    /// # Errors
    ///
    /// Where `file` has no place for a value, or where a number is none or out of bounds.
    pub fn check(&self, file: &PipelineFile) -> Outcome {
        let known = names(file)?;
        let has = |wanted: &str| known.iter().any(|name| name == wanted);
        // A camera is chosen by its device, and its own JPEG frames cannot be scaled afterwards.
        let fits = |name: &String| match name.as_str() {
            "device" if has(CAMERA) || has(CAMERA_MJPEG) => true,
            "width" if has(CAMERA_MJPEG) => true,
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
            .try_for_each(|(number, text)| read(number, text).map(drop))
    }

    /// The number that a placeholder of `file` will be filled with: a value, or the default in the
    /// file. Of the names, it knows `width`, `height`, `fps`, `rate`, `bitrate`, `gop` and
    /// `threads`.
    ///
    /// # Errors
    ///
    /// Where the text is no number, or out of bounds.
    pub fn number(&self, file: &PipelineFile, name: &str) -> Outcome<Option<u32>> {
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

    /// The text of `file` with one of each of its alternatives, filled with these values and, where
    /// there is none, with those that `machine` finds.
    ///
    /// # Errors
    ///
    /// Where a placeholder stays without a value, where `machine` fails, where no alternative works
    /// on this machine, or where a value does not fit its property.
    pub fn fill(&self, file: &PipelineFile, machine: &mut Lookup<'_>) -> Outcome<String> {
        let given = |name: &str| self.set.get(name).cloned();
        let mut lookup = |name: &str| match given(name) {
            Some(value) => Some(Ok(value)),
            None => machine(name),
        };
        alternatives::choose(file, &mut lookup, &given, self.reach)?.fill(&mut lookup)
    }
}

/// The names of the placeholders of `file`, and of those of its encoder where a list of codecs may
/// bring one.
fn names(file: &PipelineFile) -> Outcome<Vec<String>> {
    let mut names: Vec<String> = file.placeholders()?.into_iter().map(|p| p.name).collect();
    let encoders: Vec<_> = names
        .iter()
        .filter_map(|name| codec_list::encoder_of(name))
        .collect();
    for encoder in encoders {
        names.extend(encoder.placeholders()?.into_iter().map(|p| p.name));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Direction;
    use gstreamer as gst;

    #[test]
    fn a_value_without_a_place_is_an_error_that_lists_the_places() {
        let text = "videotestsrc pattern=${pattern} horizontal-speed=${speed}";
        let file = PipelineFile::new(Direction::Send, "test", text);
        let mut values = Values::default();
        values.set("patern", "ball");
        let error = values.check(&file).unwrap_err().to_string();
        assert!(
            error.contains("\"patern\"") && error.contains("it has: pattern, speed"),
            "{error}"
        );
    }

    #[test]
    fn a_value_comes_before_the_machines_and_the_machines_before_the_default() {
        gst::init().unwrap();
        let file = PipelineFile::new(Direction::Send, "mine", "${a:-1} ${b:-2} ${c:-3}");
        let mut values = Values::default();
        values.set("a", "x");
        let mut machine = |name: &str| (name != "c").then(|| Ok("y".to_owned()));
        assert_eq!(values.fill(&file, &mut machine).unwrap(), "x y 3\n");
    }
}
