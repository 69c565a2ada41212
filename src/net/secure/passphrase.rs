//! A passphrase that a person made up, as a key.
//!
//! A handshake with a pre-shared key that somebody has recorded can be tried with any number of guesses.
//! So a passphrase that may be guessed is refused, and each guess is made slow and large by Argon2id
//! (RFC 9106).

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;
use zxcvbn::zxcvbn;

use super::psk::Psk;
use crate::failure::Invalid;

/// Memory for one passphrase, in KiB, and passes over it: the second recommendation of RFC 9106 (4).
const MEMORY: u32 = 64 * 1024;
const PASSES: u32 = 3;
/// One lane, as the crate uses one thread.
const LANES: u32 = 1;
/// Both sides come to the same key with nothing said before, so the salt cannot be random. A table of
/// passphrases could be made in advance: one of [`LEAST_BITS`] is too large for that.
const SALT: &[u8] = b"vidchat passphrase 1";
/// A passphrase needs as many guesses as a number of so many bits.
const LEAST_BITS: f64 = 60.0;
/// Advice on a good one.
const ADVICE: &str = "take a key of vidchat key, or five words or more that nothing connects: no line of a \
                      song or a book";
/// Longer ones are refused: the estimate takes time that grows with the length.
const LONGEST: usize = 100;

/// The key of a passphrase. It takes 64 MiB of memory for some tenths of a second.
///
/// # Errors
/// The passphrase is too long, or so weak that it may be guessed.
pub(super) fn stretch(passphrase: &str) -> Result<Psk, Invalid> {
    refuse_weak(passphrase)?;
    let params = Params::new(MEMORY, PASSES, LANES, Some(32)).expect("within Argon2's bounds");
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), SALT, &mut *key)
        .map_err(|e| Invalid::new(format!("the passphrase cannot be used: {e}")))?;
    Ok(Psk::derive(b"vidchat passphrase 1", &*key, b"Noise psk"))
}

/// Refuses a passphrase by the estimate of `zxcvbn`, which knows common words, names, dates and patterns
/// of keys.
fn refuse_weak(passphrase: &str) -> Result<(), Invalid> {
    let length = passphrase.chars().count();
    if length == 0 {
        return Err(Invalid::new("nothing follows the word passphrase:").hint(ADVICE));
    }
    if length > LONGEST {
        return Err(Invalid::new(format!(
            "a passphrase has at most {LONGEST} letters, this has {length}"
        )));
    }
    // Known passwords are written as one word, and a phrase of them costs as few guesses.
    let letters = passphrase.chars().filter(|c| c.is_alphanumeric());
    let joined: Zeroizing<String> = Zeroizing::new(letters.collect());
    let [apart, joined] = [passphrase, &joined].map(|text| zxcvbn(text, &["vidchat"]));
    let estimate = if apart.guesses_log10() < joined.guesses_log10() {
        apart
    } else {
        joined
    };
    let bits = (estimate.guesses_log10() / 2f64.log10()).max(0.0);
    if bits >= LEAST_BITS {
        return Ok(());
    }
    let warning = estimate.feedback().and_then(|feedback| feedback.warning());
    let reason = match warning {
        Some(warning) => {
            let words = warning.to_string();
            let words = words.trim_end_matches('.');
            let mut letters = words.chars();
            let first = letters.next().unwrap_or_default().to_lowercase();
            format!(": {first}{}", letters.as_str())
        }
        None => String::new(),
    };
    Err(Invalid::new(format!(
        "the passphrase is too weak, about {bits:.0} of {LEAST_BITS:.0} bits{reason}"
    ))
    .hint(ADVICE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::secure::key::Key;

    const STRONG: &str = "gravel uncle tinsel orbit mustard wren";

    #[test]
    fn a_weak_passphrase_is_refused_with_the_reason() {
        for (weak, reason) in [
            ("", "nothing follows the word passphrase:"),
            ("password", "this is a top-10 common password"),
            ("vidchat", "too weak"),
            ("qwertyuiop", "common password"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "repeats like \"aaa\""),
            ("correct horse", "too weak"),
            ("Tr0ub4dor&3", "too weak"),
            ("correct horse battery staple", "too weak"),
            ("c o r r e c t horse, battery-staple!", "too weak"),
        ] {
            let error = stretch(weak).unwrap_err().to_string();
            assert!(error.contains(reason), "{weak:?}: {error}");
        }
        let long = "gravel uncle ".repeat(9);
        let error = stretch(&long).unwrap_err().to_string();
        assert!(error.contains("at most 100 letters"), "{error}");
    }

    #[test]
    fn a_strong_one_is_the_same_key_on_both_sides() {
        let key: Key = format!("passphrase: {STRONG}").parse().unwrap();
        let typed: Result<Key, _> = format!("Passphrase:{STRONG}\n").parse();
        assert_eq!(typed, Ok(key.clone()));
        let other: Result<Key, _> = format!("passphrase: {STRONG}s").parse();
        assert_ne!(other, Ok(key));
    }

    /// The bounds of RFC 9106's recommendation for machines with little memory: less would be easier to
    /// guess, and more would be a burden for small machines.
    #[test]
    fn memory_has_bounds() {
        let params = Params::new(MEMORY, PASSES, LANES, Some(32)).unwrap();
        let bytes = params.block_count() * argon2::Block::SIZE;
        assert_eq!(bytes, 64 << 20);
        assert!((params.t_cost(), params.p_cost()) == (3, 1));
    }

    /// The processor time of a passphrase, in those of one pass over 8 MiB: three passes over 64 MiB are
    /// 24 of them, whatever the machine.
    #[cfg(target_os = "linux")]
    #[test]
    fn time_has_bounds() {
        use crate::net::secure::speed_tests::least;

        let one = least(1, || {
            let params = Params::new(8 * 1024, 1, LANES, Some(32)).unwrap();
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let hashed = argon2.hash_password_into(STRONG.as_bytes(), SALT, &mut [0; 32]);
            hashed.unwrap();
        });
        let whole = least(1, || drop(stretch(STRONG).unwrap()));
        let times = whole.as_secs_f64() / one.as_secs_f64();
        assert!((8.0..150.0).contains(&times), "{times}: {whole:?}, {one:?}");
    }
}
