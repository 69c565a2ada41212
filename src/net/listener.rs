//! Accepts connections, and goes on after errors of the system.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::time::sleep;
use tracing::{info, warn};

use super::address::plain;
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
