//! Frames on their way into a decoder.
//!
//! A codec that tells a picture by its difference from the one before must miss none: nothing is
//! dropped in front of the decoder, only behind it. What cannot be decoded is left out up to the
//! next key frame, which is asked for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use tokio::sync::mpsc::UnboundedSender;

use crate::failure::Failure;
use crate::frame::FrameHeader;
use crate::wire::Caps;

use super::keyframe_gate::{Admission, DecoderState, KeyframeGate};
use super::player::PlayerEvent;

/// A decoder that has not given one picture for so long never will.
const FIRST_PICTURE_LIMIT: Duration = Duration::from_secs(10);

/// The way from the network into a receiving pipeline.
pub struct AppsrcFeed {
    frames: gst_app::AppSrc,
    health: Arc<DecoderMonitor>,
    events: UnboundedSender<PlayerEvent>,
    state: Mutex<State>,
}

struct State {
    gate: KeyframeGate,
    /// What the frames are, such as `video/x-h264`.
    media_type: &'static str,
    /// Whether frames need those before them.
    delta: bool,
    /// When the first frame was fed; `None` from the first picture on.
    first: Option<Instant>,
    /// That was said.
    failed: bool,
}

/// How a pipeline's decoder does, as its own threads tell it.
#[derive(Default)]
pub struct DecoderMonitor {
    /// Its kind, such as `avdec_h264`; `None` where there is none.
    pub decoder: Option<String>,
    /// Pictures that it gave.
    pictures: AtomicU64,
    /// It needs a key frame.
    key: AtomicBool,
    /// It has failed, and takes nothing any more until it is flushed.
    broken: AtomicBool,
    /// What it said when it last failed.
    reason: Mutex<String>,
}

impl AppsrcFeed {
    /// Frames go to `frames`, as soon as [`AppsrcFeed::set_form`] has said what they are.
    pub fn new(
        frames: gst_app::AppSrc,
        health: Arc<DecoderMonitor>,
        events: UnboundedSender<PlayerEvent>,
    ) -> Self {
        Self {
            frames,
            health,
            events,
            state: Mutex::new(State {
                gate: KeyframeGate::new(0.0),
                media_type: "",
                delta: false,
                first: None,
                failed: false,
            }),
        }
    }

    /// What the frames are from here on.
    pub fn set_form(&self, form: &Caps, gst_caps: &gst::Caps) {
        let delta = form.is_delta();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.gate = KeyframeGate::new(form.framerate().unwrap_or(30.0));
        state.media_type = form.media_type();
        state.delta = delta;
        state.first = None;
        // Where any picture stands for itself, at most one waits, and a newer one takes its place.
        self.frames.set_max_buffers(u64::from(!delta));
        self.frames.set_leaky_type(match delta {
            true => gst_app::AppLeakyType::None,
            false => gst_app::AppLeakyType::Downstream,
        });
        self.frames.set_caps(Some(gst_caps));
    }

    /// Passes a frame on, or leaves it out.
    pub fn push(&self, header: &FrameHeader, buffer: gst::Buffer) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let decodes = self.health.decoder.is_some();
        let now = Instant::now();
        if state.delta || decodes {
            let sight = DecoderState {
                key: header.key,
                sequence: header.sequence,
                waiting: self.frames.current_level_buffers(),
                pictures: decodes.then(|| self.health.pictures.load(Relaxed)),
                key_wanted: self.health.key.swap(false, Relaxed),
                broken: self.health.broken.load(Relaxed),
                delta: state.delta,
            };
            let verdict = state.gate.admit(&sight);
            if state.gate.asks(now) {
                let _ = self.events.send(PlayerEvent::NeedKey);
            }
            self.give_up(&mut state, now);
            match verdict {
                Admission::AppsrcFeed => {}
                // Without a decoder there is nothing that could begin anew.
                Admission::Flush if decodes => self.flush(),
                Admission::Flush => {}
                Admission::Drop => return,
            }
        }
        // It fails only when the pipeline is ending, and then the bus says why.
        let _ = self.frames.push_buffer(buffer);
    }

    /// Says, once, that the decoder never gives a picture.
    fn give_up(&self, state: &mut State, now: Instant) {
        let Some(decoder) = &self.health.decoder else {
            return;
        };
        if state.failed || self.health.pictures.load(Relaxed) > 0 {
            return;
        }
        let first = *state.first.get_or_insert(now);
        if now.duration_since(first) < FIRST_PICTURE_LIMIT {
            return;
        }
        state.failed = true;
        let limit = FIRST_PICTURE_LIMIT.as_secs();
        let reason = self.health.reason.lock();
        let reason = reason.unwrap_or_else(PoisonError::into_inner);
        let failure = Failure::lost(format!("cannot decode {:?}", state.media_type))
            .cause(format!("{decoder} gave no picture within {limit} s"))
            .found((!reason.is_empty()).then(|| reason.clone()))
            .hint("try another codec on the sender: vidchat send --pipeline camera-vp8");
        let _ = self.events.send(PlayerEvent::Failed(failure));
    }

    /// Empties what is in front of the decoder, and the decoder, which begins anew with the next
    /// frame.
    fn flush(&self) {
        self.frames.send_event(gst::event::FlushStart::new());
        self.frames.send_event(gst::event::FlushStop::new(false));
        self.health.broken.store(false, Relaxed);
    }
}

