//! A viewer that watches: its seat, and the log entries of its start and end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info};

use super::disconnect::DisconnectReason;
use super::service::{Line, Service};
use super::viewer_link::ViewerLink;
use super::viewers::Entry;
use crate::net::hub::{Hub, Seat};
use crate::wire::control::NAME_LIMIT;
use crate::wire::text::printable_name;
use crate::wire::{Hello, MAX_LATENCY};

/// A viewer that pings once a second and was silent for this long is gone.
pub(super) const SILENCE_LIMIT: Duration = Duration::from_secs(3);
/// The least latency that a viewer can ask for: a frame and a half at 30 frames a second. Below it
/// every late frame would be left out, with all frames that depend on it.
const LEAST_LATENCY: Duration = Duration::from_millis(50);

/// A viewer that has said hello and was let in.
pub(in crate::net) struct Admitted {
    pub session: ViewerSession,
    /// How far behind the newest frame it may be.
    pub max_latency: Duration,
    /// How long it may be silent before its first acknowledgement; `None` where it does not ping.
    pub silence_limit: Option<Duration>,
}

/// A viewer that watches.
pub(in crate::net) struct ViewerSession {
    hub: Arc<Hub>,
    seat: Seat,
    entry: Entry,
}

impl Admitted {
    /// Lets in a viewer that says hello, unless it asks for a stream that does not exist.
    pub fn new(
        hello: &Hello,
        peer: SocketAddr,
        service: &Service,
    ) -> Result<Self, DisconnectReason> {
        let hub = stream_of(hello, service)?;
        let (name, logged) = names(hello);
        let link = ViewerLink::new(peer, name, hello.acks);
        let session = ViewerSession::begin(link, &logged, &hub, service)?;
        Ok(Self::of(session, hello, SILENCE_LIMIT, service))
    }

    fn of(
        session: ViewerSession,
        hello: &Hello,
        silence_limit: Duration,
        service: &Service,
    ) -> Self {
        let asked = hello.max_latency.map(u64::from).map(Duration::from_millis);
        let bound = service.options().max_latency;
        Self {
            session,
            max_latency: asked.unwrap_or(MAX_LATENCY).min(bound).max(LEAST_LATENCY),
            silence_limit: hello.acks.then_some(silence_limit),
        }
    }
}

impl ViewerSession {
    /// Lets a viewer in, if a seat is free. The log adds `logged` to its address.
    pub fn begin(
        link: ViewerLink,
        logged: &str,
        hub: &Arc<Hub>,
        service: &Service,
    ) -> Result<Self, DisconnectReason> {
        let limit = service.options().max_viewers;
        let full = || DisconnectReason::Full(limit);
        let entry = service.viewers().enter(link, limit).ok_or_else(full)?;
        let seat = hub.seat(usize::MAX).ok_or_else(full)?;
        let (peer, watching) = (entry.link().peer, entry.watching());
        match service.log(Line::Joined) {
            Some(more) => info!("viewer {peer}{logged}: joined ({watching} watching){more}"),
            None => debug!("viewer {peer}{logged}: joined ({watching} watching)"),
        }
        Ok(Self {
            hub: Arc::clone(hub),
            seat,
            entry,
        })
    }

    /// The viewer's link.
    pub fn link(&self) -> &Arc<ViewerLink> {
        self.entry.link()
    }

    /// The stream that it watches.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The viewer says hello late, and keeps its seat.
    pub fn greeted(
        mut self,
        hello: &Hello,
        service: &Service,
    ) -> Result<Admitted, (Self, DisconnectReason)> {
        match stream_of(hello, service) {
            Ok(hub) if Arc::ptr_eq(&hub, &self.hub) => {}
            Ok(hub) => match hub.seat(usize::MAX) {
                Some(seat) => (self.hub, self.seat) = (hub, seat),
                None => return Err((self, DisconnectReason::Full(service.options().max_viewers))),
            },
            Err(reason) => return Err((self, reason)),
        }
        let (name, logged) = names(hello);
        info!(
            "viewer {}{logged}: says hello late, goes on as a viewer of vidchat's own",
            self.link().peer
        );
        let link = self.link().after_late_hello(name, hello.acks);
        self.entry.exchange(link);
        // The viewer pings only after our hello, which waits behind all frames that it was sent
        // before.
        let silence_limit = service.options().stall_limit.max(SILENCE_LIMIT);
        Ok(Admitted::of(self, hello, silence_limit, service))
    }

    /// The viewer has left, for this reason.
    pub fn end(self, reason: &DisconnectReason, service: &Service) {
        let Self { entry, seat, .. } = self;
        let peer = entry.link().peer;
        let watching = entry.leave();
        drop(seat);
        match service.log(Line::Left) {
            Some(more) => info!("viewer {peer}: left: {reason} ({watching} watching){more}"),
            None => debug!("viewer {peer}: left: {reason} ({watching} watching)"),
        }
    }
}

/// The stream that a hello asks for.
fn stream_of(hello: &Hello, service: &Service) -> Result<Arc<Hub>, DisconnectReason> {
    if hello.sends {
        return Err(DisconnectReason::Role);
    }
    let directory = service.directory();
    directory
        .find(hello.stream.as_deref())
        .ok_or_else(|| DisconnectReason::NoStream {
            wanted: printable_name(hello.stream.as_deref().unwrap_or_default(), NAME_LIMIT),
            names: directory.names(),
        })
}

/// The viewer's name, and the words that the log adds to its address.
fn names(hello: &Hello) -> (String, String) {
    let name = printable_name(&hello.name, NAME_LIMIT);
    let logged = if name.is_empty() {
        String::new()
    } else {
        format!(" \"{name}\"")
    };
    (name, logged)
}
