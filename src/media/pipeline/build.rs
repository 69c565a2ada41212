//! Builds a pipeline of a pipeline file, and explains the mistake in the file where that fails.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use crate::failure::{Failure, Outcome};

use super::encoder_input;
use super::ends;
use super::file::{Direction, PipelineFile};
use super::jpeg_range;
use super::text::{line_of, numbered, words};
use crate::media::gst::bus::ElementError;
use crate::media::gst::element;
use crate::media::gst::install_hint;
use crate::media::gst::videorate;
use crate::wire::caps::SINGLE_FIELDS;

/// Raw Bayer frames become frames of a format that every element takes.
const FROM_BAYER: &str = "! bayer2rgb ! videoconvert !";

/// Makes a pipeline of `text`, which is `file` with its placeholders filled.
///
/// # Errors
///
/// Where the text is empty or has a mistake, or where an element is not installed.
pub fn build(file: &PipelineFile, text: &str) -> Outcome<gst::Pipeline> {
    // GStreamer's parser quotes the values of properties.
    parse(file, text).map_err(|failure| failure.shown_as(|text| file.hide_in(text)))
}

fn parse(file: &PipelineFile, text: &str) -> Outcome<gst::Pipeline> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let shown = file.hide_in(&words.join(" "));
    tracing::debug!("pipeline {}: {shown}", file.place(None));
    if words.is_empty() {
        return Err(no_element(file));
    }
    check_names(file, text)?;
    let mut context = gst::ParseContext::new();
    let flags = gst::ParseFlags::FATAL_ERRORS;
    let parsed = gst::parse::launch_full(text, Some(&mut context), flags);
    // The parser also counts elements as missing whose properties it could not set.
    let missing = context.missing_elements();
    if let Some(element) = missing.iter().find(|kind| !element::is_installed(kind)) {
        return Err(missing_element(file, text, element));
    }
    let element = parsed.map_err(|e| invalid(file, text, e.message()))?;
    let pipeline = match element.downcast::<gst::Pipeline>() {
        Ok(pipeline) => pipeline,
        Err(element) => {
            let pipeline = gst::Pipeline::new();
            pipeline
                .add(&element)
                .map_err(|e| invalid(file, text, &e.message))?;
            pipeline
        }
    };
    videorate::complete_frames(&pipeline);
    encoder_input::watch(&pipeline);
    jpeg_range::watch(&pipeline);
    Ok(pipeline)
}

/// Checks that `text` makes a pipeline which vidchat can use for the direction of `file`.
///
/// # Errors
///
/// As [`build`] and [`ends::seam`].
pub fn check(file: &PipelineFile, text: &str) -> Outcome {
    let pipeline = build(file, text)?;
    match file.direction {
        Direction::Send => ends::seam::<gst_app::AppSink>(file, &pipeline).map(drop),
        Direction::Recv => ends::seam::<gst_app::AppSrc>(file, &pipeline).map(drop),
    }
}

/// The failure of a pipeline that was built and then failed. `place` is its file, for a person.
pub fn failed(place: &str, error: &ElementError) -> Failure {
    Failure::start(format!("the pipeline {place} failed"))
        .cause(error.message())
        .found(error.details())
        .hint(remedy_of_failure(error.message()))
}

/// Fails where two elements have one name. The parser would link them all the same, and fail with
/// other words. Elements within parentheses have names of their own.
fn check_names(file: &PipelineFile, text: &str) -> Outcome {
    let mut names: Vec<&str> = Vec::new();
    for (number, line) in numbered(text) {
        for word in words(line) {
            let Some(name) = word.strip_prefix("name=") else {
                if word.starts_with('(') || word.ends_with(".(") {
                    return Ok(());
                }
                continue;
            };
            if names.contains(&name) {
                let name = name.trim_matches('"');
                let place = file.place(Some(number));
                return Err(Failure::start(format!("the pipeline {place} is not valid"))
                    .cause(format!("two elements are named {name:?}"))
                    .found([line.trim()])
                    .hint("give each element a name of its own"));
            }
            names.push(name);
        }
    }
    Ok(())
}

