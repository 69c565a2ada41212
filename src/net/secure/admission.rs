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
    /// The other side says nothing.
    #[error("it answers nothing for {} s: it has another key, or takes none", .0.as_secs())]
    Silent(Duration),
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
    let proving = handshake::dial(&mut stream, secret, Suite::fastest());
    match timeout(ANSWER_LIMIT, proving).await {
        Ok(channel) => Ok(SealedStream::new(stream, channel?)),
        Err(_) => Err(Unsafe::Silent(ANSWER_LIMIT)),
    }
}
