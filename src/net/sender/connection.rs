//! One connection from a viewer. Its dialect is detected once, here, by the first bytes or by
//! silence. The handler of that dialect owns the connection from then on, and also says goodbye.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::disconnect::DisconnectReason;
use super::service::Service;
use super::{bare, late_hello, native};
use crate::net::arrivals::Arrival;
use crate::net::hub::Hub;
use crate::net::message_reader::MessageReader;
use crate::net::subnet::Subnet;
use crate::net::transport::{Transport, TransportReader, TransportWriter};
use crate::wire::{self, Dialect, WireError};

/// A viewer that is silent for this long is a program of the tutorial: our own viewers speak at
/// once.
const TUTORIAL_SILENCE: Duration = Duration::from_millis(200);

/// Connections that may be open at once beyond the viewers' seats: those that have not said hello yet, and
/// those that are being turned away. Of those that have to prove a key or code first, these are the ones
/// that have.
pub(super) const PENDING_LIMIT: usize = 64;

/// The handler that a connection is given to.
enum Handler<'a> {
    Native,
    /// Sends pickles of the frames of this hub.
    Pickle(&'a Arc<Hub>),
    Bare,
}

/// Serves one accepted connection until it ends. Returns whether it was turned away for want of a seat.
pub(in crate::net) async fn attend(
    transport: Transport,
    peer: SocketAddr,
    service: Arc<Service>,
) -> bool {
    let options = service.options();
    let admitted = transport.admitted(peer, options.secret.as_ref(), service.handshakes());
    let transport = match admitted.await {
        Ok(transport) => transport,
        // A stranger is told nothing.
        Err(refused) => {
            log_stranger(peer, &refused.into(), &service);
            return false;
        }
    };
    let (subnet, watching) = (Subnet::from(peer.ip()), service.viewers().count());
    let free = options.max_viewers.saturating_sub(watching);
    let arrival = service
        .arrivals()
        .begin_always(subnet, free + PENDING_LIMIT);
    let displaced = arrival.displaced();
    let (read, mut writer) = transport.split();
    let mut reader = MessageReader::new(read, wire::CONTROL_LIMIT);
    if !service.viewers().has_seat(subnet, options.max_viewers) {
        // The programs of others do not know our goodbye.
        if options.secret.is_some() || matches!(options.dialect, None | Some(Dialect::Native)) {
            let full = DisconnectReason::Full(watching);
            tokio::select! {
                () = native::turn_away(&full, &mut reader, &mut writer) => {}
                () = displaced => {}
            }
        }
        return true;
    }
    let served = tokio::select! {
        // This can only come before the viewer watches.
        () = displaced => None,
        served = serve(&mut reader, &mut writer, peer, arrival, &service) => Some(served),
    };
    let reason = match served {
        Some(Ok(_)) => return false,
        Some(Err(reason)) => {
            if let DisconnectReason::Encrypted = reason {
                native::turn_away(&reason, &mut reader, &mut writer).await;
            }
            reason
        }
        None => {
            native::turn_away(&DisconnectReason::Displaced, &mut reader, &mut writer).await;
            DisconnectReason::Displaced
        }
    };
    log_stranger(peer, &reason, &service);
    false
}

/// Logs a connection that ended before it watched.
fn log_stranger(peer: SocketAddr, reason: &DisconnectReason, service: &Service) {
    let line = format!("viewer {peer}: left before it watched: {reason}");
    let reason = match reason {
        // A stranger chooses the words of its goodbye.
        DisconnectReason::Bye(_) => String::new(),
        reason => reason.to_string(),
    };
    service.strangers().note(peer.ip(), &reason, &line);
}

/// Serves a viewer in its dialect. `arrival` is dropped when it watches.
async fn serve(
    reader: &mut MessageReader<TransportReader>,
    writer: &mut TransportWriter,
    peer: SocketAddr,
    arrival: Arrival,
    service: &Service,
) -> Result<DisconnectReason, DisconnectReason> {
    let deadline = Instant::now() + service.options().hello_limit;
    match handler(reader, deadline, service).await? {
        Handler::Native => native::serve(reader, writer, peer, deadline, arrival, service).await,
        Handler::Pickle(bgr) => {
            late_hello::serve(reader, writer, peer, bgr, Some(arrival), service).await
        }
        Handler::Bare => bare::serve(reader, writer, peer, Some(arrival), service).await,
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
        // The viewer has proved the key or code, as only our own do.
        _ if options.secret.is_some() => {}
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
        Err(_) => Err(native::no_hello_reason(reader, service)),
    }
}
