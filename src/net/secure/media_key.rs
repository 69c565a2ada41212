//! The media key of a stream: frames are sealed once with it, for all viewers of the stream.
//!
//! Each viewer gets the key within its own encrypted connection, and before each frame the hashes of
//! the sealed bytes. So a viewer, who has the key as well, can make no frame for another one. The model
//! is SFrame (RFC 9605), whose sender keys have no such hashes.
//!
//! There is a new key when a viewer comes or goes, so that nobody can read frames from before or after
//! its own time, and by volume and time.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::noise::{KEY_AGE, KEY_BYTES, Suite, TAG_BYTES, Unreadable};
use crate::frame::Frame;

/// Bytes of a media key.
pub(super) const KEY_LENGTH: usize = 32;
/// Bytes of a hash.
pub(super) const HASH_LENGTH: usize = SHA256_OUTPUT_LEN;
/// The plain bytes of one part of a frame. A part is opened as a whole, so a reader needs memory for one.
pub(super) const PART_LIMIT: usize = 128 * 1024;
/// The most parts of a frame. Longer frames are sealed for each viewer.
pub(super) const MOST_PARTS: usize = 256;
/// Fewer viewers cost less with a key each, since the hashes take longer than sealing does.
const LEAST_VIEWERS: usize = 4;
/// Shorter frames cost as little with a key each.
const LEAST_BYTES: usize = 1024;
/// The lengths of frames that are sealed for all viewers.
const LENGTHS: RangeInclusive<usize> = LEAST_BYTES..=MOST_PARTS * PART_LIMIT;
/// Sealed frames that are kept for viewers that are a little behind, or that begin with a key frame.
const KEPT: usize = 2;

/// A hash of the sealed bytes of a part.
pub(super) type Hash = [u8; HASH_LENGTH];

/// The media keys of one stream, one for each suite, since viewers choose theirs.
#[derive(Debug, Default)]
pub struct MediaKeys {
    aes: Mutex<State>,
    chacha: Mutex<State>,
}

/// A media key, and the cipher with it.
pub(super) struct MediaKey {
    bytes: Zeroizing<[u8; KEY_LENGTH]>,
    cipher: LessSafeKey,
}

/// A frame that was sealed for all viewers.
#[derive(Debug)]
pub(super) struct SharedFrame {
    pub key: Arc<MediaKey>,
    /// The nonce of the first part. Each part after it has the next one.
    pub nonce: u64,
    /// Bytes of the frame before it was sealed.
    pub length: usize,
    /// The parts, each with its tag behind it.
    pub sealed: Bytes,
    pub hashes: Vec<Hash>,
}

/// One viewer that the frames are sealed for.
#[derive(Debug)]
pub struct MediaMember {
    keys: Arc<MediaKeys>,
    suite: Suite,
}

/// The system has no random numbers for a key.
#[derive(Debug)]
pub(super) struct NoKey;

#[derive(Debug, Default)]
struct State {
    viewers: usize,
    current: Option<Current>,
    /// The frames that were sealed last, the newest at the end.
    kept: Vec<(Identity, Arc<SharedFrame>)>,
}

#[derive(Debug)]
struct Current {
    key: Arc<MediaKey>,
    since: Instant,
    /// Bytes that it has sealed.
    bytes: u64,
    next_nonce: u64,
}

/// A frame among those of its time. Frames of one stream differ in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    address: usize,
    length: usize,
    sequence: u32,
    captured_at: u64,
    pts: u64,
}

impl MediaKeys {
    fn state(&self, suite: Suite) -> &Mutex<State> {
        match suite {
            Suite::AesGcm => &self.aes,
            Suite::ChaChaPoly => &self.chacha,
        }
    }
}

impl MediaMember {
    /// A viewer comes.
    pub(super) fn join(keys: Arc<MediaKeys>, suite: Suite) -> Self {
        keys.state(suite).lock().change(|viewers| viewers + 1);
        Self { keys, suite }
    }

