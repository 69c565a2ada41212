//! Records: the sealed parts of a stream, without any input or output. A record is its length in two
//! bytes, the most significant first, and a Noise message of that length (Noise, 13).
//!
//! An empty record says that the next one has a new key. The side that seals decides when, by volume and
//! time, so both take it at the same place.
//!
//! The first bit of the length marks a record before a frame that is sealed with the media key. It has
//! plain bytes of the stream too, and the parts of the frame follow it.

use std::ops::Range;
use std::time::Instant;

use zeroize::{Zeroize, Zeroizing};

use super::media_key::{
    HASH_LENGTH, Hash, KEY_LENGTH, MOST_PARTS, MediaKey, PART_LIMIT, SharedFrame,
};
use super::noise::{Half, KEY_AGE, KEY_BYTES, Suite, TAG_BYTES, Unreadable};

/// Bytes of the length before a Noise message.
pub(super) const LENGTH_BYTES: usize = 2;
/// The most plain bytes in a record that this side seals. The other side can open a record once it has
/// all of it, and an unsent record takes memory: so records are far shorter than Noise allows.
pub(super) const PLAIN_LIMIT: usize = 16 * 1024;
/// The most bytes of a record that the other side has sealed.
#[cfg(test)]
pub(super) const RECORD_LIMIT: usize = LENGTH_BYTES + (SHARED - 1) as usize;
/// The bit in the length of a record before a shared frame.
const SHARED: u16 = 1 << 15;
/// What is verified with such a record beside its bytes, so that the bit cannot be altered.
const SHARED_KIND: &[u8] = b"shared";
/// The most plain bytes of the stream in a record before a shared frame.
pub(super) const SHARED_HEAD_LIMIT: usize = 1024;
const _: () = assert!(
    1 + KEY_LENGTH + 4 + 8 + MOST_PARTS * HASH_LENGTH + SHARED_HEAD_LIMIT <= PLAIN_LIMIT,
    "a record has room for all of it"
);

/// Seals what one side sends.
#[derive(Debug)]
pub(super) struct Sealer {
    half: Half,
    /// Bytes that the current key has sealed.
    bytes: u64,
    /// When the current key was new.
    since: Instant,
    /// The number of keys before the current one.
    keys: u64,
}

/// A place in the row of records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    number: u64,
    bytes: u64,
    keys: u64,
}

impl Sealer {
    /// A sealer whose key is new.
    pub fn new(half: Half, now: Instant) -> Self {
        Self {
            half,
            bytes: 0,
            since: now,
            keys: 0,
        }
    }

    /// Has a new key come before the next record.
    #[cfg(test)]
    pub fn use_up_key(&mut self) {
        self.bytes = KEY_BYTES;
    }

    /// The place of the next record.
    pub fn mark(&self) -> Mark {
        Mark {
            number: self.half.number(),
            bytes: self.bytes,
            keys: self.keys,
        }
    }

    /// Takes back the records since `mark`, whose numbers are used again. No byte of them may have left
    /// this process, now or later: two records of one number would reveal what is in them. Returns
    /// whether it did, as a record before a new key is never taken back.
    #[must_use]
    pub fn take_back(&mut self, mark: Mark) -> bool {
        let is_possible = mark.keys == self.keys;
        if is_possible {
            self.half.go_back_to(mark.number);
            self.bytes = mark.bytes;
        }
        is_possible
    }

    /// Asks the processor for the memory of the cipher.
    pub fn prefetch(&self) {
        self.half.prefetch();
    }

    /// The suite.
    pub fn suite(&self) -> Suite {
        self.half.suite()
    }

    /// Adds `plain`, of 1 to [`PLAIN_LIMIT`] bytes, to `out` as a record. The record of a new key comes
    /// before it where one is due.
    ///
    /// # Errors
    /// No number is left for it.
    pub fn seal(
        &mut self,
        plain: &[u8],
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        debug_assert!(!plain.is_empty() && plain.len() <= PLAIN_LIMIT);
        self.count(plain.len(), now, out)?;
        self.add(false, plain, out)
    }

    /// Adds the record before a frame that is sealed with the media key. `head` are the bytes of the
    /// stream before the frame, at most [`SHARED_HEAD_LIMIT`]. The sealed frame has to follow. The key
    /// goes with it where the other side does not know it yet.
    ///
    /// # Errors
    /// No number is left for it.
    pub fn seal_shared(
        &mut self,
        head: &[u8],
        frame: &SharedFrame,
        is_key_known: bool,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        debug_assert!(head.len() <= SHARED_HEAD_LIMIT);
        let mut plain = Vec::with_capacity(PLAIN_SHARED);
        plain.push(u8::from(!is_key_known));
        if !is_key_known {
            plain.extend_from_slice(frame.key.bytes());
        }
        // The limit of parts keeps the length within its four bytes.
        plain.extend_from_slice(&(frame.length as u32).to_be_bytes());
        plain.extend_from_slice(&frame.nonce.to_be_bytes());
        for hash in &frame.hashes {
            plain.extend_from_slice(hash);
        }
        plain.extend_from_slice(head);
        let added = self
            .count(plain.len(), now, out)
            .and_then(|()| self.add(true, &plain, out));
        if !is_key_known {
            plain.zeroize();
        }
        added
    }

