//! The last message of a connection.

use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::time::timeout;

use super::message_reader::MessageReader;
use super::transport::TransportWriter;
use crate::wire::{Bye, Control};

/// How long a peer may take to read our last message.
const FAREWELL: Duration = Duration::from_millis(300);

/// Tells a peer why the connection is about to be closed, and gives it a moment to read that. Bytes
/// that a closed socket has not read cause a reset, which overtakes the last message.
pub(super) async fn farewell<R: AsyncRead + Unpin>(
    bye: Bye,
    reader: &mut MessageReader<R>,
    writer: &mut TransportWriter,
) {
    let bye = Control::Bye(bye).encode();
    let _ = timeout(FAREWELL, async {
        writer.write_all(&mut &bye[..]).await?;
        writer.finish().await?;
        tokio::io::copy(reader.stream(), &mut tokio::io::sink()).await
    })
    .await;
}
