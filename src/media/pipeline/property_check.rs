//! Checks the values that a person gave with `--set` against the properties that they go into,
//! before GStreamer's parser meets them.
//!
//! The parser takes the nearest number for one that is beyond a property's bounds. And of `#!
//! one-of`, an alternative with a word that its element does not know would be passed over, so
//! that another encoder would be taken without a word. The values that stand in a file are its
//! author's: GLib prints a warning of them.

use gst::glib;
use gst::prelude::*;
use gstreamer as gst;

use crate::failure::Failure;

use super::template;
use super::text::{numbered, strip_comment, words};

/// A property whose value is a placeholder and nothing else.
struct Setting<'t> {
    /// The line in the file, counted from 1.
    line: usize,
    element: &'t str,
    property: &'t str,
    placeholder: template::Placeholder,
}

/// A value of a person's that its property does not take.
pub(crate) struct InvalidValue {
    /// The kind of element that has the property.
    element: String,
    property: String,
    /// The placeholder that the person gave a value.
    name: String,
    value: String,
    /// A value that the property takes.
    usual: String,
    allowed: AllowedValues,
}

/// The values that a property takes.
enum AllowedValues {
    Number { least: String, most: String },
    Words(Vec<String>),
}

/// The first value that does not fit its property, in the lines for which `counts` holds. `given`
/// has the values that the person gave.
pub(crate) fn invalid_value(
    text: &str,
    given: &dyn Fn(&str) -> Option<String>,
    counts: impl Fn(usize) -> bool,
) -> Option<InvalidValue> {
    let settings = settings(text).into_iter();
    settings
        .filter(|setting| counts(setting.line))
        .find_map(|setting| {
            let value = given(&setting.placeholder.name)?;
            setting.check(&value)
        })
}

/// The placeholder that gives this property of some element its value.
pub(crate) fn placeholder_of(text: &str, property: &str) -> Option<String> {
    let mut settings = settings(text).into_iter();
    let setting = settings.find(|setting| setting.property == property)?;
    Some(setting.placeholder.name)
}

impl Setting<'_> {
    fn check(self, value: &str) -> Option<InvalidValue> {
        let spec = spec(self.element, self.property)?;
        let allowed = AllowedValues::of(&spec)?;
        // GStreamer's parser takes the next word of the line for an empty value.
        if !value.is_empty() && fits(value, &spec) {
            return None;
        }
        let usual = self.placeholder.default.filter(|text| fits(text, &spec));
        Some(InvalidValue {
            element: self.element.to_owned(),
            property: self.property.to_owned(),
            name: self.placeholder.name,
            value: value.to_owned(),
            usual: usual.unwrap_or_else(|| default(&spec)),
            allowed,
        })
    }
}

impl InvalidValue {
    /// The kind of element that has the property.
    pub(crate) fn element(&self) -> &str {
        &self.element
    }

    /// The failure for the person, with the values that are taken instead.
    pub(crate) fn failure(self) -> Failure {
        let Self {
            element,
            property,
            name,
            value,
            usual,
            allowed,
        } = self;
        let taker = if name == property {
            element
        } else {
            format!("{property} of {element}")
        };
        let failure = Failure::usage(format!("{name} {value:?} is not valid"));
        let failure = match allowed {
            AllowedValues::Number { least, most } => {
                failure.cause(format!("{taker} takes {least} to {most}"))
            }
            AllowedValues::Words(words) => failure
                .cause(format!("{taker} does not know {value:?}"))
                .found([format!("it knows: {}", words.join(", "))]),
        };
        failure.hint(format!("--set {name}={usual}"))
    }
}

impl AllowedValues {
    /// `None` for a property that is neither a number nor one of a few words: GStreamer's parser
    /// says more about those.
    fn of(spec: &glib::ParamSpec) -> Option<Self> {
        if let Some(spec) = spec.downcast_ref::<glib::ParamSpecEnum>() {
            let class = spec.enum_class();
            let words = class.values().iter().map(|value| value.nick().to_owned());
            return Some(Self::Words(words.collect()));
        }
        bounds(spec).map(|(least, most, ..)| Self::Number { least, most })
    }
}

/// The least and the greatest number that a property takes, as text and as numbers.
fn bounds(spec: &glib::ParamSpec) -> Option<(String, String, f64, f64)> {
    macro_rules! of {
        ($($kind:ty),*) => {
            $(if let Some(spec) = spec.downcast_ref::<$kind>() {
                let (least, most) = (spec.minimum(), spec.maximum());
                return Some((least.to_string(), most.to_string(), least as f64, most as f64));
            })*
        };
    }
    of!(
        glib::ParamSpecInt,
        glib::ParamSpecUInt,
        glib::ParamSpecInt64,
        glib::ParamSpecUInt64,
        glib::ParamSpecFloat,
        glib::ParamSpecDouble
    );
    None
}

