//! A viewer without a socket: a subscriber of a hub whose frames go to a player on this machine.
//!
//! A hub and a player meet only here. The sender's preview, the BGR converter and the receiver's
//! window, terminal or file are local viewers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::or_never::or_never;
use crate::media::playback::events::{PlayerEvent, PlayerOptions};
use crate::media::{PipelineFile, Player};
use crate::net::{Hub, Subscription, Update};

/// How a local viewer watches.
pub struct LocalViewerOptions {
    /// How frames are shown.
    pub player: PlayerOptions,
    /// How far it may fall behind the newest frame of an inter-coded stream; `None` for the same as
    /// other viewers.
    pub max_latency: Option<Duration>,
    /// Covers the picture with the reason while no frames come.
    pub covers_losses: bool,
}

/// A task that watches a hub and shows its frames in a player. Dropping it stops both.
pub struct LocalViewer {
    commands: UnboundedSender<Command>,
    task: JoinHandle<()>,
}

enum Command {
    Cover(String),
    Blank(String),
    Title(String),
    Replace(PipelineFile),
    /// Show the rest of the stream and end. A pipeline that takes no frames yet has this long.
    Finish(Duration),
}

impl LocalViewer {
    /// Watches `hub` from the newest frame on, and asks it for the key frames that the decoder
    /// needs. All other events of the player go to `events`.
    pub fn spawn(
        hub: &Arc<Hub>,
        options: LocalViewerOptions,
        events: UnboundedSender<PlayerEvent>,
    ) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        let mut subscription = hub.subscribe();
        if let Some(max_latency) = options.max_latency {
            subscription.set_max_latency(max_latency);
        }
        let (said, heard) = mpsc::unbounded_channel();
        let watcher = Watcher {
            hub: Arc::clone(hub),
            subscription,
            player: Player::spawn(options.player, said),
            heard,
            events,
            commands: received,
            covers_losses: options.covers_losses,
            give_up_at: None,
        };
        Self {
            commands,
            task: tokio::spawn(watcher.run()),
        }
    }

    /// Covers the picture with `text` until the next frame.
    pub fn cover(&self, text: &str) {
        self.tell(Command::Cover(text.to_owned()));
    }

    /// Forgets the last frame and shows `text` alone, until the next frame. Call it when the hub gets
    /// no frame any more.
    pub fn blank(&self, text: &str) {
        self.tell(Command::Blank(text.to_owned()));
    }

    /// Changes the window's title.
    pub fn set_title(&self, title: &str) {
        self.tell(Command::Title(title.to_owned()));
    }

    /// Changes to another pipeline. [`PlayerEvent::Replaced`] or [`PlayerEvent::Kept`] gives the
    /// result.
    pub fn replace(&self, file: PipelineFile) {
        self.tell(Command::Replace(file));
    }

    /// Stops, after the last frame where the hub's stream has ended. A pipeline that takes no
    /// frames yet is given `limit` for that. A pipeline that hangs is abandoned.
    pub async fn finish(self, limit: Duration) {
        self.tell(Command::Finish(limit));
        let _ = self.task.await;
    }

    fn tell(&self, command: Command) {
        // The task ends when the stream ends.
        let _ = self.commands.send(command);
    }
}

/// The state of the task.
struct Watcher {
    hub: Arc<Hub>,
    subscription: Subscription,
    player: Player,
    heard: UnboundedReceiver<PlayerEvent>,
    events: UnboundedSender<PlayerEvent>,
    commands: UnboundedReceiver<Command>,
    covers_losses: bool,
    /// How long the end waits for a pipeline that takes no frames yet.
    give_up_at: Option<Instant>,
}

impl Watcher {
    async fn run(mut self) {
        loop {
            // While the player takes no frames, they stay in the hub, which keeps the newest.
            let is_ready = self.player.is_ready();
            // Caps stay there as well until the player has seen to those before. Otherwise they
            // would pile up in front of it, as a sender may change them at any rate.
            let has_answered = self.player.has_answered();
            let give_up_at = self.give_up_at.filter(|_| !is_ready);
            tokio::select! {
                update = next(&mut self.subscription, is_ready), if has_answered => match update {
                    Update::Caps(caps) => self.player.set_caps(&caps),
                    Update::Frame(frame) => self.player.show(&frame.header, frame.data),
                    Update::Lost(loss) if self.covers_losses && loss.off => {
                        self.player.blank(&loss.reason);
                    }
                    Update::Lost(loss) if self.covers_losses => {
                        self.player.cover(&format!("camera lost: {}", loss.reason));
                    }
                    Update::Lost(_) | Update::Participants(_) => {}
                    Update::End(_) => break,
                },
                () = self.player.progress(), if !is_ready => {}
                Some(event) = self.heard.recv() => match event {
                    PlayerEvent::NeedKey => self.hub.want_key(),
                    // A player that failed is not kept: OpenGL's sink logs errors without a pause
                    // when its display is gone.
                    PlayerEvent::Failed(failure) => {
                        let _ = self.events.send(PlayerEvent::Failed(failure));
                        break;
                    }
                    // The owner may have ended.
                    event => drop(self.events.send(event)),
                },
                command = self.commands.recv() => match command {
                    Some(Command::Cover(text)) => self.player.cover(&text),
                    Some(Command::Blank(text)) => self.player.blank(&text),
                    Some(Command::Title(title)) => self.player.set_title(&title),
                    Some(Command::Replace(file)) => self.player.replace(file),
                    Some(Command::Finish(limit)) if self.hub.has_ended() => {
                        self.give_up_at = Some(Instant::now() + limit);
                    }
                    Some(Command::Finish(_)) => break,
                    None => return,
                },
                () = or_never(give_up_at.map(sleep_until)) => break,
            }
        }
        let player = self.player;
        // The call has a time-out of its own.
        let _ = tokio::task::spawn_blocking(move || player.finish()).await;
    }
}

/// The next update that can be handled. Frames are left in the hub while the player takes none.
async fn next(subscription: &mut Subscription, takes_frames: bool) -> Update {
    if takes_frames {
        subscription.next().await
    } else {
        subscription.next_change().await
    }
}
