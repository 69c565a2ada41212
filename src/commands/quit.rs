//! The wish of the person at this machine to end the program.

use std::future::pending;

use crate::console::{Key, Keys};
use crate::report::{Failure, Outcome};

/// Waits for q, Ctrl-C or a signal to stop. The keyboard is given back when this is dropped.
pub struct Quit {
    keys: Option<Keys>,
    #[cfg(unix)]
    terminated: tokio::signal::unix::Signal,
}

impl Quit {
    /// Begins to listen. Keys are read only where standard input is this terminal's keyboard.
    pub fn listen() -> Outcome<Self> {
        // Hanging up is left to the system: who started us with nohup wants us to go on, and for
        // everybody else the terminal is gone.
        #[cfg(unix)]
        let terminated = {
            use tokio::signal::unix::{SignalKind, signal};
            signal(SignalKind::terminate())
                .map_err(|e| Failure::start("cannot listen to signals").cause(e))?
        };
        Ok(Self {
            keys: Keys::open(),
            #[cfg(unix)]
            terminated,
        })
    }

    /// Completes when the program is to end. Nothing is lost when the wait is given up.
    pub async fn asked(&mut self) {
        let pressed = async {
            match &mut self.keys {
                Some(keys) => while keys.next().await != Key::Quit {},
                None => pending().await,
            }
        };
        #[cfg(unix)]
        let terminated = self.terminated.recv();
        #[cfg(not(unix))]
        let terminated = pending::<Option<()>>();
        tokio::select! {
            () = pressed => {}
            _ = terminated => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }
}
