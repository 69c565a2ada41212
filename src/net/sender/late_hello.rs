//! A viewer that leaves the first word to us. Programs of the tutorial do, which never say
//! anything; and so does, as far as anybody can tell, a viewer of our own behind a tunnel. It says
//! hello to the tunnel's near end at once, and that gets here a round trip later than the
//! connection did.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::wire::{Hello, WireError};

use super::ServerOptions;
use super::connection::{Admitted, ViewerSession, greet, ignore};
use super::disconnect::DisconnectReason;
use super::frame_writer::FrameWriter;
use super::viewer_link::ViewerLink;
use crate::net::hub::Hub;
use crate::net::message_reader::MessageReader;

/// What becomes of a viewer that was silent.
pub(super) enum LateOutcome {
    /// It has said hello after all. Nothing is half said on the way to it.
    Admitted(Admitted),
    /// It has left.
    DisconnectReason(DisconnectReason),
}

/// Serves a viewer as a program of the tutorial, which takes pickles of BGR pictures, for as long
/// as it does not say hello. An error is one that never watched.
pub(super) async fn tutorial(
    reader: &mut MessageReader<ReadHalf<'_>>,
    write: &mut WriteHalf<'_>,
    peer: SocketAddr,
    (hub, bgr): (&Arc<Hub>, &Arc<Hub>),
    options: &ServerOptions,
) -> Result<LateOutcome, DisconnectReason> {
    let link = ViewerLink::new(peer, "a program of the tutorial".into(), false);
    let visit = ViewerSession::begin(link, " (a program of the tutorial)", hub, options)?;
    // Who converts the pictures sees by these seats whether anybody wants them.
    let translated = bgr.seat(usize::MAX);
    let mut show = FrameWriter::new(&visit.link, bgr.subscribe(), options.stall_limit);
    let (says, said) = oneshot::channel();
    let served = tokio::select! {
        left = overhear(reader, options.hello_limit, says) => Err(left),
        served = show.pickles(write, said) => served,
    };
    drop(translated);
    drop(show);
    Ok(match served {
        Ok(hello) => LateOutcome::Admitted(visit.greeted(hello, hub, options)),
        Err(left) => LateOutcome::DisconnectReason(visit.end(left)),
    })
}

/// Listens to such a viewer until it leaves. Should the first that it says be a hello, `says`
/// passes it on, and what follows is left to be read. From its first byte on it has `limit` for
/// that.
async fn overhear(
    reader: &mut MessageReader<ReadHalf<'_>>,
    limit: Duration,
    says: oneshot::Sender<Hello>,
) -> DisconnectReason {
    match reader.begins().await {
        Ok(true) => {}
        Ok(false) => return DisconnectReason::Closed,
        Err(e) => return DisconnectReason::Lost(e),
    }
    match timeout(limit, greet(reader)).await {
        Ok(Ok(hello)) => {
            // Who shows it pictures takes it, and then ends this.
            let _ = says.send(hello);
            pending().await
        }
        Ok(Err(left @ (DisconnectReason::Closed | DisconnectReason::Lost(_)))) => left,
        // No program of the tutorial, and no viewer that we could serve.
        Ok(Err(left @ DisconnectReason::Refused(WireError::Version(_)))) => left,
        // Whatever a program of the tutorial may have to say: nobody has ever listened to it.
        Ok(Err(_)) | Err(_) => ignore(reader.stream()).await,
    }
}
