//! Pipelines that read from the network. They fail for reasons of which the elements' own words do
//! not tell a person enough: a camera over HTTP or RTSP that does not answer, wants a password, or
//! sends another codec.

use gst::prelude::*;
use gstreamer as gst;

use crate::media::gst::bus::ElementError;
use crate::media::gst::element;
use crate::media::pipeline::explanation::{Explanation, NO_FRAME};

/// Elements that read from the network and have another class than those that do.
const OTHER_SOURCES: [&str; 5] = ["rtmp2src", "rtmpsrc", "rtpsrc", "moqsrc", "zenohsrc"];

/// The source of a pipeline that reads from the network.
struct NetworkSource {
    /// Its element, such as `rtspsrc`.
    kind: String,
    /// Its address, without a user's name and password.
    url: String,
}

/// Whether a pipeline reads from the network, so that its frames were captured elsewhere, and
/// earlier.
pub fn is_in(pipeline: &gst::Pipeline) -> bool {
    let mut elements = pipeline.iterate_recurse().into_iter().flatten();
    elements.any(|element| {
        let class = element.metadata(gst::ELEMENT_METADATA_KLASS);
        let has = |part| class.is_some_and(|class| class.split('/').any(|word| word == part));
        let kind = element::kind(&element);
        let is_source = has("Source") && has("Network");
        // It may write to the network beside.
        let is_sink = has("Sink") || kind.ends_with("sink");
        is_source
            || OTHER_SOURCES.contains(&&kind[..])
            || (!is_sink && remote_url(&element).is_some())
    })
}

/// Explains the failure of a pipeline that reads from the network; `None` for any other, and where
/// the failure has nothing to do with that.
pub fn explain(pipeline: &gst::Pipeline, error: &ElementError) -> Option<Explanation> {
    // A recording beside may fail too.
    if error.element().is_some_and(|kind| kind.ends_with("sink")) {
        return None;
    }
    let source = NetworkSource::of(pipeline)?;
    let details: Vec<String> = error.details().collect();
    source.explain(error.message(), &details.join("\n"))
}

impl NetworkSource {
    fn of(pipeline: &gst::Pipeline) -> Option<Self> {
        let elements = pipeline.iterate_elements().into_iter().flatten();
        elements.into_iter().find_map(|source| {
            let url = remote_url(&source)?;
            Some(Self {
                kind: element::kind(&source),
                url: without_user(&url),
            })
        })
    }

    /// Whether the element finds out by itself what comes.
    fn is_any(&self) -> bool {
        self.kind.starts_with("uridecodebin")
    }

    /// The hint where no frame came.
    fn remedy_of_silence(&self) -> String {
        let Self { kind, url } = self;
        if self.is_any() && url.starts_with("http") {
            format!(
                "a camera of JPEG frames takes souphttpsrc location={url} is-live=true ! \
                 multipartdemux ! image/jpeg in the place of {kind}"
            )
        } else if url.starts_with("udp") {
            format!("does the other side send to {url}, and do the caps of {kind} fit that?")
        } else {
            format!("does it play elsewhere? gst-play-1.0 {url}")
        }
    }

    fn explain(&self, message: &str, details: &str) -> Option<Explanation> {
        let Self { kind, url } = self;
        let has = |words: &[&str]| {
            let mut words = words.iter();
            words.any(|word| message.contains(word) || details.contains(word))
        };
        if has(&[NO_FRAME]) {
            // The message has the cause.
            let (cause, hint) = (None, self.remedy_of_silence());
            return Some(Explanation { cause, hint });
        }
        let (cause, hint) = if has(&["Unauthorized", "(401)"]) {
            let hint = if self.is_any() || url.starts_with("rtsp") {
                "write both into the address: ://NAME:PASSWORD@".to_owned()
            } else {
                format!("give both to the element: {kind} user-id=NAME user-pw=PASSWORD")
            };
            (format!("{url} wants a user's name and password"), hint)
        } else if has(&["Forbidden", "(403)"]) {
            let hint = "has this user the right to see it?".to_owned();
            (format!("{url} is forbidden to this user"), hint)
        } else if has(&["Not Found", "Not found", "(404)"]) {
            let hint = "is the path right? the camera's manual has it".to_owned();
            (format!("there is nothing at {url}"), hint)
        } else if has(&["Boundary not found"]) {
            let hint = "give the address of the stream itself, which a page shows inside: a browser's \
                        menu for the picture has it";
            let cause = format!("{url} is no stream of JPEG frames (multipart)");
            (cause, hint.to_owned())
        } else if has(&["not-linked"]) {
            let hint = format!("uridecodebin uri={url} ! videoconvert ! takes every codec");
            let cause = format!("{url} sends something else than the pipeline file takes");
            (cause, hint)
        } else if has(&[
            "ould not open",
            "ailed to connect",
            "ould not connect",
            "ould not resolve",
            "reason error",
        ]) {
            let hint = format!("is the address right? gst-play-1.0 {url} tries it elsewhere");
            (format!("{url} does not answer, or breaks off"), hint)
        } else {
            return None;
        };
        let cause = Some(cause);
        Some(Explanation { cause, hint })
    }
}

