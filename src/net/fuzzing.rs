//! Both ends of a connection within this process, for the fuzz targets. It is left out of every other
//! build.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use bytes::Buf;
use tokio::io::{AsyncWrite, AsyncWriteExt, DuplexStream, WriteHalf};
use tokio::sync::Notify;
use tokio::task::coop;

use super::receiver::connection::introduce_over;
use super::receiver::{ReceiveError, ReceiveOptions};
use super::sender::connection::attend;
use super::subnet::Subnet;
use super::transport::Transport;
use super::{Service, Sink, StreamStats, play};

/// Serves the viewer at the other end of `stream`, as a sender does, until it is gone.
pub async fn send(stream: DuplexStream, peer: SocketAddr, service: Arc<Service>) {
    let arrival = service
        .arrivals()
        .begin(Subnet::from(peer.ip()), usize::MAX);
    if let Some(arrival) = arrival {
        attend(Transport::Memory(stream), peer, arrival, service).await;
    }
}

/// Watches the sender at the other end of `stream`, as a receiver does, until the end.
pub async fn receive(
    stream: DuplexStream,
    options: &ReceiveOptions,
    stats: &StreamStats,
    sink: &mut impl Sink,
) -> ReceiveError {
    match introduce_over(Transport::Memory(stream), options).await {
        Ok(connection) => play(connection, options, stats, sink).await,
        Err(e) => e.into(),
    }
}

/// The half of a stream in memory that writes, with a wait for room as a socket has it.
#[derive(Debug)]
pub struct MemoryWriter {
    half: WriteHalf<DuplexStream>,
    room: Arc<Room>,
}

/// Wakes the writer when there may be room again.
#[derive(Debug)]
struct Room(Notify);

impl Wake for Room {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

impl From<WriteHalf<DuplexStream>> for MemoryWriter {
    fn from(half: WriteHalf<DuplexStream>) -> Self {
        let room = Arc::new(Room(Notify::new()));
        room.0.notify_one();
        Self { half, room }
    }
}

impl MemoryWriter {
    pub async fn ready(&self) {
        self.room.0.notified().await;
        // There is room until a write finds none.
        self.room.0.notify_one();
        // A task without budget is told that there is no room, and of room at once.
        coop::consume_budget().await;
    }

    pub fn try_write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        // This write tells of room anew.
        self.room = Arc::new(Room(Notify::new()));
        let waker = Waker::from(Arc::clone(&self.room));
        let mut context = Context::from_waker(&waker);
        match Pin::new(&mut self.half).poll_write_vectored(&mut context, parts) {
            Poll::Ready(written) => {
                self.room.0.notify_one();
                written
            }
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub async fn write_all(&mut self, bytes: &mut impl Buf) -> io::Result<()> {
        self.half.write_all_buf(bytes).await
    }

    pub async fn finish(&mut self) -> io::Result<()> {
        self.half.shutdown().await
    }
}
