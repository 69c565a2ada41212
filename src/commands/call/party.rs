//! Another party of a call: its frames on the canvas, and those of its connections that it makes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::options::CallOptions;
use crate::commands::recv::connector::{Connector, SenderPlace};
use crate::commands::recv::options::RecvOptions;
use crate::commands::recv::session::{self, SessionEnd};
use crate::media::Values;
use crate::media::display::canvas::Seat;
use crate::media::display::stage::{Place, Stage};
use crate::net::call::Accepted;
use crate::net::receiver::ReceiveOptions;
use crate::net::{Connection, Hub, Service};
use crate::wire::{Participants, Token};

/// How a party is watched.
pub struct PartyOptions {
    pub party: Token,
    /// Its name, for the person.
    pub name: String,
    pub play: ReceiveOptions,
    /// How long it may be away.
    pub give_up: Duration,
    /// Whether the status line is about it.
    pub leads: bool,
    /// Where the other parties of its room go.
    pub participants: Option<UnboundedSender<Participants>>,
    /// Passes its frames on.
    pub forward: Option<Arc<Hub>>,
}

/// Another party. Dropping it takes it off the canvas.
pub struct Party {
    pub name: String,
    /// The hub that its frames are passed on with, at the host of a room.
    forward: Option<Arc<Hub>>,
    _seat: Arc<Seat>,
    _quit: oneshot::Sender<()>,
    line: Option<JoinHandle<()>>,
}

/// The end of a party's stream.
pub type PartyEnd = (Token, Result<(), SessionEnd>);

impl Party {
    /// Shows the party on `stage`. The task in `tasks` ends with its stream.
    pub fn spawn(
        options: PartyOptions,
        call: &CallOptions,
        stage: &Stage,
        connection: Option<Connection>,
        connector: Connector,
        tasks: &mut JoinSet<PartyEnd>,
    ) -> Self {
        let PartyOptions {
            party,
            name,
            play,
            give_up,
            leads,
            participants,
            forward,
        } = options;
        let seat = Arc::new(stage.canvas().seat());
        seat.set_name(&name);
        let options = RecvOptions {
            place: SenderPlace::Party { name: name.clone() },
            file: call.shown.clone(),
            values: Values::default(),
            play,
            frames: None,
            reconnect: true,
            give_up: Some(give_up),
            has_status_line: leads,
            seat: Some(Place {
                stage: stage.clone(),
                seat: Arc::clone(&seat),
            }),
            participants,
            forward: forward.clone(),
            stats: call.stats.clone(),
            watch: None,
        };
        let (quit, quitted) = oneshot::channel::<()>();
        tasks.spawn_local(async move {
            let quitted = async move { drop(quitted.await) };
            let ended = session::run(connection, connector, options, quitted).await;
            (party, ended)
        });
        Self {
            name,
            forward,
            _seat: seat,
            _quit: quit,
            line: None,
        }
    }

    /// Handles the connections that the party makes: `first`, and those that come out of `more`.
    /// The ones over which it sends go to `connections`.
    pub fn attend(
        &mut self,
        first: Accepted,
        more: UnboundedReceiver<Accepted>,
        connections: UnboundedSender<Connection>,
        play: ReceiveOptions,
        service: &Arc<Service>,
    ) {
        let service = Arc::clone(service);
        self.line = Some(tokio::spawn(attend(
            first,
            more,
            connections,
            play,
            service,
        )));
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        if let Some(forward) = &self.forward {
            forward.finish();
            forward.end("left the room");
        }
        if let Some(line) = self.line.take() {
            // Those who watch are told of the end first.
            tokio::spawn(async move {
                tokio::time::sleep(FAREWELL).await;
                line.abort();
            });
        }
    }
}

/// How long the connections of a party that has gone are kept for the last words.
const FAREWELL: Duration = Duration::from_millis(500);

async fn attend(
    first: Accepted,
    mut more: UnboundedReceiver<Accepted>,
    connections: UnboundedSender<Connection>,
    play: ReceiveOptions,
    service: Arc<Service>,
) {
    let mut served = JoinSet::new();
    let mut next = Some(first);
    loop {
        if let Some(accepted) = next.take() {
            if accepted.sends() {
                let _ = connections.send(accepted.into_connection(&play));
            } else {
                let service = Arc::clone(&service);
                served.spawn(async move { accepted.serve(&service).await });
            }
        }
        tokio::select! {
            accepted = more.recv() => match accepted {
                Some(accepted) => next = Some(accepted),
                None => return,
            },
            Some(_) = served.join_next() => {}
        }
    }
}

/// A way to hand connections over, and the connector that takes them.
pub fn handed() -> (UnboundedSender<Connection>, Connector) {
    let (hand, handed) = mpsc::unbounded_channel();
    (hand, Connector::handed(handed))
}
