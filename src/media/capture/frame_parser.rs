//! A parser before the end of a capture pipeline, for frames whose caps hold a part of the stream.
//!
//! Containers and RTSP cameras give H.264 and H.265 in several ways. In most of them the frames
//! need the `codec_data` of the caps, or one frame comes in several buffers. Neither can be sent:
//! caps from the network are text, and a message is a frame. The caps are known only when the
//! pipeline runs, so the parser is put in before the first frame that needs it.

use std::sync::{Arc, Weak};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

use crate::media::gst::{caps, element};

/// The caps of a codec that can be sent, and the parser that makes them.
#[derive(Debug)]
struct Parser {
    media_type: &'static str,
    /// The codec, for a person.
    codec: &'static str,
    element: &'static str,
    /// The values of `stream-format` and `alignment`.
    format: &'static str,
    alignment: &'static str,
}

const PARSERS: [Parser; 3] = [
    Parser {
        media_type: "video/x-h264",
        codec: "H.264",
        element: "h264parse",
        format: "byte-stream",
        alignment: "au",
    },
    Parser {
        media_type: "video/x-h265",
        codec: "H.265",
        element: "h265parse",
        format: "byte-stream",
        alignment: "au",
    },
    Parser {
        media_type: "video/x-av1",
        codec: "AV1",
        element: "av1parse",
        format: "obu-stream",
        alignment: "tu",
    },
];

/// The values of `stream-format` with which frames cannot be read without `codec_data`.
const WITH_CODEC_DATA: [&str; 4] = ["avc", "avc3", "hvc1", "hev1"];

/// Puts the parser that its frames need before one `appsink`.
pub struct FrameParser {
    frames: gst::glib::WeakRef<gst_app::AppSink>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Caps that have come since the last frame.
    caps: Option<gst::Caps>,
    /// The parser that was put in, with the media type that it is for.
    inserted: Option<(&'static str, gst::Element)>,
}

impl FrameParser {
    /// Watches what reaches `frames`, whose pipeline has not been started.
    pub fn watch(frames: &gst_app::AppSink) {
        let Some(end) = frames.static_pad("sink") else {
            return;
        };
        let parser = Arc::new(Self {
            frames: frames.downgrade(),
            state: Mutex::default(),
        });
        if let Some(pad) = end.peer() {
            parser.watch_pad(&pad);
        }
        // A demuxer is linked once it knows what is in the file.
        end.connect_linked(move |_, pad| parser.watch_pad(pad));
    }

    fn watch_pad(self: &Arc<Self>, pad: &gst::Pad) {
        if self.is_inserted(pad) {
            return;
        }
        let parser = Arc::downgrade(self);
        let data = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        let seen = gst::PadProbeType::EVENT_DOWNSTREAM | data;
        pad.add_probe(seen, move |pad, info| {
            let Some(parser) = Weak::upgrade(&parser) else {
                return gst::PadProbeReturn::Ok;
            };
            match &info.data {
                Some(gst::PadProbeData::Event(event)) => {
                    if let gst::EventView::Caps(event) = event.view() {
                        parser.state.lock().caps = Some(event.caps_owned());
                        parser.check_codec(event.caps());
                    }
                    gst::PadProbeReturn::Ok
                }
                _ => parser.fit(pad),
            }
        });
    }

    /// Whether `pad` is the end of the parser that was put in.
    fn is_inserted(&self, pad: &gst::Pad) -> bool {
        let state = self.state.try_lock();
        // While a parser is put in, its own link is made, and nobody else's.
        state.is_none_or(|state| {
            let inserted = state.inserted.as_ref().map(|(_, element)| element);
            inserted.is_some() && inserted == pad.parent_element().as_ref()
        })
    }

    /// A frame comes out of `pad`: puts the parser in that it needs. GStreamer sends the events of
    /// a pad again that was linked anew, before the frame.
    fn fit(&self, pad: &gst::Pad) -> gst::PadProbeReturn {
        let mut state = self.state.lock();
        let (Some(caps), Some(frames)) = (state.caps.take(), self.frames.upgrade()) else {
            return gst::PadProbeReturn::Ok;
        };
        let fitted = match (needed(&caps), &state.inserted) {
            (Ok(Some(parser)), Some((media_type, _))) if parser.media_type == *media_type => Ok(()),
            // It takes any frames of its codec.
            (Ok(None), Some((media_type, _))) if is_of(&caps, media_type) => Ok(()),
            (Ok(parser), _) => state.change(parser, pad, &frames),
            (Err(reason), _) => Err(reason),
        };
        drop(state);
        let Err(reason) = fitted else {
            return gst::PadProbeReturn::Ok;
        };
        self.refuse(&reason);
        // Not `Drop`: see frame_counter.rs.
        gst::PadProbeReturn::Handled
    }

