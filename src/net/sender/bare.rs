//! A viewer of the bare dialect: it is sent lengths and frames, and its own bytes are ignored.

use std::net::SocketAddr;

use super::disconnect::DisconnectReason;
use super::frame_writer::FrameWriter;
use super::framing::BareFraming;
use super::service::Service;
use super::viewer_link::ViewerLink;
use super::viewer_session::ViewerSession;
use crate::net::message_reader::MessageReader;
use crate::net::transport::{TransportReader, TransportWriter};

/// Serves a viewer until it leaves.
///
/// # Errors
/// It never watched.
pub(super) async fn serve(
    reader: &mut MessageReader<TransportReader>,
    writer: &mut TransportWriter,
    peer: SocketAddr,
    service: &Service,
) -> Result<DisconnectReason, DisconnectReason> {
    let hub = service.directory().default_hub();
    let link = ViewerLink::new(peer, String::new(), false);
    let session = ViewerSession::begin(link, "", hub, service)?;
    let mut frames = FrameWriter::new(
        session.link(),
        hub.subscribe(),
        BareFraming {
            length: service.options().length,
        },
        service.options().stall_limit,
    );
    let reason = tokio::select! {
        reason = ignore(reader) => reason,
        reason = frames.run(writer) => reason,
    };
    drop(frames);
    session.end(&reason);
    Ok(reason)
}

/// Reads and drops everything that a viewer sends.
pub(super) async fn ignore(reader: &mut MessageReader<TransportReader>) -> DisconnectReason {
    match reader.stream().drain().await {
        Ok(()) => DisconnectReason::Closed,
        Err(e) => DisconnectReason::Lost(e),
    }
}
