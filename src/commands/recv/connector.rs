//! Gives a receiver its connections: the first one, and another after each loss.

use std::net::SocketAddr;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;
use tracing::warn;

use crate::net::backoff::{self, Backoff};
use crate::net::reach::ConnectError;
use crate::net::receiver::{ReceiveOptions, SenderListener};
use crate::net::secure::Secret;
use crate::net::{self, Connection, Peer, Target, TcpListener};

/// The most different reasons of a sender to let in nobody that are told. A service of another kind may
/// say something else each time.
const REASONS: usize = 4;

/// A source of connections to a sender.
pub enum Connector {
    /// The receiver connects to a sender that listens.
    Dial {
        /// The sender.
        sender: Box<Peer>,
        /// The options of each connection.
        options: Box<ReceiveOptions>,
        /// Why the sender, which was reached again, has let in nobody since the last connection. Each
        /// reason is there once, and the latest new one is the last.
        refusals: Vec<String>,
    },
    /// Senders connect to the receiver, one after another.
    Listen(SenderListener),
    /// The other side of a call makes each connection.
    Handed(HandedConnections),
}

/// The connections of one sender, of which the newest counts.
pub struct HandedConnections {
    handed: UnboundedReceiver<Connection>,
    /// One that came while another was in use.
    next: Option<Box<Connection>>,
}

/// Where the sender is, for the log and the picture.
#[derive(Clone, Debug)]
pub enum SenderPlace {
    /// At this target, as the person typed it or would type it.
    Target(Target),
    /// No sender, but a source of this machine that plays from the engine at this URL, which is fit to
    /// be printed.
    Engine(String),
    /// Anywhere: it connects to this address.
    Listening(SocketAddr),
    /// The other side of a call.
    Party {
        /// Its name, or its address where it has none.
        name: String,
    },
}

impl SenderPlace {
    /// The sender's name in the log: its place, or the address of the sender that has connected.
    pub fn label(&self, connection: Option<&Connection>) -> String {
        match self {
            Self::Target(target) => target.to_string(),
            Self::Engine(url) => url.clone(),
            Self::Party { name } => name.clone(),
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
            Self::Engine(url) => format!("playing {url} again ({seconds}\u{a0}s)"),
            Self::Listening(_) => format!("waiting for a sender ({seconds}\u{a0}s)"),
            Self::Party { name } => format!("reconnecting to {name} ({seconds}\u{a0}s)"),
        }
    }

    /// What has given the frames, in words.
    pub fn source(&self) -> &'static str {
        match self {
            Self::Engine(_) => "stream",
            _ => "camera",
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
            options: Box::new(options.clone()),
            refusals: Vec::new(),
        }
    }

    /// Proves this secret from the next connection on.
    pub fn set_secret(&mut self, secret: &Secret) {
        if let Self::Dial { options, .. } = self {
            options.secret = Some(secret.clone());
        }
    }

    /// Waits for senders at `socket`.
    pub fn listen(socket: TcpListener, options: &ReceiveOptions) -> Self {
        Self::Listen(SenderListener::spawn(socket, options.clone()))
    }

    /// Takes the connections that come out of `handed`.
    pub fn handed(handed: UnboundedReceiver<Connection>) -> Self {
        Self::Handed(HandedConnections { handed, next: None })
    }

    /// The first connection. A receiver that listens returns `None`, and waits for it in
    /// [`Connector::next`].
    ///
    /// # Errors
    /// No address of the sender answers, or it has none.
    pub async fn first(&self) -> Result<Option<Connection>, ConnectError> {
        match self {
            Self::Dial {
                sender, options, ..
            } => net::connect_first(sender, options).await.map(Some),
            Self::Listen(_) | Self::Handed(_) => Ok(None),
        }
    }

    /// Why there is no connection again, where the sender was reached and has another key or code.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Dial { refusals, .. } => refusals.last().map(String::as_str),
            Self::Listen(_) | Self::Handed(_) => None,
        }
    }

    /// The next connection, however long it takes. The pauses of `backoff` are only for connecting
    /// from this side. `label` is the sender's name in the log.
    pub async fn next(&mut self, mut backoff: Backoff, label: &str) -> Connection {
        let (sender, options, refusals) = match self {
            Self::Dial {
                sender,
                options,
                refusals,
            } => (sender, options, refusals),
            Self::Listen(listener) => return listener.accept().await,
            Self::Handed(handed) => return handed.next().await,
        };
        let options = ReceiveOptions {
            connect_limit: backoff::CONNECT_LIMIT,
            ..(**options).clone()
        };
        loop {
            sleep(backoff.pause()).await;
            let error = match net::connect(sender, &options).await {
                Ok(connection) => {
                    refusals.clear();
                    return connection;
                }
                Err(error) => error,
            };
            // Only the first of several equal refusals is logged.
            if let Some(reason) = error.refusal().map(ToString::to_string)
                && !refusals.contains(&reason)
                && refusals.len() < REASONS
            {
                warn!("sender {label}: turned away: {reason}; trying again");
                refusals.push(reason);
            }
        }
    }

    /// Completes when the sender has made another connection, so that the one before is of no use
    /// any more. [`Connector::next`] gives it. The wait may be cancelled without losing anything.
    pub async fn superseded(&mut self) {
        match self {
            Self::Handed(handed) => {
                let next = handed.next().await;
                handed.next = Some(Box::new(next));
            }
            Self::Dial { .. } | Self::Listen(_) => std::future::pending().await,
        }
    }
}

impl HandedConnections {
    async fn next(&mut self) -> Connection {
        if let Some(next) = self.next.take() {
            return *next;
        }
        match self.handed.recv().await {
            Some(connection) => connection,
            // The call ends by itself.
            None => std::future::pending().await,
        }
    }
}
