//! An encrypted connection over TCP: the half that reads and the half that writes.
//!
//! A newer frame may replace a frame until the first byte of that has left. So records of which the
//! socket has taken nothing are taken back, and others get their numbers. Once a byte of a record has
//! left, the rest of it is kept, and leaves before anything else.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::coop;

use super::handshake::Channel;
use super::media_key::{MediaKey, MediaKeys, MediaMember, NoKey, PART_LIMIT};
use super::noise::{TAG_BYTES, Unreadable};
use super::record::{LENGTH_BYTES, Mark, Opened, Opener, PLAIN_LIMIT, Sealer, SharedParts};
use crate::frame::Frame;

/// The least and the most bytes that are sealed for one write. It grows while the socket takes all of
/// them, so a fast viewer's frame leaves in one write, and a slow viewer holds little memory.
const LEAST_BATCH: usize = PLAIN_LIMIT;
const MOST_BATCH: usize = 8 * PLAIN_LIMIT;
/// The first and the largest size of the memory for records that were read. It doubles when it was full.
const FIRST_READ: usize = 4 * 1024;
const MOST_READ: usize = 2 * PART_LIMIT;

thread_local! {
    /// The records of one write. All connections of a thread use the same memory, which stays in the
    /// processor's cache.
    static SEALED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A TCP connection after the handshake.
#[derive(Debug)]
pub struct SealedStream {
    stream: TcpStream,
    channel: Channel,
}

impl SealedStream {
    /// The connection over which `channel` was agreed on.
    pub fn new(stream: TcpStream, channel: Channel) -> Self {
        Self { stream, channel }
    }

    /// The connection below.
    pub fn tcp(&self) -> &TcpStream {
        &self.stream
    }

    /// Both halves, each with an owner of its own.
    pub fn split(self) -> (SealedReader<OwnedReadHalf>, SealedWriter) {
        let (read, write) = self.stream.into_split();
        let opener = Opener::new(self.channel.receiving);
        let sealer = Sealer::new(self.channel.sending, Instant::now());
        (
            SealedReader::new(read, opener),
            SealedWriter::new(write, sealer),
        )
    }
}

/// Reads and opens the records of the other side.
#[derive(Debug)]
pub struct SealedReader<R> {
    stream: R,
    opener: Opener,
    /// Bytes that were read: those from `start` to `end` were not opened yet.
    records: Vec<u8>,
    start: usize,
    end: usize,
    /// Opened bytes that the caller had no room for, from `plain_start` on.
    plain: Vec<u8>,
    plain_start: usize,
    /// The parts of a frame that come next, without records.
    parts: Option<SharedParts>,
    /// Opened bytes from `start` on: those of a part, which is opened in place.
    part: usize,
}

impl<R> SealedReader<R> {
    pub(super) fn new(stream: R, opener: Opener) -> Self {
        Self {
            stream,
            opener,
            records: Vec::new(),
            start: 0,
            end: 0,
            plain: Vec::new(),
            plain_start: 0,
            parts: None,
            part: 0,
        }
    }

    /// Opens the next record or part, if all of it is there. Returns whether there was one.
    fn open(&mut self, room: &mut ReadBuf<'_>) -> io::Result<bool> {
        let read = &mut self.records[self.start..self.end];
        if let Some(parts) = &mut self.parts {
            let Some(part) = read.get_mut(..parts.next_length()) else {
                return Ok(false);
            };
            self.part = self.opener.open_part(parts, part).map_err(altered)?;
            self.parts.take_if(|parts| parts.is_over());
            return Ok(true);
        }
        let record = Opener::length(read).and_then(|length| read.get(..length));
        let Some(record) = record else {
            return Ok(false);
        };
        let sealed = record.len() - LENGTH_BYTES;
        // It goes straight into `room` where that is long enough, unless only a part of it is for the
        // caller.
        if room.remaining() >= sealed && !Opener::is_shared(record) {
            let out = room.initialize_unfilled_to(sealed);
            if let Opened::Plain(count) = self.opener.open(record, out).map_err(altered)? {
                room.advance(count);
            }
        } else {
            self.plain.resize(sealed, 0);
            let opened = self.opener.open(record, &mut self.plain);
            let (plain, error) = match opened {
                Ok(Opened::Plain(count)) => (0..count, None),
                Ok(Opened::Shared(plain, parts)) => {
                    self.parts = Some(parts);
                    (plain, None)
                }
                Ok(Opened::NewKey) => (0..0, None),
                Err(unreadable) => (0..0, Some(altered(unreadable))),
            };
            self.plain.truncate(plain.end);
            self.plain_start = plain.start;
            if let Some(error) = error {
                return Err(error);
            }
        }
        self.start += record.len();
        Ok(true)
    }

    /// Gives the caller what was opened before. Returns whether there was anything.
    fn give(&mut self, room: &mut ReadBuf<'_>) -> bool {
        let left = &self.plain[self.plain_start..];
        let count = left.len().min(room.remaining());
        room.put_slice(&left[..count]);
        self.plain_start += count;
        let part = self.part.min(room.remaining());
        room.put_slice(&self.records[self.start..self.start + part]);
        (self.start, self.part) = (self.start + part, self.part - part);
        if part > 0 && self.part == 0 {
            self.start += TAG_BYTES;
        }
        count + part > 0
    }

    /// Makes room behind the bytes that were read, for a whole record at least.
    fn make_room(&mut self) {
        let was_full = self.end == self.records.len();
        self.records.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let needed = match &self.parts {
            Some(parts) => parts.next_length(),
            None => Opener::length(&self.records[..self.end]).unwrap_or(LENGTH_BYTES),
        };
        let size = if was_full {
            (2 * self.records.len()).clamp(FIRST_READ, MOST_READ)
        } else {
            self.records.len()
        };
        let size = size.max(needed);
        self.records
            .reserve_exact(size.saturating_sub(self.records.len()));
        self.records.resize(size, 0);
    }
}

#[cfg(test)]
impl SealedWriter {
    /// Has a new key come before the next record.
    pub(super) fn use_up_key(&mut self) {
        self.sealer.use_up_key();
    }
}

#[cfg(test)]
impl<R> SealedReader<R> {
    /// The memory that it holds, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.records.capacity() + self.kept()
    }

    /// The memory for opened bytes that the caller has no room for, in bytes.
    pub(super) fn kept(&self) -> usize {
        self.plain.capacity()
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for SealedReader<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = room.filled().len();
        loop {
            // Whatever was opened before an error is whole, and goes first.
            if this.give(room) || room.filled().len() > before || room.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            // A new key opens to nothing.
            if this.open(room)? {
                continue;
            }
            this.make_room();
            let mut space = ReadBuf::new(&mut this.records[this.end..]);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut space))?;
            match space.filled().len() {
                0 if this.end == 0 && this.parts.is_none() => return Poll::Ready(Ok(())),
                0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                count => this.end += count,
            }
        }
    }
}

