//! Encrypted connections over real sockets, which take as much at once as they like.

use std::io::{self, IoSlice};
use std::net::Ipv4Addr;
use std::time::Instant;

use proptest::prelude::*;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::handshake::channels;
use super::media_key::PART_LIMIT;
use super::noise::Suite;
use super::record::{LENGTH_BYTES, Opener, PLAIN_LIMIT, RECORD_LIMIT, Sealer};
use super::sealed::{SealedReader, SealedStream, SealedWriter};

/// Two ends of a TCP connection that takes little at once.
async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (near, far) = (near.unwrap(), far.unwrap().0);
    for stream in [&near, &far] {
        let socket = socket2::SockRef::from(stream);
        socket.set_send_buffer_size(16 * 1024).unwrap();
    }
    (near, far)
}

/// Two ends of an encrypted connection.
pub(super) async fn ends(suite: Suite) -> (SealedStream, SealedStream) {
    let ((near, far), channels) = (sockets().await, channels(suite));
    (
        SealedStream::new(near, channels.0),
        SealedStream::new(far, channels.1),
    )
}

/// `count` bytes of which no part looks like another.
pub(super) fn pattern(count: usize, seed: usize) -> Vec<u8> {
    let mut state = seed as u64 | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// Sealed messages as they pass the network.
fn sealed(suite: Suite, messages: &[&[u8]]) -> (Vec<u8>, Opener) {
    let (sending, receiving) = channels(suite);
    let mut sealer = Sealer::new(sending.sending, Instant::now());
    let mut bytes = Vec::new();
    for message in messages {
        for part in message.chunks(PLAIN_LIMIT) {
            sealer.seal(part, Instant::now(), &mut bytes).unwrap();
        }
    }
    (bytes, Opener::new(receiving.receiving))
}

/// Reads until the end or an error, in parts of these lengths.
pub(super) async fn read_in_parts(
    bytes: &[u8],
    split: usize,
    opener: Opener,
    parts: &[usize],
) -> (Vec<u8>, io::Result<()>) {
    let (start, end) = bytes.split_at(split.min(bytes.len()));
    let mut reader = SealedReader::new(start.chain(end), opener);
    let mut plain = Vec::new();
    for part in parts.iter().cycle() {
        let mut room = vec![0; *part];
        match reader.read(&mut room).await {
            Ok(0) => return (plain, Ok(())),
            Ok(count) => plain.extend_from_slice(&room[..count]),
            Err(e) => {
                let again = reader.read(&mut room).await;
                assert!(again.is_err(), "nothing comes after an error");
                return (plain, Err(e));
            }
        }
    }
    unreachable!("there is a part")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_messages_arrive_in_any_splits(
        lengths in proptest::collection::vec(1..40_000_usize, 1..6),
        parts in proptest::collection::vec(1..50_000_usize, 1..6),
        split in 0..100_000_usize,
        is_aes in any::<bool>(),
    ) {
        let suite = Suite::ALL[usize::from(is_aes)];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let messages: Vec<Vec<u8>> =
                lengths.iter().map(|length| pattern(*length, *length)).collect();
            let slices: Vec<&[u8]> = messages.iter().map(|m| &m[..]).collect();
            let (bytes, opener) = sealed(suite, &slices);
            let (plain, ended) = read_in_parts(&bytes, split, opener, &parts).await;
            assert!(ended.is_ok() && plain == messages.concat());
        });
    }
}

#[tokio::test]
async fn a_cut_is_an_error_but_between_two_records() {
    let messages = [&b"first"[..], b"the second message"];
    let (bytes, _) = sealed(Suite::AesGcm, &messages);
    let first = LENGTH_BYTES + 5 + 16;
    for cut in 0..bytes.len() {
        // Each reader has keys of its own.
        let (bytes, opener) = sealed(Suite::AesGcm, &messages);
        let (plain, ended) = read_in_parts(&bytes[..cut], cut / 2, opener, &[3, 100]).await;
        let whole = if cut < first { &b""[..] } else { b"first" };
        assert_eq!(plain, whole, "cut at {cut}");
        match ended {
            Ok(()) => assert!(cut == 0 || cut == first, "cut at {cut}"),
            Err(e) => assert_eq!(e.kind(), io::ErrorKind::UnexpectedEof, "cut at {cut}"),
        }
    }
}

