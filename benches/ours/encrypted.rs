//! Viewers of an encrypted sender, and those of one in clear that are compared with them. All drop what
//! comes, look for it at the same times, and count frames by their bytes.

use std::io;
use std::net::TcpStream;

use tokio::net::TcpStream as Asynchronous;
use vidchat::net::secure::{Key, Secret, prove};

use crate::yardstick::spec::{Framing, Spec};

/// The key of all measurements.
pub const KEY: &str = "9kwp-teaj-43sm-2vyh-aycd-skde-tnj8";

/// Bytes of the head of a frame.
const HEAD: usize = 32;
/// Bytes that encryption adds to a frame of the bench, with its head: the head of the frame in a record with its
/// length, its tag and the hash of the frame, and the tag of the frame.
const ADDED: usize = 95 + 16;

/// Seconds from one look of the viewers at their connections to the next.
const PAUSE: f64 = 0.005;

/// The key as a secret.
pub fn secret() -> io::Result<Secret> {
    let key: Result<Key, _> = KEY.parse();
    let key = key.map_err(|_| io::Error::other("the bench's key is no key"))?;
    Ok(Secret::key(&key))
}

/// `spec` for a sender of frames of so many bytes.
pub fn drained(spec: Spec, bytes: usize, is_encrypted: bool) -> Spec {
    let added = if is_encrypted { ADDED } else { HEAD };
    Spec {
        key: is_encrypted.then(|| KEY.to_owned()),
        framing: Framing::Bytes {
            frame: (bytes + added) as u64,
        },
        pause: PAUSE,
        ..spec
    }
}

/// Proves the key where there is one, and says the preamble.
pub fn greet(stream: &mut TcpStream, spec: &Spec) -> io::Result<()> {
    if spec.key.is_none() {
        return io::Write::write_all(stream, &spec.preamble);
    }
    let (proved, preamble) = (stream.try_clone()?, &spec.preamble);
    super::runtime()?.block_on(async {
        proved.set_nonblocking(true)?;
        let proved = Asynchronous::from_std(proved)?;
        let sealed = prove(proved, &secret()?).await.map_err(io::Error::other)?;
        let (reader, mut writer) = sealed.split();
        writer.write_all(&mut &preamble[..]).await?;
        drop(reader);
        // The connection leaves the runtime's epoll. Otherwise the sender's processor would note each frame
        // in two of them.
        writer.forget();
        Ok::<_, io::Error>(())
    })?;
    stream.set_nonblocking(false)
}
