//! What a property does not take, named before GStreamer's parser meets it.
//!
//! The parser takes the nearest for a number that is beyond a property's bounds, and has GLib print
//! a warning of it. And of `#! one-of`, a way with a value that its element does not know is passed
//! over, so that another encoder would be taken without a word.

use gst::glib;
use gst::prelude::*;
use gstreamer as gst;

use crate::failure::{Failure, Outcome};

use super::file::{PipelineFile, numbered};
use super::template::strip_comment;

/// A property with its value, as a file has it.
struct Setting<'t> {
    /// Counted from 1.
    line: usize,
    element: &'t str,
    property: &'t str,
    /// The value with its placeholders still open.
    raw: &'t str,
}

/// A value that its property does not take.
pub(crate) struct InvalidProperty {
    /// Counted from 1.
    pub(crate) line: usize,
    /// The kind of element that has the property.
    pub(crate) element: String,
    /// The property, and its value.
    property: String,
    value: String,
    takes: AllowedValues,
    /// The placeholder that is all of the value, where the person gave it one; and one that works.
    given: Option<(String, String)>,
}

/// What a property takes.
enum AllowedValues {
    Number { least: String, most: String },
    Words(Vec<String>),
}

impl PipelineFile {
    /// What is wrong with the values in the lines that `counts` says yes to. `said` is what the
    /// person gave for a placeholder; what vidchat itself finds for one is not looked at.
    pub(crate) fn misfit(
        &self,
        said: &dyn Fn(&str) -> Option<String>,
        counts: impl Fn(usize) -> bool,
    ) -> Option<InvalidProperty> {
        let all = settings(&self.text).into_iter();
        all.filter(|setting| counts(setting.line))
            .find_map(|setting| self.judge(&setting, said))
    }

    /// The placeholder that gives this property of an element its value.
    pub(crate) fn placeholder_of(&self, property: &str) -> Option<String> {
        let all = settings(&self.text).into_iter();
        let mut of = all.filter(|setting| setting.property == property);
        of.find_map(|setting| {
            let alone = PipelineFile::new(self.direction, &self.name, setting.raw);
            Some(alone.placeholders().ok()?.into_iter().next()?.name)
        })
    }

    fn judge(
        &self,
        setting: &Setting<'_>,
        said: &dyn Fn(&str) -> Option<String>,
    ) -> Option<InvalidProperty> {
        let spec = spec(setting.element, setting.property)?;
        let takes = AllowedValues::of(&spec)?;
        let alone = PipelineFile::new(self.direction, &self.name, setting.raw);
        // It fails where vidchat finds the value.
        let value = alone.fill(&mut |name| said(name).map(Ok)).ok()?;
        let value = value.trim().trim_matches('"').to_owned();
        // Of an empty value GStreamer's parser makes the next word of the line.
        if !value.is_empty() && fits(&value, &spec) {
            return None;
        }
        let given = alone.placeholders().ok()?.into_iter().find(|placeholder| {
            setting.raw.starts_with(&format!("${{{}", placeholder.name))
                && setting.raw.ends_with('}')
                && said(&placeholder.name).is_some()
        });
        let given = given.map(|placeholder| {
            let usual = placeholder.default.filter(|text| fits(text, &spec));
            (placeholder.name, usual.unwrap_or_else(|| default(&spec)))
        });
        Some(InvalidProperty {
            line: setting.line,
            element: setting.element.to_owned(),
            property: setting.property.to_owned(),
            value,
            takes,
            given,
        })
    }

    /// An error where a value in the lines that `counts` says yes to is not taken.
    pub(crate) fn check_values(
        &self,
        said: &dyn Fn(&str) -> Option<String>,
        counts: impl Fn(usize) -> bool,
    ) -> Outcome {
        match self.misfit(said, counts) {
            None => Ok(()),
            Some(misfit) => Err(misfit.failure(self)),
        }
    }
}

impl InvalidProperty {
    /// Whether the person gave the value.
    pub(crate) fn is_given(&self) -> bool {
        self.given.is_some()
    }

    /// What a person is told of it, with what is taken instead.
    pub(crate) fn failure(self, file: &PipelineFile) -> Failure {
        let Self {
            line,
            element,
            property,
            value,
            takes,
            given,
        } = self;
        let failure = match &given {
            Some((name, _)) => Failure::usage(format!("{name} {value:?} is not valid")),
            None => Failure::start(format!(
                "the pipeline {} is not valid",
                file.place(Some(line))
            )),
        };
        let of = match &given {
            Some((name, _)) if *name == property => element.clone(),
            _ => format!("{property} of {element}"),
        };
        let not = match given {
            Some(_) => String::new(),
            None => format!(", not {value:?}"),
        };
        let failure = match takes {
            AllowedValues::Number { least, most } => {
                failure.cause(format!("{of} takes {least} to {most}{not}"))
            }
            AllowedValues::Words(words) => failure
                .cause(format!("{of} does not know {value:?}"))
                .found([format!("it knows: {}", words.join(", "))]),
        };
        failure.hint(match given {
            Some((name, usual)) => format!("--set {name}={usual}"),
            None => format!("gst-inspect-1.0 {element} explains its properties"),
        })
    }
}

