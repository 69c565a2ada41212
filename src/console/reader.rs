//! Reads the keyboard, on a thread: "keys". The terminal's answers come the same way, and are taken
//! out.

#[cfg(not(unix))]
pub(super) use elsewhere::Reader;
#[cfg(unix)]
pub(super) use unix::Reader;

#[cfg(unix)]
mod unix {
    use std::io::{self, PipeReader, PipeWriter};
    use std::sync::mpsc as blocking;
    use std::time::Duration;

    use crossterm::event::KeyEvent;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;
    use tokio::sync::mpsc;

    use super::super::answers;
    use super::super::input::{Input, Parser};

    /// How long the thread may take to stop reading.
    const CLOSING: Duration = Duration::from_secs(1);

    /// A sequence that has no end by then has none. An Esc alone is the key of a person.
    const UNFINISHED: Timespec = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };

    /// How many keys may wait.
    const BACKLOG: usize = 64;

    /// Reads until it is dropped. Nothing is read after that: in the background it would stop the
    /// program.
    pub struct Reader {
        keys: mpsc::Receiver<KeyEvent>,
        /// The thread ends when this is closed.
        stop: Option<PipeWriter>,
        /// Disconnected when the thread has ended.
        ended: blocking::Receiver<()>,
    }

    impl Reader {
        pub fn open() -> io::Result<Self> {
            let (stopped, stop) = io::pipe()?;
            let (found, keys) = mpsc::channel(BACKLOG);
            let (end, ended) = blocking::channel::<()>();
            std::thread::Builder::new()
                .name("keys".into())
                .spawn(move || {
                    read(&stopped, &found);
                    drop(end);
                })?;
            Ok(Self {
                keys,
                stop: Some(stop),
                ended,
            })
        }

        /// The next key; `None` at the end of the keyboard.
        pub async fn next(&mut self) -> Option<KeyEvent> {
            self.keys.recv().await
        }

        /// Stops reading, and returns the keys that were read and not taken.
        pub fn close(mut self) -> Vec<KeyEvent> {
            self.stop();
            std::iter::from_fn(|| self.keys.try_recv().ok()).collect()
        }

        fn stop(&mut self) {
            if self.stop.take().is_some() {
                let _ = self.ended.recv_timeout(CLOSING);
            }
        }
    }

    impl Drop for Reader {
        fn drop(&mut self) {
            self.stop();
        }
    }

    fn read(stopped: &PipeReader, found: &mpsc::Sender<KeyEvent>) {
        let keyboard = io::stdin();
        let mut parser = Parser::default();
        let mut bytes = [0; 1024];
        let pass_on = |inputs: Vec<Input>| {
            for input in inputs {
                match input {
                    Input::Answer(answer) => answers::hear(answer),
                    // More keys than that were pasted.
                    Input::Key(key) => drop(found.try_send(key)),
                }
            }
        };
        loop {
            let mut ready = [
                PollFd::new(&keyboard, PollFlags::IN),
                PollFd::new(stopped, PollFlags::IN),
            ];
            let limit = parser.is_unfinished().then_some(&UNFINISHED);
            match poll(&mut ready, limit) {
                Ok(0) => pass_on(parser.time_out()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            if !ready[1].revents().is_empty() {
                return;
            }
            if ready[0].revents().is_empty() {
                continue;
            }
            let count = match rustix::io::read(&keyboard, &mut bytes) {
                Ok(0) => return,
                Ok(count) => count,
                Err(Errno::INTR | Errno::AGAIN) => continue,
                Err(_) => return,
            };
            pass_on(parser.parse(&bytes[..count]));
        }
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use std::io;
    use std::pin::Pin;

    use crossterm::event::{Event, EventStream, KeyEvent, KeyEventKind};
    use futures_core::Stream;

    /// Reads until it is dropped.
    pub struct Reader(EventStream);

    impl Reader {
        pub fn open() -> io::Result<Self> {
            Ok(Self(EventStream::new()))
        }

        /// The next key; `None` at the end of the keyboard.
        pub async fn next(&mut self) -> Option<KeyEvent> {
            loop {
                let next = std::future::poll_fn(|context| Pin::new(&mut self.0).poll_next(context));
                match next.await?.ok()? {
                    Event::Key(key) if key.kind == KeyEventKind::Press => return Some(key),
                    _ => {}
                }
            }
        }
    }
}
