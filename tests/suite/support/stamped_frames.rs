//! Frames that carry in their pixels the time at which they were made, so that a codec leaves it
//! there: what sends them, and what reads their age at the other end.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;
use wait_timeout::ChildExt;

use super::{Ending, PATIENCE, Running, Sender, vidchat, written_pipeline};
use crate::cli::statistics::Stats;

const WIDTH: usize = 320;
const HEIGHT: usize = 240;
/// A bit is a block of so many pixels each way: a whole macroblock, which a codec keeps.
const BLOCK: usize = 16;
/// The bits of the time in microseconds, and of what has to fit to them.
const TIME_BITS: u32 = 48;
const CHECK_BITS: u32 = 12;
/// Video has black and white at these.
const BLACK: u8 = 16;
const WHITE: u8 = 235;
/// Thirty frames a second.
const FRAME_TIME: Duration = Duration::from_nanos(33_333_333);

/// Frames from standard input, before their encoder.
const READ: &str = "# Frames from standard input.\n#! keep-open\n\
    fdsrc fd=0 blocksize=115200\n\
    ! rawvideoparse format=i420 width=320 height=240 framerate=30/1\n";
/// Only those who ask get a key frame after the first: the next is five minutes away.
const H264: &str = "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=9000 bitrate=600\n\
    ! h264parse config-interval=-1\n\
    ! video/x-h264,stream-format=byte-stream,alignment=au\n";
const PLAY: &str = "# Pixels to standard output.\nappsrc name=frames ! ${decode} ! videoconvert \
    ! video/x-raw,format=I420 ! fdsink fd=1 sync=false\n";

/// A `vidchat send` of stamped frames.
pub struct StampedSender {
    sender: Sender,
    /// Its pipeline file, and the folder of that.
    file: (TempDir, String),
}

impl StampedSender {
    /// One of H.264 on a port of its own, whose command is changed by `place` to be run there.
    pub fn start(place: impl Fn(Command) -> Command) -> Self {
        Self::start_with(H264, place)
    }

    /// One with these elements behind the raw frames, such as another encoder, each after a `!`.
    pub fn start_with(encoder: &str, place: impl Fn(Command) -> Command) -> Self {
        let text = format!("{READ}{encoder}! appsink name=frames sync=false\n");
        Self::run(0, written_pipeline(&text), place)
    }

    fn run(port: u16, file: (TempDir, String), place: impl Fn(Command) -> Command) -> Self {
        let mut command = vidchat();
        command.args(["send", "--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--no-announce", "--no-preview", "--pipeline", &file.1]);
        let mut process = Running::start(place(command).stdin(Stdio::piped()));
        write_frames(process.stdin());
        let sender = Sender::of(process);
        Self { sender, file }
    }

    /// Ends it by this signal, and starts it again on the same port.
    pub fn restarted(self, signal: &str, place: impl Fn(Command) -> Command) -> Self {
        let Sender { process, port } = self.sender;
        process.signal(signal);
        process.wait();
        Self::run(port, self.file, place)
    }

    /// What to give to `vidchat recv`.
    pub fn target(&self) -> String {
        self.sender.target()
    }
}

/// A frame that has been read.
struct Arrived {
    /// When, in seconds since 1970.
    at: f64,
    /// How old it was, in milliseconds.
    age: f64,
}

/// The ages of the frames of some seconds, in milliseconds.
#[derive(Debug)]
pub struct Ages {
    pub p50: f64,
    pub p95: f64,
    /// How much younger the receiver says that they are, in the second in which that is least: a busy
    /// machine spoils others, and what is wrong is wrong in each.
    pub younger: f64,
    /// From where the receiver says that they count.
    pub since: String,
}

/// A `vidchat recv` of stamped frames.
pub struct StampedPlayer {
    frames: Receiver<Arrived>,
    stats: Stats,
    /// How long it took from the start of the process to the first frame.
    pub first: Duration,
    process: Ending,
    _file: TempDir,
}

impl StampedPlayer {
    /// Starts this command, which is `vidchat recv` of something, and waits for the first frame.
    pub fn start(mut command: Command) -> Self {
        let (folder, file) = written_pipeline(PLAY);
        command.args(["--pipeline", &file]);
        let stats = Stats::of(&mut command);
        let began = Instant::now();
        let process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = Ending(process.expect("it starts"));
        let frames = read_frames(process.0.stdout.take().expect("it is piped"));
        let first = frames.recv_timeout(PATIENCE);
        first.unwrap_or_else(|e| panic!("no frame comes of {command:?}: {e}"));
        Self {
            frames,
            stats,
            first: began.elapsed(),
            process,
            _file: folder,
        }
    }

    /// Ends it by this signal.
    pub fn end(mut self, signal: &str) {
        super::signal(self.process.0.id(), signal);
        let ended = self.process.0.wait_timeout(PATIENCE);
        ended.expect("waiting works").expect("it ends");
    }

    /// Waits for a frame that was made from now on.
    pub fn shows_new_frames(&self) {
        let now = seconds();
        let next = || self.frames.recv_timeout(PATIENCE);
        while next()
            .map(|frame| frame.at - frame.age / 1e3)
            .expect("frames come")
            < now
        {}
    }

