//! The line of `--stats json`: the keys of the JSON object, and where their values come from.

use serde::Serialize;

use super::display::VideoDisplay;
use crate::clock::WallNanos;
use crate::commands::stats_writer::{age_since, rounded};
use crate::net::receiver::stats::StatsInterval;
use crate::wire::{AgesMs, Caps};

/// The statistics of one second of a receiver. Each field is a key of the JSON object, described in
/// `docs/python.md`.
#[derive(Debug, Serialize)]
pub struct StatsLine<'t> {
    time: f64,
    state: &'t str,
    /// Why the stream is not live.
    reason: Option<String>,
    sender: &'t str,
    form: String,
    /// Frames a second on the screen.
    fps: f64,
    received: u64,
    shown: u64,
    skipped: u64,
    mbit_s: f64,
    /// Ages of frames when they left the sender, when they had arrived, and on the screen.
    sent_ms: Option<AgesMs>,
    arrived_ms: Option<AgesMs>,
    age_ms: Option<AgesMs>,
    /// From where they count; `None` where they are not known.
    age_since: Option<&'static str>,
    rtt_ms: Option<f64>,
    carries_mbit_s: Option<f64>,
}

impl<'t> StatsLine<'t> {
    /// The line about `second`, in which `display` showed the frames.
    pub fn new(second: &StatsInterval, display: &'t VideoDisplay<'_>) -> Self {
        let seconds = second.span.as_secs_f64().max(0.001);
        let report = second.report();
        Self {
            time: rounded(WallNanos::now().as_secs_f64()),
            state: display.state(),
            reason: display.reason(),
            sender: &display.sender,
            form: display.caps.as_ref().map_or(String::new(), Caps::describe),
            fps: rounded(second.shown as f64 / seconds),
            received: second.frames,
            shown: second.shown,
            skipped: second.skipped,
            mbit_s: rounded(second.bytes as f64 * 8.0 / 1e6 / seconds),
            sent_ms: second.sent,
            arrived_ms: report.arrived_ms,
            age_ms: report.age_ms,
            age_since: second.age.map(|_| age_since(second.origin)),
            rtt_ms: report.rtt_ms,
            carries_mbit_s: report.carries_mbit_s,
        }
    }
}
