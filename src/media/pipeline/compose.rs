//! Puts a source's file and a codec's file together, for names such as `camera-h264`.
//!
//! So each codec is described once, and goes with every source, a person's own included.

use crate::failure::{Failure, Outcome};

use super::file::{Direction, PipelineFile};
use super::text::{numbered, strip_comment};

/// The place for a codec in a source's file. Without a codec it stays empty.
pub const PLACE: &str = "${encode}";

/// One file of two, called `name`: `source` with `codec` in the place for it.
///
/// # Errors
///
/// Where `source` has no place for a codec, or where one of the two has a mistake in its notation.
pub fn compose(name: &str, source: &PipelineFile, codec: &PipelineFile) -> Outcome<PipelineFile> {
    source.check_notation()?;
    codec.check_notation()?;
    let mut text = format!("# {} {}\n", source.about(), codec.about());
    let mut placed = false;
    for (number, line) in numbered(&source.text) {
        match strip_comment(line).split_once(PLACE) {
            _ if number == 1 && line.starts_with('#') && !line.starts_with("#!") => {}
            Some((before, after)) if !placed => {
                placed = true;
                for part in [before.trim_end(), body(codec).trim(), after.trim()] {
                    if !part.is_empty() {
                        text.push_str(part);
                        text.push('\n');
                    }
                }
            }
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    if !placed {
        return Err(Failure::start(format!(
            "the pipeline {} has no place for a codec",
            source.place(None)
        ))
        .cause(format!("{:?} is to be put into it", codec.name))
        .hint(format!("write ! {PLACE} before ! appsink name=frames")));
    }
    Ok(PipelineFile::new(Direction::Send, name, text))
}

/// A codec's file without its first line, the sentence about it.
fn body(codec: &PipelineFile) -> &str {
    match codec.text.split_once('\n') {
        Some((first, rest)) if first.starts_with("# ") => rest,
        _ => &codec.text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, text: &str) -> PipelineFile {
        PipelineFile::new(Direction::Send, name, text)
    }

    #[test]
    fn a_codec_takes_its_place_in_a_source() {
        let codec = part("x", "# Codec.\n#! one-of\na\nb\n  ! c\n");
        for (source, expected) in [
            (
                "# Source.\n#! loop\ns # no ${encode}\n  ! ${encode}\n  ! appsink name=frames\n",
                "# Source. Codec.\n#! loop\ns # no ${encode}\n  !\n#! one-of\na\nb\n  ! c\n! appsink name=frames\n",
            ),
            (
                "s ! ${encode} ! appsink name=frames",
                "# s ! ${encode} ! appsink name=frames Codec.\ns !\n#! one-of\na\nb\n  ! c\n! appsink name=frames\n",
            ),
        ] {
            let composed = compose("s-x", &part("s", source), &codec).unwrap();
            // The line that ends in the place's own `!` is what the codec goes on from.
            let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(joined(&composed.text), joined(expected));
            let lines: Vec<&str> = composed.text.lines().collect();
            assert!(lines.contains(&"#! one-of") && lines.contains(&"b"));
        }
    }

    #[test]
    fn a_source_without_a_place_is_told_where_to_write_one() {
        let codec = part("x", "# Codec.\na\n");
        let source = part("s", "# Source.\ns ! appsink name=frames\n");
        let said = compose("s-x", &source, &codec).unwrap_err().to_string();
        assert!(said.contains("no place for a codec"), "{said}");
        assert!(said.contains("hint: write ! ${encode} before"), "{said}");
    }
}
