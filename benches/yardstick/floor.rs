//! The floor: a sender that does the system calls and nothing else, with the same bytes on the
//! wire as vidchat. What vidchat costs above it is vidchat's; what the floor costs is TCP's.
//!
//! Each load runs in a thread here and is read by a drain in another process.

use std::io::{self, IoSlice, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::time::Timespec;

use super::FPS;
use super::drain::{self, Measured};
use super::meter::{self, Clock};
use super::spec::{Framing, Spec};

/// Length prefix and frame header, in bytes.
pub const HEAD: usize = 32;

/// How long the sender waits for its viewers.
const PATIENCE: Duration = Duration::from_secs(10);

/// One viewer as fast as it goes: blocking `writev` of head and `payload` bytes against two reads.
/// `report.fps_mean()` is the figure.
///
/// # Errors
/// Those of the sockets and the drain.
pub fn throughput(payload: usize, seconds: f64) -> io::Result<Measured> {
    with_sender(
        move |listener, stop| {
            let stream = accept(&listener, 1)?.remove(0);
            stream.set_nonblocking(false)?;
            let payload = vec![0x80; payload];
            let mut sequence = 0;
            while !stop.load(Ordering::Relaxed) {
                write_all(&stream, &head(payload.len(), sequence, 0), &payload)?;
                sequence = sequence.wrapping_add(1);
            }
            Ok(())
        },
        |address| Spec::one(address, seconds),
    )
}

/// Frame in → frame out at 30 fps, one viewer: from just before the `writev` to the last byte read
/// in the other process. `report.latency` is the figure (µs).
///
/// # Errors
/// Those of the sockets and the drain.
pub fn latency(payload: usize, seconds: f64) -> io::Result<Measured> {
    with_sender(
        move |listener, stop| {
            let stream = accept(&listener, 1)?.remove(0);
            stream.set_nonblocking(false)?;
            let payload = vec![0x80; payload];
            let (start, mut sequence) = (Instant::now(), 0);
            while !stop.load(Ordering::Relaxed) {
                let stamp = Clock::Monotonic.now();
                write_all(&stream, &head(payload.len(), sequence, stamp), &payload)?;
                sequence += 1;
                thread::sleep((start + tick(sequence)).saturating_duration_since(Instant::now()));
            }
            Ok(())
        },
        |address| Spec {
            framing: stamped(),
            ..Spec::one(address, seconds)
        },
    )
}

/// `viewers` at 30 fps of `payload` bytes, from one thread with non-blocking sockets and `epoll`; a
/// viewer that still has a frame under way at the next tick skips one. `cpu_per_frame()`,
/// `report.fps_min()` and `report.fps_mean()` are the figures.
///
/// # Errors
/// Those of the sockets and the drain, or too low a limit of open files.
pub fn fan_out(viewers: usize, payload: usize, seconds: f64) -> io::Result<Measured> {
    meter::allow_files(viewers + 32)?;
    with_sender(
        move |listener, stop| FanOut::new(accept(&listener, viewers)?, payload)?.run(&stop),
        |address| Spec {
            framing: stamped(),
            ..Spec::many(address, viewers, seconds)
        },
    )
}

/// The 32 bytes before a frame of `payload` bytes: the message's length, then vidchat's header,
/// key frame of stream 0, pts 0, captured at `stamp` (ns).
pub fn head(payload: usize, sequence: u32, stamp: u64) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&((HEAD - 8 + payload) as u64).to_le_bytes());
    head[8..10].copy_from_slice(&[1, 1]);
    head[12..16].copy_from_slice(&sequence.to_le_bytes());
    head[24..].copy_from_slice(&stamp.to_le_bytes());
    head
}

