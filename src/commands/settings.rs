//! The `--set` flags as values for placeholders.

use crate::media::Values;

/// The values of `--set NAME=VALUE`.
pub(super) fn values(settings: Vec<(String, String)>) -> Values {
    let mut values = Values::default();
    for (name, value) in settings {
        values.set(name, value);
    }
    values
}
