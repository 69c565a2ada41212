//! Errors that elements post on their pipeline's bus.

use gst::prelude::*;
use gstreamer as gst;

use super::element;

/// The error of an element, in the element's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementError {
    message: String,
    /// The place in the element's source, then a line for each detail.
    debug: Option<String>,
    element: Option<String>,
}

impl ElementError {
    /// An error that vidchat itself has noticed.
    pub fn new(message: &str) -> Self {
        Self {
            message: message.trim().trim_end_matches('.').to_owned(),
            debug: None,
            element: None,
        }
    }

    /// The error that this message carries.
    pub fn of(error: &gst::message::Error) -> Self {
        let element = error.src().and_then(|src| src.downcast_ref());
        Self {
            debug: error.debug().map(Into::into),
            element: element.map(element::kind),
            ..Self::new(error.error().message())
        }
    }

    /// The error in a few words, without a full stop.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The details that the element adds, a line each, without the stack of a library.
    pub fn details(&self) -> impl Iterator<Item = String> {
        let lines = self.debug.iter().flat_map(|text| text.lines().skip(1));
        let lines = lines.map(|line| line.trim().to_owned());
        lines
            .filter(|line| !line.is_empty())
            .take_while(|line| line != "Stack backtrace:")
    }

    /// The details with the place in the element's source, for the log.
    pub fn debug(&self) -> Option<&str> {
        self.debug.as_deref()
    }

    /// The kind of the element, such as `v4l2src`.
    pub fn element(&self) -> Option<&str> {
        self.element.as_deref()
    }
}

/// Takes the first error off a bus, where there is one.
pub fn first_error(bus: &gst::Bus) -> Option<ElementError> {
    let message = bus.pop_filtered(&[gst::MessageType::Error])?;
    match message.view() {
        gst::MessageView::Error(error) => Some(ElementError::of(error)),
        _ => None,
    }
}

/// The error for which a pipeline did not start: the first one on its bus.
pub fn start_error(pipeline: &gst::Pipeline) -> ElementError {
    let error = pipeline.bus().as_ref().and_then(first_error);
    error.unwrap_or_else(|| ElementError::new("it does not start"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_of_a_pipeline_is_told_in_its_elements_words() {
        gst::init().unwrap();
        let pipeline = gst::parse::launch("filesrc location=/no/such/file ! fakesink").unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        assert!(pipeline.set_state(gst::State::Paused).is_err());
        let error = start_error(&pipeline);
        pipeline.set_state(gst::State::Null).unwrap();
        assert_eq!(error.message(), "Resource not found");
        assert_eq!(error.element(), Some("filesrc"));
        let details: Vec<String> = error.details().collect();
        assert_eq!(details, ["No such file \"/no/such/file\""]);
        assert_eq!(start_error(&pipeline).message(), "it does not start");
    }
}
