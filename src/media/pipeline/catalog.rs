//! The pipeline and codec files that have a name: a person's own, and those that are part of the
//! program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::engine_url::EngineUrl;
use crate::failure::{Failure, Invalid, Outcome};

use super::compose;
use super::file::{Direction, PipelineFile};

/// The files that are part of the program: direction, name, text.
const SHIPPED: [(Direction, &str, &str); 9] = [
    (
        Direction::Send,
        "camera",
        include_str!("../../../pipelines/send/camera.gst"),
    ),
    (
        Direction::Send,
        "camera-mjpeg",
        include_str!("../../../pipelines/send/camera-mjpeg.gst"),
    ),
    (
        Direction::Send,
        "test",
        include_str!("../../../pipelines/send/test.gst"),
    ),
    (
        Direction::Send,
        "screen",
        include_str!("../../../pipelines/send/screen.gst"),
    ),
    (
        Direction::Send,
        "file",
        include_str!("../../../pipelines/send/file.gst"),
    ),
    (
        Direction::Recv,
        "window",
        include_str!("../../../pipelines/recv/window.gst"),
    ),
    (
        Direction::Recv,
        "auto",
        include_str!("../../../pipelines/recv/auto.gst"),
    ),
    (
        Direction::Recv,
        "terminal",
        include_str!("../../../pipelines/recv/terminal.gst"),
    ),
    (
        Direction::Recv,
        "none",
        include_str!("../../../pipelines/recv/none.gst"),
    ),
];

/// The files that are part of the program and speak with an engine: the direction of the frames,
/// name, text.
const SHIPPED_ENGINES: [(Direction, &str, &str); 14] = [
    (
        Direction::Recv,
        "moq",
        include_str!("../../../pipelines/publish/moq.gst"),
    ),
    (
        Direction::Recv,
        "rtmp",
        include_str!("../../../pipelines/publish/rtmp.gst"),
    ),
    (
        Direction::Recv,
        "rtp",
        include_str!("../../../pipelines/publish/rtp.gst"),
    ),
    (
        Direction::Recv,
        "rtsp",
        include_str!("../../../pipelines/publish/rtsp.gst"),
    ),
    (
        Direction::Recv,
        "srt",
        include_str!("../../../pipelines/publish/srt.gst"),
    ),
    (
        Direction::Recv,
        "srt-ts",
        include_str!("../../../pipelines/publish/srt-ts.gst"),
    ),
    (
        Direction::Recv,
        "zenoh",
        include_str!("../../../pipelines/publish/zenoh.gst"),
    ),
    (
        Direction::Send,
        "moq",
        include_str!("../../../pipelines/play/moq.gst"),
    ),
    (
        Direction::Send,
        "rtmp",
        include_str!("../../../pipelines/play/rtmp.gst"),
    ),
    (
        Direction::Send,
        "rtp",
        include_str!("../../../pipelines/play/rtp.gst"),
    ),
    (
        Direction::Send,
        "rtsp",
        include_str!("../../../pipelines/play/rtsp.gst"),
    ),
    (
        Direction::Send,
        "srt",
        include_str!("../../../pipelines/play/srt.gst"),
    ),
    (
        Direction::Send,
        "srt-ts",
        include_str!("../../../pipelines/play/srt-ts.gst"),
    ),
    (
        Direction::Send,
        "zenoh",
        include_str!("../../../pipelines/play/zenoh.gst"),
    ),
];

/// The codec files that are part of the program: name and text.
const SHIPPED_CODECS: [(&str, &str); 6] = [
    ("av1", include_str!("../../../pipelines/encode/av1.gst")),
    ("h264", include_str!("../../../pipelines/encode/h264.gst")),
    ("h265", include_str!("../../../pipelines/encode/h265.gst")),
    ("jpeg", include_str!("../../../pipelines/encode/jpeg.gst")),
    ("vp8", include_str!("../../../pipelines/encode/vp8.gst")),
    ("vp9", include_str!("../../../pipelines/encode/vp9.gst")),
];

/// The folder of a person's own codec files, beside those of the two directions.
const CODEC_FOLDER: &str = "encode";

/// Finds the pipeline of this name. A name with a `/` or with `.gst` at its end is a path. Other
/// names mean, in this order: a person's own file, a file of the program, a source and a codec.
///
/// # Errors
///
/// Where nothing has this name, or where the file cannot be read.
pub fn find(direction: Direction, name: &str) -> Outcome<PipelineFile> {
    let found = find_named(direction, name);
    for ignored in found.iter().flat_map(PipelineFile::ignored_variables) {
        tracing::warn!("{ignored}");
    }
    found
}