impl DecoderMonitor {
    /// Watches the decoder of `pipeline`, whose frames come in at `frames`.
    pub fn watch(pipeline: &gst::Pipeline, frames: &gst_app::AppSrc) -> Arc<Self> {
        let decoder = decoder_of(pipeline);
        let health = Arc::new(Self {
            decoder: decoder.as_ref().map(crate::media::gst::element::kind),
            ..Self::default()
        });
        if let Some(pad) = decoder.and_then(|decoder| decoder.static_pad("src")) {
            health.watch_pictures(&pad);
        }
        // Decoders that miss something say so up the pipeline.
        if let Some(pad) = frames.static_pad("src") {
            let seen = Arc::clone(&health);
            pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
                let asks = |event: &gst::Event| gst_video::ForceKeyUnitEvent::is(event);
                if info.event().is_some_and(asks) {
                    seen.key.store(true, Relaxed);
                }
                gst::PadProbeReturn::Ok
            });
        }
        health
    }

    /// Watches what leaves the decoder. What is behind it, a file being written perhaps, is not
    /// to know that the decoder begins anew.
    fn watch_pictures(self: &Arc<Self>, pad: &gst::Pad) {
        let seen = Arc::clone(self);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            seen.pictures.fetch_add(1, Relaxed);
            if info
                .buffer()
                .is_some_and(|buffer| buffer.flags().contains(gst::BufferFlags::CORRUPTED))
            {
                seen.key.store(true, Relaxed);
            }
            gst::PadProbeReturn::Ok
        });
        let seen = Arc::clone(self);
        let events = gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
        pad.add_probe(events, move |_, info| {
            let ours = match info.event().map(|event| event.type_()) {
                Some(gst::EventType::FlushStart | gst::EventType::FlushStop) => true,
                // It follows from the decoder's error.
                Some(gst::EventType::Eos) => seen.broken.load(Relaxed),
                _ => false,
            };
            match ours {
                // Not `Drop`: see counter.rs.
                true => gst::PadProbeReturn::Handled,
                false => gst::PadProbeReturn::Ok,
            }
        });
    }

    /// Hears what the pipeline says; true where it is about decoding, which goes on with the next
    /// key frame, so that nobody else needs to hear of it.
    pub fn hears(&self, message: &gst::MessageRef) -> bool {
        match message.view() {
            // What follows from a decoder's error: the source stops.
            gst::MessageView::Error(_) if self.broken.load(Relaxed) => true,
            gst::MessageView::Error(error) if is_coding(message) => {
                tracing::debug!("decoder: {}", error.error().message());
                let mut reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
                *reason = error.error().message().to_owned();
                self.broken.store(true, Relaxed);
                true
            }
            gst::MessageView::Warning(_) if is_coding(message) => {
                self.key.store(true, Relaxed);
                true
            }
            _ => false,
        }
    }
}

fn decoder_of(pipeline: &gst::Pipeline) -> Option<gst::Element> {
    let mut elements = pipeline.iterate_recurse();
    while let Ok(Some(element)) = elements.next() {
        if class(&element).is_some_and(|class| class.starts_with("Codec/Decoder")) {
            return Some(element);
        }
    }
    None
}

/// Whether a message comes from a decoder or a parser.
fn is_coding(message: &gst::MessageRef) -> bool {
    let element = message.src().and_then(|src| src.downcast_ref());
    let class = element.and_then(class);
    class.is_some_and(|c| c.starts_with("Codec/Decoder") || c.starts_with("Codec/Parser"))
}

fn class(element: &gst::Element) -> Option<String> {
    Some(element.factory()?.klass().to_owned())
}

#[cfg(test)]
#[path = "appsrc_tests.rs"]
mod tests;