/// Whether the parser takes `text` unchanged.
fn fits(text: &str, spec: &glib::ParamSpec) -> bool {
    let Ok(value) = glib::Value::deserialize_with_pspec(text, spec) else {
        return false;
    };
    let Some((.., least, most)) = bounds(spec) else {
        return true;
    };
    let number = value.transform::<f64>().ok().and_then(|v| v.get().ok());
    number.is_none_or(|number: f64| (least..=most).contains(&number))
}

fn default(spec: &glib::ParamSpec) -> String {
    let text = spec.default_value().serialize();
    text.map_or_else(|_| "VALUE".into(), Into::into)
}

/// A property of this kind of element; `None` where the property or the element does not exist, or
/// where the property cannot be set.
fn spec(element: &str, property: &str) -> Option<glib::ParamSpec> {
    let factory = gst::ElementFactory::find(element)?.load().ok()?;
    let factory = factory.downcast::<gst::ElementFactory>().ok()?;
    let class = glib::Class::<gst::Element>::from_type(factory.element_type())?;
    let spec = class.find_property(property)?;
    spec.flags()
        .contains(glib::ParamFlags::WRITABLE)
        .then_some(spec)
}

/// The properties of a text whose value is a placeholder, in their order.
fn settings(text: &str) -> Vec<Setting<'_>> {
    let mut found = Vec::new();
    let mut element = None;
    for (line, text) in numbered(text) {
        for word in words(strip_comment(text)) {
            match word.split_once('=') {
                Some((property, value)) if !property.contains(['/', '"', '$']) => {
                    let placeholder = template::sole_placeholder(value.trim_matches('"'));
                    found.extend(
                        element
                            .zip(placeholder)
                            .map(|(element, placeholder)| Setting {
                                line,
                                element,
                                property,
                                placeholder,
                            }),
                    );
                }
                // An element, or else a `!`, caps, or the name of another element. `spec` finds
                // no property of those.
                _ => element = Some(word),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The failure of a text, with `n` and `w` given.
    fn said(text: &str, n: &str, w: &str) -> Option<String> {
        gst::init().unwrap();
        let given = |name: &str| match name {
            "n" => Some(n.to_owned()),
            "w" => Some(w.to_owned()),
            _ => None,
        };
        let invalid = invalid_value(text, &given, |_| true)?;
        Some(invalid.failure().to_string())
    }

    #[test]
    fn a_value_that_its_property_takes_passes_and_so_do_the_files_own() {
        for text in [
            "# A comment n=x\nvideotestsrc pattern=${w} horizontal-speed=${n} ! fakesink",
            "videotestsrc\n  pattern=${w}\n  num-buffers=${n:-3}\n  ! video/x-raw,width=${w}",
            "videotestsrc pattern=nope name=\"a b\" nosuch=${n} ! fakesink",
            "${source:-videotestsrc pattern=${n}} ! nosuchelement pattern=${n}",
            "videotestsrc horizontal-speed=${speed:-x} ! fakesink",
            "compositor name=c sink_0::xpos=${w}  videotestsrc ! c.sink_0 pattern=${n}",
            "identity drop-probability=${n}000",
        ] {
            assert_eq!(said(text, "7", "ball"), None, "{text}");
        }
    }

    #[test]
    fn a_value_that_its_property_refuses_is_named_with_what_is_taken() {
        let n = "error: n \"-3\" is not valid: num-buffers of videotestsrc takes -1 to 2147483647\n\
                 hint: --set n=5";
        for text in [
            "videotestsrc num-buffers=${n:-5} pattern=${w}",
            "videotestsrc num-buffers=\"${n:-5}\" pattern=${w}",
        ] {
            assert_eq!(said(text, "-3", "ball").as_deref(), Some(n));
        }
        let text = "videotestsrc num-buffers=${n:-5} pattern=${w}";
        let w = said(text, "3", "bal").unwrap();
        for part in [
            "error: w \"bal\" is not valid: pattern of videotestsrc does not know \"bal\"\n",
            "\n  it knows: smpte, snow, ",
            "\nhint: --set w=smpte",
        ] {
            assert!(w.contains(part), "{part:?} is not in {w}");
        }
    }
}