fn find_named(direction: Direction, name: &str) -> Outcome<PipelineFile> {
    if direction == Direction::Send && EngineUrl::is_meant(name) {
        let url: EngineUrl = name.parse().map_err(|invalid: Invalid| {
            let failure = Failure::usage("the URL of --pipeline is not valid");
            invalid.explain(failure, "--pipeline ")
        })?;
        return find_for_engine(direction, url, None);
    }
    if is_path(name) {
        return PipelineFile::read(direction, name, Path::new(name));
    }
    let composed = || match direction {
        Direction::Send => find_composed(name),
        Direction::Recv => None,
    };
    if let Some(found) = find_file(direction, name).or_else(composed) {
        return found;
    }
    let names = names(direction);
    Err(Failure::start(format!("cannot find the pipeline {name:?}"))
        .cause(format!(
            "there is none of that name for vidchat {direction}"
        ))
        .found([format!("there are: {}", names.join(", "))])
        .hint("give a path with a / in it to use a file: --pipeline ./mine.gst"))
}

/// Finds the pipeline that speaks with the engine of `url`: the one for its scheme, or that of
/// `name`, which may be a path. Frames go to the engine in a receiving one, and come from it in a
/// sending one.
///
/// # Errors
///
/// Where nothing has this name, or where the file cannot be read.
pub fn find_for_engine(
    direction: Direction,
    url: EngineUrl,
    name: Option<&str>,
) -> Outcome<PipelineFile> {
    let name = name.unwrap_or(url.pipeline());
    if is_path(name) {
        let file = PipelineFile::read(direction, name, Path::new(name))?;
        return Ok(file.with_engine(url));
    }
    let found = find_engine_file(direction, name);
    let found = found.unwrap_or_else(|| {
        let files = all_for_engines(direction).into_iter();
        let names: Vec<String> = files.map(|file| file.name).collect();
        Err(Failure::start(format!("cannot find the pipeline {name:?}"))
            .cause(format!(
                "there is none of that name in the folder {}",
                engine_folder(direction)
            ))
            .found([format!("there are: {}", names.join(", "))])
            .hint("give a path with a / in it to use a file: --file ./mine.gst"))
    })?;
    Ok(found.with_engine(url))
}

/// The folder of the files that speak with engines.
fn engine_folder(direction: Direction) -> &'static str {
    match direction {
        Direction::Send => "play",
        Direction::Recv => "publish",
    }
}

fn find_engine_file(direction: Direction, name: &str) -> Option<Outcome<PipelineFile>> {
    find_in(folder(engine_folder(direction)), direction, name).or_else(|| {
        shipped_for_engines(direction)
            .find(|file| file.name == name)
            .map(Ok)
    })
}

/// A person's own file of this name in `folder`.
fn find_in(
    folder: Option<PathBuf>,
    direction: Direction,
    name: &str,
) -> Option<Outcome<PipelineFile>> {
    let path = folder?.join(format!("{name}.gst"));
    path.exists()
        .then(|| PipelineFile::read(direction, name, &path))
}

/// Every pipeline that speaks with an engine. A person's own file hides a file of the program.
pub fn all_for_engines(direction: Direction) -> Vec<PipelineFile> {
    let own = read_folder(direction, folder(engine_folder(direction)));
    merge(shipped_for_engines(direction), own)
}

fn shipped_for_engines(direction: Direction) -> impl Iterator<Item = PipelineFile> {
    SHIPPED_ENGINES
        .into_iter()
        .filter(move |(of, ..)| *of == direction)
        .map(|(direction, name, text)| PipelineFile::new(direction, name, text))
}

/// Whether a name is the path of a file.
pub fn is_path(name: &str) -> bool {
    name.contains(['/', std::path::MAIN_SEPARATOR]) || name.ends_with(".gst")
}

/// The file of exactly this name, a person's own before that of the program.
fn find_file(direction: Direction, name: &str) -> Option<Outcome<PipelineFile>> {
    find_in(own_folder(direction), direction, name)
        .or_else(|| shipped(direction).find(|file| file.name == name).map(Ok))
        .or_else(|| find_engine_file(direction, name))
}

/// The pipeline that `name` means as a source and a codec, `SOURCE-CODEC`; `None` where the name
/// names no codec or no source.
///
/// # Errors
///
/// Where the source's file cannot be read, or has no place for a codec.
pub fn find_composed(name: &str) -> Option<Outcome<PipelineFile>> {
    let (source, codec) = split(name)?;
    let source = find_file(Direction::Send, source)?;
    Some(source.and_then(|source| compose::compose(name, &source, &codec)))
}

/// The source in a name that means a source and a codec.
pub fn source_of(name: &str) -> Option<&str> {
    split(name).map(|(source, _)| source)
}

fn split(name: &str) -> Option<(&str, PipelineFile)> {
    let (source, codec) = name.rsplit_once('-')?;
    let codec = all_codecs().into_iter().find(|known| known.name == codec)?;
    Some((source, codec))
}

