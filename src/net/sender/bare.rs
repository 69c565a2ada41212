//! A viewer of the bare dialect: it is sent lengths and frames, and its own bytes are ignored.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;

use super::disconnect::DisconnectReason;
use super::frame_writer::FrameWriter;
use super::framing::BareFraming;
use super::service::Service;
use super::viewer_link::ViewerLink;
use super::viewer_session::ViewerSession;
use crate::net::arrivals::Arrival;
use crate::net::message_reader::MessageReader;
use crate::net::transport::{TransportReader, TransportWriter};

/// A viewer from which nothing is expected is cut off when it sends more bytes than this in a
/// second.
const IGNORED_A_SECOND: usize = 4 << 20;

/// Serves a viewer until it leaves.
///
/// # Errors
/// The viewer left, or was refused, before it was let in.
pub(super) async fn serve(
    reader: &mut MessageReader<TransportReader>,
    writer: &mut TransportWriter,
    peer: SocketAddr,
    arrival: Option<Arrival>,
    service: &Service,
) -> Result<DisconnectReason, DisconnectReason> {
    let hub = service.directory().default_hub();
    let link = ViewerLink::without_hello(peer, String::new());
    let session = ViewerSession::begin(link, "", hub, service)?;
    drop(arrival);
    let audience = service.audience(hub);
    let mut frames = FrameWriter::new(
        session.link(),
        service.pinned(),
        hub.subscribe(),
        BareFraming {
            length: service.options().length,
        },
        service.options().stall_limit,
        &audience.fan_out,
    );
    let reason = tokio::select! {
        reason = ignore(reader) => reason,
        served = frames.run_until(writer, session.link().removed()) => match served {
            Ok(removal) => removal.into(),
            Err(reason) => reason,
        },
    };
    drop(frames);
    session.end(&reason, service);
    Ok(reason)
}

/// Reads and drops what a viewer sends, which is next to nothing.
pub(super) async fn ignore(reader: &mut MessageReader<TransportReader>) -> DisconnectReason {
    let mut scrap = [0; 4096];
    let (mut bytes, mut since) = (0, Instant::now());
    loop {
        match reader.stream().read(&mut scrap).await {
            Ok(0) => return DisconnectReason::Closed,
            Ok(count) => bytes += count,
            Err(e) => return DisconnectReason::Lost(e),
        }
        if since.elapsed() >= Duration::from_secs(1) {
            (bytes, since) = (0, Instant::now());
        }
        if bytes > IGNORED_A_SECOND {
            return DisconnectReason::Uploads(IGNORED_A_SECOND);
        }
    }
}
