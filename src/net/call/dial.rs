//! Calls another machine, and waits for the answer of the person there.

use std::time::Duration;

use thiserror::Error;
use tokio::time::timeout;

use crate::net::message_reader::ReadError;
use crate::net::pauses::Pauses;
use crate::net::peer::Peer;
use crate::net::reach::{ConnectError, reach_first};
use crate::net::receiver::connection::{Connection, Opening, introduce};
use crate::net::receiver::{ReceiveError, ReceiveOptions};
use crate::net::secure::Unsafe;
use crate::wire::control::NAME_LIMIT;
use crate::wire::text::printable_name;
use crate::wire::{Bye, CallTicket, Control, Dialect, Head, Hello, WireError};

/// How long the other side may be silent. While the person there is asked, it says so each second.
const SILENCE_LIMIT: Duration = Duration::from_secs(5);

/// News while the other side has not answered.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The other side has said hello.
    Greeted(CallTicket),
    /// The person there is asked. It comes once.
    Ringing,
}

/// A call that was answered.
#[derive(Debug)]
pub struct Answered {
    /// The connection over which the other side sends.
    pub connection: Connection,
    /// The call, and the party that answered.
    pub ticket: CallTicket,
    /// The name of the other machine, fit to be shown.
    pub name: String,
    /// The codecs that it decodes.
    pub decodes: Vec<String>,
}

/// Why there is no call.
#[derive(Debug, Error)]
pub enum CallError {
    /// No address answers.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A vidchat answers that does not take calls, such as a sender.
    #[error("it does not take calls")]
    NoCalls,
    /// It is this program.
    #[error("it is this program itself")]
    Itself,
    /// The other side said goodbye. Its reason is fit to be shown.
    #[error("{}", .0.reason)]
    Bye(Bye),
    /// The other side is no vidchat, or the connection was lost.
    #[error("{0}")]
    Lost(ReceiveError),
}

impl CallError {
    /// Whether the other side has another code, or none that is good.
    pub fn is_about_code(&self) -> bool {
        matches!(self, Self::Connect(error) if error.is_about_code())
    }

    /// Why the other side, which was reached, is not safe to use.
    pub fn refusal(&self) -> Option<&Unsafe> {
        match self {
            Self::Connect(error) => error.refusal(),
            _ => None,
        }
    }
}

impl From<ReadError> for CallError {
    fn from(e: ReadError) -> Self {
        Self::Lost(e.into())
    }
}

/// Whether a call is tried again where the other side closes the connection at once, as it does for a
/// while after wrong codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tries {
    /// It is tried once.
    Once,
    /// It is tried until that is over.
    ThroughPauses,
}

/// Calls `peer` with the ticket in `options`, and waits for as long as the person there is asked.
///
/// # Errors
/// Nobody answers there, or the call is declined.
pub async fn dial(
    peer: &Peer,
    options: &ReceiveOptions,
    tries: Tries,
    mut tell: impl FnMut(Progress),
) -> Result<Answered, CallError> {
    let mut pauses = Pauses::new(peer.target());
    let mut connection = loop {
        let stream = reach_first(peer, options.connect_limit).await?;
        let introduced = introduce(stream, options).await;
        match introduced.map_err(ConnectError::Greeting) {
            Ok(connection) => break connection,
            Err(error) if tries == Tries::Once || !pauses.try_again(error.refusal()).await => {
                return Err(error.into());
            }
            Err(_) => {}
        }
    };
    if dialect(&mut connection).await? != Dialect::Native {
        return Err(CallError::Lost(WireError::NoHello.into()));
    }
    let hello = match control(&mut connection).await? {
        Control::Hello(hello) => hello,
        Control::Bye(bye) => return Err(CallError::Bye(bye.printable())),
        _ => return Err(CallError::Lost(WireError::NoHello.into())),
    };
    let Some(ticket) = hello.call.clone() else {
        return Err(CallError::NoCalls);
    };
    if options.call.as_ref().map(|own| own.party) == Some(ticket.party) {
        return Err(CallError::Itself);
    }
    tell(Progress::Greeted(ticket.clone()));
    let mut rings = false;
    loop {
        match control(&mut connection).await? {
            Control::Answer => return Ok(answered(connection, hello, ticket)),
            Control::Bye(bye) => return Err(CallError::Bye(bye.printable())),
            Control::Ringing if !rings => {
                rings = true;
                tell(Progress::Ringing);
            }
            _ => {}
        }
    }
}

fn answered(mut connection: Connection, hello: Hello, ticket: CallTicket) -> Answered {
    let (name, decodes) = (
        printable_name(&hello.name, NAME_LIMIT),
        hello.decodes.clone(),
    );
    connection.opening = Opening::Greeted(hello);
    Answered {
        connection,
        ticket,
        name,
        decodes,
    }
}

async fn dialect(connection: &mut Connection) -> Result<Dialect, CallError> {
    match timeout(SILENCE_LIMIT, connection.reader.dialect()).await {
        Ok(dialect) => Ok(dialect?),
        Err(_) => Err(CallError::Lost(ReceiveError::NoFirstBytes(SILENCE_LIMIT))),
    }
}

/// The next message, which has to be a control message.
async fn control(connection: &mut Connection) -> Result<Control, CallError> {
    let reader = &mut connection.reader;
    let read = async {
        match reader.head().await? {
            Some(Head::Control { length }) => Ok(reader.control(length).await?),
            Some(Head::Frame { .. }) => Err(CallError::NoCalls),
            None => Err(CallError::Lost(ReceiveError::Closed)),
        }
    };
    match timeout(SILENCE_LIMIT, read).await {
        Ok(control) => control,
        Err(_) => Err(CallError::Lost(ReceiveError::TimedOut(SILENCE_LIMIT))),
    }
}
