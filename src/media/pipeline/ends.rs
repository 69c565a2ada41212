//! The ends of a pipeline: the one that is vidchat's own, and others, which nobody reads or feeds.
//!
//! GStreamer's defaults let an `appsink` that nobody reads, and a queue without limits, hold frames
//! until there is no memory left.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use crate::failure::{Failure, Outcome};

use super::file::{Direction, PipelineFile};
use super::text::line_of;
use crate::media::gst::element;

/// The name of the element at which frames leave or enter a pipeline.
pub const SEAM: &str = "frames";
/// The bytes that a queue holds which the file gives no limit.
const QUEUE_LIMIT: u32 = 64 << 20;

/// The element at which frames leave (`appsink`) or enter (`appsrc`) the pipeline. What its other
/// ends and queues hold is bounded.
///
/// # Errors
///
/// Where the pipeline has no element of that name, or one of another kind, or where it has an
/// `appsrc` that nobody feeds.
pub fn seam<E: IsA<gst::Element>>(file: &PipelineFile, pipeline: &gst::Pipeline) -> Outcome<E> {
    let found = pipeline.by_name(SEAM);
    let kind = found.as_ref().map(element::kind);
    let seam = found
        .and_then(|e| e.downcast::<E>().ok())
        .ok_or_else(|| no_seam(file, pipeline, kind))?;
    bound(file, pipeline)?;
    Ok(seam)
}

/// Bounds what the elements beside vidchat's own may hold.
///
/// # Errors
///
/// Where the pipeline waits for frames that nobody feeds.
fn bound(file: &PipelineFile, pipeline: &gst::Pipeline) -> Outcome {
    for element in elements(pipeline) {
        if element.name() == SEAM {
            continue;
        }
        if let Some(sink) = element.downcast_ref::<gst_app::AppSink>() {
            sink.set_max_buffers(1);
            sink.set_drop(true);
        } else if element.is::<gst_app::AppSrc>() {
            return Err(unfed(file, &element));
        } else {
            bound_queue(&element);
        }
    }
    Ok(())
}

/// A `tee` with a branch that has no queue. Each of its sinks waits for the others to have a frame,
/// and none of those can come.
pub(crate) fn tee_without_queue(pipeline: &gst::Pipeline) -> Option<gst::Element> {
    let is_unqueued = |tee: &gst::Element| {
        let branches = tee.src_pads();
        let first = |pad: &gst::Pad| pad.peer().and_then(|peer| peer.parent_element());
        branches.len() > 1
            && branches
                .iter()
                .filter_map(first)
                .any(|element| !reaches_queue(element))
    };
    elements(pipeline)
        .into_iter()
        .filter(|element| element::kind(element) == "tee")
        .find(is_unqueued)
}

/// Whether a queue comes before the next sink, or before the way parts.
fn reaches_queue(mut element: gst::Element) -> bool {
    loop {
        if element::kind(&element).contains("queue") {
            return true;
        }
        let [pad] = &element.src_pads()[..] else {
            return false;
        };
        match pad.peer().and_then(|peer| peer.parent_element()) {
            Some(next) => element = next,
            None => return false,
        }
    }
}

/// All elements, those within bins too, in the order of the file.
fn elements(pipeline: &gst::Pipeline) -> Vec<gst::Element> {
    let mut elements: Vec<_> = pipeline.iterate_recurse().into_iter().flatten().collect();
    elements.reverse();
    elements
}

/// Gives a queue a limit where the file takes all of them away.
fn bound_queue(queue: &gst::Element) {
    const LIMITS: [&str; 3] = ["max-size-buffers", "max-size-bytes", "max-size-time"];
    let is_queue = ["queue", "queue2", "multiqueue"].contains(&&*element::kind(queue));
    if !is_queue {
        return;
    }
    let is_off = |name: &&str| {
        let value = queue.property_value(name);
        value.get::<u32>() == Ok(0) || value.get::<u64>() == Ok(0)
    };
    if LIMITS.iter().all(is_off) {
        tracing::debug!("{}: no limit, holds {QUEUE_LIMIT} bytes", queue.name());
        queue.set_property("max-size-bytes", QUEUE_LIMIT);
    }
}

