//! The age that is shown is true: frames carry the time at which they were made, and what the
//! viewer says of their age is compared with what is read from them at the other end.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::cli::statistics::Stats;
#[cfg(target_os = "linux")]
use crate::support::encrypted::also_encrypted;
#[cfg(target_os = "linux")]
use crate::support::slow_link::Link;
use crate::support::{PATIENCE, Running, Sender, in_one_try, skipped, vidchat};

/// Bytes of a frame: I420, 320×240.
const FRAME_BYTES: usize = 320 * 240 * 3 / 2;
/// Not the time that the pipeline is told, as no program keeps to that for ever.
const FRAME_TIME: Duration = Duration::from_millis(36);
/// How long frames are looked at, and how many seconds of them at the start are not.
const WATCHED: Duration = Duration::from_secs(9);
const SETTLING: Duration = Duration::from_secs(3);
/// What the shown age may differ by from the true one.
const TOLERANCE: f64 = 2.0;

const SEND: &str = "# Frames from standard input.\n#! keep-open\n\
    fdsrc fd=0\n\
    ! rawvideoparse format=i420 width=320 height=240 framerate=30/1\n\
    ! appsink name=frames sync=false\n";
const RECV: &str = "# Frames to standard output.\nappsrc name=frames ! fdsink fd=1 sync=false\n";

/// What came of one run, in milliseconds.
#[derive(Debug)]
struct Seen {
    /// The age that 95 of 100 frames have at the most, from outside.
    p95: f64,
    fps: f64,
    /// How much younger the viewer says that they are: the median of the seconds.
    younger: f64,
    /// The median of what the pipes take on their own.
    pipes: f64,
}

/// Ends a process when it is dropped.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is after 1970").as_nanos() as u64
}

fn seconds(time: SystemTime) -> f64 {
    let time = time.duration_since(UNIX_EPOCH);
    time.expect("it is after 1970").as_secs_f64()
}

/// Has a program live in another time. Its steady clock stays as it is, as with any machine.
pub fn in_time(command: &mut Command, time: &str) {
    command
        .env(
            "LD_PRELOAD",
            "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
        )
        .env("FAKETIME", time)
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
}

pub fn has_faketime() -> bool {
    let has = Path::new("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1").exists();
    if !has {
        skipped("faketime is not installed");
    }
    has
}

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the folder is the test's own");
    path
}

/// The median, or another part of a hundred, of numbers: so many of them are no larger. Where a busy
/// machine has let nothing through it is no number, and so never right.
fn part(numbers: &mut [f64], percent: usize) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let count = (numbers.len() * percent).div_ceil(100);
    count.checked_sub(1).map_or(f64::NAN, |at| numbers[at])
}

/// A frame that has been read.
struct Arrived {
    /// When, in seconds since 1970.
    at: f64,
    /// How old it was, in milliseconds.
    age: f64,
}

/// Sends stamped frames from one of these to the other. `shape` changes the two commands.
fn watch(address: &str, shape: impl Fn(Command, Command) -> (Command, Command)) -> Seen {
    let folder = tempfile::tempdir().expect("there is room");
    let (send, recv) = (
        file(folder.path(), "send.gst", SEND),
        file(folder.path(), "recv.gst", RECV),
    );
    let mut sending = vidchat();
    sending
        .args([
            "send",
            "--no-announce",
            "--no-preview",
            "--wire",
            "native",
            "--port",
            "0",
            "--bind",
            address,
        ])
        .arg("--pipeline")
        .arg(&send);
    let mut receiving = vidchat();
    receiving.arg("recv");
    let (mut sending, mut receiving) = shape(sending, receiving);
    let mut sender = sending
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map(Ending)
        .expect("it starts");
    let stdin = sender.0.stdin.take().expect("it is piped");
    let lines = BufReader::new(sender.0.stderr.take().expect("it is piped"));
    write_frames(stdin);
    let target = target(lines);
    receiving.arg(target).arg("--pipeline").arg(&recv);
    let stats = Stats::of(&mut receiving);
    let mut viewer = receiving
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map(Ending)
        .expect("it starts");
    let stdout = viewer.0.stdout.take().expect("it is piped");
    let ages = read_frames(stdout);
    let (_cat, pipes) = pipes();
    gather(&ages, &pipes, &stats)
}

