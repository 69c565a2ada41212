//! From a frame in to a frame out, in three ways: the library's two ends; the two programs, from
//! one's standard input to the other's output; and to the screen, where it ends when the X server
//! says that it has drawn.

use std::io::{self, Read};
use std::process::{ChildStdin, ChildStdout};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::Run;
use crate::ours::screen::Screen;
use crate::ours::sender::{Pace, Sender};
use crate::ours::{Format, program, viewer};
use crate::yardstick::meter::{alternate, median, percentiles};
use crate::yardstick::process::{one_piece, write_within};
use crate::yardstick::table::{Bar, Row};
use crate::yardstick::{FPS, I420, floor, peers};

const ROUNDS: usize = 3;
const SECONDS: f64 = 2.0;

/// Frames of a round: two seconds'.
const FRAMES: usize = 60;

/// Frames before it counts.
const WARM_UP: usize = 15;

/// How long a frame may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// p50, p95 and p99 in µs.
type Percentiles = [f64; 3];

pub fn run(run: &mut Run) -> io::Result<()> {
    let [floor, ours] = alternate(ROUNDS, [&mut || library_floor(), &mut || library()])?;
    let none = Vec::new();
    report(
        run,
        "publish → Sink::frame",
        [&floor, &none, &ours],
        Some(1.2),
    );

    let [peer, ours] = alternate(
        ROUNDS,
        [&mut || run.peer(peer_pipes), &mut || {
            program_pipes().map(Some)
        }],
    )?;
    let [peer, ours] = [peer, ours].map(|found| found.into_iter().flatten().collect::<Vec<_>>());
    report(
        run,
        "pipe → send → recv → pipe",
        [&none, &peer, &ours],
        None,
    );

    let screen = Screen::open()?;
    let [peer, ours] = alternate(
        ROUNDS,
        [&mut || run.peer(|| peer_screen(&screen)), &mut || {
            program_screen(&screen).map(Some)
        }],
    )?;
    let [peer, ours] = [peer, ours].map(|found| found.into_iter().flatten().collect::<Vec<_>>());
    report(
        run,
        "pipe → send → recv → screen",
        [&none, &peer, &ours],
        Some(2.0),
    );
    encoded(run, &screen)
}

/// The same to the screen through a codec.
fn encoded(run: &mut Run, screen: &Screen) -> io::Result<()> {
    let none = Vec::new();
    let [peer, ours] = alternate(
        ROUNDS,
        [
            &mut || run.peer(|| peer_screen_with_h264(screen)),
            &mut || program_screen_with("h264", screen).map(Some),
        ],
    )?;
    let [peer, ours] = [peer, ours].map(|found| found.into_iter().flatten().collect::<Vec<_>>());
    report(
        run,
        "pipe → send → recv → screen, H.264",
        [&none, &peer, &ours],
        Some(10.0),
    );
    Ok(())
}

fn report(run: &mut Run, what: &str, found: [&Vec<Percentiles>; 3], bar: Option<f64>) {
    eprintln!("  {what}: floor, peer and vidchat in µs {found:.0?}");
    for (index, percentile) in ["p50", "p95", "p99"].into_iter().enumerate() {
        let [floor, peer, ours] = found.map(|found| median(found, |p| p[index] / 1e3));
        let row = Row::new(format!("{what}, {percentile}: ms"))
            .floor(floor)
            .peer(peer)
            .vidchat(ours);
        run.table.push(match (index, bar) {
            (0, Some(bar)) => row.bar(Bar::AtMost(bar)),
            _ => row,
        });
    }
}

fn library_floor() -> io::Result<Percentiles> {
    let latency = floor::latency(I420, SECONDS)?.report.latency;
    latency.ok_or_else(|| io::Error::other("no frame came"))
}

fn library() -> io::Result<Percentiles> {
    let sender = Sender::start(Format::I420, Pace::Camera)?;
    let spec = viewer::Spec {
        address: sender.address,
        warm_up: 0.5,
        seconds: SECONDS,
    };
    Ok(viewer::watch(spec, || sender.cpu())?.0.latency)
}

fn program_pipes() -> io::Result<Percentiles> {
    let (sender, stdin) = program::Sender::of_stdin(&grey_frame(0))?;
    let mut receiver = program::stdout_recv(sender.address)?;
    let stdout = receiver.stdout().ok_or(io::ErrorKind::BrokenPipe)?;
    through_pipes(stdin, stdout)
}

