//! What is taken from `snow`: the two suites, a handshake with a pre-shared key, and after it a key for
//! each direction.
//!
//! A connection has a half that reads and a half that writes, with an owner each. So the transport keys
//! are taken from the handshake one by one, as Noise's `Split()` gives them, and each gets the cipher
//! that `snow` itself would use, with its own counter (Noise, 5.1 `CipherState` and 5.2 `Split()`). A
//! test compares this with `snow`'s own `TransportState`.

use std::fmt;
use std::time::Duration;

use ring::aead::{AES_256_GCM, Algorithm, CHACHA20_POLY1305};
use snow::params::{CipherChoice, NoiseParams};
use snow::resolvers::{CryptoResolver, RingResolver};
use snow::types::Cipher;
use snow::{Builder, HandshakeState};
use zeroize::Zeroizing;

use super::psk::Psk;
use crate::net::prefetch::prefetch;

/// Bytes of a handshake message: a public key, and the tag of an empty payload.
pub(super) const HANDSHAKE_BYTES: usize = 32 + TAG_BYTES;
/// Bytes that sealing adds to a record.
pub(super) const TAG_BYTES: usize = 16;

/// A key seals at most about this many bytes.
pub(super) const KEY_BYTES: u64 = 1 << 30;
/// A key that is older than this seals no more.
pub(super) const KEY_AGE: Duration = Duration::from_secs(600);

/// The cipher of a connection. Both are good, so the dialling side names the one that is faster for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// AES-256 in GCM.
    AesGcm,
    /// ChaCha20 and Poly1305.
    ChaChaPoly,
}

impl Suite {
    /// Both suites.
    pub const ALL: [Self; 2] = [Self::AesGcm, Self::ChaChaPoly];

    /// The faster one on this machine.
    pub fn fastest() -> Self {
        if has_aes() {
            Self::AesGcm
        } else {
            Self::ChaChaPoly
        }
    }

    fn params(self) -> NoiseParams {
        let name = match self {
            Self::AesGcm => "Noise_NNpsk0_25519_AESGCM_SHA256",
            Self::ChaChaPoly => "Noise_NNpsk0_25519_ChaChaPoly_SHA256",
        };
        name.parse().expect("a name of the Noise specification")
    }

    /// The cipher, as `ring` has it.
    pub(super) fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::AesGcm => &AES_256_GCM,
            Self::ChaChaPoly => &CHACHA20_POLY1305,
        }
    }

    fn cipher(self, key: &[u8; 32]) -> Box<dyn Cipher> {
        let choice = match self {
            Self::AesGcm => CipherChoice::AESGCM,
            Self::ChaChaPoly => CipherChoice::ChaChaPoly,
        };
        let cipher = RingResolver.resolve_cipher(&choice);
        let mut cipher = cipher.expect("ring has both ciphers");
        cipher.set(key);
        cipher
    }
}

/// Whether the processor has instructions for AES-GCM. Without them `ring` is slow at it.
fn has_aes() -> bool {
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    return std::arch::is_x86_feature_detected!("aes")
        && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
    return false;
}

/// A handshake of one side. Its payloads are empty.
pub(super) struct Handshake {
    state: HandshakeState,
    suite: Suite,
}

/// The handshake failed: the peer does not have this key, or the bytes were altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unproven;

impl Handshake {
    /// The handshake of the side that speaks first. `prologue` is all that both sides have seen of the
    /// connection before.
    pub fn first(suite: Suite, psk: &Psk, prologue: &[u8]) -> Self {
        Self::new(suite, psk, prologue, true)
    }

    /// The handshake of the side that answers.
    pub fn second(suite: Suite, psk: &Psk, prologue: &[u8]) -> Self {
        Self::new(suite, psk, prologue, false)
    }

    fn new(suite: Suite, psk: &Psk, prologue: &[u8], is_first: bool) -> Self {
        let builder = Builder::new(suite.params()).psk(0, psk.bytes());
        let state = builder
            .and_then(|builder| builder.prologue(prologue))
            .and_then(|builder| {
                if is_first {
                    builder.build_initiator()
                } else {
                    builder.build_responder()
                }
            });
        let state = state.expect("the pattern needs one key at place 0, and a prologue");
        Self { state, suite }
    }

    /// Writes this side's message.
    pub fn write(&mut self) -> [u8; HANDSHAKE_BYTES] {
        let mut message = [0; HANDSHAKE_BYTES];
        let written = self.state.write_message(&[], &mut message);
        let count = written.expect("it is this side's turn, and the system has random numbers");
        assert_eq!(count, HANDSHAKE_BYTES, "a message of this pattern");
        message
    }

    /// Reads the peer's message.
    pub fn read(&mut self, message: &[u8; HANDSHAKE_BYTES]) -> Result<(), Unproven> {
        let read = self.state.read_message(message, &mut []);
        read.map(drop).map_err(|_| Unproven)
    }

    /// The keys, after both messages: for what this side sends and for what it receives.
    pub fn finish(mut self) -> (Half, Half) {
        assert!(
            self.state.is_handshake_finished(),
            "both messages have passed"
        );
        let is_first = self.state.is_initiator();
        let (first, second) = self.state.dangerously_get_raw_split();
        let (first, second) = (Zeroizing::new(first), Zeroizing::new(second));
        let half = |key: &[u8; 32]| Half {
            suite: self.suite,
            cipher: self.suite.cipher(key),
            count: 0,
        };
        if is_first {
            (half(&first), half(&second))
        } else {
            (half(&second), half(&first))
        }
    }

