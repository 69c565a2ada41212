//! Reads messages from a byte stream, for both sides.

use std::io;

use bytes::BufMut;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::failure::describe;
use crate::wire::length::{Length, Prefix};
use crate::wire::{Control, Dialect, Head, HeadBuffer, LengthFormat, WireError, dialect, pickle};

/// Bytes that are not needed are read in parts of this length.
const SCRAP_BYTES: usize = 16 * 1024;
/// The memory that a message gets before its bytes have come. It then doubles, as they come.
const FIRST_BYTES: usize = 64 * 1024;

/// Reads messages from `R`. The bytes of a frame are read straight into the caller's buffer.
#[derive(Debug)]
pub struct MessageReader<R> {
    stream: R,
    head: HeadBuffer,
    /// The longest frame message, in bytes.
    limit: u64,
    /// The formats that the lengths of messages without a head may have.
    prefix: Prefix,
}

/// The reason why no more can be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The connection failed.
    #[error("{}", describe(.0))]
    Io(#[from] io::Error),
    /// The peer closed it in the middle of a message.
    #[error("closed in the middle of a message")]
    Truncated,
    /// The peer broke the protocol.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl<R: AsyncRead + Unpin> MessageReader<R> {
    /// A reader that refuses frame messages of more than `limit` bytes.
    pub fn new(stream: R, limit: u64) -> Self {
        Self {
            stream,
            head: HeadBuffer::default(),
            limit,
            prefix: Prefix::Known(LengthFormat::default()),
        }
    }

    /// The same reader on top of another stream, which `wrap` makes of this one.
    pub fn wrap<S>(self, limit: u64, wrap: impl FnOnce(R) -> S) -> MessageReader<S> {
        MessageReader {
            stream: wrap(self.stream),
            head: self.head,
            limit,
            prefix: self.prefix,
        }
    }

    /// The dialect that the peer speaks, without consuming anything. The lengths of its messages
    /// are read in the format of the first from here on.
    ///
    /// # Errors
    /// The connection failed or ended, or the peer speaks none.
    pub async fn dialect(&mut self) -> Result<Dialect, ReadError> {
        loop {
            if let Some(start) = dialect::detect(self.head.filled())? {
                self.prefix = start.prefix;
                return Ok(start.dialect);
            }
            if !self.fill().await? {
                return Err(match self.head.filled() {
                    [] => ReadError::Truncated,
                    first => WireError::foreign(first).into(),
                });
            }
        }
    }

    /// The stream itself, for bytes that are no message. Bytes that the reader has already buffered
    /// are not in it.
    pub fn stream(&mut self) -> &mut R {
        &mut self.stream
    }

    /// The bytes that were read and not parsed yet.
    pub fn pending(&self) -> &[u8] {
        self.head.filled()
    }

    /// Waits for the first byte of the next message, without a limit; false when the peer closed
    /// the connection instead.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn begins(&mut self) -> io::Result<bool> {
        Ok(!self.head.filled().is_empty() || self.fill().await?)
    }

    /// Sets the format of the lengths of all messages without a head.
    pub fn expect_lengths(&mut self, format: LengthFormat) {
        self.prefix = Prefix::Known(format);
    }

    /// Whether the lengths are those of our own protocol.
    pub fn has_own_lengths(&self) -> bool {
        self.prefix == Prefix::Known(LengthFormat::default())
    }

    /// Whether the next message is a control message, without consuming anything; false also when
    /// the peer closed the connection instead.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn is_control(&mut self) -> io::Result<bool> {
        if !self.has_own_lengths() {
            return Ok(false);
        }
        loop {
            if let Some(is_control) = self.head.is_control() {
                return Ok(is_control);
            }
            if !self.fill().await? {
                return Ok(false);
            }
        }
    }

    /// The head of the next message; `None` when the peer closed the connection between two
    /// messages.
    ///
    /// # Errors
    /// The connection failed or ended in mid-message, or the head is not valid.
    pub async fn head(&mut self) -> Result<Option<Head>, ReadError> {
        loop {
            if let Some(head) = self.head.head(self.limit)? {
                return Ok(Some(head));
            }
            if !self.fill().await? {
                return self.closed();
            }
        }
    }

    /// The length of the next message without a head; `None` when the peer closed the connection
    /// between two messages.
    ///
    /// # Errors
    /// The connection failed or ended in mid-message, or the length is beyond the limit.
    pub async fn bare_length(&mut self) -> Result<Option<Length>, ReadError> {
        loop {
            if let Some(length) = self.head.bare_length(self.prefix, self.limit)? {
                return Ok(Some(length));
            }
            if !self.fill().await? {
                return self.closed();
            }
        }
    }

    /// Reads the message that follows `length` into `message`, which is empty. It takes memory only
    /// as the bytes come, whatever the length says.
    ///
    /// Lengths of four bytes may have either order. The message itself shows which: it ends where
    /// one of them says.
    ///
    /// # Errors
    /// The connection failed or ended, or the length is beyond the limit after all.
    pub async fn rest_of(
        &mut self,
        length: Length,
        dialect: Dialect,
        message: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        self.grow(message, length.bytes).await?;
        let Some((longer, its_format)) = length.other else {
            return Ok(());
        };
        // Both orders are the same number: a later message shows the order.
        if longer == length.bytes {
            return Ok(());
        }
        let is_whole = match dialect {
            Dialect::Pickle => pickle::is_whole(message),
            // Some cameras fill their JPEGs up. Such a frame is longer than the limit by chance
            // only.
            _ => longer > self.limit || ends_as_jpeg(message),
        };
        self.prefix = Prefix::Known(if is_whole { length.format } else { its_format });
        if is_whole {
            return Ok(());
        }
        if longer > self.limit {
            let limit = self.limit;
            let length = longer;
            return Err(WireError::TooLong { length, limit }.into());
        }
        self.grow(message, longer).await
    }

    /// Reads until `message` has `length` bytes, and takes memory for them as they come.
    async fn grow(&mut self, message: &mut Vec<u8>, length: u64) -> Result<(), ReadError> {
        // The length was checked against the limit. One beyond the address space never ends.
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.head.take_into(message, length - message.len());
        while message.len() < length {
            let left = length - message.len();
            if message.len() == message.capacity() {
                message.reserve_exact(left.min(message.len().max(FIRST_BYTES)));
            }
            let room = left.min(message.capacity() - message.len());
            if self.stream.read_buf(&mut message.limit(room)).await? == 0 {
                return Err(ReadError::Truncated);
            }
        }
        Ok(())
    }

    /// Reads a control message whose head gave the length `length`, in bytes.
    ///
    /// # Errors
    /// The connection failed or ended, or the message is not valid.
    pub async fn control(&mut self, length: usize) -> Result<Control, ReadError> {
        let mut json = vec![0; length];
        self.body(&mut json).await?;
        Ok(Control::decode(&json)?)
    }

    /// Fills `body` with the bytes that follow a head.
    ///
    /// # Errors
    /// The connection failed or ended.
    pub async fn body(&mut self, body: &mut [u8]) -> Result<(), ReadError> {
        let taken = self.head.take(body);
        match self.stream.read_exact(&mut body[taken..]).await {
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(ReadError::Truncated),
            Err(e) => Err(ReadError::Io(e)),
        }
    }

    /// Reads and drops `length` bytes that follow a head.
    ///
    /// # Errors
    /// The connection failed or ended.
    pub async fn skip(&mut self, length: usize) -> Result<(), ReadError> {
        let mut scrap = vec![0; length.min(SCRAP_BYTES)];
        let mut left = length;
        while left > 0 {
            let part = left.min(scrap.len());
            self.body(&mut scrap[..part]).await?;
            left -= part;
        }
        Ok(())
    }

    fn closed<T>(&self) -> Result<Option<T>, ReadError> {
        match self.head.filled() {
            [] => Ok(None),
            _ => Err(ReadError::Truncated),
        }
    }

    /// Reads once into the head buffer; false when the peer has closed the connection.
    async fn fill(&mut self) -> io::Result<bool> {
        let count = self.stream.read(self.head.space()).await?;
        self.head.advance(count);
        Ok(count > 0)
    }
}

