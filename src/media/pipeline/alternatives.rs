//! `#! one-of`: of several alternatives, a line each, the first that works on this machine.

use crate::failure::{Failure, Outcome};

use super::file::{Directive, PipelineFile};
use super::property_check;
use super::template::Lookup;
use super::text::{numbered, strip_comment};
use crate::media::gst::probe::{self, Probe, Reach};

/// The lines of one `#! one-of`, counted from 1.
struct Group {
    directive: usize,
    alternatives: Vec<usize>,
}

/// The file with one alternative of each `#! one-of`. The others are blank, so that lines keep
/// their numbers. `lookup` fills placeholders as it does for [`PipelineFile::fill`]; `given` has
/// the values that the person gave, and `reach` says which elements are opened.
///
/// # Errors
///
/// Where no alternative of a group works, where a placeholder cannot be filled, or where a value
/// that the person gave does not fit its property. No alternative is passed over for such a value
/// in silence.
pub fn choose(
    file: &PipelineFile,
    lookup: &mut Lookup<'_>,
    given: &dyn Fn(&str) -> Option<String>,
    reach: Reach,
) -> Outcome<PipelineFile> {
    let groups = groups(&file.text);
    let mut lines: Vec<&str> = file.text.lines().collect();
    for group in &groups {
        let chosen = choose_of(file, group, lookup, given, reach)?;
        for other in &group.alternatives {
            if *other != chosen {
                lines[other - 1] = "";
            }
        }
    }
    let text = lines.join("\n") + "\n";
    let mut chosen = file.clone();
    chosen.text = text;
    let in_group = |line: usize| groups.iter().any(|g| g.alternatives.contains(&line));
    match property_check::invalid_value(&chosen.text, given, |line| !in_group(line)) {
        Some(invalid) => Err(invalid.failure()),
        None => Ok(chosen),
    }
}

/// Tries every alternative of every group of `file`, for a list of the encoders that work here.
///
/// # Errors
///
/// Where a placeholder cannot be filled, or where a value that the person gave does not fit.
pub fn probes(
    file: &PipelineFile,
    lookup: &mut Lookup<'_>,
    given: &dyn Fn(&str) -> Option<String>,
    reach: Reach,
) -> Outcome<Vec<Probe<usize>>> {
    let lines = groups(&file.text).into_iter().flat_map(|g| g.alternatives);
    lines
        .map(|line| probe(file, line, lookup, given, reach))
        .collect()
}

/// The line of the first alternative that works.
fn choose_of(
    file: &PipelineFile,
    group: &Group,
    lookup: &mut Lookup<'_>,
    given: &dyn Fn(&str) -> Option<String>,
    reach: Reach,
) -> Outcome<usize> {
    let mut failure = None;
    let probes = group.alternatives.iter().map_while(|line| {
        let probe = probe(file, *line, lookup, given, reach);
        probe.map_err(|failed| failure = Some(failed)).ok()
    });
    let chosen = probe::choose(probes);
    if let Some(failure) = failure {
        return Err(failure);
    }
    chosen.map_err(|failed| none_usable(file, group, &failed))
}

/// Tries the alternative in this line.
fn probe(
    file: &PipelineFile,
    line: usize,
    lookup: &mut Lookup<'_>,
    given: &dyn Fn(&str) -> Option<String>,
    reach: Reach,
) -> Outcome<Probe<usize>> {
    let text = file.fill_line(line, lookup)?;
    let invalid = property_check::invalid_value(&file.text, given, |other| other == line);
    if let Some(invalid) = invalid
        && probe::chain(invalid.element(), probe::NO_HARDWARE, reach)
            .result
            .is_ok()
    {
        return Err(invalid.failure());
    }
    Ok(probe::chain(text.trim(), probe::NO_HARDWARE, reach).map(|_| line))
}

/// The groups of a text. A group ends before an empty line and before a line that begins with
/// `!`.
fn groups(text: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut open = false;
    for (number, line) in numbered(text) {
        let line = line.trim();
        if line.strip_prefix("#!").map(str::trim) == Some(Directive::OneOf.word()) {
            groups.push(Group {
                directive: number,
                alternatives: Vec::new(),
            });
            open = true;
        } else if line.is_empty() || line.starts_with('!') || line.starts_with("#!") {
            open = false;
        } else if open
            && !strip_comment(line).trim().is_empty()
            && let Some(group) = groups.last_mut()
        {
            group.alternatives.push(number);
        }
    }
    groups
}

fn none_usable(file: &PipelineFile, group: &Group, failed: &[Probe<usize>]) -> Failure {
    let failure = Failure::start(format!(
        "the pipeline {} has nothing to choose from",
        file.place(Some(group.directive))
    ))
    .cause("none of its elements can be used on this machine")
    .found(probe::lines(failed));
    let last = group.alternatives.last();
    let last = last.and_then(|line| file.text.lines().nth(line - 1));
    match probe::install_hint(last.into_iter()) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Direction;
    use gstreamer as gst;

    fn chosen(text: &str) -> Result<String, String> {
        gst::init().unwrap();
        let file = PipelineFile::new(Direction::Send, "mine", text);
        let said = |name: &str| (name == "n").then(|| "7".to_owned());
        let mut value = |name: &str| said(name).map(Ok);
        let chosen = choose(&file, &mut value, &said, Reach::Devices).map_err(|e| e.to_string())?;
        chosen.fill(&mut value).map_err(|e| e.to_string())
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
            assert_eq!(chosen(text), Ok(expected.into()), "{text}");
        }
    }

    #[test]
    fn a_value_of_ones_own_is_named_where_it_alone_is_wrong() {
        // It is there and opens, and the value is no value of its property.
        let said =
            chosen("#! one-of\nidentity sync=true check-perfect=${n}\nfakesrc filltype=${n}\n");
        let expected = "error: n \"7\" is not valid: filltype of fakesrc does not know \"7\"\n";
        assert!(
            said.as_ref().is_err_and(|e| e.starts_with(expected)),
            "{said:?}"
        );
        // It does not open whatever the value is.
        let text = "#! one-of\nv4l2src device=/no/such/device io-mode=${n}\nfakesrc\n";
        assert_eq!(chosen(text), Ok("\n\nfakesrc\n".into()));
    }

    #[test]
    fn where_none_works_each_has_its_reason() {
        let said = chosen("\n#! one-of\nnosuchenc\nidentity nope=1\n").unwrap_err();
        for part in [
            "(line 2) has nothing to choose from",
            "nosuchenc: not installed",
            "identity: no property",
        ] {
            assert!(said.contains(part), "{part:?} is not in {said}");
        }
    }
}
