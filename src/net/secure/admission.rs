//! Lets a TCP connection in that proves the secret, and keeps silent towards every other one.

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::handshake::{self, AcceptError, DialError};
use super::limits::{HANDSHAKE_LIMIT, HandshakeLimits, Refusal};
use super::noise::Suite;
use super::sealed::SealedStream;
use super::secret::Secret;

/// How long the waiting side may take for its answers: longer than it lets a wrong opening wait for the
/// end.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// A side that has heard a key or code which it does not know closes the connection at the end of
/// [`HANDSHAKE_LIMIT`]. One that lets nobody try, or has too many unfinished handshakes, closes it at once.
const AT_ONCE: Duration = Duration::from_millis(1500);

/// Why a connection that came in is not let in.
#[derive(Debug, Error)]
pub enum Refused {
    /// It did not prove the secret.
    #[error(transparent)]
    Handshake(#[from] AcceptError),
    /// It did not end the handshake in time.
    #[error("no proof of the key or code within {} s", .0.as_secs())]
    Silent(Duration),
    /// Its network has failed too often of late.
    #[error("closed at once, as its network has failed too often")]
    Pause,
    /// There are too many unfinished handshakes.
    #[error("closed, as too many others have not proved the key or code")]
    Crowd,
}

/// Why there is no encrypted connection.
#[derive(Debug, Error)]
pub enum Unsafe {
    /// The other side does not have the secret.
    #[error(transparent)]
    Handshake(#[from] DialError),
    /// The other side closes the connection at once, before anything was said. It may let in somebody from
    /// here later.
    #[error("it closes the connection at once, as it does for a while after wrong keys or codes")]
    AtOnce,
    /// The other side says nothing for this long, and does not close the connection. `has_code` says
    /// that it was asked for a code.
    #[error(
        "it answers nothing for {} s: no vidchat with a {} listens there, or the network is very slow",
        .time.as_secs(),
        if *.has_code { "code" } else { "key" }
    )]
    Silent { time: Duration, has_code: bool },
}

/// Lets a connection in that proves the secret.
///
/// One that fails before this side has said anything is left open until the handshake's time is over, as
/// one that says nothing is. So a stranger cannot tell from the time of the end that something reads its
/// bytes.
///
/// # Errors
/// It does not prove the secret in time, or has to wait its turn.
pub async fn admit(
    mut stream: TcpStream,
    peer: SocketAddr,
    secret: &Secret,
    limits: &HandshakeLimits,
) -> Result<SealedStream, Refused> {
    let deadline = Instant::now() + HANDSHAKE_LIMIT;
    let begun = limits.begin(peer.ip(), Instant::now().into_std());
    let arrival = begun.map_err(|refusal| match refusal {
        Refusal::Pause => Refused::Pause,
        Refusal::Crowd => Refused::Crowd,
    })?;
    let accepted = tokio::select! {
        () = arrival.displaced() => return Err(Refused::Crowd),
        accepted = timeout_at(deadline, handshake::accept(&mut stream, secret)) => accepted,
    };
    let refused = match accepted {
        Ok(Ok(channel)) => {
            limits.succeeded(peer.ip());
            return Ok(SealedStream::new(stream, channel));
        }
        Ok(Err(e)) => Refused::Handshake(e),
        Err(_) => Refused::Silent(HANDSHAKE_LIMIT),
    };
    limits.failed(peer.ip(), Instant::now().into_std());
    if let Refused::Handshake(e) = &refused
        && !e.was_answered()
    {
        let rest = async {
            let mut scrap = [0; 1024];
            while stream.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
        };
        tokio::select! {
            () = arrival.displaced() => {}
            _ = timeout_at(deadline, rest) => {}
        }
    }
    Err(refused)
}

/// Proves the secret to the side that waits at the other end of `stream`, in the suite that is the
/// fastest here.
///
/// # Errors
/// The other side does not have the secret.
pub async fn prove(mut stream: TcpStream, secret: &Secret) -> Result<SealedStream, Unsafe> {
    let began = Instant::now();
    let proving = handshake::dial(&mut stream, secret, Suite::fastest());
    match timeout(ANSWER_LIMIT, proving).await {
        Ok(Ok(channel)) => Ok(SealedStream::new(stream, channel)),
        Ok(Err(e)) if e.is_silence() && began.elapsed() < AT_ONCE => Err(Unsafe::AtOnce),
        Ok(Err(e)) => Err(e.into()),
        Err(_) => Err(Unsafe::Silent {
            time: ANSWER_LIMIT,
            has_code: secret.is_code(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;
    use crate::net::secure::{Code, KeyText, Uses};

    /// The words for each kind of secret that is proved to somebody who listens and never answers. The
    /// clock stands still, and passes at once when nothing else is to be done.
    #[tokio::test(start_paused = true)]
    async fn one_that_never_answers_is_told_of_in_words_for_a_key_or_a_code() {
        let key = KeyText::random().to_string().parse().unwrap();
        for (secret, kind) in [
            (Secret::key(&key), "a key"),
            (Secret::code(Code::random(), Uses::Many), "a code"),
        ] {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await;
            let (_open, _) = listener.accept().await.unwrap();
            let refused = prove(stream.unwrap(), &secret).await.unwrap_err();
            assert_eq!(
                refused.to_string(),
                format!(
                    "it answers nothing for 5 s: no vidchat with {kind} listens there, or the \
                     network is very slow"
                )
            );
        }
    }
}
