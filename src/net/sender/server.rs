//! Accepts viewers up to the number of seats, and closes all connections at the end.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{info, warn};

use super::connection::{self, PENDING_LIMIT};
use super::service::Service;
use crate::net::listener::Listener;
use crate::net::log_throttle::LogThrottle;
use crate::wire::Bye;

/// How long the goodbyes to all viewers together may take when the stream ends.
pub(super) const CLOSING: Duration = Duration::from_millis(500);

/// Serves everybody who connects to `socket`, until `shutdown` completes. Its output is the goodbye
/// to the viewers. No task is left behind.
pub async fn serve(
    socket: TcpListener,
    service: Arc<Service>,
    shutdown: impl Future<Output = Bye>,
) {
    let options = service.options();
    let connections = options.max_viewers + PENDING_LIMIT;
    allow_connections(connections);
    let mut listener = Listener::new(socket, &options.allowed, service.strangers());
    let mut tasks = JoinSet::new();
    let mut turned_away = LogThrottle::default();
    tokio::pin!(shutdown);
    let bye = loop {
        let turned_one_away = tokio::select! {
            bye = &mut shutdown => break bye,
            Some(ended) = tasks.join_next() => ended.unwrap_or_default(),
            (transport, peer) = listener.accept() => {
                tasks.spawn(connection::attend(transport, peer, Arc::clone(&service)));
                false
            }
            times = turned_away.ended() => {
                info!("listener: turns nobody away any more{times}");
                false
            }
        };
        if turned_one_away && let Some(times) = turned_away.note(Instant::now()) {
            let (watching, open) = (service.viewers().count(), tasks.len());
            let twice = options.max_viewers.saturating_mul(2);
            warn!(
                "listener: turned away a viewer{times}: {watching} watching of {open} connected; \
                 vidchat send --max-viewers {twice} has room for more"
            );
        }
    };
    let watching = service.viewers().count();
    if watching > 0 {
        info!("listener: closing ({watching} watching): {}", bye.reason);
    }
    drop(listener);
    service.end(bye);
    let _ = timeout(CLOSING, async {
        while tasks.join_next().await.is_some() {}
    })
    .await;
    tasks.shutdown().await;
}

/// Raises this process's limit of open files, which is often 1,024, for so many viewers.
#[cfg(unix)]
fn allow_connections(count: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// Files that are open besides: the camera, the display, libraries.
    const OTHERS: u64 = 256;
    let limit = getrlimit(Resource::Nofile);
    let wanted = count as u64 + OTHERS;
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let possible = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = Rlimit {
        current: Some(possible),
        maximum: limit.maximum,
    };
    if setrlimit(Resource::Nofile, raised).is_err() || possible < wanted {
        match possible.saturating_sub(OTHERS) {
            0 => warn!(
                "listener: the system allows for {possible} open files, which may be too few for \
                 any viewer; ulimit -n {wanted} raises that"
            ),
            viewers => warn!(
                "listener: the system allows for about {viewers} viewers; ulimit -n {wanted} \
                 raises that"
            ),
        }
    }
}

#[cfg(not(unix))]
fn allow_connections(_count: usize) {}
