//! Where a receiver's connections come from: one, and after each loss the next.

use std::io;
use std::time::Duration;

use tokio::time::sleep;

use crate::net::receiver::ReceiveOptions;
use crate::net::{self, Connection, Target};

/// The longest pause before connecting again. A sender that is back should be seen at once, and a
/// try costs next to nothing.
pub const LONGEST_PAUSE: Duration = Duration::from_millis(600);
/// How long to wait for an address when connecting again. A packet that was lost is sent again
/// after a second; after that a new try is the quicker way.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// A source of connections to one sender.
pub enum Connector {
    /// The receiver connects to a sender that listens.
    Dial {
        /// The sender.
        target: Target,
        /// The options of each connection.
        options: ReceiveOptions,
    },
}

impl Connector {
    /// Connects to `target`.
    pub fn dial(target: &Target, options: &ReceiveOptions) -> Self {
        Self::Dial {
            target: target.clone(),
            options: options.clone(),
        }
    }

    /// The first connection.
    ///
    /// # Errors
    /// No address of the sender answers, or it has none.
    pub async fn first(&self) -> io::Result<Connection> {
        let Self::Dial { target, options } = self;
        net::connect(target, options).await
    }

    /// Another connection after `pause`, however long it takes.
    pub async fn again(&self, mut pause: Duration) -> Connection {
        let Self::Dial { target, options } = self;
        let options = ReceiveOptions {
            connect_limit: CONNECT_LIMIT,
            ..options.clone()
        };
        loop {
            // Many viewers lose one sender at the same moment and must not all come back in one.
            sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            if let Ok(connection) = net::connect(target, &options).await {
                return connection;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
