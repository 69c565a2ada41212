//! Elements by their kind: `v4l2src`, `x264enc`.

use gst::prelude::*;
use gstreamer as gst;

/// The kind of an element, such as `v4l2src`.
pub fn kind(element: &gst::Element) -> String {
    element
        .factory()
        .map_or_else(|| "an element of its own".into(), |f| f.name().to_string())
}

/// The class of an element, such as `Codec/Decoder/Video`; `None` for one without a factory.
pub fn class(element: &gst::Element) -> Option<String> {
    Some(element.factory()?.klass().to_owned())
}

/// Whether this kind of element is installed.
pub fn is_installed(kind: &str) -> bool {
    gst::ElementFactory::find(kind).is_some()
}

/// The kinds of the elements in a chain such as `h264parse ! video/x-h264 ! avdec_h264`, without
/// the caps between them.
pub fn kinds(chain: &str) -> impl Iterator<Item = &str> + Clone {
    chain
        .split(" ! ")
        .filter_map(|part| part.split_whitespace().next())
        .filter(|word| !word.contains('/'))
}