impl AllowedValues {
    /// Nothing where it is neither a number nor one of a few words: the parser knows better.
    fn of(spec: &glib::ParamSpec) -> Option<Self> {
        if let Some(spec) = spec.downcast_ref::<glib::ParamSpecEnum>() {
            let class = spec.enum_class();
            let words = class.values().iter().map(|value| value.nick().to_owned());
            return Some(Self::Words(words.collect()));
        }
        bounds(spec).map(|(least, most, ..)| Self::Number { least, most })
    }
}

/// The least and the most that a property takes, in words and for reckoning.
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

/// Whether the parser would take `text` as it is.
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

/// The property of an element of this kind; `None` where there is none that could be set, or no
/// such element.
fn spec(element: &str, property: &str) -> Option<glib::ParamSpec> {
    let factory = gst::ElementFactory::find(element)?.load().ok()?;
    let factory = factory.downcast::<gst::ElementFactory>().ok()?;
    let class = glib::Class::<gst::Element>::from_type(factory.element_type())?;
    let spec = class.find_property(property)?;
    spec.flags()
        .contains(glib::ParamFlags::WRITABLE)
        .then_some(spec)
}

/// The properties that are given in a file, in its order.
fn settings(text: &str) -> Vec<Setting<'_>> {
    let mut found = Vec::new();
    let mut element = None;
    for (line, text) in numbered(text) {
        for word in words(strip_comment(text)) {
            match word.split_once('=') {
                Some((property, raw)) if !property.contains(['/', '"', '$']) => {
                    if let Some(element) = element {
                        found.push(Setting {
                            line,
                            element,
                            property,
                            raw,
                        });
                    }
                }
                // An element, or what is none: a `!`, caps, the name of another element.
                _ => element = Some(word),
            }
        }
    }
    found
}

/// The words of a line. Quotes and placeholders hold a word together.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut depth) = (false, 0);
    line.split(move |c: char| {
        match c {
            '"' => quoted = !quoted,
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c.is_whitespace() && !quoted && depth <= 0
    })
    .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Direction;

    /// What is said of a file, with `n` and `w` given.
    fn said(text: &str, n: &str, w: &str) -> Option<String> {
        gst::init().unwrap();
        let file = PipelineFile::new(Direction::Send, "mine", text);
        let given = |name: &str| match name {
            "n" => Some(n.to_owned()),
            "w" => Some(w.to_owned()),
            _ => None,
        };
        let failure = file.check_values(&given, |_| true).err()?;
        Some(failure.to_string())
    }

    #[test]
    fn what_the_parser_takes_is_taken() {
        for text in [
            "# A comment n=x\nvideotestsrc pattern=${w} horizontal-speed=${n} ! fakesink",
            "videotestsrc\n  pattern=${w}\n  num-buffers=${n:-3}\n  ! video/x-raw,width=${w}",
            "videotestsrc pattern=18 is-live=maybe name=\"a b\" nosuch=1 ! fakesink",
            "${source:-videotestsrc pattern=nope} ! nosuchelement pattern=nope",
            "videotestsrc horizontal-speed=${speed} ! fakesink",
            "compositor name=c sink_0::xpos=a  videotestsrc ! c.sink_0 pattern=nope",
            "identity sleep-time=${n}000",
        ] {
            assert_eq!(said(text, "7", "ball"), None, "{text}");
        }
    }

    #[test]
    fn what_was_given_is_named_with_what_is_taken() {
        let n = "error: n \"-3\" is not valid: num-buffers of videotestsrc takes -1 to 2147483647\n\
                 hint: --set n=5";
        let text = "videotestsrc num-buffers=${n:-5} pattern=${w}";
        assert_eq!(said(text, "-3", "ball").as_deref(), Some(n));
        let w = said(text, "3", "bal").unwrap();
        for part in [
            "error: w \"bal\" is not valid: pattern of videotestsrc does not know \"bal\"\n",
            "\n  it knows: smpte, snow, ",
            "\nhint: --set w=smpte",
        ] {
            assert!(w.contains(part), "{part:?} is not in {w}");
        }
    }

    #[test]
    fn what_the_file_has_is_named_with_its_line() {
        for text in [
            "#\nvideotestsrc ! video/x-raw,width=3\n  ! identity drop-probability=${n}000 ! fakesink",
            "#\n\nidentity drop-probability=-3000",
        ] {
            let expected = "error: the pipeline \"mine\" (line 3) is not valid: drop-probability \
                            of identity takes 0 to 1, not \"-3000\"\n\
                            hint: gst-inspect-1.0 identity explains its properties";
            assert_eq!(said(text, "-3", "").as_deref(), Some(expected), "{text}");
        }
    }
}
