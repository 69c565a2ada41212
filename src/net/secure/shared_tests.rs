//! Frames that are sealed once for several viewers, over real sockets and as bytes.

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use proptest::prelude::*;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

use super::handshake::channels;
use super::media_key::{MediaKeys, MediaMember, PART_LIMIT};
use super::noise::{Suite, TAG_BYTES};
use super::record::{LENGTH_BYTES, Opener, RECORD_LIMIT, Sealer};
use super::sealed::{SealedReader, SealedStream, SealedWriter};
use super::sealed_tests::{ends, pattern, read_in_parts};
use crate::frame::{Frame, FrameHeader};

const HEAD: &[u8; 32] = b"the head of a frame, of 32 bytes";

fn frame(sequence: u32, length: usize) -> Frame {
    Frame {
        header: FrameHeader {
            sequence,
            ..FrameHeader::default()
        },
        data: pattern(length, sequence as usize).into(),
    }
}

/// Viewers that nobody serves, so that frames are sealed together.
fn crowd(keys: &Arc<MediaKeys>, suite: Suite) -> Vec<MediaMember> {
    let join = |_| MediaMember::join(Arc::clone(keys), suite);
    (0..4).map(join).collect()
}

/// Frames as they pass the network to one viewer, with their heads, and what opens them.
fn sealed(suite: Suite, lengths: &[usize]) -> (Vec<u8>, Vec<u8>, Opener) {
    let (sending, receiving) = channels(suite);
    let mut sealer = Sealer::new(sending.sending, Instant::now());
    let keys = Arc::default();
    let members = crowd(&keys, suite);
    let (mut plain, mut bytes) = (Vec::new(), Vec::new());
    let mut known = None;
    for (sequence, length) in (0..).zip(lengths) {
        let (frame, now) = (frame(sequence, *length), Instant::now());
        let shared = members[0].seal(&frame, now).unwrap();
        let is_known = known.is_some_and(|key| *shared.key.bytes() == key);
        known = Some(*shared.key.bytes());
        let record = sealer.seal_shared(HEAD, &shared, is_known, now, &mut bytes);
        record.unwrap();
        bytes.extend_from_slice(&shared.sealed);
        sealer.seal(b"between", now, &mut bytes).unwrap();
        plain.extend_from_slice(&[HEAD, &frame.data[..], b"between"].concat());
    }
    (bytes, plain, Opener::new(receiving.receiving))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn shared_frames_arrive_in_any_splits(
        lengths in proptest::collection::vec(1..300_000_usize, 1..5),
        parts in proptest::collection::vec(1..150_000_usize, 1..6),
        split in 0..300_000_usize,
        is_aes in any::<bool>(),
    ) {
        let suite = Suite::ALL[usize::from(is_aes)];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (bytes, plain, opener) = sealed(suite, &lengths);
            let (read, ended) = read_in_parts(&bytes, split, opener, &parts).await;
            assert!(ended.is_ok() && read == plain);
        });
    }
}

#[tokio::test]
async fn an_altered_byte_of_a_shared_frame_never_reaches_the_caller() {
    let total = sealed(Suite::AesGcm, &[1500]).0.len();
    for place in 0..total {
        let (mut bytes, plain, opener) = sealed(Suite::AesGcm, &[1500]);
        bytes[place] ^= 0x80;
        let (read, ended) = read_in_parts(&bytes, place, opener, &[4096]).await;
        assert!(ended.is_err(), "byte {place}");
        let whole = [0, HEAD.len(), HEAD.len() + 1500];
        assert!(whole.contains(&read.len()), "byte {place}: {}", read.len());
        assert!(plain.starts_with(&read), "byte {place}");
    }
}

#[tokio::test]
async fn a_cut_in_a_shared_frame_is_an_error() {
    let (whole, ..) = sealed(Suite::AesGcm, &[1500]);
    let last = LENGTH_BYTES + b"between".len() + TAG_BYTES;
    for cut in 1..whole.len() {
        let (bytes, _, opener) = sealed(Suite::AesGcm, &[1500]);
        let (_, ended) = read_in_parts(&bytes[..cut], cut / 2, opener, &[100]).await;
        let kind = ended.map_err(|e| e.kind());
        let expected = if cut == whole.len() - last {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof)
        };
        assert_eq!(kind, expected, "cut at {cut}");
    }
}

#[tokio::test]
async fn parts_that_are_swapped_or_from_another_frame_end_the_connection() {
    let part = PART_LIMIT + TAG_BYTES;
    let lengths = [2 * PART_LIMIT, 2 * PART_LIMIT];
    type Change = fn(&mut [u8], &mut [u8]);
    let changes: [(&str, Change); 2] = [
        ("swapped", |first, second| first.swap_with_slice(second)),
        ("repeated", |first, second| second.copy_from_slice(first)),
    ];
    for (name, change) in changes {
        let (mut bytes, plain, opener) = sealed(Suite::AesGcm, &lengths);
        let end = bytes.len() - (LENGTH_BYTES + b"between".len() + TAG_BYTES);
        let (first, second) = bytes[end - 2 * part..end].split_at_mut(part);
        change(first, second);
        let (read, ended) = read_in_parts(&bytes, 7, opener, &[50_000]).await;
        assert!(ended.is_err(), "{name}");
        assert!(plain.starts_with(&read) && read.len() < plain.len() - PART_LIMIT);
    }
}

