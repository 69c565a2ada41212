//! The peers: the same frame sent and received by GStreamer's own elements (`gdppay` and the
//! `tcp` plugin), set as somebody careful would, each in a `gst-launch-1.0` process of its own.
//! A process that cannot be asked to end has its number of frames limited from the start.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::drain::{self, Measured};
use super::process::{Process, Talks, one_piece};
use super::spec::{Framing, Spec};
use super::{FPS, I420, meter};

/// Bytes that `gdppay` puts before every buffer (`GST_DP_HEADER_LENGTH`).
const GDP_HEADER: u64 = 62;

/// Start-up, connecting and warm-up: how long a peer runs beyond what is measured, in seconds.
const SPARE: f64 = 25.0;

/// A window without `autovideosink`, whose choice takes time and may fall on software GL.
const WINDOW: &str = "videoconvert ! ximagesink name=end sync=false";

/// How long a line that must come is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The server, without its port. Buffers count, not bytes; a viewer that falls four behind goes on
/// with the newest key frame (every raw one is), and one that has not moved for thirty is thrown
/// out. `sync` would hold each frame for the clock, `async` wait for a first one to start.
const SERVER: &str = "tcpserversink name=net host=127.0.0.1 port=0 sync=false async=false \
     enable-last-sample=false unit-format=buffers sync-method=latest-keyframe \
     recover-policy=keyframe units-soft-max=4 units-max=30";

/// Where the receiving peer's frames go.
#[derive(Clone, Copy, Debug)]
pub enum Screen<'a> {
    /// `fakesink`: receiving alone.
    None,
    /// `ximagesink` on this display, which need be no more than Xvfb.
    Window(&'a str),
}

/// A sender and a receiver at 30 fps of raw I420.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// The sender's processor time, percent of one core.
    pub sender_percent: f64,
    /// The receiver's processor time, percent of one core.
    pub receiver_percent: f64,
    /// Frames a second that the receiver had, from its first to its last.
    pub fps: f64,
}

/// Whether all elements are installed; the name of the first that is not, otherwise.
///
/// # Errors
/// `gst-inspect-1.0` itself cannot be started.
pub fn missing() -> io::Result<Option<&'static str>> {
    for element in [
        "gdppay",
        "gdpdepay",
        "tcpserversink",
        "tcpclientsrc",
        "imagefreeze",
    ] {
        let found = Command::new("gst-inspect-1.0")
            .args(["--exists", element])
            .status()?;
        if !found.success() {
            return Ok(Some(element));
        }
    }
    Ok(None)
}

/// One GStreamer viewer of a GStreamer sender, 30 fps of raw I420.
///
/// # Errors
/// A process could not be started or did not do what it should in time.
pub fn pair(screen: Screen<'_>, seconds: f64) -> io::Result<Pair> {
    let (sender, address) = live_sender(seconds)?;
    let frames = (f64::from(FPS) * (seconds + 1.0)).ceil();
    let (sink, display) = match screen {
        Screen::None => ("fakesink name=end sync=false", ""),
        Screen::Window(display) => (WINDOW, display),
    };
    // `identity` is what ends it after so many frames, whatever the sink.
    let receiver = Launch::start_on(
        display,
        &format!(
            "tcpclientsrc host=127.0.0.1 port={} ! gdpdepay ! identity eos-after={frames} ! {sink}",
            address.port()
        ),
    )?;
    let first = receiver.first_frame()?;
    thread::sleep(Duration::from_millis(500));

    let (begun, before) = (Instant::now(), [sender.cpu()?, receiver.cpu()?]);
    thread::sleep(Duration::from_secs_f64(seconds));
    let (after, took) = ([sender.cpu()?, receiver.cpu()?], begun.elapsed());

    let last = receiver.last_frame()?;
    let percent = |end: usize| {
        after[end].saturating_sub(before[end]).as_secs_f64() * 100.0 / took.as_secs_f64()
    };
    Ok(Pair {
        sender_percent: percent(0),
        receiver_percent: percent(1),
        fps: (frames - 1.0) / last.duration_since(first).as_secs_f64(),
    })
}

/// `viewers` of a GStreamer sender, 30 fps of raw I420, drained as the floor's are. The figures are
/// those of [`floor::fan_out`](super::floor::fan_out).
///
/// # Errors
/// As [`pair`], and those of the drain.
pub fn fan_out(viewers: usize, seconds: f64) -> io::Result<Measured> {
    // A descriptor limit is inherited, and gst-launch does not raise its own.
    meter::allow_files(viewers + 64)?;
    let (sender, address) = live_sender(seconds)?;
    let framing = Framing::Bytes {
        frame: GDP_HEADER + I420 as u64,
    };
    let spec = Spec {
        framing,
        ..Spec::many(address, viewers, seconds)
    };
    drain::measure(&spec, || sender.cpu())
}

/// One viewer as fast as it goes, `frames` of 320×240 BGR, in frames a second. Here the
/// receiver listens: `tcpserversink` never waits for its client, it would only fill memory.
///
/// # Errors
/// As [`pair`].
pub fn throughput(frames: u32) -> io::Result<f64> {
    let receiver = Launch::start(
        "tcpserversrc name=net host=127.0.0.1 port=0 ! gdpdepay ! fakesink name=end sync=false",
    )?;
    let port = receiver.port()?;
    // `imagefreeze` hands out one frame again and again: no time is spent on painting.
    let _sender = Launch::start(&format!(
        "videotestsrc num-buffers=1 ! video/x-raw,format=BGR,width=320,height=240,framerate=30/1 \
         ! imagefreeze num-buffers={frames} ! gdppay \
         ! tcpclientsink host=127.0.0.1 port={port} sync=false enable-last-sample=false"
    ))?;
    let first = receiver.first_frame()?;
    let last = receiver.last_frame()?;
    Ok(f64::from(frames.saturating_sub(1)) / last.duration_since(first).as_secs_f64())
}

