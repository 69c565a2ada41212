//! Announces this program on the local network, until it ends.
//!
//! The announcement has a host name of its own. Under the machine's name, the daemon of the
//! desktop, such as Avahi, would take the machine for another one and rename it.

use std::net::IpAddr;
use std::time::Duration;

use mdns_sd::{DaemonEvent, Receiver, ServiceDaemon, ServiceInfo};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{debug, info, warn};

use super::interfaces::daemon;
use super::name::shown;
use super::offer::{SERVICE, What};
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
    /// The port at which it listens.
    pub port: u16,
    /// The address at which it listens. Nothing is announced on the loopback.
    pub bound: IpAddr,
}

/// An announcement, which goes on until [`Announcement::end`] or until it is dropped. It never
/// fails: a network may forbid it, and the program works without.
#[derive(Debug)]
pub struct Announcement {
    /// The task ends when this is gone. `None` where nothing is announced.
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Announcement {
    /// Starts to announce. It takes the network a second to know.
    pub fn start(announced: Announced) -> Self {
        if announced.bound.is_loopback() {
            return Self { running: None };
        }
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(announce(announced, stopped));
        Self {
            running: Some((stop, task)),
        }
    }

    /// Says goodbye, so that nobody finds this program any more.
    pub async fn end(self) {
        let Some((stop, task)) = self.running else {
            return;
        };
        drop(stop);
        let _ = timeout(GOODBYE, task).await;
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

async fn announce(announced: Announced, mut stopped: oneshot::Receiver<()>) {
    loop {
        let service = match Service::start(&announced) {
            Ok(service) => service,
            Err(e) => return debug!("announcement: cannot announce this program: {e}"),
        };
        let ending = service.run(&mut stopped).await;
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
    name: String,
}

impl Service {
    fn start(announced: &Announced) -> anyhow::Result<Self> {
        let daemon = daemon(announced.bound)?;
        let host = format!("vidchat-{:08x}.local.", fastrand::u32(..));
        let version = wire::VERSION.to_string();
        let text = [
            ("txtvers", "1"),
            ("proto", &version),
            ("what", announced.what.word()),
        ];
        let info = ServiceInfo::new(
            SERVICE,
            &announced.name,
            &host,
            (),
            announced.port,
            &text[..],
        )?;
        let events = daemon.monitor()?;
        daemon.register(info.enable_addr_auto())?;
        Ok(Self {
            daemon,
            events,
            name: announced.name.clone(),
        })
    }

    /// Logs what becomes of the name, until `stopped`.
    async fn run(&self, stopped: &mut oneshot::Receiver<()>) -> Ending {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = String::new();
        let mut name = self.name.clone();
        loop {
            let event = tokio::select! {
                _ = &mut *stopped => return Ending::Stopped,
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
                    log_announced(&self.name, &name);
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
