//! A connection that a party of a call has made, after both hellos.

use std::io;
use std::net::SocketAddr;

use crate::net::message_reader::MessageReader;
use crate::net::receiver::ReceiveOptions;
use crate::net::receiver::connection::Connection;
use crate::net::sender::disconnect::DisconnectReason;
use crate::net::sender::native;
use crate::net::sender::service::Service;
use crate::net::sender::viewer_session::Admitted;
use crate::net::transport::{TransportReader, TransportWriter};
use crate::wire::{Control, Hello};

/// A connection of a party that was let in.
#[derive(Debug)]
pub struct Accepted {
    pub(super) reader: MessageReader<TransportReader>,
    pub(super) writer: TransportWriter,
    pub(super) peer: SocketAddr,
    pub(super) hello: Hello,
}

impl Accepted {
    /// The party's address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether the party sends over it. Otherwise it watches.
    pub fn sends(&self) -> bool {
        self.hello.sends
    }

    /// The connection as that of a receiver: the party sends over it.
    pub fn into_connection(self, options: &ReceiveOptions) -> Connection {
        Connection::greeted(self.reader, self.writer, self.hello, self.peer, options)
    }

    /// Sends the stream that the party has asked for, until one of both sides ends it.
    pub async fn serve(mut self, service: &Service) -> DisconnectReason {
        let (reader, writer) = (&mut self.reader, &mut self.writer);
        match Admitted::new(&self.hello, self.peer, service) {
            Ok(admitted) => native::converse(admitted, None, reader, writer, service).await,
            Err(reason) => {
                native::turn_away(&reason, reader, writer).await;
                reason
            }
        }
    }

    pub(super) async fn say(&mut self, message: &Control) -> io::Result<()> {
        self.writer.write_all(&mut &message.encode()[..]).await
    }
}