/// Whether a JPEG ends with its last marker, but for zeros.
fn ends_as_jpeg(message: &[u8]) -> bool {
    let end = message.iter().rposition(|byte| *byte != 0);
    end.is_some_and(|end| message[..=end].ends_with(b"\xff\xd9"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameHeader;
    use crate::wire::head::encode_frame_head;

    const LIMIT: u64 = 1 << 20;

    /// A control message, a frame with `frame` and another control message.
    fn conversation(frame: &[u8]) -> Vec<u8> {
        let header = FrameHeader {
            sequence: 9,
            ..FrameHeader::default()
        };
        [
            &Control::Key.encode()[..],
            &encode_frame_head(&header, frame.len()),
            frame,
            &Control::Key.encode(),
        ]
        .concat()
    }

    async fn read_conversation<R: AsyncRead + Unpin>(stream: R) -> Vec<u8> {
        let mut reader = MessageReader::new(stream, LIMIT);
        let mut frame = Vec::new();
        let mut controls = 0;
        while let Some(head) = reader.head().await.unwrap() {
            match head {
                Head::Control { length } => {
                    assert_eq!(reader.control(length).await.unwrap(), Control::Key);
                    controls += 1;
                }
                Head::Frame { header, length } => {
                    assert_eq!(header.sequence, 9);
                    frame = vec![0; length];
                    reader.body(&mut frame).await.unwrap();
                }
            }
        }
        assert_eq!(controls, 2);
        frame
    }

    #[tokio::test]
    async fn every_split_of_a_conversation_reads_the_same() {
        let frame: Vec<u8> = (0..100).collect();
        let bytes = conversation(&frame);
        for split in 0..=bytes.len() {
            let (first, second) = bytes.split_at(split);
            assert_eq!(read_conversation(first.chain(second)).await, frame);
        }
    }

    #[tokio::test]
    async fn a_byte_at_a_time_reads_the_same() {
        let frame = [7; 50];
        let bytes = conversation(&frame);
        let (mut near, far) = tokio::io::duplex(1);
        let writing =
            tokio::spawn(
                async move { tokio::io::AsyncWriteExt::write_all(&mut near, &bytes).await },
            );
        assert_eq!(read_conversation(far).await, frame);
        writing.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_end_in_mid_message_is_no_clean_end() {
        let bytes = conversation(&[1; 40]);
        let whole = Control::Key.encode().len();
        for length in 0..bytes.len() {
            let mut reader = MessageReader::new(&bytes[..length], LIMIT);
            let end = loop {
                match reader.head().await {
                    Ok(Some(Head::Control { length })) => {
                        if let Err(e) = reader.control(length).await {
                            break Err(e);
                        }
                    }
                    Ok(Some(Head::Frame { length, .. })) => {
                        if let Err(e) = reader.body(&mut vec![0; length]).await {
                            break Err(e);
                        }
                    }
                    Ok(None) => break Ok(()),
                    Err(e) => break Err(e),
                }
            };
            let between = [0, whole, bytes.len() - whole].contains(&length);
            match end {
                Ok(()) => assert!(between, "clean end after {length} bytes"),
                Err(ReadError::Truncated) => assert!(!between, "torn after {length} bytes"),
                Err(e) => panic!("after {length} bytes: {e}"),
            }
        }
    }

    #[tokio::test]
    async fn another_service_is_named_by_its_first_bytes() {
        let mut reader = MessageReader::new(&b"220 mail ready\r\n"[..], LIMIT);
        let error = reader.dialect().await.unwrap_err().to_string();
        assert_eq!(error, "its first bytes are \"220 mail ready\"");
        let mut reader = MessageReader::new(&b"hi\n"[..], LIMIT);
        let error = reader.dialect().await.unwrap_err().to_string();
        assert_eq!(error, "its first bytes are \"hi\"");
    }

    async fn first_message(bytes: &[u8], limit: u64) -> Result<(Dialect, Vec<Vec<u8>>), ReadError> {
        let mut reader = MessageReader::new(bytes, limit);
        let dialect = reader.dialect().await?;
        let mut messages = Vec::new();
        while let Some(length) = reader.bare_length().await? {
            let mut message = Vec::new();
            reader.rest_of(length, dialect, &mut message).await?;
            messages.push(message);
        }
        Ok((dialect, messages))
    }

    const FORMATS: [LengthFormat; 6] = [
        LengthFormat::Little8,
        LengthFormat::Little4,
        LengthFormat::Big8,
        LengthFormat::Big4,
        LengthFormat::Text(10),
        LengthFormat::Text(16),
    ];

    /// A pickle of text, and a JPEG, of this length.
    fn messages(length: usize) -> [(Dialect, Vec<u8>); 2] {
        let mut text = b"\x80\x04X".to_vec();
        text.extend_from_slice(&(length as u32 - 8).to_le_bytes());
        text.resize(length - 1, b'.');
        text.push(b'.');
        let mut jpeg = b"\xff\xd8\xff\xe0".to_vec();
        jpeg.resize(length - 2, 7);
        jpeg.extend_from_slice(b"\xff\xd9");
        [(Dialect::Pickle, text), (Dialect::Bare, jpeg)]
    }

    #[tokio::test]
    async fn messages_behind_any_length_are_read_whole() {
        // Lengths that read backwards are shorter, longer, the same, or beyond the limit.
        for length in [
            16, 0x100, 0x1001, 0x0102, 0x1_0200, 0x2_0100, 0x1_0100, 0x1234,
        ] {
            for format in FORMATS {
                for (dialect, message) in messages(length) {
                    let other = messages(0x1234)[usize::from(dialect == Dialect::Bare)]
                        .1
                        .clone();
                    let sent = [&message, &message, &other, &message];
                    let bytes = sent.map(|message| {
                        [format.encode(message.len() as u64).as_ref(), message].concat()
                    });
                    let bytes = bytes.concat();
                    let (found, read) = first_message(&bytes, LIMIT).await.unwrap();
                    assert_eq!(found, dialect);
                    assert!(read.iter().eq(sent), "{length:#x} {format} {dialect:?}");
                    let torn = first_message(&bytes[..bytes.len() - 1], LIMIT).await;
                    assert!(
                        matches!(torn, Err(ReadError::Truncated)),
                        "{format}: {torn:?}"
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn a_jpeg_that_is_filled_up_is_read_too() {
        let mut jpeg = messages(0x1200)[1].1.clone();
        jpeg.resize(0x1234, 0);
        let message = [LengthFormat::Big4.encode(0x1234).as_ref(), &jpeg].concat();
        let (_, read) = first_message(&message.repeat(2), LIMIT).await.unwrap();
        assert_eq!(read, [jpeg.clone(), jpeg]);
    }

    #[tokio::test]
    async fn a_length_beyond_the_limit_is_refused_in_any_format() {
        for format in FORMATS {
            // No order of its bytes is within the limit.
            let length = 0x0102_0304;
            let message = [format.encode(length).as_ref(), b"\x80\x04\x95\0"].concat();
            let refused = first_message(&message, LIMIT).await;
            let is_named = matches!(
                refused,
                Err(ReadError::Wire(WireError::TooLong { length: l, limit: LIMIT })) if l == length
            );
            assert!(is_named, "{format}: {refused:?}");
        }
    }

    #[tokio::test]
    async fn a_length_takes_no_memory_before_its_bytes_come() {
        let limit = 64 << 20;
        for format in FORMATS {
            let start = [format.encode(limit).as_ref(), b"\x80\x04\x95\0"].concat();
            let mut reader = MessageReader::new(&start[..], limit);
            let dialect = reader.dialect().await.unwrap();
            let mut message = Vec::new();
            let length = reader.bare_length().await.unwrap().unwrap();
            let read = reader.rest_of(length, dialect, &mut message).await;
            let error = read.unwrap_err();
            assert!(matches!(error, ReadError::Truncated), "{error:?}");
            assert!(message.capacity() <= FIRST_BYTES, "{}", message.capacity());
        }
        // It is never more than twice of that which has come, nor more than the length.
        let length = 1_000_000;
        let [(_, whole), _] = messages(length);
        for sent in [100_000, 300_000, length] {
            let prefix = LengthFormat::default().encode(length as u64);
            let bytes = [prefix.as_ref(), &whole[..sent]].concat();
            let mut reader = MessageReader::new(&bytes[..], limit);
            let mut message = Vec::new();
            let promised = reader.bare_length().await.unwrap().unwrap();
            let _ = reader
                .rest_of(promised, Dialect::Pickle, &mut message)
                .await;
            assert_eq!(message.len(), sent);
            assert!(
                message.capacity() <= length.min(2 * sent),
                "{}",
                message.capacity()
            );
        }
    }
}
