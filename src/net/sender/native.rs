//! Serves a viewer that speaks vidchat's own protocol, from its hello to the goodbye.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use crate::wire::{self, Control, Head, Hello, WireError};

use super::control_limits::ControlLimits;
use super::disconnect::DisconnectReason;
use super::frame_writer::FrameWriter;
use super::framing::NativeFraming;
use super::service::Service;
use super::viewer_link::ViewerLink;
use super::viewer_session::{Admitted, SILENCE_LIMIT};
use crate::net::arrivals::Arrival;
use crate::net::farewell::farewell;
use crate::net::hub::Hub;
use crate::net::idle_timeout;
use crate::net::message_reader::MessageReader;
use crate::net::transport::{TransportReader, TransportWriter};

/// Serves a viewer whose first bytes are those of this protocol. It has until `deadline` for its
/// hello.
///
/// # Errors
/// The viewer left, or was refused, before it was let in.
pub(super) async fn serve(
    reader: &mut MessageReader<TransportReader>,
    writer: &mut TransportWriter,
    peer: SocketAddr,
    deadline: Instant,
    arrival: Arrival,
    service: &Service,
) -> Result<DisconnectReason, DisconnectReason> {
    let admitted = match timeout_at(deadline, greet(reader)).await {
        Ok(greeted) => greeted.and_then(|hello| Admitted::new(&hello, peer, service)),
        Err(_) => Err(no_hello_reason(reader, service)),
    };
    match admitted {
        Ok(admitted) => {
            drop(arrival);
            let hello = introduction(service);
            Ok(converse(admitted, Some(hello), reader, writer, service).await)
        }
        Err(reason) => {
            turn_away(&reason, reader, writer).await;
            Err(reason)
        }
    }
}

/// Sends to a viewer that was let in, reads its messages, and says goodbye. `hello` is our hello,
/// if it was not sent yet.
pub(in crate::net) async fn converse(
    admitted: Admitted,
    hello: Option<Hello>,
    reader: &mut MessageReader<TransportReader>,
    writer: &mut TransportWriter,
    service: &Service,
) -> DisconnectReason {
    let Admitted {
        session,
        max_latency,
        silence_limit,
    } = admitted;
    let (options, hub) = (service.options(), session.hub());
    let mut subscription = hub.subscribe();
    subscription.set_max_latency(max_latency);
    let audience = service.audience(hub);
    writer.share(|| Arc::clone(&audience.media_keys));
    let framing = NativeFraming {
        hello: hello.map(Box::new),
    };
    let mut between_frames = false;
    let (link, pinned) = (session.link(), service.pinned());
    let mut frames = FrameWriter::new(
        link,
        pinned,
        subscription,
        framing,
        options.stall_limit,
        &audience.fan_out,
    );
    let reason = tokio::select! {
        // A viewer's first message is a ping. Its answer is sent before any frame.
        biased;
        reason = read_messages(reader, hub, link, options.hello_limit, silence_limit) => reason,
        served = frames.run_until(writer, link.removed()) => match served {
            Ok(removal) => {
                between_frames = true;
                removal.into()
            }
            Err(reason) => reason,
        },
    };
    drop(frames);
    let bye = match &reason {
        DisconnectReason::Ended(words) => Some(service.bye(hub, words)),
        reason if between_frames => reason.goodbye(),
        _ => None,
    };
    session.end(&reason, service);
    if let Some(bye) = bye {
        farewell(bye, reader, writer).await;
    }
    reason
}

/// The hello of a sender.
pub(super) fn introduction(service: &Service) -> Hello {
    Hello {
        vidchat: wire::VERSION,
        name: service.options().name.clone(),
        call: service.options().call.clone(),
        decodes: service.options().decodes.clone(),
        ..Hello::default()
    }
}

/// Reads the viewer's first message, which has to be a hello, or a goodbye.
///
/// # Errors
/// It is something else.
pub(super) async fn greet(
    reader: &mut MessageReader<TransportReader>,
) -> Result<Hello, DisconnectReason> {
    let Some(Head::Control { length }) = reader.head().await? else {
        return Err(WireError::NoHello.into());
    };
    match reader.control(length).await? {
        Control::Bye(bye) => Err(DisconnectReason::Bye(bye.printable())),
        Control::Hello(hello) if hello.vidchat >= 1 => Ok(hello),
        Control::Hello(hello) => Err(WireError::Version(hello.vidchat).into()),
        _ => Err(WireError::NoHello.into()),
    }
}

/// Why a peer that sent no hello in time is disconnected.
pub(super) fn no_hello_reason(
    reader: &MessageReader<TransportReader>,
    service: &Service,
) -> DisconnectReason {
    match reader.pending() {
        [] => DisconnectReason::Silent(service.options().hello_limit),
        first => WireError::foreign(first).into(),
    }
}

/// Sends the reason to a viewer that is not let in, where there is one to send.
pub(in crate::net) async fn turn_away(
    reason: &DisconnectReason,
    reader: &mut MessageReader<TransportReader>,
    writer: &mut TransportWriter,
) {
    if let Some(bye) = reason.goodbye() {
        farewell(bye, reader, writer).await;
    }
}

/// Reads the viewer's messages until it leaves. Each message may take `limit`. The longest silence
/// between two messages is `silence_limit` until the first acknowledgement, and then
/// [`SILENCE_LIMIT`]. There is no such limit where the viewer has not promised to ping.
async fn read_messages(
    reader: &mut MessageReader<TransportReader>,
    hub: &Hub,
    link: &ViewerLink,
    limit: Duration,
    mut silence_limit: Option<Duration>,
) -> DisconnectReason {
    let mut limits = ControlLimits::new(Instant::now().into_std());
    loop {
        let head = match silence_limit {
            Some(limit) => match idle_timeout::within(limit, reader.head()).await {
                Some(head) => head,
                None => return DisconnectReason::Gone(limit),
            },
            None => reader.head().await,
        };
        let length = match head {
            Ok(Some(Head::Control { length })) => length,
            Ok(Some(Head::Frame { .. })) => return DisconnectReason::Sends,
            Ok(None) => return DisconnectReason::Closed,
            Err(e) => return e.into(),
        };
        if let Err(reason) = limits.note(Instant::now().into_std(), length) {
            return reason;
        }
        match timeout(limit, reader.control(length)).await {
            Ok(Ok(Control::Ack(ack))) => {
                link.acked(ack);
                silence_limit = silence_limit.and(Some(SILENCE_LIMIT));
            }
            Ok(Ok(Control::Ping { sent })) => link.pinged(sent),
            Ok(Ok(Control::Report(report))) => link.reported(report),
            Ok(Ok(Control::Key)) => {
                if limits.grants_key(Instant::now().into_std()) {
                    hub.want_key();
                }
            }
            Ok(Ok(Control::Bye(bye))) => return DisconnectReason::Bye(bye.printable()),
            Ok(Ok(_)) => {}
            Ok(Err(e)) => return e.into(),
            Err(_) => return DisconnectReason::Slow(limit),
        }
    }
}