/// Seals and writes what this side sends.
#[derive(Debug)]
pub struct SealedWriter {
    out: OwnedWriteHalf,
    sealer: Sealer,
    /// Sealed bytes that the socket has not taken, from `sent` on, and then those of a shared frame.
    unsent: Vec<u8>,
    sent: usize,
    shared: Bytes,
    /// The viewers for which frames are sealed together, and the media key that this one has.
    member: Option<MediaMember>,
    media_key: Option<Arc<MediaKey>>,
    /// Bytes that were sealed but not yet counted as written: the caller passes them again.
    owed: usize,
    /// The most bytes to seal for the next write.
    batch: usize,
}

impl SealedWriter {
    pub(super) fn new(out: OwnedWriteHalf, sealer: Sealer) -> Self {
        Self {
            out,
            sealer,
            unsent: Vec::new(),
            sent: 0,
            shared: Bytes::new(),
            member: None,
            media_key: None,
            owed: 0,
            batch: LEAST_BATCH,
        }
    }

    /// Has frames sealed once for this viewer and the others of the same stream.
    pub fn share(&mut self, keys: Arc<MediaKeys>) {
        self.member = Some(MediaMember::join(keys, self.sealer.suite()));
    }

    /// Waits until the connection can be written to. A write may still find no room.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn ready(&self) -> io::Result<()> {
        self.out.writable().await
    }

    /// Writes as much of `parts` as there is room for now. Returns the number of bytes written. All of
    /// them count as written only when the socket has taken all that was sealed. A caller that has begun
    /// goes on with the rest, as it has to over plain TCP.
    ///
    /// # Errors
    /// `WouldBlock` where there is no room and none of these bytes is kept, or the connection failed.
    pub fn try_write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send_unsent()?;
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let mut done = self.owed.min(total);
        self.owed -= done;
        while done < total {
            match self.seal_and_send(Parts { parts, done }) {
                Ok((sealed, true)) => done += sealed,
                Ok((sealed, false)) => {
                    self.owed = 1;
                    return Ok(done + sealed - 1);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    /// Writes the head of a frame and the frame, as [`SealedWriter::try_write`] does. The frame may be
    /// sealed together with those of other viewers.
    ///
    /// # Errors
    /// As there.
    pub fn try_write_frame(
        &mut self,
        head: &[u8],
        frame: &Frame,
        now: Instant,
    ) -> io::Result<usize> {
        debug_assert_eq!(self.owed, 0, "the message before was completed");
        self.send_unsent()?;
        self.expect_room()?;
        let shared = match &self.member {
            Some(member) => member.share(frame, now).map_err(no_key)?,
            None => None,
        };
        let Some(shared) = shared else {
            return self.try_write(&[head, &frame.data].map(IoSlice::new));
        };
        let known = self.media_key.as_ref();
        let is_known = known.is_some_and(|key| Arc::ptr_eq(key, &shared.key));
        let total = head.len() + frame.data.len();
        SEALED.with_borrow_mut(|record| {
            record.clear();
            let mark = self.sealer.mark();
            let sealed = self
                .sealer
                .seal_shared(head, &shared, is_known, now, record);
            sealed.map_err(altered)?;
            let parts = [&record[..], &shared.sealed].map(IoSlice::new);
            let sent = self.out.try_write_vectored(&parts);
            let sent = self.taken(sent, mark)?;
            if !is_known {
                self.media_key = Some(Arc::clone(&shared.key));
            }
            if sent == record.len() + shared.sealed.len() {
                return Ok(total);
            }
            self.unsent
                .extend_from_slice(&record[sent.min(record.len())..]);
            self.shared = shared.sealed.slice(sent.saturating_sub(record.len())..);
            self.owed = 1;
            Ok(total - 1)
        })
    }

    /// The connection below.
    pub fn tcp(&self) -> &TcpStream {
        self.out.as_ref()
    }

    /// Asks the processor for the memory that the next record will need, so many pointers away.
    pub fn prefetch(&self, pointers: usize) {
        if pointers == 1 {
            self.sealer.prefetch();
        }
    }

    /// Writes all of `bytes`, however long that takes.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn write_all(&mut self, bytes: &mut impl Buf) -> io::Result<()> {
        let owed = self.owed.min(bytes.remaining());
        bytes.advance(owed);
        self.owed -= owed;
        loop {
            self.write_unsent().await?;
            if !bytes.has_remaining() {
                return Ok(());
            }
            coop::consume_budget().await;
            let mut parts = [IoSlice::new(&[]); 3];
            let count = bytes.chunks_vectored(&mut parts);
            let (parts, done) = (&parts[..count], 0);
            match self.seal_and_send(Parts { parts, done }) {
                Ok((sealed, _)) => bytes.advance(sealed),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.out.writable().await?,
                Err(e) => return Err(e),
            }
        }
    }

    /// Ends the outgoing stream. The other half still reads.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.write_unsent().await?;
        self.out.shutdown().await
    }

    /// Seals bytes for one write, and writes them. Returns their number before they were sealed, and
    /// whether the socket has taken all of them. The rest of them is kept.
    ///
    /// # Errors
    /// `WouldBlock` where the socket has taken none and nothing is kept, or the connection failed.
    fn seal_and_send(&mut self, mut bytes: Parts<'_>) -> io::Result<(usize, bool)> {
        self.expect_room()?;
        SEALED.with_borrow_mut(|sealed| {
            sealed.clear();
            let (mut count, now, mark) = (0, Instant::now(), self.sealer.mark());
            // Each part begins a record: so the head of a frame is one, and the frame itself is opened
            // straight into its place.
            while bytes.has_remaining() && count < self.batch {
                let part = bytes.chunk();
                let part = &part[..part.len().min(PLAIN_LIMIT)];
                self.sealer.seal(part, now, sealed).map_err(altered)?;
                count += part.len();
                bytes.advance(part.len());
            }
            let sent = self.out.try_write(sealed);
            if sent.as_ref().is_ok_and(|sent| *sent == sealed.len()) {
                self.batch = (2 * self.batch).min(MOST_BATCH);
                return Ok((count, true));
            }
            self.batch = LEAST_BATCH;
            let sent = self.taken(sent, mark)?;
            self.unsent.extend_from_slice(&sealed[sent..]);
            Ok((count, false))
        })
    }

    /// The number of bytes that the socket has taken. Where it has taken none, the records since `mark`
    /// are taken back, if they can be.
    ///
    /// # Errors
    /// `WouldBlock` where they were taken back, or the connection failed.
    fn taken(&mut self, written: io::Result<usize>, mark: Mark) -> io::Result<usize> {
        match written {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && !self.sealer.take_back(mark) => {
                Ok(0)
            }
            written => written,
        }
    }

    /// Gives this half up, and does not end the outgoing stream, which another owner of the connection
    /// may still need.
    pub fn forget(self) {
        self.out.forget();
    }

    /// Writes what was sealed before.
    fn send_unsent(&mut self) -> io::Result<()> {
        while self.sent < self.unsent.len() {
            self.sent += self.out.try_write(&self.unsent[self.sent..])?;
        }
        // Most connections never have any, so no memory is kept for the next time.
        (self.unsent, self.sent) = (Vec::new(), 0);
        while !self.shared.is_empty() {
            let sent = self.out.try_write(&self.shared)?;
            self.shared.advance(sent);
        }
        Ok(())
    }

    async fn write_unsent(&mut self) -> io::Result<()> {
        loop {
            match self.send_unsent() {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.out.writable().await?,
                sent => return sent,
            }
        }
    }

    /// Asks the runtime whether the last write left room. Sealing is in vain where it did not.
    fn expect_room(&self) -> io::Result<()> {
        self.tcp().try_io(Interest::WRITABLE, || Ok(()))
    }
}

/// The parts of a message from a place on.
struct Parts<'a> {
    parts: &'a [IoSlice<'a>],
    done: usize,
}

impl Buf for Parts<'_> {
    fn remaining(&self) -> usize {
        let total: usize = self.parts.iter().map(|part| part.len()).sum();
        total - self.done
    }

    fn chunk(&self) -> &[u8] {
        let mut done = self.done;
        for part in self.parts {
            match part.get(done..) {
                Some([]) | None => done -= part.len(),
                Some(rest) => return rest,
            }
        }
        &[]
    }

    fn advance(&mut self, count: usize) {
        self.done += count;
    }
}

fn no_key(_: NoKey) -> io::Error {
    io::Error::other("the system has no random numbers for a key")
}

fn altered(_: Unreadable) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the encrypted bytes were altered on their way",
    )
}
