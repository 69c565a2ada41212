//! Accepting viewers: who gets in, and how everybody is let go at the end.

pub mod congestion;
pub(crate) mod connection;
pub(crate) mod disconnect;
pub(crate) mod frame_writer;
pub(crate) mod late_hello;
pub(crate) mod log_throttle;
pub mod viewer_link;
pub mod viewers;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::failure::describe;
use crate::wire::Dialect;

use self::disconnect::DisconnectReason;
use self::log_throttle::LogThrottle;
use super::hub::Hub;

/// Connections beyond the viewers' seats that may be open at once: those that have not said
/// hello yet, and those that are being told that there is no seat.
const ANTEROOM: usize = 64;
/// How long all viewers together may take to say goodbye when the stream ends.
const CLOSING: Duration = Duration::from_millis(500);
/// How long to wait after the system refused to accept anything, out of descriptors perhaps.
const BACKOFF: Duration = Duration::from_millis(100);

/// How viewers are served.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// How many may watch at once.
    pub max_viewers: usize,
    /// The dialect that is spoken with them; `None` where each of them chooses.
    pub dialect: Option<Dialect>,
    /// Where the same pictures are to be had in BGR, for the programs of the tutorial; without
    /// it they are not served. Its seats tell whether there are any.
    pub tutorial: Option<Arc<Hub>>,
    /// This machine's name, as viewers are told it.
    pub name: String,
    /// How far behind the newest picture any viewer may be, whatever it wishes.
    pub max_latency: Duration,
    /// How long a viewer may take for its hello, and for any later message.
    pub hello_limit: Duration,
    /// How long a viewer may take for a frame before it is dropped.
    pub stall_limit: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_viewers: 250,
            dialect: None,
            tutorial: None,
            name: String::new(),
            max_latency: Duration::MAX,
            hello_limit: Duration::from_secs(10),
            stall_limit: Duration::from_secs(20),
        }
    }
}

/// What all viewers of one listener have in common.
#[derive(Debug)]
pub(super) struct Service {
    /// Where their pictures come from.
    pub hub: Arc<Hub>,
    /// How they are served.
    pub options: ServerOptions,
}

/// Serves everybody who connects to `listener` with what is published in `hub`, until `shutdown`
/// completes; its output is the reason that viewers are told. No task is left behind.
pub async fn serve(
    listener: TcpListener,
    hub: Arc<Hub>,
    options: ServerOptions,
    shutdown: impl Future<Output = String>,
) {
    allow_connections(options.max_viewers + ANTEROOM);
    let service = Arc::new(Service { hub, options });
    let Service { hub, options } = &*service;
    let mut viewers = JoinSet::new();
    let (turned_away, unaccepted) = (LogThrottle::default(), LogThrottle::default());
    tokio::pin!(shutdown);
    let reason = loop {
        let accepted = tokio::select! {
            reason = &mut shutdown => break reason,
            Some(_) = viewers.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(connection) => connection,
            Err(e) => {
                if let Some(times) = unaccepted.note() {
                    warn!(
                        "listener: cannot accept viewers ({times} times): {}",
                        describe(&e)
                    );
                }
                sleep(BACKOFF).await;
                continue;
            }
        };
        let watching = *hub.watching().borrow();
        if watching < options.max_viewers && viewers.len() < options.max_viewers + ANTEROOM {
            viewers.spawn(connection::attend(
                stream,
                super::address::plain(peer),
                Arc::clone(&service),
            ));
        } else {
            if let Some(count) = turned_away.note() {
                let (limit, open) = (options.max_viewers, viewers.len());
                warn!(
                    "listener: turned away {count} ({watching} watching of {open} connected, \
                     --max-viewers is {limit})"
                );
            }
            if viewers.len() < options.max_viewers + ANTEROOM
                && matches!(options.dialect, None | Some(Dialect::Native))
            {
                viewers.spawn(turn_away(stream, watching));
            }
        }
    };
    let watching = *hub.watching().borrow();
    if watching > 0 {
        info!("listener: closing ({watching} watching): {reason}");
    }
    drop(listener);
    hub.end(&reason);
    if let Some(bgr) = &options.tutorial {
        bgr.end(&reason);
    }
    let _ = timeout(CLOSING, async {
        while viewers.join_next().await.is_some() {}
    })
    .await;
    viewers.shutdown().await;
}

/// Raises this process's limit of open files, which is often 1,024, to what viewers may need.
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
        let viewers = possible.saturating_sub(OTHERS);
        warn!("listener: the system allows for about {viewers} viewers; ulimit -n raises that");
    }
}

#[cfg(not(unix))]
fn allow_connections(_count: usize) {}

async fn turn_away(mut stream: TcpStream, watching: usize) {
    connection::farewell(&mut stream, &DisconnectReason::Full(watching), false).await;
}
