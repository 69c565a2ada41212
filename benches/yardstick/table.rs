//! The report of one run, in Markdown, so that it can be pasted where figures are kept.

use std::fmt;

/// Rows "what | floor | peer | vidchat | ratio | bar | reached".
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
}

/// One figure of all three. What was not measured is `None` and shown as "–".
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// What was measured, with its unit.
    pub what: String,
    /// The system calls alone.
    pub floor: Option<f64>,
    /// GStreamer's own elements.
    pub peer: Option<f64>,
    /// vidchat.
    pub vidchat: Option<f64>,
    /// What vidchat's figure is to be.
    pub bar: Option<Bar>,
}

/// What a figure is to be.
#[derive(Clone, Copy, Debug)]
pub enum Bar {
    /// So many times the floor's, or more.
    FloorAtLeast(f64),
    /// So many times the floor's, or less.
    FloorAtMost(f64),
    /// So much, or more.
    AtLeast(f64),
    /// So much, or less.
    AtMost(f64),
    /// Less than the peer's.
    BelowPeer,
}

impl Row {
    /// A row without figures yet.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            ..Self::default()
        }
    }

    /// With the floor's figure.
    pub fn floor(self, floor: Option<f64>) -> Self {
        Self { floor, ..self }
    }

    /// With the peer's figure.
    pub fn peer(self, peer: Option<f64>) -> Self {
        Self { peer, ..self }
    }

    /// With vidchat's figure.
    pub fn vidchat(self, vidchat: Option<f64>) -> Self {
        Self { vidchat, ..self }
    }

    /// With what vidchat's figure is to be.
    pub fn bar(self, bar: Bar) -> Self {
        Self {
            bar: Some(bar),
            ..self
        }
    }

    /// vidchat to the floor, or without one to the peer.
    fn ratio(&self) -> Option<String> {
        let (base, name) = match (self.floor, self.peer) {
            (Some(floor), _) => (floor, "floor"),
            (None, Some(peer)) => (peer, "peer"),
            (None, None) => return None,
        };
        Some(format!("{:.2} × {name}", self.vidchat? / base))
    }

    fn reached(&self) -> Option<bool> {
        let figure = self.vidchat?;
        Some(match self.bar? {
            Bar::FloorAtLeast(ratio) => figure >= ratio * self.floor?,
            Bar::FloorAtMost(ratio) => figure <= ratio * self.floor?,
            Bar::AtLeast(bar) => figure >= bar,
            Bar::AtMost(bar) => figure <= bar,
            Bar::BelowPeer => figure < self.peer?,
        })
    }
}

impl Table {
    /// Adds a row at the bottom.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FloorAtLeast(ratio) => write!(f, "≥ {ratio} × floor"),
            Self::FloorAtMost(ratio) => write!(f, "≤ {ratio} × floor"),
            Self::AtLeast(bar) => write!(f, "≥ {bar}"),
            Self::AtMost(bar) => write!(f, "≤ {bar}"),
            Self::BelowPeer => write!(f, "< peer"),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| what | floor | peer | vidchat | ratio | bar | reached |"
        )?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|---|")?;
        for row in &self.rows {
            let [floor, peer, vidchat] = [row.floor, row.peer, row.vidchat].map(figure);
            let ratio = row.ratio().unwrap_or_else(absent);
            let bar = row.bar.map_or_else(absent, |bar| bar.to_string());
            let reached = match row.reached() {
                Some(true) => "yes",
                Some(false) => "**no**",
                None => "–",
            };
            let what = &row.what;
            writeln!(
                f,
                "| {what} | {floor} | {peer} | {vidchat} | {ratio} | {bar} | {reached} |"
            )?;
        }
        Ok(())
    }
}

/// Three figures that mean something, since no more than that comes back in the next run.
fn figure(value: Option<f64>) -> String {
    match value {
        None => absent(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

fn absent() -> String {
    "–".to_owned()
}
