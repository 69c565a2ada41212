//! Encrypted connections: who may connect, the handshake that proves it, and what is sealed after it.
//! docs/security.md says what this protects against, and from which documents each part comes.

mod admission;
#[cfg(test)]
mod answer_tests;
pub mod code;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod guesses;
pub mod handshake;
#[cfg(test)]
mod handshake_tests;
pub mod key;
mod key_file;
mod limits;
mod media_key;
mod noise;
mod passphrase;
mod psk;
mod record;
mod sealed;
#[cfg(test)]
mod sealed_tests;
mod secret;
#[cfg(test)]
mod shared_tests;
// Its clock is there on Linux for the tests.
#[cfg(all(test, target_os = "linux"))]
mod speed_tests;
mod typed_codes;
mod words;

pub use admission::{Refused, Unsafe, admit, prove};
pub use code::Code;
pub use guesses::{Uses, WRONG_GUESSES};
pub use key::{Key, KeyText};
pub use key_file::{read_key_file, write_key_file};
pub use limits::{HandshakeLimits, LONGEST_PAUSE};
pub use media_key::{MediaKeys, MediaMember};
pub use noise::Suite;
pub use sealed::{SealedReader, SealedStream, SealedWriter};
pub use secret::Secret;
pub use typed_codes::TypedCodes;
