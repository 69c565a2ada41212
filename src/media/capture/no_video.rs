//! The reason why a pipeline gave no frame, where the elements' own words do not help a person: a
//! file without video, a file that was cut off, a `tee` whose branches wait for each other.

use std::path::Path;

use gst::prelude::*;
use gstreamer as gst;

use crate::media::gst::bus::ElementError;
use crate::media::gst::element;
use crate::media::gst::install_hint::install_hint;
use crate::media::pipeline::ends;
use crate::media::pipeline::file::PipelineFile;
use crate::media::pipeline::property_check;
use crate::media::pipeline::text::line_of;

/// The cause and the remedy, in words for a person.
pub struct Explanation {
    /// The cause; `None` where the element has said it well.
    pub cause: Option<String>,
    pub hint: String,
}

const WHOLE: &str =
    "is the file whole, and not protected? a copy that was cut off may lack its index";
const UNPROTECTED: &str = "takes a video file without copy protection";
const RAW: &str = "docs/pipelines.md has a pipeline for raw frames from a file";

/// Explains the failure of a pipeline that was made of `file`; `None` where the element's own
/// words are all that is known.
pub fn explain(
    file: &PipelineFile,
    pipeline: &gst::Pipeline,
    error: &ElementError,
) -> Option<Explanation> {
    let message = error.message();
    let has = |words: &str| message.contains(words);
    let is_late = has("no frame came");
    if let Some(explained) = waiting_branches(file, pipeline).filter(|_| is_late) {
        return Some(explained);
    }
    let source = FileSource::of(file, pipeline)?;
    let said = |cause: &str, hint: String| Explanation {
        cause: Some(cause.to_owned()),
        hint,
    };
    let another = || source.takes("takes a video file");
    if has("not found") {
        let cause = None;
        return source
            .remedy_of_path()
            .map(|hint| Explanation { cause, hint });
    }
    if error
        .details()
        .any(|line| line.contains("Permission denied"))
    {
        let hint = format!("chmod u+r {}", source.path);
        return Some(said("permission denied", hint));
    }
    if source.is_raw() && uses_decoder(pipeline) {
        let cause = "a file of raw frames does not say their size and format";
        return Some(said(cause, RAW.to_owned()));
    }
    if has("missing a plug-in") {
        return missing_decoder(error, &source);
    }
    if has("contains no data") || has("enough data") {
        return Some(said("the file is empty", another()));
    }
    if has("a text file") {
        return Some(said("the file is a text", another()));
    }
    if has("No file name specified") {
        return Some(said("it was given no file", another()));
    }
    if has("is encrypted") {
        let hint = source.takes(UNPROTECTED);
        return Some(said("the file is encrypted", hint));
    }
    if has("determine type of stream") {
        let cause = "the file is no video of a known kind";
        return Some(said(cause, another()));
    }
    if has("is a directory") {
        let hint = source.takes("takes a file, not a folder");
        return Some(Explanation { cause: None, hint });
    }
    let is_unlinked = error.details().any(|line| line.contains("not-linked"));
    match decoded(pipeline) {
        Decoded::Other(kind) if is_unlinked => {
            let cause = format!("the file has no video, but {kind}");
            Some(said(&cause, another()))
        }
        // The demultiplexer's own words get lost where decodebin is about to link it.
        _ if ["playable streams", "before its first frame", "stream error"]
            .iter()
            .any(|w| has(w))
            || is_late =>
        {
            let cause =
                has("playable streams").then(|| "no video in the file can be played".into());
            let hint = WHOLE.to_owned();
            Some(Explanation { cause, hint })
        }
        _ => None,
    }
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
        if self.path.starts_with("~/") {
            Some("write the whole path: ~ is for a shell alone".to_owned())
        } else if self.property == "location"
            && let Some(path) = self.path.strip_prefix("file://")
        {
            Some(self.takes(&format!("takes a path alone: {path}")))
        } else if self.property == "location" && self.path.contains("://") {
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

/// The kinds of streams that a decoder has found.
enum Decoded {
    Nothing,
    Video,
    /// Streams of this kind, and no video.
    Other(String),
}

fn decoded(pipeline: &gst::Pipeline) -> Decoded {
    let mut kind = None;
    for caps in decoders(pipeline)
        .flat_map(|e| e.src_pads())
        .filter_map(|pad| pad.current_caps())
    {
        match caps.structure(0).map(|s| s.name().to_string()) {
            Some(name) if is_video(&name) => return Decoded::Video,
            Some(name) if name.starts_with("audio/") => kind = Some("sound alone".to_owned()),
            Some(name) => kind = kind.or(Some(name)),
            None => {}
        }
    }
    kind.map_or(Decoded::Nothing, Decoded::Other)
}

fn uses_decoder(pipeline: &gst::Pipeline) -> bool {
    decoders(pipeline).next().is_some()
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
            source.takes("takes a video file"),
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
