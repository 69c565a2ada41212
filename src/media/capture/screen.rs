//! This machine's screen as a source.

use gst::prelude::*;
use gstreamer as gst;

use crate::failure::{Failure, Outcome};

use crate::media::display::window;

/// The element that brings this machine's screen.
pub fn element() -> Outcome<String> {
    let candidates = [
        ("ximagesrc", "ximagesrc use-damage=false show-pointer=true"),
        (
            "d3d11screencapturesrc",
            "d3d11screencapturesrc show-cursor=true ! d3d11download",
        ),
        ("dx9screencapsrc", "dx9screencapsrc"),
        (
            "avfvideosrc",
            "avfvideosrc capture-screen=true capture-screen-cursor=true",
        ),
    ];
    for (name, launch) in candidates {
        if let Some(factory) = gst::ElementFactory::find(name)
            && let Ok(element) = factory.create().build()
        {
            // ximagesrc opens the display only later on.
            let display = name != "ximagesrc" || window::display_answers();
            let works = display && element.set_state(gst::State::Ready).is_ok();
            let _ = element.set_state(gst::State::Null);
            if works {
                return Ok(launch.to_owned());
            }
        }
    }
    Err(Failure::start("cannot capture this machine's screen")
        .cause("there is no display that can be opened")
        .hint("run it where $DISPLAY names an X display, or use --pipeline test"))
}
