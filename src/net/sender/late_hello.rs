//! A viewer that waits for our first message. Programs of the tutorial do, and never send anything.
//! Our own viewers seem to do so behind a tunnel: their hello goes to the tunnel's near end at
//! once, and gets here a round trip later than the connection.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::wire::{Dialect, Hello, WireError};

use super::bare::ignore;
use super::disconnect::DisconnectReason;
use super::frame_writer::FrameWriter;
use super::framing::PickleFraming;
use super::native::{self, greet};
use super::service::Service;
use super::viewer_link::ViewerLink;
use super::viewer_session::ViewerSession;
use crate::net::arrivals::Arrival;
use crate::net::hub::Hub;
use crate::net::message_reader::MessageReader;
use crate::net::transport::{TransportReader, TransportWriter};

/// Serves a viewer as a program of the tutorial, with pickles of the frames of `pickled`, until it says
/// hello. From then on it is served as a viewer of our own.
///
/// # Errors
/// The viewer left, or was refused, before it was let in.
pub(super) async fn serve(
    reader: &mut MessageReader<TransportReader>,
    writer: &mut TransportWriter,
    peer: SocketAddr,
    pickled: &Arc<Hub>,
    arrival: Option<Arrival>,
    service: &Service,
) -> Result<DisconnectReason, DisconnectReason> {
    let options = service.options();
    let link = ViewerLink::without_hello(peer, "a program of the tutorial".into());
    let hub = service.directory().default_hub();
    let session = ViewerSession::begin(link, " (a program of the tutorial)", hub, service)?;
    drop(arrival);
    // The converter runs while there are such seats.
    let seat = pickled.seat(usize::MAX);
    let (says, said) = oneshot::channel();
    let served = {
        let audience = service.audience(pickled);
        let mut frames = FrameWriter::new(
            session.link(),
            service.pinned(),
            pickled.subscribe(),
            PickleFraming::new(options.length),
            options.stall_limit,
            &audience.fan_out,
        );
        let listening = async {
            match options.dialect {
                // Only pickles were asked for.
                Some(Dialect::Pickle) => ignore(reader).await,
                _ => overhear(reader, options.hello_limit, says).await,
            }
        };
        let removed = session.link().removed();
        let heard_or_removed = async {
            tokio::select! {
                hello = heard(said) => Ok(hello),
                removal = removed => Err(removal.into()),
            }
        };
        tokio::select! {
            reason = listening => Err(reason),
            served = frames.run_until(writer, heard_or_removed) => served.and_then(|heard| heard),
        }
    };
    drop(seat);
    let admitted = match served {
        Ok(hello) => session.greeted(&hello, service),
        Err(reason) => Err((session, reason)),
    };
    match admitted {
        Ok(admitted) => {
            let hello = native::introduction(service);
            Ok(native::converse(admitted, Some(hello), reader, writer, service).await)
        }
        Err((session, reason)) => {
            session.end(&reason, service);
            native::turn_away(&reason, reader, writer).await;
            Ok(reason)
        }
    }
}

/// Reads what such a viewer sends, until it leaves. A hello as its first message goes to `says`,
/// and the following bytes stay unread. The message may take `limit` from its first byte on.
async fn overhear(
    reader: &mut MessageReader<TransportReader>,
    limit: Duration,
    says: oneshot::Sender<Hello>,
) -> DisconnectReason {
    match reader.begins().await {
        Ok(true) => {}
        Ok(false) => return DisconnectReason::Closed,
        Err(e) => return DisconnectReason::Lost(e),
    }
    let late_hello = async {
        if reader.dialect().await? != Dialect::Native {
            return Err(WireError::NoHello.into());
        }
        greet(reader).await
    };
    match timeout(limit, late_hello).await {
        Ok(Ok(hello)) => {
            // The frame writer takes the hello, and then cancels this future.
            let _ = says.send(hello);
            pending().await
        }
        Ok(Err(reason @ (DisconnectReason::Closed | DisconnectReason::Lost(_)))) => reason,
        // The peer is neither a program of the tutorial nor a viewer that we can serve.
        Ok(Err(reason @ DisconnectReason::Refused(WireError::Version(_)))) => reason,
        // A program of the tutorial may send anything: its server never reads.
        Ok(Err(_)) | Err(_) => ignore(reader).await,
    }
}

/// The hello that comes late; waits for ever where none comes.
async fn heard(said: oneshot::Receiver<Hello>) -> Hello {
    match said.await {
        Ok(hello) => hello,
        Err(_) => pending().await,
    }
}