/// The address of an element; `None` where it has none, or one on this machine's disk.
fn remote_url(element: &gst::Element) -> Option<String> {
    let property = ["location", "uri"]
        .into_iter()
        .find(|name| element.has_property_with_type(name, String::static_type()))?;
    let url = element.property::<Option<String>>(property)?;
    let (scheme, _) = url.split_once("://")?;
    let kind = element::kind(element);
    let is_local = scheme == "file" || kind == "filesrc" || kind == "filesink";
    (!is_local).then_some(url)
}

/// The address without the name and the password of a user, which no log shows.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(launch: &str, message: &str, details: &str) -> (String, String) {
        gst::init().unwrap();
        let pipeline = gst::parse::launch(launch).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let source = NetworkSource::of(&pipeline).expect("it reads from the network");
        let explained = source
            .explain(message, details)
            .expect("it has to do with it");
        (explained.cause.unwrap_or_default(), explained.hint)
    }

    #[test]
    fn a_failure_names_the_address_and_the_fix_and_no_password() {
        const HTTP: &str = "souphttpsrc location=http://me:secret@cam/video ! fakesink";
        const RTSP: &str = "rtspsrc location=rtsp://me:secret@cam/1 ! fakesink";
        const ANY: &str = "uridecodebin uri=http://me:secret@cam/video ! fakesink";
        const FLOW: &str = "Internal data stream error";
        for (launch, message, details, cause, hint) in [
            (
                HTTP,
                "Unauthorized",
                "(401)",
                "wants a user's name",
                "user-id=NAME",
            ),
            (
                ANY,
                "Unauthorized",
                "(401)",
                "wants a user's name",
                "://NAME:PASSWORD@",
            ),
            (
                RTSP,
                "Unauthorized",
                "(401)",
                "wants a user's name",
                "://NAME:PASSWORD@",
            ),
            (
                RTSP,
                "Not found",
                "Not Found (404)",
                "nothing at rtsp://cam/1",
                "the path",
            ),
            (
                HTTP,
                "Could not demultiplex stream",
                "Boundary not found",
                "no stream of JPEG",
                "page",
            ),
            (
                RTSP,
                FLOW,
                "reason not-linked (-1)",
                "something else",
                "uri=rtsp://cam/1 !",
            ),
            (
                HTTP,
                FLOW,
                "reason error (-5)",
                "http://cam/video does not answer",
                "gst-play-1.0",
            ),
            (
                RTSP,
                "Could not open resource",
                "Failed to connect",
                "does not answer",
                "gst-play",
            ),
            (ANY, "no frame came within 10 s", "", "", "multipartdemux"),
            (
                RTSP,
                "no frame came within 10 s",
                "",
                "",
                "gst-play-1.0 rtsp",
            ),
        ] {
            let (found, remedy) = explained(launch, message, details);
            assert!(found.contains(cause), "{cause:?} is not in {found}");
            assert!(remedy.contains(hint), "{hint:?} is not in {remedy}");
            assert!(
                !found.contains("secret") && !remedy.contains("secret"),
                "{found}: {remedy}"
            );
        }
    }

    #[test]
    fn a_source_on_the_network_is_told_from_a_sink_there() {
        gst::init().unwrap();
        for (launch, expected) in [
            ("udpsrc port=0 ! fakesink", true),
            ("tcpclientsrc port=9 ! fakesink", true),
            ("rtmp2src location=rtmp://h/live/cam ! fakesink", true),
            ("srtsrc uri=srt://:9 ! fakesink", true),
            ("rtspsrc location=rtsp://h/1 ! fakesink", true),
            ("souphttpsrc location=http://h/1 ! fakesink", true),
            ("uridecodebin uri=rtsp://h/1 ! fakesink", true),
            ("uridecodebin uri=file:///clip.mkv ! fakesink", false),
            ("filesrc location=clip.mkv ! fakesink", false),
            ("fdsrc ! fakesink", false),
            ("fakesrc ! tcpclientsink port=9", false),
            ("fakesrc ! rtmp2sink location=rtmp://h/live/cam", false),
            ("fakesrc ! srtsink uri=srt://h:9", false),
            ("fakesrc ! rtph264pay ! udpsink port=9", false),
        ] {
            let mut elements = element::kinds(launch);
            if elements.any(|kind| !element::is_installed(kind)) {
                eprintln!("not looked at here: {launch}");
                continue;
            }
            let pipeline = gst::parse::launch(launch).unwrap();
            let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
            assert_eq!(is_in(&pipeline), expected, "{launch}");
        }
    }

    #[test]
    fn a_file_is_not_the_network_nor_is_a_format_its_fault() {
        gst::init().unwrap();
        let source = NetworkSource {
            kind: "rtspsrc".into(),
            url: "rtsp://cam/1".into(),
        };
        for (message, details) in [
            ("H.264 as \"avc\" comes without its codec_data", ""),
            ("Internal data stream error", "reason not-negotiated (-4)"),
        ] {
            assert!(source.explain(message, details).is_none(), "{message}");
        }
        for launch in [
            "filesrc location=clip.mkv ! fakesink",
            "uridecodebin uri=file:///clip.mkv ! fakesink",
            "videotestsrc ! fakesink",
        ] {
            let pipeline = gst::parse::launch(launch).unwrap();
            let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
            assert!(NetworkSource::of(&pipeline).is_none(), "{launch}");
        }
    }
}
