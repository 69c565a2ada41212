//! The drain's reading: one thread, one `epoll` for many connections or a blocking read for one.
//! Apart from `drain` so that what is asked and answered can be read without how.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};
use rustix::time::Timespec;

use super::Greet;
use super::meter::{self, Clock};
use super::spec::{Body, Framing, Report, Spec};

/// Length prefix and frame header, read in one go as the floor's receiver does.
const HEAD: usize = PREFIX + HEADER;
const PREFIX: usize = 8;
const HEADER: usize = 24;

/// Bytes asked for at most in one read. With [`Body::Discard`] none of it is ever touched.
const SCRATCH: usize = 1 << 20;

/// How long one wait lasts at most, so that the clock is looked at.
const WAIT: Duration = Duration::from_millis(100);

/// All connections of a drain.
pub struct Viewers {
    connections: Vec<Connection>,
    /// `None` for a single connection, which blocks: one system call less a read.
    epoll: Option<OwnedFd>,
    events: Vec<epoll::Event>,
    scratch: Vec<u8>,
    /// From one look at the connections to the next.
    pause: Duration,
    /// Stamp to last byte, in ns, since `begin`.
    latencies: Vec<u64>,
    counting: bool,
}

impl Viewers {
    /// Connects them all and greets on each.
    pub fn connect(spec: &Spec, greet: Greet) -> io::Result<Self> {
        meter::allow_files(spec.connections + 32)?;
        let epoll = match spec.connections {
            1 => None,
            _ => Some(epoll::create(epoll::CreateFlags::CLOEXEC)?),
        };
        let mut connections = Vec::with_capacity(spec.connections);
        let patience = Instant::now() + Duration::from_secs(10);
        for index in 0..spec.connections {
            let mut stream = connect(spec.address, patience)?;
            greet(&mut stream, spec)?;
            // A greeting of several messages leaves the kernel with late acknowledgements, which it then
            // sends at a later frame, at the cost of the sender. Without that each read sends its own.
            sockopt::set_tcp_quickack(&stream, true)?;
            if let Some(epoll) = &epoll {
                stream.set_nonblocking(true)?;
                let data = epoll::EventData::new_u64(index as u64);
                epoll::add(epoll, &stream, data, epoll::EventFlags::IN)?;
            } else {
                stream.set_read_timeout(Some(WAIT))?;
            }
            connections.push(Connection::new(stream, spec));
        }
        let events = Vec::with_capacity(spec.connections.min(256));
        let scratch = vec![0; SCRATCH];
        Ok(Self {
            connections,
            epoll,
            events,
            scratch,
            pause: Duration::from_secs_f64(spec.pause),
            latencies: Vec::new(),
            counting: false,
        })
    }

    /// Whether every connection has had a frame.
    pub fn all_served(&self) -> bool {
        self.unserved() == 0
    }

    /// How many connections have had no frame.
    pub fn unserved(&self) -> usize {
        self.connections
            .iter()
            .filter(|connection| connection.frames() == 0)
            .count()
    }

    /// Reads whatever comes until `end`.
    pub fn read(&mut self, end: Instant) -> io::Result<()> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let Some(epoll) = &self.epoll else {
                if !self.connections[0].open {
                    return Ok(());
                }
                self.pump(0)?;
                continue;
            };
            let wait = left.min(WAIT);
            let wait = Timespec {
                tv_sec: wait.as_secs() as i64,
                tv_nsec: i64::from(wait.subsec_nanos()),
            };
            let room = rustix::buffer::spare_capacity(&mut self.events);
            match epoll::wait(epoll, room, Some(&wait)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for index in 0..self.events.len() {
                let connection = self.events[index].data.u64();
                self.pump(connection as usize)?;
            }
            let are_all = self.events.len() < self.events.capacity();
            self.events.clear();
            if are_all && !self.pause.is_zero() {
                thread::sleep(self.pause.min(left));
            }
        }
    }

    /// From here on it counts.
    pub fn begin(&mut self) {
        self.counting = true;
        for connection in &mut self.connections {
            connection.before = connection.frames();
        }
    }

    /// What was counted since `begin`.
    pub fn report(&mut self, seconds: Duration, cpu: Duration) -> Report {
        let frames = || self.connections.iter().map(|c| c.frames() - c.before);
        let latency = meter::percentiles(&mut self.latencies).map(|p| p.map(|ns| ns as f64 / 1e3));
        Report {
            connections: self.connections.len(),
            closed: self
                .connections
                .iter()
                .filter(|connection| !connection.open)
                .count(),
            frames_min: frames().min().unwrap_or(0),
            frames_mean: frames().sum::<u64>() as f64 / self.connections.len() as f64,
            seconds: seconds.as_secs_f64(),
            cpu_seconds: cpu.as_secs_f64(),
            latency,
        }
    }

    fn pump(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        let stamp = connection.pump(&mut self.scratch)?;
        if let (Some((clock, stamp)), true) = (stamp, self.counting) {
            self.latencies.push(clock.now().saturating_sub(stamp));
        }
        if let (false, Some(epoll)) = (connection.open, &self.epoll) {
            // Or a closed connection would be ready for ever.
            epoll::delete(epoll, &connection.stream)?;
        }
        Ok(())
    }
}

