//! The flags that fill placeholders, as their values.

use crate::failure::{Failure, Outcome};
use crate::media::Values;

/// The values of `--set NAME=VALUE`.
pub(super) fn values(settings: Vec<(String, String)>) -> Values {
    let mut values = Values::default();
    for (name, value) in settings {
        values.set(name, value);
    }
    values
}

/// The same with those of the flags `--NAME VALUE`, which are short for `--set NAME=VALUE`.
///
/// # Errors
/// Two flags contradict each other.
pub(super) fn with_short<const N: usize>(
    mut values: Values,
    short: [(&str, Option<String>); N],
) -> Outcome<Values> {
    for (name, value) in short {
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
