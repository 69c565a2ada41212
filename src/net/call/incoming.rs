//! A call that came in, until it is answered or declined.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::accepted::Accepted;
use super::lines::Lines;
use crate::net::arrivals::Arrival;
use crate::net::farewell::farewell;
use crate::net::message_reader::MessageReader;
use crate::net::sender::disconnect::DisconnectReason;
use crate::net::transport::TransportReader;
use crate::wire::control::NAME_LIMIT;
use crate::wire::text::printable_name;
use crate::wire::{Bye, CallTicket, Control, Head};

/// How often the caller hears that the person here is asked.
pub const RING_INTERVAL: Duration = Duration::from_secs(1);
/// How long it may take to tell a caller something while others wait.
const KEEP_LIMIT: Duration = Duration::from_millis(100);

/// A call that waits for an answer. Dropping it hangs up.
#[derive(Debug)]
pub struct IncomingCall {
    pub(super) connection: Accepted,
    pub(super) ticket: CallTicket,
    pub(super) arrival: Arrival,
    pub(super) lines: Arc<Lines>,
}

impl IncomingCall {
    /// The call and the party that calls.
    pub fn ticket(&self) -> &CallTicket {
        &self.ticket
    }

    /// The name of the caller's machine, fit to be shown. It may be empty.
    pub fn name(&self) -> String {
        printable_name(&self.connection.hello.name, NAME_LIMIT)
    }

    /// The caller's address.
    pub fn peer(&self) -> SocketAddr {
        self.connection.peer
    }

    /// The codecs that the caller decodes.
    pub fn decodes(&self) -> &[String] {
        &self.connection.hello.decodes
    }

    /// Tells the caller again and again that the person here is asked. Returns when the caller has
    /// left, with the reason.
    pub async fn ring(&mut self) -> DisconnectReason {
        let mut ticks = interval(RING_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let Accepted { reader, writer, .. } = &mut self.connection;
        let (displaced, left) = (self.arrival.displaced(), left(reader));
        tokio::pin!(displaced, left);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let ringing = Control::Ringing.encode();
                    if let Err(e) = writer.write_all(&mut &ringing[..]).await {
                        return DisconnectReason::Lost(e);
                    }
                }
                () = &mut displaced => return DisconnectReason::Displaced,
                reason = &mut left => return reason,
            }
        }
    }

    /// Tells the caller once that the person here is not ready yet, so that it does not take this side for
    /// dead. One that takes no bytes now is told nothing.
    pub async fn keep_waiting(&mut self) {
        let ringing = Control::Ringing.encode();
        let mut ringing = &ringing[..];
        // A connection that fails is noticed when the call is decided on.
        let _ = timeout(KEEP_LIMIT, self.connection.writer.write_all(&mut ringing)).await;
    }

    /// Answers. Further connections of the same call come from the receiver, until it is dropped.
    pub async fn answer(mut self) -> (Accepted, mpsc::UnboundedReceiver<Accepted>) {
        let line = self.lines.open(self.ticket.id);
        // A caller that has left is noticed as soon as the connection is used.
        let _ = self.connection.say(&Control::Answer).await;
        (self.connection, line)
    }

    /// Turns the caller away.
    pub async fn decline(mut self, bye: Bye) {
        let Accepted { reader, writer, .. } = &mut self.connection;
        farewell(bye, reader, writer).await;
    }
}

/// Reads until the caller leaves. Where this is cancelled in the middle of a message, the connection
/// breaks off later, and the caller makes another one.
async fn left(reader: &mut MessageReader<TransportReader>) -> DisconnectReason {
    loop {
        let length = match reader.head().await {
            Ok(Some(Head::Control { length })) => length,
            Ok(Some(Head::Frame { .. })) => return DisconnectReason::Sends,
            Ok(None) => return DisconnectReason::Closed,
            Err(e) => return e.into(),
        };
        match reader.control(length).await {
            Ok(Control::Bye(bye)) => return DisconnectReason::Bye(bye.printable()),
            Ok(_) => {}
            Err(e) => return e.into(),
        }
    }
}