    /// The frame as it is sealed for all viewers; `None` where it costs less to seal it for this one.
    ///
    /// # Errors
    /// The system has no random numbers for a key.
    pub(super) fn share(
        &self,
        frame: &Frame,
        now: Instant,
    ) -> Result<Option<Arc<SharedFrame>>, NoKey> {
        if !LENGTHS.contains(&frame.data.len()) {
            return Ok(None);
        }
        let mut state = self.keys.state(self.suite).lock();
        if state.viewers < LEAST_VIEWERS {
            return Ok(None);
        }
        state.seal(frame, self.suite, now).map(Some)
    }

    /// The frame as it is sealed for all viewers, whatever that costs.
    #[cfg(any(test, fuzzing))]
    pub(super) fn seal(&self, frame: &Frame, now: Instant) -> Result<Arc<SharedFrame>, NoKey> {
        let mut state = self.keys.state(self.suite).lock();
        state.seal(frame, self.suite, now)
    }
}

impl Drop for MediaMember {
    fn drop(&mut self) {
        let state = self.keys.state(self.suite);
        state.lock().change(|viewers| viewers - 1);
    }
}

impl State {
    fn change(&mut self, viewers: impl FnOnce(usize) -> usize) {
        self.viewers = viewers(self.viewers);
        self.forget();
    }

    /// Forgets the key, and the frames that were sealed with it.
    fn forget(&mut self) {
        self.current = None;
        self.kept.clear();
    }

    fn seal(
        &mut self,
        frame: &Frame,
        suite: Suite,
        now: Instant,
    ) -> Result<Arc<SharedFrame>, NoKey> {
        let is_used_up = |current: &Current| {
            current.bytes >= KEY_BYTES || now.saturating_duration_since(current.since) >= KEY_AGE
        };
        if self.current.as_ref().is_some_and(is_used_up) {
            self.forget();
        }
        let identity = Identity::of(frame);
        if let Some((_, shared)) = self.kept.iter().find(|(known, _)| *known == identity) {
            return Ok(Arc::clone(shared));
        }
        let mut memory = BytesMut::new();
        if self.kept.len() >= KEPT {
            // Its memory is used again once no viewer needs it any more.
            let (_, oldest) = self.kept.remove(0);
            let oldest = Arc::into_inner(oldest).map(|shared| shared.sealed);
            memory = oldest
                .and_then(|sealed| sealed.try_into_mut().ok())
                .unwrap_or_default();
        }
        let current = match &mut self.current {
            Some(current) => current,
            none => none.insert(Current::new(suite, now).ok_or(NoKey)?),
        };
        let shared = Arc::new(current.seal(&frame.data, memory).ok_or(NoKey)?);
        self.kept.push((identity, Arc::clone(&shared)));
        Ok(shared)
    }
}

impl Current {
    /// A new key; `None` where the system has no random numbers.
    fn new(suite: Suite, now: Instant) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        SystemRandom::new().fill(&mut bytes[..]).ok()?;
        Some(Self {
            key: Arc::new(MediaKey::new(suite, bytes)),
            since: now,
            bytes: 0,
            next_nonce: 0,
        })
    }

    fn seal(&mut self, plain: &[u8], mut memory: BytesMut) -> Option<SharedFrame> {
        let nonce = self.next_nonce;
        let count = plain.len().div_ceil(PART_LIMIT);
        memory.clear();
        memory.reserve(plain.len() + count * TAG_BYTES);
        let mut hashes = Vec::with_capacity(count);
        for part in plain.chunks(PART_LIMIT) {
            let start = memory.len();
            memory.extend_from_slice(part);
            let sealed = self.key.seal(self.next_nonce, &mut memory[start..]);
            memory.extend_from_slice(&sealed.ok()?);
            hashes.push(hash(&memory[start..]));
            self.next_nonce += 1;
        }
        self.bytes += plain.len() as u64;
        Some(SharedFrame {
            key: Arc::clone(&self.key),
            nonce,
            length: plain.len(),
            sealed: memory.freeze(),
            hashes,
        })
    }
}

