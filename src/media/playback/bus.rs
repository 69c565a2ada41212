//! What a receiving pipeline says, and what of that its owner is told: apart from `player`, which
//! only pushes pictures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;

use gst::prelude::*;
use gstreamer as gst;
use tokio::sync::mpsc::UnboundedSender;

use crate::failure::{Failure, Status};

use super::appsrc::DecoderMonitor;
use super::player::PlayerEvent;
use super::replace::Trial;
use crate::media::display::window::Window;
use crate::media::gst::bus::{ElementError, start_error};
use crate::media::gst::element;
use crate::media::pipeline::build;

/// What decides about what a pipeline says.
pub struct BusHandler {
    /// Where the pipeline's file is, for a person.
    pub place: String,
    /// Whom to tell.
    pub events: UnboundedSender<PlayerEvent>,
    /// What a sink is given that asks for a window.
    pub window: Window,
    /// Whether it is taken at all is still to be seen.
    pub trial: Option<Trial>,
    /// Another pipeline has taken its place.
    pub retired: Arc<AtomicBool>,
    /// How its decoder does.
    pub health: Arc<DecoderMonitor>,
}

impl BusHandler {
    /// Passes on what the pipeline says. What is returned hears when it has come to its end.
    pub fn listen(self, pipeline: &gst::Pipeline) -> mpsc::Receiver<()> {
        let (end, ended) = mpsc::channel();
        let Some(bus) = pipeline.bus() else {
            return ended;
        };
        bus.set_sync_handler(move |_, message| {
            if self.health.hears(message) {
                // `finish` waits for no more, whatever it is.
                let _ = end.send(());
                return gst::BusSyncReply::Drop;
            }
            let event = match message.view() {
                gst::MessageView::Element(_) | gst::MessageView::HaveContext(_) => {
                    self.window.prepare(message);
                    None
                }
                gst::MessageView::Eos(_) => Some(PlayerEvent::Ended),
                gst::MessageView::Error(error) => Some(judge(&self.place, message, error)),
                gst::MessageView::Warning(_) => no_display(message),
                _ => None,
            };
            if matches!(
                message.type_(),
                gst::MessageType::Eos | gst::MessageType::Error
            ) {
                let _ = end.send(());
            }
            let event = match &self.trial {
                Some(trial) => event.and_then(|event| trial.judge(event)),
                None => event,
            };
            if let Some(event) = event
                && !self.retired.load(Relaxed)
            {
                let _ = self.events.send(event);
            }
            match message.type_() {
                gst::MessageType::Error => gst::BusSyncReply::Pass,
                _ => gst::BusSyncReply::Drop,
            }
        });
        ended
    }
}

/// Why a pipeline of `place` did not start: the error that it has left on its bus.
pub fn first_failure(place: &str, pipeline: &gst::Pipeline) -> Failure {
    failed(place, &start_error(pipeline))
}

/// What an error of the pipeline means.
fn judge(place: &str, message: &gst::MessageRef, error: &gst::message::Error) -> PlayerEvent {
    let cause = error.error();
    // This is how sinks with a window of their own say that it was closed.
    let closed = cause.matches(gst::ResourceError::NotFound) && cause.message().contains("closed");
    let from_sink = message
        .src()
        .and_then(|src| src.downcast_ref::<gst::Element>())
        .is_some_and(|element| element.element_flags().contains(gst::ElementFlags::SINK));
    if closed && from_sink {
        return PlayerEvent::Quit;
    }
    PlayerEvent::Failed(failed(place, &ElementError::of(error)))
}

/// `autovideosink` only warns when it finds no display, and then throws every picture away.
fn no_display(message: &gst::MessageRef) -> Option<PlayerEvent> {
    let element = message.src()?.downcast_ref::<gst::Element>()?;
    (element::kind(element) == "autovideosink").then(|| {
        let failure = Failure::start("cannot open a window")
            .cause("autovideosink found no display")
            .hint("--display terminal shows the video in a terminal");
        PlayerEvent::Failed(failure)
    })
}

fn failed(place: &str, error: &ElementError) -> Failure {
    build::failed(place, error).with_status(Status::Lost)
}
