//! A key of 32 bytes that both sides have, and its derivation.

use std::fmt;

use ring::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

/// A pre-shared key of the Noise protocol. Its bytes are wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Psk(Zeroizing<[u8; 32]>);

impl Psk {
    /// A key from a secret by HKDF (RFC 5869). `purpose` keeps keys for different uses apart.
    pub fn derive(salt: &[u8], secret: &[u8], purpose: &[u8]) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let prk = Salt::new(HKDF_SHA256, salt).extract(secret);
        let purpose = [purpose];
        prk.expand(&purpose, HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *key))
            .expect("HKDF gives as many bytes as its hash has");
        Self(key)
    }

    /// The key itself.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Never shows the key.
impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Psk(..)")
    }
}