fn peer_pipes() -> io::Result<Percentiles> {
    let (_sender, address, stdin) = peers::stdin_sender()?;
    let mut receiver = peers::stdout_receiver(address)?;
    let stdout = receiver.stdout().ok_or(io::ErrorKind::BrokenPipe)?;
    through_pipes(stdin, stdout)
}

fn program_screen(screen: &Screen) -> io::Result<Percentiles> {
    let (sender, stdin) = program::Sender::of_stdin(&grey_frame(0))?;
    let window = ["--display", "window"];
    let _receiver = program::recv(sender.address, &window, Some(&screen.display))?;
    to_the_screen(stdin, screen)
}

fn program_screen_with(codec: &str, screen: &Screen) -> io::Result<Percentiles> {
    let (sender, stdin) = program::Sender::of_stdin_with(codec, &grey_frame(0))?;
    let window = ["--display", "window"];
    let _receiver = program::recv(sender.address, &window, Some(&screen.display))?;
    to_the_screen(stdin, screen)
}

fn peer_screen_with_h264(screen: &Screen) -> io::Result<Percentiles> {
    let encoder = "x264enc tune=zerolatency speed-preset=veryfast bitrate=550 key-int-max=30";
    let (_sender, address, stdin) = peers::stdin_sender_with(encoder)?;
    let sink = "h264parse ! avdec_h264 max-threads=1 ! videoconvert ! ximagesink sync=false";
    let _receiver = peers::window_receiver(address, sink, &screen.display)?;
    to_the_screen(stdin, screen)
}

fn peer_screen(screen: &Screen) -> io::Result<Percentiles> {
    let (_sender, address, stdin) = peers::stdin_sender()?;
    let sink = "videoconvert ! ximagesink sync=false";
    let _receiver = peers::window_receiver(address, sink, &screen.display)?;
    to_the_screen(stdin, screen)
}

/// From writing a frame to `stdin` to its last byte from `stdout`, the next one 1/30 s later.
fn through_pipes(stdin: ChildStdin, mut stdout: ChildStdout) -> io::Result<Percentiles> {
    one_piece(&stdout)?;
    let (send, came) = mpsc::channel();
    // It ends with the receiver.
    thread::Builder::new().name("out".into()).spawn(move || {
        let mut frame = vec![0; I420];
        while stdout.read_exact(&mut frame).is_ok() {
            if send.send((Instant::now(), frame[0])).is_err() {
                break;
            }
        }
    })?;
    paced(stdin, |luma, patience| {
        loop {
            let (at, came) = came.recv_timeout(patience).map_err(io::Error::other)?;
            if came == luma {
                return Ok(at);
            }
        }
    })
}

/// From writing a frame to `stdin` to its colour on `screen`, the next one 1/30 s later.
fn to_the_screen(stdin: ChildStdin, screen: &Screen) -> io::Result<Percentiles> {
    paced(stdin, |luma, patience| {
        // BT.601, from 16..=235 to all of 0..=255.
        let green = (f64::from(luma) - 16.0) * 255.0 / 219.0;
        screen.drawn(|found| (f64::from(found) - green).abs() < 12.0, patience)
    })
}

/// Writes frames at 30 a second; `shown` says when the one of this luma came out, if it did.
fn paced(
    stdin: ChildStdin,
    shown: impl Fn(u8, Duration) -> io::Result<Instant>,
) -> io::Result<Percentiles> {
    let mut took = Vec::with_capacity(FRAMES);
    let patience = Instant::now() + PATIENCE;
    for index in 0.. {
        let frame = grey_frame(index);
        let begun = Instant::now();
        write_within(&stdin, &frame, PATIENCE)?;
        match shown(frame[0], Duration::from_millis(200)) {
            Ok(at) => took.push(at.saturating_duration_since(begun)),
            // The receiver is not there yet.
            Err(_) if took.is_empty() && Instant::now() < patience => {}
            Err(error) => return Err(error),
        }
        if took.len() == WARM_UP + FRAMES {
            break;
        }
        thread::sleep((Duration::from_secs(1) / FPS).saturating_sub(begun.elapsed()));
    }
    let found = percentiles(&mut took[WARM_UP..]).ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(found.map(|took| took.as_secs_f64() * 1e6))
}

/// A grey frame, told from those around it by its luma.
fn grey_frame(index: usize) -> Vec<u8> {
    let luma = 60 + (index % 5) as u8 * 35;
    let mut frame = vec![0x80; I420];
    frame[..320 * 240].fill(luma);
    frame
}