/// One viewer.
struct Connection {
    stream: TcpStream,
    framing: Framing,
    body: Body,
    head: [u8; HEAD],
    /// Bytes of `head` that are filled.
    filled: usize,
    /// Bytes of the message that are still to come after its head.
    left: u64,
    /// The message is a frame.
    is_frame: bool,
    /// Whole frames or, with [`Framing::Bytes`], bytes.
    count: u64,
    /// Frames when counting began.
    before: u64,
    open: bool,
}

impl Connection {
    fn new(stream: TcpStream, spec: &Spec) -> Self {
        Self {
            stream,
            framing: spec.framing,
            body: spec.body,
            head: [0; HEAD],
            filled: 0,
            left: 0,
            is_frame: false,
            count: 0,
            before: 0,
            open: true,
        }
    }

    fn frames(&self) -> u64 {
        match self.framing {
            Framing::Messages { .. } => self.count,
            Framing::Bytes { frame } => self.count / frame,
        }
    }

    /// Reads until a message is whole or there is nothing more, and returns a whole frame's stamp.
    fn pump(&mut self, scratch: &mut [u8]) -> io::Result<Option<(Clock, u64)>> {
        let Framing::Messages { stamp } = self.framing else {
            self.count += self.discard(u64::MAX, scratch)?.unwrap_or(0) as u64;
            return Ok(None);
        };
        if self.left == 0 && !self.read_head()? {
            return Ok(None);
        }
        while self.left > 0 {
            match self.discard(self.left, scratch)? {
                Some(got) => self.left -= got as u64,
                None => return Ok(None),
            }
        }
        self.count += u64::from(self.is_frame);
        Ok(stamp
            .filter(|_| self.is_frame)
            .map(|clock| (clock, number(&self.head, PREFIX + 16))))
    }

    /// Reads towards a head and says whether a message's body is next. A message can be shorter
    /// than a frame's header; what was read of the one after it is kept.
    fn read_head(&mut self) -> io::Result<bool> {
        let next = if self.filled == HEAD { 0 } else { self.filled };
        let got = receive(&self.stream, &mut self.head[next..], RecvFlags::empty());
        let Some(got) = self.settle(got)? else {
            return Ok(false);
        };
        self.filled = next + got;
        while self.filled >= PREFIX {
            let length = number(&self.head, 0);
            if length >= HEADER as u64 {
                break;
            }
            let whole = PREFIX + length as usize;
            if self.filled < whole {
                return Ok(false);
            }
            self.head.copy_within(whole..self.filled, 0);
            self.filled -= whole;
        }
        if self.filled < HEAD {
            return Ok(false);
        }
        self.left = number(&self.head, 0) - HEADER as u64;
        self.is_frame = self.head[PREFIX] == 1;
        Ok(true)
    }

    /// Gets rid of up to `most` bytes; `None` when there are none now.
    fn discard(&mut self, most: u64, scratch: &mut [u8]) -> io::Result<Option<usize>> {
        let most = usize::try_from(most)
            .unwrap_or(usize::MAX)
            .min(scratch.len());
        let flags = match self.body {
            Body::Copy => RecvFlags::empty(),
            Body::Discard => RecvFlags::TRUNC,
        };
        let got = receive(&self.stream, &mut scratch[..most], flags);
        self.settle(got)
    }

    /// Sorts out what a read said: bytes, nothing now, or closed (noted, then nothing ever).
    fn settle(&mut self, got: Result<usize, Errno>) -> io::Result<Option<usize>> {
        match got {
            Ok(0) | Err(Errno::CONNRESET) => {
                self.open = false;
                Ok(None)
            }
            Ok(got) => Ok(Some(got)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Connects, and waits a little for it to be accepted: some servers' listen queue holds no more
/// than five, and the kernel comes back to what that one has dropped only after whole seconds.
fn connect(address: SocketAddr, patience: Instant) -> io::Result<TcpStream> {
    loop {
        match TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            Ok(stream) => {
                thread::sleep(Duration::from_millis(1));
                return Ok(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut && Instant::now() < patience => {}
            Err(error) => return Err(error),
        }
    }
}

fn receive(stream: &TcpStream, buffer: &mut [u8], flags: RecvFlags) -> Result<usize, Errno> {
    recv(stream, buffer, flags).map(|(_, got)| got)
}

fn number(bytes: &[u8; HEAD], at: usize) -> u64 {
    // Both places it is asked for are whole inside HEAD bytes.
    bytes[at..at + 8]
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