/// The bytes of a viewer's connection mean nothing on the connection of another.
#[tokio::test]
async fn a_viewer_that_has_the_media_key_cannot_read_the_records_of_another() {
    let (bytes, ..) = sealed(Suite::AesGcm, &[1500]);
    let (_, _, other) = sealed(Suite::AesGcm, &[1500]);
    let (read, ended) = read_in_parts(&bytes, 1, other, &[4096]).await;
    assert!(read.is_empty() && ended.is_err());
}

#[tokio::test]
async fn a_reader_of_shared_frames_takes_bounded_memory() {
    let (bytes, plain, opener) = sealed(Suite::AesGcm, &[3_000_000]);
    let mut reader = SealedReader::new(&bytes[..], opener);
    let mut read = vec![0; plain.len()];
    reader.read_exact(&mut read).await.unwrap();
    assert!(read == plain);
    assert!(reader.memory() <= 2 * PART_LIMIT + RECORD_LIMIT);
}

async fn send(writer: &mut SealedWriter, frame: &Frame) -> io::Result<()> {
    let begun = loop {
        match writer.try_write_frame(HEAD, frame, Instant::now()) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => writer.ready().await?,
            begun => break begun?,
        }
    };
    let whole = [HEAD, &frame.data[..]].concat();
    writer.write_all(&mut &whole[begun..]).await
}

#[tokio::test]
async fn viewers_come_and_go_while_frames_pass_small_sockets() {
    for suite in Suite::ALL {
        let keys: Arc<MediaKeys> = Arc::default();
        let (near, far) = ends(suite).await;
        let (_near_reader, mut writer) = near.split();
        let (mut reader, _far_writer) = far.split();
        writer.share(Arc::clone(&keys));
        let lengths = [1, 2_000, 115_200, 900_000, PART_LIMIT, 4_000];
        let sending = async {
            let mut others = Vec::new();
            for (sequence, length) in (0..).zip(lengths) {
                // With the first few, each frame is sealed for this viewer alone.
                others.push(MediaMember::join(Arc::clone(&keys), suite));
                send(&mut writer, &frame(sequence, length)).await.unwrap();
            }
            for (sequence, length) in (10..).zip(lengths) {
                others.pop();
                send(&mut writer, &frame(sequence, length)).await.unwrap();
            }
            writer.finish().await.unwrap();
        };
        let receiving = async {
            let all = (0..).zip(lengths).chain((10..).zip(lengths));
            for (sequence, length) in all {
                let (mut head, mut data) = ([0; 32], vec![0; length]);
                reader.read_exact(&mut head).await.unwrap();
                reader.read_exact(&mut data).await.unwrap();
                assert!(head == *HEAD && data == pattern(length, sequence as usize));
            }
            assert_eq!(reader.read(&mut [0; 9]).await.unwrap(), 0, "the end");
        };
        tokio::join!(sending, receiving);
    }
}

/// The socket of this connection, past its encryption.
fn below(stream: &SealedStream) -> std::net::TcpStream {
    let socket = socket2::SockRef::from(stream.tcp()).try_clone();
    socket.unwrap().into()
}

/// Writes until the socket is full, and returns the number of bytes.
fn fill(mut socket: &std::net::TcpStream) -> usize {
    let mut filled = 0;
    loop {
        match socket.write(&[0; 4096]) {
            Ok(count) => filled += count,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return filled,
            Err(e) => panic!("{e}"),
        }
    }
}

/// Reads so many bytes.
fn drain(mut socket: &std::net::TcpStream, mut bytes: usize) {
    let mut scrap = [0; 4096];
    while bytes > 0 {
        let room = bytes.min(scrap.len());
        match socket.read(&mut scrap[..room]) {
            Ok(count) => bytes -= count,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
            Err(e) => panic!("{e}"),
        }
    }
}

/// Both ends of a connection whose frames are sealed together with those of others.
struct Pair {
    keys: Arc<MediaKeys>,
    writer: SealedWriter,
    reader: SealedReader<OwnedReadHalf>,
    near_below: std::net::TcpStream,
    far_below: std::net::TcpStream,
    others: Vec<MediaMember>,
    /// The other direction, which stays open.
    _back: (SealedReader<OwnedReadHalf>, SealedWriter),
}

impl Pair {
    async fn new(suite: Suite) -> Self {
        let keys: Arc<MediaKeys> = Arc::default();
        let (near, far) = ends(suite).await;
        let (near_below, far_below) = (below(&near), below(&far));
        let (near_reader, mut writer) = near.split();
        let (reader, far_writer) = far.split();
        writer.share(Arc::clone(&keys));
        let others = crowd(&keys, suite);
        Self {
            keys,
            writer,
            reader,
            near_below,
            far_below,
            others,
            _back: (near_reader, far_writer),
        }
    }
}

