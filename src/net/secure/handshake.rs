//! The handshake before anything else is said on a connection.
//!
//! ```text
//! dialling side                            waiting side
//!   with a key
//!   magic, kind, Noise message 1      -->
//!                                     <--  Noise message 2
//!   with a code
//!   magic, kind, number, SPAKE2 A     -->
//!                                     <--  SPAKE2 B
//!   Noise message 1                   -->
//!                                     <--  Noise message 2
//! ```
//!
//! The waiting side says nothing before the first message has proved the key, or named the number of the
//! code. Everything that was said in clear is in the prologue of the Noise handshake, so nothing of it
//! can be altered, the suite included.

use std::io;

use spake2::{Ed25519Group, Identity, Password, Spake2};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::code::Code;
use super::guesses::{Attempt, Wrong};
use super::noise::{Half, Handshake, Suite};
use super::psk::Psk;
use super::secret::{Proof, Secret};
use crate::failure::describe;
use crate::wire::foreign::kind_of;
use crate::wire::text::quote;
use crate::wire::{CONTROL_LIMIT, ENCRYPTED as MAGIC, PREFIX_BYTES};

/// Bytes of a message of SPAKE2.
const SPAKE_BYTES: usize = 33;
/// The text at the beginning of every prologue.
const PROLOGUE: &[u8] = b"vidchat secure 1";

/// The keys of a connection whose other side has proved the secret.
#[derive(Debug)]
pub struct Channel {
    pub(super) sending: Half,
    pub(super) receiving: Half,
}

/// Why a connection that this side has made is not safe to use.
#[derive(Debug, Error)]
pub enum DialError {
    /// The connection failed.
    #[error("{}", describe(.0))]
    Io(#[source] io::Error),
    /// It was closed before the other side had said anything.
    #[error("it answers nothing: it has another key, or a code")]
    OtherKey,
    /// The key of an earlier connection was refused, or the code after it.
    #[error("it answers nothing: it was started again and has another code or none")]
    Forgotten,
    /// Nobody there has a code with this number.
    #[error("it answers nothing: it has no code with the number {0}, or has none any more")]
    NoSuchCode(u8),
    /// It answers in clear, in vidchat's own protocol. Only a side without a key or code does that, or
    /// somebody on the path.
    #[error("it is open: it answers in clear, without a key or a code")]
    Open,
    /// It is something else. These are its first bytes.
    #[error("it is no vidchat with a key or a code: its first bytes are {}{}", quote(.0), kind_of(.0))]
    Foreign(Vec<u8>),
    /// The other side has another code. So many tries are left.
    #[error("the code is wrong")]
    WrongCode(u8),
    /// The code was tried too often, or is used up.
    #[error("the code is good no more: it was used, or was wrong three times")]
    DeadCode,
    /// The answer proves nothing: it was altered, or the other side does not have the key.
    #[error("it does not have the key, or somebody has altered its answer")]
    Unproven,
}

/// Why a connection that came in is not let in.
#[derive(Debug, Error)]
pub enum AcceptError {
    /// The connection failed or ended.
    #[error("{}", ended(.0))]
    Io(#[source] io::Error),
    /// It speaks in clear, or another protocol.
    #[error("refused, it does not encrypt")]
    Clear,
    /// It does not have the key.
    #[error("refused, it does not have the key")]
    NoKey,
    /// It named a code that does not exist here, or its first message is no valid one.
    #[error("refused, it has no code that is good here")]
    NoCode,
    /// It guessed wrong. So many guesses are left for everybody.
    #[error("refused, its code is wrong ({})", left(*.0))]
    WrongCode(u8),
    /// The code was dead or used before its exchange was complete.
    #[error("refused, its code is not valid any more")]
    DeadCode,
}

impl DialError {
    /// Whether the connection was closed before anything was said. That is all that a side does which
    /// has no such key or code. Nobody has a guess at a code by that.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::OtherKey | Self::Forgotten | Self::NoSuchCode(_))
    }
}

impl AcceptError {
    /// Whether the other side has been answered before it failed. Only then is it told by a close: a
    /// stranger that was told nothing cannot even know that a vidchat is here.
    pub fn was_answered(&self) -> bool {
        matches!(self, Self::WrongCode(_) | Self::DeadCode)
    }
}

fn ended(e: &io::Error) -> String {
    if e.kind() == io::ErrorKind::UnexpectedEof {
        "it closed the connection before it had proved the key or code".into()
    } else {
        describe(e)
    }
}

fn left(guesses: u8) -> String {
    match guesses {
        0 => "that was the last guess, the code is dead".into(),
        1 => "1 more guess".into(),
        guesses => format!("{guesses} more guesses"),
    }
}

/// Proves the secret to the side that waits, and has it prove the same.
///
/// # Errors
/// The other side does not have the secret, or the connection failed.
pub async fn dial<S>(stream: &mut S, secret: &Secret, suite: Suite) -> Result<Channel, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match secret.proof().ok_or(DialError::DeadCode)? {
        Proof::Key(psk) => dial_with(stream, &psk, suite, || DialError::OtherKey).await,
        Proof::Again(psk) => {
            dial_with(stream, &psk, suite, || {
                secret.refused_again();
                DialError::Forgotten
            })
            .await
        }
        Proof::Code(attempt) => {
            let code = attempt.code();
            // The first connection was by this code, and the key that it gave was refused after that.
            let is_again = secret.knows_peers();
            let (spake, message) =
                Spake2::<Ed25519Group>::start_a(&password(code), &dials(), &waits());
            let number = code.number();
            let opening = [&MAGIC[..], &[kind(suite, true), number], &message].concat();
            write(stream, &opening).await.map_err(DialError::Io)?;
            let silent = || {
                if is_again {
                    DialError::Forgotten
                } else {
                    DialError::NoSuchCode(number)
                }
            };
            let theirs: [u8; SPAKE_BYTES] = answer(stream, silent).await?;
            let shared = spake.finish(&theirs).map_err(|_| unproven(&theirs))?;
            let shared = Zeroizing::new(shared);
            let psk = psk_of(&shared);
            let mut noise = Handshake::first(suite, &psk, &prologue(&[&opening, &theirs]));
            let guess = Guess::begin(secret, attempt);
            write(stream, &noise.write()).await.map_err(DialError::Io)?;
            let proved = match read(stream).await {
                Ok(answer) => noise.read(&answer).is_ok(),
                Err(e) if is_end(&e) => false,
                Err(e) => return Err(DialError::Io(e)),
            };
            if !proved {
                return Err(match guess.wrong() {
                    _ if is_again => DialError::Forgotten,
                    Wrong::Left(left) => DialError::WrongCode(left),
                    Wrong::Dead => DialError::WrongCode(0),
                    Wrong::Over => DialError::DeadCode,
                });
            }
            if guess.right(again(&shared, &noise)) {
                Ok(channel(noise))
            } else {
                Err(DialError::DeadCode)
            }
        }
    }
}

