//! Gives a receiver its connections: the first one, and another after each loss.

use std::net::SocketAddr;

use tokio::time::sleep;

use crate::net::backoff::{self, Backoff};
use crate::net::reach::ConnectError;
use crate::net::receiver::{ReceiveOptions, SenderListener};
use crate::net::{self, Connection, Peer, Target, TcpListener};

/// A source of connections to a sender.
pub enum Connector {
    /// The receiver connects to a sender that listens.
    Dial {
        /// The sender.
        sender: Box<Peer>,
        /// The options of each connection.
        options: ReceiveOptions,
    },
    /// Senders connect to the receiver, one after another.
    Listen(SenderListener),
}

/// Where the sender is, for the log and the picture.
#[derive(Clone, Debug)]
pub enum SenderPlace {
    /// At this target, as the person typed it or would type it.
    Target(Target),
    /// Anywhere: it connects to this address.
    Listening(SocketAddr),
}

impl SenderPlace {
    /// The sender's name in the log: its place, or the address of the sender that has connected.
    pub fn label(&self, connection: Option<&Connection>) -> String {
        match self {
            Self::Target(target) => target.to_string(),
            Self::Listening(bound) => match connection.and_then(Connection::peer) {
                Some(peer) => peer.ip().to_string(),
                None => bound.to_string(),
            },
        }
    }

    /// The text on the picture while there is no connection.
    pub fn outage(&self, seconds: u64) -> String {
        // A narrow window must not break the line inside the time.
        match self {
            Self::Target(target) => format!("reconnecting to {target} ({seconds}\u{a0}s)"),
            Self::Listening(_) => format!("waiting for a sender ({seconds}\u{a0}s)"),
        }
    }

    /// Whether senders connect to this receiver.
    pub fn is_listening(&self) -> bool {
        matches!(self, Self::Listening(_))
    }
}

impl Connector {
    /// Connects to `sender`.
    pub fn dial(sender: Peer, options: &ReceiveOptions) -> Self {
        Self::Dial {
            sender: Box::new(sender),
            options: options.clone(),
        }
    }

    /// Waits for senders at `socket`.
    pub fn listen(socket: TcpListener, options: &ReceiveOptions) -> Self {
        Self::Listen(SenderListener::spawn(socket, options.clone()))
    }

    /// The first connection. A receiver that listens returns `None`, and waits for it in
    /// [`Connector::next`].
    ///
    /// # Errors
    /// No address of the sender answers, or it has none.
    pub async fn first(&self) -> Result<Option<Connection>, ConnectError> {
        match self {
            Self::Dial { sender, options } => net::connect_first(sender, options).await.map(Some),
            Self::Listen(_) => Ok(None),
        }
    }

    /// The next connection, however long it takes. The pauses of `backoff` are only for connecting
    /// from this side.
    pub async fn next(&mut self, mut backoff: Backoff) -> Connection {
        let (sender, options) = match self {
            Self::Dial { sender, options } => (sender, options),
            Self::Listen(listener) => return listener.accept().await,
        };
        let options = ReceiveOptions {
            connect_limit: backoff::CONNECT_LIMIT,
            ..options.clone()
        };
        loop {
            sleep(backoff.pause()).await;
            if let Ok(connection) = net::connect(sender, &options).await {
                return connection;
            }
        }
    }
}