/// Runs `send` in a thread on a free port of 127.0.0.1 while a drain reads from it. This process
/// does nothing else meanwhile, so that its processor time is the sender's.
fn with_sender(
    send: impl FnOnce(TcpListener, Arc<AtomicBool>) -> io::Result<()> + Send + 'static,
    spec: impl FnOnce(SocketAddr) -> Spec,
) -> io::Result<Measured> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let spec = spec(listener.local_addr()?);
    let stop = Arc::new(AtomicBool::new(false));
    let sender = {
        let stop = Arc::clone(&stop);
        thread::Builder::new()
            .name("floor".into())
            .spawn(move || send(listener, stop))?
    };
    let measured = drain::measure(&spec, || Ok(meter::own_cpu()));
    stop.store(true, Ordering::Relaxed);
    let sent = sender
        .join()
        .map_err(|_| io::Error::other("the floor's sender panicked"))?;
    match sent {
        // The drain goes away in mid-frame: that is how it ends.
        Err(error) if !is_gone(&error) => Err(error),
        _ => measured,
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

fn stamped() -> Framing {
    Framing::Messages {
        stamp: Some(Clock::Monotonic),
    }
}

/// When frame `sequence` is due, from the start.
fn tick(sequence: u32) -> Duration {
    Duration::from_secs(1) * sequence / FPS
}

/// Waits for `count` viewers, who come all at once; their sockets do not block.
fn accept(listener: &TcpListener, count: usize) -> io::Result<Vec<TcpStream>> {
    listener.set_nonblocking(true)?;
    let patience = Instant::now() + PATIENCE;
    let mut streams = Vec::with_capacity(count);
    while streams.len() < count {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                streams.push(stream);
            }
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Err(_) if Instant::now() > patience => {
                return Err(io::Error::other(format!(
                    "{} of {count} viewers came",
                    streams.len()
                )));
            }
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
    Ok(streams)
}

/// Both parts whole, in as few `writev` as the socket allows.
fn write_all(mut stream: &TcpStream, head: &[u8; HEAD], payload: &[u8]) -> io::Result<()> {
    let mut sent = 0;
    while sent < HEAD + payload.len() {
        let parts = [
            IoSlice::new(&head[sent.min(HEAD)..]),
            IoSlice::new(&payload[sent.saturating_sub(HEAD)..]),
        ];
        sent += stream.write_vectored(&parts)?;
    }
    Ok(())
}

/// The fan-out's sender.
struct FanOut {
    viewers: Vec<Viewer>,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    payload: Vec<u8>,
}

/// One viewer's socket and the frame under way on it.
struct Viewer {
    stream: TcpStream,
    head: [u8; HEAD],
    /// Bytes of head and payload that the socket has taken; all of them when none is under way.
    sent: usize,
}

impl FanOut {
    fn new(streams: Vec<TcpStream>, payload: usize) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (index, stream) in streams.iter().enumerate() {
            // Edge-triggered and for good: a socket that is never full costs nothing more.
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(
                &epoll,
                stream,
                data,
                epoll::EventFlags::OUT | epoll::EventFlags::ET,
            )?;
        }
        let sent = HEAD + payload;
        let viewers = streams
            .into_iter()
            .map(|stream| Viewer {
                stream,
                head: [0; HEAD],
                sent,
            })
            .collect();
        Ok(Self {
            viewers,
            epoll,
            events: Vec::with_capacity(256),
            payload: vec![0x80; payload],
        })
    }

    fn run(mut self, stop: &AtomicBool) -> io::Result<()> {
        let (start, mut sequence) = (Instant::now(), 0);
        while !stop.load(Ordering::Relaxed) {
            let head = head(self.payload.len(), sequence, Clock::Monotonic.now());
            for viewer in &mut self.viewers {
                viewer.offer(&head, &self.payload)?;
            }
            sequence += 1;
            // Ticks that the sending itself has used up: the newest is sent at once, those before
            // it are left out, as a camera's would be.
            while start + tick(sequence + 1) <= Instant::now() {
                sequence += 1;
            }
            self.finish_until(start + tick(sequence))?;
        }
        Ok(())
    }

    /// Sends what is left over wherever there is room again.
    fn finish_until(&mut self, end: Instant) -> io::Result<()> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let wait = Timespec {
                tv_sec: 0,
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            let room = rustix::buffer::spare_capacity(&mut self.events);
            match epoll::wait(&self.epoll, room, Some(&wait)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in self.events.drain(..) {
                let index = event.data.u64();
                self.viewers[index as usize].go_on(&self.payload)?;
            }
        }
    }
}

impl Viewer {
    /// Takes a new frame unless one has been begun.
    fn offer(&mut self, head: &[u8; HEAD], payload: &[u8]) -> io::Result<()> {
        if self.sent == 0 || self.sent == HEAD + payload.len() {
            self.head = *head;
            self.sent = 0;
            self.go_on(payload)?;
        }
        Ok(())
    }

    /// Sends until the frame is whole or the socket is full. A short write means full: trying
    /// again at once would be a system call for nothing.
    fn go_on(&mut self, payload: &[u8]) -> io::Result<()> {
        if self.sent == HEAD + payload.len() {
            return Ok(());
        }
        let parts = [
            IoSlice::new(&self.head[self.sent.min(HEAD)..]),
            IoSlice::new(&payload[self.sent.saturating_sub(HEAD)..]),
        ];
        match self.stream.write_vectored(&parts) {
            Ok(sent) => self.sent += sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