    /// Counts bytes that are sealed next. The record of a new key comes before them where one is due.
    fn count(&mut self, bytes: usize, now: Instant, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        if self.bytes >= KEY_BYTES || now.saturating_duration_since(self.since) >= KEY_AGE {
            self.add(false, &[], out)?;
            self.half.rekey();
            (self.bytes, self.since) = (0, now);
            self.keys += 1;
        }
        self.bytes += bytes as u64;
        Ok(())
    }

    fn add(&mut self, is_shared: bool, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable> {
        let length = plain.len() + TAG_BYTES;
        // The limit of plain bytes keeps the length within its bits.
        let marked = length as u16 | if is_shared { SHARED } else { 0 };
        out.extend(marked.to_be_bytes());
        let at = out.len();
        out.resize(at + length, 0);
        self.half.seal(kind(is_shared), plain, &mut out[at..])
    }
}

/// Usual plain bytes of a record before a shared frame: a key, one hash and the head of a frame.
const PLAIN_SHARED: usize = 128;

fn kind(is_shared: bool) -> &'static [u8] {
    if is_shared { SHARED_KIND } else { &[] }
}

/// The parts of a frame that follow a record.
#[derive(Debug)]
pub(super) struct SharedParts {
    /// Bytes of the frame that were not opened yet.
    left: usize,
    nonce: u64,
    /// The hashes of the parts that are left, the last part first.
    hashes: Vec<Hash>,
}

impl SharedParts {
    /// The length of the next part as it is sealed.
    pub fn next_length(&self) -> usize {
        self.left.min(PART_LIMIT) + TAG_BYTES
    }

    /// Whether all parts were opened.
    pub fn is_over(&self) -> bool {
        self.left == 0
    }
}

/// What an opened record was.
#[derive(Debug)]
pub(super) enum Opened {
    /// Plain bytes of the stream, so many.
    Plain(usize),
    /// A new key.
    NewKey,
    /// Plain bytes of the stream in this place, and then the parts of a frame.
    Shared(Range<usize>, SharedParts),
}

/// Opens what the other side has sealed.
#[derive(Debug)]
pub(super) struct Opener {
    half: Half,
    /// Whether a new key was taken that has opened nothing yet.
    is_fresh: bool,
    /// Nothing is opened after a failure.
    is_broken: bool,
    /// The last media key that the other side gave.
    media_key: Option<Box<MediaKey>>,
}

impl Opener {
    /// An opener of the first record and those after it.
    pub fn new(half: Half) -> Self {
        Self {
            half,
            is_fresh: false,
            is_broken: false,
            media_key: None,
        }
    }

    /// The length of the first record of `bytes`, with its own two bytes; `None` before these are there.
    pub fn length(bytes: &[u8]) -> Option<usize> {
        let length = bytes.first_chunk::<LENGTH_BYTES>()?;
        Some(LENGTH_BYTES + usize::from(u16::from_be_bytes(*length) & !SHARED))
    }

    /// Whether the parts of a frame follow this record, as far as can be told before it is opened.
    pub fn is_shared(record: &[u8]) -> bool {
        let length = record.first_chunk::<LENGTH_BYTES>();
        length.is_some_and(|length| u16::from_be_bytes(*length) & SHARED != 0)
    }

    /// Opens a whole record into `out`, which is as long at least.
    ///
    /// # Errors
    /// The record is not the next one of the other side.
    pub fn open(&mut self, record: &[u8], out: &mut [u8]) -> Result<Opened, Unreadable> {
        let opened = self.decrypt(record, out);
        self.is_broken |= opened.is_err();
        opened
    }

    fn decrypt(&mut self, record: &[u8], out: &mut [u8]) -> Result<Opened, Unreadable> {
        let sealed = record.get(LENGTH_BYTES..).ok_or(Unreadable)?;
        if self.is_broken {
            return Err(Unreadable);
        }
        let is_shared = Self::is_shared(record);
        match self.half.open(kind(is_shared), sealed, out)? {
            // Keys that seal nothing would keep this side busy for nothing.
            0 if is_shared || self.is_fresh => Err(Unreadable),
            0 => {
                self.half.rekey();
                self.is_fresh = true;
                Ok(Opened::NewKey)
            }
            count => {
                self.is_fresh = false;
                if is_shared {
                    return self.shared(&out[..count]);
                }
                Ok(Opened::Plain(count))
            }
        }
    }