impl MediaKey {
    /// The key of these bytes.
    pub fn new(suite: Suite, bytes: Zeroizing<[u8; KEY_LENGTH]>) -> Self {
        let key = UnboundKey::new(suite.algorithm(), &bytes[..]);
        let key = key.expect("both ciphers have keys of this length");
        Self {
            bytes,
            cipher: LessSafeKey::new(key),
        }
    }

    /// The bytes of the key, for a viewer.
    pub fn bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.bytes
    }

    /// Seals a part in place, and returns its tag.
    fn seal(&self, nonce: u64, part: &mut [u8]) -> Result<[u8; TAG_BYTES], Unreadable> {
        let sealed = self
            .cipher
            .seal_in_place_separate_tag(numbered(nonce), Aad::empty(), part);
        let tag = sealed.map_err(|_| Unreadable)?;
        tag.as_ref().try_into().map_err(|_| Unreadable)
    }

    /// Opens a part in place, which has its tag behind it, if its hash is this one. Returns the number
    /// of its plain bytes, which are at its beginning.
    ///
    /// # Errors
    /// It is not the part that was meant.
    pub fn open(&self, nonce: u64, expected: &Hash, part: &mut [u8]) -> Result<usize, Unreadable> {
        // The hash came over the viewer's own connection, so nobody else can tell how far it is right.
        if hash(part) != *expected {
            return Err(Unreadable);
        }
        let opened = self
            .cipher
            .open_in_place(numbered(nonce), Aad::empty(), part);
        opened.map(|plain| plain.len()).map_err(|_| Unreadable)
    }
}

impl fmt::Debug for MediaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaKey").finish_non_exhaustive()
    }
}

impl Identity {
    fn of(frame: &Frame) -> Self {
        Self {
            address: frame.data.as_ptr().addr(),
            length: frame.data.len(),
            sequence: frame.header.sequence,
            captured_at: frame.header.captured_at,
            pts: frame.header.pts,
        }
    }
}

fn hash(bytes: &[u8]) -> Hash {
    let hash = digest(&SHA256, bytes);
    let bytes = hash.as_ref().try_into();
    bytes.expect("the digest has the length of its algorithm")
}

