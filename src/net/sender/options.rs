//! The options of a sender for its viewers.

use std::sync::Arc;
use std::time::Duration;

use crate::net::AllowList;
use crate::net::hub::Hub;
use crate::net::secure::Secret;
use crate::wire::{CallTicket, Dialect, LengthFormat};

/// The options of a sender for its viewers.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// How many viewers may watch at once.
    pub max_viewers: usize,
    /// The key or code that every viewer has to prove. With it all connections are encrypted, and in
    /// vidchat's own protocol; `None` where everybody may watch.
    pub secret: Option<Secret>,
    /// The networks from which connections are accepted, on the side that listens.
    pub allowed: AllowList,
    /// The dialect of all viewers; `None` where each of them chooses.
    pub dialect: Option<Dialect>,
    /// How the lengths before pickles and bare frames are written.
    pub length: LengthFormat,
    /// The same frames in BGR or JPEG, for the programs of the tutorial; `None` where these are not
    /// served. Its seats show whether any of them watches.
    pub tutorial: Option<Arc<Hub>>,
    /// The call that the stream is for.
    pub call: Option<CallTicket>,
    /// In a call: the codecs that this side decodes.
    pub decodes: Vec<String>,
    /// This machine's name, for the viewers.
    pub name: String,
    /// How far behind the newest frame a viewer may be at most. A viewer can only ask for less.
    pub max_latency: Duration,
    /// How long a viewer may take for its hello, and for any later message.
    pub hello_limit: Duration,
    /// How long a viewer may take for a frame before it is dropped.
    pub stall_limit: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_viewers: 250,
            secret: None,
            allowed: AllowList::default(),
            dialect: None,
            length: LengthFormat::default(),
            tutorial: None,
            call: None,
            decodes: Vec::new(),
            name: String::new(),
            max_latency: Duration::MAX,
            hello_limit: Duration::from_secs(10),
            stall_limit: Duration::from_secs(20),
        }
    }
}
