//! `vidchat send`: starts a sender, and tells its viewers of the end. The loop in between is in
//! `broadcast`.

pub(crate) mod bitrate;
pub(crate) mod broadcast;
pub(crate) mod camera_switch;
pub(crate) mod key_budget;
pub(crate) mod options;
pub(crate) mod pace_control;
pub(crate) mod preview;
pub(crate) mod tutorial_frames;
pub(crate) mod viewer_monitor;

use std::future::Future;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::cli::SendArgs;
use crate::console;
use crate::failure::{Failure, Outcome, describe};
use crate::media;
use crate::net::discovery::{Access, Announced, Announcement, What};
use crate::net::secure::Secret;
use crate::net::sender::ServerOptions;
use crate::net::sender::dial::{self, DialError, Receiver};
use crate::net::sender::disconnect::DisconnectReason;
use crate::net::{self, Hub, Peer, Service, Target, TcpListener};
use crate::wire::{Bye, ByeCode, Dialect, LengthFormat};

pub use self::options::SendOptions;
pub use self::tutorial_frames::PickleContent;

use self::broadcast::{Broadcast, CLOSING};
use self::tutorial_frames::TutorialFrames;
use super::connect_failure::{about_secret, cannot_connect};
use super::invitation::{exposure, invitation, listen};
use super::quit::Quit;
use super::secrets;

/// The origin of the viewers.
pub enum Destination {
    /// Viewers connect to this socket.
    Listener(TcpListener),
    /// The one viewer is this receiver, which listens.
    Receiver(Target),
}

/// Sends until the person ends it or the source is lost.
///
/// # Errors
/// The failure to be printed: the sender could not start, or its source failed.
pub async fn run(args: SendArgs) -> Outcome {
    let (to, bind, port) = (args.to.clone(), args.bind, args.port);
    let options = SendOptions::new(args)?;
    let destination = match to {
        Some(target) => Destination::Receiver(target),
        None => Destination::Listener(listen(bind, port, "vidchat send")?),
    };
    media::init()?;
    let mut quit = Quit::listen()?;
    serve(destination, options, Banner::OtherMachine, async move {
        quit.asked().await;
    })
    .await
}

/// The hint that the sender prints once it runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Banner {
    /// The command for the other machine.
    OtherMachine,
    /// None: the receiver runs already.
    Nothing,
}

/// Sends to `destination`, until `quit` completes.
///
/// # Errors
/// As [`run`].
pub async fn serve(
    destination: Destination,
    mut options: SendOptions,
    banner: Banner,
    quit: impl Future<Output = ()>,
) -> Outcome {
    tokio::pin!(quit);
    let hub = Hub::new();
    let server_options = std::mem::take(&mut options.server);
    let (server_options, converter) =
        with_tutorial(server_options, &destination, options.pickles, &hub);
    let service = Service::new(Arc::clone(&hub), server_options);
    let (stop, stopped) = oneshot::channel();
    let started = tokio::select! {
        started = start(destination, &service, stopped) => started,
        () = &mut quit => return Ok(()),
    };
    let Started { server, place } = started.inspect_err(|_| hub.end("the sender did not start"))?;
    let preview = options.preview;
    let announced_as = options.announced_as.take();
    let mut announcement = None;
    let mut broadcast = Broadcast::new(&service, options, converter);
    let ending = match broadcast.open_preview(preview) {
        Ok(()) => {
            let invite = || {
                if banner == Banner::OtherMachine {
                    console::line(&place.banner(service.options(), &hub));
                }
            };
            let opened = || {
                invite();
                announcement = place.announce(announced_as, service.options().secret.as_ref());
            };
            let listens = matches!(place, Place::Bound(_));
            let secret = service.options().secret.as_ref().filter(|_| listens);
            tokio::select! {
                ending = broadcast.run(quit, opened) => ending,
                never = secrets::keep_code(secret, invite) => match never {},
            }
        }
        Err(failure) => Err(failure),
    };
    // Viewers are told before the source is closed, which may take a while.
    let _ = stop.send(goodbye(&ending));
    let unannounced = async {
        if let Some(announcement) = announcement {
            announcement.end().await;
        }
    };
    let _ = tokio::join!(timeout(CLOSING, server), unannounced);
    broadcast.close().await;
    ending.map(drop)
}

/// A sender that listens, or that has connected to its receiver.
struct Started {
    server: JoinHandle<()>,
    place: Place,
}

/// The address at which a sender listens, or the receiver that it sends to.
enum Place {
    Bound(std::net::SocketAddr),
    Receiver(Target),
}