/// A nonce with this number. Each key counts from 0.
fn numbered(number: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameHeader;

    fn frame(sequence: u32, length: usize) -> Frame {
        Frame {
            header: FrameHeader {
                sequence,
                ..FrameHeader::default()
            },
            data: vec![sequence as u8; length].into(),
        }
    }

    fn members(keys: &Arc<MediaKeys>, count: usize) -> Vec<MediaMember> {
        let join = |_| MediaMember::join(Arc::clone(keys), Suite::AesGcm);
        (0..count).map(join).collect()
    }

    fn opened(shared: &SharedFrame) -> Result<Vec<u8>, Unreadable> {
        let mut plain = Vec::new();
        let parts = shared.sealed.chunks(PART_LIMIT + TAG_BYTES);
        for ((part, hash), nonce) in parts.zip(&shared.hashes).zip(shared.nonce..) {
            let mut part = part.to_vec();
            let length = shared.key.open(nonce, hash, &mut part)?;
            plain.extend_from_slice(&part[..length]);
        }
        Ok(plain)
    }

    #[test]
    fn all_viewers_get_the_same_bytes_which_open_to_the_frame() {
        let keys = Arc::default();
        let members = members(&keys, LEAST_VIEWERS);
        for length in [LEAST_BYTES, PART_LIMIT, PART_LIMIT + 1, 3 * PART_LIMIT - 7] {
            let frame = frame(1, length);
            let now = Instant::now();
            let all: Vec<_> = members
                .iter()
                .map(|member| member.seal(&frame, now).unwrap())
                .collect();
            assert!(all.iter().all(|shared| Arc::ptr_eq(shared, &all[0])));
            assert_eq!(opened(&all[0]).unwrap(), frame.data);
            assert_eq!(all[0].hashes.len(), length.div_ceil(PART_LIMIT));
        }
    }

    #[test]
    fn no_nonce_is_used_twice_with_one_key() {
        let keys = Arc::default();
        let members = members(&keys, LEAST_VIEWERS);
        let now = Instant::now();
        let mut next = 0;
        for sequence in 0..20 {
            let frame = frame(sequence, LEAST_BYTES + sequence as usize * PART_LIMIT / 4);
            let shared = members[0].seal(&frame, now).unwrap();
            assert_eq!(shared.nonce, next);
            next += shared.hashes.len() as u64;
        }
    }

    #[test]
    fn there_is_a_new_key_when_a_viewer_comes_or_goes_and_by_volume_and_time() {
        let keys = Arc::default();
        let mut members = members(&keys, LEAST_VIEWERS);
        let (frame, now) = (frame(1, LEAST_BYTES), Instant::now());
        let mut seen = Vec::new();
        let mut is_new = |members: &[MediaMember], now| {
            let key = *members[0].seal(&frame, now).unwrap().key.bytes();
            let is_new = !seen.contains(&key);
            seen.push(key);
            is_new
        };
        assert!(is_new(&members, now));
        assert!(!is_new(&members, now));
        members.push(MediaMember::join(Arc::clone(&keys), Suite::AesGcm));
        assert!(is_new(&members, now), "one came");
        drop(members.pop());
        assert!(is_new(&members, now), "one left");
        let aged = now + KEY_AGE;
        assert!(is_new(&members, aged), "by time");
        let mut state = keys.aes.lock();
        state.current.as_mut().unwrap().bytes = KEY_BYTES;
        drop(state);
        assert!(is_new(&members, aged), "by volume");
        assert!(!is_new(&members, aged));
    }

    #[test]
    fn few_viewers_and_short_and_very_long_frames_are_sealed_one_by_one() {
        let keys = Arc::default();
        let mut members = members(&keys, LEAST_VIEWERS);
        let longest = MOST_PARTS * PART_LIMIT;
        let suits = |member: &MediaMember, length| {
            let sealed = member.share(&frame(1, length), Instant::now());
            sealed.unwrap().is_some()
        };
        for length in [LEAST_BYTES, 115_200, longest] {
            assert!(suits(&members[0], length), "{length} bytes");
        }
        assert!(!suits(&members[0], LEAST_BYTES - 1));
        assert!(!suits(&members[0], longest + 1));
        members.pop();
        assert!(!suits(&members[0], 115_200), "one viewer is missing");
        // The viewers of the other suite have a key of their own.
        members.push(MediaMember::join(Arc::clone(&keys), Suite::ChaChaPoly));
        assert!(!suits(&members[0], 115_200));
    }

    #[test]
    fn a_part_that_another_viewer_has_made_does_not_open() {
        let keys = Arc::default();
        let members = members(&keys, LEAST_VIEWERS);
        let now = Instant::now();
        let shared = members[0].seal(&frame(1, 5000), now).unwrap();
        // Another viewer has the key, and seals a frame of its own with the same nonce.
        let mut forged = vec![66; 5000];
        let tag = shared.key.seal(shared.nonce, &mut forged).unwrap();
        forged.extend_from_slice(&tag);
        let own = hash(&forged);
        assert!(
            shared
                .key
                .open(shared.nonce, &own, &mut forged.clone())
                .is_ok()
        );
        let refused = shared
            .key
            .open(shared.nonce, &shared.hashes[0], &mut forged);
        assert_eq!(refused, Err(Unreadable));
    }

    #[test]
    fn the_memory_of_a_frame_is_used_again_once_nobody_needs_it() {
        let keys = Arc::default();
        let members = members(&keys, LEAST_VIEWERS);
        let now = Instant::now();
        let mut addresses = Vec::new();
        for sequence in 0..8 {
            let shared = members[0].seal(&frame(sequence, 5000), now).unwrap();
            addresses.push(shared.sealed.as_ptr());
        }
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), KEPT);
        assert_eq!(keys.aes.lock().kept.len(), KEPT);
    }
}
