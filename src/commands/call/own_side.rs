//! One's own side of a call: the source, those who watch it, and oneself in the corner.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::warn;

use super::options::CallOptions;
use crate::commands::local_viewer::{LocalViewer, LocalViewerOptions};
use crate::commands::send::broadcast::Broadcast;
use crate::commands::send::camera_switch::CameraSwitch;
use crate::commands::send::{PickleContent, SendOptions};
use crate::failure::{Failure, Outcome};
use crate::media::display::canvas::Seat;
use crate::media::display::stage::{Place, Stage};
use crate::media::playback::events::{PlayerEvent, PlayerOptions};
use crate::net::sender::{Directory, ServerOptions};
use crate::net::{Hub, Service};
use crate::wire::{Bye, CallTicket};

/// The most connections over which others watch, in a room of eight.
const MAX_VIEWERS: usize = 128;

/// One's own side of a call.
pub struct OwnSide {
    service: Arc<Service>,
    camera: watch::Sender<bool>,
    seat: Arc<Seat>,
    is_mirrored: bool,
    is_hidden: bool,
    stop: Option<oneshot::Sender<()>>,
    sending: JoinHandle<Outcome<Bye>>,
    /// Oneself, where there is a display.
    self_view: Option<LocalViewer>,
    viewed: mpsc::UnboundedReceiver<PlayerEvent>,
}

impl OwnSide {
    /// Opens the source for others who decode these codecs. `ticket` is the one with which this
    /// side connects.
    ///
    /// # Errors
    /// The person's own pipeline is not there any more.
    pub fn open(
        options: &CallOptions,
        stage: &Stage,
        ticket: Option<CallTicket>,
        decoded: &[String],
    ) -> Outcome<Self> {
        let hub = Hub::new();
        let service = Service::with_directory(
            Directory::new(Arc::clone(&hub)),
            ServerOptions {
                name: options.name.clone(),
                call: ticket,
                decodes: options.decodes.clone(),
                secret: options.secret.clone(),
                max_viewers: MAX_VIEWERS,
                ..ServerOptions::default()
            },
        );
        let source = options.source(decoded)?;
        // A screen in a mirror cannot be read.
        let is_mirrored = !source.file.name.starts_with("screen");
        let (camera, switch) = CameraSwitch::new(options.has_camera);
        let mut broadcast = Broadcast::new(
            &service,
            SendOptions {
                file: source.file,
                values: source.values,
                server: ServerOptions::default(),
                pickles: PickleContent::default(),
                preview: Some(false),
                keep_open: true,
                stats: options.stats.clone(),
                announced_as: None,
                camera: Some(switch),
                watch: source.watch,
            },
            None,
        );
        let (stop, stopped) = oneshot::channel::<()>();
        let sending = tokio::task::spawn_local(async move {
            let ending = broadcast
                .run(async move { drop(stopped.await) }, || {})
                .await;
            broadcast.close().await;
            ending
        });
        let seat = Arc::new(stage.canvas().seat());
        seat.set_mirrored(is_mirrored);
        let (events, viewed) = mpsc::unbounded_channel();
        let self_view = (options.shown.name != "none").then(|| {
            let options = LocalViewerOptions {
                player: PlayerOptions {
                    place: Some(Place {
                        stage: stage.clone(),
                        seat: Arc::clone(&seat),
                    }),
                    ..PlayerOptions::new(options.shown.clone())
                },
                max_latency: None,
                covers_losses: true,
            };
            LocalViewer::spawn(&hub, options, events)
        });
        Ok(Self {
            service,
            camera,
            seat,
            is_mirrored,
            is_hidden: false,
            stop: Some(stop),
            sending,
            self_view,
            viewed,
        })
    }

    /// The streams that others watch here.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The stream of this side's own source.
    pub fn hub(&self) -> &Arc<Hub> {
        self.service.directory().default_hub()
    }

    /// The place of oneself on the canvas.
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Switches the camera off, or on again.
    pub fn turn_camera(&self) {
        self.camera.send_modify(|is_on| *is_on = !*is_on);
    }

    /// Swaps left and right of oneself. What is sent stays as it is.
    pub fn turn_mirror(&mut self) {
        self.is_mirrored = !self.is_mirrored;
        self.seat.set_mirrored(self.is_mirrored);
    }

    /// Hides oneself, or shows oneself again.
    pub fn turn_self_view(&mut self) {
        self.is_hidden = !self.is_hidden;
        self.seat.set_hidden(self.is_hidden);
    }

    /// Waits until sending has failed, which ends the call.
    ///
    /// # Errors
    /// Always: the failure.
    pub async fn failed(&mut self) -> Outcome<Bye> {
        loop {
            tokio::select! {
                ended = &mut self.sending => return ended.unwrap_or_else(|e| {
                    Err(Failure::lost("cannot send").cause(e))
                }),
                Some(event) = self.viewed.recv() => if let PlayerEvent::Failed(failure) = event {
                    warn!("self-view: closed: {}", failure.summary());
                    self.self_view = None;
                },
            }
        }
    }

    /// Tells those who watch why it ends, and closes the source.
    pub async fn close(mut self, bye: Bye) {
        self.service.end(bye);
        drop(self.stop.take());
        if let Some(self_view) = self.self_view.take() {
            self_view.finish(Duration::ZERO).await;
        }
        if !self.sending.is_finished() {
            let _ = self.sending.await;
        }
    }
}
