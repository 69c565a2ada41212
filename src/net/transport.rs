//! A connection for the code that reads and writes messages: a byte stream in each direction.
//!
//! Plain TCP is one kind, and an encrypted channel over TCP another. Both halves are enums and not
//! trait objects, so a write costs no more than its system call.
//!
//! A newer frame may replace a frame until the first byte of that has left. So
//! [`TransportWriter::try_write`] takes the parts of a message now or not at all. A kind that
//! encrypts does so there, and never in advance.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::prefetch::prefetch;
use super::secure::{
    HandshakeLimits, MediaKeys, Refused, SealedReader, SealedStream, SealedWriter, Secret, Unsafe,
    admit, prove,
};
use super::socket;
use crate::frame::Frame;

/// A connection, before anything was read or written.
#[derive(Debug)]
pub enum Transport {
    /// Unencrypted TCP.
    Plain(TcpStream),
    /// Encrypted TCP.
    Sealed(SealedStream),
    /// The memory of this process, for fuzzing.
    #[cfg(fuzzing)]
    Memory(tokio::io::DuplexStream),
}

/// The half that reads.
#[derive(Debug)]
pub enum TransportReader {
    /// Unencrypted TCP.
    Plain(OwnedReadHalf),
    /// Encrypted TCP.
    Sealed(SealedReader<OwnedReadHalf>),
    /// The memory of this process.
    #[cfg(fuzzing)]
    Memory(tokio::io::ReadHalf<tokio::io::DuplexStream>),
}

/// The half that writes. Dropping it ends the stream for the other side.
#[derive(Debug)]
pub enum TransportWriter {
    /// Unencrypted TCP.
    Plain(OwnedWriteHalf),
    /// Encrypted TCP.
    Sealed(SealedWriter),
    /// It is lent to somebody who gives it back before anything is written here.
    Lent,
    /// The memory of this process.
    #[cfg(fuzzing)]
    Memory(super::memory_writer::MemoryWriter),
}

impl Transport {
    /// A plain TCP connection, with the options of every connection.
    pub fn plain(stream: TcpStream) -> Self {
        socket::prepare(&stream);
        Self::Plain(stream)
    }

    /// The same connection, encrypted, where `secret` is given. This side has made it, and proves the
    /// secret first.
    ///
    /// # Errors
    /// The other side does not have the secret.
    pub async fn proved(self, secret: Option<&Secret>) -> Result<Self, Unsafe> {
        match (self, secret) {
            (Self::Plain(stream), Some(secret)) => prove(stream, secret).await.map(Self::Sealed),
            (transport, _) => Ok(transport),
        }
    }

    /// The same connection, encrypted, where `secret` is given. The other side has made it.
    ///
    /// # Errors
    /// The other side does not prove the secret. It is told nothing.
    pub async fn admitted(
        self,
        peer: SocketAddr,
        secret: Option<&Secret>,
        limits: &HandshakeLimits,
    ) -> Result<Self, Refused> {
        match (self, secret) {
            (Self::Plain(stream), Some(secret)) => {
                let sealed = admit(stream, peer, secret, limits).await;
                sealed.map(Self::Sealed)
            }
            (transport, _) => Ok(transport),
        }
    }

    /// The other side's address.
    ///
    /// # Errors
    /// The system's error: the connection is gone.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Plain(stream) => stream.peer_addr(),
            Self::Sealed(stream) => stream.tcp().peer_addr(),
            #[cfg(fuzzing)]
            Self::Memory(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Both halves, each with an owner of its own.
    pub fn split(self) -> (TransportReader, TransportWriter) {
        match self {
            Self::Plain(stream) => {
                let (read, write) = stream.into_split();
                (TransportReader::Plain(read), TransportWriter::Plain(write))
            }
            Self::Sealed(stream) => {
                let (read, write) = stream.split();
                (
                    TransportReader::Sealed(read),
                    TransportWriter::Sealed(write),
                )
            }
            #[cfg(fuzzing)]
            Self::Memory(stream) => {
                let (read, write) = tokio::io::split(stream);
                (
                    TransportReader::Memory(read),
                    TransportWriter::Memory(write.into()),
                )
            }
        }
    }
}

impl AsyncRead for TransportReader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(half) => Pin::new(half).poll_read(context, room),
            Self::Sealed(half) => Pin::new(half).poll_read(context, room),
            #[cfg(fuzzing)]
            Self::Memory(half) => Pin::new(half).poll_read(context, room),
        }
    }
}

