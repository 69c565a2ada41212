//! `vidchat pipelines`: lists, shows and checks pipelines.

use std::path::Path;

use crate::cli::{PipelinesAction, PipelinesArgs};
use crate::console;
use crate::engine_url::EngineUrl;
use crate::failure::{Failure, Outcome};
use crate::media::pipeline::build;
use crate::media::pipeline::catalog;
use crate::media::pipeline::text::strip_comment;
use crate::media::{self, Direction, PipelineFile, Values, capture, playback};
use crate::wire::Caps;

/// Caps for checking receiving pipelines.
const SAMPLE: &str = "video/x-raw, format=I420, width=320, height=240, framerate=30/1";

const DIRECTIONS: [Direction; 2] = [Direction::Send, Direction::Recv];

/// Lists pipelines, shows one or checks one.
pub fn run(args: PipelinesArgs) -> Outcome {
    match args.action {
        None | Some(PipelinesAction::List) => list(),
        Some(PipelinesAction::Show { pipeline }) => {
            let found = find(&pipeline)?;
            let texts: Vec<&str> = found.iter().map(|file| file.text.as_str()).collect();
            console::output(&texts.join("\n"))
        }
        Some(PipelinesAction::Check { pipeline, settings }) => {
            media::init()?;
            let values = super::settings::values(settings);
            for file in find(&pipeline)? {
                let url = EngineUrl::example(&file.name).filter(|_| file.path.is_none());
                let command = match (&url, file.direction) {
                    (Some(_), Direction::Recv) => "publish".to_owned(),
                    (_, direction) => direction.to_string(),
                };
                let file = match url {
                    Some(url) => file.with_engine(url),
                    None => file,
                };
                let substituted = check(&file, &values)?;
                let but = if substituted.is_empty() {
                    String::new()
                } else {
                    format!(", but not tried: {}", substituted.join(", "))
                };
                console::output(&format!("{}: good for vidchat {command}{but}\n", file.name))?;
            }
            Ok(())
        }
    }
}

fn list() -> Outcome {
    let mut out = String::new();
    for direction in DIRECTIONS {
        out.push_str(&format!("vidchat {direction} --pipeline …\n"));
        for file in catalog::all(direction) {
            out.push_str(&entry(&file.name, &file));
        }
        if direction == Direction::Send {
            out.push_str("vidchat send --pipeline SOURCE-CODEC, such as camera-h264\n");
            for codec in catalog::all_codecs() {
                out.push_str(&entry(&format!("SOURCE-{}", codec.name), &codec));
            }
        }
    }
    for (direction, heading) in [
        (
            Direction::Recv,
            "vidchat publish HOST --to URL, by its scheme or by --file",
        ),
        (
            Direction::Send,
            "vidchat recv URL and vidchat send --pipeline URL, by its scheme or by --file",
        ),
    ] {
        out.push_str(heading);
        out.push('\n');
        for file in catalog::all_for_engines(direction) {
            out.push_str(&entry(&file.name, &file));
        }
    }
    if let Some(folder) = catalog::own_folder(Direction::Send)
        .as_deref()
        .and_then(Path::parent)
    {
        out.push_str(&format!(
            "Your own go to {}/send, recv, encode, publish or play, as NAME.gst.\n",
            folder.display()
        ));
    }
    console::output(&out)
}

/// One line of the list.
fn entry(name: &str, file: &PipelineFile) -> String {
    let place = file
        .path
        .as_ref()
        .map_or(String::new(), |path| format!("  ({})", path.display()));
    format!("  {name:<12} {}{place}\n", file.about())
}

/// The pipelines of this name: there may be one for each end. A file is for the one end that it
/// names, and is read once, since a pipe gives its text but once.
fn find(name: &str) -> Outcome<Vec<PipelineFile>> {
    if catalog::is_path(name) {
        let file = catalog::find(Direction::Send, name)?;
        return Ok(vec![match end_of(&file.text) {
            Some(direction) => file.with_direction(direction),
            None => file,
        }]);
    }
    let found: Vec<Outcome<PipelineFile>> = DIRECTIONS
        .into_iter()
        .map(|direction| catalog::find(direction, name))
        .collect();
    let good: Vec<PipelineFile> = found.iter().flatten().cloned().collect();
    match (good.is_empty(), found.into_iter().next()) {
        (true, Some(Err(_))) if is_unknown(name) => {
            let names: Vec<_> = DIRECTIONS.into_iter().flat_map(catalog::names).collect();
            Err(Failure::start(format!("cannot find the pipeline {name:?}"))
                .cause("there is none of that name")
                .found([format!("there are: {}", names.join(", "))])
                .hint("give a path with a / in it to use a file: ./mine.gst"))
        }
        (true, Some(Err(failure))) => Err(failure),
        _ => Ok(good),
    }
}

/// The end that a text is for: the kind of its element `frames`, or of the only one of the two
/// kinds that it has.
fn end_of(text: &str) -> Option<Direction> {
    let words = || {
        text.lines()
            .map(strip_comment)
            .flat_map(str::split_whitespace)
    };
    let has = |kind: &str| words().any(|word| word == kind);
    let mut kind = None;
    for word in words() {
        match word {
            "appsink" => kind = Some(Direction::Send),
            "appsrc" => kind = Some(Direction::Recv),
            "!" => kind = None,
            _ if word.trim_matches('"') == "name=frames" && kind.is_some() => return kind,
            _ => {}
        }
    }
    match (has("appsink"), has("appsrc")) {
        (_, false) => Some(Direction::Send),
        (false, true) => Some(Direction::Recv),
        (true, true) => None,
    }
}

/// Whether no pipeline has this name. A pipeline that cannot be read or built is a known one.
fn is_unknown(name: &str) -> bool {
    !catalog::is_path(name) && catalog::find_composed(name).is_none()
}

/// Builds a pipeline with a test picture or a sink in place of devices, which the machine may lack.
/// The check is of the file, and not of this machine's camera or display. Returns the elements that
/// were replaced.
fn check(file: &PipelineFile, values: &Values) -> Outcome<Vec<String>> {
    values.check(file)?;
    let substitutes: &[(&str, &str)] = match file.direction {
        Direction::Send => &[
            ("camera", "videotestsrc"),
            ("camera-mjpeg", "videotestsrc ! jpegenc"),
            ("screen", "videotestsrc"),
        ],
        Direction::Recv => &[("window", "fakesink")],
    };
    let names = file.placeholders()?.into_iter().map(|p| p.name);
    let names: Vec<String> = names.collect();
    let mut values = values.clone().for_check();
    let mut substituted = Vec::new();
    for (name, substitute) in substitutes {
        let is_used = names.iter().any(|known| known == name);
        if values.set_default(name, substitute) && is_used {
            substituted.push(format!("${{{name}}}"));
        }
    }
    let text = match file.direction {
        Direction::Send => capture::placeholders::fill(&values, file)?.text,
        Direction::Recv => {
            let sample =
                Caps::parse(SAMPLE).map_err(|e| Failure::start("cannot check").cause(e))?;
            playback::placeholders::fill(&values, file, &sample)?
        }
    };
    build::check(file, &text)?;
    Ok(substituted)
}
