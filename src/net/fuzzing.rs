//! Both ends of a connection within this process, for the fuzz targets. It is left out of every other
//! build.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::DuplexStream;

use super::receiver::connection::introduce_over;
use super::receiver::{ReceiveError, ReceiveOptions};
use super::sender::connection::attend;
use super::transport::Transport;
use super::{Service, Sink, StreamStats, play};

/// Serves the viewer at the other end of `stream`, as a sender does, until it is gone.
pub async fn send(stream: DuplexStream, peer: SocketAddr, service: Arc<Service>) {
    attend(Transport::Memory(stream), peer, service).await;
}

/// Watches the sender at the other end of `stream`, as a receiver does, until the end.
pub async fn receive(
    stream: DuplexStream,
    options: &ReceiveOptions,
    stats: &StreamStats,
    sink: &mut impl Sink,
) -> ReceiveError {
    match introduce_over(Transport::Memory(stream), options).await {
        Ok(connection) => play(connection, options, stats, sink).await,
        Err(e) => e.into(),
    }
}