/// Writes the rest of a message of which so many bytes have left, and reads all of it.
async fn complete(
    writer: &mut SealedWriter,
    reader: &mut SealedReader<OwnedReadHalf>,
    whole: &[u8],
    begun: usize,
) {
    let mut rest = &whole[begun..];
    let mut read = vec![0; whole.len()];
    let both = tokio::join!(writer.write_all(&mut rest), reader.read_exact(&mut read));
    assert!(both.0.is_ok() && both.1.is_ok());
    assert!(read == whole);
}

/// A frame, or a message, of which no byte has left is taken back, and so is the media key before it.
#[tokio::test]
async fn a_frame_that_found_no_room_leaves_nothing_behind() {
    for suite in Suite::ALL {
        let Pair {
            keys,
            mut writer,
            mut reader,
            near_below,
            far_below,
            mut others,
            _back,
        } = Pair::new(suite).await;
        for sequence in 0..9 {
            let older = frame(100 + sequence, 1500);
            let whole = match sequence % 3 {
                0 => b"a message".to_vec(),
                _ => [HEAD, &older.data[..]].concat(),
            };
            let filled = loop {
                writer.ready().await.unwrap();
                let filled = fill(&near_below);
                let begun = match sequence % 3 {
                    0 => writer.try_write(&[IoSlice::new(&whole)]),
                    _ => writer.try_write_frame(HEAD, &older, Instant::now()),
                };
                match begun {
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break filled,
                    // The kernel of a busy machine makes room a little later.
                    begun => {
                        drain(&far_below, filled);
                        complete(&mut writer, &mut reader, &whole, begun.unwrap()).await;
                    }
                }
            };
            if sequence % 3 == 2 {
                others.push(MediaMember::join(Arc::clone(&keys), suite));
            }
            drain(&far_below, filled);
            let newest = frame(sequence, 2000);
            let mut read = vec![0; HEAD.len() + newest.data.len()];
            let both = tokio::join!(send(&mut writer, &newest), reader.read_exact(&mut read));
            assert!(both.0.is_ok() && both.1.is_ok(), "frame {sequence}");
            assert!(read.starts_with(HEAD) && read.ends_with(&newest.data));
        }
    }
}

/// What happens to the writing side of a connection.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A message of so many bytes.
    Message(usize),
    /// A frame of so many bytes.
    Frame(usize),
    /// The same, while the socket is full.
    RefusedMessage(usize),
    RefusedFrame(usize),
    /// Another viewer comes.
    Join,
    /// Another viewer goes.
    Leave,
    /// The key of the connection is used up.
    NewKey,
}

fn step() -> impl Strategy<Value = Step> {
    let length = 1..60_000_usize;
    prop_oneof![
        length.clone().prop_map(Step::Message),
        length.clone().prop_map(Step::Frame),
        length.clone().prop_map(Step::RefusedMessage),
        length.prop_map(Step::RefusedFrame),
        Just(Step::Join),
        Just(Step::Leave),
        Just(Step::NewKey),
    ]
}

/// Takes the steps. All that was begun arrives, in its order, and nothing of what was refused.
async fn arrives(suite: Suite, steps: &[Step]) {
    let Pair {
        keys,
        mut writer,
        mut reader,
        near_below,
        far_below,
        mut others,
        _back,
    } = Pair::new(suite).await;
    for (sequence, step) in (0..).zip(steps) {
        let (length, is_frame, is_refused) = match *step {
            Step::Message(length) => (length, false, false),
            Step::Frame(length) => (length, true, false),
            Step::RefusedMessage(length) => (length, false, true),
            Step::RefusedFrame(length) => (length, true, true),
            Step::Join => {
                others.push(MediaMember::join(Arc::clone(&keys), suite));
                continue;
            }
            Step::Leave => {
                others.pop();
                continue;
            }
            Step::NewKey => {
                writer.use_up_key();
                continue;
            }
        };
        let frame = frame(sequence, length);
        let whole = [HEAD, &frame.data[..]].concat();
        writer.ready().await.unwrap();
        let filled = if is_refused { fill(&near_below) } else { 0 };
        let begun = if is_frame {
            writer.try_write_frame(HEAD, &frame, Instant::now())
        } else {
            writer.try_write(&[IoSlice::new(&whole)])
        };
        // Bytes of a record before a new key stay, so that the message has begun.
        let begun = match begun {
            Ok(count) => Some(count),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => None,
            Err(e) => panic!("step {sequence}: {e}"),
        };
        drain(&far_below, filled);
        if let Some(begun) = begun {
            complete(&mut writer, &mut reader, &whole, begun).await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_begun_arrives_and_nothing_of_what_is_refused(
        steps in proptest::collection::vec(step(), 1..40),
        is_aes in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(arrives(Suite::ALL[usize::from(is_aes)], &steps));
    }
}