/// Writes frames with the times at which they are made, for as long as they are taken.
fn write_frames(mut to: impl Write + Send + 'static) {
    std::thread::spawn(move || {
        let mut frame = vec![90; FRAME_BYTES];
        let mut due = Instant::now();
        loop {
            due += FRAME_TIME;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            frame[..8].copy_from_slice(&now().to_le_bytes());
            if to.write_all(&frame).is_err() {
                break;
            }
        }
    });
}

/// Such frames, as they are read.
fn read_frames(mut from: impl Read + Send + 'static) -> Receiver<Arrived> {
    let (arrived, frames) = channel();
    std::thread::spawn(move || {
        let mut frame = vec![0; FRAME_BYTES];
        while from.read_exact(&mut frame).is_ok() {
            let made = u64::from_le_bytes(frame[..8].try_into().expect("eight bytes"));
            let now = now();
            let frame = Arrived {
                at: now as f64 / 1e9,
                age: now.saturating_sub(made) as f64 / 1e6,
            };
            if arrived.send(frame).is_err() {
                break;
            }
        }
    });
    frames
}

/// Frames that go through a program that does nothing: what the pipes on both sides of vidchat
/// take at this moment, which it cannot know.
fn pipes() -> (Ending, Receiver<Arrived>) {
    let cat = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut cat = cat.map(Ending).expect("every system has it");
    write_frames(cat.0.stdin.take().expect("it is piped"));
    let ages = read_frames(cat.0.stdout.take().expect("it is piped"));
    (cat, ages)
}

/// What to give to `vidchat recv`, as the sender says it.
fn target(lines: impl BufRead + Send + 'static) -> String {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for line in lines.lines().map_while(Result::ok) {
            if let Some((_, target)) = line.split_once("vidchat recv ") {
                // A flag may follow.
                let target = target.split(' ').next().unwrap_or_default();
                let _ = tell.send(target.to_owned());
            }
        }
    });
    told.recv_timeout(PATIENCE).expect("the sender runs")
}

fn gather(frames: &Receiver<Arrived>, pipes: &Receiver<Arrived>, stats: &Stats) -> Seen {
    let next = || frames.recv_timeout(PATIENCE).expect("there are frames");
    let begun = next().at;
    let mut seen: Vec<Arrived> = Vec::new();
    while seen
        .last()
        .is_none_or(|last| last.at < begun + WATCHED.as_secs_f64())
    {
        seen.push(next());
    }
    let settled = begun + SETTLING.as_secs_f64();
    let between = |from: f64, to: f64| -> Vec<f64> {
        let seen = seen
            .iter()
            .filter(|frame| frame.at > from && frame.at <= to);
        seen.map(|frame| frame.age).collect()
    };
    let lines = stats.lines();
    // The viewer may live in another time; the file does not.
    let last = lines.last().and_then(|line| line["time"].as_f64());
    let ahead = last.expect("it says something") - seconds(stats.written());
    let lines = lines
        .iter()
        .filter_map(|line| Some((line["time"].as_f64()?, line["age_ms"]["p50"].as_f64()?)));
    let mut younger = Vec::new();
    for (time, said) in lines {
        let to = time - ahead;
        if to > settled + 1.0 {
            younger.push(part(&mut between(to - 1.0, to), 50) - said);
        }
    }
    let mut all = between(settled, f64::MAX);
    Seen {
        fps: all.len() as f64 / (WATCHED - SETTLING).as_secs_f64(),
        p95: part(&mut all, 95),
        younger: part(&mut younger, 50),
        pipes: part(
            &mut pipes.try_iter().map(|frame| frame.age).collect::<Vec<_>>(),
            50,
        ),
    }
}

