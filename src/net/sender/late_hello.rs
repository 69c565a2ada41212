//! A viewer that leaves the first word to us. Programs of the tutorial do, which never say anything.
//! A viewer of our own behind a tunnel seems to do so: it says hello to the tunnel's near end at
//! once, and that gets here a round trip later than the connection did.

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
use crate::net::hub::Hub;
use crate::net::message_reader::MessageReader;
use crate::net::transport::{TransportReader, TransportWriter};

/// Serves a viewer as a program of the tutorial, which takes pickles of the frames of `bgr`, for as
/// long as it does not say hello; from then on as a viewer of our own.
///
/// # Errors
/// It never watched.
pub(super) async fn serve(
    reader: &mut MessageReader<TransportReader>,
    writer: &mut TransportWriter,
    peer: SocketAddr,
    bgr: &Arc<Hub>,
    service: &Service,
) -> Result<DisconnectReason, DisconnectReason> {
    let options = service.options();
    let link = ViewerLink::new(peer, "a program of the tutorial".into(), false);
    let hub = service.directory().default_hub();
    let session = ViewerSession::begin(link, " (a program of the tutorial)", hub, service)?;
    // The converter sees by these seats whether anybody wants its frames.
    let seat = bgr.seat(usize::MAX);
    let (says, said) = oneshot::channel();
    let served = {
        let mut frames = FrameWriter::new(
            session.link(),
            bgr.subscribe(),
            PickleFraming::default(),
            options.stall_limit,
        );
        let listening = async {
            match options.dialect {
                // Pickles alone were asked for.
                Some(Dialect::Pickle) => ignore(reader).await,
                _ => overhear(reader, options.hello_limit, says).await,
            }
        };
        tokio::select! {
            reason = listening => Err(reason),
            served = frames.run_until(writer, heard(said)) => served,
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
            session.end(&reason);
            native::turn_away(&reason, reader, writer).await;
            Ok(reason)
        }
    }
}

/// Listens to such a viewer until it leaves. Should its first message be a hello, `says` passes that
/// on, and all that follows is left to be read. From its first byte on it has `limit` for that.
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
            // The frame writer takes it, and then ends this.
            let _ = says.send(hello);
            pending().await
        }
        Ok(Err(reason @ (DisconnectReason::Closed | DisconnectReason::Lost(_)))) => reason,
        // No program of the tutorial, and no viewer that we could serve.
        Ok(Err(reason @ DisconnectReason::Refused(WireError::Version(_)))) => reason,
        // A program of the tutorial may say anything: nobody has ever listened to it.
        Ok(Err(_)) | Err(_) => ignore(reader).await,
    }
}

/// The hello that was overheard, if there ever is one.
async fn heard(said: oneshot::Receiver<Hello>) -> Hello {
    match said.await {
        Ok(hello) => hello,
        Err(_) => pending().await,
    }
}
