//! Monitors the viewers of a sender: statistics once a second, and the encoder's bit rate.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::clock::WallNanos;
use crate::net::Hub;
use crate::net::age_histogram::milliseconds;
use crate::net::sender::viewer_link::Progress;
use crate::net::sender::viewers::Viewers;
use crate::wire::AgesMs;

use super::bitrate::{BitrateControl, Viewer};
use crate::commands::stats_writer::{StatsWriter, rounded};

/// How often the viewers' links are checked: the rate has to fall within a second.
const TICK: Duration = Duration::from_millis(250);
/// Ticks in one second of the statistics.
const TICKS: u32 = 4;
/// A viewer that is this far behind the newest frame does not keep up.
const BEHIND: Duration = Duration::from_millis(90);

/// Monitors the viewers of one hub.
pub struct ViewerMonitor {
    hub: Arc<Hub>,
    viewers: Arc<Viewers>,
    stats: Option<StatsWriter>,
    bitrate_control: Option<BitrateControl>,
    ticks: Interval,
    count: u32,
    /// The progress of each viewer at the last check, for the bit rate and for the statistics.
    looked: HashMap<SocketAddr, Progress>,
    told: HashMap<SocketAddr, Progress>,
    told_at: Instant,
}

/// One second of a sender, for other programs.
#[derive(Debug, Serialize)]
struct Line {
    time: f64,
    state: &'static str,
    /// Why the stream is not live.
    reason: Option<String>,
    form: String,
    /// The encoder's bit rate, where there is an encoder.
    bitrate_kbit_s: Option<u32>,
    watching: usize,
    viewers: Vec<ViewerLine>,
}

/// One second of one viewer.
#[derive(Debug, Serialize)]
struct ViewerLine {
    peer: String,
    name: String,
    /// Seconds since it joined.
    joined_s: f64,
    /// Frames that were sent and skipped in this second.
    frames: u64,
    skipped: u64,
    mbit_s: f64,
    /// Bytes that are on their way.
    in_flight: usize,
    /// Ages of frames when they left the sender.
    sent_ms: Option<AgesMs>,
    /// Ages when they had arrived, and on the screen, as the viewer reports them.
    arrived_ms: Option<AgesMs>,
    age_ms: Option<AgesMs>,
    /// How far the viewer is behind the newest frame.
    behind_ms: f64,
    rtt_ms: Option<f64>,
    /// The rate of the path, as the viewer reports it.
    carries_mbit_s: Option<f64>,
}

impl ViewerMonitor {
    /// Monitors `viewers` of `hub`, and writes `stats`.
    pub fn new(hub: &Arc<Hub>, viewers: &Arc<Viewers>, stats: Option<StatsWriter>) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            hub: Arc::clone(hub),
            viewers: Arc::clone(viewers),
            stats,
            bitrate_control: None,
            ticks,
            count: 0,
            looked: HashMap::new(),
            told: HashMap::new(),
            told_at: Instant::now(),
        }
    }

    /// Sets the kbit/s that the encoder was asked for; `None` where there is no encoder.
    pub fn encodes(&mut self, bitrate: Option<u32>) {
        self.bitrate_control = bitrate.map(|asked| BitrateControl::new(asked, Instant::now()));
    }

    /// Waits until the encoder is to change its bit rate, and returns that in kbit/s. The wait may
    /// be cancelled without losing anything.
    pub async fn bitrate(&mut self) -> u32 {
        if self.stats.is_none() && self.bitrate_control.is_none() {
            return std::future::pending().await;
        }
        loop {
            self.ticks.tick().await;
            self.count = (self.count + 1) % TICKS;
            if self.count == 0 {
                self.tell();
            }
            if let Some(rate) = self.govern() {
                return rate;
            }
        }
    }

    fn govern(&mut self) -> Option<u32> {
        let bitrate_control = self.bitrate_control.as_mut()?;
        let newest = self.hub.newest_captured();
        let mut looked = HashMap::new();
        let mut viewers = Vec::new();
        for link in self.viewers.list() {
            let progress = link.progress();
            let before = self.looked.get(&link.peer).copied().unwrap_or_default();
            looked.insert(link.peer, progress);
            // A viewer that has just joined has no frame yet, which is not a fault of its link. The
            // link of a viewer that acknowledges nothing is not known.
            if before.frames == 0 || progress.round_trip.is_none() {
                continue;
            }
            viewers.push(Viewer {
                congested: behind(newest, &progress) > BEHIND || progress.skipped > before.skipped,
                carries: progress.carries,
            });
        }
        self.looked = looked;
        bitrate_control.look(Instant::now(), &viewers)
    }

    fn tell(&mut self) {
        let Some(stats) = &self.stats else {
            return;
        };
        let seconds = self.told_at.elapsed().as_secs_f64().max(0.001);
        self.told_at = Instant::now();
        let newest = self.hub.newest_captured();
        let mut told = HashMap::new();
        let mut viewers = Vec::new();
        for link in self.viewers.list() {
            let progress = link.progress();
            let before = self.told.get(&link.peer).copied().unwrap_or_default();
            told.insert(link.peer, progress);
            let report = progress.report.unwrap_or_default();
            viewers.push(ViewerLine {
                peer: link.peer.to_string(),
                name: link.name.clone(),
                joined_s: rounded(link.joined.elapsed().as_secs_f64()),
                frames: progress.frames - before.frames,
                skipped: progress.skipped - before.skipped,
                mbit_s: rounded((progress.bytes - before.bytes) as f64 * 8.0 / 1e6 / seconds),
                in_flight: progress.in_flight,
                sent_ms: link.sent_ages(),
                arrived_ms: report.arrived_ms,
                age_ms: report.age_ms,
                behind_ms: milliseconds(behind(newest, &progress)),
                rtt_ms: progress.round_trip.map(milliseconds),
                carries_mbit_s: report.carries_mbit_s,
            });
        }
        self.told = told;
        let reason = self.hub.lost().map(|reason| reason.to_string());
        stats.write(&Line {
            time: rounded(WallNanos::now().as_secs_f64()),
            state: reason.as_ref().map_or("live", |_| "camera lost"),
            reason,
            form: self
                .hub
                .caps()
                .map_or(String::new(), |caps| caps.describe()),
            bitrate_kbit_s: self.bitrate_control.as_ref().map(BitrateControl::rate),
            watching: viewers.len(),
            viewers,
        });
    }
}

/// How far a viewer is behind the newest frame.
fn behind(newest: Option<u64>, progress: &Progress) -> Duration {
    match (newest, progress.captured_at) {
        (Some(newest), at) if at > WallNanos::default() => WallNanos(newest).since(at),
        _ => Duration::ZERO,
    }
}