fn no_element(file: &PipelineFile) -> Failure {
    let failure = Failure::start(format!("the pipeline {} is not valid", file.place(None)))
        .cause("there is no element in it");
    let is_pipeline = |line: &str| line.trim_start().starts_with('#') && line.contains(" ! ");
    match file.text.lines().position(is_pipeline) {
        Some(index) => failure.hint(format!(
            "take the # out of line {}, which makes a comment of it",
            index + 1
        )),
        None => failure.hint(format!(
            "vidchat pipelines show {} shows what one looks like",
            file.direction.example()
        )),
    }
}

/// The failure for an element that this machine's GStreamer lacks.
fn missing_element(file: &PipelineFile, text: &str, element: &str) -> Failure {
    let failure = Failure::start(format!(
        "the pipeline {} needs the GStreamer element {element:?}",
        file.place(line_of(text, element))
    ))
    .cause("it is not installed");
    match install_hint::install_hint(element) {
        Some(command) => failure.hint(command),
        None => failure.hint(format!("is the name right? gst-inspect-1.0 {element}")),
    }
}

fn invalid(file: &PipelineFile, text: &str, message: &str) -> Failure {
    let line = quoted(message)
        .chain(unlinked(message))
        .find_map(|word| line_of(text, word))
        .or_else(|| syntax_line(text));
    let shown = line.and_then(|line| text.lines().nth(line - 1));
    Failure::start(format!("the pipeline {} is not valid", file.place(line)))
        .cause(message.trim())
        .found(shown.map(str::trim).filter(|line| !line.is_empty()))
        .hint(remedy(file, message))
}

/// The hint for an error of GStreamer's parser.
fn remedy(file: &PipelineFile, message: &str) -> String {
    if message.contains("video/x-bayer") {
        return format!("put {FROM_BAYER} between the two");
    }
    if ["rggb", "bggr", "grbg", "gbrg"]
        .iter()
        .any(|order| quoted(message).any(|w| w == *order))
    {
        return format!(
            "raw Bayer frames need no parser: filesrc blocksize=BYTES ! \
             video/x-bayer,format=rggb,width=WIDTH,height=HEIGHT,framerate=30/1 {FROM_BAYER}"
        );
    }
    if let Some(element) = unlinked(message) {
        return format!(
            "put ! videoconvert ! between the two; gst-inspect-1.0 {element} lists what it takes"
        );
    }
    match quoted(message).nth(1) {
        Some(element) if message.contains(" property ") => {
            format!("gst-inspect-1.0 {element} explains its properties")
        }
        _ if message.contains("syntax error") => {
            "look for a ! too many or too few, and for a quote that is not closed".into()
        }
        _ => format!(
            "vidchat pipelines show {} shows one that works",
            file.direction.example()
        ),
    }
}

/// The hint for a pipeline that was built and then failed.
pub fn remedy_of_failure(message: &str) -> String {
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if has(&["not found", "ould not open", "No such file"]) {
        let folder = std::env::current_dir().unwrap_or_default();
        format!("the paths in it count from the folder {}", folder.display())
    } else if has(&["video/x-bayer"]) {
        format!("put {FROM_BAYER} before appsink")
    } else if has(&["which is no codec that vidchat sends"]) {
        "put ! decodebin ! videoconvert ! before appsink, and ! ${encode} behind them for a codec"
            .into()
    } else if has(&["is not within 1 to", " pixels (in "]) {
        "make the frames smaller: with --width 16, or with videoscale in a pipeline file".into()
    } else if has(&[SINGLE_FIELDS]) {
        "put ! deinterlace ! before appsink, which makes whole frames of the fields".into()
    } else if has(&["stay in the memory of a device"]) {
        format!("put {} before appsink", download(message))
    } else if has(&["without its codec_data"]) {
        "the caps have to keep codec_data: leave out the element or the caps that drop it".into()
    } else if has(&["needs the GStreamer element"]) {
        let hint = quoted(message).next().and_then(install_hint::install_hint);
        hint.unwrap_or_else(|| "install the element, or send raw frames".into())
    } else if has(&["which is not video", "not a media type"]) {
        "what reaches appsink has to be video: raw, or of a codec that vidchat knows".into()
    } else {
        "GST_DEBUG=3 before the command has GStreamer say more".into()
    }
}

