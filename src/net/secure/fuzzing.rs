//! Records on their way, for the fuzz targets. It is left out of every other build.

use std::io;
use std::time::Instant;

use tokio::io::AsyncReadExt;

use super::noise::{Handshake, Suite};
use super::psk::Psk;
use super::record::{Opener, PLAIN_LIMIT, Sealer};
use super::sealed::SealedReader;

/// Seals `messages`, passes the bytes through `change`, and reads until the end or an error. Returns what
/// was read, and how it ended.
pub async fn pass(
    messages: &[Vec<u8>],
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
    for part in messages
        .iter()
        .flat_map(|message| message.chunks(PLAIN_LIMIT))
    {
        let sealed = sealer.seal(part, Instant::now(), &mut bytes);
        assert!(sealed.is_ok(), "there are numbers left");
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
