//! Sends to a receiver that listens. This side makes the connection, and makes it again after each
//! loss.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tracing::{debug, info, warn};

use super::disconnect::DisconnectReason;
use super::server::CLOSING;
use super::service::Service;
use super::viewer_session::Admitted;
use super::{bare, late_hello, native};
use crate::net::address::{Target, plain};
use crate::net::backoff::{self, Backoff};
use crate::net::log_throttle::Losses;
use crate::net::message_reader::MessageReader;
use crate::net::pauses::Pauses;
use crate::net::peer::Peer;
use crate::net::reach::{ConnectError, reach, reach_first};
use crate::net::transport::{Transport, TransportReader, TransportWriter};
use crate::wire::{self, Bye, ByeCode, Control, Dialect, Hello, WireError};

/// How long to wait for one address of a host, at first.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A receiver that listens and takes frames.
pub struct Receiver {
    reader: MessageReader<TransportReader>,
    writer: TransportWriter,
    peer: SocketAddr,
    /// The receiver's hello, where the dialect has one.
    admitted: Option<Admitted>,
}

/// Why there is no receiver to send to.
#[derive(Debug, Error)]
pub enum DialError {
    /// No address answers.
    #[error(transparent)]
    Connect(ConnectError),
    /// A peer answers, but takes no frames.
    #[error("{0}")]
    Answer(DisconnectReason),
}

/// Connects to the first address of `peer` that answers, and says hello as a sender, where the
/// dialect has a hello.
///
/// # Errors
/// No address answers, or no receiver does.
pub async fn dial(peer: &Peer, service: &Service) -> Result<Receiver, DialError> {
    greeted(reach_first(peer, CONNECT_LIMIT).await, service).await
}

/// As [`dial`], for the first connection of a command. It is tried again where the other side may only
/// pause.
///
/// # Errors
/// No address answers, or no receiver does.
pub async fn dial_first(peer: &Peer, service: &Service) -> Result<Receiver, DialError> {
    let mut pauses = Pauses::new(peer.target());
    loop {
        let dialled = dial(peer, service).await;
        let refusal = match &dialled {
            Err(DialError::Answer(DisconnectReason::Unsafe(refusal))) => Some(refusal),
            _ => None,
        };
        if !pauses.try_again(refusal).await {
            return dialled;
        }
    }
}

/// Sends to `first`, and after that to every receiver that answers at `peer`, until `shutdown`
/// completes. Its output is the goodbye to the receiver. `first` may be a refusal.
pub async fn serve(
    peer: &Peer,
    first: Result<Receiver, DialError>,
    service: Arc<Service>,
    shutdown: impl Future<Output = Bye>,
) {
    let sending = keep_sending(peer, first, &service);
    tokio::pin!(sending, shutdown);
    let bye = tokio::select! {
        bye = &mut shutdown => bye,
        () = &mut sending => return,
    };
    let is_connected = service.viewers().count() > 0;
    service.end(bye);
    if is_connected {
        let _ = timeout(CLOSING, sending).await;
    }
}

/// Sends over one connection after another, until the stream ends.
async fn keep_sending(peer: &Peer, first: Result<Receiver, DialError>, service: &Service) {
    let target = peer.target();
    let mut dialled = first;
    let mut backoff = Backoff::after_failure();
    let mut lost: Option<Instant> = None;
    let mut losses = Losses::default();
    let mut refusal = None;
    loop {
        match dialled {
            Ok(connected) => {
                match lost.map(|lost| lost.elapsed().as_secs_f32()) {
                    Some(seconds) if losses.back(Instant::now().into_std()) => {
                        info!("receiver {target}: connected again after {seconds:.1} s");
                    }
                    Some(seconds) => {
                        debug!("receiver {target}: connected again after {seconds:.1} s");
                    }
                    None => info!("receiver {target}: connected"),
                }
                let began = Instant::now();
                let reason = tokio::select! {
                    reason = connected.serve(service) => reason,
                    never = log_steady(target, &mut losses) => match never {},
                };
                if service.has_ended() {
                    return;
                }
                let is_left = matches!(&reason, DisconnectReason::Bye(bye)
                    if bye.code == Some(ByeCode::Left));
                // The other side of a call leaves at its end, which the person hears of anyhow.
                let is_quiet = is_left && service.options().call.is_some();
                match losses.lost(&reason.to_string(), Instant::now().into_std()) {
                    Some(times) if !is_quiet => {
                        warn!("receiver {target}: lost: {reason}{times}; connecting again");
                    }
                    _ => debug!("receiver {target}: lost: {reason}; connecting again"),
                }
                (lost, refusal) = (Some(Instant::now()), None);
                // A receiver that leaves at once each time is tried again only after a pause.
                backoff = if began.elapsed() < Duration::from_secs(1) {
                    Backoff::after_failure()
                } else {
                    Backoff::after_loss()
                };
            }
            Err(DialError::Connect(_)) => {}
            Err(DialError::Answer(reason)) => {
                backoff = match &reason {
                    // It may have been closed on the way, or by a pause, which may be over soon.
                    DisconnectReason::Unsafe(_) => Backoff::after_failure(),
                    _ => Backoff::after_refusal(),
                };
                // Only the first of several equal refusals is logged.
                let reason = reason.to_string();
                if refusal.as_ref() != Some(&reason) {
                    warn!("receiver {target}: turned away: {reason}; trying again");
                }
                refusal = Some(reason);
            }
        }
        sleep(backoff.pause()).await;
        dialled = greeted(reach(peer, backoff::CONNECT_LIMIT).await, service).await;
    }
}

