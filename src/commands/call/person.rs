//! The person at this machine: keys in the window and in the terminal, and signals.

use std::sync::Arc;

use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::commands::quit::{Quit, Request};
use crate::failure::{Failure, Outcome};
use crate::media::display::stage::{Stage, StageEvent, StageOptions};

/// The keys of a call beside those of every picture.
const KEYS: [(&str, &str); 3] = [
    ("s", "hide or show yourself"),
    ("m", "mirror yourself, or not"),
    ("c", "camera off, and on"),
];

/// The first size of the window.
pub const NATURAL: (u32, u32) = (640, 480);

/// The person at this machine, and the stage that they look at.
pub struct Person {
    quit: Quit,
    stage: Stage,
    acted: UnboundedReceiver<StageEvent>,
}

/// Something that the person does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Ends the program.
    Quit,
    /// Types a character.
    Key(char),
    /// Nothing: the display has gone away.
    DisplayLost(Failure),
}

impl Person {
    /// Listens to the person. Nothing is shown yet.
    ///
    /// # Errors
    /// Signals cannot be listened to.
    pub fn listen() -> Outcome<Self> {
        let (act, acted) = mpsc::unbounded_channel();
        let keys = KEYS.map(|(key, meaning)| (key.to_owned(), meaning.to_owned()));
        let stage = Stage::new(StageOptions {
            title: "vidchat call".into(),
            keys: keys.to_vec(),
            on_event: Arc::new(move |event| drop(act.send(event))),
        });
        Ok(Self {
            quit: Quit::listen()?,
            stage,
            acted,
        })
    }

    /// What the person looks at.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Whether the person can type in the terminal.
    pub fn has_keyboard(&self) -> bool {
        self.quit.has_keyboard()
    }

    /// Whether the person types a text key by key from now on: q is a letter of it then.
    pub fn set_text(&mut self, is_text: bool) {
        self.quit.set_text(is_text);
    }

    /// Runs `ask`, which reads a line that the person types. `None` where the person ends the program.
    pub async fn line<T: Send + 'static>(
        &mut self,
        ask: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.quit.line(ask).await
    }

    /// Waits for the person. The wait may be cancelled without losing anything.
    pub async fn acts(&mut self) -> Act {
        tokio::select! {
            request = self.quit.next_request() => match request {
                Request::Quit => Act::Quit,
                Request::Key(typed) => Act::Key(typed),
            },
            Some(event) = self.acted.recv() => match event {
                StageEvent::Quit => Act::Quit,
                StageEvent::Key(typed) => Act::Key(typed),
                StageEvent::Lost(reason) => {
                    Act::DisplayLost(Failure::lost("lost the display").cause(reason))
                }
            },
        }
    }
}
