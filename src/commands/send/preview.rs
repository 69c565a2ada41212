//! The sender's own window.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::commands::local_viewer::{LocalViewer, LocalViewerOptions};
use crate::failure::Outcome;
use crate::media::Direction;
use crate::media::display::sink;
use crate::media::pipeline::catalog;
use crate::media::playback::events::{PlayerEvent, PlayerOptions};
use crate::net::Hub;

const TITLE: &str = "TRANSMITTING VIDEO";

/// A window with the newest frame of a hub. It can never slow the viewers down.
pub struct Preview(LocalViewer);

impl Preview {
    /// Opens the window when the first frame is there.
    ///
    /// # Errors
    /// There is no display.
    pub fn open(hub: &Arc<Hub>, events: UnboundedSender<PlayerEvent>) -> Outcome<Self> {
        sink::window()?;
        let options = LocalViewerOptions {
            player: PlayerOptions {
                title: TITLE.into(),
                ..PlayerOptions::new(catalog::find(Direction::Recv, "window")?)
            },
            max_latency: None,
            covers_losses: true,
        };
        Ok(Self(LocalViewer::spawn(hub, options, events)))
    }

    /// Closes the window, after the hub's stream has ended.
    pub async fn close(self) {
        self.0.finish(Duration::ZERO).await;
    }
}
