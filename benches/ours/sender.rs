//! vidchat's sender without GStreamer: a hub, `net::serve` and something that publishes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use vidchat::frame::{Frame, FrameHeader};
use vidchat::net::sender::ServerOptions;
use vidchat::net::{self, Hub, Service};
use vidchat::wire::Caps;

use super::{Format, encrypted};
use crate::yardstick::meter::{self, Clock};
use crate::yardstick::process::{Process, Talks};
use crate::yardstick::{FPS, drain, spec};

/// The hidden argument that makes a bench program this sender.
pub const ARGUMENT: &str = "__send";

/// The most viewers of a measurement.
const MOST_VIEWERS: usize = 3000;

/// What to send, and when.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Spec {
    /// What is sent.
    pub format: Format,
    /// When.
    pub pace: Pace,
    /// Whether viewers have to prove [`encrypted::KEY`].
    pub is_encrypted: bool,
}

/// When a frame is published.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub enum Pace {
    /// Thirty times a second, from a thread of its own as GStreamer's is.
    Camera,
    /// As soon as the viewer has begun to take the one before. The newest frame wins here, so
    /// publishing any faster would not send more: it would only take the processor away.
    PickedUp,
}

/// A sender at work, which is ended when this is dropped.
#[derive(Debug)]
pub struct Sender {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Sender {
    /// Starts it.
    ///
    /// # Errors
    /// It could not be started.
    pub fn start(format: Format, pace: Pace) -> io::Result<Self> {
        Self::of(&Spec {
            format,
            pace,
            is_encrypted: false,
        })
    }

    fn of(spec: &Spec) -> io::Result<Self> {
        let spec = serde_json::to_string(spec)?;
        let mut command = Command::new(std::env::current_exe()?);
        let process = Process::start(command.arg(ARGUMENT).arg(spec), Talks::Stdout)?;
        let (_, line) = process.line("127.0.0.1:", Duration::from_secs(10))?;
        let address = line.parse().map_err(io::Error::other)?;
        Ok(Self { process, address })
    }

    /// The processor time it has used.
    ///
    /// # Errors
    /// It has ended.
    pub fn cpu(&self) -> io::Result<Duration> {
        meter::cpu_of(self.process.id())
    }
}

/// `viewers` of a camera's frames, drained as the floor's are.
///
/// # Errors
/// Those of the sockets and the drain.
pub fn fan_out(viewers: usize, seconds: f64, format: Format) -> io::Result<drain::Measured> {
    fan_out_of(viewers, seconds, format, false, |spec| spec)
}

/// The same with a key or, to be compared with that, in clear.
///
/// # Errors
/// As [`fan_out`].
pub fn compared_fan_out(
    viewers: usize,
    seconds: f64,
    format: Format,
    is_encrypted: bool,
) -> io::Result<drain::Measured> {
    let drained = |spec| encrypted::drained(spec, format.bytes(), is_encrypted);
    fan_out_of(viewers, seconds, format, is_encrypted, drained)
}

fn fan_out_of(
    viewers: usize,
    seconds: f64,
    format: Format,
    is_encrypted: bool,
    drained: impl FnOnce(spec::Spec) -> spec::Spec,
) -> io::Result<drain::Measured> {
    let sender = Sender::of(&Spec {
        format,
        pace: Pace::Camera,
        is_encrypted,
    })?;
    let spec = super::spoken_to(spec::Spec::many(sender.address, viewers, seconds));
    drain::measure(&drained(spec), || sender.cpu())
}

/// The child's side: serves until it is ended.
///
/// # Errors
/// It cannot listen.
pub fn run(spec: &str) -> io::Result<()> {
    let Spec {
        format,
        pace,
        is_encrypted,
    } = serde_json::from_str(spec)?;
    meter::allow_files(MOST_VIEWERS + 100)?;
    let hub = Hub::new();
    hub.announce(Caps::parse(format.caps()).map_err(io::Error::other)?);
    super::runtime()?.block_on(async {
        let listener = net::listen(Some(Ipv4Addr::LOCALHOST.into()), 0)?;
        println!("{}", listener.local_addr()?);
        let options = ServerOptions {
            max_viewers: MOST_VIEWERS,
            secret: is_encrypted.then(encrypted::secret).transpose()?,
            ..ServerOptions::default()
        };
        let service = Service::new(Arc::clone(&hub), options);
        let serving = net::serve(listener, service, std::future::pending());
        match pace {
            Pace::Camera => {
                thread::Builder::new()
                    .name("camera".into())
                    .spawn(move || camera(&hub, format))?;
                serving.await;
            }
            Pace::PickedUp => {
                tokio::spawn(async move { picked_up(&hub, format).await });
                serving.await;
            }
        }
        Ok(())
    })
}

/// Publishes at the times of the floor's sender, and as often.
fn camera(hub: &Hub, format: Format) {
    let data = Bytes::from(vec![0x80; format.bytes()]);
    let start = Instant::now();
    for sequence in 0.. {
        hub.publish(frame(sequence, data.clone()));
        let next = start + Duration::from_secs(1) * (sequence + 1) / FPS;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Publishes whenever the frame before the last has been given back: the last one is then what
/// the viewer takes next, or has taken.
async fn picked_up(hub: &Hub, format: Format) {
    let data: Arc<[u8]> = vec![0x80; format.bytes()].into();
    let mut watching = hub.watching();
    let _ = watching.wait_for(|count| *count > 0).await;
    let mut before: Option<oneshot::Receiver<()>> = None;
    for sequence in 0.. {
        let (returned, given_back) = oneshot::channel();
        let lent = Lent {
            data: Arc::clone(&data),
            _returned: returned,
        };
        hub.publish(frame(sequence, Bytes::from_owner(lent)));
        // A viewer that has nothing to do takes it now.
        step_aside().await;
        if let Some(before) = before.replace(given_back) {
            // It is dropped, never sent to.
            let _ = before.await;
        }
    }
}

/// Lets the tasks run that are ready. `tokio::task::yield_now` would also ask the kernel for news,
/// which is a system call for each frame that no camera causes.
async fn step_aside() {
    let mut stepped = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut stepped, true) {
            Poll::Ready(())
        } else {
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// A frame's bytes, whose owner learns when nobody needs it any more.
struct Lent {
    data: Arc<[u8]>,
    /// Dropped with the bytes, which is what the other end waits for.
    _returned: oneshot::Sender<()>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

fn frame(sequence: u32, data: Bytes) -> Frame {
    Frame {
        header: FrameHeader {
            key: true,
            sequence,
            captured_at: Clock::Realtime.now(),
            ..FrameHeader::default()
        },
        data,
    }
}
