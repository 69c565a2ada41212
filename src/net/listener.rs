//! Accepts connections, and goes on after errors of the system.

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{info, warn};

use super::address::plain;
use super::allow_list::AllowList;
use super::log_throttle::LogThrottle;
use super::stranger_log::StrangerLog;
use super::transport::Transport;
use crate::failure::describe;

/// How long to wait after the system failed to accept, for example because it has no descriptors
/// left.
const BACKOFF: Duration = Duration::from_millis(100);

/// A bound socket whose connections are accepted one by one.
#[derive(Debug)]
pub(super) struct Listener<'a> {
    socket: TcpListener,
    allowed: &'a AllowList,
    strangers: &'a StrangerLog,
    failures: LogThrottle,
}

impl<'a> Listener<'a> {
    /// Accepts connections from the networks of `allowed` alone. The others are strangers.
    pub fn new(socket: TcpListener, allowed: &'a AllowList, strangers: &'a StrangerLog) -> Self {
        Self {
            socket,
            allowed,
            strangers,
            failures: LogThrottle::default(),
        }
    }

    /// Waits for the next connection. Meanwhile the lines on strangers are written that are due later.
    /// The wait may be cancelled without losing anything.
    pub async fn accept(&mut self) -> (Transport, SocketAddr) {
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                times = self.failures.ended() => {
                    info!("listener: accepts connections again, could not before{times}");
                    continue;
                }
                never = self.strangers.write_later() => match never {},
            };
            match accepted {
                Ok((stream, peer)) if self.allowed.admits(peer.ip()) => {
                    return (Transport::plain(stream), plain(peer));
                }
                Ok((_, peer)) => {
                    let (from, allowed) = (peer.ip().to_canonical(), self.allowed);
                    let line = format!("listener: refused {from}: --allow lets in {allowed} alone");
                    self.strangers.note(from, "--allow", &line);
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

/// Accepts connections from the networks of `allowed` for ever, and attends to each in a task of its own.
/// The task limits how many there are. `strangers` tells of those that were refused.
pub(super) async fn attend_to_all<F>(
    socket: TcpListener,
    allowed: &AllowList,
    strangers: &StrangerLog,
    attend: impl Fn(Transport, SocketAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut listener = Listener::new(socket, allowed, strangers);
    let mut pending = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = pending.join_next() => {}
            (transport, peer) = listener.accept() => {
                pending.spawn(attend(transport, peer));
            }
        }
    }
}
