//! Names such as `camera-h264`: a source's file and a codec's file put together.
//!
//! So each codec is described once, and goes with every source, the person's own ones as well.

use std::collections::BTreeMap;

use crate::failure::{Failure, Outcome};

use super::file::{Direction, PipelineFile, folder_of, numbered, read_folder};
use super::template::strip_comment;

/// The place for a codec in a source's file. It is filled with nothing where there is none.
pub const PLACE: &str = "${encode}";

/// The folder of codec files, beside those of the two directions.
const FOLDER: &str = "encode";

/// The codec files that are part of the program: name and text.
const SHIPPED: [(&str, &str); 6] = [
    ("av1", include_str!("../../../pipelines/encode/av1.gst")),
    ("h264", include_str!("../../../pipelines/encode/h264.gst")),
    ("h265", include_str!("../../../pipelines/encode/h265.gst")),
    ("jpeg", include_str!("../../../pipelines/encode/jpeg.gst")),
    ("vp8", include_str!("../../../pipelines/encode/vp8.gst")),
    ("vp9", include_str!("../../../pipelines/encode/vp9.gst")),
];

/// Every codec that has a name: the person's own, then those of the program that they do not
/// hide. Each is a part of a sending pipeline.
pub fn all() -> Vec<PipelineFile> {
    let shipped = SHIPPED
        .into_iter()
        .map(|(name, text)| PipelineFile::new(Direction::Send, name, text));
    let mut found: BTreeMap<String, PipelineFile> =
        shipped.map(|codec| (codec.name.clone(), codec)).collect();
    for codec in read_folder(Direction::Send, folder_of(FOLDER)) {
        found.insert(codec.name.clone(), codec);
    }
    found.into_values().collect()
}

/// The pipeline that `name` means where it is a source and a codec, `SOURCE-CODEC`; `None` where
/// it is no such name.
pub fn find(name: &str) -> Option<Outcome<PipelineFile>> {
    let (source, codec) = name.rsplit_once('-')?;
    let codec = all().into_iter().find(|known| known.name == codec)?;
    let source = PipelineFile::named(Direction::Send, source)?;
    Some(source.and_then(|source| compose(name, &source, &codec)))
}

/// One file of two: `codec` in the place that `source` has for it.
fn compose(name: &str, source: &PipelineFile, codec: &PipelineFile) -> Outcome<PipelineFile> {
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

/// A codec's file without the line that says what it does.
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

    #[test]
    fn every_shipped_source_goes_with_every_shipped_codec() {
        for source in ["camera", "test", "screen", "file"] {
            for (codec, _) in SHIPPED {
                let name = format!("{source}-{codec}");
                let file = find(&name).unwrap().unwrap();
                assert!(file.about().ends_with('.'), "{name}: {}", file.about());
                assert!(!file.text.contains(PLACE), "{name}");
                let names = file.placeholders().unwrap();
                assert!(names.iter().any(|known| known.name == "fps"), "{name}");
            }
        }
        for name in ["camera", "nobody-h264", "camera-h266", "h264"] {
            assert!(find(name).is_none(), "{name}");
        }
    }
}