/// Looks until the shown age is the true one, and all else `is_right`.
fn is_true(look: impl Fn() -> Seen, is_right: impl Fn(&Seen) -> bool) {
    in_one_try(|| {
        let seen = look();
        let younger = seen.younger >= -TOLERANCE && seen.younger <= TOLERANCE + seen.pipes;
        let right = younger && is_right(&seen);
        right.then_some(()).ok_or(format!("{seen:?}"))
    });
}

#[test]
fn the_age_that_is_shown_is_the_age_that_it_has() {
    is_true(|| watch("127.0.0.1", |send, recv| (send, recv)), |_| true);
}

#[test]
fn clocks_that_are_an_hour_apart_and_drift_change_nothing() {
    if !has_faketime() {
        return;
    }
    let ahead = |send, mut recv| {
        in_time(&mut recv, "+1h x1.0002");
        (send, recv)
    };
    let behind = |mut send, recv| {
        in_time(&mut send, "-1h x1.0002");
        (send, recv)
    };
    is_true(|| watch("127.0.0.1", ahead), |_| true);
    is_true(|| watch("127.0.0.1", behind), |_| true);
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_link_that_is_too_thin_frames_stay_new_whatever_its_queue() {
    let Some(link) = Link::start("10mbit", "limit 1mb") else {
        return;
    };
    let on_the_link = |send, recv| (link.sender_command(&send), link.viewer_command(&recv));
    // Far above what it is, and far below what a queue makes of it.
    is_true(
        || watch(Link::SENDER, on_the_link),
        |seen| seen.p95 <= 300.0 && seen.fps >= 8.0,
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_codec_on_a_link_that_is_too_thin_for_it_stays_new() {
    let Some(link) = Link::start("40kbit", "limit 50kb") else {
        return;
    };
    in_one_try(|| {
        // Three times what it is, and a fifth of what comes of a queue.
        let (ages, mean) = ages_of_a_codec(&link);
        (mean < 200.0).then_some(()).ok_or(format!("{ages:?}"))
    });
}

/// The ages of a codec's frames in each of some seconds, and their mean once they have settled.
#[cfg(target_os = "linux")]
fn ages_of_a_codec(link: &Link) -> (Vec<f64>, f64) {
    let mut send = vidchat();
    send.args([
        "send",
        "--no-announce",
        "--no-preview",
        "--pipeline",
        "test-h264",
    ])
    .args(["--bind", Link::SENDER, "--port", "0"]);
    let sender = Sender::start_as(&mut link.sender_command(&send));
    let mut recv = vidchat();
    let target = format!("{}:{}", Link::SENDER, sender.port);
    recv.args(["recv", &target, "--display", "none"]);
    let stats = Stats::of(&mut recv);
    let _viewer = Running::start(&mut link.viewer_command(&recv));
    // The queue holds ten seconds of what the link carries, which is less than the encoder makes
    // at the least of its bit rates before it is told of the link.
    let ages = (0..9).map(|_| {
        let line = stats.line("frames", |line| line["shown"].as_u64() > Some(0));
        line["age_ms"]["p50"].as_f64().unwrap_or(f64::MAX)
    });
    let ages: Vec<f64> = ages.collect();
    let settled = &ages[4..];
    let mean = settled.iter().sum::<f64>() / settled.len() as f64;
    (ages, mean)
}

#[cfg(target_os = "linux")]
also_encrypted!(
    the_age_that_is_shown_is_the_age_that_it_has,
    clocks_that_are_an_hour_apart_and_drift_change_nothing,
    on_a_link_that_is_too_thin_frames_stay_new_whatever_its_queue,
    a_codec_on_a_link_that_is_too_thin_for_it_stays_new,
);
