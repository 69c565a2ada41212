//! The report of one run, in Markdown, so that it can be pasted where figures are kept.

use std::fmt;

/// Rows "what | floor | peer | vidchat | ratio".
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
    pub fn floor(self, figure: f64) -> Self {
        Self {
            floor: Some(figure),
            ..self
        }
    }

    /// With the peer's figure.
    pub fn peer(self, figure: f64) -> Self {
        Self {
            peer: Some(figure),
            ..self
        }
    }

    /// With vidchat's figure.
    pub fn vidchat(self, figure: f64) -> Self {
        Self {
            vidchat: Some(figure),
            ..self
        }
    }

    /// vidchat (before there is one, the peer) to the floor; without a floor, vidchat to the peer.
    fn ratio(&self) -> Option<String> {
        let (figure, base, name) = match (self.vidchat, self.peer, self.floor) {
            (Some(vidchat), _, Some(floor)) => (vidchat, floor, "floor"),
            (Some(vidchat), Some(peer), None) => (vidchat, peer, "peer"),
            (None, Some(peer), Some(floor)) => (peer, floor, "floor (peer)"),
            _ => return None,
        };
        Some(format!("{:.2} × {name}", figure / base))
    }
}

impl Table {
    /// Adds a row at the bottom.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | floor | peer | vidchat | ratio |")?;
        writeln!(f, "|---|---:|---:|---:|---:|")?;
        for row in &self.rows {
            let [floor, peer, vidchat] = [row.floor, row.peer, row.vidchat].map(figure);
            let ratio = row.ratio().unwrap_or_else(absent);
            writeln!(
                f,
                "| {} | {floor} | {peer} | {vidchat} | {ratio} |",
                row.what
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
