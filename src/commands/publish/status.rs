//! The status line of `vidchat publish`, and its statistics once a second.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::monitor::{EngineMonitor, EngineSecond, EngineState};
use crate::clock::WallNanos;
use crate::commands::engine_link::EngineLink;
use crate::commands::stats_writer::{StatsWriter, rounded};
use crate::console;
use crate::net::Hub;
use crate::wire::{AgesMs, Caps};

/// How often the status line is renewed.
const TICK: Duration = Duration::from_millis(250);
/// Ticks in one second of the statistics.
const TICKS: u32 = 4;

/// The sources of the report, and its place.
pub struct Reporter {
    /// The engine, as it may be printed.
    pub engine: String,
    pub hub: Arc<Hub>,
    pub monitor: Arc<EngineMonitor>,
    pub link: Arc<EngineLink>,
    pub stats: Option<StatsWriter>,
}

/// One second of a publisher. Each field is a key of the JSON object, described in
/// `docs/python.md`.
#[derive(Debug, Serialize)]
struct StatsLine<'t> {
    time: f64,
    state: &'t str,
    /// Why the stream is not live.
    reason: Option<String>,
    engine: &'t str,
    form: String,
    /// Frames a second that the engine was given.
    fps: f64,
    published: u64,
    skipped: u64,
    mbit_s: f64,
    /// Ages of frames when the engine was given them.
    age_ms: Option<AgesMs>,
    /// The rate of the engine's link, while that is full.
    carries_mbit_s: Option<f64>,
}

impl Reporter {
    /// Reports until it is dropped.
    pub async fn run(self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut count, mut last) = (0, EngineSecond::default());
        loop {
            ticks.tick().await;
            count = (count + 1) % TICKS;
            if count == 0 {
                last = self.monitor.close_second();
                if let Some(stats) = &self.stats {
                    stats.write(&self.line(&last));
                }
            }
            if let Some(caps) = self.monitor.caps() {
                let text = self.status(&last, &caps);
                console::status(&[text, format!("({})", console::way_out())].join(console::GAP));
            }
        }
    }

    /// The state in one word or two, and the reason where the stream is not live.
    fn state(&self) -> (&'static str, Option<String>) {
        match (self.monitor.state(), self.hub.lost()) {
            (EngineState::Lost(reason, _), _) => ("engine lost", Some(reason)),
            (_, Some(loss)) => ("no frames", Some(loss.reason.clone())),
            (EngineState::Connecting, None) => ("connecting", None),
            (EngineState::Live, None) => ("live", None),
        }
    }

    fn status(&self, last: &EngineSecond, caps: &Caps) -> String {
        let engine = &self.engine;
        match self.monitor.state() {
            EngineState::Lost(reason, since) => {
                let seconds = since.elapsed().as_secs();
                return format!("{engine}: {reason} ({seconds} s)");
            }
            EngineState::Connecting => return format!("connecting to {engine}"),
            EngineState::Live => {}
        }
        if let Some(loss) = self.hub.lost() {
            return format!("no frames: {}", loss.reason);
        }
        let seconds = last.span.as_secs_f64().max(0.001);
        let age = last
            .age
            .map(|age| format!("{} ms old at the engine", age.p50.as_millis()));
        let rest = [
            format!("{:.1} frames/s", last.frames as f64 / seconds),
            format!("{} skipped", self.monitor.skipped()),
            format!("{:.1} Mbit/s", last.bytes as f64 * 8.0 / 1e6 / seconds),
            caps.describe(),
        ];
        let parts: Vec<String> = age.into_iter().chain(rest).collect();
        parts.join(console::GAP)
    }

    fn line(&self, second: &EngineSecond) -> StatsLine<'_> {
        let seconds = second.span.as_secs_f64().max(0.001);
        let (state, reason) = self.state();
        StatsLine {
            time: rounded(WallNanos::now().as_secs_f64()),
            state,
            reason,
            engine: &self.engine,
            form: self
                .monitor
                .caps()
                .map_or(String::new(), |caps| caps.describe()),
            fps: rounded(second.frames as f64 / seconds),
            published: second.frames,
            skipped: second.skipped,
            mbit_s: rounded(second.bytes as f64 * 8.0 / 1e6 / seconds),
            age_ms: second.age.map(Into::into),
            carries_mbit_s: self.link.carries().map(|rate| rounded(rate.mbit())),
        }
    }
}
