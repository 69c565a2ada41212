//! Accepts connections, and goes on after errors of the system.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{info, warn};

use super::address::plain;
use super::arrivals::{Arrival, Arrivals};
use super::log_throttle::LogThrottle;
use super::transport::Transport;
use crate::failure::describe;

/// How long to wait after the system failed to accept, for example because it has no descriptors
/// left.
const BACKOFF: Duration = Duration::from_millis(100);

/// A bound socket whose connections are accepted one by one.
#[derive(Debug)]
pub(super) struct Listener {
    socket: TcpListener,
    failures: LogThrottle,
}

impl Listener {
    pub fn new(socket: TcpListener) -> Self {
        Self {
            socket,
            failures: LogThrottle::default(),
        }
    }

    /// Waits for the next connection. The wait may be cancelled without losing anything.
    pub async fn accept(&mut self) -> (Transport, SocketAddr) {
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                times = self.failures.ended() => {
                    info!("listener: accepts connections again, could not before{times}");
                    continue;
                }
            };
            match accepted {
                Ok((stream, peer)) => return (Transport::plain(stream), plain(peer)),
                Err(e) => {
                    if let Some(times) = self.failures.note(Instant::now()) {
                        warn!(
                            "listener: cannot accept connections{times}: {}",
                            describe(&e)
                        );
                    }
                    sleep(BACKOFF).await;
                }
            }
        }
    }
}

/// Accepts connections for ever, and attends to each in a task of its own. At most `limit` of them may
/// have an arrival at once. `dropped_beside` describes the others for the log, where one has no room
/// beside them. It is given the number of tasks.
pub(super) async fn attend_to_arrivals<F>(
    socket: TcpListener,
    limit: usize,
    attend: impl Fn(Transport, SocketAddr, Arrival) -> F,
    dropped_beside: impl Fn(usize) -> String,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut listener = Listener::new(socket);
    let mut pending = JoinSet::new();
    let arrivals = Arc::new(Arrivals::default());
    let mut dropped = LogThrottle::default();
    loop {
        let (transport, peer) = tokio::select! {
            Some(_) = pending.join_next() => continue,
            accepted = listener.accept() => accepted,
            times = dropped.ended() => {
                info!("listener: drops nobody any more{times}");
                continue;
            }
        };
        if let Some(arrival) = arrivals.begin(peer.ip().into(), limit) {
            pending.spawn(attend(transport, peer, arrival));
        } else if let Some(times) = dropped.note(Instant::now()) {
            let others = dropped_beside(pending.len());
            warn!("listener: dropped a connection{times}: {others}");
        }
    }
}