    /// Reads frames up to the first one that was made at `to` or later. Returns how many of them were
    /// made since `from`, both by [`seconds`].
    pub fn count_made(&self, from: f64, to: f64) -> usize {
        let next = || self.frames.recv_timeout(PATIENCE).expect("frames come");
        let made = std::iter::repeat_with(next).map(|frame| frame.at - frame.age / 1e3);
        let until = made.take_while(|made| *made < to);
        until.filter(|made| *made >= from).count()
    }

    /// Watches for so many seconds from now on.
    pub fn watch(&self, count: usize) -> Ages {
        let from = seconds();
        let mut frames: Vec<Arrived> = Vec::new();
        // The last second of the statistics is told after its frames.
        while frames
            .last()
            .is_none_or(|last| last.at < from + count as f64 + 1.5)
        {
            frames.push(self.frames.recv_timeout(PATIENCE).expect("frames come"));
        }
        let lines = self.stats.lines();
        let told = lines.iter().filter_map(|line| {
            let (time, age) = (line["time"].as_f64()?, line["age_ms"]["p50"].as_f64()?);
            (time > from + 1.0).then_some((time, age))
        });
        let between = |from: f64, to: f64| {
            let seen = frames
                .iter()
                .filter(|frame| frame.at > from && frame.at <= to);
            seen.map(|frame| frame.age).collect::<Vec<_>>()
        };
        let younger = told
            .map(|(time, said)| part(&mut between(time - 1.0, time), 50) - said)
            .min_by(|one, other| one.abs().total_cmp(&other.abs()));
        let mut all = between(from, f64::MAX);
        let since = lines.last().map_or(&Value::Null, |line| &line["age_since"]);
        Ages {
            p50: part(&mut all, 50),
            p95: part(&mut all, 95),
            younger: younger.unwrap_or(f64::NAN),
            since: since.as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// The least of some numbers that so many of a hundred are not above; no number where there is none.
fn part(numbers: &mut [f64], percent: usize) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let count = (numbers.len() * percent).div_ceil(100);
    count.checked_sub(1).map_or(f64::NAN, |at| numbers[at])
}

fn wall_clock() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is after 1970")
}

/// The time in seconds since 1970.
pub fn seconds() -> f64 {
    wall_clock().as_secs_f64()
}

/// The time in microseconds, as far as a stamp goes.
fn stamp_time() -> u64 {
    wall_clock().as_micros() as u64 % (1 << TIME_BITS)
}

/// The bits that have to come with a time.
fn check(time: u64) -> u64 {
    let parts = (0..TIME_BITS / CHECK_BITS).map(|part| time >> (part * CHECK_BITS));
    parts.fold(0xa5a, |sum: u64, part| sum.wrapping_mul(5) + part) % (1 << CHECK_BITS)
}

/// Where the block of a bit begins in the rows of luma.
fn block(bit: u32) -> usize {
    let (row, column) = (bit as usize * BLOCK / WIDTH, bit as usize * BLOCK % WIDTH);
    row * BLOCK * WIDTH + column
}

fn write_stamp(luma: &mut [u8], time: u64) {
    let bits = (check(time) << TIME_BITS) | time;
    for bit in 0..TIME_BITS + CHECK_BITS {
        let shade = if bits >> bit & 1 == 1 { WHITE } else { BLACK };
        for row in 0..BLOCK {
            let start = block(bit) + row * WIDTH;
            luma[start..start + BLOCK].fill(shade);
        }
    }
}

/// The time in the pixels; `None` where a codec has made another one of it.
fn read_stamp(luma: &[u8]) -> Option<u64> {
    let middle = BLOCK / 2 * WIDTH + BLOCK / 2;
    let is_white = |bit: u32| luma[block(bit) + middle] > 128;
    let bits = (0..TIME_BITS + CHECK_BITS).map(|bit| u64::from(is_white(bit)) << bit);
    let bits: u64 = bits.sum();
    let time = bits % (1 << TIME_BITS);
    (bits >> TIME_BITS == check(time)).then_some(time)
}

/// Writes frames with the times at which they are made, for as long as they are taken. The rest of
/// them is noise, so that they have as many bytes as those of a camera.
fn write_frames(mut to: impl Write + Send + 'static) {
    std::thread::spawn(move || {
        let mut frame = vec![128; WIDTH * HEIGHT * 3 / 2];
        let mut noise: u32 = 1;
        let mut due = Instant::now();
        loop {
            due = Instant::now().max(due + FRAME_TIME);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            for shade in &mut frame[4 * BLOCK * WIDTH..HEIGHT * WIDTH] {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *shade = 110 + (noise >> 27) as u8;
            }
            write_stamp(&mut frame, stamp_time());
            if to.write_all(&frame).is_err() {
                break;
            }
        }
    });
}

/// The frames whose stamps can be read, as they come.
fn read_frames(mut from: impl Read + Send + 'static) -> Receiver<Arrived> {
    let (arrived, frames) = channel();
    std::thread::spawn(move || {
        let mut frame = vec![0; WIDTH * HEIGHT * 3 / 2];
        while from.read_exact(&mut frame).is_ok() {
            let (now, at) = (stamp_time(), seconds());
            let Some(made) = read_stamp(&frame) else {
                continue;
            };
            let age = now.saturating_sub(made) as f64 / 1e3;
            if arrived.send(Arrived { at, age }).is_err() {
                break;
            }
        }
    });
    frames
}
