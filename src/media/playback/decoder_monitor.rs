//! The state of the decoder in a receiving pipeline, as its messages, events and frames tell it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use gst::glib;
use gst::glib::translate::IntoGlib;
use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use parking_lot::Mutex;

use crate::media::gst::element;

use super::coded_size::CodedSize;

/// Watches one decoder. GStreamer's threads write to it.
#[derive(Default)]
pub(super) struct DecoderMonitor {
    /// Its kind, such as `avdec_h264`; `None` where there is no decoder.
    kind: Option<String>,
    /// Where its frames come out.
    output: glib::WeakRef<gst::Pad>,
    /// Frames that it gave, without corrupted ones.
    decoded: AtomicU64,
    /// It needs a key frame.
    key: AtomicBool,
    /// It has failed, and takes nothing any more until it is flushed.
    broken: AtomicBool,
    /// Its frames are larger than anything that is shown, and go no further.
    too_large: AtomicBool,
    /// The text of its last error.
    reason: Mutex<String>,
}

impl DecoderMonitor {
    /// Watches the decoder of `pipeline`, whose frames come in at `frames`.
    pub fn watch(pipeline: &gst::Pipeline, frames: &gst_app::AppSrc) -> Arc<Self> {
        let decoder = decoder_of(pipeline);
        let output = decoder
            .as_ref()
            .and_then(|decoder| decoder.static_pad("src"));
        let monitor = Arc::new(Self {
            kind: decoder.as_ref().map(element::kind),
            output: output.as_ref().map(gst::Pad::downgrade).unwrap_or_default(),
            ..Self::default()
        });
        if let Some(pad) = output {
            monitor.watch_output(&pad);
        }
        // A decoder that misses something says so up the pipeline.
        if let Some(pad) = frames.static_pad("src") {
            let seen = Arc::clone(&monitor);
            pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
                let asks = |event: &gst::Event| gst_video::ForceKeyUnitEvent::is(event);
                if info.event().is_some_and(asks) {
                    seen.key.store(true, Relaxed);
                }
                gst::PadProbeReturn::Ok
            });
        }
        monitor
    }

    /// The decoder's kind, such as `avdec_h264`; `None` where there is none.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// How many frames it gave, without corrupted ones.
    pub fn decoded(&self) -> u64 {
        self.decoded.load(Relaxed)
    }

    /// Whether it asked for a key frame since the last call.
    pub fn take_key_wanted(&self) -> bool {
        self.key.swap(false, Relaxed)
    }

    /// Whether it has failed and was not flushed since.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Relaxed)
    }

    /// It was flushed.
    pub fn mend(&self) {
        self.broken.store(false, Relaxed);
    }

    /// The text of its last error, where there was one.
    pub fn reason(&self) -> Option<String> {
        Some(self.reason.lock().clone()).filter(|reason| !reason.is_empty())
    }

    /// Takes a message of the pipeline in. Returns whether it is about decoding, which goes on
    /// with the next key frame, so that nobody else needs the message.
    pub fn hears(&self, message: &gst::MessageRef) -> bool {
        match message.view() {
            // The source stops, which follows from a decoder's error.
            gst::MessageView::Error(_) if self.is_broken() => true,
            gst::MessageView::Error(error) if is_coding(message) => {
                self.fails(error.error().message());
                true
            }
            gst::MessageView::Error(error) if self.failed_silently(error) => {
                self.fails("it stopped without a message");
                true
            }
            gst::MessageView::Warning(_) if is_coding(message) => {
                self.key.store(true, Relaxed);
                true
            }
            _ => false,
        }
    }

    /// Whether the decoder announces a size in this event that is too large. The headers of its
    /// frames were read before: this is for a decoder that reads them in another way.
    fn refuses(&self, event: &gst::EventRef) -> bool {
        let gst::EventView::Caps(caps) = event.view() else {
            return false;
        };
        let size = caps.caps().structure(0).and_then(announced);
        let refusal = size.and_then(|size| size.check(None).err());
        self.too_large.store(refusal.is_some(), Relaxed);
        if let Some(reason) = &refusal {
            self.fails(reason);
        }
        refusal.is_some()
    }

    fn fails(&self, reason: &str) {
        tracing::debug!("decoder: {reason}");
        reason.clone_into(&mut self.reason.lock());
        self.broken.store(true, Relaxed);
    }

    /// Whether `error` follows from a decoder that failed and posted nothing itself. The elements
    /// before it stop then, and say no more than that they were stopped, while the elements behind
    /// it took all that it gave them.
    fn failed_silently(&self, error: &gst::message::Error) -> bool {
        let Some(output) = self.output.upgrade() else {
            return false;
        };
        let stopped = error
            .details()
            .and_then(|details| details.get::<i32>("flow-return").ok());
        let stopped_by = |flow: gst::FlowError| stopped == Some(flow.into_glib());
        // Where it never gave a frame, the pipeline file may ask for what it does not give.
        let by_decoder = stopped_by(gst::FlowError::Error)
            || (stopped_by(gst::FlowError::NotNegotiated) && self.decoded() > 0);
        let behind = output.last_flow_result();
        by_decoder && matches!(behind, Ok(_) | Err(gst::FlowError::Flushing))
    }

    /// Watches the frames that leave the decoder. The elements behind it, which may write a file,
    /// must not see that the decoder begins anew.
    fn watch_output(self: &Arc<Self>, pad: &gst::Pad) {
        let seen = Arc::clone(self);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if seen.too_large.load(Relaxed) {
                return gst::PadProbeReturn::Drop;
            }
            let is_corrupted = info
                .buffer()
                .is_some_and(|buffer| buffer.flags().contains(gst::BufferFlags::CORRUPTED));
            if is_corrupted {
                // It is grey or damaged, since the decoder lacked frames or bytes for it.
                seen.key.store(true, Relaxed);
                // Not `Drop`: see frame_counter.rs.
                return gst::PadProbeReturn::Handled;
            }
            seen.decoded.fetch_add(1, Relaxed);
            gst::PadProbeReturn::Ok
        });
        let seen = Arc::clone(self);
        let events = gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
        pad.add_probe(events, move |_, info| {
            let ours = match info.event().map(|event| event.type_()) {
                Some(gst::EventType::FlushStart | gst::EventType::FlushStop) => true,
                // It follows from the decoder's error.
                Some(gst::EventType::Eos) => seen.is_broken(),
                Some(gst::EventType::Caps) => info.event().is_some_and(|caps| seen.refuses(caps)),
                _ => false,
            };
            if ours {
                // Not `Drop`: see frame_counter.rs.
                gst::PadProbeReturn::Handled
            } else {
                gst::PadProbeReturn::Ok
            }
        });
    }
}

/// The size of decoded frames.
fn announced(caps: &gst::StructureRef) -> Option<CodedSize> {
    let side = |name| u32::try_from(caps.get::<i32>(name).ok()?).ok();
    Some(CodedSize {
        width: side("width")?,
        height: side("height")?,
        pair_bytes: 2,
        kept: 1,
    })
}

fn decoder_of(pipeline: &gst::Pipeline) -> Option<gst::Element> {
    let mut elements = pipeline.iterate_recurse();
    while let Ok(Some(element)) = elements.next() {
        if element::class(&element).is_some_and(|class| class.starts_with("Codec/Decoder")) {
            return Some(element);
        }
    }
    None
}

/// Whether a message comes from a decoder or a parser.
fn is_coding(message: &gst::MessageRef) -> bool {
    let element = message.src().and_then(|src| src.downcast_ref());
    let class = element.and_then(element::class);
    class.is_some_and(|c| c.starts_with("Codec/Decoder") || c.starts_with("Codec/Parser"))
}
