//! Records: the sealed parts of a stream, without any input or output. A record is its length in two
//! bytes, the most significant first, and a Noise message of that length (Noise, 13).
//!
//! An empty record says that the next one has a new key. The side that seals decides when, by volume and
//! time, so both take it at the same place.

use std::time::{Duration, Instant};

use super::noise::{Half, TAG_BYTES, Unreadable};

/// Bytes of the length before a Noise message.
pub(super) const LENGTH_BYTES: usize = 2;
/// The most plain bytes in a record that this side seals. The other side can open a record once it has
/// all of it, and an unsent record takes memory: so records are far shorter than Noise allows.
pub(super) const PLAIN_LIMIT: usize = 16 * 1024;
/// The most bytes of a record that the other side has sealed.
pub(super) const RECORD_LIMIT: usize = LENGTH_BYTES + u16::MAX as usize;
/// A key seals at most about this many bytes.
const KEY_BYTES: u64 = 1 << 30;
/// A key that is older than this seals no more.
const KEY_AGE: Duration = Duration::from_secs(600);

/// Seals what one side sends.
#[derive(Debug)]
pub(super) struct Sealer {
    half: Half,
    /// Bytes that the current key has sealed.
    bytes: u64,
    /// When the current key was new.
    since: Instant,
}

impl Sealer {
    /// A sealer whose key is new.
    pub fn new(half: Half, now: Instant) -> Self {
        Self {
            half,
            bytes: 0,
            since: now,
        }
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
        if self.bytes >= KEY_BYTES || now.saturating_duration_since(self.since) >= KEY_AGE {
            self.add(&[], out)?;
            self.half.rekey();
            (self.bytes, self.since) = (0, now);
        }
        self.bytes += plain.len() as u64;
        self.add(plain, out)
    }

    fn add(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable> {
        let length = plain.len() + TAG_BYTES;
        // The limit of plain bytes keeps the length within its two bytes.
        out.extend((length as u16).to_be_bytes());
        let at = out.len();
        out.resize(at + length, 0);
        self.half.seal(plain, &mut out[at..])
    }
}

/// Opens what the other side has sealed.
#[derive(Debug)]
pub(super) struct Opener {
    half: Half,
    /// Whether a new key was taken that has opened nothing yet.
    is_fresh: bool,
    /// Nothing is opened after a failure.
    is_broken: bool,
}

impl Opener {
    /// An opener of the first record and those after it.
    pub fn new(half: Half) -> Self {
        Self {
            half,
            is_fresh: false,
            is_broken: false,
        }
    }

    /// The length of the first record of `bytes`, with its own two bytes; `None` before these are there.
    pub fn length(bytes: &[u8]) -> Option<usize> {
        let length = bytes.first_chunk::<LENGTH_BYTES>()?;
        Some(LENGTH_BYTES + usize::from(u16::from_be_bytes(*length)))
    }

    /// Opens a whole record into `out`, which is as long at least. Returns the length of the plain bytes,
    /// which is 0 for a new key.
    ///
    /// # Errors
    /// The record is not the next one of the other side.
    pub fn open(&mut self, record: &[u8], out: &mut [u8]) -> Result<usize, Unreadable> {
        let opened = match record.get(LENGTH_BYTES..) {
            Some(sealed) if !self.is_broken => self.half.open(sealed, out),
            _ => Err(Unreadable),
        };
        match opened {
            Ok(0) if !self.is_fresh => {
                self.half.rekey();
                self.is_fresh = true;
                Ok(0)
            }
            // Keys that seal nothing would keep this side busy for nothing.
            Ok(0) | Err(_) => {
                self.is_broken = true;
                Err(Unreadable)
            }
            Ok(length) => {
                self.is_fresh = false;
                Ok(length)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::secure::noise::{Handshake, Suite};
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
                Ok(0) => {}
                Ok(count) => opened.push(out[..count].to_vec()),
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
            sealer.add(&[], &mut records).unwrap();
            sealer.half.rekey();
        }
        assert_eq!(open_all(&mut opener, &records), (vec![], false));
    }
}