/// The elements that fetch frames from the memory of the device that `message` names.
fn download(message: &str) -> &'static str {
    const DOWNLOADS: [(&str, &str); 8] = [
        ("memory:VAMemory", "! vapostproc ! video/x-raw !"),
        ("memory:DMABuf", "! vapostproc ! video/x-raw !"),
        ("memory:VASurface", "! vaapipostproc ! video/x-raw !"),
        ("memory:GLMemory", "! gldownload !"),
        ("memory:CUDAMemory", "! cudadownload !"),
        ("memory:NVMM", "! nvvideoconvert ! video/x-raw !"),
        ("memory:D3D11Memory", "! d3d11download !"),
        ("memory:D3D12Memory", "! d3d12download !"),
    ];
    let known = DOWNLOADS.into_iter();
    let mut known = known.filter(|(memory, _)| message.contains(memory));
    known
        .next()
        .map_or("! video/x-raw !", |(_, elements)| elements)
}

/// The words in quotes in a message of GStreamer's parser, in their order: `no property "x" in
/// element "y"` is about x.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|word| !word.is_empty())
}

/// The kind of the element that does not take the caps of the one before it. The parser numbers
/// elements that have no name.
fn unlinked(message: &str) -> Option<&str> {
    let (_, pair) = message.split_once("could not link ")?;
    let second = pair.split_once(" to ")?.1.split([',', ' ']).next()?;
    Some(second.trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// The line of a syntax error. GStreamer's parser does not name it, so each element is parsed
/// alone.
fn syntax_line(text: &str) -> Option<usize> {
    let mut line = 1;
    for part in text.split('!') {
        let start = line + part.len().min(leading_newlines(part));
        line += part.matches('\n').count();
        let mut context = gst::ParseContext::new();
        let alone = part.trim();
        let caps = alone.starts_with("video/") || alone.starts_with("image/");
        let reference = alone.ends_with('.') || alone.contains(". ");
        if caps || reference {
            continue;
        }
        if alone.is_empty() {
            return Some(start);
        }
        if gst::parse::launch_full(alone, Some(&mut context), gst::ParseFlags::FATAL_ERRORS)
            .is_err()
        {
            return Some(start);
        }
    }
    None
}

fn leading_newlines(text: &str) -> usize {
    text[..text.len() - text.trim_start().len()]
        .matches('\n')
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        gst::init().unwrap();
        let file = PipelineFile::new(Direction::Send, "mine", text);
        check(&file, text).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_line_and_the_fix() {
        for (text, parts) in [
            (
                "\nvideotestsrc\n ! nosuchthing ! fakesink",
                &["nosuchthing", "(line 3)", "gst-inspect"][..],
            ),
            ("videotestsrc\n ! fakesink nope=1", &["nope", "(line 2)"]),
            ("videotestsrc !\n ! fakesink", &["line"]),
            (
                "videotestsrc ! fakesink",
                &[
                    "has no appsink",
                    "hint: write appsink name=frames in the place of fakesink",
                ],
            ),
            ("videotestsrc ! fakesink name=frames", &["is fakesink"]),
        ] {
            let error = error(text);
            for part in parts {
                assert!(error.contains(part), "{part:?} is not in {error}");
            }
        }
    }
}
