//! A connection as the code that reads and writes messages knows it: bytes in order, both ways.
//!
//! Plain TCP is one kind. A channel that seals its bytes is another: it has the same few verbs, and
//! each `match` here is a place for it. Both halves are enums and no trait objects, so a write costs no
//! more than its system call.
//!
//! A newer frame may take the place of one until its first byte has left. So [`TransportWriter::try_write`]
//! takes the parts of a message now or not at all. A kind that seals does it there, when the socket has
//! room, and never ahead of time.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::socket;

/// A connection, before anything was read or written.
#[derive(Debug)]
pub enum Transport {
    /// TCP as it is.
    Plain(TcpStream),
}

/// The half that reads.
#[derive(Debug)]
pub enum TransportReader {
    /// TCP as it is.
    Plain(OwnedReadHalf),
}

/// The half that writes. The other side reads an end when it is dropped.
#[derive(Debug)]
pub enum TransportWriter {
    /// TCP as it is.
    Plain(OwnedWriteHalf),
}

impl Transport {
    /// TCP as it is, with the options that every connection needs.
    pub fn plain(stream: TcpStream) -> Self {
        socket::prepare(&stream);
        Self::Plain(stream)
    }

    /// The other side's address.
    ///
    /// # Errors
    /// The system's: the connection is gone.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Plain(stream) => stream.peer_addr(),
        }
    }

    /// Both halves, each with an owner of its own.
    pub fn split(self) -> (TransportReader, TransportWriter) {
        match self {
            Self::Plain(stream) => {
                let (read, write) = stream.into_split();
                (TransportReader::Plain(read), TransportWriter::Plain(write))
            }
        }
    }
}

impl TransportReader {
    /// Reads until the other side ends, for nobody.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn drain(&mut self) -> io::Result<()> {
        let mut scrap = [0; 1024];
        while self.read(&mut scrap).await? > 0 {}
        Ok(())
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
        }
    }
}

impl TransportWriter {
    /// Waits until the other side may be written to. It may be too early all the same.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn ready(&self) -> io::Result<()> {
        match self {
            Self::Plain(half) => half.writable().await,
        }
    }

    /// Writes the parts of a message now, as far as there is room, and returns how many bytes that
    /// was.
    ///
    /// # Errors
    /// `WouldBlock` where there is no room, and nothing was written; or the connection failed.
    pub fn try_write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(half) => half.try_write_vectored(parts),
        }
    }

    /// Writes all of `bytes`, however long that takes.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn write_all(&mut self, bytes: &mut impl Buf) -> io::Result<()> {
        match self {
            Self::Plain(half) => half.write_all_buf(bytes).await,
        }
    }

    /// Says that nothing more will be written. The other half still reads.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(half) => half.shutdown().await,
        }
    }
}