/// Proves a key, and has the other side prove the same. `silent` is the error where it says nothing.
async fn dial_with<S>(
    stream: &mut S,
    psk: &Psk,
    suite: Suite,
    silent: impl FnOnce() -> DialError,
) -> Result<Channel, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let opening = [&MAGIC[..], &[kind(suite, false)]].concat();
    let mut noise = Handshake::first(suite, psk, &prologue(&[&opening]));
    let first = [&opening[..], &noise.write()].concat();
    write(stream, &first).await.map_err(DialError::Io)?;
    let answer = answer(stream, silent).await?;
    noise.read(&answer).map_err(|_| unproven(&answer))?;
    Ok(channel(noise))
}

/// The first message of the waiting side. `silent` is the error where it closes the connection and has
/// said nothing.
async fn answer<const N: usize>(
    stream: &mut (impl AsyncRead + Unpin),
    silent: impl FnOnce() -> DialError,
) -> Result<[u8; N], DialError> {
    let (mut bytes, mut filled) = ([0; N], 0);
    while filled < N {
        let count = match stream.read(&mut bytes[filled..]).await {
            Ok(count) => count,
            Err(e) if is_end(&e) => 0,
            Err(e) => return Err(DialError::Io(e)),
        };
        if count == 0 {
            return Err(match &bytes[..filled] {
                [] => silent(),
                said => unproven(said),
            });
        }
        filled += count;
        if is_clear(&bytes[..filled]) {
            return Err(DialError::Open);
        }
    }
    Ok(bytes)
}

/// Whether an answer begins as a control message in clear does: with a length that has at least six
/// bytes of zeros, and a brace. A point of the curve begins so once in 2^56.
fn is_clear(answer: &[u8]) -> bool {
    let length = answer
        .first_chunk()
        .map(|length| u64::from_le_bytes(*length));
    length.is_some_and(|length| (1..=CONTROL_LIMIT).contains(&length))
        && answer.get(PREFIX_BYTES) == Some(&b'{')
}

/// The fault of an answer that proves nothing. Services of another kind answer in text, mostly.
fn unproven(answer: &[u8]) -> DialError {
    let start = &answer[..answer.len().min(PREFIX_BYTES)];
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    if start.iter().all(is_text) || !kind_of(answer).is_empty() {
        DialError::Foreign(answer.to_vec())
    } else {
        DialError::Unproven
    }
}

/// The guess of a peer that pretends to wait: it has this side's proof, and can compare that with one
/// code. Until it has proved its own, the guess counts as wrong, also where this future is dropped.
struct Guess<'a> {
    secret: &'a Secret,
    attempt: Attempt,
    is_noted: bool,
}

impl<'a> Guess<'a> {
    fn begin(secret: &'a Secret, attempt: Attempt) -> Self {
        Self {
            secret,
            attempt,
            is_noted: false,
        }
    }

    fn wrong(mut self) -> Wrong {
        self.is_noted = true;
        self.secret.wrong(self.attempt)
    }

    fn right(mut self, again: Psk) -> bool {
        self.is_noted = true;
        self.secret.right(self.attempt, again)
    }
}