    /// Refuses another codec before its first frame, which may never come: some encoders give
    /// frames without a time. Raw caps may still change until then.
    fn check_codec(&self, caps: &gst::CapsRef) {
        let is_raw = caps.structure(0).is_some_and(|s| s.name() == "video/x-raw");
        if let (false, Err(reason)) = (is_raw, caps::from_gst(caps)) {
            self.refuse(&reason.to_string());
        }
    }

    /// Ends the pipeline, as its frames cannot be sent.
    fn refuse(&self, reason: &str) {
        if let Some(frames) = self.frames.upgrade() {
            gst::element_error!(frames, gst::StreamError::Format, ("{reason}"));
        }
    }
}

impl State {
    /// Takes the present parser out, and puts another one between `pad` and `frames`.
    fn change(
        &mut self,
        parser: Option<&'static Parser>,
        pad: &gst::Pad,
        frames: &gst_app::AppSink,
    ) -> Result<(), String> {
        if parser.is_none() && self.inserted.is_none() {
            return Ok(());
        }
        let broken = |_| "it cannot be changed while it runs".to_owned();
        let end = frames.static_pad("sink").ok_or("appsink has no end")?;
        let bin = frames
            .parent()
            .and_then(|bin| bin.downcast::<gst::Bin>().ok());
        let bin = bin.ok_or("appsink is in no pipeline")?;
        if let Some(next) = pad.peer() {
            pad.unlink(&next).map_err(broken)?;
        }
        if let Some((_, old)) = self.inserted.take() {
            let _ = old.set_state(gst::State::Null);
            bin.remove(&old).map_err(broken)?;
        }
        // The caps of the person's own end are those from before the parser.
        frames.set_caps(None);
        let Some(parser) = parser else {
            return pad.link(&end).map(drop).map_err(|e| e.to_string());
        };
        tracing::debug!("source: {} before the end of the pipeline", parser.element);
        let element = parser.build()?;
        bin.add(&element).map_err(broken)?;
        self.inserted = Some((parser.media_type, element.clone()));
        let (sink, source) = (element.static_pad("sink"), element.static_pad("src"));
        let (Some(sink), Some(source)) = (sink, source) else {
            return Err("the parser has no ends".into());
        };
        join_parts(&sink);
        source.link(&end).map_err(|e| e.to_string())?;
        element.sync_state_with_parent().map_err(broken)?;
        pad.link(&sink).map_err(|e| e.to_string())?;
        Ok(())
    }
}

impl Parser {
    fn build(&self) -> Result<gst::Element, String> {
        let Self {
            media_type,
            codec,
            element,
            format,
            alignment,
        } = self;
        if !element::is_installed(element) {
            return Err(format!("{codec} needs the GStreamer element {element:?}"));
        }
        let caps = format!("{media_type},stream-format={format},alignment={alignment}");
        let text = format!("{element} ! capsfilter caps=\"{caps}\"");
        let bin = gst::parse::bin_from_description(&text, true);
        Ok(bin.map_err(|e| e.message().to_owned())?.upcast())
    }
}

/// Has the parser whose end is `sink` take all parts of a frame for one. It ends a frame before each
/// buffer that is marked as a discontinuity, and another parser or a depayloader before it may mark
/// each part of its first frame so. The parts of one frame have one time, or the first alone has it.
fn join_parts(sink: &gst::Pad) {
    let last = Mutex::new(None);
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut() {
            let mut last = last.lock();
            let time = buffer.pts();
            let is_part = last.is_some() && (time.is_none() || time == *last);
            *last = time.or(*last);
            if is_part && buffer.flags().contains(gst::BufferFlags::DISCONT) {
                buffer.make_mut().unset_flags(gst::BufferFlags::DISCONT);
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// The parser that frames of these caps need, if they need one.
fn needed(caps: &gst::Caps) -> Result<Option<&'static Parser>, String> {
    let Some(fields) = caps.structure(0) else {
        return Ok(None);
    };
    let known = PARSERS
        .iter()
        .find(|p| p.media_type == fields.name().as_str());
    let Some(parser) = known else {
        return Ok(None);
    };
    let (format, alignment) = (
        fields.get::<&str>("stream-format"),
        fields.get::<&str>("alignment"),
    );
    if let Ok(format) = format
        && WITH_CODEC_DATA.contains(&format)
        && !fields.has_field("codec_data")
    {
        let codec = parser.codec;
        return Err(format!(
            "{codec} as {format:?} comes without its codec_data"
        ));
    }
    let is_whole = format == Ok(parser.format) && alignment == Ok(parser.alignment);
    Ok((!is_whole).then_some(parser))
}

fn is_of(caps: &gst::Caps, media_type: &str) -> bool {
    caps.structure(0)
        .is_some_and(|fields| fields.name() == media_type)
}