/// The names that [`find`] knows, with a pattern for those that end in a codec.
pub fn names(direction: Direction) -> Vec<String> {
    let files = all(direction).into_iter();
    let mut names: Vec<String> = files.map(|file| file.name).collect();
    if direction == Direction::Send {
        let codecs = all_codecs().into_iter();
        names.extend(codecs.map(|codec| format!("SOURCE-{}", codec.name)));
    }
    names
}

/// Every pipeline that has a name. A person's own file hides a file of the program.
pub fn all(direction: Direction) -> Vec<PipelineFile> {
    merge(
        shipped(direction),
        read_folder(direction, own_folder(direction)),
    )
}

/// Every codec that has a name. A person's own file hides a file of the program. Each is a part of
/// a sending pipeline.
pub fn all_codecs() -> Vec<PipelineFile> {
    let shipped = SHIPPED_CODECS
        .into_iter()
        .map(|(name, text)| PipelineFile::new(Direction::Send, name, text));
    merge(shipped, read_folder(Direction::Send, folder(CODEC_FOLDER)))
}

/// Both by name; `own` comes before `shipped`.
fn merge(shipped: impl Iterator<Item = PipelineFile>, own: Vec<PipelineFile>) -> Vec<PipelineFile> {
    let named = shipped.chain(own).map(|file| (file.name.clone(), file));
    named.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// The folder of a person's own pipelines.
pub fn own_folder(direction: Direction) -> Option<PathBuf> {
    folder(&direction.to_string())
}

fn folder(kind: &str) -> Option<PathBuf> {
    let config = match std::env::var_os("XDG_CONFIG_HOME") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => std::env::home_dir()?.join(".config"),
    };
    Some(config.join("vidchat").join("pipelines").join(kind))
}

/// The files of a folder that can be read.
fn read_folder(direction: Direction, folder: Option<PathBuf>) -> Vec<PipelineFile> {
    let entries = folder.and_then(|folder| fs::read_dir(folder).ok());
    let paths = entries.into_iter().flatten().flatten().map(|e| e.path());
    let read = |path: PathBuf| {
        let name = path.file_stem().and_then(|stem| stem.to_str())?.to_owned();
        let is_pipeline = path.extension().is_some_and(|extension| extension == "gst");
        // Opening a pipe would wait for its other end.
        (is_pipeline && path.is_file()).then(|| PipelineFile::read(direction, &name, &path).ok())?
    };
    paths.filter_map(read).collect()
}

fn shipped(direction: Direction) -> impl Iterator<Item = PipelineFile> {
    SHIPPED
        .into_iter()
        .filter(move |(of, ..)| *of == direction)
        .map(|(direction, name, text)| PipelineFile::new(direction, name, text))
}

#[cfg(test)]
mod tests {
    use gstreamer as gst;
    use gstreamer::prelude::*;

    use super::*;
    use crate::media::gst::element;

    #[test]
    fn every_shipped_file_says_what_it_does() {
        for direction in [Direction::Send, Direction::Recv] {
            for file in shipped(direction).chain(shipped_for_engines(direction)) {
                assert!(file.text.starts_with("# "), "{}", file.name);
                assert!(file.about().ends_with('.'), "{}", file.name);
                assert!(file.text.contains("name=frames"), "{}", file.name);
            }
        }
    }

    /// The URL sets the latency too, and where it comes last that is the usual one of SRT.
    #[test]
    fn srt_has_the_latency_of_its_file() {
        gst::init().unwrap();
        for (direction, kind) in [(Direction::Send, "srtsrc"), (Direction::Recv, "srtsink")] {
            if !element::is_installed(kind) {
                eprintln!("not looked at, as there is no {kind}");
                continue;
            }
            let files = shipped_for_engines(direction).filter(|file| file.text.contains(kind));
            let mut count = 0;
            for file in files {
                let parts = file.text.split("! ").flat_map(str::lines);
                let part = parts.into_iter().find(|part| part.starts_with(kind));
                let launch = part.expect("it begins a line or follows a !");
                let launch = launch.replace("${url}", "srt://127.0.0.1:7001");
                let launch = launch.replace("${latency:-20}", "20");
                let element = gst::parse::launch(&launch).unwrap();
                assert_eq!(element.property::<i32>("latency"), 20, "{launch}");
                count += 1;
            }
            assert_eq!(count, 2, "{kind}");
        }
    }

    #[test]
    fn every_shipped_source_goes_with_every_shipped_codec() {
        for source in ["camera", "test", "screen", "file"] {
            for (codec, _) in SHIPPED_CODECS {
                let name = format!("{source}-{codec}");
                let file = find_composed(&name).unwrap().unwrap();
                assert!(file.about().ends_with('.'), "{name}: {}", file.about());
                assert!(!file.text.contains(compose::PLACE), "{name}");
                let names = file.placeholders().unwrap();
                assert!(names.iter().any(|known| known.name == "fps"), "{name}");
            }
        }
        for name in ["camera", "nobody-h264", "camera-h266", "h264"] {
            assert!(find_composed(name).is_none(), "{name}");
        }
    }
}
