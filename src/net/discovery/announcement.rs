//! Announces this program on the local network, until it ends.
//!
//! The announcement has a host name of its own. Under the machine's name, the daemon of the
//! desktop, such as Avahi, would take the machine for another one and rename it.

use std::net::IpAddr;
use std::time::Duration;

use mdns_sd::{DaemonEvent, Receiver, ServiceDaemon, ServiceInfo};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{debug, info, warn};

use super::interfaces::daemon;
use super::name::shown;
use super::offer::{Access, SERVICE, What};
use crate::wire;

/// How long the end of the program may wait for the goodbye.
const GOODBYE: Duration = Duration::from_millis(300);
/// How often the daemon's memory is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// The most records of others that the daemon may keep. It keeps some of what it hears, for as long
/// as a stranger says. A network has a few hundred.
const RECORDS: i64 = 5000;
/// How long the daemon may take to answer. One that is flooded reads before it does anything else.
const ANSWER: Duration = Duration::from_secs(5);
/// How long nothing is announced after a flood of such records.
const PAUSE: Duration = Duration::from_secs(60);

/// The contents of an announcement.
#[derive(Clone, Debug)]
pub struct Announced {
    /// The name, which may get a number where another program has it already.
    pub name: String,
    /// What this program does.
    pub what: What,
    /// What it asks of those who connect, at first.
    pub access: Access,
    /// The port at which it listens.
    pub port: u16,
    /// The address at which it listens. Nothing is announced on the loopback.
    pub bound: IpAddr,
}

/// An announcement, which goes on until [`Announcement::end`] or until it is dropped. It never
/// fails: a network may forbid it, and the program works without.
#[derive(Debug)]
pub struct Announcement {
    /// `None` where nothing is announced.
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    access: watch::Sender<Access>,
    /// The task ends when this is gone.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Announcement {
    /// Starts to announce. It takes the network a second to know.
    pub fn start(announced: Announced) -> Self {
        if announced.bound.is_loopback() {
            return Self { running: None };
        }
        let (stop, stopped) = oneshot::channel();
        let (access, asked) = watch::channel(announced.access);
        let task = tokio::spawn(announce(announced, asked, stopped));
        Self {
            running: Some(Running { access, stop, task }),
        }
    }

    /// From now on this program asks for something else.
    pub fn set_access(&self, access: Access) {
        if let Some(running) = &self.running {
            running.access.send_if_modified(|before| {
                let is_new = *before != access;
                *before = access;
                is_new
            });
        }
    }

    /// Whether anything is announced.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Says goodbye, so that nobody finds this program any more.
    pub async fn end(self) {
        let Some(running) = self.running else {
            return;
        };
        drop(running.stop);
        let _ = timeout(GOODBYE, running.task).await;
    }
}

/// Why a daemon is no longer used.
enum Ending {
    /// The program ends.
    Stopped,
    /// It keeps too much of what strangers say.
    Flooded,
    Failed,
}

async fn announce(
    mut announced: Announced,
    mut access: watch::Receiver<Access>,
    mut stopped: oneshot::Receiver<()>,
) {
    loop {
        announced.access = *access.borrow_and_update();
        let service = match Service::start(&announced) {
            Ok(service) => service,
            Err(e) => return debug!("announcement: cannot announce this program: {e}"),
        };
        let ending = service.run(&mut announced, &mut access, &mut stopped).await;
        service.end().await;
        match ending {
            Ending::Stopped | Ending::Failed => return,
            Ending::Flooded => warn!(
                "announcement: not announced for {} s: somebody floods the network with \
                 announcements",
                PAUSE.as_secs()
            ),
        }
        tokio::select! {
            _ = &mut stopped => return,
            () = sleep(PAUSE) => {}
        }
    }
}

/// One daemon with one service.
struct Service {
    daemon: ServiceDaemon,
    events: Receiver<DaemonEvent>,
    /// The name of the machine, for the daemon alone.
    host: String,
}

impl Service {
    fn start(announced: &Announced) -> anyhow::Result<Self> {
        let daemon = daemon(announced.bound)?;
        let this = Self {
            events: daemon.monitor()?,
            daemon,
            host: format!("vidchat-{:08x}.local.", fastrand::u32(..)),
        };
        this.register(announced)?;
        Ok(this)
    }

    /// Announces the service, or what is new of it.
    fn register(&self, announced: &Announced) -> mdns_sd::Result<()> {
        let Announced {
            name,
            what,
            access,
            port,
            ..
        } = announced;
        let version = wire::VERSION.to_string();
        let number = access.number().map(|number| number.to_string());
        let mut text = vec![("txtvers", "1"), ("proto", &version), ("what", what.word())];
        text.extend(access.word().map(|word| ("needs", word)));
        text.extend(number.as_deref().map(|number| ("number", number)));
        let info = ServiceInfo::new(SERVICE, name, &self.host, (), *port, &text[..])?;
        self.daemon.register(info.enable_addr_auto())
    }

    /// Announces what is new of the program, and logs what becomes of its name, until `stopped`.
    async fn run(
        &self,
        announced: &mut Announced,
        access: &mut watch::Receiver<Access>,
        stopped: &mut oneshot::Receiver<()>,
    ) -> Ending {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = String::new();
        let mut name = announced.name.clone();
        loop {
            let event = tokio::select! {
                _ = &mut *stopped => return Ending::Stopped,
                Ok(()) = access.changed() => {
                    announced.access = *access.borrow_and_update();
                    if let Err(e) = self.register(announced) {
                        debug!("announcement: {e}");
                        return Ending::Failed;
                    }
                    continue;
                }
                event = self.events.recv_async() => event,
                _ = looks.tick() => {
                    if self.records().await > RECORDS {
                        return Ending::Flooded;
                    }
                    continue;
                }
            };
            match event {
                // Each of its records is renamed, on each interface.
                Ok(DaemonEvent::NameChange(change)) => {
                    if let Some(new) = change.new_name.strip_suffix(&format!(".{SERVICE}")) {
                        name = new.to_owned();
                    }
                }
                Ok(DaemonEvent::Announce(..)) if said != name => {
                    said.clone_from(&name);
                    log_announced(&announced.name, &name);
                }
                Ok(DaemonEvent::Error(e)) => debug!("announcement: {e}"),
                Ok(_) => {}
                Err(_) => return Ending::Failed,
            }
        }
    }

    /// How many records of others the daemon keeps. One that does not answer keeps too many.
    async fn records(&self) -> i64 {
        let Ok(counters) = self.daemon.get_metrics() else {
            return 0;
        };
        let Ok(counters) = timeout(ANSWER, counters.recv_async()).await else {
            return i64::MAX;
        };
        let counters = counters.unwrap_or_default();
        let kept = counters
            .iter()
            .filter(|(name, _)| name.starts_with("cached-"));
        kept.map(|(_, count)| count).sum()
    }

    /// Says goodbye.
    async fn end(self) {
        if let Ok(ended) = self.daemon.shutdown() {
            let _ = timeout(ANSWER, ended.recv_async()).await;
        }
    }
}

fn log_announced(wanted: &str, name: &str) {
    let name = shown(name);
    if name == wanted {
        info!("announcement: vidchat find lists this machine as {name}");
    } else {
        info!("announcement: vidchat find lists this machine as {name}: {wanted} is taken");
    }
}