    /// Reads the record before a shared frame.
    fn shared(&mut self, record: &[u8]) -> Result<Opened, Unreadable> {
        let mut rest = record;
        let [has_key] = *first(&mut rest)?;
        if has_key != 0 {
            let key = Zeroizing::new(*first::<KEY_LENGTH>(&mut rest)?);
            self.media_key = Some(Box::new(MediaKey::new(self.half.suite(), key)));
        }
        let left = u32::from_be_bytes(*first(&mut rest)?) as usize;
        let nonce = u64::from_be_bytes(*first(&mut rest)?);
        let count = left.div_ceil(PART_LIMIT);
        // The hashes are in the record already, so their number is bounded by its length.
        let hashes = rest.get(..count * HASH_LENGTH).ok_or(Unreadable)?;
        if left == 0 || nonce.checked_add(count as u64).is_none() || self.media_key.is_none() {
            return Err(Unreadable);
        }
        let head = record.len() - rest.len() + hashes.len();
        let (hashes, _) = hashes.as_chunks();
        let hashes = hashes.iter().rev().copied().collect();
        let parts = SharedParts {
            left,
            nonce,
            hashes,
        };
        Ok(Opened::Shared(head..record.len(), parts))
    }

    /// Opens the next part of a frame in place. Returns the number of its plain bytes, which are at its
    /// beginning.
    ///
    /// # Errors
    /// It is not the part that the other side has sealed.
    pub fn open_part(
        &mut self,
        parts: &mut SharedParts,
        sealed: &mut [u8],
    ) -> Result<usize, Unreadable> {
        let key = self.media_key.as_ref().filter(|_| !self.is_broken);
        let hash = parts.hashes.pop();
        let opened = match (key, hash) {
            (Some(key), Some(hash)) => key.open(parts.nonce, &hash, sealed),
            _ => Err(Unreadable),
        };
        self.is_broken |= opened.is_err();
        let count = opened?;
        parts.left -= count;
        parts.nonce += 1;
        Ok(count)
    }
}