impl Drop for Guess<'_> {
    fn drop(&mut self) {
        if !self.is_noted {
            self.secret.wrong(self.attempt);
        }
    }
}

/// Has the side that made the connection prove the secret, and proves the same to it. This is to be given
/// a limited time: the other side may be silent.
///
/// # Errors
/// The other side does not have the secret, or the connection failed.
pub async fn accept<S>(stream: &mut S, secret: &Secret) -> Result<Channel, AcceptError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let opening: [u8; MAGIC.len() + 1] = read(stream).await.map_err(AcceptError::Io)?;
    let (magic, last) = opening.split_at(MAGIC.len());
    let (Some((suite, has_code)), true) = (last.first().copied().and_then(meaning), magic == MAGIC)
    else {
        return Err(AcceptError::Clear);
    };
    if !has_code {
        let first = read(stream).await.map_err(AcceptError::Io)?;
        let prologue = prologue(&[&opening]);
        // Trying a key costs two hashes and a short decryption: the curve comes with the answer.
        let found = secret.keys().into_iter().find_map(|psk| {
            let mut noise = Handshake::second(suite, &psk, &prologue);
            noise.read(&first).is_ok().then_some((psk, noise))
        });
        let (psk, mut noise) = found.ok_or(AcceptError::NoKey)?;
        secret.came_back(&psk);
        write(stream, &noise.write())
            .await
            .map_err(AcceptError::Io)?;
        return Ok(channel(noise));
    }
    let [number] = read(stream).await.map_err(AcceptError::Io)?;
    let theirs: [u8; SPAKE_BYTES] = read(stream).await.map_err(AcceptError::Io)?;
    let attempt = secret.attempt(number).ok_or(AcceptError::NoCode)?;
    let (spake, message) =
        Spake2::<Ed25519Group>::start_b(&password(attempt.code()), &dials(), &waits());
    let shared = spake.finish(&theirs).map_err(|_| AcceptError::NoCode)?;
    let shared = Zeroizing::new(shared);
    write(stream, &message).await.map_err(AcceptError::Io)?;
    let psk = psk_of(&shared);
    let said = prologue(&[&opening, &[number], &theirs, &message]);
    let mut noise = Handshake::second(suite, &psk, &said);
    let first = read(stream).await.map_err(AcceptError::Io)?;
    if noise.read(&first).is_err() {
        return Err(match secret.wrong(attempt) {
            Wrong::Left(left) => AcceptError::WrongCode(left),
            Wrong::Dead => AcceptError::WrongCode(0),
            Wrong::Over => AcceptError::DeadCode,
        });
    }
    let answer = noise.write();
    if !secret.right(attempt, again(&shared, &noise)) {
        return Err(AcceptError::DeadCode);
    }
    write(stream, &answer).await.map_err(AcceptError::Io)?;
    Ok(channel(noise))
}

fn channel(noise: Handshake) -> Channel {
    let (sending, receiving) = noise.finish();
    Channel { sending, receiving }
}

/// The byte that names the suite, and whether a code is used.
fn kind(suite: Suite, has_code: bool) -> u8 {
    let suite = match suite {
        Suite::AesGcm => 1,
        Suite::ChaChaPoly => 2,
    };
    if has_code { suite | 0x10 } else { suite }
}

fn meaning(byte: u8) -> Option<(Suite, bool)> {
    let both = Suite::ALL.map(|suite| [(suite, false), (suite, true)]);
    both.into_iter()
        .flatten()
        .find(|(suite, has_code)| kind(*suite, *has_code) == byte)
}

/// All that was said in clear, each part of a fixed length for its kind.
fn prologue(said: &[&[u8]]) -> Vec<u8> {
    [&[PROLOGUE], said].concat().concat()
}

/// The words are the password; the number is in the prologue already.
fn password(code: Code) -> Password {
    Password::new(code.to_string())
}

fn dials() -> Identity {
    Identity::new(b"vidchat secure 1: the side that dials")
}

fn waits() -> Identity {
    Identity::new(b"vidchat secure 1: the side that waits")
}

/// The pre-shared key from the result of SPAKE2, which each side has only if both have the same code.
fn psk_of(shared: &[u8]) -> Psk {
    Psk::derive(b"vidchat code 1", shared, b"Noise psk")
}

/// The key with which the same two sides connect again.
fn again(shared: &[u8], noise: &Handshake) -> Psk {
    Psk::derive(&noise.hash(), shared, b"vidchat connects again 1")
}

async fn read<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Whether the other side has closed the connection.
fn is_end(e: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        e.kind(),
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe
    )
}

/// Both sides of a connection, as after a handshake.
#[cfg(test)]
pub(super) fn channels(suite: Suite) -> (Channel, Channel) {
    let psk = Psk::derive(b"", b"a test", b"channels");
    let mut first = Handshake::first(suite, &psk, b"");
    let mut second = Handshake::second(suite, &psk, b"");
    let proved = second.read(&first.write());
    assert!(proved.is_ok() && first.read(&second.write()).is_ok());
    (channel(first), channel(second))
}
