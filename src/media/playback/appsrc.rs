//! The way of frames into a decoder.
//!
//! In an inter-coded stream each frame needs those before it: nothing is dropped in front of the
//! decoder, only behind it. Frames that cannot be decoded are left out up to the next key frame,
//! which is asked for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;

use crate::failure::Failure;
use crate::frame::FrameHeader;
use crate::media::bitstream;
use crate::wire::Caps;

use super::decoder_monitor::DecoderMonitor;
use super::events::PlayerEvent;
use super::keyframe_gate::{Admission, GateInput, KeyframeGate};

/// A decoder that has not given one frame for so long never will. One that has worked is spoken of.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// A decoder that gives nothing has had so many frames: a slow source gives one in many seconds.
const SILENCE_FRAMES: u64 = 5;

/// The entry of a receiving pipeline. Nothing here waits, so that the network's thread may call
/// it; [`AppsrcFeed::flush`] is the exception.
pub(super) struct AppsrcFeed {
    frames: gst_app::AppSrc,
    decoder: Arc<DecoderMonitor>,
    events: UnboundedSender<PlayerEvent>,
    state: Mutex<State>,
}

struct State {
    gate: KeyframeGate,
    /// The frames' media type, such as `video/x-h264`.
    media_type: &'static str,
    /// Frames need those before them.
    delta: bool,
    /// The decoder's silence; `None` before the first frame.
    silence: Option<Silence>,
}

/// The time since the decoder gave its last frame.
struct Silence {
    since: Instant,
    /// Frames that it had given by then.
    decoded: u64,
    /// Frames that came since then.
    fed: u64,
    told: bool,
}

impl AppsrcFeed {
    /// Feeds `frames` as soon as [`AppsrcFeed::set_caps`] was called.
    pub fn new(
        frames: gst_app::AppSrc,
        decoder: Arc<DecoderMonitor>,
        events: UnboundedSender<PlayerEvent>,
    ) -> Self {
        frames.set_format(gst::Format::Time);
        frames.set_is_live(true);
        frames.set_do_timestamp(true);
        frames.set_max_bytes(0);
        // A pipeline file may ask for it, but the network's thread must not wait.
        frames.set_block(false);
        Self {
            frames,
            decoder,
            events,
            state: Mutex::new(State {
                gate: KeyframeGate::new(0.0),
                media_type: "",
                delta: false,
                silence: None,
            }),
        }
    }

    /// The decoder's kind, such as `avdec_h264`; `None` where there is none.
    pub fn decoder(&self) -> Option<&str> {
        self.decoder.kind()
    }

    /// Whether frames wait here for the pipeline.
    pub fn has_waiting(&self) -> bool {
        self.frames.current_level_buffers() > 0
    }

    /// Prepares for frames of these caps.
    pub fn set_caps(&self, caps: &Caps, gst_caps: &gst::Caps) {
        let delta = caps.is_delta();
        let mut state = self.state.lock();
        state.gate = KeyframeGate::new(caps.framerate().unwrap_or(30.0));
        state.media_type = caps.media_type();
        state.delta = delta;
        state.silence = None;
        // At most one frame that stands for itself waits, and a newer one takes its place.
        self.frames.set_max_buffers(u64::from(!delta));
        self.frames.set_leaky_type(if delta {
            gst_app::AppLeakyType::None
        } else {
            gst_app::AppLeakyType::Downstream
        });
        self.frames.set_caps(Some(gst_caps));
    }

    /// Passes a frame on, or leaves it out. A frame that is returned has to be given to
    /// [`AppsrcFeed::flush`], on another thread, before the next one is pushed.
    #[must_use]
    pub fn push(&self, header: &FrameHeader, buffer: gst::Buffer) -> Option<gst::Buffer> {
        let mut state = self.state.lock();
        let decodes = self.decoder.kind().is_some();
        let now = Instant::now();
        if state.delta || decodes {
            let input = GateInput {
                key: header.key,
                open: header.key && opens(state.media_type, &buffer),
                sequence: header.sequence,
                waiting: self.frames.current_level_buffers(),
                waiting_bytes: self.frames.current_level_bytes(),
                now,
                decoded: decodes.then(|| self.decoder.decoded()),
                key_wanted: self.decoder.take_key_wanted(),
                broken: self.decoder.is_broken(),
                delta: state.delta,
            };
            let admission = state.gate.admit(&input);
            if state.gate.take_request(now) {
                let _ = self.events.send(PlayerEvent::NeedKey);
            }
            self.watch_silence(&mut state, now);
            match admission {
                Admission::Decode => {}
                Admission::Flush if decodes => return Some(buffer),
                // Without a decoder there is nothing that could begin anew.
                Admission::Flush => {}
                Admission::Drop => return None,
            }
        }
        self.push_past_the_gate(buffer);
        None
    }

    /// Gives the pipeline a frame that was admitted before.
    pub fn push_past_the_gate(&self, buffer: gst::Buffer) {
        // It fails only when the pipeline is ending, and then the bus says why.
        let _ = self.frames.push_buffer(buffer);
    }

    /// Empties the pipeline up to the decoder, and the decoder, which begins anew with `buffer`.
    /// It waits until the pipeline's thread has let go of its frame, which a sink that hangs
    /// never does.
    pub fn flush(&self, buffer: gst::Buffer) {
        self.frames.send_event(gst::event::FlushStart::new());
        self.frames.send_event(gst::event::FlushStop::new(false));
        self.decoder.mend();
        self.push_past_the_gate(buffer);
    }

    /// Ends the stream; false where the pipeline takes nothing any more.
    pub fn end(&self) -> bool {
        self.frames.end_of_stream().is_ok()
    }

    /// Says, once, that the decoder gives nothing.
    fn watch_silence(&self, state: &mut State, now: Instant) {
        let Some(decoder) = self.decoder.kind() else {
            return;
        };
        let decoded = self.decoder.decoded();
        let began = || Silence {
            since: now,
            decoded,
            fed: 0,
            told: false,
        };
        let silence = state.silence.get_or_insert_with(began);
        if silence.decoded != decoded {
            *silence = began();
        }
        silence.fed += 1;
        let is_long = now.duration_since(silence.since) >= SILENCE_LIMIT;
        if silence.told || !is_long || silence.fed < SILENCE_FRAMES {
            return;
        }
        silence.told = true;
        let limit = SILENCE_LIMIT.as_secs();
        let reason = self.decoder.reason();
        if decoded > 0 {
            let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
            tracing::warn!("decoder: {decoder} has given no frame for {limit} s{reason}");
            return;
        }
        let failure = Failure::lost(format!("cannot decode {:?}", state.media_type))
            .cause(format!("{decoder} gave no frame within {limit} s"))
            .found(reason)
            .hint("try another codec on the sender: vidchat send --pipeline camera-vp8")
            .by_peer();
        let _ = self.events.send(PlayerEvent::Failed(failure));
    }
}

/// Whether frames that follow the key frame in `buffer` may need some from before it.
fn opens(media_type: &str, buffer: &gst::BufferRef) -> bool {
    let frame = buffer.map_readable();
    frame.is_ok_and(|frame| bitstream::has_open_group(media_type, &frame))
}

#[cfg(test)]
#[path = "appsrc_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "open_group_tests.rs"]
mod open_group_tests;
