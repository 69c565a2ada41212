//! Monitors the viewers of a sender: statistics once a second, and the encoder's bit rate.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::clock::WallNanos;
use crate::net::age_histogram::milliseconds;
use crate::net::sender::viewer_link::{Progress, ViewerLink};
use crate::net::sender::viewers::Viewers;
use crate::net::{BitRate, Hub};
use crate::wire::AgesMs;

use super::bitrate::{BitrateControl, Viewer};
use super::pace_control::PaceControl;
use crate::commands::engine_link::EngineLink;
use crate::commands::stats_writer::{StatsWriter, age_since, rounded};

/// How often the viewers' links are checked: the rate has to fall within a second.
const TICK: Duration = Duration::from_millis(250);
/// Ticks in one second of the statistics.
const TICKS: u32 = 4;
/// A viewer that is this far behind the newest frame does not keep up.
const BEHIND: Duration = Duration::from_millis(90);
/// The number of an engine among the viewers, which none of them reaches.
const ENGINE: u64 = u64::MAX;

/// Monitors the viewers of one hub.
pub struct ViewerMonitor {
    hub: Arc<Hub>,
    viewers: Arc<Viewers>,
    engine: Option<Arc<EngineLink>>,
    stats: Option<StatsWriter>,
    bitrate_control: Option<BitrateControl>,
    pace_control: PaceControl,
    /// The mean rate that a viewer that acknowledges frames is sent.
    others: BitRate,
    /// The rate of all frames for a viewer that acknowledges nothing.
    needs: BitRate,
    ticks: Interval,
    count: u32,
    /// The progress of each viewer at the last check, for the bit rate and for the statistics.
    looked: HashMap<u64, Progress>,
    told: HashMap<u64, Progress>,
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
    /// From where the ages of the viewers' frames count; `None` while there is no frame.
    age_since: Option<&'static str>,
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
            engine: None,
            stats,
            bitrate_control: None,
            pace_control: PaceControl::default(),
            others: BitRate::default(),
            needs: BitRate::default(),
            ticks,
            count: 0,
            looked: HashMap::new(),
            told: HashMap::new(),
            told_at: Instant::now(),
        }
    }

    /// Monitors the link to an engine too.
    pub fn follow(&mut self, engine: Arc<EngineLink>) {
        self.engine = Some(engine);
    }

    /// Sets the kbit/s that the encoder was asked for; `None` where there is no encoder.
    pub fn encodes(&mut self, bitrate: Option<u32>) {
        self.bitrate_control = bitrate.map(|asked| BitrateControl::new(asked, Instant::now()));
    }

    /// Waits until the encoder is to change its bit rate, and returns that in kbit/s. The wait may
    /// be cancelled without losing anything.
    pub async fn bitrate(&mut self) -> u32 {
        loop {
            if self.is_idle() {
                // It would be too old when the links matter again.
                self.looked.clear();
                self.viewers.changed().await;
                continue;
            }
            self.ticks.tick().await;
            self.count = (self.count + 1) % TICKS;
            if self.count == 0 {
                self.tell();
            }
            let viewers = self.look();
            let control = self.bitrate_control.as_mut();
            if let Some(rate) = control.and_then(|control| control.look(Instant::now(), &viewers)) {
                return rate;
            }
        }
    }

    /// Whether nothing follows from the viewers' links: there is no bit rate to choose, no viewer to
    /// limit, and nobody reads statistics.
    fn is_idle(&self) -> bool {
        self.stats.is_none() && self.bitrate_control.is_none() && !self.may_limit()
    }

    /// Whether a viewer is limited, or may have to be: one that acknowledges nothing yields to one
    /// that acknowledges frames.
    fn may_limit(&self) -> bool {
        let viewers = self.viewers.list();
        let yields = viewers.iter().any(|link| !link.acks());
        let others = || viewers.iter().any(|link| link.acks());
        yields && (self.pace_control.limits() || others())
    }

    /// Looks at the viewers' links, and limits those that acknowledge nothing. Returns the others.
    fn look(&mut self) -> Vec<Viewer> {
        let newest = self.hub.newest_captured();
        let mut looked = HashMap::new();
        let mut viewers = Vec::new();
        let mut unlimited = Vec::new();
        let mut sent = 0;
        for link in self.viewers.list() {
            let progress = link.progress();
            let before = self.looked.get(&link.id).copied().unwrap_or_default();
            looked.insert(link.id, progress);
            // A viewer that has just joined has no frame yet, which is not a fault of its link. The
            // link of a viewer that acknowledges nothing is not known.
            if !link.acks() {
                unlimited.push((link, progress, before));
                continue;
            }
            if before.frames == 0 || progress.round_trip.is_none() {
                continue;
            }
            sent += progress.bytes.saturating_sub(before.bytes);
            let onward = onward(&progress);
            let is_behind = behind(newest, &progress) > BEHIND;
            viewers.push(Viewer {
                id: link.id,
                watched: link.joined.elapsed(),
                congested: is_behind || progress.skipped > before.skipped || onward.is_some(),
                carries: thinner(progress.carries, onward),
            });
        }
        viewers.extend(self.engine.as_ref().map(|link| Viewer {
            id: ENGINE,
            watched: link.measured_for(),
            congested: link.carries().is_some(),
            carries: link.carries(),
        }));
        self.looked = looked;
        self.limit(&unlimited, &viewers, sent);
        viewers
    }

    /// Limits viewers that acknowledge nothing, each with its progress now and at the last check.
    /// The `others` were sent so many bytes since then.
    fn limit(
        &mut self,
        unlimited: &[(Arc<ViewerLink>, Progress, Progress)],
        others: &[Viewer],
        sent: u64,
    ) {
        let rate = |bytes: f64| bytes / TICK.as_secs_f64();
        if !others.is_empty() {
            let now = rate(sent as f64) / others.len() as f64;
            self.others = BitRate::from_bytes(self.others.bytes() * 0.8 + now * 0.2);
        }
        for (_, now, before) in unlimited {
            let frames = now.frames.saturating_sub(before.frames);
            let skipped = now.skipped.saturating_sub(before.skipped);
            let bytes = now.bytes.saturating_sub(before.bytes) as f64;
            // Without an earlier look, its frames are those of a longer time.
            if before.frames > 0 && frames > 0 && !self.pace_control.limits() {
                let all = rate(bytes * (frames + skipped) as f64 / frames as f64);
                self.needs = BitRate::from_bytes(all.max(self.needs.bytes() * 0.9));
            }
        }
        let behind = others.iter().any(|viewer| viewer.congested) && !unlimited.is_empty();
        let pace = self
            .pace_control
            .look(Instant::now(), behind, self.others, self.needs);
        for (link, ..) in unlimited {
            link.set_pace(pace);
        }
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
            let before = self.told.get(&link.id).copied().unwrap_or_default();
            told.insert(link.id, progress);
            let report = progress.report.unwrap_or_default();
            viewers.push(ViewerLine {
                peer: link.peer.to_string(),
                name: link.name.clone(),
                joined_s: rounded(link.joined.elapsed().as_secs_f64()),
                frames: progress.frames.saturating_sub(before.frames),
                skipped: progress.skipped.saturating_sub(before.skipped),
                mbit_s: rounded(
                    progress.bytes.saturating_sub(before.bytes) as f64 * 8.0 / 1e6 / seconds,
                ),
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
        let reason = self.hub.lost().map(|loss| loss.reason.clone());
        stats.write(&Line {
            time: rounded(WallNanos::now().as_secs_f64()),
            state: reason.as_ref().map_or("live", |_| "camera lost"),
            reason,
            form: self
                .hub
                .caps()
                .map_or(String::new(), |caps| caps.describe()),
            bitrate_kbit_s: self.bitrate_control.as_ref().map(BitrateControl::rate),
            age_since: self.hub.newest().map(|newest| age_since(newest.origin)),
            watching: viewers.len(),
            viewers,
        });
    }
}

/// The rate of the way onward from a viewer that passes the frames on, while that way is full.
fn onward(progress: &Progress) -> Option<BitRate> {
    let mbit = progress.report?.onward_mbit_s?;
    (mbit >= 0.0).then(|| BitRate::from_kbit(mbit * 1e3))
}

/// The lower of two rates, of which either may not be known.
fn thinner(one: Option<BitRate>, other: Option<BitRate>) -> Option<BitRate> {
    match (one, other) {
        (Some(one), Some(other)) if other < one => Some(other),
        (one, other) => one.or(other),
    }
}

/// How far a viewer is behind the newest frame.
fn behind(newest: Option<u64>, progress: &Progress) -> Duration {
    match (newest, progress.captured_at) {
        (Some(newest), at) if at > WallNanos::default() => WallNanos(newest).since(at),
        _ => Duration::ZERO,
    }
}
