//! The price of encryption, for docs/security.md. It needs an optimized build to mean anything:
//! `cargo test --release --lib secure::speed -- --ignored --nocapture`.

use std::io::Read;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Buf;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::code::Code;
use super::guesses::Uses;
use super::handshake::{accept, channels, dial};
use super::key::{Key, KeyText};
use super::media_key::MediaMember;
use super::noise::Suite;
use super::record::{PLAIN_LIMIT, Sealer};
use super::sealed::SealedStream;
use super::secret::Secret;
use crate::frame::{Frame, FrameHeader};

/// A raw frame of 320×240 in I420, and one of H.264.
const FRAMES: [usize; 2] = [115_200, 2_300];
const ROUNDS: u32 = 9;

/// The least processor time of one of `count` runs, over some rounds: what else the machine does only
/// adds.
pub(super) fn least(count: u32, mut run: impl FnMut()) -> Duration {
    let times = (0..ROUNDS).map(|_| {
        let began = used();
        (0..count).for_each(|_| run());
        (used() - began) / count
    });
    times.min().unwrap_or_default()
}

/// The processor time of this thread.
fn used() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

#[test]
#[ignore = "a measurement"]
fn sealing() {
    for suite in Suite::ALL {
        for length in FRAMES {
            let mut sealer = Sealer::new(channels(suite).0.sending, Instant::now());
            let (frame, mut out) = (vec![7; length], Vec::new());
            let took = least(500, || {
                out.clear();
                let now = Instant::now();
                sealer.seal(&[7; 32], now, &mut out).unwrap();
                for part in frame.chunks(PLAIN_LIMIT) {
                    sealer.seal(part, now, &mut out).unwrap();
                }
            });
            println!("{suite:?}: sealing {length} bytes {took:?}");
        }
    }
}

/// The record before a shared frame, where one viewer's key is in the processor's cache, and where those
/// of many others were used meanwhile.
#[test]
#[ignore = "a measurement"]
fn sealing_for_many() {
    for (suite, viewers) in Suite::ALL.into_iter().flat_map(|s| [(s, 1), (s, 1000)]) {
        let keys = Arc::default();
        let member = MediaMember::join(keys, suite);
        let header = FrameHeader::default();
        let data = vec![7; FRAMES[1]].into();
        let now = Instant::now();
        let shared = member.seal(&Frame { header, data }, now).unwrap();
        let sealer = |_| Sealer::new(channels(suite).0.sending, now);
        let mut sealers: Vec<_> = (0..viewers).map(sealer).collect();
        let (mut next, mut out) = (0, Vec::new());
        let took = least(4000, || {
            out.clear();
            let sealed = sealers[next].seal_shared(&[7; 32], &shared, true, now, &mut out);
            sealed.unwrap();
            next = (next + 1) % viewers;
        });
        println!("{suite:?}: the record before a shared frame, {viewers} viewers {took:?}");
    }
}

#[test]
#[ignore = "a measurement"]
fn handshakes() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let key: Key = KeyText::random().to_string().parse().unwrap();
    let key = Secret::key(&key);
    let took = least(100, || {
        runtime.block_on(async {
            let (mut near, mut far) = tokio::io::duplex(1024);
            let (dialled, accepted) =
                tokio::join!(dial(&mut near, &key, Suite::AesGcm), accept(&mut far, &key));
            assert!(dialled.is_ok() && accepted.is_ok());
        });
    });
    println!("handshake with a key, both sides: {took:?}");
    let code = Code::random();
    let took = least(100, || {
        runtime.block_on(async {
            let (dials, waits) = (
                Secret::code(code, Uses::Many),
                Secret::code(code, Uses::Many),
            );
            let (mut near, mut far) = tokio::io::duplex(1024);
            let (dialled, accepted) = tokio::join!(
                dial(&mut near, &dials, Suite::AesGcm),
                accept(&mut far, &waits)
            );
            assert!(dialled.is_ok() && accepted.is_ok());
        });
    });
    println!("handshake with a code, both sides: {took:?}");
}

/// The writing side of a connection whose other side reads as fast as it can.
async fn drained() -> TcpStream {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut scrap = vec![0; 1 << 20];
        while stream.read(&mut scrap).is_ok_and(|count| count > 0) {}
    });
    TcpStream::connect(address).await.unwrap()
}

#[test]
#[ignore = "a measurement"]
fn writing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    for length in FRAMES {
        let frame = vec![7; length];
        let (_reader, mut writer) = runtime.block_on(drained()).into_split();
        let plain = least(500, || {
            runtime
                .block_on(writer.write_all_buf(&mut Buf::chain(&[7; 32][..], &frame[..])))
                .unwrap();
        });
        println!("writing {length} bytes: {plain:?} in clear");
        for suite in Suite::ALL {
            let stream = runtime.block_on(drained());
            let (_reader, mut writer) = SealedStream::new(stream, channels(suite).0).split();
            let sealed = least(500, || {
                runtime
                    .block_on(writer.write_all(&mut Buf::chain(&[7; 32][..], &frame[..])))
                    .unwrap();
            });
            println!("writing {length} bytes: {sealed:?} with {suite:?}");
        }
    }
}
