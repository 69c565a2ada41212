//! The reason why a pipeline gave no frame, where the elements' own words do not help a person: a
//! file without video, a file that was cut off, a `tee` whose branches wait for each other.

use std::path::Path;

use gst::prelude::*;
use gstreamer as gst;

use super::network_source;
use crate::failure::typed_path;
use crate::media::gst::bus::ElementError;
use crate::media::gst::element;
use crate::media::gst::install_hint::install_hint;
use crate::media::pipeline::ends;
use crate::media::pipeline::explanation::{Explanation, NO_FRAME};
use crate::media::pipeline::file::PipelineFile;
use crate::media::pipeline::property_check;
use crate::media::pipeline::text::line_of;

const WHOLE: &str =
    "is the file whole, and not protected? a copy that was cut off may lack its index";
const RAW: &str = "docs/pipelines.md has a pipeline for raw frames from a file";
const VIDEO: &str = "takes a video file";
const PICTURE: &str = "takes a video, or a picture as JPEG or PNG";
const UNPROTECTED: &str = "takes a video file without copy protection";

/// Words of GStreamer's about a file, the cause in plainer words where there are some, and what
/// has to be given instead.
const ABOUT_FILES: [(&str, Option<&str>, &str); 7] = [
    ("contains no data", Some("the file is empty"), VIDEO),
    ("enough data", Some("the file is empty"), VIDEO),
    ("a text file", Some("the file is a text"), VIDEO),
    ("No file name", Some("it was given no file"), VIDEO),
    ("is encrypted", Some("the file is encrypted"), UNPROTECTED),
    (
        "determine type of stream",
        Some("the file is no video of a known kind"),
        VIDEO,
    ),
    ("is a directory", None, "takes a file, not a folder"),
];
/// Words of GStreamer's about a file that it cannot read to the end.
const ABOUT_PARTS: [&str; 4] = [
    "no playable streams",
    "before its first frame",
    "stream error",
    // decodebin drops the error of a demultiplexer that it is about to link.
    NO_FRAME,
];
/// Words of GStreamer's about a picture that its decoder cannot read.
const ABOUT_PICTURES: [&str; 5] = [
    "No valid frames",
    "Could not decode",
    "no playable streams",
    "missing a plug-in",
    "stream error",
];

/// Explains the failure of a pipeline that was made of `file`; `None` where the element's own
/// words are all that is known.
pub fn explain(
    file: &PipelineFile,
    pipeline: &gst::Pipeline,
    error: &ElementError,
) -> Option<Explanation> {
    let has = |words: &str| error.message().contains(words);
    let details = |words: &str| error.details().any(|line| line.contains(words));
    if has(NO_FRAME)
        && let Some(explained) = waiting_branches(file, pipeline)
    {
        return Some(explained);
    }
    if let Some(explained) = network_source::explain(pipeline, error) {
        return Some(explained);
    }
    let source = FileSource::of(file, pipeline)?;
    let explained = |cause: Option<&str>, hint: String| {
        let cause = cause.map(str::to_owned);
        Some(Explanation { cause, hint })
    };
    if has("not found") {
        return explained(None, source.remedy_of_path()?);
    }
    if details("Permission denied") {
        return explained(
            Some("permission denied"),
            format!("chmod u+r {}", typed_path(Path::new(&source.path))),
        );
    }
    if source.is_raw() && decoders(pipeline).next().is_some() {
        let cause = "a file of raw frames does not say their size and format";
        return explained(Some(cause), RAW.to_owned());
    }
    if ABOUT_PICTURES.iter().any(|words| has(words))
        && !details("not-negotiated")
        && let Some(caps) = found_type(pipeline)
        && let Some(explained) = undecoded_picture(&caps, has("missing a plug-in"), &source)
    {
        return Some(explained);
    }
    if has("missing a plug-in") {
        return missing_decoder(error, &source);
    }
    if let Some((_, cause, instead)) = ABOUT_FILES.iter().find(|(words, ..)| has(words)) {
        return explained(*cause, source.takes(instead));
    }
    if (details("not-linked") || has(NO_FRAME))
        && let Some(kind) = other_than_video(pipeline)
    {
        let cause = format!("the file has no video, but {kind}");
        return explained(Some(&cause), source.takes(VIDEO));
    }
    let cause = has("no playable streams").then_some("no video in the file can be played");
    let is_part = ABOUT_PARTS.iter().any(|words| has(words));
    is_part.then(|| explained(cause, WHOLE.to_owned()))?
}

