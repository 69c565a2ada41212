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
use super::allow_list::AllowList;
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
    allowed: AllowList,
    failures: LogThrottle,
    refused: LogThrottle,
}

impl Listener {
    /// Accepts connections from the networks of `allowed` alone.
    pub fn new(socket: TcpListener, allowed: AllowList) -> Self {
        Self {
            socket,
            allowed,
            failures: LogThrottle::default(),
            refused: LogThrottle::default(),
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
                times = self.refused.ended() => {
                    info!("listener: refuses nobody any more{times}");
                    continue;
                }
            };
            match accepted {
                Ok((stream, peer)) if self.allowed.admits(peer.ip()) => {
                    return (Transport::plain(stream), plain(peer));
                }
                Ok((_, peer)) => {
                    if let Some(times) = self.refused.note(Instant::now()) {
                        info!(
                            "listener: refused {}{times}: --allow lets in {} alone",
                            peer.ip().to_canonical(),
                            self.allowed
                        );
                    }
                }
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

/// Accepts connections from the networks of `allowed` for ever, and attends to each in a task of its own. At most `limit` of them may
/// have an arrival at once. `dropped_beside` describes the others for the log, where one has no room
/// beside them. It is given the number of tasks.
pub(super) async fn attend_to_arrivals<F>(
    socket: TcpListener,
    allowed: &AllowList,
    limit: usize,
    attend: impl Fn(Transport, SocketAddr, Arrival) -> F,
    dropped_beside: impl Fn(usize) -> String,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut listener = Listener::new(socket, allowed.clone());
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