/// The failure of a pipeline without an end for vidchat. `kind` is that of the element with the
/// end's name.
fn no_seam(file: &PipelineFile, pipeline: &gst::Pipeline, kind: Option<String>) -> Failure {
    let (wanted, other) = match file.direction {
        Direction::Send => ("appsink", "appsrc"),
        Direction::Recv => ("appsrc", "appsink"),
    };
    let all = elements(pipeline);
    let is_end = |e: &&gst::Element| match file.direction {
        Direction::Send => e.src_pads().is_empty(),
        Direction::Recv => e.sink_pads().is_empty(),
    };
    let ends: Vec<&gst::Element> = all.iter().filter(is_end).collect();
    let of_kind: Vec<_> = ends.iter().filter(|e| element::kind(e) == wanted).collect();
    let mut shown = None;
    let (cause, hint) = match (&kind, &of_kind[..]) {
        (Some(kind), _) if kind == other => {
            let (command, end) = match file.direction {
                Direction::Send => ("recv HOST", "sending pipeline ends in: ! appsink"),
                Direction::Recv => ("send", "receiving pipeline begins with: appsrc"),
            };
            (
                format!("its element {SEAM:?} is {kind}"),
                format!("it is for vidchat {command}; a {end} name={SEAM}"),
            )
        }
        (Some(kind), _) => {
            shown = Some(format!("name={SEAM}"));
            (
                format!("its element {SEAM:?} is {kind}"),
                format!("give the name to an {wanted}: {wanted} name={SEAM}"),
            )
        }
        (None, [only]) => {
            shown = Some(wanted.to_owned());
            let name = only.name();
            // GStreamer numbers elements without a name.
            let is_numbered = name.trim_end_matches(|c: char| c.is_ascii_digit()) == wanted;
            let cause = if is_numbered {
                format!("its {wanted} has no name")
            } else {
                format!("its {wanted} is named {:?}", name.as_str())
            };
            (cause, format!("write {wanted} name={SEAM}"))
        }
        (None, []) => {
            let end = ends.last().map(|end| element::kind(end));
            let hint = match (&end, file.direction) {
                (Some(end), _) => format!("write {wanted} name={SEAM} in the place of {end}"),
                (None, Direction::Send) => format!("end the pipeline in: ! {wanted} name={SEAM}"),
                (None, Direction::Recv) => {
                    format!("begin the pipeline with: {wanted} name={SEAM} !")
                }
            };
            shown = end;
            (format!("it has no element named {SEAM:?}"), hint)
        }
        (None, several) => {
            let names: Vec<_> = several.iter().map(|e| format!("{:?}", e.name())).collect();
            (
                format!(
                    "none of its {wanted}s is named {SEAM:?}, but {}",
                    names.join(", ")
                ),
                format!("write {wanted} name={SEAM} for the one that vidchat is to use"),
            )
        }
    };
    let line = shown.and_then(|word| line_of(&file.text, &word));
    Failure::start(format!(
        "the pipeline {} has no {wanted} for vidchat {}",
        file.place(line),
        file.direction
    ))
    .cause(cause)
    .hint(hint)
}

/// The failure of a pipeline with an `appsrc` that is not vidchat's.
fn unfed(file: &PipelineFile, appsrc: &gst::Element) -> Failure {
    let name = appsrc.name();
    let line =
        line_of(&file.text, &format!("name={name}")).or_else(|| line_of(&file.text, "appsrc"));
    let failure = Failure::start(format!("the pipeline {} is not valid", file.place(line)))
        .cause(format!("nothing feeds its appsrc {:?}", name.as_str()));
    match file.direction {
        Direction::Send => failure.hint("write a source in its place, such as videotestsrc"),
        Direction::Recv => failure.hint(format!(
            "take it out: frames enter at appsrc name={SEAM} alone"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::pipeline::build;

    fn built(text: &str) -> gst::Pipeline {
        gst::init().unwrap();
        let file = PipelineFile::new(Direction::Send, "mine", text);
        let pipeline = build::build(&file, text).unwrap();
        seam::<gst_app::AppSink>(&file, &pipeline).unwrap();
        pipeline
    }

    #[test]
    fn nothing_grows_in_a_pipeline_that_nobody_reads() {
        let pipeline = built(
            "videotestsrc ! tee name=t ! queue ! appsink name=frames \
             t. ! queue name=limited max-size-time=0 max-size-bytes=0 ! appsink name=other \
             t. ! queue2 name=open max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! appsink name=third \
             t. ! ( queue ! appsink name=inner )",
        );
        for name in ["other", "third", "inner"] {
            let sink = pipeline.by_name(name).unwrap();
            let sink = sink.downcast_ref::<gst_app::AppSink>().unwrap();
            assert!(sink.max_buffers() == 1 && sink.is_drop(), "{name}");
        }
        let bytes = |name: &str| {
            pipeline
                .by_name(name)
                .unwrap()
                .property::<u32>("max-size-bytes")
        };
        assert_eq!((bytes("limited"), bytes("open")), (0, QUEUE_LIMIT));
    }

    #[test]
    fn a_tee_whose_branches_wait_for_each_other_is_found() {
        for (branches, waits) in [
            (
                "t. ! queue ! appsink name=frames t. ! queue ! fakesink",
                false,
            ),
            (
                "t. ! videoscale ! queue ! appsink name=frames t. ! queue2 ! fakesink",
                false,
            ),
            ("t. ! appsink name=frames", false),
            (
                "t. ! queue ! appsink name=frames t. ! videoscale ! fakesink",
                true,
            ),
            ("t. ! appsink name=frames t. ! fakesink", true),
        ] {
            let pipeline = built(&format!("videotestsrc ! tee name=t {branches}"));
            assert_eq!(tee_without_queue(&pipeline).is_some(), waits, "{branches}");
        }
    }
}
