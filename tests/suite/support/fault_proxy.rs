//! A bad network between two programs: a proxy that splits, delays, stalls and cuts. A module of
//! its own since several promises are tested through it.

use std::collections::VecDeque;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::PATIENCE;

/// What a long line holds in each direction: the proxy ends TCP, and what it took without bound
/// would be a queue that no line has. 50 Mbit/s for 40 ms.
const HELD: usize = 256 * 1024;

/// For the sockets of a long line, since the kernel's own buffers grow to megabytes.
const SOCKET_BUFFER: u32 = 64 * 1024;

/// What a proxy does to the bytes on their way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fault {
    /// From the sender, they come in pieces of at most so many bytes.
    pub pieces: Option<usize>,
    /// After so many bytes from the sender, no more come.
    pub stall_after: Option<usize>,
    /// After so many bytes from the sender, both connections are closed.
    pub cut_after: Option<usize>,
    /// Nothing passes in either direction for so long at first.
    pub delay: Duration,
    /// How long every byte is on its way, in each direction. It does not limit the rate below
    /// [`HELD`] in that time; a limit belongs between the sender and the proxy, where the sender
    /// feels it (`link.rs`).
    pub latency: Duration,
    /// All bytes are kept, in both directions.
    pub is_heard: bool,
}

/// A proxy on a thread of its own, which ends when this is dropped.
pub struct Proxy {
    address: SocketAddr,
    stalled: watch::Sender<bool>,
    /// In the order in which they were made.
    connections: Arc<Mutex<Vec<AbortHandle>>>,
    heard: Heard,
    closing: Closing,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What has passed, where it is kept.
type Heard = Arc<Mutex<Vec<u8>>>;

/// So many connections are still to be closed after their opening.
type Closing = Arc<AtomicUsize>;

impl Proxy {
    /// Between a viewer who connects to it and the sender at `port`, all on this machine.
    pub fn to(port: u16, fault: Fault) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        Self::between(listener, (Ipv4Addr::LOCALHOST, port).into(), fault)
    }

