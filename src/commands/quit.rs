//! Requests of the person at this machine: to end or to suspend the program, and other keys.

use std::future::pending;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::console::{self, Key, Keyboard};
use crate::failure::Outcome;

/// How often the terminal's owner is checked: not every shell tells us that it gave us the
/// terminal.
const LOOK: Duration = Duration::from_millis(250);

/// A request of the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// To end the program.
    Quit,
    /// A key that types this character, which no picture in the terminal has taken. Letters are lower
    /// case; Enter is `\n`, and Esc is `\u{1b}`. In a text there are more: [`Key::Typed`].
    Key(char),
}

/// Waits for q, Ctrl-C or a signal to stop, and hears other keys. Dropping it gives the keyboard back.
pub struct Quit {
    keys: Option<Keyboard>,
    /// Whether the person types a line, which the terminal itself takes.
    is_line: bool,
    /// Whether the person types a text key by key, in which q is a letter.
    is_text: bool,
    looks: Interval,
    #[cfg(unix)]
    signals: Signals,
}

/// A request to the program.
enum Asked {
    Quit,
    Key(char),
    /// By a signal: to stop until a signal continues it.
    #[cfg(unix)]
    Stop,
    /// By a key: the same for all programs of this job.
    StopJob,
    /// The program was continued, perhaps on another terminal.
    #[cfg(unix)]
    GoOn,
    Look,
    Nothing,
}

impl Quit {
    /// Starts to listen. Keys are read only while standard input is this terminal's keyboard.
    pub fn listen() -> Outcome<Self> {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            #[cfg(unix)]
            signals: Signals::listen()?,
            keys: Keyboard::open(),
            is_line: false,
            is_text: false,
            looks,
        })
    }

    /// Runs `ask`, which reads a line of the terminal. Keys are not read meanwhile. `None` where the
    /// program is to end before the person has answered.
    pub async fn line<T: Send + 'static>(
        &mut self,
        ask: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        (self.keys, self.is_line) = (None, true);
        let asked = spawn_blocking(ask);
        let answer = tokio::select! {
            answer = asked => answer.ok(),
            () = self.asked() => None,
        };
        // Where the program ends, the line is still being read.
        if answer.is_some() {
            self.is_line = false;
            self.settle(false);
        }
        answer
    }

    /// Whether the person types a text key by key from now on: q is a letter of it then.
    pub fn set_text(&mut self, is_text: bool) {
        self.is_text = is_text;
    }

    /// Whether the person can type keys here.
    pub fn has_keyboard(&self) -> bool {
        self.keys.is_some()
    }

    /// Completes when the program is to end. The wait may be cancelled without losing anything.
    pub async fn asked(&mut self) {
        while self.next_request().await != Request::Quit {}
    }

    /// The next request. The wait may be cancelled without losing anything.
    pub async fn next_request(&mut self) -> Request {
        loop {
            match self.next().await {
                Asked::Quit => return Request::Quit,
                Asked::Key(typed) => return Request::Key(typed),
                Asked::Nothing => {}
                Asked::Look => self.settle(false),
                #[cfg(unix)]
                Asked::GoOn => {
                    // A person may have typed since the program was continued.
                    self.keys = self.keys.take().and_then(Keyboard::reopen);
                    self.settle(true);
                }
                #[cfg(unix)]
                Asked::StopJob => {
                    let job = rustix::process::Signal::TSTP;
                    // The signal comes back to this process.
                    let _ = rustix::process::kill_current_process_group(job);
                }
                #[cfg(unix)]
                Asked::Stop => {
                    self.keys = None;
                    console::suspend();
                    crate::media::stop_process();
                    self.settle(true);
                }
                #[cfg(not(unix))]
                Asked::StopJob => {}
            }
        }
    }

    /// Takes the keyboard and the screen, where they are ours now.
    fn settle(&mut self, anew: bool) {
        if self.keys.is_none() && !self.is_line {
            self.keys = Keyboard::open();
        }
        console::settle(anew);
    }

    async fn next(&mut self) -> Asked {
        let pressed = async {
            match &mut self.keys {
                Some(keys) => match keys.next(self.is_text).await {
                    Key::Quit => Asked::Quit,
                    Key::Suspend => Asked::StopJob,
                    Key::Typed(typed) => Asked::Key(typed),
                    Key::Other => Asked::Nothing,
                },
                None => pending().await,
            }
        };
        #[cfg(unix)]
        let told = self.signals.next();
        #[cfg(not(unix))]
        let told = async {
            let _ = tokio::signal::ctrl_c().await;
            Asked::Quit
        };
        tokio::select! {
            asked = pressed => asked,
            asked = told => asked,
            _ = self.looks.tick(), if console::waits_for_terminal() => Asked::Look,
        }
    }
}

/// The signals that request something.
#[cfg(unix)]
struct Signals {
    interrupted: tokio::signal::unix::Signal,
    terminated: tokio::signal::unix::Signal,
    stopped: tokio::signal::unix::Signal,
    continued: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Handles all of them from the start: without a handler, a signal would end or stop the
    /// process. SIGHUP keeps the system's default: a program that was started with nohup must go
    /// on, and for any other program the terminal is gone.
    fn listen() -> Outcome<Self> {
        use crate::failure::Failure;
        use rustix::process::Signal;
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |number: Signal| {
            signal(SignalKind::from_raw(number.as_raw()))
                .map_err(|e| Failure::start("cannot listen to signals").cause(e))
        };
        Ok(Self {
            interrupted: listen(Signal::INT)?,
            terminated: listen(Signal::TERM)?,
            stopped: listen(Signal::TSTP)?,
            continued: listen(Signal::CONT)?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupted.recv() => Asked::Quit,
            _ = self.terminated.recv() => Asked::Quit,
            _ = self.stopped.recv() => Asked::Stop,
            _ = self.continued.recv() => Asked::GoOn,
        }
    }
}
