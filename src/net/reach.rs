//! Connects to a host that has several addresses, some of them perhaps dead, by Happy Eyeballs (RFC
//! 8305). Every outgoing connection to a peer is made here.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::OnceLock;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::peer::Peer;
use super::secure::Unsafe;
use super::secure::handshake::DialError;
use crate::failure::describe;

/// How long an address is tried alone before the next one is tried too. RFC 8305 recommends this
/// time.
const HEAD_START: Duration = Duration::from_millis(250);

/// How long the person at the program hears nothing while the first connection is made, and while
/// the other side says nothing over it.
pub(super) const QUIET: Duration = Duration::from_secs(1);

/// The reason why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The host's name could not be turned into addresses.
    #[error("{}", describe(.0))]
    Lookup(#[source] io::Error),
    /// None of the host's addresses accepted: each with its reason, in the order of the tries.
    #[error("{}", listed(.0))]
    Unreached(Vec<(SocketAddr, io::Error)>),
    /// The connection was made, and lost during the hello.
    #[error("{}", describe(.0))]
    Greeting(#[source] io::Error),
}

impl ConnectError {
    /// Whether the other side has another code, or none that is good.
    pub fn is_about_code(&self) -> bool {
        matches!(
            self.refusal(),
            Some(Unsafe::Handshake(
                DialError::WrongCode(_) | DialError::NoSuchCode(_) | DialError::DeadCode
            ))
        )
    }

    /// Why the other side, which was reached, is not safe to use.
    pub fn refusal(&self) -> Option<&Unsafe> {
        match self {
            Self::Greeting(e) => e.get_ref()?.downcast_ref(),
            Self::Lookup(_) | Self::Unreached(_) => None,
        }
    }
}

fn listed(tried: &[(SocketAddr, io::Error)]) -> String {
    let words = |(address, e): &(SocketAddr, io::Error)| format!("{address}: {}", describe(e));
    tried.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// Connects to the first address of `peer` that answers. Each address has `limit` for it.
///
/// # Errors
/// The name has no address, or none of its addresses answers.
pub(super) async fn reach(peer: &Peer, limit: Duration) -> Result<TcpStream, ConnectError> {
    reach_one_of(peer.addresses(), limit, &OnceLock::new()).await
}

/// As [`reach`], for the first connection of a command, for which a person waits: the log says when
/// no answer comes.
///
/// # Errors
/// The name has no address, or none of its addresses answers.
pub(super) async fn reach_first(peer: &Peer, limit: Duration) -> Result<TcpStream, ConnectError> {
    let tried = OnceLock::new();
    let mut reaching = pin!(reach_one_of(peer.first_addresses(), limit, &tried));
    if let Ok(reached) = timeout(QUIET, &mut reaching).await {
        return reached;
    }
    let target = peer.target();
    match tried.get() {
        // The person has typed it.
        Some(addresses) if either(addresses) == target.to_string() => {
            info!("connecting to {target}: no answer yet");
        }
        Some(addresses) => info!(
            "connecting to {target}: no answer yet from {}",
            either(addresses)
        ),
        None => info!("connecting to {target}: its addresses are not known yet"),
    }
    reaching.await
}

/// Finds out the addresses of `peer`, without connecting to them: a person who has mistyped a name is told
/// before anything else is asked.
///
/// # Errors
/// The name has no address.
pub async fn look_up(peer: &Peer) -> Result<(), ConnectError> {
    let mut addresses = pin!(peer.first_addresses());
    let known = match timeout(QUIET, &mut addresses).await {
        Ok(known) => known,
        Err(_) => {
            info!(
                "connecting to {}: its addresses are not known yet",
                peer.target()
            );
            addresses.await
        }
    };
    known.map(drop).map_err(ConnectError::Lookup)
}

/// Connects to one of `addresses`, which are put into `tried` when they are known.
async fn reach_one_of(
    addresses: impl Future<Output = io::Result<Vec<SocketAddr>>>,
    limit: Duration,
    tried: &OnceLock<Vec<SocketAddr>>,
) -> Result<TcpStream, ConnectError> {
    let addresses = addresses.await.map_err(ConnectError::Lookup)?;
    let addresses = tried.get_or_init(|| addresses);
    first_of(addresses, limit)
        .await
        .map_err(ConnectError::Unreached)
}

/// `a, b or c`.
fn either(addresses: &[SocketAddr]) -> String {
    let words: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => words.concat(),
    }
}

/// The first connection that succeeds. An address is tried when the one before it has failed or has
/// had its head start. The other tries are cancelled when one succeeds.
async fn first_of(
    addresses: &[SocketAddr],
    limit: Duration,
) -> Result<TcpStream, Vec<(SocketAddr, io::Error)>> {
    let mut waiting = addresses.iter().copied();
    let mut tries = JoinSet::new();
    let mut failed = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            tries.spawn(async move { (address, attempt(address, limit).await) });
        }
        let is_last = waiting.len() == 0;
        tokio::select! {
            ended = tries.join_next() => match ended {
                Some(Ok((_, Ok(stream)))) => return Ok(stream),
                Some(Ok((address, Err(e)))) => failed.push((address, e)),
                // A try never panics, and nothing else cancels it.
                Some(Err(_)) => {}
                None => break,
            },
            () = sleep(HEAD_START), if !is_last => {}
        }
    }
    failed.sort_by_key(|(address, _)| addresses.iter().position(|known| known == address));
    Err(failed)
}

