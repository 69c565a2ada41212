//! `vidchat pipelines`: lists, shows and checks pipelines.

use std::path::Path;

use crate::cli::{PipelinesAction, PipelinesArgs};
use crate::console;
use crate::failure::{Failure, Outcome};
use crate::media::pipeline::build;
use crate::media::pipeline::catalog;
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
                let substituted = check(&file, &values)?;
                let but = if substituted.is_empty() {
                    String::new()
                } else {
                    format!(", but not tried: {}", substituted.join(", "))
                };
                console::output(&format!(
                    "{}: good for vidchat {}{but}\n",
                    file.name, file.direction
                ))?;
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
    if let Some(folder) = catalog::own_folder(Direction::Send)
        .as_deref()
        .and_then(Path::parent)
    {
        out.push_str(&format!(
            "Your own go to {}/send, recv or encode, as NAME.gst.\n",
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
/// names.
fn find(name: &str) -> Outcome<Vec<PipelineFile>> {
    let found: Vec<Outcome<PipelineFile>> = DIRECTIONS
        .into_iter()
        .map(|direction| catalog::find(direction, name))
        .collect();
    let is_file = |file: &PipelineFile| file.path.is_some();
    let mut good: Vec<PipelineFile> = found.iter().flatten().cloned().collect();
    if good.iter().all(is_file) && good.len() > 1 {
        let receives = good[0].text.contains("appsrc");
        let direction = if receives {
            Direction::Recv
        } else {
            Direction::Send
        };
        good.retain(|file| file.direction == direction);
    }
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
    let mut values = values.clone();
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
