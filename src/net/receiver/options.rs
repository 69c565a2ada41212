//! The options of a connection to a sender.

use std::time::Duration;

use crate::net::AllowList;
use crate::net::secure::Secret;
use crate::wire::{CallTicket, Caps, Dialect, FRAME_LIMIT, LengthFormat, MAX_LATENCY};

/// How long to wait for one address of a host.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// The options of a connection to a sender.
#[derive(Clone, Debug)]
pub struct ReceiveOptions {
    /// The key or code that both sides prove. With it the connection is encrypted, and in vidchat's own
    /// protocol.
    pub secret: Option<Secret>,
    /// The networks from which connections are accepted, on the side that listens.
    pub allowed: AllowList,
    /// The dialect of the sender; `None` where its first bytes tell.
    pub dialect: Option<Dialect>,
    /// The caps of bare frames, which the wire does not carry.
    pub bare_caps: Option<Caps>,
    /// How the lengths before bare frames are written, where the dialect is set to bare.
    pub bare_length: LengthFormat,
    /// The name of the stream to ask for; `None` for the sender's default.
    pub stream: Option<String>,
    /// The call that the connection is for.
    pub call: Option<CallTicket>,
    /// In a call: the codecs that this side decodes.
    pub decodes: Vec<String>,
    /// The longest frame message, in bytes.
    pub max_frame: u64,
    /// This machine's name, for the sender.
    pub name: String,
    /// The largest age of a frame on the screen.
    pub max_latency: Duration,
    /// How long to wait for one address of a host.
    pub connect_limit: Duration,
}

impl Default for ReceiveOptions {
    fn default() -> Self {
        Self {
            secret: None,
            allowed: AllowList::default(),
            dialect: None,
            bare_caps: None,
            bare_length: LengthFormat::default(),
            stream: None,
            call: None,
            decodes: Vec::new(),
            max_frame: FRAME_LIMIT,
            name: String::new(),
            max_latency: MAX_LATENCY,
            connect_limit: CONNECT_LIMIT,
        }
    }
}

impl ReceiveOptions {
    /// Whether a hello is said: in every dialect but those of others, and on every encrypted connection.
    pub(in crate::net) fn is_native(&self) -> bool {
        self.secret.is_some() || matches!(self.dialect, None | Some(Dialect::Native))
    }
}
