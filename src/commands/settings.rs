//! The flags that fill placeholders, as their values.

use crate::cli::CameraArgs;
use crate::failure::{Failure, Outcome};
use crate::media::{PipelineFile, Values};

/// Names of placeholders with their values, as they were typed.
type Settings = Vec<(String, String)>;

/// The values of `--set NAME=VALUE`.
pub(super) fn values(settings: Vec<(String, String)>) -> Values {
    let mut values = Values::default();
    for (name, value) in settings {
        values.set(name, value);
    }
    values
}

/// The settings that a source has a place for, and the others.
///
/// # Errors
/// A placeholder of the source is malformed.
pub(super) fn split(settings: Settings, source: &PipelineFile) -> Outcome<(Settings, Settings)> {
    let placeholders = source.placeholders()?;
    let is_for_source =
        |(name, _): &(String, String)| placeholders.iter().any(|known| known.name == *name);
    Ok(settings.into_iter().partition(is_for_source))
}

/// The same with those of the flags `--NAME VALUE` of a source, which are short for
/// `--set NAME=VALUE`.
///
/// # Errors
/// Two flags contradict each other.
pub(super) fn of_source(
    settings: Vec<(String, String)>,
    width: Option<u32>,
    camera: CameraArgs,
) -> Outcome<Values> {
    let mut values = values(settings);
    for (name, value) in [
        ("width", width.map(|width| width.to_string())),
        ("fps", camera.fps.map(|fps| fps.to_string())),
        ("device", camera.device),
    ] {
        let Some(value) = value else { continue };
        if let Some(other) = values.get(name)
            && *other != value
        {
            return Err(Failure::usage(format!(
                "--{name} {value} and --set {name}={other} contradict each other"
            ))
            .hint(format!(
                "leave one of them out, such as --set {name}={other}"
            )));
        }
        values.set(name, value);
    }
    Ok(values)
}