#[tokio::test]
async fn an_altered_byte_never_reaches_the_caller() {
    let message = pattern(300, 1);
    let total = sealed(Suite::AesGcm, &[&message]).0.len();
    for place in 0..total {
        let (mut bytes, opener) = sealed(Suite::AesGcm, &[&message]);
        bytes[place] ^= 0x40;
        let (plain, ended) = read_in_parts(&bytes, place, opener, &[4096]).await;
        assert!(plain.is_empty() && ended.is_err(), "byte {place}");
    }
}

/// What the frame writer does: it begins a message when there is room, and goes on with the rest.
async fn send(writer: &mut SealedWriter, parts: &[&[u8]]) -> io::Result<()> {
    let begun = loop {
        let slices: Vec<IoSlice> = parts.iter().map(|part| IoSlice::new(part)).collect();
        match writer.try_write(&slices) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => writer.ready().await?,
            begun => break begun?,
        }
    };
    let whole = parts.concat();
    writer.write_all(&mut &whole[begun..]).await
}

#[tokio::test]
async fn messages_of_all_lengths_pass_small_sockets() {
    for suite in Suite::ALL {
        let (near, far) = ends(suite).await;
        let (_near_reader, mut writer) = near.split();
        let (mut reader, _far_writer) = far.split();
        let lengths = [
            1,
            31,
            32,
            2_000,
            PLAIN_LIMIT,
            PLAIN_LIMIT + 1,
            115_200,
            900_000,
        ];
        let sending = async {
            for length in lengths {
                let (head, data) = (pattern(32, 1), pattern(length, length));
                send(&mut writer, &[&head, &data, b""]).await.unwrap();
            }
            writer.finish().await.unwrap();
        };
        let receiving = async {
            for length in lengths {
                let (mut head, mut data) = ([0; 32], vec![0; length]);
                reader.read_exact(&mut head).await.unwrap();
                reader.read_exact(&mut data).await.unwrap();
                assert!(head[..] == pattern(32, 1) && data == pattern(length, length));
            }
            assert_eq!(reader.read(&mut [0; 9]).await.unwrap(), 0, "the end");
        };
        tokio::join!(sending, receiving);
    }
}

/// The memory of a reader is bounded by two parts and a record, whatever comes.
#[tokio::test]
async fn a_reader_takes_bounded_memory() {
    let message = pattern(3_000_000, 3);
    let (bytes, opener) = sealed(Suite::AesGcm, &[&message]);
    let mut reader = SealedReader::new(&bytes[..], opener);
    let mut plain = vec![0; message.len()];
    reader.read_exact(&mut plain).await.unwrap();
    assert!(plain == message);
    assert!(reader.memory() <= 2 * PART_LIMIT + RECORD_LIMIT);
}

/// A record that the caller has room for is opened in the caller's own memory.
#[tokio::test]
async fn a_frame_is_opened_straight_into_its_place() {
    let frame = pattern(2 * PLAIN_LIMIT, 4);
    let (bytes, opener) = sealed(Suite::AesGcm, &[&frame]);
    let mut reader = SealedReader::new(&bytes[..], opener);
    let mut memory = vec![0; frame.len() + 16];
    let mut count = 0;
    while count < frame.len() {
        count += reader.read(&mut memory[count..]).await.unwrap();
    }
    assert!(memory.starts_with(&frame));
    assert_eq!(reader.kept(), 0, "nothing was opened elsewhere");
}
