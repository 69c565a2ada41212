//! `#! one-of`: of several ways to do a thing, a line each, the first that works on this machine.
//!
//! What is installed says little: the elements of a graphics card are often there without the
//! card. So each way is opened for a moment before it is taken.

use gst::prelude::*;
use gstreamer as gst;

use crate::failure::{Failure, Outcome};

use super::file::{Directive, PipelineFile, numbered};
use super::property_check::InvalidProperty;
use super::template::strip_comment;
use crate::media::gst::install_hint;

impl PipelineFile {
    /// The pipeline with one way taken of each `#! one-of`, and the others blanked, so that lines
    /// keep their numbers. `value` fills placeholders as it does for [`PipelineFile::fill`]; `said` is
    /// what the person gave for them.
    ///
    /// A way that would do but for a value of the person's is not passed over in silence.
    pub fn settle(
        &self,
        value: &mut dyn FnMut(&str) -> Option<Outcome<String>>,
        said: &dyn Fn(&str) -> Option<String>,
    ) -> Outcome<Self> {
        let mut lines: Vec<&str> = self.text.lines().collect();
        for (start, ways) in self.choices() {
            let mut reasons = Vec::new();
            let mut taken = None;
            for way in &ways {
                let text = self.way(*way, value)?;
                let misfit = self.misfit(said, |line| line == *way);
                if let Some(misfit) = misfit.filter(InvalidProperty::is_given)
                    && usable(&misfit.element).is_ok()
                {
                    return Err(misfit.failure(self));
                }
                match usable(&text) {
                    Ok(()) => {
                        taken = Some(*way);
                        break;
                    }
                    Err(reason) => reasons.push(reason),
                }
            }
            if taken.is_none() {
                return Err(self.none_usable(start, &ways, reasons));
            }
            for way in ways.into_iter().filter(|way| Some(*way) != taken) {
                lines[way - 1] = "";
            }
        }
        let mut settled = self.clone();
        settled.text = lines.join("\n") + "\n";
        // What stands in a way itself is for many versions of its element: the nearest will do.
        let ways: Vec<usize> = self
            .choices()
            .into_iter()
            .flat_map(|(_, ways)| ways)
            .collect();
        settled.check_values(said, |line| !ways.contains(&line))?;
        Ok(settled)
    }

    /// The groups: the line of the directive, and the lines of its ways. A group ends before an
    /// empty line and before one that begins with `!`.
    fn choices(&self) -> Vec<(usize, Vec<usize>)> {
        let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
        let mut open = false;
        for (number, line) in numbered(&self.text) {
            let line = line.trim();
            if line.strip_prefix("#!").map(str::trim) == Some(Directive::OneOf.word()) {
                groups.push((number, Vec::new()));
                open = true;
            } else if line.is_empty() || line.starts_with('!') || line.starts_with("#!") {
                open = false;
            } else if open
                && !strip_comment(line).trim().is_empty()
                && let Some((_, ways)) = groups.last_mut()
            {
                ways.push(number);
            }
        }
        groups
    }

    /// One line by itself, filled.
    fn way(
        &self,
        number: usize,
        value: &mut dyn FnMut(&str) -> Option<Outcome<String>>,
    ) -> Outcome<String> {
        let line = self.text.lines().nth(number - 1).unwrap_or_default();
        let mut alone = self.clone();
        // An error in it names its line in the file.
        alone.text = "\n".repeat(number - 1) + line;
        Ok(alone.fill(value)?.trim().to_owned())
    }

    fn none_usable(&self, start: usize, ways: &[usize], reasons: Vec<String>) -> Failure {
        let failure = Failure::start(format!(
            "the pipeline {} has nothing to choose from",
            self.place(Some(start))
        ))
        .cause("none of its elements can be used on this machine")
        .found(reasons);
        // The last one needs no hardware.
        let last = ways.last().and_then(|way| self.text.lines().nth(way - 1));
        let absent = |name: &&str| gst::ElementFactory::find(name).is_none();
        let mut names = last.into_iter().flat_map(elements).filter(absent);
        match names.find_map(install_hint::install_hint) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Whether the elements of `text` are installed, take their properties, and open; the reason
/// where they do not.
pub(super) fn usable(text: &str) -> Result<(), String> {
    let absent = |name: &&str| gst::ElementFactory::find(name).is_none();
    if let Some(name) = elements(text).find(absent) {
        return Err(format!("{name}: not installed"));
    }
    let name = elements(text).next().unwrap_or_default();
    let bin = gst::parse::bin_from_description(text, false)
        .map_err(|e| format!("{name}: {}", e.message()))?;
    let opened = bin.set_state(gst::State::Ready);
    let _ = bin.set_state(gst::State::Null);
    match opened {
        Ok(_) => Ok(()),
        Err(_) => Err(format!(
            "{name}: does not open; is there the hardware for it?"
        )),
    }
}

/// The names of the elements in a chain, without what is between them.
pub(super) fn elements(text: &str) -> impl Iterator<Item = &str> {
    text.split(" ! ")
        .filter_map(|part| part.split_whitespace().next())
        .filter(|word| !word.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Direction;

    fn settled(text: &str) -> Result<String, String> {
        gst::init().unwrap();
        let file = PipelineFile::new(Direction::Send, "mine", text);
        let said = |name: &str| (name == "n").then(|| "7".to_owned());
        let mut value = |name: &str| said(name).map(Ok);
        let settled = file.settle(&mut value, &said).map_err(|e| e.to_string())?;
        settled.fill(&mut value).map_err(|e| e.to_string())
    }

    #[test]
    fn the_first_that_is_there_and_opens_is_taken() {
        for (text, expected) in [
            (
                "s !\n#! one-of\nnosuchenc bitrate=${n}\nidentity datarate=${n} # fast\nqueue\n ! end",
                "s !\n\n\nidentity datarate=7 \n\n ! end\n",
            ),
            // It is there, but lacks a property.
            (
                "#! one-of\nidentity nope=1\nqueue ! a/b,c=1 ! identity\n\nidentity",
                "\n\nqueue ! a/b,c=1 ! identity\n\nidentity\n",
            ),
            // It is there, on Linux, but does not open.
            (
                "#! one-of\nv4l2src device=/no/such/device\nfakesrc\n! x",
                "\n\nfakesrc\n! x\n",
            ),
        ] {
            assert_eq!(settled(text), Ok(expected.into()), "{text}");
        }
    }

    #[test]
    fn a_value_of_ones_own_is_named_where_it_alone_is_wrong() {
        // It is there and opens, and the value is no value of its property.
        let said =
            settled("#! one-of\nidentity sync=true check-perfect=${n}\nfakesrc filltype=${n}\n");
        let expected = "error: n \"7\" is not valid: filltype of fakesrc does not know \"7\"\n";
        assert!(
            said.as_ref().is_err_and(|e| e.starts_with(expected)),
            "{said:?}"
        );
        // It does not open whatever the value is.
        let text = "#! one-of\nv4l2src device=/no/such/device io-mode=${n}\nfakesrc\n";
        assert_eq!(settled(text), Ok("\n\nfakesrc\n".into()));
    }

    #[test]
    fn where_none_works_each_has_its_reason() {
        let said = settled("\n#! one-of\nnosuchenc\nidentity nope=1\n").unwrap_err();
        for part in [
            "(line 2) has nothing to choose from",
            "nosuchenc: not installed",
            "identity: no property",
        ] {
            assert!(said.contains(part), "{part:?} is not in {said}");
        }
    }
}
