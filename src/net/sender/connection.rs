//! One connection from a viewer. Its dialect is detected once, here, by the first bytes or by
//! silence. The handler of that dialect owns the connection from then on, and also says goodbye.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};
use tracing::{debug, info};

use super::disconnect::DisconnectReason;
use super::service::Service;
use super::{bare, late_hello, native};
use crate::net::hub::Hub;
use crate::net::message_reader::MessageReader;
use crate::net::transport::{Transport, TransportReader};
use crate::wire::{self, Dialect, WireError};

/// A viewer that is silent for this long is a program of the tutorial: our own viewers speak at
/// once.
const TUTORIAL_SILENCE: Duration = Duration::from_millis(200);

/// The handler that a connection is given to.
enum Handler<'a> {
    Native,
    /// Sends pickles of the frames of this hub.
    Pickle(&'a Arc<Hub>),
    Bare,
}

/// Serves one accepted connection until it ends.
pub(super) async fn attend(transport: Transport, peer: SocketAddr, service: Arc<Service>) {
    let deadline = Instant::now() + service.options().hello_limit;
    let (read, mut writer) = transport.split();
    let mut reader = MessageReader::new(read, wire::CONTROL_LIMIT);
    let served = match handler(&mut reader, deadline, &service).await {
        Ok(Handler::Native) => {
            native::serve(&mut reader, &mut writer, peer, deadline, &service).await
        }
        Ok(Handler::Pickle(bgr)) => {
            late_hello::serve(&mut reader, &mut writer, peer, bgr, &service).await
        }
        Ok(Handler::Bare) => bare::serve(&mut reader, &mut writer, peer, &service).await,
        Err(reason) => Err(reason),
    };
    if let Err(reason) = served {
        match service.note_stranger(peer.ip(), &reason) {
            Some(times) => info!("viewer {peer}: left before it watched: {reason}{times}"),
            None => debug!("viewer {peer}: left before it watched: {reason}"),
        }
    }
}

/// Whether a viewer waits for our first message.
async fn is_silent(reader: &mut MessageReader<TransportReader>) -> bool {
    timeout(TUTORIAL_SILENCE, reader.begins()).await.is_err()
}

/// Detects the dialect, without consuming anything.
async fn handler<'a>(
    reader: &mut MessageReader<TransportReader>,
    deadline: Instant,
    service: &'a Service,
) -> Result<Handler<'a>, DisconnectReason> {
    let options = service.options();
    match (options.dialect, &options.tutorial) {
        (Some(Dialect::Bare), _) => return Ok(Handler::Bare),
        (Some(Dialect::Pickle), Some(bgr)) => return Ok(Handler::Pickle(bgr)),
        // Without frames for the tutorial's programs, the dialect need not be guessed.
        (None, Some(bgr)) if !bgr.has_ended() && is_silent(reader).await => {
            return Ok(Handler::Pickle(bgr));
        }
        _ => {}
    }
    match timeout_at(deadline, reader.dialect()).await {
        Ok(Ok(Dialect::Native)) => Ok(Handler::Native),
        Ok(Ok(Dialect::Pickle | Dialect::Bare)) => Err(WireError::NoHello.into()),
        Ok(Err(e)) => Err(e.into()),
        Err(_) => Err(native::late(reader, service)),
    }
}
