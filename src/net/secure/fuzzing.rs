//! Records on their way, for the fuzz targets. It is left out of every other build.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::io::AsyncReadExt;

use super::media_key::MediaMember;
use super::noise::{Handshake, Suite};
use super::psk::Psk;
use super::record::{Opener, PLAIN_LIMIT, Sealer};
use super::sealed::SealedReader;
use crate::frame::{Frame, FrameHeader};

/// A message, and whether it is sealed for several viewers.
pub type Message = (Vec<u8>, bool);

/// Seals `messages`, passes the bytes through `change`, and reads until the end or an error. Returns what
/// was read, and how it ended.
pub async fn pass(
    messages: &[Message],
    change: impl FnOnce(&mut Vec<u8>),
    room: usize,
) -> (Vec<u8>, io::Result<()>) {
    let psk = Psk::derive(b"", b"a fuzz target", b"records");
    let mut first = Handshake::first(Suite::AesGcm, &psk, b"");
    let mut second = Handshake::second(Suite::AesGcm, &psk, b"");
    let proved = second.read(&first.write());
    assert!(proved.is_ok() && first.read(&second.write()).is_ok());
    let mut sealer = Sealer::new(first.finish().0, Instant::now());
    let mut bytes = Vec::new();
    let keys = Arc::default();
    let member = MediaMember::join(Arc::clone(&keys), Suite::AesGcm);
    let mut known = None;
    for (sequence, (message, is_shared)) in (0..).zip(messages) {
        let now = Instant::now();
        if !is_shared || message.is_empty() {
            for part in message.chunks(PLAIN_LIMIT) {
                let sealed = sealer.seal(part, now, &mut bytes);
                assert!(sealed.is_ok(), "there are numbers left");
            }
            continue;
        }
        let header = FrameHeader {
            sequence,
            ..FrameHeader::default()
        };
        let (head, data) = message.split_at(message.len().min(32) / 2);
        let data = Bytes::copy_from_slice(data);
        let shared = member.seal(&Frame { header, data }, now);
        let shared =
            shared.expect("the system has random numbers, or no connection could be encrypted");
        let is_known = known.replace(*shared.key.bytes()) == Some(*shared.key.bytes());
        let sealed = sealer.seal_shared(head, &shared, is_known, now, &mut bytes);
        assert!(sealed.is_ok(), "there are numbers left");
        bytes.extend_from_slice(&shared.sealed);
    }
    change(&mut bytes);
    let mut reader = SealedReader::new(&bytes[..], Opener::new(second.finish().1));
    let (mut plain, mut part) = (Vec::new(), vec![0; room.max(1)]);
    loop {
        match reader.read(&mut part).await {
            Ok(0) => return (plain, Ok(())),
            Ok(count) => plain.extend_from_slice(&part[..count]),
            Err(e) => return (plain, Err(e)),
        }
    }
}