async fn attempt(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    match timeout(limit, TcpStream::connect(address)).await {
        Ok(connected) => connected,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

// The silent listener of these tests works only on Linux.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use socket2::{Domain, Socket, Type};

    use super::*;

    /// A time-out that no test reaches.
    const TIMEOUT: Duration = Duration::from_secs(30);
    /// A time so long that a test that waits for it fails.
    const NEVER: Duration = Duration::from_secs(3600);

    fn socket(listener: &TcpListener) -> SocketAddr {
        listener.local_addr().unwrap()
    }

    /// A listener that answers nobody: the one connection that fits into its queue is there, and
    /// Linux drops later ones.
    struct Silent {
        address: SocketAddr,
        _listener: Socket,
        _queued: std::net::TcpStream,
    }

    fn silent() -> Silent {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        Silent {
            address,
            _queued: std::net::TcpStream::connect(address).unwrap(),
            _listener: listener,
        }
    }

    /// A port where nothing listens.
    fn refused() -> SocketAddr {
        socket(&TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    #[tokio::test]
    async fn an_address_that_is_silent_or_refuses_does_not_hold_up_the_next() {
        let living = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (first, second) = (silent(), silent());
        for dead in [
            &[first.address][..],
            &[refused()],
            &[first.address, refused(), second.address],
        ] {
            let addresses = [dead, &[socket(&living)]].concat();
            let stream = tokio::time::timeout(TIMEOUT, first_of(&addresses, NEVER)).await;
            let stream = stream.expect("the silent one is not waited for").unwrap();
            assert_eq!(stream.peer_addr().unwrap(), socket(&living));
        }
    }

    #[tokio::test]
    async fn of_two_that_answer_the_first_is_taken() {
        let [first, second] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let stream = first_of(&[socket(&first), socket(&second)], NEVER).await;
        assert_eq!(stream.unwrap().peer_addr().unwrap(), socket(&first));
        second.set_nonblocking(true).unwrap();
        let untouched = second.accept().unwrap_err().kind();
        assert_eq!(untouched, io::ErrorKind::WouldBlock);
    }

    #[tokio::test]
    async fn where_none_answers_each_has_its_reason() {
        let silent = silent();
        let addresses = vec![silent.address, refused()];
        let failed = first_of(&addresses, Duration::from_millis(400)).await;
        let failed: Vec<_> = failed.unwrap_err();
        let kinds: Vec<_> = failed.iter().map(|(_, e)| e.kind()).collect();
        assert_eq!(
            kinds,
            [io::ErrorKind::TimedOut, io::ErrorKind::ConnectionRefused]
        );
        assert_eq!(
            failed.iter().map(|(a, _)| *a).collect::<Vec<_>>(),
            addresses
        );
        assert!(first_of(&[], NEVER).await.unwrap_err().is_empty());
    }
}