/// The source of a pipeline that reads a file.
struct FileSource {
    /// The property that names the file.
    property: &'static str,
    /// The placeholder for the property, where there is one.
    placeholder: Option<String>,
    path: String,
}

impl FileSource {
    fn of(file: &PipelineFile, pipeline: &gst::Pipeline) -> Option<Self> {
        let elements = pipeline.iterate_elements().into_iter().flatten();
        elements.into_iter().find_map(|source| {
            let property = match &*element::kind(&source) {
                "filesrc" => "location",
                "uridecodebin" | "uridecodebin3" => "uri",
                _ => return None,
            };
            let path = source.property::<Option<String>>(property);
            Some(Self {
                property,
                placeholder: property_check::placeholder_of(&file.text, property),
                path: path.unwrap_or_default(),
            })
        })
    }

    /// A hint about the path.
    fn takes(&self, what: &str) -> String {
        let property = self.property;
        let value = if property == "uri" { "URI" } else { "PATH" };
        match &self.placeholder {
            Some(name) => format!("--set {name}={value} {what}"),
            None => format!("{property}={:?} {what}", self.path),
        }
    }

    /// A hint about a path that only another program understands.
    fn remedy_of_path(&self) -> Option<String> {
        if self.property != "location" {
            None
        } else if self.path.starts_with("~/") {
            Some("write the whole path: ~ is for a shell alone".to_owned())
        } else if let Some(path) = self.path.strip_prefix("file://") {
            Some(self.takes(&format!("takes a path alone: {path}")))
        } else if self.path.contains("://") {
            let hint = "filesrc takes no URL: in a pipeline file, write uridecodebin uri=URL in the \
                        place of filesrc and decodebin";
            Some(hint.to_owned())
        } else {
            None
        }
    }

    /// Whether the path is named as files of raw frames are.
    fn is_raw(&self) -> bool {
        const ENDS: [&str; 9] = [
            "raw", "bayer", "yuv", "rgb", "bgr", "nv12", "i420", "uyvy", "yuyv",
        ];
        let end = Path::new(&self.path).extension();
        end.is_some_and(|end| ENDS.iter().any(|raw| end.eq_ignore_ascii_case(raw)))
    }
}

/// The kind of the streams that were found in a file, where none of them is video.
fn other_than_video(pipeline: &gst::Pipeline) -> Option<String> {
    let pads = decoders(pipeline).flat_map(|decoder| decoder.src_pads());
    let caps = pads.filter_map(|pad| pad.current_caps());
    let kinds = caps.filter_map(|caps| Some(caps.structure(0)?.name().to_string()));
    let mut kinds: Vec<String> = kinds.collect();
    if kinds.is_empty() {
        kinds.extend(sound_file(pipeline));
    }
    if kinds.iter().any(|kind| is_video(kind)) {
        None
    } else if kinds.iter().any(|kind| kind.starts_with("audio/")) {
        Some("sound alone".to_owned())
    } else {
        kinds.into_iter().next()
    }
}

/// The kind of a file that can hold sound alone.
fn sound_file(pipeline: &gst::Pipeline) -> Option<String> {
    let kind = found_type(pipeline)?.structure(0)?.name().to_string();
    kind.starts_with("audio/").then_some(kind)
}

/// The type of the file, as GStreamer has found it out.
fn found_type(pipeline: &gst::Pipeline) -> Option<gst::Caps> {
    let mut elements = pipeline.iterate_recurse().into_iter().flatten();
    let finder = elements.find(|e| element::kind(e) == "typefind")?;
    finder.property::<Option<gst::Caps>>("caps")
}