    /// Between whoever connects to `listener` and the sender at `sender`.
    pub fn between(listener: std::net::TcpListener, sender: SocketAddr, fault: Fault) -> Self {
        let address = listener.local_addr().expect("it is bound");
        listener.set_nonblocking(true).expect("it is a socket");
        let (stop, stopped) = oneshot::channel();
        let (stalled, is_stalled) = watch::channel(false);
        let connections = Arc::<Mutex<Vec<AbortHandle>>>::default();
        let made = Arc::clone(&connections);
        let heard = Heard::default();
        let hears = Arc::clone(&heard);
        let closing = Closing::default();
        let closes = Arc::clone(&closing);
        let thread = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("there is room for a runtime")
                .block_on(async {
                    let listener = TcpListener::from_std(listener).expect("it is a socket");
                    tokio::select! {
                        () = serve(listener, sender, fault, is_stalled, made, hears, closes) => {}
                        _ = stopped => {}
                    }
                });
        });
        Self {
            address,
            stalled,
            connections,
            heard,
            closing,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// What to give to `vidchat recv`.
    pub fn target(&self) -> String {
        self.address.to_string()
    }

    /// From now on nothing passes in either direction, not even an ending, and every connection
    /// stays open; or all goes on, and nothing is lost. What was passed on just before may still
    /// arrive.
    pub fn stall(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }

    /// Closes the next so many connections, each when its first bytes have come. They are not counted.
    pub fn close_openings(&self, count: usize) {
        self.closing.fetch_add(count, Relaxed);
    }

    /// How many connections are still to be closed after their opening.
    pub fn openings_to_close(&self) -> usize {
        self.closing.load(Relaxed)
    }

    /// How many connections were made so far.
    pub fn count(&self) -> usize {
        self.connections.lock().expect("no panic").len()
    }

    /// All bytes that have passed in either direction, piece by piece.
    pub fn heard(&self) -> Vec<u8> {
        self.heard.lock().expect("no panic").clone()
    }

    /// Closes the connection that was made after so many others.
    pub fn cut(&self, connection: usize) {
        self.connections.lock().expect("no panic")[connection].abort();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(
    listener: TcpListener,
    sender: SocketAddr,
    fault: Fault,
    mut stalled: watch::Receiver<bool>,
    made: Arc<Mutex<Vec<AbortHandle>>>,
    heard: Heard,
    closing: Closing,
) {
    while let Ok((mut viewer, _)) = listener.accept().await {
        // Whoever comes meanwhile hears nothing either.
        if stalled.wait_for(|stalled| !stalled).await.is_err() {
            return;
        }
        if closing.load(Relaxed) > 0 {
            let read = timeout(PATIENCE, viewer.read(&mut [0; 1024])).await;
            // One that said nothing had no opening.
            if read.is_ok_and(|read| read.is_ok_and(|count| count > 0)) {
                closing.fetch_sub(1, Relaxed);
            }
            continue;
        }
        if let Ok(sender) = connect(sender, fault).await {
            let heard = Arc::clone(&heard);
            let passing = tokio::spawn(pass(viewer, sender, fault, stalled.clone(), heard));
            made.lock().expect("no panic").push(passing.abort_handle());
        }
    }
}

async fn connect(sender: SocketAddr, fault: Fault) -> std::io::Result<TcpStream> {
    let socket = if sender.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if !fault.latency.is_zero() {
        // Before it connects, or the window that is told is larger.
        socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    }
    socket.connect(sender).await
}

async fn pass(
    viewer: TcpStream,
    sender: TcpStream,
    fault: Fault,
    stalled: watch::Receiver<bool>,
    heard: Heard,
) {
    let _ = viewer.set_nodelay(true);
    let _ = sender.set_nodelay(true);
    if !fault.latency.is_zero() {
        let _ = socket2::SockRef::from(&viewer).set_send_buffer_size(SOCKET_BUFFER as usize);
    }
    sleep(fault.delay).await;
    let (from_viewer, to_viewer) = viewer.into_split();
    let (from_sender, to_sender) = sender.into_split();
    let plain = Fault {
        latency: fault.latency,
        is_heard: fault.is_heard,
        ..Fault::default()
    };
    tokio::join!(
        one_way(from_viewer, to_sender, plain, stalled.clone(), &heard),
        one_way(from_sender, to_viewer, fault, stalled, &heard),
    );
}

/// Passes bytes on until an end, and then the end.
async fn one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    fault: Fault,
    mut stalled: watch::Receiver<bool>,
    heard: &Mutex<Vec<u8>>,
) {
    let mut buffer = vec![0; fault.pieces.unwrap_or(16 * 1024)];
    let mut left = fault.cut_after.or(fault.stall_after).unwrap_or(usize::MAX);
    let mut line: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut held = 0;
    let mut ended = left == 0;
    loop {
        let stands = *stalled.borrow_and_update();
        if ended && line.is_empty() && !stands {
            break;
        }
        let room = buffer.len().min(left);
        let due = line.front().map(|(due, _)| *due);
        tokio::select! {
            changed = stalled.changed() => {
                if changed.is_err() {
                    break;
                }
            }
            read = from.read(&mut buffer[..room]), if !ended && !stands && held < HELD => {
                let count = read.unwrap_or(0);
                left -= count;
                held += count;
                ended = count == 0 || left == 0;
                if fault.is_heard {
                    heard.lock().expect("no panic").extend_from_slice(&buffer[..count]);
                }
                if count > 0 {
                    line.push_back((Instant::now() + fault.latency, buffer[..count].to_vec()));
                }
            }
            () = until(due), if due.is_some() && !stands => {
                let (_, bytes) = line.pop_front().expect("it was the first to be due");
                held -= bytes.len();
                if to.write_all(&bytes).await.is_err() {
                    break;
                }
            }
        }
    }
    if fault.stall_after.is_some() {
        pending::<()>().await;
    }
    let _ = to.shutdown().await;
}

/// Without a look at the clock's next tick where it is due already: ticks are a millisecond.
async fn until(due: Option<Instant>) {
    if let Some(due) = due.filter(|due| *due > Instant::now()) {
        sleep_until(due).await;
    }
}

mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    use super::*;

    /// The two ends of a connection through a proxy: the sender's and the viewer's.
    fn ends(fault: Fault) -> (Proxy, TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap().port(), fault);
        let viewer = TcpStream::connect(proxy.address).unwrap();
        let sender = listener.accept().unwrap().0;
        for end in [&viewer, &sender] {
            end.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        (proxy, sender, viewer)
    }

    fn read_byte(mut from: &TcpStream) -> std::io::Result<u8> {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    #[test]
    fn a_proxy_makes_a_long_line_in_both_directions() {
        let latency = Duration::from_millis(80);
        let (_proxy, sender, viewer) = ends(Fault {
            latency,
            ..Fault::default()
        });
        for (mut from, to) in [(&sender, &viewer), (&viewer, &sender)] {
            let begun = Instant::now();
            from.write_all(&[7]).unwrap();
            assert_eq!(read_byte(to).unwrap(), 7);
            assert!(begun.elapsed() >= latency, "{:?}", begun.elapsed());
        }
    }

    #[test]
    fn a_long_line_holds_no_more_than_it_should() {
        // Nothing is due while this writes.
        let (_proxy, mut sender, _viewer) = ends(Fault {
            latency: PATIENCE * 100,
            ..Fault::default()
        });
        // So that the kernel holds little on this end.
        socket2::SockRef::from(&sender)
            .set_send_buffer_size(16 * 1024)
            .unwrap();
        sender.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut taken = 0;
        while taken < HELD {
            taken += sender.write(&[0; 4096]).expect("it takes so much");
        }
        // Time for what must not be taken.
        sender
            .set_write_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        while let Ok(count) = sender.write(&[0; 4096]) {
            taken += count;
            assert!(taken < 3 * HELD, "it takes everything");
        }
    }

    #[test]
    fn a_proxy_stalls_in_both_directions_when_it_is_told_to_and_goes_on() {
        let (proxy, mut sender, mut viewer) = ends(Fault::default());
        sender.write_all(&[1]).unwrap();
        assert_eq!(read_byte(&viewer).unwrap(), 1);
        proxy.stall(true);
        sender.write_all(&[2]).unwrap();
        viewer.write_all(&[3]).unwrap();
        sender.shutdown(std::net::Shutdown::Write).unwrap();
        for end in [&sender, &viewer] {
            end.set_read_timeout(Some(Duration::from_millis(200)))
                .unwrap();
            let error = read_byte(end).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            end.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        proxy.stall(false);
        assert_eq!(read_byte(&viewer).unwrap(), 2);
        assert_eq!(read_byte(&sender).unwrap(), 3);
        let error = read_byte(&viewer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