/// A sender of what is written to its standard input, I420.
///
/// # Errors
/// It could not be started or did not listen in time.
pub fn stdin_sender() -> io::Result<(Launch, SocketAddr, ChildStdin)> {
    stdin_sender_with("identity")
}

/// The same through `encoder`.
///
/// # Errors
/// As [`stdin_sender`].
pub fn stdin_sender_with(encoder: &str) -> io::Result<(Launch, SocketAddr, ChildStdin)> {
    let mut command = Launch::command(&format!(
        "fdsrc fd=0 blocksize={I420} do-timestamp=true \
         ! video/x-raw,format=I420,width=320,height=240,framerate={FPS}/1 \
         ! {encoder} ! gdppay ! {SERVER}"
    ));
    command.stdin(Stdio::piped());
    let mut sender = Launch(Process::with_stdin(&mut command, Talks::Stdout)?);
    let stdin = sender.0.stdin().ok_or(io::ErrorKind::BrokenPipe)?;
    one_piece(&stdin)?;
    let port = sender.port()?;
    Ok((sender, (Ipv4Addr::LOCALHOST, port).into(), stdin))
}

/// A receiver that writes what it gets to its standard output.
///
/// # Errors
/// It could not be started.
pub fn stdout_receiver(address: SocketAddr) -> io::Result<Process> {
    let mut command = Launch::command(&format!(
        "tcpclientsrc host=127.0.0.1 port={} ! gdpdepay ! fdsink fd=1 sync=false",
        address.port()
    ));
    // Its notes would be among the frames.
    command.arg("-q").stdout(Stdio::piped());
    Process::start(&mut command, Talks::Stderr)
}

/// A receiver that shows what it gets on `display`.
///
/// # Errors
/// It could not be started.
pub fn window_receiver(address: SocketAddr, sink: &str, display: &str) -> io::Result<Launch> {
    let mut command = Launch::command(&format!(
        "tcpclientsrc host=127.0.0.1 port={} ! gdpdepay ! {sink}",
        address.port()
    ));
    // `autovideosink` tries what complains there before it comes to what works.
    command.env("DISPLAY", display).stderr(Stdio::null());
    Ok(Launch(Process::start(&mut command, Talks::Stdout)?))
}

/// A receiver that ends after its first frame, which it does not show.
///
/// # Errors
/// It could not be started or did not end in time.
pub fn one_frame(address: SocketAddr) -> io::Result<()> {
    let receiver = Launch::start(&format!(
        "tcpclientsrc host=127.0.0.1 port={} ! gdpdepay ! fakesink num-buffers=1 sync=false",
        address.port()
    ))?;
    receiver.0.end(PATIENCE)
}

/// A test picture at 30 fps on a free port of 127.0.0.1, for a little longer than `seconds`.
///
/// # Errors
/// It could not be started or did not listen in time.
pub fn live_sender(seconds: f64) -> io::Result<(Launch, SocketAddr)> {
    let frames = (f64::from(FPS) * (seconds + SPARE)).ceil();
    let sender = Launch::start(&format!(
        "videotestsrc is-live=true num-buffers={frames} \
         ! video/x-raw,format=I420,width=320,height=240,framerate={FPS}/1 ! gdppay ! {SERVER}"
    ))?;
    let port = sender.port()?;
    Ok((sender, (Ipv4Addr::LOCALHOST, port).into()))
}

/// A `gst-launch-1.0` at work, which is ended when this is dropped.
#[derive(Debug)]
pub struct Launch(Process);

impl Launch {
    /// Starts `pipeline`, without a display.
    fn start(pipeline: &str) -> io::Result<Self> {
        Self::start_on("", pipeline)
    }

    /// Starts `pipeline` on `display`.
    fn start_on(display: &str, pipeline: &str) -> io::Result<Self> {
        let mut command = Self::command(pipeline);
        command.env("DISPLAY", display);
        Ok(Self(Process::start(&mut command, Talks::Stdout)?))
    }

    /// `-v`: its notes on ports and caps, looked for in English, are how this side follows it. With
    /// `--no-fault` a crash ends it: otherwise it waits for ever, for a debugger.
    fn command(pipeline: &str) -> Command {
        let mut command = Command::new("gst-launch-1.0");
        command
            .args(["-v", "--no-fault"])
            .args(pipeline.split_whitespace());
        command.env("LC_ALL", "C");
        command
    }

    /// The processor time it has used.
    fn cpu(&self) -> io::Result<Duration> {
        meter::cpu_of(self.0.id())
    }

    /// The port that the kernel gave to the element called `net`.
    fn port(&self) -> io::Result<u16> {
        loop {
            let (_, line) = self.0.line(":net: current-port = ", PATIENCE)?;
            let port = line.rsplit(' ').next().and_then(|port| port.parse().ok());
            if let Some(port) = port.filter(|port| *port != 0) {
                return Ok(port);
            }
        }
    }

    /// When the element called `end` had its caps, which travel just before the first frame.
    fn first_frame(&self) -> io::Result<Instant> {
        Ok(self.0.line(":end.GstPad:sink: caps = ", PATIENCE)?.0)
    }

    /// When the stream ended at `end`.
    fn last_frame(&self) -> io::Result<Instant> {
        Ok(self.0.line("Got EOS from element", 3 * PATIENCE)?.0)
    }
}
