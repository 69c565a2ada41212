//! Writing to a stream in the memory of this process, for the fuzz targets: with a wait for room, as a
//! socket has it and Tokio's stream has not.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use bytes::Buf;
use tokio::io::{AsyncWrite, AsyncWriteExt, DuplexStream, WriteHalf};
use tokio::sync::Notify;
use tokio::task::coop;

/// The half of a stream that writes.
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
    /// Waits for room. A write may still find none.
    pub async fn ready(&self) {
        self.room.0.notified().await;
        // There is room until a write finds none.
        self.room.0.notify_one();
        // A task without budget is told that there is no room, and of room at once.
        coop::consume_budget().await;
    }

    /// Writes as much as there is room for now.
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

    /// Writes all of `bytes`.
    pub async fn write_all(&mut self, bytes: &mut impl Buf) -> io::Result<()> {
        self.half.write_all_buf(bytes).await
    }

    /// Ends the stream.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.half.shutdown().await
    }
}