impl Place {
    /// Announces a sender that listens, where it has a `name` for that.
    fn announce(&self, name: Option<String>, secret: Option<&Secret>) -> Option<Announcement> {
        let Self::Bound(address) = self else {
            return None;
        };
        Some(Announcement::start(Announced {
            name: name?,
            what: What::Send,
            access: match secrets::access(secret) {
                // A stranger who knows the number could use up the guesses at the code.
                Access::Code(_) => Access::Code(None),
                access => access,
            },
            port: address.port(),
            bound: address.ip(),
        }))
    }

    /// The command for the other machine, or the receiver that the frames go to.
    fn banner(&self, options: &ServerOptions, hub: &Hub) -> String {
        match self {
            Self::Bound(address) => invitation(
                "vidchat recv",
                "vidchat send",
                *address,
                &(flags(options, hub) + &secrets::flags(options.secret.as_ref())),
                exposure("watch", *address, &options.allowed, options.secret.as_ref()),
            ),
            Self::Receiver(target) => {
                format!("The receiver is {target}.\n{}", console::way_out_line())
            }
        }
    }
}

/// The flags that a receiver needs, where the frames themselves do not say what they are.
fn flags(options: &ServerOptions, hub: &Hub) -> String {
    let (Some(Dialect::Bare), Some(caps)) = (options.dialect, hub.caps()) else {
        return String::new();
    };
    let length = match options.length {
        LengthFormat::Little8 => String::new(),
        other => format!(" --length \"{other}\""),
    };
    format!(" --wire bare{length} --caps \"{caps}\"")
}

/// Listens, or connects to the receiver. A mistake in the address is reported before the source
/// opens.
async fn start(
    destination: Destination,
    service: &Arc<Service>,
    stopped: oneshot::Receiver<Bye>,
) -> Outcome<Started> {
    let stopped = async { stopped.await.unwrap_or_default() };
    let service = Arc::clone(service);
    Ok(match destination {
        Destination::Listener(listener) => {
            let bound = listener
                .local_addr()
                .map_err(|e| Failure::start("cannot listen").cause(describe(&e)))?;
            Started {
                server: tokio::spawn(net::serve(listener, service, stopped)),
                place: Place::Bound(bound),
            }
        }
        Destination::Receiver(target) => {
            let first = reach(&target, &service).await?;
            let to = Peer::from(target.clone());
            Started {
                server: tokio::spawn(
                    async move { dial::serve(&to, first, service, stopped).await },
                ),
                place: Place::Receiver(target),
            }
        }
    })
}

/// The receiver at `target`, or its refusal where it is busy and worth another try.
async fn reach(target: &Target, service: &Service) -> Outcome<Result<Receiver, DialError>> {
    match dial::dial_first(&Peer::from(target.clone()), service).await {
        Ok(receiver) => Ok(Ok(receiver)),
        Err(DialError::Connect(e)) => Err(cannot_connect(target, "vidchat recv --listen", &e)),
        Err(DialError::Answer(DisconnectReason::Bye(bye))) if bye.code == Some(ByeCode::Busy) => {
            Ok(Err(DialError::Answer(DisconnectReason::Bye(bye))))
        }
        Err(DialError::Answer(reason)) => {
            let (host, _) = target.parts();
            let hint = match &reason {
                DisconnectReason::Bye(bye) if bye.code == Some(ByeCode::Call) => {
                    format!("vidchat call {target} calls it")
                }
                DisconnectReason::Silent(_) => format!(
                    "start vidchat recv --listen on {host:?}; a program of the Python tutorial \
                     takes --wire pickle"
                ),
                DisconnectReason::Unsafe(refusal) => {
                    about_secret(refusal, host, "vidchat recv --listen")
                }
                _ => format!("vidchat recv --listen on {host:?} prints what to type here"),
            };
            Err(
                Failure::start(format!("no vidchat receiver answered at \"{target}\""))
                    .cause(reason)
                    .hint(hint),
            )
        }
    }
}

/// The goodbye to the viewers.
fn goodbye(ending: &Outcome<Bye>) -> Bye {
    match ending {
        Ok(bye) => bye.clone(),
        Err(failure) => Bye::new(
            ByeCode::Failed,
            format!("the sender failed: {}", failure.summary()),
        ),
    }
}

/// Adds frames for the programs of the tutorial, where such viewers are possible.
fn with_tutorial(
    mut options: ServerOptions,
    destination: &Destination,
    content: PickleContent,
    hub: &Arc<Hub>,
) -> (ServerOptions, Option<TutorialFrames>) {
    let wanted = match (options.dialect, destination) {
        (Some(dialect), _) => dialect == Dialect::Pickle,
        // A receiver that is dialled says hello, or is no receiver.
        (None, Destination::Receiver(_)) => false,
        // They cannot prove a key or code.
        (None, Destination::Listener(_)) => options.secret.is_none(),
    };
    if !wanted {
        return (options, None);
    }
    let pickled = Hub::new();
    let converter = TutorialFrames::spawn(hub, &pickled, content);
    options.tutorial = Some(pickled);
    (options, Some(converter))
}
