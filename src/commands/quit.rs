//! The wish of the person at this machine to end the program.

use std::future::pending;

use crate::console::{Key, Keyboard};
use crate::failure::{Failure, Outcome};

/// Waits for q, Ctrl-C or a signal to stop. The keyboard is given back when this is dropped.
pub struct Quit {
    keys: Option<Keyboard>,
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
}

impl Quit {
    /// Begins to listen. Keys are read only where standard input is this terminal's keyboard.
    pub fn listen() -> Outcome<Self> {
        // Hanging up is left to the system: who started us with nohup wants us to go on, and for
        // everybody else the terminal is gone.
        #[cfg(unix)]
        let signals = {
            use tokio::signal::unix::{SignalKind, signal};
            // Both from here on: what is only waited for later would end the process until then.
            let listen = |kind| {
                signal(kind).map_err(|e| Failure::start("cannot listen to signals").cause(e))
            };
            [
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
            ]
        };
        Ok(Self {
            keys: Keyboard::open(),
            #[cfg(unix)]
            signals,
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
        let told = {
            let [interrupted, terminated] = &mut self.signals;
            async {
                tokio::select! {
                    _ = interrupted.recv() => {}
                    _ = terminated.recv() => {}
                }
            }
        };
        #[cfg(not(unix))]
        let told = tokio::signal::ctrl_c();
        tokio::select! {
            () = pressed => {}
            _ = told => {}
        }
    }
}