/// The explanation where the file is a picture, by its type.
fn undecoded_picture(
    caps: &gst::Caps,
    is_without_decoder: bool,
    source: &FileSource,
) -> Option<Explanation> {
    let fields = caps.structure(0)?;
    // The container of HEIC and AVIF is that of films.
    let is_heif = fields.get::<&str>("variant") == Ok("heif");
    let kind = if is_heif {
        "HEIC or AVIF".to_owned()
    } else {
        let kind = fields.name().strip_prefix("image/")?;
        kind.trim_start_matches("x-").to_uppercase()
    };
    let (cause, hint) = if is_without_decoder || is_heif {
        (
            format!("no decoder is installed for pictures in {kind}"),
            source.takes(PICTURE),
        )
    } else {
        (
            format!("the picture cannot be decoded as {kind}"),
            "is the file whole? if it is, save it as JPEG or PNG in RGB, without animation"
                .to_owned(),
        )
    };
    let cause = Some(cause);
    Some(Explanation { cause, hint })
}

/// The elements that find out what a file holds.
fn decoders(pipeline: &gst::Pipeline) -> impl Iterator<Item = gst::Element> {
    const DECODERS: [&str; 5] = [
        "decodebin",
        "decodebin3",
        "parsebin",
        "uridecodebin",
        "uridecodebin3",
    ];
    let elements = pipeline.iterate_elements().into_iter().flatten();
    elements.filter(|e| DECODERS.contains(&&*element::kind(e)))
}

fn is_video(media_type: &str) -> bool {
    media_type.starts_with("video/") || media_type.starts_with("image/")
}

/// The explanation where no decoder is installed for what a file holds.
fn missing_decoder(error: &ElementError, source: &FileSource) -> Option<Explanation> {
    let lines: Vec<String> = error.details().collect();
    // `Missing decoder: H.264 (Main Profile) (video/x-h264, width=(int)320)`
    let types = lines.iter().filter(|line| line.starts_with("Missing"));
    let types = types.filter_map(|line| {
        let (_, caps) = line
            .rsplit_once(" (")
            .filter(|(_, caps)| caps.contains('/'))?;
        caps.split([',', ')', ';']).next()
    });
    let mut types: Vec<&str> = types.collect();
    types.sort_by_key(|name| !is_video(name));
    let media_type = *types.first()?;
    let is_encrypted = ["x-cenc", "x-cbcs", "x-webm-enc"]
        .iter()
        .any(|e| media_type.ends_with(e));
    let (cause, hint) = if is_encrypted {
        (
            "the file is encrypted".to_owned(),
            source.takes(UNPROTECTED),
        )
    } else if is_video(media_type) {
        // This plug-in has a decoder for nearly everything.
        let all = "avdec_h264";
        let install = (!element::is_installed(all))
            .then(|| install_hint(all))
            .flatten();
        (
            format!("no decoder is installed for {media_type}"),
            install.unwrap_or_else(|| source.takes("takes a video of another codec")),
        )
    } else {
        (
            format!("the file has no video, but {media_type}"),
            source.takes(VIDEO),
        )
    };
    let cause = Some(cause);
    Some(Explanation { cause, hint })
}

/// The explanation where the branches of a `tee` wait for each other.
fn waiting_branches(file: &PipelineFile, pipeline: &gst::Pipeline) -> Option<Explanation> {
    let tee = ends::tee_without_queue(pipeline)?;
    let name = tee.name();
    let line = line_of(&file.text, &format!("name={name}")).or_else(|| line_of(&file.text, "tee"));
    let line = line.map_or(String::new(), |line| format!(" in line {line}"));
    Some(Explanation {
        cause: None,
        hint: format!(
            "begin each branch of the tee{line} with a queue, or they wait for each other: \
             {name}. ! queue ! …"
        ),
    })
}
