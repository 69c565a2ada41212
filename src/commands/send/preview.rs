//! The sender's own picture: a viewer without a socket, so it can never slow the others.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::failure::{Failure, Outcome};
use crate::media::display::sink;
use crate::media::pipeline::catalog;
use crate::media::playback::player::{PlayerEvent, PlayerOptions};
use crate::media::{Direction, Player};
use crate::net::{Hub, Update};

const TITLE: &str = "TRANSMITTING VIDEO";

/// A window with the newest frame, on a thread, "preview", that ends with the hub's stream.
pub struct Preview {
    thread: Option<JoinHandle<()>>,
}

impl Preview {
    /// Opens the window when the first frame is there; an error where there is no display.
    pub fn open(hub: &Arc<Hub>, events: UnboundedSender<PlayerEvent>) -> Outcome<Self> {
        sink::window()?;
        let options = PlayerOptions {
            title: TITLE.into(),
            ..PlayerOptions::new(catalog::find(Direction::Recv, "window")?)
        };
        let (hub, runtime) = (Arc::clone(hub), Handle::current());
        let thread = std::thread::Builder::new()
            .name("preview".into())
            .spawn(move || {
                let failed = events.clone();
                if let Err(failure) = show(&hub, &runtime, options, events) {
                    let _ = failed.send(PlayerEvent::Failed(failure));
                }
            })
            .map_err(|e| Failure::start("cannot show the preview").cause(e))?;
        Ok(Self {
            thread: Some(thread),
        })
    }

    /// Waits for the window to close, after the hub's stream has ended.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn show(
    hub: &Arc<Hub>,
    runtime: &Handle,
    options: PlayerOptions,
    events: UnboundedSender<PlayerEvent>,
) -> Outcome {
    let mut subscription = hub.subscribe();
    let (tell, mut heard) = unbounded_channel();
    let mut player = Player::new(options, tell);
    loop {
        let next = runtime.block_on(async {
            tokio::select! {
                update = subscription.next() => Next::Show(update),
                Some(event) = heard.recv() => Next::Tell(event),
            }
        });
        match next {
            Next::Show(Update::Caps(caps)) => player.set_caps(&caps)?,
            Next::Show(Update::Frame(frame)) => player.show_shared(&frame.header, frame.data),
            Next::Show(Update::Lost(reason)) => player.cover(&format!("camera lost: {reason}")),
            Next::Show(Update::End(_)) => return Ok(()),
            // Not to be kept: OpenGL's sink complains without a pause of a display that is gone.
            Next::Tell(PlayerEvent::Failed(failure)) => return Err(failure),
            Next::Tell(event) => drop(events.send(event)),
        }
    }
}

/// What the thread is to do next.
enum Next {
    Show(Update),
    Tell(PlayerEvent),
}