/// Takes the first `N` bytes of `rest`.
fn first<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], Unreadable> {
    let (first, after) = rest.split_first_chunk().ok_or(Unreadable)?;
    *rest = after;
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::secure::noise::Handshake;
    use crate::net::secure::psk::Psk;

    /// A sealer and its opener.
    fn pair(suite: Suite) -> (Sealer, Opener) {
        let psk = Psk::derive(b"", b"a test", b"records");
        let mut first = Handshake::first(suite, &psk, b"");
        let mut second = Handshake::second(suite, &psk, b"");
        second.read(&first.write()).unwrap();
        first.read(&second.write()).unwrap();
        let (sealing, opening) = (first.finish().0, second.finish().1);
        (Sealer::new(sealing, Instant::now()), Opener::new(opening))
    }

    /// All that is opened, until the end or the first error.
    fn open_all(opener: &mut Opener, mut bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
        let mut opened = Vec::new();
        while let Some(length) = Opener::length(bytes) {
            let Some(record) = bytes.get(..length) else {
                break;
            };
            let mut out = vec![0; length];
            match opener.open(record, &mut out) {
                Ok(Opened::NewKey) => {}
                Ok(Opened::Plain(count)) => opened.push(out[..count].to_vec()),
                Ok(Opened::Shared(..)) => panic!("none was sealed"),
                Err(Unreadable) => return (opened, false),
            }
            bytes = &bytes[length..];
        }
        (opened, bytes.is_empty())
    }

    #[test]
    fn every_bit_of_every_byte_counts() {
        for suite in Suite::ALL {
            let (mut sealer, _) = pair(suite);
            let mut whole = Vec::new();
            sealer
                .seal(b"a message", Instant::now(), &mut whole)
                .unwrap();
            for place in 0..whole.len() {
                for bit in 0..8 {
                    let (mut sealer, mut opener) = pair(suite);
                    let mut altered = Vec::new();
                    sealer
                        .seal(b"a message", Instant::now(), &mut altered)
                        .unwrap();
                    altered[place] ^= 1 << bit;
                    let (opened, is_whole) = open_all(&mut opener, &altered);
                    assert!(opened.is_empty() && !is_whole, "byte {place}, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn records_that_are_cut_dropped_repeated_or_swapped_end_the_stream() {
        let sealed = |sealer: &mut Sealer| -> Vec<Vec<u8>> {
            let mut record = |n: u8| {
                let mut out = Vec::new();
                sealer.seal(&[n; 40], Instant::now(), &mut out).unwrap();
                out
            };
            (0..4).map(&mut record).collect()
        };
        type Change = fn(&mut Vec<Vec<u8>>);
        let changes: [(&str, Change, usize); 5] = [
            ("cut", |records| records[2].truncate(50), 2),
            ("dropped", |records| drop(records.remove(1)), 1),
            (
                "repeated",
                |records| records.insert(1, records[0].clone()),
                1,
            ),
            ("swapped", |records| records.swap(1, 2), 1),
            ("replayed", |records| records[3] = records[0].clone(), 3),
        ];
        for (name, change, good) in changes {
            let (mut sealer, mut opener) = pair(Suite::AesGcm);
            let mut records = sealed(&mut sealer);
            change(&mut records);
            let (opened, is_whole) = open_all(&mut opener, &records.concat());
            assert!(!is_whole, "{name}");
            assert_eq!(opened.len(), good, "{name}");
            let (_, after) = open_all(&mut opener, &records.concat());
            assert!(!after, "{name}: nothing is opened after that");
        }
    }

    #[test]
    fn a_record_of_another_connection_is_refused() {
        let (mut sealer, _) = pair(Suite::ChaChaPoly);
        let (_, mut opener) = pair(Suite::ChaChaPoly);
        let mut out = Vec::new();
        sealer.seal(b"a message", Instant::now(), &mut out).unwrap();
        assert_eq!(open_all(&mut opener, &out), (vec![], false));
    }

    #[test]
    fn records_that_are_taken_back_leave_no_trace() {
        for suite in Suite::ALL {
            let (mut sealer, mut opener) = pair(suite);
            let (mut bytes, now) = (Vec::new(), Instant::now());
            for number in 0..4_u8 {
                let (mark, volume, length) = (sealer.mark(), sealer.bytes, bytes.len());
                for _ in 0..number {
                    sealer.seal(b"not sent", now, &mut bytes).unwrap();
                }
                assert!(sealer.take_back(mark));
                assert_eq!(sealer.bytes, volume);
                bytes.truncate(length);
                sealer.seal(&[number], now, &mut bytes).unwrap();
            }
            let (opened, is_whole) = open_all(&mut opener, &bytes);
            assert!(is_whole);
            assert_eq!(opened, [[0], [1], [2], [3]]);
        }
    }

    #[test]
    fn a_record_before_a_new_key_is_not_taken_back() {
        let (mut sealer, mut opener) = pair(Suite::AesGcm);
        let (mut bytes, now) = (Vec::new(), Instant::now());
        let mark = sealer.mark();
        sealer.seal(b"old key", now, &mut bytes).unwrap();
        sealer.use_up_key();
        sealer.seal(b"new key", now, &mut bytes).unwrap();
        assert!(!sealer.take_back(mark));
        sealer.seal(b"next", now, &mut bytes).unwrap();
        let (opened, is_whole) = open_all(&mut opener, &bytes);
        assert!(is_whole);
        assert_eq!(opened, [&b"old key"[..], b"new key", b"next"]);
    }

    #[test]
    fn a_new_key_comes_by_volume_and_by_time() {
        let (mut sealer, mut opener) = pair(Suite::AesGcm);
        let begun = sealer.since;
        let mut records = Vec::new();
        let mut seal = |sealer: &mut Sealer, now| {
            let before = records.len();
            sealer.seal(&[1; 40], now, &mut records).unwrap();
            records.len() - before
        };
        let alone = LENGTH_BYTES + 40 + TAG_BYTES;
        let with_key = alone + LENGTH_BYTES + TAG_BYTES;
        assert_eq!(seal(&mut sealer, begun), alone);
        sealer.bytes = KEY_BYTES;
        assert_eq!(seal(&mut sealer, begun), with_key, "by volume");
        assert_eq!(seal(&mut sealer, begun), alone);
        assert_eq!(seal(&mut sealer, begun + KEY_AGE), with_key, "by time");
        assert_eq!(seal(&mut sealer, begun + KEY_AGE), alone);
        let (opened, is_whole) = open_all(&mut opener, &records);
        assert!(is_whole && opened == vec![vec![1; 40]; 5]);
    }

    #[test]
    fn keys_that_seal_nothing_are_refused() {
        let (mut sealer, mut opener) = pair(Suite::AesGcm);
        let mut records = Vec::new();
        for _ in 0..2 {
            sealer.add(false, &[], &mut records).unwrap();
            sealer.half.rekey();
        }
        assert_eq!(open_all(&mut opener, &records), (vec![], false));
    }
}