/// Logs that the connection holds again, where it was lost more often than was logged.
async fn log_steady(target: &Target, losses: &mut Losses) -> Infallible {
    while let Some(at) = losses.steady_at() {
        sleep_until(at.into()).await;
        if let Some(times) = losses.steady(Instant::now().into_std()) {
            info!("receiver {target}: the connection holds again, after it was lost{times}");
        }
    }
    pending().await
}

/// The receiver at the other end of `connected`, after the hellos where the dialect has them.
async fn greeted(
    connected: Result<TcpStream, ConnectError>,
    service: &Service,
) -> Result<Receiver, DialError> {
    let transport = Transport::plain(connected.map_err(DialError::Connect)?);
    let peer = transport.peer().map_err(ConnectError::Greeting);
    let peer = peer.map_err(DialError::Connect)?;
    let secret = service.options().secret.as_ref();
    let proved = transport
        .proved(secret)
        .await
        .map_err(DisconnectReason::from);
    let transport = proved.map_err(DialError::Answer)?;
    let (reader, writer) = transport.split();
    let mut receiver = Receiver {
        reader: MessageReader::new(reader, wire::CONTROL_LIMIT),
        writer,
        peer: plain(peer),
        admitted: None,
    };
    if secret.is_some() || matches!(service.options().dialect, None | Some(Dialect::Native)) {
        let admitted = receiver.greet(service).await.map_err(DialError::Answer)?;
        receiver.admitted = Some(admitted);
    }
    Ok(receiver)
}

impl Receiver {
    /// Says hello as a sender, and waits for the receiver's hello.
    async fn greet(&mut self, service: &Service) -> Result<Admitted, DisconnectReason> {
        let deadline = Instant::now() + service.options().hello_limit;
        let hello = Control::Hello(Hello {
            sends: true,
            ..native::introduction(service)
        });
        let answered = timeout_at(deadline, async {
            let written = self.writer.write_all(&mut &hello.encode()[..]).await;
            written.map_err(DisconnectReason::Lost)?;
            match self.reader.dialect().await? {
                Dialect::Native => native::greet(&mut self.reader).await,
                Dialect::Pickle | Dialect::Bare => Err(WireError::NoHello.into()),
            }
        });
        let admitted = match answered.await {
            Ok(hello) => hello.and_then(|hello| Admitted::new(&hello, self.peer, service)),
            Err(_) => Err(native::no_hello_reason(&self.reader, service)),
        };
        if let Err(reason) = &admitted {
            native::turn_away(reason, &mut self.reader, &mut self.writer).await;
        }
        admitted
    }

    /// Sends until the receiver leaves or the stream ends.
    async fn serve(mut self, service: &Service) -> DisconnectReason {
        let options = service.options();
        let (reader, writer, peer) = (&mut self.reader, &mut self.writer, self.peer);
        if let Some(admitted) = self.admitted {
            return native::converse(admitted, None, reader, writer, service).await;
        }
        let served = match (options.dialect, &options.tutorial) {
            (Some(Dialect::Pickle), Some(bgr)) => {
                late_hello::serve(reader, writer, peer, bgr, None, service).await
            }
            _ => bare::serve(reader, writer, peer, None, service).await,
        };
        served.unwrap_or_else(|reason| reason)
    }
}
