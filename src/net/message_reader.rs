//! Reads messages from a byte stream, for both sides.

use std::io;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::failure::describe;
use crate::wire::{self, Control, Dialect, Head, HeadBuffer, WireError};

/// Bytes that are not needed are read in parts of this length.
const SCRAP_BYTES: usize = 16 * 1024;

/// Reads messages from `R`. The bytes of a frame are read straight into the caller's buffer.
#[derive(Debug)]
pub struct MessageReader<R> {
    stream: R,
    head: HeadBuffer,
    /// The longest frame message, in bytes.
    limit: u64,
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
        }
    }

    /// The dialect that the peer speaks, without consuming anything.
    ///
    /// # Errors
    /// The connection failed or ended, or the peer speaks none.
    pub async fn dialect(&mut self) -> Result<Dialect, ReadError> {
        loop {
            if let Some(dialect) = wire::dialect::dialect(self.head.filled())? {
                return Ok(dialect);
            }
            if !self.fill().await? {
                return Err(match self.head.filled() {
                    [] => ReadError::Truncated,
                    first => WireError::Foreign(first.to_vec()).into(),
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

    /// Whether the next message is a control message, without consuming anything; false also when
    /// the peer closed the connection instead.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn is_control(&mut self) -> io::Result<bool> {
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

    /// The length in bytes of the next bare message; `None` when the peer closed the connection
    /// between two messages.
    ///
    /// # Errors
    /// The connection failed or ended in mid-message, or the length is beyond the limit.
    pub async fn bare_length(&mut self) -> Result<Option<usize>, ReadError> {
        loop {
            if let Some(length) = self.head.bare_length(self.limit)? {
                return Ok(Some(length));
            }
            if !self.fill().await? {
                return self.closed();
            }
        }
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
}