impl TransportWriter {
    /// Waits until the connection can be written to. A write may still find no room.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn ready(&self) -> io::Result<()> {
        match self {
            Self::Plain(half) => half.writable().await,
            Self::Sealed(half) => half.ready().await,
            Self::Lent => Err(lent()),
            #[cfg(fuzzing)]
            Self::Memory(half) => {
                half.ready().await;
                Ok(())
            }
        }
    }

    /// Writes as much of a message's parts as there is room for now. Returns the number of bytes
    /// written.
    ///
    /// # Errors
    /// `WouldBlock` where there is no room and nothing was written, or the connection failed.
    pub fn try_write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(half) => half.try_write_vectored(parts),
            Self::Sealed(half) => half.try_write(parts),
            Self::Lent => Err(lent()),
            #[cfg(fuzzing)]
            Self::Memory(half) => half.try_write(parts),
        }
    }

    /// Writes as much of a frame, with its head and what comes after it, as there is room for now. An
    /// encrypted connection may seal it together with those of other viewers, unless it is
    /// `paced`: such a frame is sealed in small parts. Returns the number of bytes written.
    ///
    /// # Errors
    /// `WouldBlock` where there is no room and nothing was written, or the connection failed.
    pub fn try_write_frame(
        &mut self,
        head: &[u8],
        frame: &Frame,
        tail: &[u8],
        is_paced: bool,
        now: Instant,
    ) -> io::Result<usize> {
        if let Self::Sealed(half) = self
            && tail.is_empty()
            && !is_paced
        {
            return half.try_write_frame(head, frame, now);
        }
        let parts = [head, &frame.data, tail].map(IoSlice::new);
        // An empty part would cost a little in every call.
        self.try_write(&parts[..if tail.is_empty() { 2 } else { 3 }])
    }

    /// Has the frames of an encrypted connection sealed once for all viewers that have these keys.
    pub fn share(&mut self, keys: impl FnOnce() -> Arc<MediaKeys>) {
        if let Self::Sealed(half) = self {
            half.share(keys());
        }
    }

    /// Writes all of `bytes`, however long that takes.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn write_all(&mut self, bytes: &mut impl Buf) -> io::Result<()> {
        match self {
            Self::Plain(half) => half.write_all_buf(bytes).await,
            Self::Sealed(half) => half.write_all(bytes).await,
            Self::Lent => Err(lent()),
            #[cfg(fuzzing)]
            Self::Memory(half) => half.write_all(bytes).await,
        }
    }

    /// Asks the processor for the memory that the next write will need, so many pointers away.
    pub fn prefetch(&self, pointers: usize) {
        let stream = match self {
            Self::Plain(half) => half.as_ref(),
            Self::Sealed(half) => {
                half.prefetch(pointers);
                half.tcp()
            }
            Self::Lent => return,
            #[cfg(fuzzing)]
            Self::Memory(_) => return,
        };
        match pointers {
            1 => prefetch(stream),
            // The runtime's note of what the socket is ready for. To ask is the only way to have it read.
            _ => drop(stream.try_io(Interest::WRITABLE, || Ok(()))),
        }
    }

    /// Ends the outgoing stream. The other half still reads.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(half) => half.shutdown().await,
            Self::Sealed(half) => half.finish().await,
            Self::Lent => Err(lent()),
            #[cfg(fuzzing)]
            Self::Memory(half) => half.finish().await,
        }
    }
}

fn lent() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the connection is lent")
}
