//! Accepts viewers up to the number of seats, and closes all connections at the end.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{info, warn};

use super::disconnect::DisconnectReason;
use super::service::Service;
use super::{connection, native};
use crate::net::arrivals::Arrival;
use crate::net::listener::Listener;
use crate::net::log_throttle::LogThrottle;
use crate::net::message_reader::MessageReader;
use crate::net::subnet::Subnet;
use crate::net::transport::Transport;
use crate::wire::{Bye, CONTROL_LIMIT, Dialect};

/// Connections that may be open at once beyond the viewers' seats: those that have not said hello
/// yet, and those that are being turned away.
const PENDING_LIMIT: usize = 64;
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
    let mut listener = Listener::new(socket, options.allowed.clone());
    let mut tasks = JoinSet::new();
    let mut turned_away = LogThrottle::default();
    tokio::pin!(shutdown);
    let bye = loop {
        let (transport, peer) = tokio::select! {
            bye = &mut shutdown => break bye,
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
            times = turned_away.ended() => {
                info!("listener: turns nobody away any more{times}");
                continue;
            }
        };
        let subnet = Subnet::from(peer.ip());
        let free = options
            .max_viewers
            .saturating_sub(service.viewers().count());
        let arrival = service.arrivals().begin(subnet, free + PENDING_LIMIT);
        let arrival = match arrival {
            Some(arrival) if service.viewers().has_seat(subnet, options.max_viewers) => {
                tasks.spawn(connection::attend(
                    transport,
                    peer,
                    arrival,
                    Arc::clone(&service),
                ));
                continue;
            }
            arrival => arrival,
        };
        let watching = service.viewers().count();
        if let Some(times) = turned_away.note(Instant::now()) {
            let (limit, open) = (options.max_viewers, tasks.len());
            let more = if watching < limit {
                // More seats would not help: the open connections are not viewers.
                String::new()
            } else {
                let twice = limit.saturating_mul(2);
                format!("; vidchat send --max-viewers {twice} has room for more")
            };
            warn!(
                "listener: turned away a viewer{times}: {watching} watching of {open} \
                 connected{more}"
            );
        }
        if let Some(arrival) = arrival
            && (options.secret.is_some() || matches!(options.dialect, None | Some(Dialect::Native)))
        {
            let service = Arc::clone(&service);
            tasks.spawn(turn_away(transport, peer, watching, arrival, service));
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

/// Tells a viewer that no seat is free. A stranger without the key or code is told nothing.
async fn turn_away(
    transport: Transport,
    peer: SocketAddr,
    watching: usize,
    arrival: Arrival,
    service: Arc<Service>,
) {
    let telling = async {
        let secret = service.options().secret.as_ref();
        let admitted = transport.admitted(peer, secret, service.handshakes()).await;
        if let Ok(transport) = admitted {
            let (read, mut writer) = transport.split();
            let mut reader = MessageReader::new(read, CONTROL_LIMIT);
            let full = DisconnectReason::Full(watching);
            native::turn_away(&full, &mut reader, &mut writer).await;
        }
    };
    tokio::select! {
        () = arrival.displaced() => {}
        () = telling => {}
    }
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