    /// The hash of all that both sides have said.
    pub fn hash(&self) -> Vec<u8> {
        self.state.get_handshake_hash().to_vec()
    }
}

/// The cipher of one direction, with the number of the next record: Noise's `CipherState`.
pub(super) struct Half {
    suite: Suite,
    cipher: Box<dyn Cipher>,
    count: u64,
}

impl fmt::Debug for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Half").finish_non_exhaustive()
    }
}

/// A record does not verify, or no number is left for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Half {
    /// Asks the processor for the memory of the cipher.
    pub fn prefetch(&self) {
        prefetch(&*self.cipher);
    }

    /// The suite of the cipher.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Seals `plain` into `out`, which is longer by [`TAG_BYTES`]. The other side opens it with the same
    /// `kind`.
    ///
    /// # Errors
    /// All numbers are used up, which takes longer than any connection lasts.
    pub fn seal(&mut self, kind: &[u8], plain: &[u8], out: &mut [u8]) -> Result<(), Unreadable> {
        let count = self.next()?;
        self.cipher.encrypt(count, kind, plain, out);
        self.count += 1;
        Ok(())
    }

    /// Opens `sealed` into `out`, which is as long at least. Returns the length of the plain bytes.
    ///
    /// # Errors
    /// It is not the next record that the peer has sealed.
    pub fn open(
        &mut self,
        kind: &[u8],
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Unreadable> {
        let count = self.next()?;
        let opened = self.cipher.decrypt(count, kind, sealed, out);
        let length = opened.map_err(|_| Unreadable)?;
        self.count += 1;
        Ok(length)
    }

    /// The number of the next record.
    pub fn number(&self) -> u64 {
        self.count
    }

    /// Gives the next record this number again, which a record had that nobody will ever see.
    pub fn go_back_to(&mut self, number: u64) {
        debug_assert!(number <= self.count);
        self.count = self.count.min(number);
    }

    /// Takes the next key (Noise, 4.2 `REKEY`). Both sides do so at the same record.
    pub fn rekey(&mut self) {
        self.cipher.rekey();
    }

    /// The number of the next record. The last one is the specification's own, for new keys.
    fn next(&self) -> Result<u64, Unreadable> {
        (self.count < u64::MAX)
            .then_some(self.count)
            .ok_or(Unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn psk() -> Psk {
        Psk::derive(b"a test", b"secret", b"noise")
    }

    /// Both directions are the same as in `snow`'s own transport mode, also after new keys.
    #[test]
    fn the_halves_are_those_of_snow_itself() {
        for suite in Suite::ALL {
            let mut ours = Handshake::first(suite, &psk(), b"prologue");
            let psk = psk();
            let mut theirs = Builder::new(suite.params())
                .psk(0, psk.bytes())
                .and_then(|builder| builder.prologue(b"prologue"))
                .and_then(Builder::build_responder)
                .unwrap();
            theirs.read_message(&ours.write(), &mut []).unwrap();
            let mut answer = [0; HANDSHAKE_BYTES];
            theirs.write_message(&[], &mut answer).unwrap();
            ours.read(&answer).unwrap();
            assert_eq!(ours.hash(), theirs.get_handshake_hash());
            let (mut sending, mut receiving) = ours.finish();
            let mut theirs = theirs.into_transport_mode().unwrap();
            let (mut sealed, mut plain) = ([0; 100 + TAG_BYTES], [0; 100 + TAG_BYTES]);
            for number in 0..9_u8 {
                if number % 3 == 2 {
                    sending.rekey();
                    theirs.rekey_incoming();
                    receiving.rekey();
                    theirs.rekey_outgoing();
                }
                let message = [number; 100];
                sending.seal(&[], &message, &mut sealed).unwrap();
                assert_eq!(theirs.read_message(&sealed, &mut plain), Ok(100));
                assert_eq!(plain[..100], message);
                assert_eq!(
                    theirs.write_message(&message, &mut sealed),
                    Ok(sealed.len())
                );
                assert_eq!(receiving.open(&[], &sealed, &mut plain), Ok(100));
                assert_eq!(plain[..100], message);
            }
        }
    }

    #[test]
    fn both_sides_have_to_have_seen_the_same_before() {
        for suite in Suite::ALL {
            let mut first = Handshake::first(suite, &psk(), b"one");
            let mut second = Handshake::second(suite, &psk(), b"other");
            assert_eq!(second.read(&first.write()), Err(Unproven));
        }
    }

    #[test]
    fn no_number_is_used_twice() {
        let mut half = Half {
            suite: Suite::AesGcm,
            cipher: Suite::AesGcm.cipher(&[7; 32]),
            count: u64::MAX - 1,
        };
        let mut sealed = [0; 1 + TAG_BYTES];
        assert_eq!(half.seal(&[], b"a", &mut sealed), Ok(()));
        assert_eq!(half.seal(&[], b"a", &mut sealed), Err(Unreadable));
        assert_eq!(half.open(&[], &sealed, &mut [0; 32]), Err(Unreadable));
    }
}
