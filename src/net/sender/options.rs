//! How viewers are served.

use std::sync::Arc;
use std::time::Duration;

use crate::net::hub::Hub;
use crate::wire::Dialect;

/// How viewers are served.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// How many may watch at once.
    pub max_viewers: usize,
    /// The dialect that is spoken with them; `None` where each of them chooses.
    pub dialect: Option<Dialect>,
    /// The same frames in BGR, for the programs of the tutorial; without it they are not served. Its
    /// seats tell whether there are any.
    pub tutorial: Option<Arc<Hub>>,
    /// This machine's name, as viewers are told it.
    pub name: String,
    /// How far behind the newest frame any viewer may be, whatever it asks for.
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
            dialect: None,
            tutorial: None,
            name: String::new(),
            max_latency: Duration::MAX,
            hello_limit: Duration::from_secs(10),
            stall_limit: Duration::from_secs(20),
        }
    }
}
