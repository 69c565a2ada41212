//! Sinks that open a window of their own, which a pipeline file names: their title, their keys, and
//! the display that they draw on.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_video as gst_video;

use super::connection::Display;
use crate::media::gst::element;
use crate::media::pipeline::ends;

/// Sets the title of the sinks' windows, where they take one.
pub fn name(pipeline: &gst::Pipeline, title: &str) {
    let mut tags = gst::TagList::new();
    if let Some(tags) = tags.get_mut() {
        tags.add::<gst::tags::Title>(&title, gst::TagMergeMode::Replace);
    }
    if let Some(frames) = pipeline.by_name(ends::SEAM) {
        frames.send_event(gst::event::Tag::new(tags));
    }
}

/// Calls `quit` when q is pressed in a sink's window. Its keys come up the pipeline as events.
pub fn on_quit_key(pipeline: &gst::Pipeline, quit: impl Fn() + Send + Sync + 'static) {
    let frames = pipeline.by_name(ends::SEAM);
    let Some(pad) = frames.and_then(|frames| frames.static_pad("src")) else {
        return;
    };
    pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
        if let Some(gst::PadProbeData::Event(event)) = &info.data
            && let Ok(gst_video::NavigationEvent::KeyPress { key, .. }) =
                gst_video::NavigationEvent::parse(event)
            && key.eq_ignore_ascii_case("q")
        {
            quit();
        }
        gst::PadProbeReturn::Ok
    });
}

/// The display on which a sink is about to open its window, from the sink's message.
pub fn display_of(message: &gst::MessageRef) -> Option<Display> {
    if gst_video::is_video_overlay_prepare_window_handle_message(message) {
        let sink = message.src()?.downcast_ref::<gst::Element>()?;
        return match &*element::kind(sink) {
            "waylandsink" => Some(Display::Wayland),
            "ximagesink" | "xvimagesink" => Some(Display::X11),
            _ => None,
        };
    }
    // Sinks of OpenGL use either.
    let gst::MessageView::HaveContext(have) = message.view() else {
        return None;
    };
    let context = have.context();
    let display = context.structure().get::<glib::Object>("gst.gl.GLDisplay");
    match display.ok()?.type_().name() {
        "GstGLDisplayWayland" => Some(Display::Wayland),
        "GstGLDisplayX11" => Some(Display::X11),
        _ => None,
    }
}
